//! Some columns of a table on the one side, a table beside it on the other, with at most one row for each row of the
//! first: the core of `split_table` and `merge_tables`, which are each other's way back.
//!
//! A missing row beside shows as *empty* values in the columns. Whether the columns' being empty means no row or a row of
//! empty values is what `optional` says; the other case is kept as a mark.

use std::collections::BTreeMap;

use journal_core::model::{Name, Row, SchemaVersion, Type, Value};

use crate::complement::cell;
use crate::error::{CannotMap, SetError};
use crate::group::{Followed, GroupRow};
use crate::set::reader::Fields;

/// A column that stands in the one table or in the other.
#[derive(Debug, Clone)]
pub(super) struct Moving {
    pub(super) name: Name,
    pub(super) ty: Type,
    /// Whether it may be NULL in the table beside.
    pub(super) nullable: bool,
    /// What stands for it where there is no row beside.
    pub(super) empty: Value,
}

#[derive(Debug, Clone)]
pub(super) struct Beside {
    /// The table with all columns on the one side and the rest of them on the other.
    pub(super) root: Name,
    /// The table beside it.
    pub(super) member: Name,
    /// The root's key columns, and the member's.
    pub(super) key: Vec<(Name, Name)>,
    pub(super) columns: Vec<Moving>,
    /// Whether empty columns mean that there is no row beside.
    pub(super) optional: bool,
    /// Tells, as true or false, that there is a row of empty values, or none, against what `optional` says.
    pub(super) mark: Name,
}

impl Beside {
    /// The name of the mark; the member's own cells are kept under it as a prefix.
    pub(super) fn mark(version: SchemaVersion, member: &str) -> Name {
        cell(version, &format!("{member}/"))
    }

    /// Towards the side with two tables.
    pub(super) fn apart(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        let mut members = Vec::new();
        for row in rows.iter_mut().filter(|row| row.table == self.root) {
            let mark = row.given.remove(&self.mark);
            let cells = row.unwrap_cells(&self.mark);
            let values: Vec<Value> = self.columns.iter().map(|column| row.take(&column.name)).collect();
            let there = !self.is_empty(&values)
                || match mark {
                    Some(Value::Bool(there)) => there,
                    _ => !self.optional,
                };
            if there {
                self.check_filled(&values)?;
                let key = self.key.iter().map(|(root, member)| {
                    (member.clone(), row.row.get(root).cloned().unwrap_or(Value::Null))
                });
                let mut member = GroupRow::new(self.member.clone(), key.collect());
                member.row.extend(self.columns.iter().map(|column| column.name.clone()).zip(values));
                member.given = cells;
                members.push(member);
            }
        }
        rows.extend(members);
        Ok(())
    }

    /// Towards the side with one table.
    pub(super) fn together(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        let (members, others): (Vec<_>, Vec<_>) =
            std::mem::take(rows).into_iter().partition(|row| row.table == self.member);
        *rows = others;
        let key = |row: &Row, names: &mut dyn Iterator<Item = &Name>| -> Vec<Value> {
            names.map(|name| row.get(name).cloned().unwrap_or(Value::Null)).collect()
        };
        let mut members: BTreeMap<Vec<Value>, GroupRow> = members
            .into_iter()
            .map(|row| (key(&row.row, &mut self.key.iter().map(|(_, member)| member)), row))
            .collect();
        for row in rows.iter_mut().filter(|row| row.table == self.root) {
            let member = members.remove(&key(&row.row, &mut self.key.iter().map(|(root, _)| root)));
            let there = member.is_some();
            let values: Vec<Value> = match member {
                Some(mut member) => {
                    row.wrap(&self.mark, member.take_cells());
                    self.columns.iter().map(|column| member.take(&column.name)).collect()
                }
                None => self.columns.iter().map(|column| column.empty.clone()).collect(),
            };
            if self.is_empty(&values) && there == self.optional {
                row.kept.set(self.mark.clone(), there);
            }
            row.row.extend(self.columns.iter().map(|column| column.name.clone()).zip(values));
        }
        match members.into_keys().next() {
            None => Ok(()),
            Some(_) => {
                let reason = format!("a row of it has no row of {} to go with", self.root);
                Err(CannotMap::change(&self.member, reason))
            }
        }
    }

    /// A row beside has a value wherever its table wants one.
    fn check_filled(&self, values: &[Value]) -> Result<(), CannotMap> {
        let missing =
            self.columns.iter().zip(values).find(|(column, value)| value.is_null() && !column.nullable);
        let Some((column, _)) = missing else { return Ok(()) };
        let reason = format!(
            "it may not be null in {} of another version, where this row has other columns filled",
            self.member
        );
        Err(CannotMap::column(&self.root, &column.name, reason))
    }

    /// Whether empty columns can only mean that there is no row: one of them may not be NULL beside.
    pub(super) fn must_be_optional(columns: &[Moving]) -> bool {
        columns.iter().any(|column| column.empty.is_null() && !column.nullable)
    }

    fn is_empty(&self, values: &[Value]) -> bool {
        self.columns.iter().zip(values).all(|(column, value)| column.empty == *value)
    }

    pub(super) fn names(&self) -> Vec<Name> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// Where a column goes towards the side with two tables. Keys are in both.
    pub(super) fn follow_apart(&self, table: &Name, column: &Name) -> Vec<Followed> {
        if *table != self.root {
            return Followed::stays(table, column);
        }
        match self.columns.iter().any(|moving| moving.name == *column) {
            true => Followed::moves(&self.member, column),
            false => Followed::stays(table, column),
        }
    }

    /// Where a column goes towards the side with one table.
    pub(super) fn follow_together(&self, table: &Name, column: &Name) -> Vec<Followed> {
        if *table != self.member {
            return Followed::stays(table, column);
        }
        match self.key.iter().find(|(_, member)| member == column) {
            Some((root, _)) => Followed::moves(&self.root, root),
            None => Followed::moves(&self.root, column),
        }
    }
}

/// Reads `default`: what stands for columns of a table whose row is not there.
pub(super) fn empties(
    fields: &mut Fields<'_>,
    columns: &[(Name, Type)],
) -> Result<BTreeMap<Name, Value>, SetError> {
    let mut read = BTreeMap::new();
    let Some(node) = fields.optional("default") else { return Ok(read) };
    for (key, value) in node.table("default")? {
        let Some((name, ty)) = columns.iter().find(|(name, _)| name.as_ref() == key.name) else {
            let known: Vec<&str> = columns.iter().map(|(name, _)| name.as_ref()).collect();
            return Err(value.fault(format!(
                "default names {:?}, which is none of the columns that move: {}",
                key.name,
                known.join(", ")
            )));
        };
        read.insert(name.clone(), value.value("default", *ty)?);
    }
    Ok(read)
}

/// Reads `optional`.
pub(super) fn optional(fields: &mut Fields<'_>) -> Result<bool, SetError> {
    Ok(fields.optional("optional").map(|node| node.flag("optional")).transpose()?.unwrap_or(false))
}
