//! What differs between databases in SQL text.

use std::fmt;

/// The SQL a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite 3.51 or newer.
    Sqlite,
    /// PostgreSQL 13 or newer.
    Postgres,
}

impl Dialect {
    /// The statement for this database. `{d}` becomes the prefix of Daybook's own tables; `{for_update}` and
    /// `{for_share}` become row locks where the database has them (SQLite's writer lock is held already).
    pub fn render(self, template: &str) -> String {
        let (prefix, for_update, for_share) = match self {
            Self::Sqlite => ("daybook_", "", ""),
            Self::Postgres => ("daybook.", " FOR UPDATE", " FOR SHARE"),
        };
        template.replace("{d}", prefix).replace("{for_update}", for_update).replace("{for_share}", for_share)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// An identifier in double quotes, which both databases read. Identifiers come only from checked schema sets.
pub fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}
