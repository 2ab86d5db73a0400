//! The declared operations, one a file. To add one: a file, a line in `read`, a paragraph in `docs/schema-sets.md`.
//!
//! An operation is pure and total: it carries a change whole, or says why it cannot; it never rounds, guesses or drops
//! without keeping. Names are those at its place in the mapping, after the operations before it.

mod add_column;
mod allow_null;
mod ask_code;
mod change_type;
mod compute;
pub(crate) mod constraints;
mod drop_column;
mod exchange;
mod hidden;
mod joined;
mod joined_sql;
mod local_time_sql;
mod local_time_to_utc;
mod map_values;
mod merge_columns;
mod rename_column;
mod rename_table;
mod reorder_columns;
mod require_column;
mod set_constant;
mod split_column;
pub(crate) mod tables;
#[cfg(test)]
pub(crate) mod testing;

use std::fmt;

use journal_core::model::{Column, Name, Row, SchemaVersion, Table, Type, Value};

pub(crate) use self::ask_code::AskCode;
use crate::ddl::Dialect;
use crate::ddl::views::ViewColumns;
use crate::error::{CannotMap, SetError};
use crate::image::Image;
use crate::loss::Loss;
use crate::set::check::{check_column_name, check_table_name};
use crate::set::reader::Fields;

/// The names of all operations, for messages.
const KNOWN: &str = "rename_table, rename_column, add_column, drop_column, split_column, merge_columns, change_type, \
                     require_column, allow_null, map_values, set_constant, reorder_columns, \
                     compute, local_time_to_utc";

/// One declared operation on one table.
///
/// `up` and `down` get inserts, updates, deletes and adds, never upserts or calls. `given` is the complement of an
/// existing row: the operation takes out the cells that are its own, used or not, and leaves the others.
pub(crate) trait Operation: fmt::Debug + Send + Sync {
    /// To the newer version.
    fn up(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap>;
    /// To the older version.
    fn down(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap>;
    /// The way down for a view: replaces the newer columns by expressions for the older ones.
    fn down_sql(&self, columns: &mut ViewColumns, dialect: Dialect);
    /// Which columns become which, and what is kept of them.
    fn lineage(&self) -> Lineage;
    /// The newer column that is filled by an ask code.
    fn ask(&self) -> Option<AskCode> {
        None
    }
    /// What it drops for good, by the set's own word.
    fn loss(&self) -> Option<&Loss> {
        None
    }
}

/// What an operation does to columns. Those it does not name pass unchanged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lineage {
    /// Columns of the older side that become those of the newer.
    pub(crate) older: Vec<Name>,
    /// Columns of the newer side.
    pub(crate) newer: Vec<Name>,
    /// Complement cells that the way up keeps, valid while the newer columns stay as they are.
    pub(crate) kept_up: Vec<Name>,
    /// Complement cells that the way down keeps, valid while the older columns stay as they are.
    pub(crate) kept_down: Vec<Name>,
}

/// Reads the operation named `name` and applies it to the table as it stands so far.
pub(crate) fn read(name: &str, arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    match name {
        "rename_table" => rename_table::read(arguments),
        "rename_column" => rename_column::read(arguments),
        "add_column" => add_column::read(arguments),
        "drop_column" => drop_column::read(arguments),
        "split_column" => split_column::read(arguments),
        "merge_columns" => merge_columns::read(arguments),
        "change_type" => change_type::read(arguments),
        "require_column" => require_column::read(arguments),
        "allow_null" => allow_null::read(arguments),
        "map_values" => map_values::read(arguments),
        "set_constant" => set_constant::read(arguments),
        "local_time_to_utc" => local_time_to_utc::read(arguments),
        "compute" => compute::read(arguments),
        "reorder_columns" => reorder_columns::read(arguments),
        _ => constraints::read(name, arguments).unwrap_or_else(|| {
            let (tables, constraints) = (tables::KNOWN, constraints::KNOWN);
            let known = format!("{KNOWN}, {tables}, {constraints}");
            Err(arguments.fields.fault(format!("there is no operation {name:?}; known are {known}")))
        }),
    }
}

/// What an operation reads, and the table it changes.
#[derive(Debug)]
pub(crate) struct Arguments<'a> {
    /// The operation's keys.
    pub(crate) fields: Fields<'a>,
    /// The newer version of the step.
    pub(crate) version: SchemaVersion,
    /// The table as it stands before the operation; afterwards as the operation leaves it.
    pub(crate) table: Table,
}

impl Arguments<'_> {
    /// A column that must exist.
    fn column(&mut self, key: &str) -> Result<Column, SetError> {
        let name = self.fields.required(key)?.text(key)?;
        self.existing(name)
    }

    fn existing(&self, name: &str) -> Result<Column, SetError> {
        self.table.column(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.table.columns.iter().map(|column| column.name.as_ref()).collect();
            self.fields.fault(format!(
                "at this place of the mapping table {} has no column {name:?}; it has {}",
                self.table.name,
                known.join(", ")
            ))
        })
    }

    /// A column that must exist and not be of the key.
    fn plain_column(&mut self, key: &str) -> Result<Column, SetError> {
        let column = self.column(key)?;
        self.not_key(&column.name)?;
        Ok(column)
    }

    fn not_key(&self, name: &Name) -> Result<(), SetError> {
        if self.table.key.contains(name) {
            return Err(self.fields.fault(format!(
                "{name} is of the key of {}; key columns can be renamed and change their type, nothing else",
                self.table.name
            )));
        }
        Ok(())
    }

    /// A column name that must be free.
    fn new_column(&mut self, key: &str) -> Result<Name, SetError> {
        let node = self.fields.required(key)?;
        let name = node.text(key)?;
        self.free(name).map_err(|message| node.fault(message))
    }

    fn free(&self, name: &str) -> Result<Name, String> {
        check_column_name(name)?;
        match self.table.column(name) {
            None => Ok(name.into()),
            Some(_) => Err(format!("table {} has a column {name:?} already", self.table.name)),
        }
    }

    /// A new name for the table.
    fn table_name(&mut self, key: &str) -> Result<Name, SetError> {
        let node = self.fields.required(key)?;
        let name = node.text(key)?;
        check_table_name(name).map_err(|message| node.fault(message))?;
        Ok(name.into())
    }

    fn ty(&mut self, key: &str) -> Result<Option<Type>, SetError> {
        self.fields.optional(key).map(|node| node.ty(key)).transpose()
    }

    fn value(&mut self, key: &str, ty: Type) -> Result<Option<Value>, SetError> {
        self.fields.optional(key).map(|node| node.value(key, ty)).transpose()
    }

    /// Takes a column out of the table. No constraint may need it.
    fn take_out(&mut self, name: &Name) -> Result<(), SetError> {
        if let Some(user) = constraints::user_of(&self.table, name) {
            return Err(self.fields.fault(format!("{name} is of {user}")));
        }
        self.table.columns.retain(|column| column.name != *name);
        Ok(())
    }

    /// Changes the table's column of that name.
    fn change(&mut self, name: &Name, change: impl FnOnce(&mut Column)) {
        if let Some(column) = self.table.columns.iter_mut().find(|column| column.name == *name) {
            change(column);
        }
    }
}

/// A delta that meets an operation which must read the value it is added to: the row tells it.
fn delta_needs_row(image: &Image, column: &Name, what: &str) -> Result<(), CannotMap> {
    if image.change.op == journal_core::model::Op::Add && image.change.cells.contains(column) {
        let reason = format!("{what}, so what a delta makes of it is seen on the row alone");
        return Err(CannotMap::needs_row(&image.change.entity, column, reason));
    }
    Ok(())
}
