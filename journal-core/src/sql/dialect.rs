//! What differs between databases in SQL text.

use std::fmt;

/// The SQL a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite 3.51 or newer.
    Sqlite,
    /// PostgreSQL 13 or newer.
    Postgres,
    /// MariaDB 10.6 or newer, and MySQL 8 where it reads the same.
    MariaDb,
}

impl Dialect {
    /// The statement for this database. `{d}` becomes the prefix of Daybook's own tables, `{bigint}` the type to which CAST
    /// makes a whole number of 64 bits; `{for_update}` and `{for_share}` become row locks where the database has them
    /// (SQLite's writer lock is held already).
    pub fn render(self, template: &str) -> String {
        let (prefix, bigint, for_update, for_share) = match self {
            Self::Sqlite => ("daybook_", "bigint", "", ""),
            Self::Postgres => ("daybook.", "bigint", " FOR UPDATE", " FOR SHARE"),
            // As both MariaDB and MySQL say it.
            Self::MariaDb => ("daybook_", "SIGNED", " FOR UPDATE", " LOCK IN SHARE MODE"),
        };
        let text = template.replace("{d}", prefix).replace("{bigint}", bigint);
        text.replace("{for_update}", for_update).replace("{for_share}", for_share)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
        })
    }
}

/// An identifier in double quotes, which all of them read. Identifiers come only from checked schema sets.
pub fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}
