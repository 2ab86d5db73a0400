//! A change on its way from version to version, with what has been dropped from it so far.

use journal_core::model::{Change, Name, Op, Row};

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

    /// Moves a column to another name, wherever the change mentions it.
    pub(crate) fn rename_column(&mut self, from: &Name, to: &Name) {
        for row in [&mut self.change.key, &mut self.change.cells, &mut self.change.expect] {
            if let Some(value) = row.remove(from) {
                row.set(to.clone(), value);
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
