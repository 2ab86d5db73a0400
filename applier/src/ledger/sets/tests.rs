//! What is planned for a few changes, where a table may be folded and where it may not.

use std::collections::BTreeMap;

use journal_core::model::{Change, Column, Name, Row, Schema, SchemaVersion, Table, Type};

use super::{Action, Rules, Step, plan};
use crate::ledger::LedgerChange;

fn schema(fold: bool) -> Schema {
    let column = |name: &str, ty| Column { name: name.into(), ty, nullable: false };
    let columns =
        vec![column("id", Type::Int), column("n", Type::Int), column("place", Type::Text { max: None })];
    let table = Table { fold, ..Table::new("stock", columns, vec!["id".into()]) };
    let tables = BTreeMap::from([(table.name.clone(), table)]);
    Schema { version: SchemaVersion(1), tables, operations: BTreeMap::new() }
}

fn key(id: i64) -> Row {
    Row::new().with("id", id)
}

fn insert(id: i64) -> Change {
    Change::insert("stock", key(id).with("n", 0).with("place", "here"))
}

fn add(id: i64) -> Change {
    Change::add("stock", key(id), Row::new().with("n", 1))
}

fn moved(id: i64) -> Change {
    Change::update("stock", key(id), Row::new().with("place", "there"))
}

fn upsert(id: i64) -> Change {
    Change::upsert("stock", key(id).with("n", 5).with("place", "there"))
}

fn delete(id: i64) -> Change {
    Change::delete("stock", key(id))
}

/// The steps of a plan, each with what it does and the keys of its rows.
fn planned(fold: bool, changes: impl IntoIterator<Item = Change>) -> Vec<String> {
    let schema = schema(fold);
    let changes: Vec<LedgerChange> = changes.into_iter().map(LedgerChange::new).collect();
    let changes: Vec<&LedgerChange> = changes.iter().collect();
    let steps = plan(&schema, &Rules::of(&schema), &changes, |_| false).expect("a plan");
    steps.iter().map(told).collect()
}

fn told(step: &Step<'_>) -> String {
    let Step::Set(set) = step else { return format!("{step:?}") };
    let list = |names: &[Name]| names.join(" ");
    let action = match &set.action {
        Action::Insert => "insert".to_owned(),
        Action::Update { sets, adds } if adds.is_empty() => format!("set {}", list(sets)),
        Action::Update { sets, adds } if sets.is_empty() => format!("add {}", list(adds)),
        Action::Update { sets, adds } => format!("set {} add {}", list(sets), list(adds)),
        Action::Upsert { sets } => format!("upsert {}", list(sets)),
        Action::Delete => "delete".to_owned(),
    };
    let keys: Vec<String> = set.rows.iter().map(|row| row.key[0].to_string()).collect();
    format!("{action}: {}", keys.join(" "))
}

#[test]
fn changes_of_one_row_become_one() {
    let changes = || [insert(1), moved(1), add(1), insert(2), add(2), delete(1)];
    assert_eq!(planned(true, changes()), ["insert: 1 2", "delete: 1"]);
    assert_eq!(planned(true, [add(1), moved(1), add(1)]), ["set place add n: 1"]);
}

#[test]
fn of_a_table_that_is_not_folded_each_change_of_a_row_is_made_in_its_order() {
    let changes = [insert(1), moved(1), add(1), insert(2), moved(2), delete(1)];
    assert_eq!(planned(false, changes), ["insert: 1 2", "set place: 1 2", "add n: 1", "delete: 1"]);
    assert_eq!(
        planned(false, [add(1), add(1), moved(1), moved(1)]),
        ["add n: 1", "add n: 1", "set place: 1", "set place: 1"]
    );
}

#[test]
fn upserts_of_many_rows_go_together_and_those_of_one_row_are_one() {
    let changes = || [upsert(1), upsert(2), insert(3), upsert(1), moved(2), upsert(3), add(1)];
    assert_eq!(planned(true, changes()), ["upsert n place: 1 2", "insert: 3", "add n: 1"]);
    assert_eq!(
        planned(false, [upsert(1), upsert(1), upsert(2)]),
        ["upsert n place: 1 2", "upsert n place: 1"]
    );
    assert_eq!(
        planned(true, [delete(1), upsert(1), upsert(2)]),
        ["upsert n place: 2", "delete: 1", "upsert n place: 1"]
    );
}

#[test]
fn rows_that_are_not_folded_still_go_together_when_they_are_changed_alike() {
    let changes = [1, 2, 3, 1, 2, 1].map(add);
    assert_eq!(planned(false, changes), ["add n: 1 2 3", "add n: 1 2", "add n: 1"]);
}
