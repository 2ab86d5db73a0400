//! `reorder_columns`: the columns in another order on the newer side. No row changes.

use journal_core::model::{Name, Row};

use super::{Arguments, Lineage, Operation};
use crate::ddl::Dialect;
use crate::ddl::views::ViewColumns;
use crate::error::{CannotMap, SetError};
use crate::image::Image;

#[derive(Debug)]
struct ReorderColumns;

pub(super) fn read(arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    let node = arguments.fields.required("columns")?;
    let order: Vec<Name> = node.texts("columns")?;
    let mut columns = Vec::with_capacity(order.len());
    for name in &order {
        let column = arguments.existing(name)?;
        if columns.contains(&column) {
            return Err(node.fault(format!("column {name:?} is named twice; name it once")));
        }
        columns.push(column);
    }
    if let Some(missing) = arguments.table.columns.iter().find(|column| !columns.contains(column)) {
        return Err(node.fault(format!("{} is missing; name all columns in their new order", missing.name)));
    }
    arguments.table.columns = columns;
    Ok(Box::new(ReorderColumns))
}

impl Operation for ReorderColumns {
    fn up(&self, _: &mut Image, _: &mut Row) -> Result<(), CannotMap> {
        Ok(())
    }

    fn down(&self, _: &mut Image, _: &mut Row) -> Result<(), CannotMap> {
        Ok(())
    }

    /// Nothing to do: a view has the order of its version's table.
    fn down_sql(&self, _: &mut ViewColumns, _: Dialect) {}

    fn lineage(&self) -> Lineage {
        Lineage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Pair, fault};

    const OLDER: &str = "id = \"int\"\na = \"text\"\nb = \"int\"";
    const NEWER: &str = "b = \"int\"\nid = \"int\"\na = \"text\"";

    #[test]
    fn columns_come_in_another_order_and_rows_stay() {
        let schema = |columns: &str| format!("[table.t]\nkey = [\"id\"]\n[table.t.columns]\n{columns}\n");
        let mapping = "[[map]]\nop = \"reorder_columns\"\ntable = \"t\"\ncolumns = [\"b\", \"id\", \"a\"]\n";
        let set = super::super::testing::set_of(&[(&schema(OLDER), ""), (&schema(NEWER), mapping)]);
        Pair::of(set.expect("a good set")).holds_its_laws();
    }

    #[test]
    fn the_order_names_each_column_once() {
        let order = |columns: &str| format!("op = \"reorder_columns\"\ntable = \"t\"\ncolumns = [{columns}]");
        let missing = fault(OLDER, OLDER, &order("\"id\", \"a\""));
        assert!(missing.message.contains("b is missing; name all columns"), "{missing}");
        let twice = fault(OLDER, OLDER, &order("\"id\", \"a\", \"a\", \"b\""));
        assert!(twice.message.contains("\"a\" is named twice"), "{twice}");
    }
}
