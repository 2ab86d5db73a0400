//! A column that one side of a step has and the other has not: the core of `add_column` and `drop_column`, which are
//! each other's way back.

use journal_core::model::{Name, Op, Row, Value};

use super::delta_needs_row;
use crate::error::CannotMap;
use crate::image::Image;

/// The column, the cell that keeps it, and what stands in it while nothing is kept.
#[derive(Debug, Clone)]
pub(super) struct Hidden {
    pub(super) column: Name,
    pub(super) cell: Name,
    pub(super) initial: Value,
}

impl Hidden {
    /// Towards the side that has the column: rows get it, all else leaves it alone.
    pub(super) fn show(&self, image: &mut Image, given: &mut Row) {
        let kept = given.remove(&self.cell);
        if image.change.op == Op::Insert && !image.change.cells.contains(&self.column) {
            let value = kept.unwrap_or_else(|| self.initial.clone());
            image.change.cells.set(self.column.clone(), value);
        }
    }

    /// Towards the side that lacks it: what is not the initial value is kept, so that most rows keep nothing.
    pub(super) fn hide(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        given.remove(&self.cell);
        delta_needs_row(image, &self.column, "the version mapped to does not have this column")?;
        if image.change.expect.contains(&self.column) {
            let reason =
                "the version mapped to does not have this column, so an old value of it cannot be expected";
            return Err(CannotMap::needs_row(&image.change.entity, &self.column, reason));
        }
        let value = match (image.change.cells.remove(&self.column), image.change.op) {
            (Some(value), _) => value,
            (None, Op::Insert) => Value::Null,
            (None, _) => return Ok(()),
        };
        image.keep(&self.cell, (value != self.initial).then_some(value));
        Ok(())
    }
}
