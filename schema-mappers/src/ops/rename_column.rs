//! `rename_column`: the newer side has another name for a column, key columns included.

use journal_core::model::{Name, Row};

use super::{Arguments, Lineage, Operation, constraints};
use crate::ddl::Dialect;
use crate::ddl::views::ViewColumns;
use crate::error::{CannotMap, SetError};
use crate::image::Image;

#[derive(Debug)]
struct RenameColumn {
    older: Name,
    newer: Name,
}

pub(super) fn read(arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    let older = arguments.column("column")?.name;
    let newer = arguments.new_column("to")?;
    arguments.change(&older, |column| column.name = newer.clone());
    for key in arguments.table.key.iter_mut().filter(|key| **key == older) {
        *key = newer.clone();
    }
    constraints::rename_column(&mut arguments.table, &older, &newer);
    Ok(Box::new(RenameColumn { older, newer }))
}

impl Operation for RenameColumn {
    fn up(&self, image: &mut Image, _: &mut Row) -> Result<(), CannotMap> {
        image.rename_column(&self.older, &self.newer);
        Ok(())
    }

    fn down(&self, image: &mut Image, _: &mut Row) -> Result<(), CannotMap> {
        image.rename_column(&self.newer, &self.older);
        Ok(())
    }

    fn down_sql(&self, columns: &mut ViewColumns, _: Dialect) {
        let expression = columns.take(&self.newer);
        columns.set(&self.older, expression);
    }

    fn lineage(&self) -> Lineage {
        Lineage { older: vec![self.older.clone()], newer: vec![self.newer.clone()], ..Lineage::default() }
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::Change;

    use super::super::testing::{Pair, fault, row};

    fn pair() -> Pair {
        Pair::new(
            "id = \"int\"\ncount = \"int\"",
            "nr = \"int\"\ntotal = \"int\"",
            "op = \"rename_column\"\ntable = \"t\"\ncolumn = \"id\"\nto = \"nr\"\n\
             [[map]]\nop = \"rename_column\"\ntable = \"t\"\ncolumn = \"count\"\nto = \"total\"",
        )
    }

    #[test]
    fn keys_values_deltas_and_expectations_follow_the_name() {
        let pair = pair();
        let moved =
            Change::update("t", row(&[("id", 1.into())]), row(&[("id", 2.into()), ("count", 5.into())]))
                .expecting(row(&[("count", 4.into())]));
        let up = pair.up(moved.clone()).change;
        assert_eq!(up.key, row(&[("nr", 1.into())]));
        assert_eq!(up.cells, row(&[("nr", 2.into()), ("total", 5.into())]));
        assert_eq!(up.expect, row(&[("total", 4.into())]));
        assert_eq!(pair.down(up).change, moved);
        let add = Change::add("t", row(&[("id", 1.into())]), row(&[("count", 1.into())]));
        assert_eq!(pair.up(add).change.cells, row(&[("total", 1.into())]));
        pair.holds_its_laws();
    }

    #[test]
    fn a_name_that_is_taken_or_unknown_is_refused() {
        let columns = "id = \"int\"\ncount = \"int\"";
        let taken =
            fault(columns, columns, "op = \"rename_column\"\ntable = \"t\"\ncolumn = \"count\"\nto = \"id\"");
        assert!(taken.message.contains("has a column \"id\" already"), "{taken}");
        assert_eq!(taken.line, 5);
        let unknown =
            fault(columns, columns, "op = \"rename_column\"\ntable = \"t\"\ncolumn = \"sum\"\nto = \"x\"");
        assert!(unknown.message.contains("no column \"sum\"; it has id, count"), "{unknown}");
    }
}
