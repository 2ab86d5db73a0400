//! Where the ask codes of operations have gone by some version.

use journal_core::model::{Change, Row, SchemaVersion};

use crate::group::{Followed, GroupStep, Stage};
use crate::image::Image;
use crate::kept::is_kept;
use crate::ops::{AskCode, Operation};
use crate::set::{Ask, SchemaSet};
use crate::step::{Direction, Step, TableStep};

/// The ask codes that may stand in a version's columns.
pub(crate) fn asks(set: &SchemaSet, version: SchemaVersion) -> Vec<Ask> {
    let mut asks: Vec<Ask> = Vec::new();
    let known = set.versions().iter().filter(|known| known.number() <= version);
    for (newer, step) in known.filter_map(|known| Some((known.number(), known.step()?))) {
        asks = asks.into_iter().filter_map(|ask| follow(step, ask)).collect();
        for table in step.tables() {
            for (at, operation) in table.operations.iter().enumerate() {
                let ask = begin(newer, &table.older, operation.as_ref());
                asks.extend(ask.and_then(|ask| through_table(table, at + 1, ask)));
            }
        }
        for group in step.groups() {
            for (at, stage) in group.stages.iter().enumerate() {
                let Stage::Columns { older, operation, .. } = stage else { continue };
                // The operation leaves the table's name, so the ask begins under the one after it.
                let ask = begin(newer, older, operation.as_ref());
                asks.extend(ask.and_then(|ask| through_group(group, at + 1, ask)));
            }
        }
    }
    asks.retain(|ask| !is_kept(&ask.table));
    asks
}

fn begin(newer: SchemaVersion, table: &journal_core::model::Name, operation: &dyn Operation) -> Option<Ask> {
    let AskCode { column, code, question, kept } = operation.ask()?;
    let id = format!("{newer}:{table}.{column}");
    Some(Ask { id, since: newer, table: table.clone(), column, code, question, kept })
}

fn follow(step: &Step, ask: Ask) -> Option<Ask> {
    match step.group(Direction::Up, &ask.table) {
        Some(group) => through_group(group, 0, ask),
        None => through_table(step.by_older(&ask.table)?, 0, ask),
    }
}

/// An ask code after a table's operations from the given one on, as long as its column stays one column.
fn through_table(step: &TableStep, from: usize, mut ask: Ask) -> Option<Ask> {
    for operation in step.operations.iter().skip(from) {
        ask = through(operation.as_ref(), ask)?;
    }
    ask.table = step.newer.clone();
    Some(ask)
}

fn through_group(step: &GroupStep, from: usize, mut ask: Ask) -> Option<Ask> {
    for stage in step.stages.iter().skip(from) {
        match stage {
            Stage::Columns { older, newer, operation } if ask.table == *older => {
                ask = through(operation.as_ref(), ask)?;
                ask.table = newer.clone();
            }
            Stage::Columns { .. } => {}
            Stage::Structure(structure) if structure.older().contains(&ask.table) => {
                let mut followed = structure.follow(Direction::Up, &ask.table, &ask.column).into_iter();
                let (Some(Followed { table, column, .. }), None) = (followed.next(), followed.next()) else {
                    return None;
                };
                ask = Ask { table, column, ..ask };
            }
            Stage::Structure(_) => {}
        }
    }
    Some(ask)
}

fn through(operation: &dyn Operation, mut ask: Ask) -> Option<Ask> {
    let lineage = operation.lineage();
    if !lineage.older.contains(&ask.column) {
        return Some(ask);
    }
    let [column] = lineage.newer.as_slice() else { return None };
    if lineage.older.len() > 1 {
        return None;
    }
    let code = Row::new().with(ask.column.clone(), ask.code);
    let mut image = Image::new(Change::update(ask.table.clone(), Row::new(), code));
    operation.up(&mut image, &mut Row::new()).ok()?;
    ask.code = image.change.cells.remove(column)?;
    ask.column = column.clone();
    Some(ask)
}
