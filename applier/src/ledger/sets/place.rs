//! Where a change goes among those before it: in waves, and within a wave inserts (parents first), updates, deletes
//! (children first). A change goes into the first wave in which nothing can tell that it was moved.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use journal_core::model::{Name, Op, Table, Value};

use super::fold::Pending;
use super::rules::{Rules, TableRules};
use super::{Action, Set, SetRow, Step};
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
    /// The last thing done to each row.
    rows: HashMap<RowKey<'c>, usize>,
    /// The last wave in which something began to refer to a row.
    referred: HashMap<RowKey<'c>, Wave>,
    last: HashMap<&'c str, Last>,
}

#[derive(Debug)]
struct Work<'c> {
    table: &'c Table,
    rank: usize,
    key: Vec<Value>,
    wave: Wave,
    pending: Pending<'c>,
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
    pub(super) fn new(rules: &'r Rules) -> Self {
        Self { rules, work: Vec::new(), rows: HashMap::new(), referred: HashMap::new(), last: HashMap::new() }
    }

    /// Takes a change in; `false` where it must stand alone.
    pub(super) fn take(&mut self, table: &'c Table, key: Vec<Value>, image: &'c LedgerChange) -> bool {
        let rules = self.rules;
        let Some(rules) = rules.0.get(&table.name).filter(|rules| !rules.refers_to_itself) else {
            return false;
        };
        let row = (table.name.as_ref(), key);
        let before = self.rows.get(&row).copied();
        if let Some(before) = before
            && self.work[before].pending.fold(table, rules, image)
        {
            return true;
        }
        let Some(pending) = Pending::begin(image) else { return false };
        let Some(references) = references(table, rules, image) else { return false };
        let mut wave = self.first_wave(&row, rules, image, &references, table).max(0);
        if let Some(before) = before {
            wave = wave.max(self.work[before].wave + 1);
        }
        self.note(table, rules, image, references, wave);
        let (_, key) = row.clone();
        self.rows.insert(row, self.work.len());
        self.work.push(Work { table, rank: rules.rank, key, wave, pending });
        true
    }

    /// The first wave in which other rows cannot tell that the change came there.
    fn first_wave(
        &self,
        row: &RowKey<'c>,
        rules: &TableRules,
        image: &LedgerChange,
        references: &[RowKey<'c>],
        table: &'c Table,
    ) -> Wave {
        let own = self.last(&table.name);
        let parents = || table.parents.iter().map(|parent| self.last(&parent.table));
        let mut waves = vec![0];
        // Who refers to a row comes after its beginning, and after its end: there it is refused.
        waves.extend(references.iter().filter_map(|parent| {
            let at = &self.work[*self.rows.get(parent)?];
            Some(at.wave + i64::from(matches!(at.pending, Pending::Delete)))
        }));
        let has_unique = !rules.unique.is_empty();
        let cells = &image.change.cells;
        match image.change.op {
            Op::Insert => {
                // A row that was referred to before it was there: that was refused.
                waves.extend(self.referred.get(row).map(|wave| wave + 1));
                if has_unique {
                    waves.extend([own.delete + 1, own.rekey + 1]);
                }
            }
            Op::Delete => {
                waves.extend(self.referred.get(row).copied());
                waves.extend(rules.children.iter().flat_map(|child| {
                    let child = self.last(child);
                    [child.delete, child.refer]
                }));
                // Whose parent went before it: that was refused.
                waves.extend(parents().map(|parent| parent.delete + 1));
                if has_unique {
                    waves.extend([own.insert, own.rekey]);
                }
            }
            _ => {
                if cells.names().any(|name| rules.unique.contains(name)) {
                    waves.extend([own.insert, own.delete + 1, own.rekey + 1]);
                }
                if cells.names().any(|name| rules.refers.contains(name)) {
                    waves.extend(parents().map(|parent| parent.delete + 1));
                }
            }
        }
        waves.into_iter().max().unwrap_or(0)
    }

    fn note(
        &mut self,
        table: &'c Table,
        rules: &TableRules,
        image: &LedgerChange,
        references: Vec<RowKey<'c>>,
        wave: Wave,
    ) {
        for parent in references {
            let known = self.referred.entry(parent).or_insert(wave);
            *known = (*known).max(wave);
        }
        let last = self.last.entry(&table.name).or_insert(NONE);
        match image.change.op {
            Op::Insert => last.insert = last.insert.max(wave),
            Op::Delete => last.delete = last.delete.max(wave),
            _ => {
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

    fn last(&self, table: &str) -> Last {
        self.last.get(table).copied().unwrap_or(NONE)
    }

    /// The statements, in order.
    pub(super) fn steps(self) -> impl Iterator<Item = Step<'c>> {
        let mut sets: BTreeMap<(Wave, u8, i64, Action), Set<'c>> = BTreeMap::new();
        for Work { table, rank, key, wave, pending } in self.work {
            let action = pending.action();
            let rank = i64::try_from(rank).unwrap_or(i64::MAX);
            let (phase, rank) = match action {
                Action::Insert => (0, rank),
                Action::Update { .. } => (1, rank),
                Action::Delete => (2, -rank),
            };
            let set = sets.entry((wave, phase, rank, action.clone()));
            set.or_insert_with(|| Set::new(table, action)).rows.push(SetRow::of(key, pending));
        }
        sets.into_values().map(Step::Set)
    }
}

/// The rows that a change makes its row refer to. `None` where the change does not tell: it sets a part of a reference.
fn references<'c>(table: &'c Table, rules: &TableRules, image: &LedgerChange) -> Option<Vec<RowKey<'c>>> {
    let change = &image.change;
    let writes = match change.op {
        Op::Insert => true,
        Op::Update | Op::Add => change.cells.names().any(|name| rules.refers.contains(name)),
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
