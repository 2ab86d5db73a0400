//! `merge_tables`: a table that has at most one row for each row of another becomes columns of that.

use journal_core::model::{Column, Name, SchemaVersion, Table, Type, Value};

use super::Tied;
use super::beside::{Beside, Moving, empties, optional};
use super::beside_sql;
use crate::ddl::relations::Relations;
use crate::error::{CannotMap, SetError};
use crate::group::{Followed, GroupRow, Structure};
use crate::ops::constraints;
use crate::set::draft::Drafts;
use crate::set::reader::Fields;
use crate::step::Direction;

#[derive(Debug)]
struct MergeTables(Beside);

pub(super) fn read(
    fields: &mut Fields<'_>,
    drafts: &Drafts,
    version: SchemaVersion,
) -> Result<Tied, SetError> {
    let (root, mut table) = drafts.existing(fields, "table")?;
    let (member, from) = drafts.existing(fields, "from")?;
    let key = key(&table, &from).map_err(|message| fields.fault(message))?;
    let moved: Vec<Column> =
        from.columns.iter().filter(|column| !from.key.contains(&column.name)).cloned().collect();
    let types: Vec<(Name, Type)> = moved.iter().map(|column| (column.name.clone(), column.ty)).collect();
    let given = empties(fields, &types)?;
    let mut columns = Vec::new();
    for mut column in moved {
        if let Some(user) = constraints::user_of(&from, &column.name) {
            return Err(fields.fault(format!("{} is of {user}", column.name)));
        }
        if table.column(&column.name).is_some() {
            return Err(
                fields.fault(format!("both tables have a column {}; rename one of them first", column.name))
            );
        }
        let empty = given.get(&column.name).cloned();
        let nullable = column.nullable;
        // Without a row beside the column is NULL, unless something else is said to stand there.
        column.nullable |= empty.is_none();
        let empty = empty.unwrap_or(Value::Null);
        columns.push(Moving { name: column.name.clone(), ty: column.ty, nullable, empty });
        table.columns.push(column);
    }
    let mark = Beside::mark(version, &member);
    let optional = optional(fields)? || Beside::must_be_optional(&columns);
    let beside = Beside { root, member, key, columns, optional, mark };
    Ok(Tied { structure: Box::new(MergeTables(beside)), tables: vec![table] })
}

/// The key columns of both, which must be the same ones.
fn key(root: &Table, member: &Table) -> Result<Vec<(Name, Name)>, String> {
    let refers =
        |parent: &&journal_core::model::Parent| parent.table == root.name && parent.columns == member.key;
    if !member.parents.iter().any(|parent| refers(&parent)) {
        return Err(format!(
            "{} has one row at most for each row of {} only if its key ({}) refers to it; give it that reference in an earlier \
             version, or change its key first",
            member.name,
            root.name,
            member.key.join(", ")
        ));
    }
    let others =
        member.parents.iter().filter(|parent| !refers(parent) && member.key.starts_with(&parent.columns));
    if let Some(other) = others.into_iter().next() {
        return Err(format!(
            "the key of {} refers to {} as well; put a drop_reference before",
            member.name, other.table
        ));
    }
    Ok(root.key.iter().cloned().zip(member.key.iter().cloned()).collect())
}

impl Structure for MergeTables {
    fn older(&self) -> Vec<Name> {
        vec![self.0.root.clone(), self.0.member.clone()]
    }

    fn newer(&self) -> Vec<Name> {
        vec![self.0.root.clone()]
    }

    fn up(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        self.0.together(rows)
    }

    fn down(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        self.0.apart(rows)
    }

    fn follow(&self, direction: Direction, table: &Name, column: &Name) -> Vec<Followed> {
        match direction {
            Direction::Up => self.0.follow_together(table, column),
            Direction::Down => self.0.follow_apart(table, column),
        }
    }

    fn kept(&self, direction: Direction) -> Vec<Name> {
        if direction == Direction::Up { vec![self.0.mark.clone()] } else { Vec::new() }
    }

    fn fragile(&self, direction: Direction) -> Option<(Name, Vec<Name>)> {
        (direction == Direction::Down).then(|| (self.0.member.clone(), self.0.names()))
    }

    fn down_sql(&self, relations: &mut Relations) {
        beside_sql::apart(&self.0, relations);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Pair, set_of};

    const TWO: &str = "[table.person]\nkey = [\"id\"]\n[table.person.columns]\nid = \"int\"\nname = \"text\"\n\
                       [table.address]\nkey = [\"person\"]\nparents = [{ columns = [\"person\"], table = \"person\" }]\n\
                       [table.address.columns]\nperson = \"int\"\nstreet = \"text\"\n\
                       town = { type = \"text\", null = true }\n";
    const ONE: &str = "[table.person]\nkey = [\"id\"]\n[table.person.columns]\nid = \"int\"\nname = \"text\"\n\
                       street = \"text\"\ntown = { type = \"text\", null = true }\n";
    const MERGE: &str = "[[map]]\nop = \"merge_tables\"\ntable = \"person\"\nfrom = \"address\"\ndefault = { street = \"\" }\n";

    #[test]
    fn merging_tables_holds_the_laws() {
        let optional = format!("{MERGE}optional = true\n");
        let null = ONE.replace("street = \"text\"", "street = { type = \"text\", null = true }");
        let without = MERGE.replace("default = { street = \"\" }\n", "");
        for (one, merge) in [(ONE, MERGE), (ONE, &optional), (&null, &without)] {
            Pair::of(set_of(&[(TWO, ""), (one, merge)]).expect("a good set")).holds_its_laws();
        }
    }

    #[test]
    fn tables_can_be_merged_and_split_again() {
        let split = "[[map]]\nop = \"split_table\"\ntable = \"person\"\ninto = \"address\"\nkey = [\"person\"]\n\
                     columns = [\"street\", \"town\"]\ndefault = { street = \"-\" }\noptional = true\n";
        Pair::of(set_of(&[(TWO, ""), (ONE, MERGE), (TWO, split)]).expect("a good set")).holds_its_laws();
    }

    #[test]
    fn what_cannot_be_merged_is_told() {
        let fault = |two: &str, one: &str| set_of(&[(two, ""), (one, MERGE)]).expect_err("a fault");
        let alone =
            fault(&TWO.replace("parents = [{ columns = [\"person\"], table = \"person\" }]\n", ""), ONE);
        assert!(alone.message.contains("one row at most for each row of person"), "{alone}");
        let both = fault(&TWO.replace("name = \"text\"", "name = \"text\"\ntown = \"text\""), ONE);
        assert!(both.message.contains("both tables have a column town"), "{both}");
        let unique =
            fault(&TWO.replace("key = [\"person\"]", "key = [\"person\"]\nunique = [[\"street\"]]"), ONE);
        assert!(unique.message.contains("put a drop_unique before"), "{unique}");
    }
}
