//! `add_column`: the newer side has a column more. Rows of the older side get a default, or an ask code, or NULL.

use journal_core::model::{Column, Name, Row, SchemaVersion, Value};

use super::ask_code::{self, AskCode};
use super::hidden::Hidden;
use super::{Arguments, Lineage, Operation};
use crate::complement::cell;
use crate::ddl::Dialect;
use crate::ddl::views::ViewColumns;
use crate::error::{CannotMap, SetError};
use crate::image::Image;

#[derive(Debug)]
struct AddColumn {
    hidden: Hidden,
    ask: Option<AskCode>,
}

pub(super) fn read(arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    let name = arguments.new_column("column")?;
    let ty = match arguments.ty("type")? {
        Some(ty) => ty,
        None => return Err(arguments.fields.fault("\"type\" is missing")),
    };
    let nullable =
        arguments.fields.optional("null").map(|node| node.flag("null")).transpose()?.unwrap_or(false);
    let default = arguments.value("default", ty)?;
    let ask = arguments.value("ask", ty)?;
    let question = ask_code::question(arguments, ask.as_ref())?;
    let (initial, asks) = match (nullable, default, ask) {
        (true, None, None) => (Value::Null, false),
        (false, Some(default), None) if !default.is_null() => (default, false),
        (false, None, Some(code)) if !code.is_null() => (code, true),
        (true, _, _) => {
            return Err(arguments.fields.fault(
                "a column with null = true starts as NULL; take default and ask out, or take null = true out",
            ));
        }
        (false, _, _) => {
            return Err(arguments.fields.fault(
                "a column that may not be null needs either a default or an ask code for the rows of the older version",
            ));
        }
    };
    arguments.table.columns.push(Column { name: name.clone(), ty, nullable });
    let code = || AskCode { column: name.clone(), code: initial.clone(), question, kept: None };
    let ask = asks.then(code);
    Ok(Box::new(AddColumn { hidden: hidden(arguments.version, name, initial), ask }))
}

fn hidden(version: SchemaVersion, column: Name, initial: Value) -> Hidden {
    Hidden { cell: cell(version, &column), column, initial }
}

impl Operation for AddColumn {
    fn up(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        self.hidden.show(image, given);
        Ok(())
    }

    fn down(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        self.hidden.hide(image, given)
    }

    fn down_sql(&self, columns: &mut ViewColumns, _: Dialect) {
        columns.take(&self.hidden.column);
    }

    fn lineage(&self) -> Lineage {
        Lineage {
            newer: vec![self.hidden.column.clone()],
            kept_down: vec![self.hidden.cell.clone()],
            ..Lineage::default()
        }
    }

    fn ask(&self) -> Option<AskCode> {
        self.ask.clone()
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::Change;

    use super::super::testing::{Pair, fault, row};

    fn channel() -> Pair {
        Pair::new(
            "id = \"int\"\nnote = \"text\"",
            "id = \"int\"\nnote = \"text\"\nchannel = \"text\"",
            "op = \"add_column\"\ntable = \"t\"\ncolumn = \"channel\"\ntype = \"text\"\ndefault = \"counter\"",
        )
    }

    #[test]
    fn new_rows_get_the_default_and_updates_leave_the_column_alone() {
        let pair = channel();
        let up = pair.up(Change::insert("t", row(&[("id", 1.into()), ("note", "x".into())])));
        assert_eq!(
            up.change.cells,
            row(&[("id", 1.into()), ("note", "x".into()), ("channel", "counter".into())])
        );
        let update = Change::update("t", row(&[("id", 1.into())]), row(&[("note", "y".into())]));
        assert_eq!(pair.up(update.clone()).change, update);
        pair.holds_its_laws();
    }

    #[test]
    fn what_the_older_version_cannot_show_is_kept() {
        let pair = channel();
        let change =
            Change::insert("t", row(&[("id", 1.into()), ("note", "x".into()), ("channel", "web".into())]));
        let down = pair.down(change);
        assert_eq!(down.change.cells, row(&[("id", 1.into()), ("note", "x".into())]));
        assert_eq!(down.complement.set, row(&[("2:channel", "web".into())]));
        // Back at the default nothing needs to be kept; what was kept before is forgotten.
        let back = Change::update("t", row(&[("id", 1.into())]), row(&[("channel", "counter".into())]));
        let down = pair.down(back);
        assert!(down.change.cells.is_empty() && down.complement.set.is_empty());
        assert_eq!(down.complement.clear, ["2:channel".into()]);
    }

    #[test]
    fn an_upsert_gives_the_default_to_new_rows_only() {
        let up = channel().up(Change::upsert("t", row(&[("id", 1.into()), ("note", "x".into())])));
        assert_eq!(up.change.cells, row(&[("id", 1.into()), ("note", "x".into())]));
        let new = up.if_new.expect("a row of its own for the insert");
        assert_eq!(new.row, row(&[("id", 1.into()), ("note", "x".into()), ("channel", "counter".into())]));
    }

    #[test]
    fn an_ask_code_stands_in_for_what_only_a_user_knows() {
        let pair = Pair::new(
            "id = \"int\"",
            "id = \"int\"\nsize = \"int\"",
            "op = \"add_column\"\ntable = \"t\"\ncolumn = \"size\"\ntype = \"int\"\nask = -1",
        );
        let up = pair.up(Change::insert("t", row(&[("id", 1.into())])));
        assert_eq!(up.change.cells, row(&[("id", 1.into()), ("size", (-1).into())]));
        assert_eq!(pair.asks(), [("size".to_owned(), (-1).into())]);
        pair.holds_its_laws();
    }

    #[test]
    fn an_old_value_is_compared_with_what_is_kept_of_the_row() {
        let pair = channel();
        let expecting = |channel: &str| {
            Change::update("t", row(&[("id", 1.into())]), row(&[("note", "y".into())]))
                .expecting(row(&[("channel", channel.into())]))
        };
        let stands = || row(&[("id", 1.into()), ("note", "x".into())]);
        let images = pair.meets(false, &expecting("counter"), stands()).expect("nothing kept: the default");
        assert_eq!(images[0].change.cells, row(&[("note", "y".into())]));
        let fault = pair.meets(false, &expecting("web"), stands()).expect_err("another value");
        assert!(fault.to_string().contains("does not hold the old channel"), "{fault}");
    }

    #[test]
    fn a_required_column_without_a_value_for_old_rows_is_refused() {
        let error = fault(
            "id = \"int\"",
            "id = \"int\"\nsize = \"int\"",
            "op = \"add_column\"\ntable = \"t\"\ncolumn = \"size\"\ntype = \"int\"",
        );
        assert_eq!((error.file.as_str(), error.line), ("2/mapping.toml", 1));
        assert!(error.message.contains("needs either a default or an ask code"), "{error}");
    }
}
