//! Bulk writing with PostgreSQL's COPY in its binary format: no statement to plan and no array to take apart, and the
//! server logs whole pages of new rows at a time.

use sqlx::PgConnection;
use sqlx::postgres::PgCopyIn;
use uuid::Uuid;

use super::conn::ConnRef;
use super::error::{SqlClass, SqlError};

/// Bytes gathered before they are sent: large enough that sending costs little, and small beside a batch, so that the
/// server writes the first rows while the last are still being laid out.
const PIECE: usize = 32 * 1024;
/// How binary COPY data begins: the signature, no flags, no header extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// In place of a row's count of cells: the end.
const END: i16 = -1;

/// Rows on their way into a table. Cells are written in the order of the statement's columns and in exactly their kinds;
/// nothing is written before [`Self::finish`] returned. Dropping it instead ends the database transaction: drop the
/// connection as well.
pub(crate) struct CopyIn<'c> {
    copy: PgCopyIn<&'c mut PgConnection>,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for CopyIn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CopyIn") // What it holds is user data and stays out of logs.
    }
}

impl ConnRef<'_> {
    /// Begins a `COPY … FROM STDIN (FORMAT binary)` (a template, see [`super::Dialect::render`]). PostgreSQL only.
    pub(crate) async fn copy_in(&mut self, template: &str) -> Result<CopyIn<'_>, SqlError> {
        let sql = self.dialect().render(template);
        match self {
            Self::Sqlite(_) => Err(SqlError::new(SqlClass::Data, "SQLite has no COPY")),
            Self::Postgres(conn) => {
                let copy = conn.copy_in_raw(&sql).await?;
                Ok(CopyIn { copy, buffer: HEADER.to_vec() })
            }
        }
    }
}

impl CopyIn<'_> {
    /// Begins a row of so many cells, after sending what has gathered when it is enough.
    pub(crate) async fn row(&mut self, cells: i16) -> Result<&mut Self, SqlError> {
        if self.buffer.len() >= PIECE {
            self.copy.send(self.buffer.as_slice()).await?;
            self.buffer.clear();
        }
        self.buffer.extend_from_slice(&cells.to_be_bytes());
        Ok(self)
    }

    /// A `bigint`.
    pub(crate) fn i64(&mut self, value: i64) -> &mut Self {
        self.cell(&value.to_be_bytes())
    }

    /// A `text`.
    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        self.cell(value.as_bytes())
    }

    /// A `bytea`.
    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.cell(value)
    }

    /// A `uuid`.
    pub(crate) fn uuid(&mut self, value: Uuid) -> &mut Self {
        self.cell(value.as_bytes())
    }

    /// Sends the rest and waits for the server's word: how many rows it wrote.
    pub(crate) async fn finish(mut self) -> Result<u64, SqlError> {
        self.buffer.extend_from_slice(&END.to_be_bytes());
        self.copy.send(self.buffer.as_slice()).await?;
        Ok(self.copy.finish().await?)
    }

    fn cell(&mut self, bytes: &[u8]) -> &mut Self {
        // A length that does not fit reads as one that no value has, and the server refuses the row.
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.buffer.extend_from_slice(&length.to_be_bytes());
        self.buffer.extend_from_slice(bytes);
        self
    }
}
