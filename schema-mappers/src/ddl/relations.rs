//! The tables of a group on their way down in SQL: each a source and the expressions of its columns, which operations
//! replace, and structures join and part.

use std::collections::BTreeMap;

use journal_core::model::{Name, Table};

use super::Dialect;
use super::kept::CELLS;
use super::quote::ident;
use super::views::ViewColumns;

/// The relations of a group, by the names its tables have at this place of the mapping.
#[derive(Debug)]
pub(crate) struct Relations {
    pub(crate) dialect: Dialect,
    by_name: BTreeMap<Name, Relation>,
}

/// One relation.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    /// What stands behind FROM. It carries the kept cells of its rows.
    pub(crate) source: String,
    pub(crate) columns: ViewColumns,
}

impl Relations {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { dialect, by_name: BTreeMap::new() }
    }

    pub(crate) fn put(&mut self, table: &Name, relation: Relation) {
        self.by_name.insert(table.clone(), relation);
    }

    /// Takes a relation out; the loader has checked that there is one.
    pub(crate) fn take(&mut self, table: &Name) -> Relation {
        let none = || Relation { source: String::new(), columns: ViewColumns::none(self.dialect) };
        self.by_name.remove(table).unwrap_or_else(none)
    }
}

impl Relation {
    /// A table of the version above, out of a source with its columns and its cells.
    pub(crate) fn of(table: &Table, source: String, dialect: Dialect) -> Self {
        Self { source, columns: ViewColumns::of(table, dialect) }
    }

    /// All its columns by their names, as a source under an alias; with the kept cells where the alias is the one of
    /// the row that goes on.
    pub(crate) fn aliased(&self, alias: &str, cells: bool) -> String {
        let mut selected: Vec<String> = self
            .columns
            .iter()
            .map(|(name, expression)| format!("{expression} AS {}", ident(name)))
            .collect();
        if cells {
            selected.push(CELLS.to_owned());
        }
        format!("(SELECT {} FROM {}) AS {alias}", selected.join(", "), self.source)
    }

    /// The same relation as one whose columns are plain names.
    pub(crate) fn plain(self, alias: &str) -> Self {
        let source = self.aliased(alias, true);
        let mut columns = ViewColumns::none(self.columns.dialect());
        let names: Vec<Name> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        names.iter().for_each(|name| columns.set(name, ident(name)));
        Self { source, columns }
    }
}

/// No kept cells, in the type that they have.
pub(crate) fn no_cells() -> String {
    format!("CASE WHEN 1 = 0 THEN {CELLS} END AS {CELLS}")
}
