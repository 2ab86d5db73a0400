//! `set_constant`: rows of the older side show one value on the newer one, whatever they hold; what they hold is kept.

use journal_core::model::{Type, Value};

use super::exchange::{Exchange, Exchanged};
use super::{Arguments, Operation};
use crate::ddl::Dialect;
use crate::error::SetError;
use crate::loss;
use crate::step::Direction;

#[derive(Debug)]
struct Constant(Value);

pub(super) fn read(arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    let column = arguments.plain_column("column")?;
    let value = arguments.value("value", column.ty)?;
    let Some(value) = value.filter(|value| !value.is_null() || column.nullable) else {
        return Err(arguments.fields.fault("\"value\" is missing: what the newer version sees in every row"));
    };
    let loss = loss::read(arguments, "set_constant", std::slice::from_ref(&column.name))?;
    let (name, ty): (_, Type) = (column.name, column.ty);
    Ok(Exchanged::boxed(arguments, name, ty, Constant(value), loss))
}

impl Exchange for Constant {
    fn up(&self, _: &Value) -> Result<Value, String> {
        Ok(self.0.clone())
    }

    /// Another value can only come from the newer side itself.
    fn down(&self, value: &Value) -> Result<Value, String> {
        Ok(value.clone())
    }

    fn down_sql(&self, expression: &str, _: Dialect) -> String {
        expression.to_owned()
    }

    fn keeps(&self, _: Direction) -> bool {
        true
    }

    fn carries_deltas(&self, _: Direction) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::Change;

    use super::super::testing::{Pair, fault, row};

    const COLUMNS: &str = "id = \"int\"\nlevel = \"int\"";
    const OPERATION: &str = "op = \"set_constant\"\ntable = \"t\"\ncolumn = \"level\"\nvalue = 7";

    #[test]
    fn every_row_shows_the_constant_and_keeps_its_value() {
        let pair = Pair::new(COLUMNS, COLUMNS, OPERATION);
        let level = |level: i64| Change::insert("t", row(&[("id", 1.into()), ("level", level.into())]));
        let up = pair.up(level(3));
        assert_eq!((up.change, up.complement.set), (level(7), row(&[("2:level", 3.into())])));
        assert!(pair.up(level(7)).complement.is_empty());
        let down = pair.down(level(9));
        assert_eq!((down.change, down.complement.set), (level(9), row(&[("2:level", 9.into())])));
        pair.holds_its_laws();
    }

    #[test]
    fn the_constant_must_be_given() {
        let error = fault(COLUMNS, COLUMNS, &OPERATION.replace("\nvalue = 7", ""));
        assert!(error.message.contains("\"value\" is missing"), "{error}");
    }

    #[test]
    fn a_declared_loss_is_not_kept_and_told_with_its_reason() {
        let operation = format!("{OPERATION}\nlossy = \"levels were never used\"");
        let pair = Pair::new(COLUMNS, COLUMNS, &operation);
        let up = pair.up(Change::insert("t", row(&[("id", 1.into()), ("level", 3.into())])));
        assert!(up.complement.is_empty());
        let losses = pair.losses();
        assert_eq!(losses.len(), 1);
        assert_eq!((losses[0].operation.as_str(), losses[0].line), ("set_constant", 6));
        assert_eq!(losses[0].reason, "levels were never used");
        pair.holds_its_laws();
        let error = fault(COLUMNS, COLUMNS, &format!("{OPERATION}\nlossy = \" \""));
        assert!(error.message.contains("lossy must give the reason"), "{error}");
    }
}
