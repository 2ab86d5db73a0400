//! The views of each version on a ledger: version n reads the tables, version k the views of version k+1 through the
//! way down that the mapping declares, told in SQL.

use std::collections::BTreeMap;

use journal_core::model::{Name, SchemaVersion};

use super::quote::ident;
use super::{Dialect, tables_in_order, view_name};
use crate::set::SchemaSet;

/// The columns of a view in the making: each name with the expression that gives it.
#[derive(Debug, Default)]
pub(crate) struct ViewColumns {
    expressions: BTreeMap<Name, String>,
}

impl ViewColumns {
    pub(crate) fn set(&mut self, column: &Name, expression: String) {
        self.expressions.insert(column.clone(), expression);
    }

    /// Takes a column's expression. A column that is not there gives NULL, so that a slip shows as data, not as a
    /// statement that cannot run; the loader has checked that mappings only name columns which exist.
    pub(crate) fn take(&mut self, column: &Name) -> String {
        self.expressions.remove(column).unwrap_or_else(|| "NULL".to_owned())
    }
}

pub(super) fn create(set: &SchemaSet, ledger: SchemaVersion, dialect: Dialect) -> Option<Vec<String>> {
    set.version(ledger)?;
    let mut statements = Vec::new();
    for version in set.versions().iter().rev().filter(|version| version.number() <= ledger) {
        let number = version.number();
        if dialect == Dialect::Postgres {
            statements.push(format!("CREATE SCHEMA IF NOT EXISTS {}", ident(&format!("v{number}"))));
        }
        for table in tables_in_order(version.schema()) {
            let names = table.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
            let select = if number == ledger {
                let columns = names.iter().map(|name| ident(name)).collect::<Vec<_>>();
                format!("SELECT {} FROM {}", columns.join(", "), ident(&table.name))
            } else {
                select_from_above(set, number, &table.name, &names, dialect)?
            };
            statements.push(format!("CREATE VIEW {} AS {select}", view_name(number, &table.name, dialect)));
        }
    }
    Some(statements)
}

fn select_from_above(
    set: &SchemaSet,
    version: SchemaVersion,
    table: &str,
    names: &[Name],
    dialect: Dialect,
) -> Option<String> {
    let above = set.version(version.next())?;
    let step = above.step()?.by_older(table)?;
    let mut columns = ViewColumns::default();
    for column in &above.schema().tables.get(&step.newer)?.columns {
        columns.set(&column.name, ident(&column.name));
    }
    for operation in step.operations.iter().rev() {
        operation.down_sql(&mut columns, dialect);
    }
    let selected = names.iter().map(|name| {
        let (expression, name) = (columns.take(name), ident(name));
        if expression == name { name } else { format!("{expression} AS {name}") }
    });
    let selected = selected.collect::<Vec<_>>().join(", ");
    Some(format!("SELECT {selected} FROM {}", view_name(above.number(), &step.newer, dialect)))
}

pub(super) fn drop(set: &SchemaSet, ledger: SchemaVersion, dialect: Dialect) -> Option<Vec<String>> {
    set.version(ledger)?;
    let mut statements = Vec::new();
    for version in set.versions().iter().filter(|version| version.number() <= ledger) {
        for table in version.schema().tables.keys() {
            statements.push(format!("DROP VIEW IF EXISTS {}", view_name(version.number(), table, dialect)));
        }
    }
    Some(statements)
}
