//! A server that takes no writes for now says nothing of a transaction that it may hold already.

use std::time::Duration;

use journal_core::client::{AppendFailure, GroupCommit, GroupFailure, Journal};
use journal_core::model::SchemaVersion;
use journal_core::sql::{Access, Conn};
use journal_tests::proxy::Cut;

use super::pair::{Pair, client, name, sale, settled, standing};

/// A standby, a database that takes no connections or was dropped, a transaction that took too long.
const CODES: [&str; 4] = ["25006", "55000", "57P04", "25P04"];

/// Has the journal refuse everything with a code once something stands in it: it was written to before the server came to
/// take no writes.
async fn refuse_once_written(pair: &Pair, code: &str) {
    let mut conn = Conn::open(pair.rig.url("a"), Access::Write, "test").await.unwrap();
    let ddl = format!(
        "CREATE OR REPLACE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF EXISTS (SELECT FROM daybook.journal) THEN RAISE EXCEPTION 'refused' USING ERRCODE = '{code}'; END IF; \
         RETURN NEW; END $$; \
         CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON daybook.journal FOR EACH ROW EXECUTE FUNCTION public.refuse()"
    );
    conn.lend().ddl(&ddl).await.unwrap();
}

async fn refuse_no_more(pair: &Pair) {
    let mut conn = Conn::open(pair.rig.url("a"), Access::Write, "test").await.unwrap();
    conn.lend().ddl("DROP TRIGGER refuse ON daybook.journal").await.unwrap();
}

/// It was told as a definite no.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_stays_in_doubt_though_the_next_try_is_refused() {
    for code in CODES {
        let Some(pair) = Pair::or_skip().await else { return };
        let group_commit = GroupCommit { patience: Duration::from_millis(200), ..GroupCommit::default() };
        let journal = Journal::builder(&pair.urls[0].1, &name("a"));
        let journal =
            journal.schema_version(SchemaVersion(1)).group_commit(group_commit).open().await.unwrap();
        let transaction = sale(1);
        refuse_once_written(&pair, code).await;
        pair.proxies[0].cut_at_commit(Cut::ReplyLost, 0);
        let failure = journal.append(&transaction).await.unwrap_err();
        assert!(matches!(failure, AppendFailure::InDoubt(_)), "{code}: {failure:?}");
        refuse_no_more(&pair).await;
        assert!(journal.append(&transaction).await.unwrap().repeated(), "{code}");
    }
}

/// The same of a client of a group, whose tries are appends of their own.
#[tokio::test]
async fn what_was_sent_to_a_site_stays_in_doubt_though_the_site_takes_no_writes_any_more() {
    for code in CODES {
        let Some(pair) = Pair::or_skip().await else { return };
        let alone = client(&pair.urls[..1]).patience(Duration::from_secs(1)).open().await.unwrap();
        let transaction = sale(1);
        refuse_once_written(&pair, code).await;
        pair.proxies[0].cut_at_commit(Cut::ReplyLost, 0);
        let failure = alone.append(&transaction).await.unwrap_err();
        assert!(matches!(failure, GroupFailure::OutcomeUnknown { .. }), "{code}: {failure:?}");
        refuse_no_more(&pair).await;
        let receipt = alone.append(&transaction).await.unwrap();
        assert_eq!(standing(&pair.rig, transaction.tx_id()).await, [receipt.id().to_string()], "{code}");
    }
}

/// It was told to stand nowhere.
#[tokio::test]
async fn what_an_earlier_process_may_have_appended_stays_in_doubt_at_a_site_that_refuses_it() {
    let Some(pair) = Pair::or_skip().await else { return };
    let transaction = sale(1);
    let earlier = pair.client().await;
    let first = earlier.append(&transaction).await.unwrap();
    earlier.close().await;
    // A definite no of this try.
    refuse_once_written(&pair, "42P01").await;
    let group = client(&pair.urls).patience(Duration::from_millis(300)).open().await.unwrap();
    for again in [true, false] {
        let answer =
            if again { group.append_again(&transaction).await } else { group.append(&transaction).await };
        assert!(
            matches!(&answer, Err(GroupFailure::OutcomeUnknown { site, .. }) if *site == name("a")),
            "{answer:?}"
        );
    }
    refuse_no_more(&pair).await;
    let receipt = settled(&group, &transaction).await;
    assert_eq!((receipt.id(), receipt.repeated()), (first.id(), true));
    assert_eq!(standing(&pair.rig, transaction.tx_id()).await, [first.id().to_string()]);
}

#[tokio::test]
async fn a_site_that_takes_no_writes_is_left_for_one_that_does() {
    let Some(pair) = Pair::or_skip().await else { return };
    let group = pair.client().await;
    group.append(&sale(1)).await.unwrap();
    refuse_once_written(&pair, "25006").await;
    let transaction = sale(2);
    let receipt = group.append(&transaction).await.unwrap();
    assert_eq!(receipt.id().origin.site, name("b"));
    assert_eq!(standing(&pair.rig, transaction.tx_id()).await, [receipt.id().to_string()]);
}
