//! Data shared by the benches: the first transactions of the rental history, stored and at hand.

use applier::demo::history;
use journal_core::codec::json::read_line;
use journal_core::codec::payload;
use journal_core::model::{
    Change, Codec, Epoch, Origin, Schema, SchemaVersion, SiteName, StoredTransaction, TransNr, TransactionId,
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
        author: "bench".to_owned(),
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
