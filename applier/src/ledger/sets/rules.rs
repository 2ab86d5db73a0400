//! What a schema says of the order of changes: which columns a constraint looks at, which tables refer to which.

use std::collections::{BTreeMap, BTreeSet};

use journal_core::model::{Name, Schema, Table};
use schema_mappers::ddl::tables_in_order;

/// Of each table of a schema, what its changes depend on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules(pub(super) BTreeMap<Name, TableRules>);

#[derive(Debug, Clone)]
pub(super) struct TableRules {
    /// The place in an order with parents first.
    pub(super) rank: usize,
    /// Columns whose single values matter, not just the last: a change of them is not folded. All columns of a table
    /// that asks for each of its changes.
    pub(super) watched: BTreeSet<Name>,
    /// Columns of keys that are unique beside the primary one.
    pub(super) unique: BTreeSet<Name>,
    /// Columns that refer to parents.
    pub(super) refers: BTreeSet<Name>,
    /// The ranks of the tables that it refers to.
    pub(super) parents: Vec<usize>,
    /// Those of the tables that refer to it.
    pub(super) children: Vec<usize>,
    /// Whether its rows refer to one another: their changes keep their order.
    pub(super) refers_to_itself: bool,
}

impl Rules {
    pub(crate) fn of(schema: &Schema) -> Self {
        let ordered = tables_in_order(schema);
        let ranks = |one: &dyn Fn(&Table) -> bool| {
            let ranks = ordered.iter().enumerate().filter(|(_, table)| one(table));
            ranks.map(|(rank, _)| rank).collect()
        };
        let rules = ordered.iter().enumerate().map(|(rank, table)| {
            let parents = ranks(&|parent| refers(table, parent));
            let children = ranks(&|child| refers(child, table));
            (table.name.clone(), TableRules { parents, children, ..TableRules::of(rank, table) })
        });
        Self(rules.collect())
    }
}

impl TableRules {
    fn of(rank: usize, table: &Table) -> Self {
        let all = || table.columns.iter().map(|column| column.name.clone());
        let mut unique: BTreeSet<Name> = table.unique.iter().flatten().cloned().collect();
        for index in table.indexes.iter().filter(|index| index.unique) {
            match index.condition {
                Some(_) => unique.extend(all()),
                None => unique.extend(index.columns.iter().cloned()),
            }
        }
        let refers_to: BTreeSet<Name> =
            table.parents.iter().flat_map(|parent| &parent.columns).cloned().collect();
        let mut watched: BTreeSet<Name> = unique.union(&refers_to).cloned().collect();
        if !table.checks.is_empty() || !table.fold {
            watched.extend(all());
        }
        let refers_to_itself = refers(table, table);
        let (parents, children) = (Vec::new(), Vec::new());
        Self { rank, watched, unique, refers: refers_to, parents, children, refers_to_itself }
    }
}

fn refers(child: &Table, parent: &Table) -> bool {
    child.parents.iter().any(|reference| reference.table == parent.name)
}
