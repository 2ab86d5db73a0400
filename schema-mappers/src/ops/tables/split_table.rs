//! `split_table`: some columns of a table become a table of their own, with the same key.

use journal_core::model::{Column, Name, Table, Type};

use super::Tied;
use super::beside::{Beside, Moving, empties, optional};
use super::beside_sql;
use crate::ddl::relations::Relations;
use crate::error::{CannotMap, SetError};
use crate::group::{Followed, GroupRow, Structure};
use crate::ops::constraints;
use crate::set::check::{check_column_name, check_table_name};
use crate::set::draft::Drafts;
use crate::set::reader::Fields;
use crate::set::tables::Read;
use crate::step::Direction;

#[derive(Debug)]
struct SplitTable(Beside);

pub(super) fn read(fields: &mut Fields<'_>, drafts: &Drafts, newer: &Read) -> Result<Tied, SetError> {
    let (root, mut table) = drafts.existing(fields, "table")?;
    let node = fields.required("into")?;
    let member = node.text("into")?;
    check_table_name(member).map_err(|message| node.fault(message))?;
    let key = member_key(fields, &table)?;
    let moved = moved(fields, &mut table)?;
    let types: Vec<(Name, Type)> = moved.iter().map(|column| (column.name.clone(), column.ty)).collect();
    let given = empties(fields, &types)?;
    let columns = moved.iter().map(|column| {
        let empty = match (given.get(&column.name), column.nullable) {
            (Some(value), _) => value.clone(),
            (None, true) => journal_core::model::Value::Null,
            (None, false) => {
                return Err(fields.fault(format!(
                    "{} may not be null in the older version; give what it shows there when no row of {member} stands: \
                     default = {{ {} = ... }}",
                    column.name, column.name
                )));
            }
        };
        Ok(Moving { name: column.name.clone(), ty: column.ty, nullable: column.nullable, empty })
    });
    let columns = columns.collect::<Result<Vec<_>, SetError>>()?;
    let pairs = table.key.iter().cloned().zip(key).collect();
    let version = newer.schema.version;
    let mark = Beside::mark(version, member);
    let beside =
        Beside { root, member: member.into(), key: pairs, columns, optional: optional(fields)?, mark };
    let beside_table = member_table(&beside, &table, moved, newer);
    Ok(Tied { structure: Box::new(SplitTable(beside)), tables: vec![table, beside_table] })
}

/// Reads `key`: the names of the key columns in the new table.
pub(super) fn member_key(fields: &mut Fields<'_>, table: &Table) -> Result<Vec<Name>, SetError> {
    let Some(node) = fields.optional("key") else { return Ok(table.key.clone()) };
    let names = node.texts("key")?;
    if names.len() != table.key.len() {
        return Err(node.fault(format!(
            "key names the {} key columns of {} as the new table calls them: {}",
            table.key.len(),
            table.name,
            table.key.join(", ")
        )));
    }
    names.iter().try_for_each(|name| check_column_name(name)).map_err(|message| node.fault(message))?;
    Ok(names)
}

/// Takes the columns that move out of the table.
fn moved(fields: &mut Fields<'_>, table: &mut Table) -> Result<Vec<Column>, SetError> {
    let node = fields.required("columns")?;
    let mut moved = Vec::new();
    for name in node.texts("columns")? {
        let Some(column) = table.column(&name).cloned() else {
            let known: Vec<&str> = table.columns.iter().map(|column| column.name.as_ref()).collect();
            let message =
                format!("table {} has no column {name:?} here; it has {}", table.name, known.join(", "));
            return Err(node.fault(message));
        };
        if table.key.contains(&name) {
            return Err(node.fault(format!("{name} is of the key of {}, which both tables have", table.name)));
        }
        if let Some(user) = constraints::user_of(table, &name) {
            return Err(node.fault(format!("{name} is of {user}")));
        }
        table.columns.retain(|known| known.name != name);
        moved.push(column);
    }
    Ok(moved)
}

/// The new table: the columns that come, and whatever it is declared to demand of its rows.
fn member_table(beside: &Beside, root: &Table, moved: Vec<Column>, newer: &Read) -> Table {
    let key = beside
        .key
        .iter()
        .filter_map(|(name, member)| Some(Column { name: member.clone(), ..root.column(name)?.clone() }));
    let columns = key.chain(moved).collect();
    let key = beside.key.iter().map(|(_, member)| member.clone()).collect();
    let declared = newer.schema.tables.get(&beside.member).cloned();
    let bare = declared.unwrap_or_else(|| Table { name: beside.member.clone(), ..root.clone() });
    Table { columns, key, ..bare }
}

impl Structure for SplitTable {
    fn older(&self) -> Vec<Name> {
        vec![self.0.root.clone()]
    }

    fn newer(&self) -> Vec<Name> {
        vec![self.0.root.clone(), self.0.member.clone()]
    }

    fn up(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        self.0.apart(rows)
    }

    fn down(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        self.0.together(rows)
    }

    fn follow(&self, direction: Direction, table: &Name, column: &Name) -> Vec<Followed> {
        match direction {
            Direction::Up => self.0.follow_apart(table, column),
            Direction::Down => self.0.follow_together(table, column),
        }
    }

    fn kept(&self, direction: Direction) -> Vec<Name> {
        if direction == Direction::Down { vec![self.0.mark.clone()] } else { Vec::new() }
    }

    fn fragile(&self, direction: Direction) -> Option<(Name, Vec<Name>)> {
        (direction == Direction::Up).then(|| (self.0.member.clone(), self.0.names()))
    }

    fn down_sql(&self, relations: &mut Relations) {
        beside_sql::together(&self.0, relations);
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Change, SchemaVersion, Value};

    use super::super::super::testing::{Pair, row, set_of};
    use crate::{MappedRow, Plan, Registry, RustMappers, Selector};

    const ONE: &str = "[table.person]\nkey = [\"id\"]\n[table.person.columns]\nid = \"int\"\nname = \"text\"\n\
                       street = \"text\"\ntown = { type = \"text\", null = true }\n";
    const TWO: &str = "[table.person]\nkey = [\"id\"]\n[table.person.columns]\nid = \"int\"\nname = \"text\"\n\
                       [table.address]\nkey = [\"person\"]\nparents = [{ columns = [\"person\"], table = \"person\" }]\n\
                       [table.address.columns]\nperson = \"int\"\nstreet = \"text\"\n\
                       town = { type = \"text\", null = true }\n";
    const SPLIT: &str = "[[map]]\nop = \"split_table\"\ntable = \"person\"\ninto = \"address\"\nkey = [\"person\"]\n\
                         columns = [\"street\", \"town\"]\ndefault = { street = \"\" }\n";

    fn optional() -> String {
        format!("{SPLIT}optional = true\n")
    }

    #[test]
    fn a_row_becomes_two_and_one_again() {
        let up = Registry::new(set_of(&[(ONE, ""), (TWO, SPLIT)]).expect("a good set"), RustMappers::none());
        let registry = up.expect("a covered set");
        let person = row(&[("id", 1.into()), ("name", "ANN".into()), ("street", "A".into())]);
        let plan = registry
            .map(SchemaVersion(1), SchemaVersion(2), Change::insert("person", person))
            .expect("a way");
        let images: Vec<Change> =
            plan.images().expect("no row needed").into_iter().map(|image| image.change).collect();
        let address = row(&[("person", 1.into()), ("street", "A".into()), ("town", Value::Null)]);
        let person = row(&[("id", 1.into()), ("name", "ANN".into())]);
        assert_eq!(
            images,
            [Change::insert("person", person.clone()), Change::insert("address", address.clone())]
        );
        let key = row(&[("person", 1.into())]);
        let update = Change::update("address", key.clone(), row(&[("street", "B".into())]));
        let (two, one) = (SchemaVersion(2), SchemaVersion(1));
        let Plan::Meets(meeting) = registry.map(two, one, update.clone()).expect("a plan") else {
            panic!("a meeting")
        };
        let selector = Selector { table: "person".into(), columns: row(&[("id", 1.into())]) };
        assert_eq!(meeting.selectors, [selector]);
        let whole = person.with("street", "A").with("town", Value::Null);
        let found = MappedRow { table: "person".into(), row: whole, complement: row(&[]) };
        let images = registry.map_with(two, one, &update, &[found]).expect("a way");
        let expected = Change::update("person", row(&[("id", 1.into())]), row(&[("street", "B".into())]));
        assert_eq!(images.len(), 1);
        assert_eq!(images[0].change, expected);
    }

    #[test]
    fn splitting_a_table_holds_the_laws() {
        Pair::of(set_of(&[(ONE, ""), (TWO, SPLIT)]).expect("a good set")).holds_its_laws();
        Pair::of(set_of(&[(ONE, ""), (TWO, &optional())]).expect("a good set")).holds_its_laws();
    }

    #[test]
    fn what_either_table_keeps_of_other_versions_stays_with_its_row() {
        let zero = ONE.replace("name = \"text\"", "name = \"text\"\nfax = \"text\"");
        let drop = "[[map]]\nop = \"drop_column\"\ntable = \"person\"\ncolumn = \"fax\"\ndefault = \"\"\n";
        let three = TWO
            .replace("[table.address.columns]", "[table.address.columns]\nkind = \"text\"")
            .replace("town = { type = \"text\", null = true }", "town = \"text\"");
        let later = "[[map]]\nop = \"add_column\"\ntable = \"address\"\ncolumn = \"kind\"\ntype = \"text\"\ndefault = \"home\"\n\
                     [[map]]\nop = \"require_column\"\ntable = \"address\"\ncolumn = \"town\"\nask = \"?\"\n";
        for split in [SPLIT.to_owned(), optional()] {
            let set = set_of(&[(&zero, ""), (ONE, drop), (TWO, &split), (&three, later)]);
            Pair::of(set.expect("a good set")).holds_its_laws();
        }
    }

    #[test]
    fn operations_before_and_after_in_the_same_version_are_carried_out() {
        let one = ONE
            .replace("street = \"text\"", "street = \"int\"")
            .replace("person]", "human]")
            .replace("person.", "human.");
        let two = TWO.replace("town", "city");
        let mapping = format!(
            "[[map]]\nop = \"rename_table\"\ntable = \"human\"\nto = \"person\"\n\
             [[map]]\nop = \"change_type\"\ntable = \"person\"\ncolumn = \"street\"\nto = \"text\"\n{SPLIT}\
             [[map]]\nop = \"rename_column\"\ntable = \"address\"\ncolumn = \"town\"\nto = \"city\"\n"
        );
        Pair::of(set_of(&[(&one, ""), (&two, &mapping)]).expect("a good set")).holds_its_laws();
    }

    #[test]
    fn what_cannot_be_split_is_told() {
        let fault = |two: &str, split: &str| set_of(&[(ONE, ""), (two, split)]).expect_err("a fault");
        let bare = fault(TWO, &SPLIT.replace("default = { street = \"\" }\n", ""));
        assert!(bare.message.contains("default = { street = ... }"), "{bare}");
        let alone =
            fault(&TWO.replace("parents = [{ columns = [\"person\"], table = \"person\" }]\n", ""), SPLIT);
        assert_eq!((alone.file.as_str(), alone.line), ("2/mapping.toml", 1));
        assert!(alone.message.contains("add the reference"), "{alone}");
        let key = fault(TWO, &SPLIT.replace("[\"street\", \"town\"]", "[\"id\"]"));
        assert!(key.message.contains("id is of the key of person"), "{key}");
    }
}
