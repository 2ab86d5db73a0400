//! One column whose values are others on the other side: the core of all operations that turn the value of one column.
//!
//! Each side's value is a function of the other's. Where going there and back would not give the value again, the value
//! is kept in the complement, and it counts as long as the other side still holds what it was turned into.

use std::fmt;

use journal_core::model::{Name, Op, Row, Type, Value};

use super::{Arguments, Lineage, Operation};
use crate::complement::cell;
use crate::ddl::Dialect;
use crate::ddl::kept::Kept;
use crate::ddl::views::ViewColumns;
use crate::error::CannotMap;
use crate::image::Image;
use crate::loss::Loss;
use crate::step::Direction;

/// How values turn into one another. Pure and total: a value, or the reason why there is none.
pub(super) trait Exchange: fmt::Debug + Send + Sync {
    /// The newer value of an older one.
    fn up(&self, value: &Value) -> Result<Value, String>;
    /// The older value of a newer one.
    fn down(&self, value: &Value) -> Result<Value, String>;
    /// `down` as SQL, NULL where it has no value.
    fn down_sql(&self, expression: &str, dialect: Dialect) -> String;
    /// Whether some value does not come back from the other side, so that it must be kept.
    fn keeps(&self, direction: Direction) -> bool;
    /// Whether a delta of the one side is the same delta on the other, for every value it can be added to.
    fn carries_deltas(&self, direction: Direction) -> bool;
}

/// An exchange of a table's column.
#[derive(Debug)]
pub(super) struct Exchanged<E> {
    exchange: E,
    column: Name,
    cell: Name,
    /// The type on the older side.
    older: Type,
    is_key: bool,
    /// Declared: what the way up drops is not kept.
    loss: Option<Loss>,
}

impl<E: Exchange + 'static> Exchanged<E> {
    /// The exchange of a column as an operation. `older` is its type on the older side.
    pub(super) fn boxed(
        arguments: &Arguments<'_>,
        column: Name,
        older: Type,
        exchange: E,
        loss: Option<Loss>,
    ) -> Box<dyn Operation> {
        Box::new(Self {
            exchange,
            cell: cell(arguments.version, &column),
            is_key: arguments.table.key.contains(&column),
            column,
            older,
            loss,
        })
    }

    fn over(&self, direction: Direction, value: &Value) -> Result<Value, String> {
        match direction {
            Direction::Up => self.exchange.up(value),
            Direction::Down => self.exchange.down(value),
        }
    }

    fn back(&self, direction: Direction, value: &Value) -> Option<Value> {
        let turned = match direction {
            Direction::Up => self.exchange.down(value),
            Direction::Down => self.exchange.up(value),
        };
        turned.ok()
    }

    fn keeps(&self, direction: Direction) -> bool {
        let kept = direction == Direction::Down || self.loss.is_none();
        kept && !self.is_key && self.exchange.keeps(direction)
    }

    fn cells(&self, direction: Direction) -> Vec<Name> {
        if self.keeps(direction) { vec![self.cell.clone()] } else { Vec::new() }
    }

    fn turn(&self, direction: Direction, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        let kept = given.remove(&self.cell);
        let table = image.change.entity.clone();
        let cannot = |reason: String| CannotMap::column(&table, &self.column, reason);
        if let Some(value) = image.change.key.remove(&self.column) {
            image.change.key.set(self.column.clone(), self.key(direction, &value).map_err(cannot)?);
        }
        if let Some(value) = image.change.expect.remove(&self.column) {
            if self.keeps(direction) {
                let reason = "whether its old value is the expected one is seen on the row alone";
                return Err(CannotMap::needs_row(&table, &self.column, reason));
            }
            image.change.expect.set(self.column.clone(), self.over(direction, &value).map_err(cannot)?);
        }
        let value = match (image.change.cells.remove(&self.column), image.change.op) {
            (Some(value), Op::Add) => return self.delta(direction, image, &value),
            (Some(value), _) => value,
            (None, Op::Insert) => Value::Null,
            (None, _) => return Ok(()),
        };
        if self.is_key {
            let turned = self.key(direction, &value).map_err(cannot)?;
            image.change.cells.set(self.column.clone(), turned);
            return Ok(());
        }
        let kept = kept.filter(|kept| self.back(direction, kept).as_ref() == Some(&value));
        let turned = match kept {
            Some(kept) => kept,
            None => self.over(direction, &value).map_err(cannot)?,
        };
        let lost = self.keeps(direction) && self.back(direction, &turned).as_ref() != Some(&value);
        image.change.cells.set(self.column.clone(), turned);
        if self.keeps(direction) {
            image.keep(&self.cell, lost.then_some(value));
        }
        Ok(())
    }

    /// A key takes no value that does not come back: two of one image would be two rows here and one there.
    fn key(&self, direction: Direction, value: &Value) -> Result<Value, String> {
        let turned = self.over(direction, value)?;
        match self.back(direction, &turned).as_ref() == Some(value) {
            true => Ok(turned),
            false => Err(format!(
                "{:?} would come back as another key; a key takes only what does not",
                value.to_string().chars().take(64).collect::<String>()
            )),
        }
    }

    fn delta(&self, direction: Direction, image: &mut Image, delta: &Value) -> Result<(), CannotMap> {
        let table = &image.change.entity;
        if !self.exchange.carries_deltas(direction) {
            let reason = "what a delta makes of it is seen on the row alone";
            return Err(CannotMap::needs_row(table, &self.column, reason));
        }
        let turned = self.over(direction, delta);
        let turned = turned.map_err(|reason| CannotMap::column(table, &self.column, reason))?;
        image.change.cells.set(self.column.clone(), turned);
        if self.keeps(direction) {
            image.keep(&self.cell, None);
        }
        Ok(())
    }
}

impl<E: Exchange + 'static> Operation for Exchanged<E> {
    fn up(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        self.turn(Direction::Up, image, given)
    }

    fn down(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        self.turn(Direction::Down, image, given)
    }

    fn down_sql(&self, columns: &mut ViewColumns, dialect: Dialect) {
        let expression = columns.take(&self.column);
        let plain = self.exchange.down_sql(&expression, dialect);
        if !self.keeps(Direction::Up) {
            return columns.set(&self.column, plain);
        }
        // Whatever writes the newer value takes what is kept of the older one away.
        let Kept { there, value } = columns.kept(&self.cell, self.older);
        columns.set(&self.column, format!("CASE WHEN {there} THEN {value} ELSE {plain} END"));
    }

    fn lineage(&self) -> Lineage {
        let column = vec![self.column.clone()];
        Lineage {
            older: column.clone(),
            newer: column,
            kept_up: self.cells(Direction::Up),
            kept_down: self.cells(Direction::Down),
        }
    }

    fn loss(&self) -> Option<&Loss> {
        self.loss.as_ref()
    }
}
