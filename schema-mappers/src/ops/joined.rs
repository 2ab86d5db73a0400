//! One text column on one side, two on the other: the core of `split_column` and `merge_columns`, which are each
//! other's way back.
//!
//! Parts are joined by a separator; a part that is NULL or empty is left out together with it. So neither way loses
//! anything in the usual case, and where it would ("CHER ", or a first name with a blank in it), the side that would
//! not come back is kept.

use journal_core::model::{Name, Op, Row, Type, Value};

use super::delta_needs_row;
use crate::error::CannotMap;
use crate::image::Image;

/// At which separator a text with several is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    First,
    Last,
}

/// A column, its complement cell and its type.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) column: Name,
    pub(super) cell: Name,
    pub(super) ty: Type,
}

#[derive(Debug, Clone)]
pub(super) struct Joined {
    pub(super) whole: End,
    pub(super) left: End,
    pub(super) right: End,
    pub(super) separator: String,
    pub(super) at: At,
}

impl Joined {
    pub(super) fn part_columns(&self) -> Vec<Name> {
        vec![self.left.column.clone(), self.right.column.clone()]
    }

    pub(super) fn part_cells(&self) -> Vec<Name> {
        vec![self.left.cell.clone(), self.right.cell.clone()]
    }

    /// Towards the side with two columns.
    pub(super) fn apart(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        delta_needs_row(image, &self.whole.column, "it is cut in two by the mapping")?;
        let kept = given.remove(&self.left.cell).zip(given.remove(&self.right.cell));
        let table = image.change.entity.clone();
        if let Some(whole) = image.change.expect.remove(&self.whole.column) {
            self.put_parts(&mut image.change.expect, self.cut(&table, &whole)?);
        }
        let Some(whole) = image.change.cells.remove(&self.whole.column) else { return Ok(()) };
        let kept = kept.filter(|(left, right)| self.join(left, right).as_ref() == Some(&whole));
        let parts = match kept {
            Some(kept) => kept,
            None => self.cut(&table, &whole)?,
        };
        let lost = self.join(&parts.0, &parts.1).as_ref() != Some(&whole);
        image.keep(&self.whole.cell, lost.then_some(whole));
        self.put_parts(&mut image.change.cells, parts);
        Ok(())
    }

    /// Towards the side with one column.
    pub(super) fn together(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        for part in [&self.left, &self.right] {
            delta_needs_row(image, &part.column, "it is joined with another column by the mapping")?;
        }
        let kept = given.remove(&self.whole.cell);
        let table = image.change.entity.clone();
        if let Some((left, right)) = self.take_parts(&table, &mut image.change.expect, false)? {
            image.change.expect.set(self.whole.column.clone(), self.joined(&table, &left, &right)?);
        }
        let whole_row = image.change.op == Op::Insert;
        let Some((left, right)) = self.take_parts(&table, &mut image.change.cells, whole_row)? else {
            return Ok(());
        };
        let parts = Some((left.clone(), right.clone()));
        let whole = match kept.filter(|kept| self.split(kept) == parts) {
            Some(kept) => kept,
            None => self.joined(&table, &left, &right)?,
        };
        let lost = self.split(&whole) != parts;
        image.keep(&self.left.cell, lost.then_some(left));
        image.keep(&self.right.cell, lost.then_some(right));
        image.change.cells.set(self.whole.column.clone(), whole);
        Ok(())
    }

    fn put_parts(&self, row: &mut Row, (left, right): (Value, Value)) {
        row.set(self.left.column.clone(), left);
        row.set(self.right.column.clone(), right);
    }

    /// Both parts out of a row; one alone is enough only where the row is whole, and the other one thus NULL.
    fn take_parts(
        &self,
        table: &Name,
        row: &mut Row,
        whole_row: bool,
    ) -> Result<Option<(Value, Value)>, CannotMap> {
        let (there, missing) = match (row.remove(&self.left.column), row.remove(&self.right.column)) {
            (None, None) => return Ok(None),
            (Some(left), Some(right)) => return Ok(Some((left, right))),
            (Some(left), None) if whole_row => return Ok(Some((left, Value::Null))),
            (None, Some(right)) if whole_row => return Ok(Some((Value::Null, right))),
            (Some(_), None) => (&self.left.column, &self.right.column),
            (None, Some(_)) => (&self.right.column, &self.left.column),
        };
        let whole = &self.whole.column;
        let reason =
            format!("it and {missing} are one column {whole} in another version; give both or neither");
        Err(CannotMap::needs_row(table, there, reason))
    }

    fn joined(&self, table: &Name, left: &Value, right: &Value) -> Result<Value, CannotMap> {
        let whole = self.join(left, right).filter(|whole| holds(self.whole.ty, whole));
        whole.ok_or_else(|| {
            let reason = format!(
                "the text joined from {} and {} does not fit {}",
                self.left.column, self.right.column, self.whole.ty
            );
            CannotMap::column(table, &self.whole.column, reason)
        })
    }

    fn cut(&self, table: &Name, whole: &Value) -> Result<(Value, Value), CannotMap> {
        let fits = |(left, right): &(Value, Value)| holds(self.left.ty, left) && holds(self.right.ty, right);
        self.split(whole).filter(fits).ok_or_else(|| {
            let reason = format!(
                "its parts do not fit {} {} and {} {}",
                self.left.column, self.left.ty, self.right.column, self.right.ty
            );
            CannotMap::column(table, &self.whole.column, reason)
        })
    }

    fn split(&self, whole: &Value) -> Option<(Value, Value)> {
        let text = match whole {
            Value::Null => return Some((Value::Null, Value::Null)),
            Value::Text(text) => text,
            _ => return None,
        };
        let cut = match self.at {
            At::First => text.split_once(&self.separator),
            At::Last => text.rsplit_once(&self.separator),
        };
        let (left, right) = cut.unwrap_or((text, ""));
        Some((left.into(), right.into()))
    }

    fn join(&self, left: &Value, right: &Value) -> Option<Value> {
        let text = |part: &Value| match part {
            Value::Null => Some(String::new()),
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        if left.is_null() && right.is_null() {
            return Some(Value::Null);
        }
        let (left, right) = (text(left)?, text(right)?);
        let separator = if left.is_empty() || right.is_empty() { "" } else { &self.separator };
        Some(Value::Text(format!("{left}{separator}{right}")))
    }
}

fn holds(ty: Type, value: &Value) -> bool {
    value.is_null() || ty.holds(value)
}
