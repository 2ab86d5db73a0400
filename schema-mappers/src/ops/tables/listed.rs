//! A list in a text column on the one side, a row for each of its parts on the other: the core of `list_to_rows` and
//! `rows_to_list`, which are each other's way back.
//!
//! Rows are told by their position in the list, or by their value, and then a list has each part once. What would not come
//! back is kept: a list in another spelling, and rows that the list does not spell.

use std::collections::BTreeMap;

use journal_core::model::{Name, Row, SchemaVersion, Type, Value};

use crate::complement::cell;
use crate::error::{CannotMap, SetError};
use crate::group::{Followed, GroupRow};
use crate::set::reader::Fields;

#[derive(Debug, Clone)]
pub(super) struct Listed {
    /// The table with the list.
    pub(super) root: Name,
    /// The table with a row for each part.
    pub(super) member: Name,
    /// The root's key columns, and those of the member that hold them.
    pub(super) key: Vec<(Name, Name)>,
    /// The column with the list.
    pub(super) list: Name,
    pub(super) list_type: Type,
    pub(super) nullable: bool,
    /// The column with a part, which completes the member's key where there is no position.
    pub(super) value: Name,
    pub(super) value_type: Type,
    pub(super) position: Option<Name>,
    pub(super) separator: String,
    /// Keeps the list as it was spelt.
    pub(super) whole: Name,
    /// Keeps, as a prefix, rows that the list does not spell, and what is kept of rows.
    pub(super) mark: Name,
}

/// A row of the member: its position from 1 (0 without), and its value.
type Part = (i64, String);

impl Listed {
    pub(super) fn cells(version: SchemaVersion, list: &str, member: &str) -> (Name, Name) {
        (cell(version, list), cell(version, &format!("{member}/")))
    }

    /// Towards the side with rows.
    pub(super) fn spread(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        let mut members = Vec::new();
        for row in rows.iter_mut().filter(|row| row.table == self.root) {
            row.given.remove(&self.whole);
            let mut kept = self.kept_rows(row.unwrap_cells(&self.mark));
            let list = row.take(&self.list);
            let parts = match self.join(kept.keys()) == list {
                true => kept.keys().cloned().collect(),
                false => self.parse(&list),
            };
            if self.join(parts.iter()) != list {
                row.kept.set(self.whole.clone(), list);
            }
            for part in parts {
                let given = kept.remove(&part).unwrap_or_default();
                members.push(self.member_row(&row.row, part, given)?);
            }
        }
        rows.extend(members);
        Ok(())
    }

    fn member_row(&self, root: &Row, (position, value): Part, given: Row) -> Result<GroupRow, CannotMap> {
        let value = Value::Text(value);
        if !self.value_type.holds(&value) {
            let reason =
                format!("one of its parts does not fit {}.{}, {}", self.member, self.value, self.value_type);
            return Err(CannotMap::column(&self.root, &self.list, reason));
        }
        let key = self
            .key
            .iter()
            .map(|(root_name, member)| (member.clone(), root.get(root_name).cloned().unwrap_or(Value::Null)));
        let mut row: Row = key.collect();
        row.set(self.value.clone(), value);
        if let Some(name) = &self.position {
            row.set(name.clone(), position);
        }
        Ok(GroupRow { given, ..GroupRow::new(self.member.clone(), row) })
    }

    /// Towards the side with the list.
    pub(super) fn gather(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap> {
        let (members, others): (Vec<_>, Vec<_>) =
            std::mem::take(rows).into_iter().partition(|row| row.table == self.member);
        *rows = others;
        let mut lists: BTreeMap<Vec<Value>, BTreeMap<Part, Row>> = BTreeMap::new();
        for mut member in members {
            let key = self
                .key
                .iter()
                .map(|(_, name)| member.row.get(name).cloned().unwrap_or(Value::Null))
                .collect();
            let part = self.part(&mut member)?;
            lists.entry(key).or_default().insert(part, member.take_cells());
        }
        for row in rows.iter_mut().filter(|row| row.table == self.root) {
            let key: Vec<Value> =
                self.key.iter().map(|(name, _)| row.row.get(name).cloned().unwrap_or(Value::Null)).collect();
            let parts = lists.remove(&key).unwrap_or_default();
            let kept = row.given.remove(&self.whole);
            let spelt = |list: &Value| self.parse(list).iter().eq(parts.keys());
            let list = match kept.filter(spelt) {
                Some(kept) => kept,
                None => self.join(parts.keys()),
            };
            if !list.is_null() && !self.list_type.holds(&list) {
                let reason = format!(
                    "the list of its rows does not fit {}.{}, {}",
                    self.root, self.list, self.list_type
                );
                return Err(CannotMap::column(&self.member, &self.value, reason));
            }
            if !spelt(&list) || parts.values().any(|cells| !cells.is_empty()) {
                self.keep_rows(row, &parts);
            }
            row.row.set(self.list.clone(), list);
        }
        match lists.is_empty() {
            true => Ok(()),
            false => {
                let reason = format!("a row of it has no row of {} to go with", self.root);
                Err(CannotMap::change(&self.member, reason))
            }
        }
    }

    fn part(&self, member: &mut GroupRow) -> Result<Part, CannotMap> {
        let position = match self.position.as_ref().map(|name| member.take(name)) {
            None => 0,
            Some(Value::Int(position)) => position,
            Some(_) => return Err(CannotMap::change(&self.member, "its position is no number")),
        };
        match member.take(&self.value) {
            Value::Text(value) => Ok((position, value)),
            _ => Err(CannotMap::column(&self.member, &self.value, "it is no text that a list could hold")),
        }
    }

    /// Keeps rows: for the n-th its position, its value, and its own kept cells.
    fn keep_rows(&self, root: &mut GroupRow, parts: &BTreeMap<Part, Row>) {
        for (at, ((position, value), cells)) in parts.iter().enumerate() {
            root.kept.set(format!("{}{at}/nr", self.mark), *position);
            root.kept.set(format!("{}{at}/value", self.mark), value.as_str());
            root.wrap(&format!("{}{at}//", self.mark), cells.clone());
        }
    }

    fn kept_rows(&self, cells: Row) -> BTreeMap<Part, Row> {
        let mut parts: BTreeMap<usize, (Part, Row)> = BTreeMap::new();
        for (name, value) in cells.iter() {
            let Some((at, rest)) = name.split_once('/') else { continue };
            let Ok(at) = at.parse() else { continue };
            let (part, own) = parts.entry(at).or_default();
            match (rest, value) {
                ("nr", Value::Int(position)) => part.0 = *position,
                ("value", Value::Text(value)) => part.1 = value.clone(),
                (rest, value) => {
                    if let Some(name) = rest.strip_prefix('/') {
                        own.set(name, value.clone());
                    }
                }
            }
        }
        parts.into_values().collect()
    }

    /// The parts of a list, in order, each once where values tell them apart.
    fn parse(&self, list: &Value) -> Vec<Part> {
        let Value::Text(text) = list else { return Vec::new() };
        if text.is_empty() {
            return Vec::new();
        }
        let mut parts: Vec<Part> = (1..).zip(text.split(&self.separator).map(str::to_owned)).collect();
        if self.position.is_none() {
            parts.iter_mut().for_each(|part| part.0 = 0);
            parts.sort_unstable();
            parts.dedup();
        }
        parts
    }

    /// The list of some rows.
    fn join<'p>(&self, parts: impl Iterator<Item = &'p Part>) -> Value {
        let values: Vec<&str> = parts.map(|(_, value)| value.as_str()).collect();
        match values.is_empty() && self.nullable {
            true => Value::Null,
            false => Value::Text(values.join(&self.separator)),
        }
    }

    pub(super) fn follow_spread(&self, table: &Name, column: &Name) -> Vec<Followed> {
        if *table != self.root || *column != self.list {
            return Followed::stays(table, column);
        }
        let parts = self.position.iter().chain([&self.value]);
        parts.flat_map(|part| Followed::moves(&self.member, part)).collect()
    }

    pub(super) fn follow_gather(&self, table: &Name, column: &Name) -> Vec<Followed> {
        if *table != self.member {
            return Followed::stays(table, column);
        }
        match self.key.iter().find(|(_, member)| member == column) {
            Some((root, _)) => Followed::moves(&self.root, root),
            None => Followed::moves(&self.root, &self.list),
        }
    }
}

/// Reads the separator. Views find it in JSON as well, so it has nothing that JSON writes otherwise.
pub(super) fn separator(fields: &mut Fields<'_>) -> Result<String, SetError> {
    let node = fields.required("separator")?;
    let text = node.text("separator")?;
    let plain = |character: char| {
        !character.is_alphanumeric() && !character.is_control() && !"\"\\".contains(character)
    };
    if text.is_empty() || !text.chars().all(plain) {
        return Err(node.fault(
            "separator must be of characters such as , ; | or a blank: no letter, digit, quote, backslash or control character",
        ));
    }
    Ok(text.to_owned())
}
