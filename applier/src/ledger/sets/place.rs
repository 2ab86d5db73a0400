//! Where a change goes among those before it: in waves, and within a wave inserts (parents first), updates, deletes
//! (children first). A change goes into the first wave in which nothing can tell that it was moved.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use journal_core::model::{Name, Op, Table, Value};

use super::fold::Pending;
use super::rules::{Rules, TableRules};
use super::{Set, SetRow, Step};
use crate::ledger::LedgerChange;

/// A wave; -1 is before the first.
type Wave = i64;

/// A row by its table and its key.
type RowKey<'c> = (&'c str, Vec<Value>);

/// The changes between two that stand alone.
#[derive(Debug)]
pub(super) struct Places<'r, 'c> {
    rules: &'r Rules,
    work: Vec<Work<'c>>,
    /// The last thing done to each row: its place in `work`, which holds the row's key.
    rows: HashTable<usize>,
    hasher: RandomState,
    /// The last wave in which something began to refer to a row.
    referred: HashMap<RowKey<'c>, Wave, RandomState>,
    /// Of each table, by its rank.
    last: Vec<Last>,
}

#[derive(Debug)]
struct Work<'c> {
    table: &'c Table,
    rank: usize,
    key: Vec<Value>,
    wave: Wave,
    pending: Pending<'c>,
}

/// When a statement comes: its wave, its phase there, and its table's rank in it.
type Place = (Wave, u8, i64);

/// The sets of one place, by shape.
#[derive(Debug, Default)]
struct Sets<'c> {
    made: Vec<Set<'c>>,
    /// How many rows come to the place.
    expected: usize,
}

impl<'c> Sets<'c> {
    fn take(&mut self, Work { table, key, pending, .. }: Work<'c>) {
        // Few shapes, as a rule the one that came last.
        let at = self.made.iter().rposition(|set| pending.is_done_by(table, &set.action));
        let at = at.unwrap_or_else(|| {
            let mut set = Set::new(table, pending.action(table));
            // The first shape is most rows' as a rule.
            if self.made.is_empty() {
                set.rows.reserve_exact(self.expected);
            }
            self.made.push(set);
            self.made.len() - 1
        });
        self.made[at].rows.push(SetRow::of(key, pending));
    }
}

impl<'c> Work<'c> {
    /// Parents first where rows begin, children first where they end.
    fn place(&self) -> Place {
        let rank = i64::try_from(self.rank).unwrap_or(i64::MAX);
        match self.pending {
            Pending::Insert { .. } | Pending::Upsert { .. } => (self.wave, 0, rank),
            Pending::Update { .. } => (self.wave, 1, rank),
            Pending::Delete => (self.wave, 2, -rank),
        }
    }

    fn name(&self) -> &'c str {
        &self.table.name
    }

    fn is_of(&self, (table, key): &RowKey<'_>) -> bool {
        self.name() == *table && self.key == *key
    }
}

/// The last waves in which something was done to a table.
#[derive(Debug, Clone, Copy)]
struct Last {
    insert: Wave,
    delete: Wave,
    /// An update of a column of a unique key.
    rekey: Wave,
    /// An update of a column that refers to a parent.
    refer: Wave,
}

const NONE: Last = Last { insert: -1, delete: -1, rekey: -1, refer: -1 };

impl<'r, 'c> Places<'r, 'c> {
    /// With room for so many: growing would copy what is there already, again and again.
    pub(super) fn with_capacity(rules: &'r Rules, changes: usize) -> Self {
        Self {
            rules,
            work: Vec::with_capacity(changes),
            rows: HashTable::with_capacity(changes),
            hasher: RandomState::default(),
            referred: HashMap::default(),
            last: vec![NONE; rules.0.len()],
        }
    }

    /// Takes a change in; `false` where it must stand alone.
    pub(super) fn take(&mut self, table: &'c Table, key: Vec<Value>, image: &'c LedgerChange) -> bool {
        let rules = self.rules;
        let Some(rules) = rules.0.get(&table.name).filter(|rules| !rules.refers_to_itself) else {
            return false;
        };
        // It may meet a row by another key than its own.
        if image.change.op == Op::Upsert && !rules.unique.is_empty() {
            return false;
        }
        let row = (table.name.as_ref(), key);
        let before = self.last_of(&row);
        if let Some(before) = before
            && self.work[before].pending.fold(table, rules, image)
        {
            return true;
        }
        let Some(pending) = Pending::begin(image) else { return false };
        let Some(references) = references(table, rules, image) else { return false };
        let mut wave = self.first_wave(&row, rules, image, &references).max(0);
        if let Some(before) = before {
            wave = wave.max(self.work[before].wave + 1);
        }
        self.note(rules, image, references, wave);
        let hash = self.hasher.hash_one(&row);
        match self.rows.find_mut(hash, |at| self.work[*at].is_of(&row)) {
            Some(at) => *at = self.work.len(),
            None => {
                let hash_of = |at: &usize| self.hasher.hash_one((self.work[*at].name(), &self.work[*at].key));
                self.rows.insert_unique(hash, self.work.len(), hash_of);
            }
        }
        self.work.push(Work { table, rank: rules.rank, key: row.1, wave, pending });
        true
    }

    /// The place of the last thing done to a row.
    fn last_of(&self, row: &RowKey<'_>) -> Option<usize> {
        self.rows.find(self.hasher.hash_one(row), |at| self.work[*at].is_of(row)).copied()
    }

    /// The first wave in which other rows cannot tell that the change came there.
    fn first_wave(
        &self,
        row: &RowKey<'c>,
        rules: &TableRules,
        image: &LedgerChange,
        references: &[RowKey<'c>],
    ) -> Wave {
        let own = self.last[rules.rank];
        let parents = || rules.parents.iter().map(|parent| self.last[*parent]);
        let mut first = 0;
        let mut not_before = |waves: &[Wave]| first = waves.iter().copied().fold(first, Wave::max);
        // Who refers to a row comes after its beginning, and after its end: there it is refused.
        for at in references.iter().filter_map(|parent| self.last_of(parent)) {
            let at = &self.work[at];
            not_before(&[at.wave + i64::from(matches!(at.pending, Pending::Delete))]);
        }
        let has_unique = !rules.unique.is_empty();
        let cells = &image.change.cells;
        let refers_anew = || cells.names().any(|name| rules.refers.contains(name));
        match image.change.op {
            Op::Insert | Op::Upsert => {
                // A row that was referred to before it was there: that was refused.
                if !self.referred.is_empty() {
                    self.referred.get(row).into_iter().for_each(|wave| not_before(&[wave + 1]));
                }
                if has_unique {
                    not_before(&[own.delete + 1, own.rekey + 1]);
                }
                if image.change.op == Op::Upsert && refers_anew() {
                    parents().for_each(|parent| not_before(&[parent.delete + 1]));
                }
            }
            Op::Delete => {
                if !self.referred.is_empty() {
                    self.referred.get(row).into_iter().for_each(|wave| not_before(&[*wave]));
                }
                for child in &rules.children {
                    let child = self.last[*child];
                    not_before(&[child.delete, child.refer]);
                }
                // Whose parent went before it: that was refused.
                parents().for_each(|parent| not_before(&[parent.delete + 1]));
                if has_unique {
                    not_before(&[own.insert, own.rekey]);
                }
            }
            _ => {
                if cells.names().any(|name| rules.unique.contains(name)) {
                    not_before(&[own.insert, own.delete + 1, own.rekey + 1]);
                }
                // Whose old parent went before it: that was refused.
                if refers_anew() {
                    parents().for_each(|parent| not_before(&[parent.delete + 1]));
                }
            }
        }
        first
    }

    fn note(&mut self, rules: &TableRules, image: &LedgerChange, references: Vec<RowKey<'c>>, wave: Wave) {
        for parent in references {
            let known = self.referred.entry(parent).or_insert(wave);
            *known = (*known).max(wave);
        }
        let last = &mut self.last[rules.rank];
        match image.change.op {
            Op::Insert => last.insert = last.insert.max(wave),
            Op::Delete => last.delete = last.delete.max(wave),
            op => {
                // It may be either.
                if op == Op::Upsert {
                    last.insert = last.insert.max(wave);
                }
                let writes =
                    |names: &BTreeSet<Name>| image.change.cells.names().any(|name| names.contains(name));
                if writes(&rules.unique) {
                    last.rekey = last.rekey.max(wave);
                }
                if writes(&rules.refers) {
                    last.refer = last.refer.max(wave);
                }
            }
        }
    }

    /// The statements, in order.
    pub(super) fn steps(self) -> impl Iterator<Item = Step<'c>> {
        let mut sets: BTreeMap<Place, Sets<'c>> = BTreeMap::new();
        for some in self.work.chunk_by(|one, next| one.place() == next.place()) {
            sets.entry(some[0].place()).or_default().expected += some.len();
        }
        for work in self.work {
            sets.entry(work.place()).or_default().take(work);
        }
        sets.into_values().flat_map(|sets| sets.made).map(|mut set| {
            // Neighbours in the table and its indexes one after the other: each page is looked up and changed once.
            set.rows.sort_unstable_by(|row, other| row.key.cmp(&other.key));
            Step::Set(set)
        })
    }
}

/// The rows that a change makes its row refer to. `None` where the change does not tell: it sets a part of a reference.
fn references<'c>(table: &'c Table, rules: &TableRules, image: &LedgerChange) -> Option<Vec<RowKey<'c>>> {
    let change = &image.change;
    let writes = match change.op {
        Op::Insert => true,
        Op::Update | Op::Add | Op::Upsert => change.cells.names().any(|name| rules.refers.contains(name)),
        _ => false,
    };
    if change.op == Op::Add && writes {
        return None;
    }
    let mut references = Vec::new();
    for parent in table.parents.iter().filter(|_| writes) {
        let known = |name: &&Name| change.cells.contains(name) || change.op == Op::Insert;
        let set = parent.columns.iter().filter(known).count();
        if set == 0 {
            continue;
        }
        if set < parent.columns.len() {
            return None;
        }
        let key: Option<Vec<Value>> = parent
            .columns
            .iter()
            .map(|name| change.cells.get(name).filter(|value| !value.is_null()).cloned())
            .collect();
        references.extend(key.map(|key| (parent.table.as_ref(), key)));
    }
    Some(references)
}
