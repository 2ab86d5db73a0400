//! Data shared by the benches: the first transactions of the rental history, stored and at hand, and batches of changes.

use applier::demo::history;
use applier::ledger::LedgerChange;
use journal_core::codec::json::read_line;
use journal_core::codec::payload;
use journal_core::model::{
    Change, Codec, Epoch, Origin, Row, Schema, SchemaVersion, SiteName, StoredTransaction, TransNr,
    TransactionId,
};
use schema_mappers::{Registry, RustMappers, SchemaSet};

/// The registry of the rental history's schema set.
///
/// # Panics
/// When the set in the binary does not load, which a test of the applier rules out.
pub fn registry() -> Registry {
    let set = SchemaSet::from_sources(history::sources()).expect("the demo's schema set loads");
    Registry::new(set, RustMappers::none()).expect("its steps compose")
}

/// The changes of the first `count` transactions of the history.
///
/// # Panics
/// When the history in the binary cannot be read.
pub fn changes(schema: &Schema, count: usize) -> Vec<Vec<Change>> {
    let lines = history::lines().expect("the history reads");
    lines.iter().take(count).map(|line| read_line(line, schema).expect("a line reads").changes).collect()
}

/// The same, as they stand in a journal.
///
/// # Panics
/// As [`changes`].
pub fn stored(schema: &Schema, count: usize) -> Vec<StoredTransaction> {
    let origin = Origin { site: SiteName::new("a").expect("a name"), epoch: Epoch(1) };
    let number = |changes: &Vec<Change>, trans_nr: i64| StoredTransaction {
        id: TransactionId { origin: origin.clone(), trans_nr: TransNr(trans_nr) },
        tx_id: uuid::Uuid::from_u128(u128::from(trans_nr.unsigned_abs())),
        schema_version: SchemaVersion(1),
        author: "bench".into(),
        appended_at: 0,
        entries: (1..)
            .zip(changes)
            .map(|(entry_nr, change)| {
                payload::encode(change, entry_nr, Codec::Bincode, schema).expect("it encodes")
            })
            .collect(),
    };
    changes(schema, count).iter().zip(1..).map(|(changes, trans_nr)| number(changes, trans_nr)).collect()
}

/// The history's transactions before the shop opens: stores, films and their copies.
const STOCK: usize = 1002;
/// Transactions, or adds, of a batch.
const BATCH: usize = 1000;
/// Rows that the adds of a batch go to.
const HOT_ROWS: i64 = 100;

/// A batch of changes with the tables that they are of.
#[derive(Debug)]
pub struct Batch {
    /// Its name in reports.
    pub name: &'static str,
    /// The schema that it fits.
    pub schema: Schema,
    /// Its changes, in order.
    pub changes: Vec<LedgerChange>,
    /// The steps that a plan of it has: another number is another meaning.
    pub steps: usize,
}

/// The batches that are planned and made statements of.
///
/// # Panics
/// As [`changes`].
pub fn batches() -> [Batch; 3] {
    let schema = registry().schema(SchemaVersion(1)).expect("version 1").clone();
    let shop = changes(&schema, STOCK + BATCH).into_iter().skip(STOCK).flatten();
    let mut unfolded = schema.clone();
    unfolded.tables.values_mut().for_each(|table| table.fold = false);
    let rows = (1..=HOT_ROWS).cycle().take(BATCH);
    let hot: Vec<Change> = rows
        .map(|id| {
            let rentals = Row::new().with("nr_of_rentals", 1);
            Change::add("stats", Row::new().with("store_id", id), rentals)
        })
        .collect();
    let images = |changes: Vec<Change>| changes.into_iter().map(LedgerChange::new).collect();
    [
        Batch { name: "shop", schema: schema.clone(), changes: images(shop.collect()), steps: 6 },
        Batch { name: "hot_rows", schema, changes: images(hot.clone()), steps: 1 },
        Batch { name: "hot_rows_each", schema: unfolded, changes: images(hot), steps: 10 },
    ]
}
