//! `allow_null`: a column that may not be NULL may be so from now on. The older side sees a default in its place.

use journal_core::model::{Name, Op, Row, Type, Value};

use super::{Arguments, Lineage, Operation, delta_needs_row};
use crate::complement::cell;
use crate::ddl::Dialect;
use crate::ddl::quote::literal;
use crate::ddl::views::ViewColumns;
use crate::error::{CannotMap, SetError};
use crate::image::Image;

#[derive(Debug)]
struct AllowNull {
    column: Name,
    ty: Type,
    /// Tells, as NULL, that a default on the older side is no value.
    cell: Name,
    default: Value,
}

const ADD: &str = "NULL and a default stand for each other here";

pub(super) fn read(arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    let column = arguments.plain_column("column")?;
    if column.nullable {
        return Err(arguments
            .fields
            .fault(format!("column {} may be null already; take this out", column.name)));
    }
    let default = match arguments.value("default", column.ty)? {
        Some(default) if !default.is_null() => default,
        _ => {
            return Err(arguments
                .fields
                .fault("\"default\" is missing: what the older version sees in place of NULL"));
        }
    };
    arguments.change(&column.name, |column| column.nullable = true);
    let cell = cell(arguments.version, &column.name);
    Ok(Box::new(AllowNull { column: column.name, ty: column.ty, cell, default }))
}

impl Operation for AllowNull {
    fn up(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        let kept = given.remove(&self.cell);
        delta_needs_row(image, &self.column, ADD)?;
        if kept.is_some() && image.change.cells.get(&self.column) == Some(&self.default) {
            image.change.cells.set(self.column.clone(), Value::Null);
        }
        Ok(())
    }

    fn down(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        given.remove(&self.cell);
        delta_needs_row(image, &self.column, ADD)?;
        let insert = image.change.op == Op::Insert;
        let written = image.change.cells.get(&self.column).cloned().or(insert.then_some(Value::Null));
        if let Some(value) = written {
            image.keep(&self.cell, value.is_null().then_some(Value::Null));
            let value = if value.is_null() { self.default.clone() } else { value };
            image.change.cells.set(self.column.clone(), value);
        }
        if image.change.expect.get(&self.column).is_some_and(Value::is_null) {
            image.change.expect.set(self.column.clone(), self.default.clone());
        }
        Ok(())
    }

    fn down_sql(&self, columns: &mut ViewColumns, dialect: Dialect) {
        let expression = columns.take(&self.column);
        let default = literal(&self.default, self.ty, dialect);
        columns.set(&self.column, format!("coalesce({expression}, {default})"));
    }

    fn lineage(&self) -> Lineage {
        let column = vec![self.column.clone()];
        Lineage {
            older: column.clone(),
            newer: column,
            kept_up: Vec::new(),
            kept_down: vec![self.cell.clone()],
        }
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Change, Value};

    use super::super::testing::{Pair, row};

    fn pair() -> Pair {
        Pair::new(
            "id = \"int\"\ncity = \"text\"",
            "id = \"int\"\ncity = { type = \"text\", null = true }",
            "op = \"allow_null\"\ntable = \"t\"\ncolumn = \"city\"\ndefault = \"\"",
        )
    }

    #[test]
    fn the_older_version_sees_a_default_that_is_known_to_be_none() {
        let pair = pair();
        let down = pair.down(Change::insert("t", row(&[("id", 1.into())])));
        assert_eq!(down.change.cells, row(&[("id", 1.into()), ("city", "".into())]));
        assert_eq!(down.complement.set, row(&[("2:city", Value::Null)]));
        pair.holds_its_laws();
    }

    #[test]
    fn a_default_written_at_the_older_version_stays_a_value() {
        let up = pair().up(Change::insert("t", row(&[("id", 1.into()), ("city", "".into())])));
        assert_eq!(up.change.cells, row(&[("id", 1.into()), ("city", "".into())]));
    }

    #[test]
    fn a_value_set_at_the_older_version_ends_what_was_kept() {
        let update = Change::update("t", row(&[("id", 1.into())]), row(&[("city", "Rome".into())]));
        let same = pair().same_version(1, update);
        assert_eq!(same.complement.clear, ["2:city".into()]);
    }
}
