//! The views of each version on a ledger: version n reads the tables, version k the views of version k+1 through the
//! way down that the mapping declares, told in SQL. Where the way up has kept something, the view looks it up, so that it
//! shows what the mapper says. Views in between cannot pass kept cells on; such a view reads the ledger's table itself.

use std::collections::BTreeMap;

use journal_core::model::{Name, SchemaVersion, Table, Type};

use super::kept::{CELLS, Kept, cell, table_with_cells};
use super::quote::ident;
use super::relations::{Relation, Relations};
use super::{Dialect, Place, Sources, tables_in_order, view_name};
use crate::group::Stage;
use crate::kept::is_kept;
use crate::set::SchemaSet;
use crate::step::Direction;

/// The columns of a view in the making: each name with the expression that gives it.
#[derive(Debug, Clone)]
pub(crate) struct ViewColumns {
    expressions: BTreeMap<Name, String>,
    dialect: Dialect,
    /// Whether an operation has asked for a kept cell, so that the source must carry them.
    reads_kept: bool,
}

impl ViewColumns {
    pub(crate) fn none(dialect: Dialect) -> Self {
        Self { expressions: BTreeMap::new(), dialect, reads_kept: false }
    }

    /// The columns with their expressions.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, &String)> {
        self.expressions.iter()
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(crate) fn of(table: &Table, dialect: Dialect) -> Self {
        let columns = table.columns.iter().map(|column| (column.name.clone(), ident(&column.name)));
        Self { expressions: columns.collect(), dialect, reads_kept: false }
    }

    pub(crate) fn set(&mut self, column: &Name, expression: String) {
        self.expressions.insert(column.clone(), expression);
    }

    /// Takes a column's expression. A column that is not there gives NULL, so that a slip shows as data, not as a
    /// statement that cannot run; the loader has checked that mappings only name columns which exist.
    pub(crate) fn take(&mut self, column: &Name) -> String {
        self.expressions.remove(column).unwrap_or_else(|| "NULL".to_owned())
    }

    /// What the way up has kept of the row under a cell's name; `ty` is the type of what is kept. A view that asks costs
    /// a join, so ask only where the way up keeps something.
    pub(crate) fn kept(&mut self, name: &Name, ty: Type) -> Kept {
        self.reads_kept = true;
        cell(&ident(CELLS), name, ty, self.dialect)
    }
}

pub(super) fn create(
    set: &SchemaSet,
    ledger: SchemaVersion,
    place: &Place,
    sources: &Sources,
) -> Option<Vec<String>> {
    set.version(ledger)?;
    let views = Views { set, ledger, place, sources, dialect: place.dialect() };
    let mut statements = Vec::new();
    for version in set.versions().iter().rev().filter(|version| version.number() <= ledger) {
        let number = version.number();
        // MariaDB has one word more for a database.
        if let Some(schema) = place.views_of(number) {
            statements.push(format!("CREATE SCHEMA IF NOT EXISTS {}", ident(&schema)));
        }
        for table in tables_in_order(version.schema()) {
            let select = views.select(number, table)?;
            statements.push(format!("CREATE VIEW {} AS {select}", view_name(number, &table.name, place)));
        }
    }
    Some(statements)
}

/// The views on a ledger at some version.
struct Views<'s> {
    set: &'s SchemaSet,
    ledger: SchemaVersion,
    place: &'s Place,
    sources: &'s Sources,
    dialect: Dialect,
}

impl Views<'_> {
    /// The query of a version's view: of the view above, as long as that tells all it needs. Where it needs what the
    /// row has kept, which no view shows, it reads the ledger's table itself with the complements of its rows.
    fn select(&self, version: SchemaVersion, table: &Table) -> Option<String> {
        if version == self.ledger {
            let columns = names(table);
            let source = ident(self.sources.name(&table.name));
            return Some(format!("SELECT {} FROM {source}", columns.join(", ")));
        }
        if let Some(relation) = self.group_down(version, table) {
            let relation = relation?;
            return Some(format!(
                "SELECT {} FROM {}",
                selected(table, relation.columns).join(", "),
                relation.source
            ));
        }
        let (above, columns) = self.step_down(version, table)?;
        let source = match columns.reads_kept {
            // No version has a view of what the ledger keeps for others; it passes all versions as it is.
            false if is_kept(&above.name) => ident(self.sources.name(&above.name)),
            false => view_name(version.next(), &above.name, self.place),
            true => self.with_cells(version.next(), above)?,
        };
        Some(format!("SELECT {} FROM {source}", selected(table, columns).join(", ")))
    }

    /// A version's table as a source that carries the kept cells beside its columns, as far down as the ledger's table.
    fn with_cells(&self, version: SchemaVersion, table: &Table) -> Option<String> {
        let alias = ident(&format!("v{version}"));
        if version == self.ledger {
            return Some(format!("{} AS {alias}", table_with_cells(table, self.sources, self.dialect)));
        }
        let (source, columns) = match self.group_down(version, table) {
            Some(relation) => relation.map(|relation| (relation.source, relation.columns))?,
            None => {
                let (above, columns) = self.step_down(version, table)?;
                (self.with_cells(version.next(), above)?, columns)
            }
        };
        let mut selected = selected(table, columns);
        selected.push(CELLS.to_owned());
        Some(format!("(SELECT {} FROM {source}) AS {alias}", selected.join(", ")))
    }

    /// A version's table out of the tables of the version above that are tied together; `None` where it is tied to none.
    fn group_down(&self, version: SchemaVersion, table: &Table) -> Option<Option<Relation>> {
        let above = self.set.version(version.next())?;
        let group = above.step()?.group(Direction::Up, &table.name)?;
        let mut relations = Relations::new(self.dialect);
        for name in &group.newer {
            let table = above.ledger().tables.get(name)?;
            let Some(source) = self.with_cells(version.next(), table) else { return Some(None) };
            relations.put(name, Relation::of(table, source, self.dialect));
        }
        for stage in group.stages(Direction::Down) {
            match stage {
                Stage::Structure(structure) => structure.down_sql(&mut relations),
                Stage::Columns { older, newer, operation } => {
                    let mut relation = relations.take(newer);
                    operation.down_sql(&mut relation.columns, self.dialect);
                    relations.put(older, relation);
                }
            }
        }
        Some(Some(relations.take(&table.name)))
    }

    /// The table that a version's table is in the version above, and the way down from its columns.
    fn step_down(&self, version: SchemaVersion, table: &Table) -> Option<(&Table, ViewColumns)> {
        let above = self.set.version(version.next())?;
        let step = above.step()?.by_older(&table.name)?;
        let above = above.ledger().tables.get(&step.newer)?;
        let mut columns = ViewColumns::of(above, self.dialect);
        for operation in step.operations.iter().rev() {
            operation.down_sql(&mut columns, self.dialect);
        }
        Some((above, columns))
    }
}

fn names(table: &Table) -> Vec<String> {
    table.columns.iter().map(|column| ident(&column.name)).collect()
}

fn selected(table: &Table, mut columns: ViewColumns) -> Vec<String> {
    let selected = table.columns.iter().map(|column| {
        let (expression, name) = (columns.take(&column.name), ident(&column.name));
        if expression == name { name } else { format!("{expression} AS {name}") }
    });
    selected.collect()
}

pub(super) fn drop(set: &SchemaSet, ledger: SchemaVersion, place: &Place) -> Option<Vec<String>> {
    set.version(ledger)?;
    let mut statements = Vec::new();
    for version in set.versions().iter().filter(|version| version.number() <= ledger) {
        for table in version.schema().tables.keys() {
            statements.push(format!("DROP VIEW IF EXISTS {}", view_name(version.number(), table, place)));
        }
    }
    Some(statements)
}
