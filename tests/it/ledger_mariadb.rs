//! The ledger in MariaDB: the conformance suite, and what only this server does.

use applier::ledger::conformance::{Rig, SqlRig};
use applier::ledger::{Fault, Ledger, LedgerChange, LedgerError, LedgerReader};
use journal_core::model::{Change, Row};
use journal_tests::servers::mariadb_or_skip;

use crate::ledger_servers::{self, script, shop};

async fn rig() -> Option<SqlRig> {
    Some(ledger_servers::rig(mariadb_or_skip()?).await)
}

mod suite {
    use super::rig;

    applier::ledger_conformance!(rig().await);
}

fn staff(id: i64, boss: i64) -> LedgerChange {
    LedgerChange::new(Change::insert("staff", Row::new().with("id", id).with("boss", boss)))
}

#[tokio::test]
async fn what_a_trigger_of_the_application_raises_is_the_fault_of_the_change() {
    let Some(rig) = rig().await else { return };
    for number in ["", ", MYSQL_ERRNO = 5001", ", MYSQL_ERRNO = 1146"] {
        let trigger = format!(
            "DROP TRIGGER IF EXISTS no; CREATE TRIGGER no BEFORE INSERT ON shop FOR EACH ROW \
             SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'never'{number}"
        );
        script(rig.url(), &trigger).await;
        let mut ledger = rig.ledger().await;
        ledger.begin().await.unwrap();
        let refused = ledger.apply(&[shop(1)]).await;
        assert!(
            matches!(refused, Err(LedgerError::Fault { fault: Fault::Check, .. })),
            "{number}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_text_too_long_for_the_index_of_its_key_is_refused_whole_and_found_in_no_row() {
    let Some(rig) = rig().await else { return };
    let mut ledger = rig.ledger().await;
    // Blanks at the end: a column of bounded length alone would cut them off and say nothing.
    let key = |length: usize| Row::new().with("k", format!("{:<length$}", "x"));
    let insert = |length: usize| LedgerChange::new(Change::insert("by_text", key(length)));
    ledger.begin().await.unwrap();
    ledger.apply(&[insert(740)]).await.unwrap();
    let refused = ledger.apply(&[insert(760)]).await;
    let Err(LedgerError::Fault { fault, detail }) = refused else { panic!("{refused:?}") };
    assert_eq!(fault, Fault::OutOfRange, "{detail}");
    ledger.rollback().await.unwrap();
    ledger.begin().await.unwrap();
    let together = ledger.apply_together(&[&insert(1), &insert(760)]).await;
    assert!(matches!(together, Err(LedgerError::Fault { .. })), "{together:?}");
    ledger.rollback().await.unwrap();
    assert!(ledger.fetch(&"by_text".into(), &key(760)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_row_that_refers_to_itself_moves_and_ends_and_others_keep_it() {
    let Some(rig) = rig().await else { return };
    let mut ledger = rig.ledger().await;
    let id = |id: i64| Row::new().with("id", id);
    let moved =
        |from: i64, to: i64| LedgerChange::new(Change::update("staff", id(from), id(to).with("boss", to)));
    ledger.begin().await.unwrap();
    ledger.apply(&[staff(1, 1), moved(1, 2), staff(3, 2)]).await.unwrap();
    ledger.commit().await.unwrap();
    for (change, expected) in [
        (LedgerChange::new(Change::delete("staff", id(2))), Fault::StillReferenced),
        (moved(2, 4), Fault::StillReferenced),
        (LedgerChange::new(Change::update("staff", id(2), Row::new().with("boss", 9))), Fault::MissingParent),
        (staff(5, 6), Fault::MissingParent),
    ] {
        ledger.begin().await.unwrap();
        let refused = ledger.apply(std::slice::from_ref(&change)).await;
        let Err(LedgerError::Fault { fault, detail }) = refused else { panic!("{change:?}: {refused:?}") };
        assert_eq!(fault, expected, "{detail}");
        ledger.rollback().await.unwrap();
    }
    let checks = ledger.conn().fetch_one("SELECT CAST(@@foreign_key_checks AS SIGNED)", vec![]).await;
    assert_eq!(checks.unwrap().i64(0).unwrap(), 1, "it looks again");
    ledger.begin().await.unwrap();
    ledger.apply(&[3, 2].map(|nr| LedgerChange::new(Change::delete("staff", id(nr))))).await.unwrap();
    ledger.commit().await.unwrap();
    let schema = ledger.schema().clone();
    assert_eq!(ledger.scan(&schema, &"staff".into(), None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_kept_beside_a_row_of_a_long_key_is_refused_by_name() {
    let Some(rig) = rig().await else { return };
    let mut ledger = rig.ledger().await;
    let mut image = LedgerChange::new(Change::insert("by_text", Row::new().with("k", "k".repeat(700))));
    image.complement.set = Row::new().with("2:gone", 1);
    for together in [false, true] {
        ledger.begin().await.unwrap();
        let other = LedgerChange::new(Change::insert("by_text", Row::new().with("k", "other")));
        let refused = match together {
            true => ledger.apply_together(&[&other, &image]).await,
            false => ledger.apply(std::slice::from_ref(&image)).await,
        };
        let Err(LedgerError::Fault { fault, detail }) = refused else { panic!("{refused:?}") };
        assert_eq!(fault, Fault::OutOfRange, "{detail}");
        assert!(detail.contains("at most 680 characters"), "{detail}");
        ledger.rollback().await.unwrap();
    }
}
