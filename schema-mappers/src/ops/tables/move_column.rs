//! `move_column`: a column goes to another table that is tied to the first by its key, from the one side to the other of a
//! row and the row beside it. Where there is no row beside, the value is kept with the row that stands.

use std::collections::{BTreeMap, BTreeSet};

use journal_core::model::{Column, Name, Parent, SchemaVersion, Table, Type, Value};

use super::Tied;
use crate::complement::cell;
use crate::ddl::quote::{ident, literal};
use crate::ddl::relations::{Relation, Relations};
use crate::ddl::views::ViewColumns;
use crate::error::{CannotMap, SetError};
use crate::group::{Followed, GroupRow, Structure};
use crate::ops::constraints;
use crate::set::draft::Drafts;
use crate::set::reader::Fields;
use crate::step::Direction;

#[derive(Debug)]
struct MoveColumn {
    root: Name,
    member: Name,
    /// The root's key columns, and the member's.
    key: Vec<(Name, Name)>,
    column: Name,
    ty: Type,
    /// What the root shows where there is no row beside and nothing is kept.
    empty: Value,
    /// The way that goes from the root to the member.
    outward: Direction,
    cell: Name,
}

pub(super) fn read(
    fields: &mut Fields<'_>,
    drafts: &Drafts,
    version: SchemaVersion,
) -> Result<Tied, SetError> {
    let (from_name, mut from) = drafts.existing(fields, "table")?;
    let (to_name, mut to) = drafts.existing(fields, "to")?;
    let column = column(fields, &mut from, &to)?;
    let (outward, key) = match (key(&from, &to), key(&to, &from)) {
        (Some(key), _) => (Direction::Up, key),
        (None, Some(key)) => (Direction::Down, key),
        (None, None) => {
            return Err(fields.fault(format!(
                "{from_name} and {to_name} go row by row only if the key of the one is a reference to the other"
            )));
        }
    };
    let given = fields.optional("default").map(|node| node.value("default", column.ty)).transpose()?;
    let empty = match (given, column.nullable) {
        (Some(value), _) if !value.is_null() => value,
        (_, true) => Value::Null,
        (_, false) => {
            return Err(fields.fault(format!(
                "{} may not be null; give the default that stands for it where there is no row beside",
                column.name
            )));
        }
    };
    to.columns.push(column.clone());
    let (root, member) = if outward == Direction::Up { (from_name, to_name) } else { (to_name, from_name) };
    let cell = cell(version, &column.name);
    let structure =
        MoveColumn { root, member, key, ty: column.ty, column: column.name, empty, outward, cell };
    Ok(Tied { structure: Box::new(structure), tables: vec![from, to] })
}

fn column(fields: &mut Fields<'_>, from: &mut Table, to: &Table) -> Result<Column, SetError> {
    let node = fields.required("column")?;
    let name = node.text("column")?;
    let Some(column) = from.column(name).cloned() else {
        return Err(node.fault(format!("table {} has no column {name:?} here", from.name)));
    };
    if from.key.contains(&column.name) {
        return Err(node.fault(format!("{name} is of the key of {}", from.name)));
    }
    if to.column(name).is_some() {
        return Err(node.fault(format!("table {} has a column {name:?} already", to.name)));
    }
    if let Some(user) = constraints::user_of(from, &column.name) {
        return Err(node.fault(format!("{name} is of {user}")));
    }
    from.columns.retain(|known| known.name != column.name);
    Ok(column)
}

/// The key columns of a table and of one with at most one row for each of its rows.
fn key(root: &Table, member: &Table) -> Option<Vec<(Name, Name)>> {
    let refers = |parent: &Parent| parent.table == root.name && parent.columns == member.key;
    let key = root.key.iter().cloned().zip(member.key.iter().cloned());
    member.parents.iter().any(refers).then(|| key.collect())
}

impl MoveColumn {
    fn to_member(&self, rows: &mut [GroupRow]) -> Result<(), CannotMap> {
        let members = self.members(rows)?;
        for at in 0..rows.len() {
            if rows[at].table != self.root {
                continue;
            }
            rows[at].given.remove(&self.cell);
            let value = rows[at].take(&self.column);
            match members.get(&self.root_key(&rows[at])) {
                Some(member) => rows[*member].row.set(self.column.clone(), value),
                None if value == self.empty => {}
                None => rows[at].kept.set(self.cell.clone(), value),
            }
        }
        Ok(())
    }

    fn to_root(&self, rows: &mut [GroupRow]) -> Result<(), CannotMap> {
        let members = self.members(rows)?;
        for at in 0..rows.len() {
            if rows[at].table != self.root {
                continue;
            }
            let kept = rows[at].given.remove(&self.cell);
            let value = match members.get(&self.root_key(&rows[at])) {
                Some(member) => rows[*member].take(&self.column),
                None => kept.unwrap_or_else(|| self.empty.clone()),
            };
            rows[at].row.set(self.column.clone(), value);
        }
        Ok(())
    }

    /// The places of the members' rows by the key they share with their root. A row that has no root to go with is
    /// refused: its column would have nowhere to go, or to come from.
    fn members(&self, rows: &[GroupRow]) -> Result<BTreeMap<Vec<Value>, usize>, CannotMap> {
        let own = rows.iter().enumerate().filter(|(_, row)| row.table == self.member);
        let key = |row: &GroupRow| {
            self.key.iter().map(|(_, name)| row.row.get(name).cloned().unwrap_or(Value::Null)).collect()
        };
        let members: BTreeMap<Vec<Value>, usize> = own.map(|(at, row)| (key(row), at)).collect();
        let roots = rows.iter().filter(|row| row.table == self.root).map(|row| self.root_key(row));
        let roots: BTreeSet<Vec<Value>> = roots.collect();
        match members.keys().all(|key| roots.contains(key)) {
            true => Ok(members),
            false => {
                let reason = format!("a row of it has no row of {} to go with", self.root);
                Err(CannotMap::change(&self.member, reason))
            }
        }
    }

    fn root_key(&self, row: &GroupRow) -> Vec<Value> {
        self.key.iter().map(|(name, _)| row.row.get(name).cloned().unwrap_or(Value::Null)).collect()
    }

    fn carry(&self, direction: Direction, rows: &mut [GroupRow]) -> Result<(), CannotMap> {
        if direction == self.outward { self.to_member(rows) } else { self.to_root(rows) }
    }

    /// The column out of the table that has it above into the one that has it below.
    fn on(&self) -> String {
        let pairs = self.key.iter().map(|(root, member)| format!("r.{} = m.{}", ident(root), ident(member)));
        pairs.collect::<Vec<_>>().join(" AND ")
    }

    fn plain(relation: &Relation, alias: &str, dialect: crate::ddl::Dialect) -> ViewColumns {
        let mut columns = ViewColumns::none(dialect);
        relation.columns.iter().for_each(|(name, _)| columns.set(name, format!("{alias}.{}", ident(name))));
        columns
    }
}

impl Structure for MoveColumn {
    fn older(&self) -> Vec<Name> {
        vec![self.root.clone(), self.member.clone()]
    }

    fn newer(&self) -> Vec<Name> {
        self.older()
    }

    fn up(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        self.carry(Direction::Up, rows)
    }

    fn down(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        self.carry(Direction::Down, rows)
    }

    fn follow(&self, direction: Direction, table: &Name, column: &Name) -> Vec<Followed> {
        let (from, to) = match direction == self.outward {
            true => (&self.root, &self.member),
            false => (&self.member, &self.root),
        };
        if table == from && *column == self.column {
            return Followed::moves(to, column);
        }
        let mut followed = Followed::stays(table, column);
        if *from == self.member && table == from {
            // Whether the root keeps a value of its own depends on whether there is a row beside.
            let key = self.key.iter().find(|(_, member)| member == column);
            followed.extend(key.into_iter().flat_map(|(root, _)| Followed::moves(&self.root, root)));
        }
        followed
    }

    fn kept(&self, direction: Direction) -> Vec<Name> {
        if direction == self.outward { vec![self.cell.clone()] } else { Vec::new() }
    }

    fn fragile(&self, _: Direction) -> Option<(Name, Vec<Name>)> {
        None
    }

    fn down_sql(&self, relations: &mut Relations) {
        let dialect = relations.dialect;
        let (mut root, mut member) = (relations.take(&self.root), relations.take(&self.member));
        if self.outward == Direction::Up {
            let mut columns = Self::plain(&root, "r", dialect);
            let kept = columns.kept(&self.cell, self.ty);
            let empty = literal(&self.empty, self.ty, dialect);
            let there = self.key.iter().take(1).map(|(_, name)| format!("m.{} IS NOT NULL", ident(name)));
            columns.set(
                &self.column,
                format!(
                    "CASE WHEN {} THEN m.{} WHEN {} THEN {} ELSE {empty} END",
                    there.collect::<String>(),
                    ident(&self.column),
                    kept.there,
                    kept.value
                ),
            );
            let source = format!(
                "{} LEFT JOIN {} ON {}",
                root.aliased("r", true),
                member.aliased("m", false),
                self.on()
            );
            root = Relation { source, columns };
            member.columns.take(&self.column);
        } else {
            let mut columns = Self::plain(&member, "m", dialect);
            columns.set(&self.column, format!("r.{}", ident(&self.column)));
            let source =
                format!("{} JOIN {} ON {}", member.aliased("m", true), root.aliased("r", false), self.on());
            member = Relation { source, columns };
            root.columns.take(&self.column);
        }
        relations.put(&self.root, root);
        relations.put(&self.member, member);
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::SchemaVersion;

    use super::super::super::testing::{Pair, row, set_of};
    use crate::{MappedRow, Registry, RustMappers};

    fn tables(person: &str, address: &str) -> String {
        format!(
            "[table.person]\nkey = [\"id\"]\n[table.person.columns]\nid = \"int\"\nname = \"text\"\n{person}\
             [table.address]\nkey = [\"p\"]\nparents = [{{ columns = [\"p\"], table = \"person\" }}]\n\
             [table.address.columns]\np = \"int\"\ntown = \"text\"\n{address}"
        )
    }

    const FAX: &str = "fax = \"text\"\n";
    const NULL: &str = "fax = { type = \"text\", null = true }\n";
    const OUT: &str =
        "[[map]]\nop = \"move_column\"\ntable = \"person\"\ncolumn = \"fax\"\nto = \"address\"\n";
    const IN: &str =
        "[[map]]\nop = \"move_column\"\ntable = \"address\"\ncolumn = \"fax\"\nto = \"person\"\n";

    #[test]
    fn a_column_moves_either_way_and_holds_the_laws() {
        for way in [OUT, IN] {
            let (older, newer) = match way == OUT {
                true => (tables(NULL, ""), tables("", NULL)),
                false => (tables("", NULL), tables(NULL, "")),
            };
            Pair::of(set_of(&[(&older, ""), (&newer, way)]).expect("a good set")).holds_its_laws();
            let (older, newer) = (older.replace(NULL, FAX), newer.replace(NULL, FAX));
            let way = format!("{way}default = \"none\"\n");
            Pair::of(set_of(&[(&older, ""), (&newer, &way)]).expect("a good set")).holds_its_laws();
        }
    }

    #[test]
    fn a_column_that_has_moved_can_change_afterwards() {
        let (one, two) = (tables(FAX, ""), tables("", FAX));
        let three = tables("", "");
        let out = format!("{OUT}default = \"none\"\n");
        let drop =
            "[[map]]\nop = \"drop_column\"\ntable = \"address\"\ncolumn = \"fax\"\ndefault = \"counter\"\n";
        Pair::of(set_of(&[(&one, ""), (&two, &out), (&three, drop)]).expect("a good set")).holds_its_laws();
    }

    #[test]
    fn a_row_without_its_root_is_refused_and_loses_nothing() {
        for way in [OUT, IN] {
            let (older, newer) = match way == OUT {
                true => (tables(NULL, ""), tables("", NULL)),
                false => (tables("", NULL), tables(NULL, "")),
            };
            let set = set_of(&[(&older, ""), (&newer, way)]).expect("a good set");
            let registry = Registry::new(set, RustMappers::none()).expect("a covered set");
            let orphan = row(&[("p", 1.into()), ("town", "Graz".into())]);
            let orphan = MappedRow { table: "address".into(), row: orphan, complement: row(&[]) };
            for (from, to) in [(1, 2), (2, 1)] {
                let refused = registry
                    .map_rows(SchemaVersion(from), SchemaVersion(to), vec![orphan.clone()])
                    .expect_err("it has nowhere to go");
                assert!(refused.to_string().contains("has no row of person to go with"), "{refused}");
            }
        }
    }

    const CUT: &str = "[[map]]\nop = \"split_table\"\ntable = \"address\"\ninto = \"street\"\ncolumns = [\"nr\"]\n\
                       optional = true\n";

    /// Person, address, and what the second is cut into; `address` and `street` are their columns.
    fn chain(person: &str, address: &str, street: &str) -> String {
        let street = match street {
            "" => String::new(),
            street => format!(
                "[table.street]\nkey = [\"p\"]\nparents = [{{ columns = [\"p\"], table = \"address\" }}]\n\
                 [table.street.columns]\np = \"int\"\n{street}"
            ),
        };
        format!("{}{street}", tables(person, address))
    }

    #[test]
    fn a_column_moves_to_a_table_that_is_itself_the_head_of_another() {
        let nr = "nr = { type = \"text\", null = true }\n";
        let one = chain(NULL, nr, "");
        let (two, three) = (chain(NULL, "", nr), chain("", NULL, nr));
        Pair::of(set_of(&[(&one, ""), (&two, CUT), (&three, OUT)]).expect("a good set")).holds_its_laws();
    }

    #[test]
    fn what_a_head_keeps_of_a_moved_column_is_forgotten_once_a_row_beside_comes() {
        let one = "[table.person]\nkey = [\"id\"]\n[table.person.columns]\nid = \"int\"\nname = \"text\"\n\
                   town = { type = \"text\", null = true }\nfax = { type = \"text\", null = true }\n";
        let split = "[[map]]\nop = \"split_table\"\ntable = \"person\"\ninto = \"address\"\ncolumns = [\"town\", \"fax\"]\n";
        let two = "[table.person]\nkey = [\"id\"]\n[table.person.columns]\nid = \"int\"\nname = \"text\"\n\
                   [table.address]\nkey = [\"id\"]\nparents = [{ columns = [\"id\"], table = \"person\" }]\n\
                   [table.address.columns]\nid = \"int\"\ntown = { type = \"text\", null = true }\n\
                   fax = { type = \"text\", null = true }\n";
        let three = two.replace("name = \"text\"\n", &format!("name = \"text\"\n{NULL}"));
        let three = three.trim_end_matches(NULL);
        Pair::of(set_of(&[(one, ""), (two, split), (three, IN)]).expect("a good set")).holds_its_laws();
    }

    #[test]
    fn what_cannot_move_is_told() {
        let alone =
            |text: String| text.replace("parents = [{ columns = [\"p\"], table = \"person\" }]\n", "");
        let (one, two) = (alone(tables(NULL, "")), alone(tables("", NULL)));
        let fault = set_of(&[(&one, ""), (&two, OUT)]).expect_err("a fault");
        assert!(fault.message.contains("the key of the one is a reference to the other"), "{fault}");
        let fault = set_of(&[(&tables(FAX, ""), ""), (&tables("", FAX), OUT)]).expect_err("a fault");
        assert!(fault.message.contains("give the default"), "{fault}");
    }
}
