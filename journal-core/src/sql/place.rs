//! Where statements on a ledger run, as far as their text depends on it.

use super::dialect::Dialect;
use crate::model::SchemaVersion;

/// The SQL of a database, and on MariaDB its name: the views of each version are in databases named after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    dialect: Dialect,
    database: String,
}

impl Place {
    /// A SQLite file.
    pub fn sqlite() -> Self {
        Self { dialect: Dialect::Sqlite, database: String::new() }
    }

    /// A PostgreSQL database, whatever its name: schemas are its own.
    pub fn postgres() -> Self {
        Self { dialect: Dialect::Postgres, database: String::new() }
    }

    /// A MariaDB database of a name.
    pub fn mariadb(database: impl Into<String>) -> Self {
        Self { dialect: Dialect::MariaDb, database: database.into() }
    }

    /// The SQL there.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// MariaDB: the database's name. Elsewhere empty.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The schema (PostgreSQL) or the database (MariaDB) that holds a version's views; `None` where they stand among the
    /// tables, under names of their own.
    pub fn views_of(&self, version: SchemaVersion) -> Option<String> {
        match self.dialect {
            Dialect::Sqlite => None,
            Dialect::Postgres => Some(format!("v{version}")),
            Dialect::MariaDb => Some(format!("{}_v{version}", self.database)),
        }
    }
}
