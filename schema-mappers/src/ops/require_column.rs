//! `require_column`: a column that may be NULL may be so no longer. NULL becomes an ask code, "prompt for this on user
//! update", and the code becomes NULL again on the way down.

use journal_core::model::{Column, Name, Op, Row, Type, Value};

use super::ask_code::{self, AskCode};
use super::exchange::{Exchange, Exchanged};
use super::{Arguments, Lineage, Operation, delta_needs_row};
use crate::complement::cell;
use crate::ddl::Dialect;
use crate::ddl::quote::literal;
use crate::ddl::views::ViewColumns;
use crate::error::{CannotMap, SetError};
use crate::image::Image;
use crate::loss;
use crate::step::Direction;

#[derive(Debug)]
struct RequireColumn {
    column: Name,
    ty: Type,
    /// Keeps a value of the older side that happens to be the code itself.
    cell: Name,
    code: Value,
    question: Option<String>,
}

const ADD: &str = "NULL and the ask code stand for each other here";

pub(super) fn read(arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    let column = arguments.plain_column("column")?;
    if !column.nullable {
        return Err(arguments
            .fields
            .fault(format!("column {} may not be null already; take this out", column.name)));
    }
    let code = ask_code::code(arguments, column.ty)?;
    if let Some(default) = default(arguments, &column, code.as_ref())? {
        arguments.change(&column.name, |column| column.nullable = false);
        let loss = loss::read(arguments, "require_column", std::slice::from_ref(&column.name))?;
        return Ok(Exchanged::boxed(arguments, column.name, column.ty, Filled(default), loss));
    }
    let Some(code) = code else {
        return Err(arguments
            .fields
            .fault("\"ask\" is missing: the code that stands for NULL until a user fills it in; or give a \"default\""));
    };
    let question = ask_code::question(arguments, Some(&code))?;
    arguments.change(&column.name, |column| column.nullable = false);
    let cell = cell(arguments.version, &column.name);
    Ok(Box::new(RequireColumn { column: column.name, ty: column.ty, cell, code, question }))
}

/// The value that takes the place of NULL for good.
fn default(
    arguments: &mut Arguments<'_>,
    column: &Column,
    code: Option<&Value>,
) -> Result<Option<Value>, SetError> {
    let default = arguments.value("default", column.ty)?.filter(|value| !value.is_null());
    match (&default, code) {
        (Some(_), Some(_)) => Err(arguments
            .fields
            .fault("NULL becomes either the ask code or the default; take one of them out")),
        _ => Ok(default),
    }
}

/// NULL becomes a default, and that NULL again as long as nobody has written it.
#[derive(Debug)]
struct Filled(Value);

impl Exchange for Filled {
    fn up(&self, value: &Value) -> Result<Value, String> {
        Ok(if value.is_null() { self.0.clone() } else { value.clone() })
    }

    fn down(&self, value: &Value) -> Result<Value, String> {
        Ok(value.clone())
    }

    fn down_sql(&self, expression: &str, _: Dialect) -> String {
        expression.to_owned()
    }

    fn keeps(&self, direction: Direction) -> bool {
        direction == Direction::Up
    }

    /// A delta on NULL is another one than a delta on the default.
    fn carries_deltas(&self, _: Direction) -> bool {
        false
    }
}

impl Operation for RequireColumn {
    fn up(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        given.remove(&self.cell);
        delta_needs_row(image, &self.column, ADD)?;
        let insert = image.change.op == Op::Insert;
        let written = image.change.cells.get(&self.column).cloned().or(insert.then_some(Value::Null));
        if let Some(value) = written {
            image.keep(&self.cell, (value == self.code).then(|| value.clone()));
            let value = if value.is_null() { self.code.clone() } else { value };
            image.change.cells.set(self.column.clone(), value);
        }
        if image.change.expect.get(&self.column).is_some_and(Value::is_null) {
            image.change.expect.set(self.column.clone(), self.code.clone());
        }
        Ok(())
    }

    fn down(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        let kept = given.remove(&self.cell);
        delta_needs_row(image, &self.column, ADD)?;
        if image.change.cells.get(&self.column) == Some(&self.code) && kept.as_ref() != Some(&self.code) {
            image.change.cells.set(self.column.clone(), Value::Null);
        }
        if image.change.expect.get(&self.column) == Some(&self.code) {
            image.change.expect.set(self.column.clone(), Value::Null);
        }
        Ok(())
    }

    fn down_sql(&self, columns: &mut ViewColumns, dialect: Dialect) {
        let expression = columns.take(&self.column);
        let code = literal(&self.code, self.ty, dialect);
        let same = match (self.ty, dialect) {
            // PostgreSQL's json has no equality of its own.
            (Type::Json, Dialect::Postgres) => format!("CAST({expression} AS text) = CAST({code} AS text)"),
            _ => format!("{expression} = {code}"),
        };
        // Nothing but the code itself is ever kept.
        let kept = columns.kept(&self.cell, self.ty).there;
        let shown = format!("CASE WHEN {same} AND NOT {kept} THEN NULL ELSE {expression} END");
        columns.set(&self.column, shown);
    }

    fn lineage(&self) -> Lineage {
        let column = vec![self.column.clone()];
        Lineage {
            older: column.clone(),
            newer: column,
            kept_up: vec![self.cell.clone()],
            kept_down: Vec::new(),
        }
    }

    fn ask(&self) -> Option<AskCode> {
        Some(AskCode {
            column: self.column.clone(),
            code: self.code.clone(),
            question: self.question.clone(),
            kept: Some(self.cell.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Change, Value};

    use super::super::testing::{Pair, fault, row};

    fn number() -> Pair {
        Pair::new(
            "id = \"int\"\nnumber = { type = \"text\", null = true }",
            "id = \"int\"\nnumber = \"text\"",
            "op = \"require_column\"\ntable = \"t\"\ncolumn = \"number\"\nask = \"?\"",
        )
    }

    #[test]
    fn null_and_absent_become_the_ask_code_and_the_code_null() {
        let pair = number();
        for cells in [row(&[("id", 1.into())]), row(&[("id", 1.into()), ("number", Value::Null)])] {
            let up = pair.up(Change::insert("t", cells));
            assert_eq!(up.change.cells, row(&[("id", 1.into()), ("number", "?".into())]));
            let down = pair.down(up.change);
            assert_eq!(down.change.cells, row(&[("id", 1.into()), ("number", Value::Null)]));
        }
        assert_eq!(pair.asks(), [("number".to_owned(), "?".into())]);
        pair.holds_its_laws();
    }

    #[test]
    fn a_value_that_looks_like_the_code_is_told_apart() {
        let up = number().up(Change::insert("t", row(&[("id", 1.into()), ("number", "?".into())])));
        assert_eq!(up.complement.set, row(&[("2:number", "?".into())]));
        let other =
            number().up(Change::update("t", row(&[("id", 1.into())]), row(&[("number", Value::Null)])));
        assert_eq!(other.complement.clear, ["2:number".into()], "what was kept of the value before is stale");
    }

    #[test]
    fn an_update_that_does_not_set_the_column_leaves_it_alone() {
        let pair = number();
        let up = pair.up(Change::update("t", row(&[("id", 1.into())]), row(&[("id", 2.into())])));
        assert_eq!(up.change.cells, row(&[("id", 2.into())]));
        let upsert = pair.up(Change::upsert("t", row(&[("id", 1.into())])));
        assert_eq!(upsert.change.cells, row(&[("id", 1.into())]));
        assert_eq!(upsert.if_new.expect("a new row").row, row(&[("id", 1.into()), ("number", "?".into())]));
    }

    #[test]
    fn null_becomes_a_default_and_null_again_until_it_is_written() {
        let pair = Pair::new(
            "id = \"int\"\nlevel = { type = \"int\", null = true }",
            "id = \"int\"\nlevel = \"int\"",
            "op = \"require_column\"\ntable = \"t\"\ncolumn = \"level\"\ndefault = 7",
        );
        let up = pair.up(Change::insert("t", row(&[("id", 1.into())])));
        assert_eq!(up.change.cells, row(&[("id", 1.into()), ("level", 7.into())]));
        assert_eq!(up.complement.set, row(&[("2:level", Value::Null)]));
        let down = pair.down(Change::insert("t", row(&[("id", 1.into()), ("level", 7.into())])));
        assert_eq!(down.change.cells, row(&[("id", 1.into()), ("level", 7.into())]));
        assert!(pair.asks().is_empty());
        pair.holds_its_laws();
    }

    #[test]
    fn the_code_must_be_given_and_be_of_the_type() {
        let older = "id = \"int\"\nnumber = { type = \"int\", null = true }";
        let newer = "id = \"int\"\nnumber = \"int\"";
        let missing = fault(older, newer, "op = \"require_column\"\ntable = \"t\"\ncolumn = \"number\"");
        assert!(missing.message.contains("\"ask\" is missing"), "{missing}");
        let wrong =
            fault(older, newer, "op = \"require_column\"\ntable = \"t\"\ncolumn = \"number\"\nask = \"?\"");
        assert!(wrong.message.contains("ask is no value that a int column holds"), "{wrong}");
        assert_eq!(wrong.line, 5);
    }
}
