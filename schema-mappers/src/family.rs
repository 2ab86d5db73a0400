//! Which tables of which versions only exist together, and which of them is at the head: computed once from the steps of a
//! set. A table that every version has as one table is of no family.

use std::collections::BTreeMap;

use journal_core::model::{Change, Name, Op, Row, SchemaVersion, Table};

use crate::error::SetError;
use crate::group::GroupStep;
use crate::set::Version;
use crate::step::{Direction, Step};

/// The families of a run of versions.
#[derive(Debug, Default)]
pub(crate) struct Families {
    /// By version (from the first of the run) and table.
    of: Vec<BTreeMap<Name, usize>>,
    families: Vec<Family>,
}

/// A family, version by version.
#[derive(Debug, Default)]
struct Family {
    roots: Vec<Option<Name>>,
    /// Whether the root is at the head in every version.
    is_headed: bool,
}

/// A family's tables in one version.
#[derive(Debug)]
pub(crate) struct Household<'s> {
    /// The family's number.
    pub(crate) family: usize,
    pub(crate) root: &'s Table,
    /// The other tables; the first columns of their keys are the root's key.
    pub(crate) members: Vec<&'s Table>,
}

/// A table of the run.
type Place = (usize, Name);

impl Families {
    /// The families of neighbouring versions; `versions[0]` is where the run begins.
    pub(crate) fn of(versions: &[Version]) -> Self {
        if steps(versions).all(|(_, step)| step.groups().is_empty()) {
            // Most sets tie nothing together.
            return Self::default();
        }
        let mut parts = Parts::default();
        for (at, version) in versions.iter().enumerate() {
            version.ledger().tables.keys().for_each(|table| parts.add((at, table.clone())));
        }
        for (at, step) in steps(versions) {
            for table in step.tables() {
                parts.join(&(at - 1, table.older.clone()), &(at, table.newer.clone()));
            }
            for group in step.groups() {
                let older = group.older.iter().map(|table| (at - 1, table.clone()));
                let newer = group.newer.iter().map(|table| (at, table.clone()));
                let first = (at - 1, group.older_root.clone());
                older.chain(newer).for_each(|place| parts.join(&first, &place));
            }
        }
        parts.families(versions)
    }

    /// Whether a table of a version is of a family.
    pub(crate) fn same(&self, at: usize, table: &str, family: usize) -> bool {
        self.of.get(at).and_then(|tables| tables.get(table)) == Some(&family)
    }

    /// The tables that are tied to a table of a version, which is counted from the first of the run.
    pub(crate) fn household<'s>(
        &self,
        at: usize,
        version: &'s Version,
        table: &str,
    ) -> Option<Household<'s>> {
        let (family, root) = self.root(at, version, table)?;
        let tables = &version.ledger().tables;
        let members = self.of[at].iter().filter(|(name, of)| **of == family && **name != root.name);
        let members = members.filter_map(|(name, _)| tables.get(name)).collect();
        Some(Household { family, root, members })
    }

    /// The family of a table of a version, and the table at its head: a household without its members, for whoever does
    /// not ask for them.
    pub(crate) fn root<'s>(
        &self,
        at: usize,
        version: &'s Version,
        table: &str,
    ) -> Option<(usize, &'s Table)> {
        let family = *self.of.get(at)?.get(table)?;
        let root = self.families[family].roots.get(at)?.as_ref()?;
        Some((family, version.ledger().tables.get(root)?))
    }
}

/// Refuses what rows that go together cannot have: two heads, or a head's key that names them in some versions only.
pub(crate) fn check(versions: &[Version]) -> Result<(), SetError> {
    let families = Families::of(versions);
    for (number, family) in families.families.iter().enumerate() {
        let tables = |tables: &BTreeMap<Name, usize>| -> Vec<String> {
            tables.iter().filter(|(_, of)| **of == number).map(|(name, _)| name.to_string()).collect()
        };
        let tables = families.of.iter().map(tables).max_by_key(Vec::len).unwrap_or_default();
        let groups =
            steps(versions).flat_map(|(at, step)| step.groups().iter().map(move |group| (at, group)));
        let groups: Vec<_> =
            groups.filter(|(at, group)| families.same(*at, &group.newer_root, number)).collect();
        let rekeyed = groups.iter().find(|(_, group)| group.rekeys());
        let (at, message) = match (rekeyed, family.is_headed) {
            _ if tables.len() < 2 => continue,
            (Some((at, group)), _) => (*at, format!("it gives {} another key", group.newer_root)),
            (None, false) => {
                (groups.last().map_or(0, |(at, _)| *at), "it puts another table at the head".to_owned())
            }
            (None, true) => continue,
        };
        let message = format!(
            "{message}, but the set ties {} together, so that their rows go by one key; it can have only one of the two",
            tables.join(", ")
        );
        return Err(SetError { file: format!("{}/mapping.toml", versions[at].number()), line: 0, message });
    }
    Ok(())
}

fn steps(versions: &[Version]) -> impl DoubleEndedIterator<Item = (usize, &Step)> {
    let later = versions.iter().enumerate().skip(1).collect::<Vec<_>>().into_iter();
    later.filter_map(|(at, version)| Some((at, version.step()?)))
}

/// Places that belong together, each part under a number.
#[derive(Debug, Default)]
struct Parts(BTreeMap<Place, usize>);

impl Parts {
    fn add(&mut self, place: Place) {
        let next = self.0.len();
        self.0.insert(place, next);
    }

    fn join(&mut self, one: &Place, other: &Place) {
        let (Some(one), Some(other)) = (self.0.get(one).copied(), self.0.get(other).copied()) else { return };
        self.0.values_mut().filter(|part| **part == other).for_each(|part| *part = one);
    }

    fn families(self, versions: &[Version]) -> Families {
        let mut families = Families { of: vec![BTreeMap::new(); versions.len()], families: Vec::new() };
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        for (at, step) in steps(versions) {
            for group in step.groups() {
                let Some(part) = self.0.get(&(at - 1, group.older_root.clone())) else { continue };
                if numbers.contains_key(part) {
                    continue;
                }
                numbers.insert(*part, families.families.len());
                let own = |at: usize, table: &Name| self.0.get(&(at, table.clone())) == Some(part);
                families.families.push(family(versions, own));
            }
        }
        for ((at, table), part) in &self.0 {
            if let Some(number) = numbers.get(part) {
                families.of[*at].insert(table.clone(), *number);
            }
        }
        families
    }
}

/// A family by its root in each version: that of its group with the shortest key, followed both ways. Of several such
/// groups, one whose root is at the head of every other group it comes to: where a group ties `b` to `a` and another one
/// `c` to `b`, all hang on `a`.
fn family(versions: &[Version], own: impl Fn(usize, &Name) -> bool) -> Family {
    let groups = steps(versions).flat_map(|(at, step)| step.groups().iter().map(move |group| (at, group)));
    let groups = groups.filter(|(at, group)| own(at - 1, &group.older_root));
    let key =
        |at: usize, table: &Name| versions[at].ledger().tables.get(table).map_or(0, |table| table.key.len());
    let followed = groups.map(|(at, group)| (key(at - 1, &group.older_root), follow(versions, at, group)));
    let best = followed.min_by_key(|(key, family)| (*key, !family.is_headed));
    best.map(|(_, family)| family).unwrap_or_default()
}

/// The family whose root is that of the group that makes version `at`.
fn follow(versions: &[Version], at: usize, group: &GroupStep) -> Family {
    let mut roots: Vec<Option<Name>> = vec![None; versions.len()];
    let mut is_headed = true;
    let mut leave = |step: &Step, direction: Direction, name: &Name| match (
        step.leaving(direction, name),
        step.group(direction, name),
    ) {
        (Some(table), _) => table.arriving(direction).clone(),
        (None, Some(group)) => {
            is_headed &= group.roots(direction).0 == name;
            group.roots(direction).1.clone()
        }
        (None, None) => name.clone(),
    };
    let mut name = group.newer_root.clone();
    roots[at] = Some(name.clone());
    for (at, step) in steps(versions).filter(|(above, _)| *above > at) {
        name = leave(step, Direction::Up, &name);
        roots[at] = Some(name.clone());
    }
    name = group.older_root.clone();
    roots[at - 1] = Some(name.clone());
    for (at, step) in steps(versions).rev().filter(|(below, _)| *below < at) {
        name = leave(step, Direction::Down, &name);
        roots[at - 1] = Some(name.clone());
    }
    Family { roots, is_headed }
}

/// The keys of the rows that a change names: the one it is about, and a new one that it gives.
pub(crate) fn keys(table: &Table, change: &Change) -> Vec<Row> {
    let source = if change.key.is_empty() { &change.cells } else { &change.key };
    let mut keys: Vec<Row> = table.key_row(source).into_iter().collect();
    if change.op == Op::Update && table.key.iter().any(|name| change.cells.contains(name)) {
        let after = |name: &Name| change.cells.get(name).or_else(|| change.key.get(name)).cloned();
        let row = table.key.iter().map(|name| Some((name.clone(), after(name)?))).collect::<Option<Row>>();
        keys.extend(row);
    }
    keys
}

impl Household<'_> {
    /// The key of the root row to which a row with this key belongs.
    pub(crate) fn root_key(&self, table: &Table, key: &Row) -> Option<Row> {
        let columns = self.root.key.iter().zip(&table.key);
        columns.map(|(root, own)| Some((root.clone(), key.get(own)?.clone()))).collect()
    }

    /// Its tables, the root first.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Table> {
        std::iter::once(self.root).chain(self.members.iter().copied())
    }

    /// The columns of a table that hold a root's key.
    pub(crate) fn columns(&self, table: &Table) -> Vec<Name> {
        table.key.iter().take(self.root.key.len()).cloned().collect()
    }
}

/// The place of a version in a set.
pub(crate) fn place(version: SchemaVersion) -> usize {
    usize::try_from(version.0 - 1).unwrap_or(usize::MAX)
}
