//! What writers in plain SQL may get wrong: it is rejected, and nothing waits for it.

use applier::audit::chain::audit;
use applier::audit::unwatched;
use applier::control::status::SiteStatus;
use journal_core::journal::{AppendError, JournalStore as _};
use journal_core::model::{Change, NewTransaction, TransNr};
use journal_tests::rig::Rig;

use crate::club::{member, renamed, rigs, set};

/// Entries numbered from 0.
const FROM_0: &str = "UPDATE {d}journal SET entry_nr = 0 WHERE trans_nr = 2 AND entry_nr = 1; \
     UPDATE {d}journal SET entry_nr = 1 WHERE trans_nr = 2 AND entry_nr = 2";
/// One that is missing.
const WITH_A_GAP: &str = "UPDATE {d}journal SET entry_nr = 3 WHERE trans_nr = 3 AND entry_nr = 2";
/// None that the unique key of the idempotency key sees.
const FROM_2: &str = "UPDATE {d}journal SET entry_nr = 3 WHERE trans_nr = 4 AND entry_nr = 2; \
     UPDATE {d}journal SET entry_nr = 2 WHERE trans_nr = 4 AND entry_nr = 1";
/// A time for each row.
const TWO_TIMES: &str =
    "UPDATE {d}journal SET appended_at = appended_at + 1 WHERE trans_nr = 5 AND entry_nr = 2";
/// A key for each row.
const TWO_KEYS: &str = "UPDATE {d}journal SET tx_id = (SELECT tx_id FROM (SELECT tx_id FROM {d}journal \
     WHERE trans_nr = 1 AND entry_nr = 1) AS other) WHERE trans_nr = 6 AND entry_nr = 2";
/// One of many rows, which are read otherwise than few.
const LARGE: &str = "UPDATE {d}journal SET author = 'x' WHERE trans_nr = 7 AND entry_nr = 70";

const TORN: &str = "has another header than the entries before it";

/// What is wrong, and what is said of it, by number.
const WRONG: [(i64, &str, &str); 6] = [
    (2, FROM_0, "in place of 1 stands 0"),
    (3, WITH_A_GAP, "in place of 2 stands 3"),
    (4, FROM_2, "in place of 1 stands 2"),
    (5, TWO_TIMES, TORN),
    (6, TWO_KEYS, TORN),
    (7, LARGE, TORN),
];

/// Seven transactions, all but the first of them spoilt, and one after them.
async fn spoilt(rig: &Rig) {
    rig.append("a", 1, &[member(1, "ADA BYRON", None), member(2, "GRACE HOPPER", None)]).await;
    for (trans_nr, _, _) in WRONG {
        let names = if trans_nr == 7 { 70 } else { 2 };
        let changes: Vec<Change> =
            (0..names).map(|name| renamed(1, &format!("N{name} {trans_nr}"))).collect();
        rig.append("a", 1, &changes).await;
    }
    for (_, statement, _) in WRONG {
        rig.execute("a", statement).await;
    }
    rig.append("a", 1, &[renamed(2, "GRACE MURRAY")]).await;
}

#[tokio::test]
async fn rows_that_are_not_those_of_one_transaction_are_rejected_and_stop_nobody() {
    for (store, rig) in rigs().await {
        spoilt(&rig).await;
        let mut posters = [("a", rig.poster("a").await), ("b", rig.poster("b").await)];
        rig.settle(&mut posters).await;
        for site in ["a", "b"] {
            let rejected = "SELECT count(*) FROM {d}rejection WHERE code = 'D0214'";
            assert_eq!(rig.number(site, rejected).await, 6, "{store} {site}");
            for (trans_nr, _, words) in WRONG {
                let detail = format!("SELECT detail FROM {{d}}rejection WHERE trans_nr = {trans_nr}");
                let detail = rig.row(site, &detail, vec![]).await.text(0).unwrap();
                assert!(detail.contains(words), "{store} {site}: {detail}");
            }
            for (id, name) in [(1, "ADA BYRON"), (2, "GRACE MURRAY")] {
                let row =
                    rig.row(site, &format!("SELECT full_name FROM member WHERE id = {id}"), vec![]).await;
                assert_eq!(row.text(0).unwrap(), name, "{store} {site}");
            }
            let status = SiteStatus::read(rig.url(site)).await.unwrap();
            assert_eq!(status.own.unsealed, 0, "{store} {site}");
            let report = audit(rig.url(site), &mut unwatched).await.unwrap();
            assert!(report.sound, "{store} {site}: {report:?}");
        }
    }
}

#[tokio::test]
async fn only_what_was_sealed_as_ill_formed_may_stand_so() {
    for (store, rig) in rigs().await {
        rig.append("a", 1, &[member(1, "ADA BYRON", None), member(2, "GRACE HOPPER", None)]).await;
        rig.append("a", 1, &[renamed(1, "ADA LOVELACE"), renamed(2, "GRACE MURRAY")]).await;
        rig.settle(&mut [("a", rig.poster("a").await), ("b", rig.poster("b").await)]).await;
        rig.execute("a", FROM_0).await;
        let report = audit(rig.url("a"), &mut unwatched).await.unwrap();
        assert!(!report.sound, "{store}: an accepted transaction was numbered anew");
    }
}

#[tokio::test]
async fn a_key_that_stands_in_torn_rows_is_taken() {
    for (store, rig) in rigs().await {
        spoilt(&rig).await;
        let stands =
            rig.row("a", "SELECT tx_id FROM {d}journal WHERE trans_nr = 5 AND entry_nr = 1", vec![]).await;
        let tx_id = stands.uuid(0).unwrap();
        let again = NewTransaction { tx_id, ..rig.transaction(1, &[renamed(1, "ADA")]) };
        let answer = rig.journal("a").await.append(&[again]).await;
        let taken = AppendError::OtherContent { tx_id, trans_nr: TransNr(5) };
        assert_eq!(answer, Err(taken), "{store}");
    }
}

/// The other stores have no place for it.
#[tokio::test]
async fn a_key_of_other_than_16_bytes_is_rejected_on_sqlite() {
    let rig = Rig::sqlite(&["a", "b"], set(3)).await;
    rig.append("a", 1, &[member(1, "ADA BYRON", None)]).await;
    rig.append("a", 1, &[renamed(1, "ADA")]).await;
    rig.execute("a", "UPDATE {d}journal SET tx_id = x'01' WHERE trans_nr = 2").await;
    rig.append("a", 1, &[renamed(1, "ADA LOVELACE")]).await;
    rig.settle(&mut [("a", rig.poster("a").await), ("b", rig.poster("b").await)]).await;
    for site in ["a", "b"] {
        let rejected = rig.row(site, "SELECT trans_nr, code, detail FROM {d}rejection", vec![]).await;
        assert_eq!((rejected.i64(0).unwrap(), rejected.text(1).unwrap().as_str()), (2, "D0214"), "{site}");
        assert!(rejected.text(2).unwrap().contains("not 16 bytes"), "{site}");
        let row = rig.row(site, "SELECT full_name FROM member", vec![]).await;
        assert_eq!(row.text(0).unwrap(), "ADA LOVELACE", "{site}");
        assert!(audit(rig.url(site), &mut unwatched).await.unwrap().sound, "{site}");
    }
}
