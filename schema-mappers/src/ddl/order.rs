//! The order of tables: parents before children. Deterministic, so that two runs give the same statements.

use std::collections::BTreeSet;

use journal_core::model::{Name, Schema, Table};

/// The tables, each after all its parents (itself not counted), else by name. A table in or below a circle of parents
/// is left out; a loaded set has none.
pub(crate) fn parents_first(schema: &Schema) -> Vec<&Table> {
    let mut placed: BTreeSet<&Name> = BTreeSet::new();
    let mut order = Vec::with_capacity(schema.tables.len());
    loop {
        let next = schema.tables.values().find(|table| {
            let ready = |parent: &Name| *parent == table.name || placed.contains(parent);
            !placed.contains(&table.name) && table.parents.iter().all(|parent| ready(&parent.table))
        });
        let Some(table) = next else { return order };
        placed.insert(&table.name);
        order.push(table);
    }
}
