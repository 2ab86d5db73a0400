//! What the book of a client knows of callers that have gone.

use std::collections::BTreeMap;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::*;
use crate::client::Journal;
use crate::conformance::{initialise, origin};
use crate::model::{Column, Row, Schema, Table, Type};
use crate::store::sql::{ReleasedSchema, insert_schema_version};

/// Far above what a commit takes.
const BOUND: Duration = Duration::from_secs(60);

/// A group of sites in files, with one table.
async fn group(directory: &tempfile::TempDir, sites: &[&str], patience: Duration) -> GroupJournal {
    let columns = vec![Column { name: "id".into(), ty: Type::Int, nullable: false }];
    let item = Table::new("item", columns, vec!["id".into()]);
    let tables = BTreeMap::from([("item".into(), item)]);
    let schema = Schema { version: SchemaVersion(1), tables, operations: BTreeMap::new() };
    let released = ReleasedSchema { hash: "h".to_owned(), schema, files: String::new(), released_at: 0 };
    let mut urls = Vec::new();
    for site in sites {
        let url: DbUrl = format!("sqlite:{}/{site}.db", directory.path().display()).parse().unwrap();
        initialise(&url, &origin(site)).await;
        let mut conn = Conn::open(&url, Access::Write, "test").await.unwrap();
        insert_schema_version(conn.lend(), &released).await.unwrap();
        urls.push((origin(site).site, url));
    }
    Journal::group_builder(&urls).patience(patience).open().await.unwrap()
}

fn item(id: i64) -> Transaction {
    Transaction::new().insert("item", Row::new().with("id", id))
}

/// Waits until the book has nothing in doubt.
async fn settled(group: &GroupJournal) {
    let deadline = Instant::now() + BOUND;
    while group.shared.doubts.in_doubt() > 0 {
        assert!(Instant::now() < deadline, "a transaction stays in doubt");
        sleep(LOOK_AGAIN).await;
    }
}

/// It stayed in doubt for good, and after 65,536 such ones no new transaction was taken.
#[tokio::test]
async fn the_answer_to_a_caller_who_has_gone_ends_the_doubt() {
    let directory = tempfile::tempdir().unwrap();
    let group = group(&directory, &["a"], BOUND).await;
    let transaction = item(1);
    let polled = std::pin::pin!(group.append(&transaction)).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    assert_eq!(group.shared.doubts.in_doubt(), 1);
    settled(&group).await;
    let receipt = group.append(&transaction).await.unwrap();
    assert!(receipt.repeated());
    assert_eq!(group.shared.members[0].written().last, Some((origin("a"), receipt.id().trans_nr)));
}

/// The same of one who is told that the outcome is not known.
#[tokio::test]
async fn the_answer_after_the_end_of_patience_ends_the_doubt() {
    let directory = tempfile::tempdir().unwrap();
    let group = group(&directory, &["a"], Duration::ZERO).await;
    let unknown = group.append(&item(1)).await.unwrap_err();
    assert!(matches!(unknown, GroupFailure::OutcomeUnknown { .. }), "{unknown}");
    assert_eq!(group.shared.doubts.in_doubt(), 1);
    settled(&group).await;
}

/// It was told as a definite no.
#[tokio::test]
async fn what_was_sent_before_the_close_may_stand_also_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let group = group(&directory, &["a"], Duration::ZERO).await;
    let transaction = item(1);
    let unknown =
        |answer: Result<_, GroupFailure>| matches!(answer, Err(GroupFailure::OutcomeUnknown { .. }));
    assert!(unknown(group.append(&transaction).await));
    group.close().await;
    assert!(unknown(group.append(&transaction).await));
    assert!(unknown(group.append_again(&item(2)).await), "an earlier process may have appended it");
    let closed = group.append(&item(2)).await.unwrap_err();
    assert_eq!(closed, GroupFailure::Append(AppendFailure::Closed));
}

/// Each caller began anew, and none got there.
#[tokio::test]
async fn a_journal_is_opened_also_for_callers_with_less_patience_than_that_takes() {
    let directory = tempfile::tempdir().unwrap();
    let group = group(&directory, &["a"], BOUND).await;
    let member = &group.shared.members[0];
    let journal = member.journal(tokio::time::Instant::now() + BOUND).await.unwrap();
    member.forget(&journal);
    // One poll and no more.
    let impatient = || member.journal(tokio::time::Instant::now() - Duration::from_secs(1));
    impatient().await.unwrap_err();
    let deadline = Instant::now() + BOUND;
    while impatient().await.is_err() {
        assert!(Instant::now() < deadline, "it is never opened");
        sleep(LOOK_AGAIN).await;
    }
}

/// Forgotten between two calls, it was made void at the second site as well, and stood nowhere for ever.
#[tokio::test]
async fn what_is_void_at_one_site_and_in_doubt_at_the_other_keeps_a_place() {
    let directory = tempfile::tempdir().unwrap();
    let group = group(&directory, &["a", "b"], BOUND).await;
    let transaction = item(1);
    let claim = group.shared.doubts.claim(transaction.tx_id()).unwrap();
    let journal = group.shared.members[0].open().await.unwrap();
    let pending = journal.room().await.unwrap().put(void::void(transaction.tx_id()), false);
    pending.durable().await.unwrap();
    claim.is_void(&doubt::Sent { at: 0, origin: origin("a") });
    // Sent, and no answer: it may stand there or not.
    claim.sending(1, origin("b"));
    drop(claim);
    let receipt = group.append(&transaction).await.unwrap();
    assert_eq!((receipt.id().origin.site.as_str(), receipt.repeated()), ("b", false));
}

/// Three sites: void at the first, and standing at the second; nobody here knows of either.
async fn brought_elsewhere(group: &GroupJournal, transaction: &Transaction) -> Receipt {
    let put = async |at: usize, what: crate::model::NewTransaction| {
        let journal = group.shared.members[at].open().await.unwrap();
        journal.room().await.unwrap().put(what, false).durable().await.unwrap()
    };
    put(0, void::void(transaction.tx_id())).await;
    let journal = group.shared.members[1].open().await.unwrap();
    let receipt = put(1, journal.encode(transaction).unwrap()).await;
    *group.shared.current.lock().await = 2;
    receipt
}

/// It was written at a third site.
#[tokio::test]
async fn a_void_entry_that_nobody_here_knows_of_says_that_it_may_stand_anywhere() {
    let directory = tempfile::tempdir().unwrap();
    let group = group(&directory, &["a", "b", "c"], BOUND).await;
    let (sent, doubted) = (item(1), item(2));
    let first = brought_elsewhere(&group, &doubted).await;
    // Sent where it is void, and no answer.
    drop(group.shared.doubts.claim(doubted.tx_id()).unwrap().sending(0, origin("a")));
    let receipt = group.append(&doubted).await.unwrap();
    assert_eq!((receipt.id(), receipt.repeated()), (first.id(), true));
    // Sent there now.
    let first = brought_elsewhere(&group, &sent).await;
    *group.shared.current.lock().await = 0;
    group.shared.members[1].lost(&"away for a moment");
    let receipt = group.append(&sent).await.unwrap();
    assert_eq!((receipt.id(), receipt.repeated()), (first.id(), true));
}

/// The other site was told never to take it, and then it was a definite no.
#[tokio::test]
async fn what_cannot_be_said_in_the_version_written_may_stand_from_another_one() {
    let directory = tempfile::tempdir().unwrap();
    let group = group(&directory, &["a", "b"], BOUND).await;
    let unknown_table = Transaction::new().insert("none", Row::new().with("id", 1));
    let answer = group.append_again(&unknown_table).await;
    assert!(matches!(answer, Err(GroupFailure::OutcomeUnknown { .. })), "{answer:?}");
    assert_eq!(group.shared.doubts.in_doubt(), 0);
    let answer = group.append(&unknown_table).await;
    assert!(matches!(answer, Err(GroupFailure::Append(AppendFailure::Invalid(_)))), "{answer:?}");
}
