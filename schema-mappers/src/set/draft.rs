//! The tables of the older version on their way to the newer one, changed by one operation after the other, and the
//! operations in their order. Knows what operations do to tables, never what they do to rows.

use std::collections::{BTreeMap, BTreeSet};

use journal_core::model::{Name, Schema, SchemaVersion, Table};

use super::reader::{Fields, Node};
use crate::error::SetError;
use crate::kept;
use crate::ops::Operation;
use crate::step::{Step, TableStep};

/// All tables of a step on their way.
#[derive(Debug)]
pub(crate) struct Drafts {
    version: SchemaVersion,
    tables: BTreeMap<Name, Draft>,
    dropped: Vec<Draft>,
}

/// A table on its way from the older version to the newer one.
#[derive(Debug)]
struct Draft {
    older: Name,
    table: Table,
    operations: Vec<Box<dyn Operation>>,
}

impl Drafts {
    pub(super) fn new(older: &Schema, version: SchemaVersion) -> Self {
        let tables = older.tables.values().map(|table| {
            let draft = Draft { older: table.name.clone(), table: table.clone(), operations: Vec::new() };
            (table.name.clone(), draft)
        });
        Self { version, tables: tables.collect(), dropped: Vec::new() }
    }

    /// The tables as they stand so far.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values().map(|draft| &draft.table)
    }

    /// One table as it stands so far.
    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name).map(|draft| &draft.table)
    }

    /// The names of all tables so far, for messages.
    pub(super) fn names(&self) -> String {
        self.tables.keys().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
    }

    /// The table that a key of an operation names, which must exist so far: its name and what it is.
    pub(crate) fn existing(&self, fields: &mut Fields<'_>, key: &str) -> Result<(Name, Table), SetError> {
        let node = fields.required(key)?;
        let name = node.text(key)?;
        match self.table(name) {
            Some(table) => Ok((table.name.clone(), table.clone())),
            None => Err(node.fault(format!(
                "at this place of the mapping there is no table {name:?}; there are {}",
                self.names()
            ))),
        }
    }

    /// Takes in what an operation made of a table.
    pub(super) fn change(
        &mut self,
        name: &Name,
        table: Table,
        operation: Box<dyn Operation>,
        node: &Node,
    ) -> Result<(), SetError> {
        let Some(mut draft) = self.tables.remove(name) else { return Ok(()) };
        draft.operations.push(operation);
        check_cells(&draft.operations, &table, node)?;
        if self.tables.contains_key(&table.name) {
            return Err(
                node.fault(format!("there is a table {:?} already at this place of the mapping", table.name))
            );
        }
        draft.table = table;
        let renamed = draft.table.name.clone();
        let others = self.tables.values_mut().chain(&mut self.dropped).chain([&mut draft]);
        for parent in others.flat_map(|other| &mut other.table.parents) {
            if parent.table == *name {
                parent.table = renamed.clone();
            }
        }
        self.tables.insert(renamed, draft);
        Ok(())
    }

    /// A table that begins here. Below, ledgers keep it.
    pub(crate) fn create(&mut self, table: Table) {
        let older = kept::name(self.version, &table.name);
        self.tables.insert(table.name.clone(), Draft { older, table, operations: Vec::new() });
    }

    /// A table that ends here. Above, ledgers keep it.
    pub(crate) fn drop_table(&mut self, name: &Name) {
        if let Some(mut draft) = self.tables.remove(name) {
            draft.table.name = kept::name(self.version, name);
            self.dropped.push(draft);
        }
    }

    /// The step, once everything has been checked.
    pub(super) fn finish(self) -> Step {
        let dropped = self.dropped.iter().map(|draft| draft.table.clone()).collect();
        let tables = self.tables.into_values().chain(self.dropped).map(|draft| TableStep {
            older: draft.older,
            newer: draft.table.name,
            operations: draft.operations,
        });
        Step::new(tables.collect(), dropped)
    }
}

/// Two operations of one step must not keep different things under one name.
fn check_cells(operations: &[Box<dyn Operation>], table: &Table, node: &Node) -> Result<(), SetError> {
    let mut kept = BTreeSet::new();
    for operation in operations {
        let lineage = operation.lineage();
        // Also what one keeps on the way up and another on the way down: on each way both look for their cell.
        let own: BTreeSet<Name> = lineage.kept_up.into_iter().chain(lineage.kept_down).collect();
        let twice = own.into_iter().find(|cell| !kept.insert(cell.clone()));
        if let Some((_, column)) = twice.as_deref().and_then(|cell| cell.split_once(':')) {
            return Err(node.fault(format!(
                "two operations of this version would keep what they drop of {}.{column} under one name; \
                 put the second one into a version of its own",
                table.name
            )));
        }
    }
    Ok(())
}
