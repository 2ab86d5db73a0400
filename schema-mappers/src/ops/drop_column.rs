//! `drop_column`: the newer side has a column less. Its values are kept; rows born at the newer side get its default.

use journal_core::model::{Row, Type, Value};

use super::hidden::Hidden;
use super::{Arguments, Lineage, Operation};
use crate::complement::cell;
use crate::ddl::Dialect;
use crate::ddl::quote::literal;
use crate::ddl::views::ViewColumns;
use crate::error::{CannotMap, SetError};
use crate::image::Image;

#[derive(Debug)]
struct DropColumn {
    hidden: Hidden,
    ty: Type,
}

pub(super) fn read(arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    let column = arguments.plain_column("column")?;
    let initial = match (column.nullable, arguments.value("default", column.ty)?) {
        (true, None) => Value::Null,
        (false, Some(default)) if !default.is_null() => default,
        (true, Some(_)) => {
            return Err(arguments
                .fields
                .fault("the column may be null, so it goes back as NULL; take default out"));
        }
        (false, _) => {
            return Err(arguments.fields.fault(
                "the column may not be null in the older version; give the default that rows born at the newer one have there",
            ));
        }
    };
    arguments.take_out(&column.name)?;
    let hidden = Hidden { cell: cell(arguments.version, &column.name), column: column.name, initial };
    Ok(Box::new(DropColumn { hidden, ty: column.ty }))
}

impl Operation for DropColumn {
    fn up(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        self.hidden.hide(image, given)
    }

    fn down(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        self.hidden.show(image, given);
        Ok(())
    }

    fn down_sql(&self, columns: &mut ViewColumns, dialect: Dialect) {
        let kept = columns.kept(&self.hidden.cell, self.ty);
        let initial = literal(&self.hidden.initial, self.ty, dialect);
        let expression = format!("CASE WHEN {} THEN {} ELSE {initial} END", kept.there, kept.value);
        columns.set(&self.hidden.column, expression);
    }

    fn lineage(&self) -> Lineage {
        Lineage {
            older: vec![self.hidden.column.clone()],
            kept_up: vec![self.hidden.cell.clone()],
            ..Lineage::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Change, Value};

    use super::super::testing::{Pair, fault, row};

    const OLDER: &str = "id = \"int\"\nfax = \"text\"\nnote = { type = \"text\", null = true }";

    fn fax() -> Pair {
        Pair::new(
            OLDER,
            "id = \"int\"",
            "op = \"drop_column\"\ntable = \"t\"\ncolumn = \"fax\"\ndefault = \"none\"\n\
             [[map]]\nop = \"drop_column\"\ntable = \"t\"\ncolumn = \"note\"",
        )
    }

    #[test]
    fn dropped_values_are_kept_and_come_back() {
        let pair = fax();
        let up = pair
            .up(Change::insert("t", row(&[("id", 1.into()), ("fax", "12".into()), ("note", "n".into())])));
        assert_eq!(up.change.cells, row(&[("id", 1.into())]));
        assert_eq!(up.complement.set, row(&[("2:fax", "12".into()), ("2:note", "n".into())]));
        pair.holds_its_laws();
    }

    #[test]
    fn an_update_of_dropped_columns_only_changes_what_is_kept() {
        let up = fax().up(Change::update("t", row(&[("id", 1.into())]), row(&[("note", Value::Null)])));
        assert!(up.change.cells.is_empty());
        assert_eq!(up.complement.clear, ["2:note".into()]);
    }

    #[test]
    fn rows_born_at_the_newer_version_get_the_default_below() {
        let down = fax().down(Change::insert("t", row(&[("id", 1.into())])));
        assert_eq!(
            down.change.cells,
            row(&[("id", 1.into()), ("fax", "none".into()), ("note", Value::Null)])
        );
    }

    #[test]
    fn a_required_column_cannot_go_without_a_default() {
        let error = fault(OLDER, "id = \"int\"", "op = \"drop_column\"\ntable = \"t\"\ncolumn = \"fax\"");
        assert!(error.message.contains("give the default"), "{error}");
        let error = fault(OLDER, "id = \"int\"", "op = \"drop_column\"\ntable = \"t\"\ncolumn = \"id\"");
        assert!(error.message.contains("id is of the key of t"), "{error}");
    }
}
