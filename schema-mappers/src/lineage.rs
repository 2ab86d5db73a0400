//! Which columns of one version depend on which of another: which must be written together, which kept cells a write
//! makes stale, where ask codes have gone. Computed once from what the operations declare.

use std::collections::{BTreeMap, BTreeSet};

use journal_core::model::{Change, Name, Row, SchemaVersion};

use crate::image::Image;
use crate::ops::AskCode;
use crate::set::{Ask, SchemaSet, Version};
use crate::step::{Direction, TableStep};

/// What other versions make of one table's columns.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Dependents {
    /// Groups of columns that some version reads as one.
    pub(crate) together: Vec<Vec<Name>>,
    /// For a column, the complement cells that were kept by other versions' writes and are stale once it is written
    /// here: each with the newer version of the step that keeps it.
    pub(crate) stale: BTreeMap<Name, Vec<(SchemaVersion, Name)>>,
}

impl Dependents {
    /// Adds a group. Groups that share a column are one: whoever writes a part of it must write all of it.
    fn join(&mut self, mut group: BTreeSet<Name>) {
        self.together.retain(|known| {
            let apart = !known.iter().any(|column| group.contains(column));
            if !apart {
                group.extend(known.iter().cloned());
            }
            apart
        });
        self.together.push(group.into_iter().collect());
    }
}

/// Follows a table's columns through all steps in both directions.
pub(crate) fn dependents(versions: &[Version], at: usize, table: &Name) -> Dependents {
    let mut found = Dependents::default();
    let columns: BTreeMap<Name, BTreeSet<Name>> = versions[at]
        .schema()
        .tables
        .get(table)
        .into_iter()
        .flat_map(|table| &table.columns)
        .map(|column| (column.name.clone(), BTreeSet::from([column.name.clone()])))
        .collect();
    let above = versions[at + 1..].iter();
    follow(above, Direction::Up, table.clone(), columns.clone(), &mut found);
    let below = versions[..=at].iter().rev();
    follow(below, Direction::Down, table.clone(), columns, &mut found);
    found
}

fn follow<'a>(
    versions: impl Iterator<Item = &'a Version>,
    direction: Direction,
    mut table: Name,
    mut origins: BTreeMap<Name, BTreeSet<Name>>,
    found: &mut Dependents,
) {
    for (version, step) in versions.map_while(|version| Some((version.number(), version.step()?))) {
        let Some(step) = step.leaving(direction, &table) else { return };
        trace(version, step, direction, &mut origins, found);
        table = match direction {
            Direction::Up => step.newer.clone(),
            Direction::Down => step.older.clone(),
        };
    }
}

fn trace(
    version: SchemaVersion,
    step: &TableStep,
    direction: Direction,
    origins: &mut BTreeMap<Name, BTreeSet<Name>>,
    found: &mut Dependents,
) {
    let mut lineages: Vec<_> = step.operations.iter().map(|operation| operation.lineage()).collect();
    if direction == Direction::Down {
        lineages.reverse();
    }
    for lineage in lineages {
        // Cells on the side we come from were kept by changes that came from the other side.
        let (from, to, kept) = match direction {
            Direction::Up => (lineage.older, lineage.newer, lineage.kept_down),
            Direction::Down => (lineage.newer, lineage.older, lineage.kept_up),
        };
        let roots: BTreeSet<Name> =
            from.iter().filter_map(|column| origins.remove(column)).flatten().collect();
        for root in &roots {
            let stale = found.stale.entry(root.clone()).or_default();
            stale.extend(kept.iter().map(|cell| (version, cell.clone())));
        }
        if from.len() > 1 && roots.len() > 1 {
            found.join(roots.clone());
        }
        origins.extend(to.into_iter().map(|column| (column, roots.clone())));
    }
    found.stale.retain(|_, cells| !cells.is_empty());
}

/// Fills the groups of columns that belong together into each version's tables.
pub(crate) fn fill_together(versions: &mut [Version]) {
    for at in 0..versions.len() {
        let names: Vec<Name> = versions[at].schema().tables.keys().cloned().collect();
        for name in names {
            let together = dependents(versions, at, &name).together;
            if let Some(table) = versions[at].schema_mut().tables.get_mut(&name) {
                table.together = together;
            }
        }
    }
}

/// The ask codes that may stand in a version's columns.
pub(crate) fn asks(set: &SchemaSet, version: SchemaVersion) -> Vec<Ask> {
    let mut asks: Vec<Ask> = Vec::new();
    let known = set.versions().iter().filter(|known| known.number() <= version);
    for (newer, step) in known.filter_map(|known| Some((known.number(), known.step()?))) {
        asks = asks
            .into_iter()
            .filter_map(|ask| step.by_older(&ask.table).and_then(|step| carry(step, 0, ask)))
            .collect();
        for table in step.tables() {
            for (at, operation) in table.operations.iter().enumerate() {
                let Some(AskCode { column, code, question, kept }) = operation.ask() else { continue };
                let id = format!("{newer}:{}.{column}", table.older);
                let ask = Ask { id, since: newer, table: table.older.clone(), column, code, question, kept };
                asks.extend(carry(table, at + 1, ask));
            }
        }
    }
    asks
}

/// An ask code after a table's operations from the given one on, as long as its column stays one column.
fn carry(step: &TableStep, from: usize, mut ask: Ask) -> Option<Ask> {
    for operation in step.operations.iter().skip(from) {
        let lineage = operation.lineage();
        if !lineage.older.contains(&ask.column) {
            continue;
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
    }
    ask.table = step.newer.clone();
    Some(ask)
}
