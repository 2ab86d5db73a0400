//! Notes of ask codes in batches: put together, or planned in advance, a batch leaves the rows and the notes that its
//! changes leave one by one. Random batches; a failure names the seed that replays it.

use std::collections::BTreeSet;

use applier::ledger::sql::SqlLedger;
use applier::ledger::{Ledger as _, LedgerChange};
use journal_core::model::{Change, Row, Value};
use journal_tests::rig::row;
use schema_mappers::MappedRow;
use schema_mappers::laws::Dice;

use super::asked;
use crate::club::rigs;

const BATCHES: usize = 60;
const CHANGES_MAX: usize = 25;
/// The members of [`asked`], who may have a contact.
const MEMBERS: [i64; 3] = [1, 2, 3];

/// How often something came about.
#[derive(Debug, Default)]
struct Seen {
    planned: usize,
    noted: usize,
    kept: usize,
}

#[tokio::test]
async fn a_batch_put_together_leaves_the_notes_that_one_by_one_leaves() {
    let seed = std::env::var("ASKS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    for (store, rig) in rigs().await {
        asked(&rig).await;
        let (mut dice, mut seen) = (Dice::new(seed), Seen::default());
        let mut ledger = SqlLedger::open(rig.url("a"), "test").await.unwrap();
        let mut standing: BTreeSet<i64> = MEMBERS.into();
        for batch in 0..BATCHES {
            let changes = batch_of(&mut dice, &mut standing);
            rig.execute("a", "UPDATE {d}ask_row SET since = 0").await;
            ledger.begin().await.unwrap();
            together(&mut ledger, &changes, batch % 2 == 0, &mut seen).await;
            let found = state(&mut ledger).await;
            ledger.rollback().await.unwrap();
            ledger.begin().await.unwrap();
            ledger.apply(&changes).await.unwrap();
            let expected = state(&mut ledger).await;
            assert_eq!(found, expected, "{store}, ASKS_SEED={seed}, batch {batch}: {changes:#?}");
            ledger.commit().await.unwrap();
            seen.noted += found.1.len();
            seen.kept += found.1.iter().filter(|(_, of_old)| *of_old).count();
        }
        assert!(seen.noted > BATCHES / 2 && seen.kept > 0, "{store}: {seen:?}");
        assert!(store == "sqlite" || seen.planned > BATCHES / 10, "{store}: {seen:?}");
    }
}

/// Planned in advance, where that can be and is wanted.
async fn together(ledger: &mut SqlLedger, changes: &[LedgerChange], in_advance: bool, seen: &mut Seen) {
    let changes: Vec<&LedgerChange> = changes.iter().collect();
    let planned = ledger.planner().filter(|_| in_advance).and_then(|planner| planner.plan(&changes));
    match planned {
        Some(planned) => {
            assert!(ledger.apply_planned(planned).await.unwrap());
            seen.planned += 1;
        }
        None => ledger.apply_together(&changes).await.unwrap(),
    }
}

/// The rows, and the notes: each key, and whether it is older than this batch.
async fn state(ledger: &mut SqlLedger) -> (Vec<MappedRow>, Vec<(String, bool)>) {
    let rows = ledger.fetch(&"contact".into(), &Row::new()).await.unwrap();
    let notes = "SELECT row_key, since FROM {d}ask_row ORDER BY row_key";
    let notes = ledger.conn().fetch(notes, Vec::new()).await.unwrap();
    (rows, notes.iter().map(|note| (note.text(0).unwrap(), note.i64(1).unwrap() == 0)).collect())
}

/// Changes that can all be made.
fn batch_of(dice: &mut Dice, standing: &mut BTreeSet<i64>) -> Vec<LedgerChange> {
    let mut changes = Vec::new();
    // Most batches leave out what has to see its row.
    let codes = dice.percent(30);
    for _ in 0..dice.below(CHANGES_MAX) + 2 {
        let id = *dice.pick(&MEMBERS).unwrap_or(&1);
        let key = || row([("member_id", id.into())]);
        let number = |dice: &mut Dice, code: bool| -> Value {
            if code && dice.percent(50) { "?".into() } else { dice.between(1, 9).to_string().into() }
        };
        let change = if standing.insert(id) {
            let cells = [("member_id", id.into()), ("number", number(dice, true)), ("kind", "home".into())];
            Change::insert("contact", row(cells))
        } else if dice.percent(40) {
            standing.remove(&id);
            Change::delete("contact", key())
        } else if dice.percent(30) {
            Change::update("contact", key(), row([("kind", dice.between(1, 9).to_string().into())]))
        } else {
            Change::update("contact", key(), row([("number", number(dice, codes))]))
        };
        changes.push(LedgerChange::new(change));
    }
    changes
}
