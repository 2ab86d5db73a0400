//! `rename_table`: the newer side has another name for the table.

use journal_core::model::{Name, Row};

use super::{Arguments, Lineage, Operation};
use crate::ddl::Dialect;
use crate::ddl::views::ViewColumns;
use crate::error::{CannotMap, SetError};
use crate::image::Image;

#[derive(Debug)]
struct RenameTable {
    older: Name,
    newer: Name,
}

pub(super) fn read(arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    let newer = arguments.table_name("to")?;
    let older = std::mem::replace(&mut arguments.table.name, newer.clone());
    Ok(Box::new(RenameTable { older, newer }))
}

impl Operation for RenameTable {
    fn up(&self, image: &mut Image, _: &mut Row) -> Result<(), CannotMap> {
        image.change.entity = self.newer.clone();
        Ok(())
    }

    fn down(&self, image: &mut Image, _: &mut Row) -> Result<(), CannotMap> {
        image.change.entity = self.older.clone();
        Ok(())
    }

    /// Nothing to do: the view is named by its version's table.
    fn down_sql(&self, _: &mut ViewColumns, _: Dialect) {}

    fn lineage(&self) -> Lineage {
        Lineage::default()
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Change, Name};

    use super::super::testing::{Pair, row, set_of};

    #[test]
    fn changes_go_to_the_table_by_its_other_name() {
        let older = "[table.addr]\nkey = [\"id\"]\n[table.addr.columns]\nid = \"int\"\ncity = \"text\"";
        let newer = older.replace("addr", "address");
        let set = set_of(&[
            (older, ""),
            (&newer, "[[map]]\nop = \"rename_table\"\ntable = \"addr\"\nto = \"address\""),
        ]);
        let pair = Pair::of(set.expect("a good set"));
        let delete =
            Change::delete("addr", row(&[("id", 1.into())])).expecting(row(&[("city", "Rome".into())]));
        let up = pair.up(delete.clone());
        assert_eq!(up.change, Change { entity: "address".into(), ..delete.clone() });
        assert_eq!(pair.down(up.change).change, delete);
        pair.holds_its_laws();
    }

    #[test]
    fn two_tables_can_swap_their_names_over_a_third() {
        let older = "[table.a]\nkey = [\"id\"]\n[table.a.columns]\nid = \"int\"\n[table.b]\nkey = [\"nr\"]\n[table.b.columns]\nnr = \"int\"";
        let newer = "[table.b]\nkey = [\"id\"]\n[table.b.columns]\nid = \"int\"\n[table.a]\nkey = [\"nr\"]\n[table.a.columns]\nnr = \"int\"";
        let rename = |from: &str, to: &str| {
            format!("[[map]]\nop = \"rename_table\"\ntable = \"{from}\"\nto = \"{to}\"\n")
        };
        let mapping = rename("a", "c") + &rename("b", "a") + &rename("c", "b");
        let pair = Pair::of(set_of(&[(older, ""), (newer, &mapping)]).expect("a good set"));
        let up = pair.up(Change::insert("a", row(&[("id", 1.into())])));
        assert_eq!(up.change.entity, Name::from("b"));
        assert_eq!(pair.down(Change::insert("a", row(&[("nr", 1.into())]))).change.entity, Name::from("b"));
        let taken = set_of(&[(older, ""), (newer, &rename("a", "b"))]).expect_err("the name is taken");
        assert!(taken.message.contains("there is a table \"b\" already"), "{taken}");
    }
}
