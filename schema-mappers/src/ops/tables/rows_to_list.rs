//! `rows_to_list`: the rows of a table become a list in a text column of the table they refer to.

use journal_core::model::{Column, Name, SchemaVersion, Table, Type};

use super::Tied;
use super::list_to_rows::position;
use super::listed::{Listed, separator};
use super::listed_sql;
use crate::ddl::relations::Relations;
use crate::error::{CannotMap, SetError};
use crate::group::{Followed, GroupRow, Structure};
use crate::ops::constraints;
use crate::set::check::check_column_name;
use crate::set::draft::Drafts;
use crate::set::reader::Fields;
use crate::step::Direction;

#[derive(Debug)]
struct RowsToList(Listed);

pub(super) fn read(
    fields: &mut Fields<'_>,
    drafts: &Drafts,
    version: SchemaVersion,
) -> Result<Tied, SetError> {
    let (root, mut table) = drafts.existing(fields, "table")?;
    let (member, from) = drafts.existing(fields, "from")?;
    let list = list(fields, &table)?;
    let value: Name = fields.required("value")?.text("value")?.into();
    let position = position(fields)?;
    let key =
        key(&table, &from, position.as_ref().unwrap_or(&value)).map_err(|message| fields.fault(message))?;
    let value_type =
        value_type(&from, &key, &value, position.as_ref()).map_err(|message| fields.fault(message))?;
    table.columns.push(list.clone());
    let (whole, mark) = Listed::cells(version, &list.name, &member);
    let listed = Listed {
        root,
        member,
        key,
        list: list.name,
        list_type: list.ty,
        nullable: list.nullable,
        value,
        value_type,
        position,
        separator: separator(fields)?,
        whole,
        mark,
    };
    Ok(Tied { structure: Box::new(RowsToList(listed)), tables: vec![table] })
}

/// The column that the list gets.
fn list(fields: &mut Fields<'_>, table: &Table) -> Result<Column, SetError> {
    let node = fields.required("into")?;
    let name = node.text("into")?;
    check_column_name(name).map_err(|message| node.fault(message))?;
    if table.column(name).is_some() {
        return Err(node.fault(format!("table {} has a column {name:?} already", table.name)));
    }
    let ty = fields.optional("type").map(|node| node.ty("type")).transpose()?;
    let ty = ty.unwrap_or(Type::Text { max: None });
    if !matches!(ty, Type::Text { .. }) {
        return Err(fields.fault(format!("a list is text, not {ty}")));
    }
    let nullable = fields.optional("null").map(|node| node.flag("null")).transpose()?.unwrap_or(false);
    Ok(Column { name: name.into(), ty, nullable })
}

/// The columns that hold the root's key. The member's key has one more, by which its rows are told apart.
fn key(root: &Table, member: &Table, last: &Name) -> Result<Vec<(Name, Name)>, String> {
    let refers = member
        .parents
        .iter()
        .find(|parent| parent.table == root.name && member.key.starts_with(&parent.columns));
    let columns = refers.map(|parent| &parent.columns);
    match columns {
        Some(columns) if member.key.len() == columns.len() + 1 && member.key.last() == Some(last) => {
            Ok(root.key.iter().cloned().zip(columns.iter().cloned()).collect())
        }
        _ => Err(format!(
            "the key of {} must be a reference to {} and then {last}, but it is {}",
            member.name,
            root.name,
            member.key.join(", ")
        )),
    }
}

fn value_type(
    member: &Table,
    key: &[(Name, Name)],
    value: &Name,
    position: Option<&Name>,
) -> Result<Type, String> {
    let known =
        |name: &Name| key.iter().any(|(_, own)| own == name) || name == value || Some(name) == position;
    if let Some(other) = member.columns.iter().find(|column| !known(&column.name)) {
        return Err(format!(
            "{}.{} has no place in a list; drop it in an earlier version",
            member.name, other.name
        ));
    }
    if let Some(other) =
        member.parents.iter().find(|parent| !key.iter().map(|(_, own)| own).eq(&parent.columns))
    {
        return Err(format!(
            "{} refers to {} as well; put a drop_reference before",
            member.name, other.table
        ));
    }
    if position.is_some()
        && let Some(user) = constraints::user_of(member, value)
    {
        return Err(format!("{value} is of {user}"));
    }
    if position.and_then(|name| member.column(name)).is_some_and(|column| column.ty != Type::Int) {
        return Err("the position must be an int".to_owned());
    }
    match member.column(value) {
        Some(Column { ty: ty @ Type::Text { .. }, nullable: false, .. }) => Ok(*ty),
        _ => Err(format!("{}.{value} must be text and not null, to go into a list", member.name)),
    }
}

impl Structure for RowsToList {
    fn older(&self) -> Vec<Name> {
        vec![self.0.root.clone(), self.0.member.clone()]
    }

    fn newer(&self) -> Vec<Name> {
        vec![self.0.root.clone()]
    }

    fn up(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        self.0.gather(rows)
    }

    fn down(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        self.0.spread(rows)
    }

    fn follow(&self, direction: Direction, table: &Name, column: &Name) -> Vec<Followed> {
        match direction {
            Direction::Up => self.0.follow_gather(table, column),
            Direction::Down => self.0.follow_spread(table, column),
        }
    }

    fn kept(&self, direction: Direction) -> Vec<Name> {
        match direction {
            Direction::Up => vec![self.0.mark.clone()],
            Direction::Down => vec![self.0.whole.clone()],
        }
    }

    fn settles(&self) -> bool {
        false
    }

    fn fragile(&self, direction: Direction) -> Option<(Name, Vec<Name>)> {
        (direction == Direction::Down).then(|| (self.0.member.clone(), vec![self.0.list.clone()]))
    }

    fn down_sql(&self, relations: &mut Relations) {
        listed_sql::spread(&self.0, relations);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Pair, set_of};

    const LIST: &str = "[table.note]\nkey = [\"id\"]\n[table.note.columns]\nid = \"int\"\ntags = \"text\"\n";
    const ROWS: &str = "[table.note]\nkey = [\"id\"]\n[table.note.columns]\nid = \"int\"\n\
                        [table.tag]\nkey = [\"note\", \"tag\"]\nparents = [{ columns = [\"note\"], table = \"note\" }]\n\
                        [table.tag.columns]\nnote = \"int\"\ntag = \"text\"\n";
    const GATHER: &str = "[[map]]\nop = \"rows_to_list\"\ntable = \"note\"\nfrom = \"tag\"\ninto = \"tags\"\nvalue = \"tag\"\n\
                          separator = \", \"\n";

    #[test]
    fn rows_and_lists_hold_the_laws() {
        let rows = ROWS
            .replace("[\"note\", \"tag\"]", "[\"note\", \"nr\"]")
            .replace("tag = \"text\"", "nr = \"int\"\ntag = \"text(20)\"");
        let gather = format!("{GATHER}position = \"nr\"\nnull = true\n");
        let null = LIST.replace("tags = \"text\"", "tags = { type = \"text\", null = true }");
        Pair::of(set_of(&[(ROWS, ""), (LIST, GATHER)]).expect("a good set")).holds_its_laws();
        Pair::of(set_of(&[(&rows, ""), (&null, &gather)]).expect("a good set")).holds_its_laws();
    }

    #[test]
    fn rows_that_lost_a_column_before_bring_it_back() {
        let more = ROWS.replace("tag = \"text\"\n", "tag = \"text\"\ncolour = \"text\"\n");
        let drop =
            "[[map]]\nop = \"drop_column\"\ntable = \"tag\"\ncolumn = \"colour\"\ndefault = \"counter\"\n";
        Pair::of(set_of(&[(&more, ""), (ROWS, drop), (LIST, GATHER)]).expect("a good set")).holds_its_laws();
    }

    #[test]
    fn what_a_list_has_no_place_for_is_told() {
        let more = ROWS.replace("tag = \"text\"\n", "tag = \"text\"\ncolour = \"text\"\n");
        let fault = set_of(&[(&more, ""), (LIST, GATHER)]).expect_err("a fault");
        assert!(fault.message.contains("tag.colour has no place in a list"), "{fault}");
        let key = set_of(&[(ROWS, ""), (LIST, &GATHER.replace("value = \"tag\"", "value = \"note\""))])
            .expect_err("a fault");
        assert!(key.message.contains("must be a reference to note and then note"), "{key}");
    }
}
