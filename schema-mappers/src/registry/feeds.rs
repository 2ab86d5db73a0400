//! Which rows belong together: for a change the rows it needs, for a ledger the tables that go to another version as one.

use std::collections::BTreeSet;

use journal_core::model::{Change, Name, Row, SchemaVersion, Table};

use super::Registry;
use crate::error::{CannotMap, MapError};
use crate::family::{Families, Household, keys, place};
use crate::feed::{Feed, Source};
use crate::image::Image;
use crate::plan::Selector;
use crate::set::Version;

impl Registry {
    /// How the rows of a ledger at version `from` go to version `to`, roots with parents before those with children.
    /// Each table of the ledger is in one feed.
    ///
    /// # Errors
    /// [`MapError::UnknownVersion`].
    pub fn feeds(&self, from: SchemaVersion, to: SchemaVersion) -> Result<Vec<Feed>, MapError> {
        self.ledger(to)?;
        let tables = crate::ddl::tables_in_order(self.ledger(from)?);
        let run = &self.inner.set.versions()[place(from.min(to))..=place(from.max(to))];
        let (families, start, source) = match from <= to {
            true => (Families::of(run), 0, &run[0]),
            false => (Families::of(run), run.len() - 1, &run[run.len() - 1]),
        };
        let mut feeds = Vec::new();
        for table in tables {
            match families.household(start, source, &table.name) {
                None => feeds.push(self.feed(from, to, table)),
                Some(household) if household.root.name == table.name => {
                    let end = run.len() - 1 - start;
                    feeds.push(household_feed(&household, &families, end, &run[end]));
                }
                Some(_) => {}
            }
        }
        Ok(feeds)
    }

    /// A table that goes alone.
    fn feed(&self, from: SchemaVersion, to: SchemaVersion, table: &Table) -> Feed {
        let mut name = table.name.clone();
        let mut identity = true;
        for (version, direction) in self.inner.way(from, to) {
            let step = self.inner.set.version(version).and_then(Version::step);
            let Some(step) = step.and_then(|step| step.leaving(direction, &name)) else { break };
            identity &= step.operations.is_empty();
            identity &= !self.inner.mappers.tables.contains_key(&(version, step.newer.clone()));
            name = step.arriving(direction).clone();
        }
        let root = Source { table: table.name.clone(), columns: table.key.clone() };
        identity &= name == table.name;
        Feed { root, members: Vec::new(), targets: vec![name], identity }
    }

    /// The rows of the ledger at `to` that a change needs.
    pub(super) fn selectors(
        &self,
        from: SchemaVersion,
        to: SchemaVersion,
        change: &Change,
    ) -> Result<Vec<Selector>, MapError> {
        let Some(table) = self.ledger(from)?.tables.get(&change.entity) else { return Ok(Vec::new()) };
        let mut selectors = BTreeSet::new();
        for key in keys(table, change) {
            let Some(household) = self.household(from, &table.name) else {
                let images = self.inner.carry(
                    from,
                    to,
                    Image::new(Change::delete(table.name.clone(), key)),
                    &mut Row::new(),
                )?;
                let named = images.into_iter().map(|image| image.change);
                selectors.extend(named.map(|change| Selector { table: change.entity, columns: change.key }));
                continue;
            };
            let Some(key) = household.root_key(table, &key) else { continue };
            let named = self.carry_key(from, to, &household.root.name, key)?.change;
            self.check_named(from, to, &named)?;
            selectors.extend(
                self.household(to, &named.entity)
                    .into_iter()
                    .flat_map(|household| named_rows(&household, &named)),
            );
        }
        Ok(selectors.into_iter().collect())
    }

    /// The columns that named a row at one version must be there at the other.
    fn check_named(&self, from: SchemaVersion, to: SchemaVersion, named: &Change) -> Result<(), MapError> {
        let table = self.ledger(to)?.tables.get(&named.entity);
        let gone = named.key.names().find(|name| table.is_none_or(|table| table.column(name).is_none()));
        match gone {
            None => Ok(()),
            Some(column) => {
                let reason = "it names the row, and the version mapped to does not have it";
                Err(MapError::CannotMap {
                    from,
                    to,
                    reason: CannotMap::column(&named.entity, column, reason),
                })
            }
        }
    }

    pub(super) fn household(&self, version: SchemaVersion, table: &str) -> Option<Household<'_>> {
        self.inner.families.household(place(version), self.inner.set.version(version)?, table)
    }

    fn root(&self, version: SchemaVersion, table: &str) -> Option<&Table> {
        let (_, root) = self.inner.families.root(place(version), self.inner.set.version(version)?, table)?;
        Some(root)
    }

    /// Whether some step ties a table to others.
    pub fn is_tied(&self, version: SchemaVersion, table: &str) -> bool {
        self.root(version, table).is_some()
    }

    /// Whether a table is at the head of tables that are tied together.
    pub fn is_root(&self, version: SchemaVersion, table: &str) -> bool {
        self.root(version, table).is_some_and(|root| root.name.as_ref() == table)
    }

    /// The tables that some step ties to a table, itself among them; none if there are no others.
    pub(crate) fn tied_to(&self, version: SchemaVersion, table: &str) -> Vec<Name> {
        let household = self.household(version, table);
        household.iter().flat_map(Household::tables).map(|table| table.name.clone()).collect()
    }

    /// The columns that name a root row at another version, as the `key` of an image of it.
    pub(super) fn carry_key(
        &self,
        from: SchemaVersion,
        to: SchemaVersion,
        root: &Name,
        key: Row,
    ) -> Result<Image, MapError> {
        let cannot = |reason: CannotMap| MapError::CannotMap { from, to, reason };
        let mut image = Image::new(Change::delete(root.clone(), key));
        for (newer, direction) in self.inner.way(from, to) {
            let Some(step) = self.inner.set.version(newer).and_then(Version::step) else { continue };
            image = match step.group(direction, &image.change.entity) {
                Some(group) => group.carry_key(direction, image).map_err(cannot)?,
                None => match step.leaving(direction, &image.change.entity) {
                    Some(table) => table.carry(direction, image, &mut Row::new()).map_err(cannot)?,
                    None => image,
                },
            };
        }
        Ok(image)
    }

    /// The complement cells that a change makes stale in a row of its own version.
    pub(crate) fn stale_at(&self, version: SchemaVersion, change: &Change) -> Vec<Name> {
        self.inner.stale(version, version, change)
    }

    /// Those that it makes stale in the root row of its row.
    pub(crate) fn stale_at_root(&self, version: SchemaVersion, change: &Change) -> Vec<Name> {
        let tables = self.inner.stale.get(place(version));
        let Some(found) = tables.and_then(|tables| tables.get(&change.entity)) else { return Vec::new() };
        let written = change.cells.names().filter_map(|column| found.stale_at_root.get(column)).flatten();
        written.map(|(_, cell)| cell.clone()).collect()
    }
}

/// The rows of all tables of a household that belong to the root row with these columns.
fn named_rows(household: &Household<'_>, root: &Change) -> Vec<Selector> {
    let mut selectors = vec![Selector { table: root.entity.clone(), columns: root.key.clone() }];
    let values: Option<Vec<_>> = household.root.key.iter().map(|name| root.key.get(name).cloned()).collect();
    // Named by other columns than its key, a root has no members; the loader sees to it.
    for member in values.iter().flat_map(|_| &household.members) {
        let columns = household.columns(member).into_iter().zip(values.iter().flatten().cloned());
        selectors.push(Selector { table: member.name.clone(), columns: columns.collect() });
    }
    selectors
}

fn household_feed(household: &Household<'_>, families: &Families, end: usize, target: &Version) -> Feed {
    let source = |table: &Table| Source { table: table.name.clone(), columns: household.columns(table) };
    // A family has tables in every version of the run; which ones, the version at its end says.
    let tables = target.ledger().tables.keys();
    let targets = tables.filter(|table| families.same(end, table, household.family));
    Feed {
        root: source(household.root),
        members: household.members.iter().map(|table| source(table)).collect(),
        targets: targets.cloned().collect(),
        identity: false,
    }
}
