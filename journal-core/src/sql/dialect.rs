//! What differs between databases in SQL text.

use std::fmt;

/// The SQL a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite 3.51 or newer.
    Sqlite,
    /// PostgreSQL 13 or newer.
    Postgres,
    /// MariaDB 10.6 or newer, and MySQL 8.0.23 or newer. One text serves both: what only one of them reads stands in a
    /// comment that the other skips.
    MariaDb,
}

/// What MariaDB and MySQL each call the collation that compares texts byte by byte, blanks at the end included.
pub const BYTEWISE: &str = "/*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */";

/// MySQL's older list, of MariaDB's name, fails while a session has a statement that is no text throughout.
const PROCESSLIST: &str = "/*M! information_schema.processlist */ /*!80022 performance_schema.processlist */";

impl Dialect {
    /// The statement for this database. `{d}` becomes the prefix of Daybook's own tables, `{bigint}` the type to which CAST
    /// makes a whole number of 64 bits; on MariaDB `{bytewise}` becomes [`BYTEWISE`] and `{processlist}` the list of sessions;
    /// `{for_update}` and `{for_share}` become row locks where the database has them
    /// (SQLite's writer lock is held already).
    pub fn render(self, template: &str) -> String {
        let (prefix, bigint, for_update, for_share) = match self {
            Self::Sqlite => ("daybook_", "bigint", "", ""),
            Self::Postgres => ("daybook.", "bigint", " FOR UPDATE", " FOR SHARE"),
            // As both MariaDB and MySQL say it.
            Self::MariaDb => ("daybook_", "SIGNED", " FOR UPDATE", " LOCK IN SHARE MODE"),
        };
        let text = template.replace("{d}", prefix).replace("{bigint}", bigint);
        let text = text.replace("{for_update}", for_update).replace("{for_share}", for_share);
        match self {
            Self::Sqlite | Self::Postgres => text,
            Self::MariaDb => text.replace("{bytewise}", BYTEWISE).replace("{processlist}", PROCESSLIST),
        }
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
