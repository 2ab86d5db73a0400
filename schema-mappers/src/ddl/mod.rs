//! SQL text out of a schema set: the tables of a version and the views through which older versions read them.
//! Writes text only; running it is the applier's affair.

pub(crate) mod order;
mod postgres;
pub(crate) mod quote;
mod sqlite;
pub(crate) mod views;

use std::fmt;

use journal_core::model::{Schema, SchemaVersion, Table};

use crate::set::{SchemaSet, Version};

/// A kind of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite from 3.37 (STRICT tables).
    Sqlite,
    /// PostgreSQL from 13.
    Postgres,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        })
    }
}

/// The statements that create the tables of a version, parents before children, with their keys and indexes. Names are
/// unqualified. Where the version has a file `ddl.sqlite.sql` or `ddl.postgres.sql`, its text stands there as one
/// element, with however many statements it has: run it without preparing.
pub fn create_tables(version: &Version, dialect: Dialect) -> Vec<String> {
    if let Some(text) = version.ddl(dialect) {
        return vec![text.to_owned()];
    }
    let schema = version.schema();
    let create = match dialect {
        Dialect::Sqlite => sqlite::create_table,
        Dialect::Postgres => postgres::create_table,
    };
    tables_in_order(schema).into_iter().flat_map(|table| create(schema, table)).collect()
}

/// The statements that create, on a ledger at `ledger_version`, the views of every version up to it; in their order.
/// PostgreSQL: schema `v1` and so on, with the tables' names of that version; SQLite: `name_v1`. The views of the
/// ledger's own version read its tables, all others those of the version above. `None` when the set lacks the version.
///
/// Views know no complement: a dropped column shows its default, and a value that the older type cannot hold exactly
/// shows as NULL, never rounded.
pub fn views(set: &SchemaSet, ledger_version: SchemaVersion, dialect: Dialect) -> Option<Vec<String>> {
    views::create(set, ledger_version, dialect)
}

/// The statements that drop what [`views`] of the same arguments created, in their order. Views that are not there
/// are passed over; PostgreSQL's schemas stay, since others may have put something into them.
pub fn drop_views(set: &SchemaSet, ledger_version: SchemaVersion, dialect: Dialect) -> Option<Vec<String>> {
    views::drop(set, ledger_version, dialect)
}

/// The name under which a version's view of a table is read, quoted: `"v1"."name"`, `"name_v1"`.
pub fn view_name(version: SchemaVersion, table: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => quote::ident(&format!("{table}_v{version}")),
        Dialect::Postgres => format!("{}.{}", quote::ident(&format!("v{version}")), quote::ident(table)),
    }
}

/// The tables of a schema of a loaded set, each after all its parents (a table that is its own parent stands by
/// itself), and by name where parents leave it open. Inserts go in this order, deletes against it.
pub fn tables_in_order(schema: &Schema) -> Vec<&Table> {
    order::parents_first(schema)
}

/// The names of a foreign key's columns as an index would have them, unless the table's key or a unique key begins
/// with them and so serves already.
fn needs_index(table: &Table, columns: &[journal_core::model::Name]) -> bool {
    !table.key.starts_with(columns) && !table.unique.iter().any(|unique| unique.starts_with(columns))
}

/// A generated name for a constraint or an index. Holds the version, because a reshape has the tables of two versions
/// side by side, and SQLite's indexes share one space of names.
fn object_name(schema: &Schema, table: &Table, columns: &[journal_core::model::Name], kind: &str) -> String {
    /// PostgreSQL cuts longer names in silence.
    const NAME_BYTES_MAX: usize = 63;
    let tail = format!("_{kind}_v{}", schema.version);
    let mut name = format!("{}_{}", table.name, columns.join("_"));
    if name.len() + tail.len() > NAME_BYTES_MAX {
        use sha2::{Digest, Sha256};
        let hash: String =
            Sha256::digest(name.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        name.truncate(NAME_BYTES_MAX - tail.len() - hash.len() - 1);
        name = format!("{name}_{hash}");
    }
    name + &tail
}
