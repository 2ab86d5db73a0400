//! Parameters and records: the few kinds of cells that cross the seam.

use sqlx::{Row as _, ValueRef as _};
use uuid::Uuid;

use super::error::SqlError;

/// A bound parameter. `None` is a NULL of that kind: PostgreSQL fixes a prepared statement's types at its first use, so
/// NULLs are typed too.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the kinds are plain")]
pub enum Param {
    Bool(Option<bool>),
    I64(Option<i64>),
    F64(Option<f64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Uuid(Option<Uuid>),
    /// An array: parameters of one kind, at least one. PostgreSQL only.
    List(Vec<Param>),
}

impl Param {
    /// Bytes of a value that has many; 0 for the rest.
    pub fn bytes_len(&self) -> usize {
        match self {
            Self::Text(Some(text)) => text.len(),
            Self::Bytes(Some(bytes)) => bytes.len(),
            _ => 0,
        }
    }
}

impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Self::I64(Some(value))
    }
}
impl From<bool> for Param {
    fn from(value: bool) -> Self {
        Self::Bool(Some(value))
    }
}
impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}
impl From<String> for Param {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}
impl From<Vec<u8>> for Param {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Some(value))
    }
}
impl From<&[u8]> for Param {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(Some(value.to_vec()))
    }
}
impl From<Uuid> for Param {
    fn from(value: Uuid) -> Self {
        Self::Uuid(Some(value))
    }
}

/// One row of a result. Columns are asked for by place and kind; another kind than the statement gives is an error.
#[derive(Debug)]
pub struct Record(pub(super) Inner);

pub(super) enum Inner {
    Sqlite(sqlx::sqlite::SqliteRow),
    Postgres(sqlx::postgres::PgRow),
    MariaDb(sqlx::mysql::MySqlRow),
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("row") // Its content is user data and stays out of logs.
    }
}

macro_rules! cell {
    ($(#[$doc:meta])* $name:ident, $opt:ident, $kind:ty) => {
        $(#[$doc])*
        pub fn $name(&self, at: usize) -> Result<$kind, SqlError> {
            match &self.0 {
                Inner::Sqlite(row) => row.try_get(at),
                Inner::Postgres(row) => row.try_get(at),
                Inner::MariaDb(row) => row.try_get(at),
            }
            .map_err(SqlError::from)
        }

        /// The same, where NULL is `None`.
        pub fn $opt(&self, at: usize) -> Result<Option<$kind>, SqlError> {
            match &self.0 {
                Inner::Sqlite(row) => row.try_get(at),
                Inner::Postgres(row) => row.try_get(at),
                Inner::MariaDb(row) => row.try_get(at),
            }
            .map_err(SqlError::from)
        }
    };
}

impl Record {
    cell!(
        /// A whole number (PostgreSQL: `bigint`; MariaDB: any that has a sign).
        i64, opt_i64, i64
    );
    cell!(
        /// A truth value.
        bool, opt_bool, bool
    );
    cell!(
        /// A float.
        f64, opt_f64, f64
    );
    cell!(
        /// A text.
        text, opt_text, String
    );
    cell!(
        /// Bytes.
        bytes, opt_bytes, Vec<u8>
    );
    cell!(
        /// A UUID (SQLite and MariaDB: 16 bytes).
        uuid, opt_uuid, Uuid
    );

    /// A text, borrowed from the row: for cells that are compared more often than kept.
    pub fn text_ref(&self, at: usize) -> Result<&str, SqlError> {
        match &self.0 {
            Inner::Sqlite(row) => row.try_get(at),
            Inner::Postgres(row) => row.try_get(at),
            Inner::MariaDb(row) => row.try_get(at),
        }
        .map_err(SqlError::from)
    }

    /// Bytes, borrowed from the row.
    pub fn bytes_ref(&self, at: usize) -> Result<&[u8], SqlError> {
        match &self.0 {
            Inner::Sqlite(row) => row.try_get(at),
            Inner::Postgres(row) => row.try_get(at),
            Inner::MariaDb(row) => row.try_get(at),
        }
        .map_err(SqlError::from)
    }

    /// Whether a cell is NULL.
    pub fn is_null(&self, at: usize) -> Result<bool, SqlError> {
        match &self.0 {
            Inner::Sqlite(row) => row.try_get_raw(at).map(|value| value.is_null()),
            Inner::Postgres(row) => row.try_get_raw(at).map(|value| value.is_null()),
            Inner::MariaDb(row) => row.try_get_raw(at).map(|value| value.is_null()),
        }
        .map_err(SqlError::from)
    }
}
