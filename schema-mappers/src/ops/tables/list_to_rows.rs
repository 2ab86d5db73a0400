//! `list_to_rows`: the parts of a list in a text column become rows of a table.

use journal_core::model::{Column, Name, Table, Type};

use super::Tied;
use super::listed::{Listed, separator};
use super::listed_sql;
use super::split_table::member_key;
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
struct ListToRows(Listed);

pub(super) fn read(fields: &mut Fields<'_>, drafts: &Drafts, newer: &Read) -> Result<Tied, SetError> {
    let (root, mut table) = drafts.existing(fields, "table")?;
    let column = list(fields, &mut table)?;
    let node = fields.required("into")?;
    let member = node.text("into")?;
    check_table_name(member).map_err(|message| node.fault(message))?;
    let key = member_key(fields, &table)?;
    let value = name(fields, "value")?;
    let position = position(fields)?;
    let value_type = match fields.optional("type") {
        None => Type::Text { max: None },
        Some(node) => match node.ty("type")? {
            ty @ Type::Text { .. } => ty,
            other => {
                return Err(node
                    .fault(format!("the parts of a list are text, not {other}; let a change_type follow")));
            }
        },
    };
    let (whole, mark) = Listed::cells(newer.schema.version, &column.name, member);
    let listed = Listed {
        root,
        member: member.into(),
        key: table.key.iter().cloned().zip(key).collect(),
        list: column.name,
        list_type: column.ty,
        nullable: column.nullable,
        value,
        value_type,
        position,
        separator: separator(fields)?,
        whole,
        mark,
    };
    let rows = member_table(&listed, &table, newer);
    Ok(Tied { structure: Box::new(ListToRows(listed)), tables: vec![table, rows] })
}

/// Takes the column with the list out of the table.
fn list(fields: &mut Fields<'_>, table: &mut Table) -> Result<Column, SetError> {
    let node = fields.required("column")?;
    let name = node.text("column")?;
    let Some(column) = table.column(name).cloned() else {
        let known: Vec<&str> = table.columns.iter().map(|column| column.name.as_ref()).collect();
        let message =
            format!("table {} has no column {name:?} here; it has {}", table.name, known.join(", "));
        return Err(node.fault(message));
    };
    if !matches!(column.ty, Type::Text { .. }) {
        return Err(node.fault(format!("column {name} is {}; only text holds a list", column.ty)));
    }
    if table.key.contains(&column.name) {
        return Err(node.fault(format!("{name} is of the key of {}", table.name)));
    }
    if let Some(user) = constraints::user_of(table, &column.name) {
        return Err(node.fault(format!("{name} is of {user}")));
    }
    table.columns.retain(|known| known.name != column.name);
    Ok(column)
}

fn name(fields: &mut Fields<'_>, key: &str) -> Result<Name, SetError> {
    let node = fields.required(key)?;
    let name = node.text(key)?;
    check_column_name(name).map_err(|message| node.fault(message))?;
    Ok(name.into())
}

/// Reads `position`.
pub(super) fn position(fields: &mut Fields<'_>) -> Result<Option<Name>, SetError> {
    let Some(node) = fields.optional("position") else { return Ok(None) };
    let name = node.text("position")?;
    check_column_name(name).map_err(|message| node.fault(message))?;
    Ok(Some(name.into()))
}

/// The new table: its key, its value, and whatever it is declared to demand of its rows.
fn member_table(listed: &Listed, root: &Table, newer: &Read) -> Table {
    let key = listed
        .key
        .iter()
        .filter_map(|(name, member)| Some(Column { name: member.clone(), ..root.column(name)?.clone() }));
    let position =
        listed.position.iter().map(|name| Column { name: name.clone(), ty: Type::Int, nullable: false });
    let value = Column { name: listed.value.clone(), ty: listed.value_type, nullable: false };
    let columns = key.chain(position).chain([value]).collect();
    let last = listed.position.as_ref().unwrap_or(&listed.value).clone();
    let key = listed.key.iter().map(|(_, member)| member.clone()).chain([last]).collect();
    let declared = newer.schema.tables.get(&listed.member).cloned();
    let bare = declared.unwrap_or_else(|| Table { name: listed.member.clone(), ..root.clone() });
    Table { columns, key, ..bare }
}

impl Structure for ListToRows {
    fn older(&self) -> Vec<Name> {
        vec![self.0.root.clone()]
    }

    fn newer(&self) -> Vec<Name> {
        vec![self.0.root.clone(), self.0.member.clone()]
    }

    fn up(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        self.0.spread(rows)
    }

    fn down(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        self.0.gather(rows)
    }

    fn follow(&self, direction: Direction, table: &Name, column: &Name) -> Vec<Followed> {
        match direction {
            Direction::Up => self.0.follow_spread(table, column),
            Direction::Down => self.0.follow_gather(table, column),
        }
    }

    fn kept(&self, direction: Direction) -> Vec<Name> {
        match direction {
            Direction::Up => vec![self.0.whole.clone()],
            Direction::Down => vec![self.0.mark.clone()],
        }
    }

    fn settles(&self) -> bool {
        false
    }

    fn fragile(&self, direction: Direction) -> Option<(Name, Vec<Name>)> {
        (direction == Direction::Up).then(|| (self.0.member.clone(), vec![self.0.list.clone()]))
    }

    fn down_sql(&self, relations: &mut Relations) {
        listed_sql::gather(&self.0, relations);
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Change, SchemaVersion};

    use super::super::super::testing::{Pair, row, set_of};
    use crate::{Registry, RustMappers};

    const LIST: &str = "[table.note]\nkey = [\"id\"]\n[table.note.columns]\nid = \"int\"\ntags = \"text\"\n";
    const ROWS: &str = "[table.note]\nkey = [\"id\"]\n[table.note.columns]\nid = \"int\"\n\
                        [table.tag]\nkey = [\"note\", \"tag\"]\nparents = [{ columns = [\"note\"], table = \"note\" }]\n\
                        [table.tag.columns]\nnote = \"int\"\ntag = \"text\"\n";
    const SPREAD: &str = "[[map]]\nop = \"list_to_rows\"\ntable = \"note\"\ncolumn = \"tags\"\ninto = \"tag\"\nkey = [\"note\"]\n\
                          value = \"tag\"\nseparator = \",\"\n";

    fn placed() -> (String, String) {
        let rows = ROWS
            .replace("[\"note\", \"tag\"]", "[\"note\", \"nr\"]")
            .replace("tag = \"text\"", "nr = \"int\"\ntag = \"text\"");
        (rows, format!("{SPREAD}position = \"nr\"\n"))
    }

    #[test]
    fn each_part_of_a_list_becomes_a_row() {
        let (rows, spread) = placed();
        let set = set_of(&[(LIST, ""), (&rows, &spread)]).expect("a good set");
        let registry = Registry::new(set, RustMappers::none()).expect("a covered set");
        let note = Change::insert("note", row(&[("id", 1.into()), ("tags", "b,a".into())]));
        let plan = registry.map(SchemaVersion(1), SchemaVersion(2), note).expect("a way");
        let images: Vec<Change> =
            plan.images().expect("no row needed").into_iter().map(|image| image.change).collect();
        let tag = |nr: i64, tag: &str| {
            Change::insert("tag", row(&[("note", 1.into()), ("nr", nr.into()), ("tag", tag.into())]))
        };
        assert_eq!(images, [Change::insert("note", row(&[("id", 1.into())])), tag(1, "b"), tag(2, "a")]);
    }

    #[test]
    fn lists_and_rows_hold_the_laws() {
        let null = LIST.replace("tags = \"text\"", "tags = { type = \"text\", null = true }");
        let (rows, spread) = placed();
        for list in [LIST, &null] {
            Pair::of(set_of(&[(list, ""), (ROWS, SPREAD)]).expect("a good set")).holds_its_laws();
            Pair::of(set_of(&[(list, ""), (&rows, &spread)]).expect("a good set")).holds_its_laws();
        }
    }

    #[test]
    fn what_is_kept_of_rows_stays_with_those_that_stay_in_the_list() {
        let (rows, spread) = placed();
        for (rows, spread) in [(ROWS, SPREAD), (&rows, &spread)] {
            let more = rows.replace("tag = \"text\"\n", "tag = \"text\"\ncolour = \"text\"\n");
            let add = "[[map]]\nop = \"add_column\"\ntable = \"tag\"\ncolumn = \"colour\"\ntype = \"text\"\ndefault = \"counter\"\n";
            Pair::of(set_of(&[(LIST, ""), (rows, spread), (&more, add)]).expect("a good set"))
                .holds_its_laws();
        }
    }

    #[test]
    fn what_is_no_list_is_told() {
        let fault = |list: &str, spread: &str| set_of(&[(list, ""), (ROWS, spread)]).expect_err("a fault");
        let number = fault(&LIST.replace("tags = \"text\"", "tags = \"int\""), SPREAD);
        assert!(number.message.contains("only text holds a list"), "{number}");
        let letter = fault(LIST, &SPREAD.replace("separator = \",\"", "separator = \"and\""));
        assert_eq!(letter.line, 8);
        assert!(letter.message.contains("no letter, digit"), "{letter}");
    }
}
