//! A change on its way from version to version, with what has been dropped from it so far.

use journal_core::model::{Change, Name, Op, Row, Value};

use crate::complement::ComplementChange;

/// A change in the names of some version, together with its effect on the row's complement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The change. Its cells may be empty: an update of columns that only the complement holds. For an upsert with
    /// `if_new`, the cells to set where the row stands.
    pub change: Change,
    /// What it does to the complement of its row. For an upsert with `if_new`, where the row stands.
    pub complement: ComplementChange,
    /// For an upsert that does one thing to a row that stands there and another where none does (a default belongs
    /// only into new rows): what to insert. `None`: the change's own cells.
    pub if_new: Option<NewRow>,
}

/// The row an upsert inserts where none of its key stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewRow {
    /// The whole row.
    pub row: Row,
    /// Its whole complement.
    pub complement: Row,
}

impl Image {
    /// An image of a change of which nothing has been dropped.
    pub fn new(change: Change) -> Self {
        Self { change, complement: ComplementChange::default(), if_new: None }
    }

    /// Keeps what an operation drops of a column that the change writes. With nothing to keep, a row that stands may
    /// have something kept from an earlier write; that is stale now.
    pub(crate) fn keep(&mut self, cell: &Name, value: Option<Value>) {
        match value {
            Some(value) => self.complement.keep(cell, value),
            None if self.change.op == Op::Insert => {}
            None => self.complement.forget(cell),
        }
    }

    /// Moves a column to another name, wherever the change mentions it.
    pub(crate) fn rename_column(&mut self, from: &Name, to: &Name) {
        for row in [&mut self.change.key, &mut self.change.cells, &mut self.change.expect] {
            if let Some(value) = row.remove(from) {
                row.set(to.clone(), value);
            }
        }
    }

    /// Forgets cells of a row that stands there.
    pub(crate) fn forget(&mut self, cells: &[Name]) {
        if cells.is_empty() || matches!(self.change.op, Op::Insert | Op::Delete | Op::Call) {
            return;
        }
        if self.change.op == Op::Upsert && self.if_new.is_none() {
            // A new row has its complement from this change alone.
            let new = NewRow { row: self.change.cells.clone(), complement: self.complement.set.clone() };
            self.if_new = Some(new);
        }
        for cell in cells {
            if !self.complement.set.contains(cell) {
                self.complement.forget(cell);
            }
        }
    }

    /// Splits an upsert in what it does to a new row (an insert) and to one that stands (an update without key).
    pub(crate) fn open_upsert(self) -> (Self, Self) {
        let Self { change, complement, if_new } = self;
        let new = if_new
            .unwrap_or_else(|| NewRow { row: change.cells.clone(), complement: complement.set.clone() });
        let mut insert = Self::new(Change { op: Op::Insert, cells: new.row, ..change.clone() });
        insert.complement.set = new.complement;
        (insert, Self { change: Change { op: Op::Update, ..change }, complement, if_new: None })
    }

    /// The upsert again, out of both its sides.
    pub(crate) fn close_upsert(insert: Self, update: Self) -> Self {
        let same = insert.change.cells == update.change.cells
            && insert.complement.set == update.complement.set
            && update.complement.clear.is_empty();
        let if_new = NewRow { row: insert.change.cells, complement: insert.complement.set };
        Self {
            change: Change { op: Op::Upsert, ..update.change },
            complement: update.complement,
            if_new: (!same).then_some(if_new),
        }
    }
}
