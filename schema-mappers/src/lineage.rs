//! Which columns of one version depend on which of another: which some version reads as one, which kept cells a write
//! makes stale, where ask codes have gone. Computed once from what the operations declare.

mod asks;

use std::collections::{BTreeMap, BTreeSet};

use journal_core::model::{Name, SchemaVersion};

use crate::group::{GroupStep, Stage, Structure};
use crate::ops::Lineage;
use crate::set::Version;
use crate::step::{Direction, TableStep};

pub(crate) use asks::asks;

/// What other versions make of one table's columns.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Dependents {
    /// Groups of columns that some version reads as one.
    pub(crate) together: Vec<Vec<Name>>,
    /// For a column, the complement cells that were kept by other versions' writes and are stale once it is written
    /// here: each with the newer version of the step that keeps it.
    pub(crate) stale: BTreeMap<Name, Vec<(SchemaVersion, Name)>>,
    /// For a column, the steps that keep what depends on it elsewhere than in its own row, or only as long as rows stand
    /// that it brings about: what a write of it makes stale is seen with all the rows at hand only.
    pub(crate) unsettled: BTreeMap<Name, BTreeSet<SchemaVersion>>,
    /// As `stale`, for cells that stand with the root row of the column's row.
    pub(crate) stale_at_root: BTreeMap<Name, Vec<(SchemaVersion, Name)>>,
}

impl Dependents {
    pub(crate) fn is_empty(&self) -> bool {
        self.stale.is_empty() && self.unsettled.is_empty()
    }

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
    let known = versions[at].ledger().tables.get(table);
    let columns = known.into_iter().flat_map(|table| &table.columns);
    let columns: Vec<Name> = columns.map(|column| column.name.clone()).collect();
    let above = versions[at + 1..].iter();
    Trace::new(Direction::Up, table, &columns).follow(above, &mut found);
    let below = versions[..=at].iter().rev();
    Trace::new(Direction::Down, table, &columns).follow(below, &mut found);
    found.stale.retain(|_, cells| !cells.is_empty());
    found
}

/// The columns of a table on their way through the steps of one direction.
struct Trace {
    direction: Direction,
    /// For each column on the way, the ones it comes from, and whether it stands in the same row still.
    origins: BTreeMap<(Name, Name), Origin>,
    /// Tables on the way whose rows are there or not by what some columns hold.
    fragile: BTreeMap<Name, BTreeSet<Name>>,
}

#[derive(Debug, Clone, Default)]
struct Origin {
    columns: BTreeSet<Name>,
    same_row: bool,
}

impl Trace {
    fn new(direction: Direction, table: &Name, columns: &[Name]) -> Self {
        let origin = |column: &Name| Origin { columns: BTreeSet::from([column.clone()]), same_row: true };
        let origins = columns.iter().map(|column| ((table.clone(), column.clone()), origin(column)));
        Self { direction, origins: origins.collect(), fragile: BTreeMap::new() }
    }

    fn follow<'a>(mut self, versions: impl Iterator<Item = &'a Version>, found: &mut Dependents) {
        for (version, step) in versions.map_while(|version| Some((version.number(), version.step()?))) {
            let tables: BTreeSet<Name> = self.origins.keys().map(|(table, _)| table.clone()).collect();
            let mut passed: Vec<&GroupStep> = Vec::new();
            for name in &tables {
                match (step.leaving(self.direction, name), step.group(self.direction, name)) {
                    (Some(table), _) => self.table(version, table, found),
                    (None, Some(group)) if !passed.iter().any(|known| std::ptr::eq(*known, group)) => {
                        passed.push(group);
                        self.group(version, group, found);
                    }
                    (None, _) => {}
                }
            }
        }
    }

    fn table(&mut self, version: SchemaVersion, step: &TableStep, found: &mut Dependents) {
        let leaving = match self.direction {
            Direction::Up => step.older.clone(),
            Direction::Down => step.newer.clone(),
        };
        let mut lineages: Vec<_> = step.operations.iter().map(|operation| operation.lineage()).collect();
        if self.direction == Direction::Down {
            lineages.reverse();
        }
        for lineage in lineages {
            self.columns(version, &leaving, lineage, found);
        }
        self.rename(&leaving, step.arriving(self.direction));
    }

    fn group(&mut self, version: SchemaVersion, group: &GroupStep, found: &mut Dependents) {
        for stage in group.stages(self.direction) {
            match stage {
                Stage::Structure(structure) => self.structure(version, structure.as_ref(), found),
                Stage::Columns { older, newer, operation } => {
                    let (from, to) = match self.direction {
                        Direction::Up => (older, newer),
                        Direction::Down => (newer, older),
                    };
                    self.columns(version, from, operation.lineage(), found);
                    self.rename(from, to);
                }
            }
        }
    }

    fn rename(&mut self, from: &Name, to: &Name) {
        if from == to {
            return;
        }
        let moved = std::mem::take(&mut self.origins).into_iter();
        self.origins = moved
            .map(|((table, column), origin)| {
                let table = if table == *from { to.clone() } else { table };
                ((table, column), origin)
            })
            .collect();
        if let Some(columns) = self.fragile.remove(from) {
            self.fragile.insert(to.clone(), columns);
        }
    }

    /// An operation on the columns of one table.
    fn columns(&mut self, version: SchemaVersion, table: &Name, lineage: Lineage, found: &mut Dependents) {
        // Cells on the side we come from were kept by changes that came from the other side.
        let (from, to, kept) = match self.direction {
            Direction::Up => (lineage.older, lineage.newer, lineage.kept_down),
            Direction::Down => (lineage.newer, lineage.older, lineage.kept_up),
        };
        let taken = from.iter().filter_map(|column| self.origins.remove(&(table.clone(), column.clone())));
        let taken: Vec<Origin> = taken.collect();
        let same_row = taken.iter().all(|origin| origin.same_row);
        let columns: BTreeSet<Name> = taken.into_iter().flat_map(|origin| origin.columns).collect();
        if !kept.is_empty() {
            let fragile = self.fragile.get(table).into_iter().flatten();
            let elsewhere = columns.iter().filter(|_| !same_row).chain(fragile);
            elsewhere.for_each(|column| unsettle(found, column, version));
        }
        let of = if same_row { &mut found.stale } else { &mut found.stale_at_root };
        stale(of, &columns, version, &kept);
        if from.len() > 1 && columns.len() > 1 && same_row {
            found.join(columns.clone());
        }
        let origin = Origin { columns, same_row };
        self.origins.extend(to.into_iter().map(|column| ((table.clone(), column), origin.clone())));
    }

    /// An operation on whole tables.
    fn structure(&mut self, version: SchemaVersion, structure: &dyn Structure, found: &mut Dependents) {
        let (from, back) = match self.direction {
            Direction::Up => (structure.older(), Direction::Down),
            Direction::Down => (structure.newer(), Direction::Up),
        };
        let kept = structure.kept(back);
        if !kept.is_empty() {
            // What it keeps may depend on whether there are rows of its tables.
            let fragile = from.iter().filter_map(|table| self.fragile.get(table)).flatten();
            fragile.for_each(|column| unsettle(found, column, version));
        }
        if let Some((table, columns)) = structure.fragile(self.direction) {
            let known = columns
                .iter()
                .filter_map(|column| self.origins.get(&(from.first()?.clone(), column.clone())));
            let known: BTreeSet<Name> = known.flat_map(|origin| origin.columns.clone()).collect();
            self.fragile.entry(table).or_default().extend(known);
        }
        for (table, column) in self.origins.keys().cloned().collect::<Vec<_>>() {
            if !from.contains(&table) {
                continue;
            }
            let Some(origin) = self.origins.remove(&(table.clone(), column.clone())) else { continue };
            for followed in structure.follow(self.direction, &table, &column) {
                // What the structure itself keeps stands in the root row.
                match (followed.same_row, origin.same_row && from.first() == Some(&table)) {
                    (true, _) => {}
                    (false, true) if structure.settles() => {
                        stale(&mut found.stale, &origin.columns, version, &kept);
                    }
                    (false, _) if !kept.is_empty() => {
                        origin.columns.iter().for_each(|column| unsettle(found, column, version));
                    }
                    (false, _) => {}
                }
                let same_row = origin.same_row && followed.same_row;
                let origin = Origin { columns: origin.columns.clone(), same_row };
                self.origins.insert((followed.table, followed.column), origin);
            }
        }
    }
}

fn stale(
    found: &mut BTreeMap<Name, Vec<(SchemaVersion, Name)>>,
    columns: &BTreeSet<Name>,
    version: SchemaVersion,
    cells: &[Name],
) {
    for column in columns {
        let known = found.entry(column.clone()).or_default();
        known.extend(cells.iter().map(|cell| (version, cell.clone())));
    }
}

fn unsettle(found: &mut Dependents, column: &Name, version: SchemaVersion) {
    found.unsettled.entry(column.clone()).or_default().insert(version);
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
