//! Changes of one row, one after the other, as one.

use std::borrow::Cow;

use journal_core::model::{Decimal, Name, Op, Row, Table, Type, Value};

use super::rules::TableRules;
use super::{Action, Sum, Sums};
use crate::ledger::{LedgerChange, fit};

/// What is to be done to a row so far.
#[derive(Debug)]
pub(super) enum Pending<'c> {
    Insert { cells: Cow<'c, Row>, complement: &'c Row },
    Upsert { cells: Cow<'c, Row> },
    Update { sets: Cow<'c, Row>, sums: Sums },
    Delete,
}

impl<'c> Pending<'c> {
    /// The first change of a row. `None`: it cannot be put together with others.
    pub(super) fn begin(image: &'c LedgerChange) -> Option<Self> {
        let change = &image.change;
        Some(match change.op {
            Op::Insert => {
                Self::Insert { cells: Cow::Borrowed(&change.cells), complement: &image.complement.set }
            }
            Op::Update => Self::Update { sets: Cow::Borrowed(&change.cells), sums: Sums::default() },
            Op::Add => {
                let mut sums = Sums::default();
                for (name, delta) in change.cells.iter() {
                    sums.set(name, Sum::of(delta)?);
                }
                Self::Update { sets: Cow::Owned(Row::new()), sums }
            }
            Op::Upsert => Self::Upsert { cells: Cow::Borrowed(&change.cells) },
            Op::Delete => Self::Delete,
            Op::Call => return None,
        })
    }

    /// Takes in the next change of the row. `false`, and nothing has changed, where the two must be seen one after the
    /// other: a constraint may speak between them.
    pub(super) fn fold(&mut self, table: &Table, rules: &TableRules, image: &LedgerChange) -> bool {
        let cells = &image.change.cells;
        if cells.names().any(|name| rules.watched.contains(name)) {
            return false;
        }
        match (self, image.change.op) {
            (Self::Insert { cells: row, .. } | Self::Upsert { cells: row }, Op::Update | Op::Upsert) => {
                row.to_mut().extend(cells.iter().map(owned));
                true
            }
            (Self::Insert { cells: row, .. }, Op::Add) => match added(table, row, cells) {
                Some(sums) => {
                    row.to_mut().extend(sums);
                    true
                }
                None => false,
            },
            (Self::Update { sets, sums }, Op::Update) => {
                // A sum that is written over may still have had no place.
                let free = !cells.names().any(|name| sums.get(name).is_some());
                if free {
                    sets.to_mut().extend(cells.iter().map(owned));
                }
                free
            }
            (Self::Update { sets, sums }, Op::Add) => add(table, sets, sums, cells),
            (Self::Insert { .. } | Self::Upsert { .. } | Self::Update { .. } | Self::Delete, _) => false,
        }
    }

    /// What a statement does to it.
    pub(super) fn action(&self, table: &Table) -> Action {
        match self {
            Self::Insert { .. } => Action::Insert,
            Self::Upsert { cells } => Action::Upsert { sets: upserted(table, cells).cloned().collect() },
            Self::Update { sets, sums } => Action::Update {
                sets: sets.names().cloned().collect(),
                adds: sums.names().cloned().collect(),
            },
            Self::Delete => Action::Delete,
        }
    }

    /// Whether [`Self::action`] is this one.
    pub(super) fn is_done_by(&self, table: &Table, action: &Action) -> bool {
        match (self, action) {
            (Self::Upsert { cells }, Action::Upsert { sets }) => upserted(table, cells).eq(sets),
            (Self::Insert { .. }, Action::Insert) | (Self::Delete, Action::Delete) => true,
            (Self::Update { sets, sums }, Action::Update { sets: set, adds }) => {
                sets.names().eq(set) && sums.names().eq(adds)
            }
            _ => false,
        }
    }
}

/// The columns that an upsert sets where its row stands: those outside the key.
fn upserted<'r>(table: &Table, cells: &'r Row) -> impl Iterator<Item = &'r Name> {
    cells.names().filter(|name| !table.key.contains(name))
}

/// The values of columns of a known row with deltas added; `None` where one has no place.
fn added(table: &Table, row: &Row, deltas: &Row) -> Option<Vec<(Name, Value)>> {
    let sum = |(name, delta): (&Name, &Value)| {
        let base = row.get(name).unwrap_or(&Value::Null);
        Some((name.clone(), fit::sum(table.column(name)?.ty, name, base, delta).ok()?))
    };
    deltas.iter().map(sum).collect()
}

fn add(table: &Table, sets: &mut Cow<'_, Row>, sums: &mut Sums, deltas: &Row) -> bool {
    let mut known = Row::new();
    let mut grown = Sums::default();
    for (name, delta) in deltas.iter() {
        if sets.contains(name) {
            known.set(name.clone(), delta.clone());
            continue;
        }
        let sum = match sums.get(name) {
            Some(sum) => sum.plus(delta),
            None => Sum::of(delta),
        };
        // The total must be a delta that the column could be given.
        let Some(column) = table.column(name) else { return false };
        match sum.filter(|sum| column.ty.holds(&sum.total) && column.ty.holds(&sum.spread)) {
            Some(sum) => grown.set(name, sum),
            None => return false,
        }
    }
    if !known.is_empty() {
        let Some(known) = added(table, sets, &known) else { return false };
        sets.to_mut().extend(known);
    }
    grown.0.into_iter().for_each(|(name, sum)| sums.set(&name, sum));
    true
}

impl Sums {
    /// What is added to a column.
    pub(crate) fn get(&self, column: &Name) -> Option<&Sum> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, sum)| sum)
    }

    /// Each column with what is added to it, in the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, &Sum)> {
        self.0.iter().map(|(name, sum)| (name, sum))
    }

    fn names(&self) -> impl Iterator<Item = &Name> {
        self.0.iter().map(|(name, _)| name)
    }

    fn set(&mut self, column: &Name, sum: Sum) {
        match self.0.binary_search_by(|(name, _)| name.cmp(column)) {
            Ok(at) => self.0[at].1 = sum,
            Err(at) => self.0.insert(at, (column.clone(), sum)),
        }
    }
}

impl Sum {
    fn of(delta: &Value) -> Option<Self> {
        Some(Self { total: delta.clone(), spread: absolute(delta)? })
    }

    /// Whether what stands in a column can go as far as the spread, down and up.
    pub(crate) fn has_room(&self, ty: Type, base: &Value) -> bool {
        let down = match &self.spread {
            Value::Int(spread) => Value::Int(-spread),
            Value::Decimal(spread) => match format!("-{}", spread.as_str()).parse() {
                Ok(down) => Value::Decimal(down),
                Err(_) => return false,
            },
            _ => return false,
        };
        [&down, &self.spread].into_iter().all(|far| plus(base, far).is_some_and(|end| ty.holds(&end)))
    }

    fn plus(&self, delta: &Value) -> Option<Self> {
        Some(Self { total: plus(&self.total, delta)?, spread: plus(&self.spread, &absolute(delta)?)? })
    }
}

fn plus(left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => left.checked_add(*right).map(Value::Int),
        (Value::Decimal(left), Value::Decimal(right)) => Some(Value::Decimal(left.plus(right))),
        _ => None,
    }
}

fn absolute(delta: &Value) -> Option<Value> {
    match delta {
        Value::Int(delta) => delta.checked_abs().map(Value::Int),
        Value::Decimal(delta) => {
            delta.as_str().trim_start_matches('-').parse::<Decimal>().ok().map(Value::Decimal)
        }
        _ => None,
    }
}

fn owned((name, value): (&Name, &Value)) -> (Name, Value) {
    (name.clone(), value.clone())
}
