//! The rental history as a backlog: told again and again, each time with ids of its own.

use std::ops::Range;

use journal_core::client::Transaction;
use journal_core::model::{Change, Row, Schema, SchemaVersion, Value};
use schema_mappers::VersionSource;

use crate::servers::Mark;

/// Between the ids of two copies; above all ids of the history.
const COPY_IDS: i64 = 1_000_000;
/// Above all ids of all copies.
const MARK_IDS: i64 = 1_000_000_000_000;

/// What must be the same at all ends, at either version.
pub(crate) const DIGEST: &str = "SELECT concat_ws(' ', \
     (SELECT concat_ws(' ', count(*), sum(film_id), sum(minutes)) FROM film), \
     (SELECT concat_ws(' ', count(*), sum(inventory_id * (film_id % 997))) FROM inventory), \
     (SELECT concat_ws(' ', count(*), sum(customer_id), sum(length(email))) FROM name), \
     (SELECT concat_ws(' ', count(*), count(returned_at), sum(rental_id * (inventory_id % 997))) FROM rental), \
     (SELECT concat_ws(' ', count(*), sum(rental_id), sum(CAST(amount * 1000 + 5 AS bigint) / 10)) FROM payment), \
     (SELECT concat_ws(' ', count(*), sum(nr_of_users * (store_id % 997)), sum(nr_of_rentals), \
         sum(CAST(revenue * 1000 + 5 AS bigint) / 10)) FROM stats))";

/// The history, read once.
#[derive(Debug)]
pub(crate) struct Rentals {
    schema: Schema,
    history: Vec<Vec<Change>>,
    transactions: i64,
}

impl Rentals {
    /// Backlogs of so many transactions.
    pub(crate) fn new(transactions: u32) -> anyhow::Result<Self> {
        let schema = journal_benches::registry().schema(SchemaVersion(1))?.clone();
        let history = journal_benches::changes(&schema, usize::MAX);
        Ok(Self { schema, history, transactions: transactions.into() })
    }

    /// The tables that the history is told in.
    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(crate) fn transactions(&self) -> i64 {
        self.transactions
    }

    /// The set with both versions.
    pub(crate) fn schema_set() -> Vec<VersionSource> {
        applier::demo::history::sources()
    }

    /// The history told once, before all rounds, or as much of it as a round has.
    pub(crate) fn stock(&self) -> impl Iterator<Item = Transaction> {
        self.copies(0..1).map(transaction)
    }

    /// The changes of a round, a transaction each, and one more, by which its end is seen.
    pub(crate) fn changes(&self, round: i64) -> (impl Iterator<Item = Vec<Change>>, Mark) {
        let lines = i64::try_from(self.history.len()).unwrap_or(i64::MAX);
        let copies = self.transactions / lines + 1;
        let first = 1 + round * copies;
        let told = self.copies(first..first + copies);
        let mark = Mark { query: "SELECT 1 FROM film WHERE film_id = $1", id: MARK_IDS + round };
        (told.chain([vec![last(mark.id)]]), mark)
    }

    /// The same as Daybook takes them.
    pub(crate) fn backlog(&self, round: i64) -> (impl Iterator<Item = Transaction>, Mark) {
        let (changes, mark) = self.changes(round);
        (changes.map(transaction), mark)
    }

    fn copies(&self, copies: Range<i64>) -> impl Iterator<Item = Vec<Change>> {
        let copy = move |copy| self.history.iter().map(move |changes| shifted(changes, copy * COPY_IDS));
        copies.flat_map(copy).take(usize::try_from(self.transactions).unwrap_or(usize::MAX))
    }
}

fn transaction(changes: Vec<Change>) -> Transaction {
    changes.into_iter().fold(Transaction::new(), Transaction::change)
}

fn shifted(changes: &[Change], by: i64) -> Vec<Change> {
    let row = |row: &Row| row.iter().map(|(name, value)| (name.clone(), shift(name, value, by))).collect();
    let change =
        |change: &Change| Change { key: row(&change.key), cells: row(&change.cells), ..change.clone() };
    changes.iter().map(change).collect()
}

fn shift(name: &str, value: &Value, by: i64) -> Value {
    match value {
        Value::Int(id) if name.ends_with("_id") => Value::Int(id + by),
        other => other.clone(),
    }
}

/// A film, because films have no parents and stand the same in both versions.
fn last(id: i64) -> Change {
    let row = Row::new().with("film_id", id).with("title", "THE END").with("rating", "G");
    let row =
        row.with("rental_rate", Value::Decimal(0.into())).with("replacement_cost", Value::Decimal(0.into()));
    Change::insert("film", row.with("minutes", 1_i64))
}
