//! `change_key`: another key of the table becomes its primary key. The rows stay as they are; a change that names its row
//! by the one key meets it at a version that knows it by the other.

use journal_core::model::{Name, Table};

use super::Tied;
use crate::ddl::relations::Relations;
use crate::error::{CannotMap, SetError};
use crate::group::{Followed, GroupRow, Structure};
use crate::set::draft::Drafts;
use crate::set::reader::Fields;
use crate::step::Direction;

#[derive(Debug)]
struct ChangeKey {
    table: Name,
}

pub(super) fn read(fields: &mut Fields<'_>, drafts: &Drafts) -> Result<Tied, SetError> {
    let (name, mut table) = drafts.existing(fields, "table")?;
    let node = fields.required("to")?;
    let key = node.texts("to")?;
    check(&table, &key, drafts).map_err(|message| node.fault(message))?;
    let old = std::mem::replace(&mut table.key, key.clone());
    // What was unique is the key now, and what was the key is unique still.
    table.unique.retain(|unique| *unique != key);
    table.unique.push(old);
    Ok(Tied { structure: Box::new(ChangeKey { table: name }), tables: vec![table] })
}

fn check(table: &Table, key: &[Name], drafts: &Drafts) -> Result<(), String> {
    if table.key == key {
        return Err(format!("this is the key of {} already", table.name));
    }
    if !table.unique.iter().any(|unique| unique == key) || drafts.adds_unique(&table.name) {
        return Err(format!(
            "({}) must be a unique key of {} before it can be its primary key; put an add_unique into an earlier version",
            key.join(", "),
            table.name
        ));
    }
    let null = key.iter().filter_map(|name| table.column(name)).find(|column| column.nullable);
    if let Some(column) = null {
        return Err(format!("{} may be NULL; put a require_column into an earlier version", column.name));
    }
    match drafts.child_of(&table.name) {
        None => Ok(()),
        Some(child) => Err(format!(
            "{child} refers to {} by the key it has; put a drop_reference before, or drop the column",
            table.name
        )),
    }
}

impl Structure for ChangeKey {
    fn older(&self) -> Vec<Name> {
        vec![self.table.clone()]
    }

    fn newer(&self) -> Vec<Name> {
        vec![self.table.clone()]
    }

    fn up(&self, _: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        Ok(())
    }

    fn down(&self, _: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        Ok(())
    }

    fn follow(&self, _: Direction, table: &Name, column: &Name) -> Vec<Followed> {
        Followed::stays(table, column)
    }

    fn kept(&self, _: Direction) -> Vec<Name> {
        Vec::new()
    }

    fn fragile(&self, _: Direction) -> Option<(Name, Vec<Name>)> {
        None
    }

    fn rekeys(&self) -> bool {
        true
    }

    fn down_sql(&self, _: &mut Relations) {}
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Change, SchemaVersion};

    use super::super::super::testing::{Pair, row, set_of};
    use crate::{Plan, Registry, RustMappers, Selector};

    const OLD: &str = "[table.t]\nkey = [\"id\"]\nunique = [[\"code\"]]\n[table.t.columns]\nid = \"int\"\ncode = \"text\"\nn = \"int\"\n";
    const NEW: &str = "[table.t]\nkey = [\"code\"]\nunique = [[\"id\"]]\n[table.t.columns]\nid = \"int\"\ncode = \"text\"\nn = \"int\"\n";
    const CHANGE: &str = "[[map]]\nop = \"change_key\"\ntable = \"t\"\nto = [\"code\"]\n";

    fn registry() -> Registry {
        let set = set_of(&[(OLD, ""), (NEW, CHANGE)]).expect("a good set");
        Registry::new(set, RustMappers::none()).expect("a covered set")
    }

    #[test]
    fn a_change_names_its_row_by_the_key_of_its_version() {
        let update = Change::update("t", row(&[("id", 1.into())]), row(&[("n", 2.into())]));
        let plan = registry().map(SchemaVersion(1), SchemaVersion(2), update.clone()).expect("a plan");
        let Plan::Meets(meeting) = plan else { panic!("{plan:?}") };
        assert_eq!(meeting.selectors, [Selector { table: "t".into(), columns: row(&[("id", 1.into())]) }]);
        let stands = row(&[("id", 1.into()), ("code", "x".into()), ("n", 1.into())]);
        let found = crate::MappedRow { table: "t".into(), row: stands, complement: row(&[]) };
        let images =
            registry().map_with(SchemaVersion(1), SchemaVersion(2), &update, &[found]).expect("a way");
        assert_eq!(
            images[0].change,
            Change::update("t", row(&[("code", "x".into())]), row(&[("n", 2.into())]))
        );
    }

    #[test]
    fn another_key_holds_the_laws() {
        Pair::of(set_of(&[(OLD, ""), (NEW, CHANGE)]).expect("a good set")).holds_its_laws();
        let back = CHANGE.replace("[\"code\"]", "[\"id\"]");
        let rename = "[[map]]\nop = \"rename_column\"\ntable = \"t\"\ncolumn = \"id\"\nto = \"nr\"\n";
        let third = NEW.replace("\"id\"", "\"nr\"").replace("id =", "nr =");
        Pair::of(set_of(&[(OLD, ""), (NEW, CHANGE), (&third, rename)]).expect("a good set")).holds_its_laws();
        Pair::of(set_of(&[(OLD, ""), (NEW, CHANGE), (OLD, &back)]).expect("a good set")).holds_its_laws();
    }

    #[test]
    fn changes_that_name_rows_in_different_ways_are_told_apart_from_those_that_do_not() {
        let registry = registry();
        let by_id = Change::update("t", row(&[("id", 1.into())]), row(&[("n", 2.into())]));
        let by_code = Change::update("t", row(&[("code", "x".into())]), row(&[("n", 2.into())]));
        let insert = Change::insert("t", row(&[("id", 1.into()), ("code", "x".into()), ("n", 2.into())]));
        let (one, two) =
            (registry.roots(SchemaVersion(1), &by_id), registry.roots(SchemaVersion(2), &by_code));
        assert_eq!((one.len(), two.len()), (1, 1));
        assert!(one[0].form.is_some() && two[0].form.is_some() && one[0].form != two[0].form);
        // A whole row names itself both ways, whatever version it is written at.
        let whole = registry.roots(SchemaVersion(1), &insert);
        assert_eq!(whole, registry.roots(SchemaVersion(2), &insert));
        assert!(whole.len() == 2 && whole.iter().all(|root| root.form.is_none()));
        let place = |root: &crate::Root| (root.table.clone(), root.key.clone());
        assert!(whole.iter().any(|root| place(root) == place(&one[0])));
        assert!(whole.iter().any(|root| place(root) == place(&two[0])));
    }

    #[test]
    fn a_table_with_another_key_is_not_tied_to_others() {
        let split = "[[map]]\nop = \"split_table\"\ntable = \"t\"\ninto = \"s\"\ncolumns = [\"n\"]\ndefault = { n = 0 }\n";
        let cut = NEW.replace("n = \"int\"\n", "")
            + "[table.s]\nkey = [\"code\"]\nparents = [{ columns = [\"code\"], table = \"t\" }]\n\
               [table.s.columns]\ncode = \"text\"\nn = \"int\"\n";
        let fault = set_of(&[(OLD, ""), (NEW, CHANGE), (&cut, split)]).expect_err("a fault");
        assert_eq!(fault.file, "2/mapping.toml");
        assert!(fault.message.contains("it gives t another key, but the set ties s, t together"), "{fault}");
    }

    #[test]
    fn what_cannot_be_the_key_is_told() {
        let bare = OLD.replace("unique = [[\"code\"]]\n", "");
        let fault = set_of(&[(&bare, ""), (NEW, CHANGE)]).expect_err("a fault");
        assert_eq!(fault.line, 4);
        assert!(fault.message.contains("must be a unique key of t"), "{fault}");
        let unique = "[[map]]\nop = \"add_unique\"\ntable = \"t\"\ncolumns = [\"code\"]\n";
        let fault = set_of(&[(&bare, ""), (NEW, &format!("{unique}{CHANGE}"))]).expect_err("in one step");
        assert!(fault.message.contains("put an add_unique into an earlier version"), "{fault}");
        let child = "[table.c]\nkey = [\"id\"]\nparents = [{ columns = [\"t\"], table = \"t\" }]\n\
                     [table.c.columns]\nid = \"int\"\nt = \"int\"\n";
        let free = child.replace("parents = [{ columns = [\"t\"], table = \"t\" }]\n", "");
        let versions = [format!("{OLD}{child}"), format!("{NEW}{free}")];
        let fault = set_of(&[(&versions[0], ""), (&versions[1], CHANGE)]).expect_err("a fault");
        assert!(fault.message.contains("c refers to t"), "{fault}");
    }
}
