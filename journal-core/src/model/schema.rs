//! One version of an application's schema, in logical types: what client and engine check changes against.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::row::Name;
use super::site::SchemaVersion;

mod column_type;
mod fits;
mod table;

pub use column_type::{Type, UnknownType};
pub use fits::ChangeError;
pub use table::{Check, Column, Index, Parent, Table};

/// A named business operation and its arguments; a mapper turns calls of it into rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its name.
    pub name: Name,
    /// Its arguments.
    pub arguments: Vec<Column>,
}

/// One version of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Which one.
    pub version: SchemaVersion,
    /// Its tables by name.
    pub tables: BTreeMap<Name, Table>,
    /// Its business operations by name.
    #[serde(default)]
    pub operations: BTreeMap<Name, Operation>,
}

impl Schema {
    /// Gives its names the texts that they share with those of other schemas and of rows that are read: they are found equal
    /// without a look at them. A text stays in memory as long as the process.
    pub fn share_names(&mut self) {
        for (_, mut table) in std::mem::take(&mut self.tables) {
            table.share_names();
            self.tables.insert(table.name.clone(), table);
        }
    }
}
