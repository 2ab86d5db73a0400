//! Which rows a change touches in terms that all sites share, whatever version their ledgers stand at.

use std::collections::BTreeSet;

use journal_core::model::{Change, Name, Op, Row, SchemaVersion};

use super::Registry;
use crate::family::keys;
use crate::image::Image;
use crate::set::Version;
use crate::step::Direction;

/// The row at the head of tables that are tied together, in terms that do not depend on the version of a ledger. Every
/// change of a row of one of them touches it, so that sites at different versions see the same changes meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Root {
    /// The table at version 1.
    pub table: Name,
    /// The columns that name its row, by their names in the oldest version that names rows so. Empty where the row cannot
    /// be told from the change: then every row of the table is meant.
    pub key: Row,
    /// Where the table's primary key is another one in another version: which key the row is named by. Two changes with
    /// different numbers here may mean the same row, which only the row could tell, so they are taken to meet. `None`: the
    /// change tells its row by every key.
    pub form: Option<u32>,
}

impl Registry {
    /// The roots that a change of a version touches: none for tables that every version has as one table.
    pub fn roots(&self, version: SchemaVersion, change: &Change) -> Vec<Root> {
        let Some(household) = self.household(version, &change.entity) else { return Vec::new() };
        let Some(table) = household.tables().find(|table| table.name == change.entity) else {
            return Vec::new();
        };
        let forms = self.forms(version, &household.root.name);
        let Some(own) = forms.iter().rposition(|form| *form <= version) else { return Vec::new() };
        let name = self.first_name(version, &household.root.name);
        let root = |key: Row, form: Option<u32>| Root { table: name.clone(), key, form };
        if forms.len() > 1 && matches!(change.op, Op::Insert | Op::Upsert) {
            let named =
                forms.iter().map(|at| self.named_at(version, *at, change)).collect::<Option<Vec<Row>>>();
            if let Some(keys) = named {
                return keys.into_iter().map(|key| root(key, None)).collect();
            }
        }
        let form = (forms.len() > 1).then(|| u32::try_from(own).unwrap_or(u32::MAX));
        let keys = keys(table, change).into_iter().filter_map(|key| household.root_key(table, &key));
        let roots: BTreeSet<Root> = keys
            .map(|key| match self.carry_key(version, forms[own], &household.root.name, key) {
                Ok(image) => root(image.change.key, form),
                Err(_) => root(Row::new(), None),
            })
            .collect();
        roots.into_iter().collect()
    }

    /// The oldest version of each run of versions that name a root by one key, oldest first.
    fn forms(&self, version: SchemaVersion, root: &Name) -> Vec<SchemaVersion> {
        let mut forms = vec![SchemaVersion(1)];
        for direction in [Direction::Down, Direction::Up] {
            let mut name = root.clone();
            let end =
                if direction == Direction::Up { self.set().newest().number() } else { SchemaVersion(1) };
            for (newer, direction) in self.inner.way(version, end) {
                let step = self.inner.set.version(newer).and_then(Version::step);
                let Some(step) = step else { continue };
                if let Some(group) = step.group(direction, &name) {
                    if group.rekeys() {
                        forms.push(newer);
                    }
                    name = group.roots(direction).1.clone();
                } else if let Some(table) = step.leaving(direction, &name) {
                    name = table.arriving(direction).clone();
                }
            }
        }
        forms.sort_unstable();
        forms
    }

    fn first_name(&self, version: SchemaVersion, root: &Name) -> Name {
        let mut name = root.clone();
        for (newer, direction) in self.inner.way(version, SchemaVersion(1)) {
            let Some(step) = self.inner.set.version(newer).and_then(Version::step) else { continue };
            let group = step.group(direction, &name).map(|group| group.roots(direction).1.clone());
            let table = step.leaving(direction, &name).map(|table| table.arriving(direction).clone());
            name = group.or(table).unwrap_or(name);
        }
        name
    }

    /// The key of a whole row at another version, if the row goes there alone.
    fn named_at(&self, from: SchemaVersion, to: SchemaVersion, change: &Change) -> Option<Row> {
        let insert = Image::new(Change::insert(change.entity.clone(), change.cells.clone()));
        let image = self.inner.carry(from, to, insert, &mut Row::new()).ok()?.into_iter().next()?;
        self.ledger(to).ok()?.tables.get(&image.change.entity)?.key_row(&image.change.cells)
    }
}
