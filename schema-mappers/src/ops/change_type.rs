//! `change_type`: a column of another type on the newer side, among int, decimal and text. Exact or not at all.

use journal_core::model::{Name, Op, Row, Type, Value};

use super::{Arguments, Lineage, Operation};
use crate::complement::cell;
use crate::convert::{self, convert, loses_spelling, possible};
use crate::ddl::Dialect;
use crate::ddl::kept::Kept;
use crate::ddl::views::ViewColumns;
use crate::error::{CannotMap, SetError};
use crate::image::Image;

#[derive(Debug)]
struct ChangeType {
    column: Name,
    cell: Name,
    older: Type,
    newer: Type,
    is_key: bool,
}

pub(super) fn read(arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    let column = arguments.column("column")?;
    let newer = match arguments.ty("to")? {
        Some(newer) => newer,
        None => return Err(arguments.fields.fault("\"to\" is missing: the new type")),
    };
    if newer == column.ty {
        return Err(arguments
            .fields
            .fault(format!("column {} is {newer} already; take this out", column.name)));
    }
    if !possible(column.ty, newer) {
        return Err(arguments.fields.fault(format!(
            "there is no exact way between {} and {newer}; types change among int, decimal(P,S), text and text(N)",
            column.ty
        )));
    }
    arguments.change(&column.name, |column| column.ty = newer);
    Ok(Box::new(ChangeType {
        cell: cell(arguments.version, &column.name),
        is_key: arguments.table.key.contains(&column.name),
        column: column.name,
        older: column.ty,
        newer,
    }))
}

impl ChangeType {
    fn turn(&self, image: &mut Image, given: &mut Row, from: Type, to: Type) -> Result<(), CannotMap> {
        let kept = given.remove(&self.cell);
        let change = &mut image.change;
        let cannot = |value: &Value| {
            let value: String = value.to_string().chars().take(64).collect();
            CannotMap::column(&change.entity, &self.column, format!("{value:?} has no exact form as {to}"))
        };
        if change.op == Op::Add
            && change.cells.contains(&self.column)
            && !(from.is_number() && to.is_number())
        {
            let reason = format!("what a delta makes of {to} is seen on the row alone");
            return Err(CannotMap::needs_row(&change.entity, &self.column, reason));
        }
        for row in [&mut change.key, &mut change.expect] {
            if let Some(value) = row.remove(&self.column) {
                let turned = convert(&value, to).ok_or_else(|| cannot(&value))?;
                if self.is_key && convert(&turned, from).as_ref() != Some(&value) {
                    return Err(cannot(&value));
                }
                row.set(self.column.clone(), turned);
            }
        }
        let Some(value) = change.cells.remove(&self.column) else { return Ok(()) };
        let kept = kept.filter(|kept| convert(kept, from).as_ref() == Some(&value));
        let turned = match kept {
            Some(kept) => kept,
            None => convert(&value, to).ok_or_else(|| cannot(&value))?,
        };
        let lost = convert(&turned, from).as_ref() != Some(&value);
        if lost && self.is_key {
            // Two spellings of one key would be two rows here and one there.
            return Err(cannot(&value));
        }
        change.cells.set(self.column.clone(), turned);
        if loses_spelling(from, to) && !self.is_key {
            image.keep(&self.cell, lost.then_some(value));
        }
        Ok(())
    }

    fn kept(&self, from: Type, to: Type) -> Vec<Name> {
        if loses_spelling(from, to) && !self.is_key { vec![self.cell.clone()] } else { Vec::new() }
    }
}

impl Operation for ChangeType {
    fn up(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        self.turn(image, given, self.older, self.newer)
    }

    fn down(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        self.turn(image, given, self.newer, self.older)
    }

    fn down_sql(&self, columns: &mut ViewColumns, dialect: Dialect) {
        let expression = columns.take(&self.column);
        let plain = convert::sql::convert(&expression, self.newer, self.older, dialect);
        if self.kept(self.older, self.newer).is_empty() {
            return columns.set(&self.column, plain);
        }
        // As it was spelt, as long as that is how the number was spelt.
        let Kept { there, value } = columns.kept(&self.cell, self.older);
        let again = convert::sql::convert(&value, self.older, self.newer, dialect);
        let shown = format!("CASE WHEN {there} AND {again} = {expression} THEN {value} ELSE {plain} END");
        columns.set(&self.column, shown);
    }

    fn lineage(&self) -> Lineage {
        let column = vec![self.column.clone()];
        Lineage {
            older: column.clone(),
            newer: column,
            kept_up: self.kept(self.older, self.newer),
            kept_down: self.kept(self.newer, self.older),
        }
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Change, Value};

    use super::super::testing::{Pair, fault, row};

    fn pair(older: &str, newer: &str) -> Pair {
        Pair::new(
            &format!("id = \"int\"\nv = {{ type = \"{older}\", null = true }}"),
            &format!("id = \"int\"\nv = {{ type = \"{newer}\", null = true }}"),
            &format!("op = \"change_type\"\ntable = \"t\"\ncolumn = \"v\"\nto = \"{newer}\""),
        )
    }

    fn with(value: impl Into<Value>) -> Change {
        Change::insert("t", row(&[("id", 1.into()), ("v", value.into())]))
    }

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    #[test]
    fn every_pair_of_types_holds_the_laws() {
        let types = ["int", "decimal(9,2)", "decimal(14,4)", "decimal(4,0)", "text", "text(5)"];
        for older in types {
            for newer in types.into_iter().filter(|newer| *newer != older) {
                pair(older, newer).holds_its_laws();
            }
        }
    }

    #[test]
    fn a_wider_decimal_takes_all_and_gives_back_what_fits() {
        let pair = pair("decimal(9,2)", "decimal(14,4)");
        assert_eq!(pair.up(with(decimal("2.99"))).change, with(decimal("2.99")));
        assert_eq!(pair.down(with(decimal("2.9900"))).change, with(decimal("2.99")));
        let fault = pair.down_fault(with(decimal("2.9901")));
        assert!(fault.contains("t.v: \"2.9901\" has no exact form as decimal(9,2)"), "{fault}");
        let add = |delta: &str| Change::add("t", row(&[("id", 1.into())]), row(&[("v", decimal(delta))]));
        assert_eq!(pair.up(add("2.99")).change, add("2.99"));
        assert!(pair.down_fault(add("0.0001")).contains("no exact form"));
    }

    #[test]
    fn the_spelling_of_a_number_in_text_is_kept() {
        let pair = pair("text", "decimal(9,2)");
        let up = pair.up(with("007.50"));
        assert_eq!(up.change, with(decimal("7.5")));
        assert_eq!(up.complement.set, row(&[("2:v", "007.50".into())]));
        assert!(pair.up(with("7.5")).complement.is_empty());
        assert!(pair.up_fault(with("seven")).contains("no exact form"));
    }

    #[test]
    fn a_delta_on_what_the_other_version_reads_as_text_meets_its_row() {
        let add = Change::add("t", row(&[("id", 1.into())]), row(&[("v", 1.into())]));
        let pair = pair("int", "text");
        let met = pair.up_met(&add, row(&[("id", 1.into()), ("v", "41".into())]));
        assert_eq!(met, [Change::update("t", row(&[("id", 1.into())]), row(&[("v", "42".into())]))]);
    }

    #[test]
    fn a_key_keeps_one_spelling_only() {
        let pair = Pair::new(
            "id = \"text\"",
            "id = \"int\"",
            "op = \"change_type\"\ntable = \"t\"\ncolumn = \"id\"\nto = \"int\"",
        );
        assert_eq!(
            pair.up(Change::delete("t", row(&[("id", "7".into())]))).change.key,
            row(&[("id", 7.into())])
        );
        for change in [
            Change::delete("t", row(&[("id", "07".into())])),
            Change::insert("t", row(&[("id", "07".into())])),
            Change::update("t", row(&[("id", "7".into())]), row(&[("id", "07".into())])),
        ] {
            assert!(pair.up_fault(change).contains("no exact form as int"));
        }
    }

    #[test]
    fn ways_that_do_not_exist_are_refused() {
        let error = fault(
            "id = \"int\"\nv = \"date\"",
            "id = \"int\"\nv = \"int\"",
            "op = \"change_type\"\ntable = \"t\"\ncolumn = \"v\"\nto = \"int\"",
        );
        assert!(error.message.contains("no exact way between date and int"), "{error}");
    }
}
