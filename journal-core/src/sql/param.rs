//! Parameters and records: the few kinds of cells that cross the seam.

use std::borrow::Cow;

use sqlx::{Row as _, ValueRef as _};
use uuid::Uuid;

use super::error::{SqlClass, SqlError};

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
    /// An array. PostgreSQL only.
    List(List),
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

/// What a parameter is made of, and a cell of COPY: borrowed where it can be. A NULL is of a kind as well.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the kinds are plain")]
pub enum Cell<'v> {
    Bool(Option<bool>),
    I64(Option<i64>),
    F64(Option<f64>),
    Text(Option<Cow<'v, str>>),
    Bytes(Option<&'v [u8]>),
    Uuid(Option<Uuid>),
}

impl From<Cell<'_>> for Param {
    fn from(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Bool(value) => Self::Bool(value),
            Cell::I64(value) => Self::I64(value),
            Cell::F64(value) => Self::F64(value),
            Cell::Text(value) => Self::Text(value.map(Cow::into_owned)),
            Cell::Bytes(value) => Self::Bytes(value.map(<[u8]>::to_vec)),
            Cell::Uuid(value) => Self::Uuid(value),
        }
    }
}

/// The members of an array, all of one kind; at least one, since an array of nothing is of no kind.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the kinds are plain")]
pub enum List {
    Bool(Vec<Option<bool>>),
    I64(Vec<Option<i64>>),
    F64(Vec<Option<f64>>),
    Text(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Uuid(Vec<Option<Uuid>>),
}

impl List {
    /// An array of these, of the kind of the first.
    ///
    /// # Errors
    /// What a cell said, or that there is none, or that they are of several kinds.
    pub fn of<'v, E: From<SqlError>>(
        mut cells: impl Iterator<Item = Result<Cell<'v>, E>>,
    ) -> Result<Self, E> {
        let wrong = |what: &str| SqlError::new(SqlClass::Data, what);
        let first = cells.next().ok_or_else(|| wrong("an array of nothing"))??;
        let room = cells.size_hint().0 + 1;
        let mut list = match first {
            Cell::Bool(_) => Self::Bool(Vec::with_capacity(room)),
            Cell::I64(_) => Self::I64(Vec::with_capacity(room)),
            Cell::F64(_) => Self::F64(Vec::with_capacity(room)),
            Cell::Text(_) => Self::Text(Vec::with_capacity(room)),
            Cell::Bytes(_) => Self::Bytes(Vec::with_capacity(room)),
            Cell::Uuid(_) => Self::Uuid(Vec::with_capacity(room)),
        };
        for cell in std::iter::once(Ok(first)).chain(cells) {
            match (&mut list, cell?) {
                (Self::Bool(list), Cell::Bool(value)) => list.push(value),
                (Self::I64(list), Cell::I64(value)) => list.push(value),
                (Self::F64(list), Cell::F64(value)) => list.push(value),
                (Self::Text(list), Cell::Text(value)) => list.push(value.map(Cow::into_owned)),
                (Self::Bytes(list), Cell::Bytes(value)) => list.push(value.map(<[u8]>::to_vec)),
                (Self::Uuid(list), Cell::Uuid(value)) => list.push(value),
                _ => return Err(wrong("an array of several kinds").into()),
            }
        }
        Ok(list)
    }
}

impl From<Vec<String>> for List {
    fn from(texts: Vec<String>) -> Self {
        Self::Text(texts.into_iter().map(Some).collect())
    }
}

impl From<i64> for Cell<'_> {
    fn from(value: i64) -> Self {
        Self::I64(Some(value))
    }
}
impl From<Uuid> for Cell<'_> {
    fn from(value: Uuid) -> Self {
        Self::Uuid(Some(value))
    }
}
impl<'v> From<&'v str> for Cell<'v> {
    fn from(value: &'v str) -> Self {
        Self::Text(Some(value.into()))
    }
}
impl<'v> From<&'v [u8]> for Cell<'v> {
    fn from(value: &'v [u8]) -> Self {
        Self::Bytes(Some(value))
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
