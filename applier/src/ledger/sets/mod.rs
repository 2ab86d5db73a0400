//! A batch of changes as few statements: changes of one row are folded, rows of one shape go together. Pure.
//!
//! The definition is the changes one by one, in order. What is planned here comes to the same ledger, and is refused
//! wherever the definition is: changes that could tell a difference keep their order, and what only its place in the
//! order makes right stands alone. When a set is refused, nothing says which change was at fault; the batch is then
//! applied one by one. Of a table with `fold = false` each change of a row is made, in a statement of its own or with
//! changes of other rows.

mod fold;
mod place;
mod rules;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use journal_core::model::{Name, Op, Row, Schema, Table, Value};
use smallvec::SmallVec;

use super::{LedgerChange, LedgerError, fit};
use fold::Pending;
use place::Places;
pub(crate) use rules::Rules;

/// What is carried out next.
#[derive(Debug)]
pub(crate) enum Step<'c> {
    /// Changes that one statement makes, each of another row.
    Set(Set<'c>),
    /// A change on its own.
    One(&'c LedgerChange),
}

/// Rows of one table that are changed alike.
#[derive(Debug)]
pub(crate) struct Set<'c> {
    pub(crate) table: &'c Table,
    pub(crate) action: Action,
    pub(crate) rows: Vec<SetRow<'c>>,
}

/// What is done to each row of a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// A whole row begins.
    Insert,
    /// A whole row begins, or some columns of the one with its key get values.
    Upsert { sets: Vec<Name> },
    /// Some columns get values, to others a delta is added.
    Update { sets: Vec<Name>, adds: Vec<Name> },
    /// The row ends.
    Delete,
}

/// A row of a set.
#[derive(Debug, Clone)]
pub(crate) struct SetRow<'c> {
    /// Its key, in the key's order.
    pub(crate) key: Vec<Value>,
    /// The whole row of an insert or upsert, the values of an update.
    pub(crate) cells: Cow<'c, Row>,
    /// The whole complement of an insert.
    pub(crate) complement: Option<&'c Row>,
    /// What an update adds, by column.
    pub(crate) sums: Sums,
}

/// What is added to columns, in the order of their names: one as a rule, for which no room is made elsewhere.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Sums(SmallVec<[(Name, Sum); 1]>);

/// Deltas of one column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sum {
    /// All of them together.
    pub(crate) total: Value,
    /// The sum of their absolute values: no step on the way is farther from where the column stood.
    pub(crate) spread: Value,
}

/// Plans a batch. `alone` tells of a change that it is not to be put together with others.
///
/// # Errors
/// A change that does not fit its table: the batch cannot be posted as it is.
pub(crate) fn plan<'c>(
    schema: &'c Schema,
    rules: &Rules,
    changes: &[&'c LedgerChange],
    alone: impl Fn(&LedgerChange) -> bool,
) -> Result<Vec<Step<'c>>, LedgerError> {
    if let [change] = changes {
        return Ok(vec![Step::One(change)]);
    }
    let mut steps = Vec::new();
    let mut open = Places::with_capacity(rules, changes.len());
    for change in changes.iter().copied() {
        let (table, key) = fit::check(schema, change)?;
        if is_plain(table, change) && !alone(change) && open.take(table, key, change) {
            continue;
        }
        steps.extend(std::mem::replace(&mut open, Places::with_capacity(rules, 0)).steps());
        steps.push(Step::One(change));
    }
    steps.extend(open.steps());
    Ok(steps)
}

/// Whether a change can be one of many: it relies on nothing but that its row is there or is not, names its row by a key
/// that stays, and does to the complement no more than to begin or to end it; an upsert nothing at all.
fn is_plain(table: &Table, image: &LedgerChange) -> bool {
    let change = &image.change;
    match change.op {
        Op::Insert => image.complement.clear.is_empty(),
        Op::Delete => change.expect.is_empty(),
        Op::Update => {
            change.expect.is_empty()
                && image.complement.is_empty()
                && !change.cells.is_empty()
                && !table.key.iter().any(|name| change.cells.contains(name))
        }
        Op::Add => image.complement.is_empty() && !change.cells.is_empty(),
        Op::Upsert => image.if_new.is_none() && image.complement.is_empty(),
        Op::Call => false,
    }
}

impl Action {
    /// Whether each row is touched, or refused. An upsert that sets nothing leaves a row that stands there.
    pub(crate) fn touches_each(&self) -> bool {
        !matches!(self, Self::Upsert { sets } if sets.is_empty())
    }
}

impl<'c> Set<'c> {
    fn new(table: &'c Table, action: Action) -> Self {
        Self { table, action, rows: Vec::new() }
    }
}

impl<'c> SetRow<'c> {
    fn of(key: Vec<Value>, pending: Pending<'c>) -> Self {
        let (cells, complement, sums) = match pending {
            Pending::Insert { cells, complement } => (cells, Some(complement), Sums::default()),
            Pending::Upsert { cells } => (cells, None, Sums::default()),
            Pending::Update { sets, sums } => (sets, None, sums),
            Pending::Delete => (Cow::Owned(Row::new()), None, Sums::default()),
        };
        Self { key, cells, complement, sums }
    }
}

impl SetRow<'_> {
    /// The same as changes on their own; each summed column must have room for the spread.
    pub(crate) fn changes(&self, table: &Table, action: &Action) -> Vec<LedgerChange> {
        use journal_core::model::Change;
        let key: Row = table.key.iter().cloned().zip(self.key.iter().cloned()).collect();
        let name = table.name.clone();
        let changes = match action {
            Action::Insert => {
                let mut insert = LedgerChange::new(Change::insert(name, self.cells.as_ref().clone()));
                insert.complement.set = self.complement.cloned().unwrap_or_default();
                return vec![insert];
            }
            Action::Upsert { .. } => vec![Change::upsert(name, self.cells.as_ref().clone())],
            Action::Delete => vec![Change::delete(name, key)],
            Action::Update { sets, adds } => {
                let deltas: Row =
                    self.sums.iter().map(|(column, sum)| (column.clone(), sum.total.clone())).collect();
                let update = Change::update(name.clone(), key.clone(), self.cells.as_ref().clone());
                let add = Change::add(name, key, deltas);
                let update = (!sets.is_empty()).then_some(update);
                update.into_iter().chain((!adds.is_empty()).then_some(add)).collect()
            }
        };
        changes.into_iter().map(LedgerChange::new).collect()
    }
}
