//! Which rows belong together: for a change the rows it needs and the root it touches, for a ledger the tables that go to
//! another version as one.

use journal_core::model::{Change, Name, Op, Row, SchemaVersion, Table};

use super::Registry;
use crate::error::MapError;
use crate::feed::{Feed, Source};
use crate::image::Image;
use crate::plan::Selector;
use crate::set::Version;

/// The row at the head of a group of tables that only exist together, in the terms of the set's first version. Every
/// change of a row of the group touches it, so that sites at different versions see the same changes meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Root {
    /// The table at version 1.
    pub table: Name,
    /// The key of its row, in its columns there. Empty where the row cannot be told from the change: then every row of
    /// the table is meant.
    pub key: Row,
}

impl Registry {
    /// The roots that a change of a version touches: none for tables that every version has as one table.
    pub fn roots(&self, _version: SchemaVersion, _change: &Change) -> Vec<Root> {
        Vec::new()
    }

    /// How the rows of a ledger at version `from` go to version `to`, roots with parents before those with children.
    /// Each table of the ledger is in one feed.
    ///
    /// # Errors
    /// [`MapError::UnknownVersion`].
    pub fn feeds(&self, from: SchemaVersion, to: SchemaVersion) -> Result<Vec<Feed>, MapError> {
        self.ledger(to)?;
        let tables = crate::ddl::tables_in_order(self.ledger(from)?);
        Ok(tables.into_iter().map(|table| self.feed(from, to, table)).collect())
    }

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
        let schema = self.ledger(from)?;
        let Some(table) = schema.tables.get(&change.entity) else { return Ok(Vec::new()) };
        let source = if change.key.is_empty() { &change.cells } else { &change.key };
        let mut keys: Vec<Row> = table.key_row(source).into_iter().collect();
        if change.op == Op::Update && table.key.iter().any(|name| change.cells.contains(name)) {
            let after = |name: &Name| change.cells.get(name).or_else(|| change.key.get(name));
            keys.extend(
                table
                    .key
                    .iter()
                    .map(|name| Some((name.clone(), after(name)?.clone())))
                    .collect::<Option<Row>>(),
            );
        }
        let mut selectors = Vec::new();
        for key in keys {
            let named = Image::new(Change::delete(table.name.clone(), key));
            let images = self.inner.carry(from, to, named, &mut Row::new())?;
            selectors.extend(
                images
                    .into_iter()
                    .map(|image| Selector { table: image.change.entity, columns: image.change.key }),
            );
        }
        Ok(selectors)
    }

    /// The complement cells that a change makes stale in a row of its own version.
    pub(crate) fn stale_at(&self, version: SchemaVersion, change: &Change) -> Vec<Name> {
        self.inner.stale(version, version, change)
    }
}
