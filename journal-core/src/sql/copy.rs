//! Bulk writing with PostgreSQL's COPY: no statement to plan and no array to take apart, and the server logs whole pages
//! of new rows at a time. Binary where every column's type is Daybook's own, as text where it is the application's.

use std::io::Write as _;

use sqlx::PgConnection;
use sqlx::postgres::PgCopyIn;
use uuid::Uuid;

use super::Answer;
use super::error::{SqlClass, SqlError};
use super::param::Cell;
use super::statements::ConnRef;

/// Bytes gathered before they are sent: large enough that sending costs little, and small beside a batch, so that the
/// server writes the first rows while the last are still being laid out.
const PIECE: usize = 32 * 1024;
/// Bytes sent at once of rows that are laid out already, and the last row beyond them.
const LARGE_PIECE: usize = 256 * 1024;
/// Room for a piece with such a row, as most are.
const PIECE_ROOM: usize = LARGE_PIECE + 4 * 1024;
/// How binary COPY data begins: the signature, no flags, no header extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// In place of a row's count of cells: the end.
const END: i16 = -1;

/// What both formats share: bytes gathered and sent by the piece. Nothing is written before [`Self::finish`] returned.
struct Pieces<'c> {
    copy: PgCopyIn<&'c mut PgConnection>,
    buffer: Vec<u8>,
}

impl<'c> Pieces<'c> {
    fn begin(conn: &'c mut ConnRef<'_>, template: &'c str) -> Answer<'c, Self> {
        Box::pin(async move {
            let sql = conn.dialect().render(template);
            match conn {
                ConnRef::Sqlite(_) | ConnRef::MariaDb(_) => {
                    Err(SqlError::new(SqlClass::Data, "only PostgreSQL has COPY"))
                }
                ConnRef::Postgres(conn) => {
                    Ok(Self { copy: conn.copy_in_raw(&sql).await?, buffer: Vec::new() })
                }
            }
        })
    }

    /// Sends what has gathered when it is enough.
    async fn make_room(&mut self) -> Result<(), SqlError> {
        if self.buffer.len() >= PIECE {
            self.send().await?;
        }
        Ok(())
    }

    fn send(&mut self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.copy.send(self.buffer.as_slice()).await?;
            self.buffer.clear();
            Ok(())
        })
    }

    /// Sends the rest and waits for the server's word: how many rows it wrote.
    fn finish(mut self) -> Answer<'c, u64> {
        Box::pin(async move {
            self.copy.send(self.buffer.as_slice()).await?;
            Ok(self.copy.finish().await?)
        })
    }
}

impl std::fmt::Debug for Pieces<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("COPY") // What it holds is user data and stays out of logs.
    }
}

impl ConnRef<'_> {
    /// Begins a `COPY … FROM STDIN (FORMAT binary)` (a template, see [`super::Dialect::render`]). PostgreSQL only.
    pub(crate) async fn copy_in<'a>(&'a mut self, template: &'a str) -> Result<CopyIn<'a>, SqlError> {
        let mut pieces = Pieces::begin(self, template).await?;
        pieces.buffer.extend_from_slice(HEADER);
        Ok(CopyIn { pieces })
    }

    /// Carries out a `COPY … FROM STDIN` (a template, see [`super::Dialect::render`]) of these rows; how many the server
    /// wrote. PostgreSQL only.
    pub fn copy_rows<'a>(&'a mut self, template: &'a str, rows: &'a CopyRows) -> Answer<'a, u64> {
        Box::pin(async move {
            let mut pieces = Pieces::begin(self, template).await?;
            for piece in &rows.pieces {
                pieces.copy.send(piece.as_slice()).await?;
            }
            pieces.finish().await
        })
    }
}

/// Rows as text, which a column reads as it reads a literal. Laid out by the piece: one buffer for all of them would be
/// copied whole each time it grows.
#[derive(Default)]
pub struct CopyRows {
    pieces: Vec<Vec<u8>>,
}

impl CopyRows {
    /// Adds a row: a cell for each column of the statement, in its order.
    ///
    /// # Errors
    /// What a cell said; the row is cut there, so that none of them may be sent.
    pub fn row<'v, E>(&mut self, cells: impl Iterator<Item = Result<Cell<'v>, E>>) -> Result<(), E> {
        let piece = self.piece();
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                piece.push(b'\t');
            }
            write_text(&cell?, piece);
        }
        piece.push(b'\n');
        Ok(())
    }

    /// The piece that the next row goes to. The first grows as it needs to: most batches have no second.
    fn piece(&mut self) -> &mut Vec<u8> {
        match self.pieces.last() {
            None => self.pieces.push(Vec::new()),
            Some(last) if last.len() >= LARGE_PIECE => self.pieces.push(Vec::with_capacity(PIECE_ROOM)),
            Some(_) => {}
        }
        let at = self.pieces.len() - 1;
        &mut self.pieces[at]
    }
}

impl std::fmt::Debug for CopyRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.pieces.iter().map(Vec::len).sum::<usize>()) // What they hold is user data and stays out of logs.
    }
}

/// A cell as the text format has it.
fn write_text(cell: &Cell<'_>, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = match cell {
        Cell::Bool(Some(value)) => out.write_all(if *value { b"t" } else { b"f" }),
        Cell::I64(Some(value)) => out.write_all(itoa::Buffer::new().format(*value).as_bytes()),
        // The shortest text that reads back as the same number; NaN and infinities by the names PostgreSQL knows, too.
        Cell::F64(Some(value)) => write!(out, "{value:e}"),
        Cell::Text(Some(value)) => {
            escape(value.as_bytes(), out);
            Ok(())
        }
        Cell::Bytes(Some(value)) => {
            out.extend_from_slice(br"\\x");
            value.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
        }
        Cell::Uuid(Some(value)) => write!(out, "{value}"),
        Cell::Bool(None)
        | Cell::I64(None)
        | Cell::F64(None)
        | Cell::Text(None)
        | Cell::Bytes(None)
        | Cell::Uuid(None) => out.write_all(br"\N"),
    };
}

/// Copies what stands for itself by the stretch.
fn escape(mut text: &[u8], out: &mut Vec<u8>) {
    let is_special = |byte: &u8| matches!(byte, b'\\' | b'\n' | b'\r' | b'\t');
    while let Some(at) = text.iter().position(is_special) {
        out.extend_from_slice(&text[..at]);
        out.extend_from_slice(match text[at] {
            b'\n' => br"\n",
            b'\r' => br"\r",
            b'\t' => br"\t",
            _ => br"\\",
        });
        text = &text[at + 1..];
    }
    out.extend_from_slice(text);
}

/// Rows on their way into a table in the binary format. Cells are written in the order of the statement's columns and in
/// exactly their kinds; nothing is written before [`Self::finish`] returned. Dropping it instead ends the database
/// transaction: drop the connection as well.
#[derive(Debug)]
pub(crate) struct CopyIn<'c> {
    pieces: Pieces<'c>,
}

impl CopyIn<'_> {
    /// Begins a row of so many cells, after sending what has gathered when it is enough.
    pub(crate) async fn row(&mut self, cells: i16) -> Result<&mut Self, SqlError> {
        self.pieces.make_room().await?;
        self.pieces.buffer.extend_from_slice(&cells.to_be_bytes());
        Ok(self)
    }

    /// A `bigint`.
    pub(crate) fn i64(&mut self, value: i64) -> &mut Self {
        self.cell(&value.to_be_bytes())
    }

    /// A `boolean`.
    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.cell(&[u8::from(value)])
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
        self.pieces.buffer.extend_from_slice(&END.to_be_bytes());
        self.pieces.finish().await
    }

    fn cell(&mut self, bytes: &[u8]) -> &mut Self {
        // A length that does not fit reads as one that no value has, and the server refuses the row.
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.pieces.buffer.extend_from_slice(&length.to_be_bytes());
        self.pieces.buffer.extend_from_slice(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(cell: Cell<'_>) -> String {
        let mut out = Vec::new();
        write_text(&cell, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cells_are_written_so_that_no_value_ends_its_row_or_turns_into_null() {
        assert_eq!(text("a\tb\nc\rd\\N é".into()), "a\\tb\\nc\\rd\\\\N é");
        assert_eq!(text("\\.".into()), "\\\\.");
        assert_eq!(text(Cell::Text(None)), "\\N");
        assert_eq!(text("".into()), "");
        assert_eq!(text([0_u8, 92, 255].as_slice().into()), "\\\\x005cff");
        assert_eq!(text(i64::MIN.into()), "-9223372036854775808");
        assert_eq!(text(Cell::Bool(Some(false))), "f");
    }

    #[test]
    fn rows_are_laid_out_by_the_piece_and_none_is_cut() {
        let mut rows = CopyRows::default();
        let long = "x".repeat(LARGE_PIECE / 4);
        for at in 0..9_i64 {
            rows.row([Ok::<_, ()>(Cell::from(at)), Ok(long.as_str().into())].into_iter()).unwrap();
        }
        assert_eq!(rows.pieces.len(), 3);
        let all = String::from_utf8(rows.pieces.concat()).unwrap();
        let expected: Vec<String> = (0..9).map(|at| format!("{at}\t{long}\n")).collect();
        assert!(all == expected.concat());
        assert!(rows.pieces.iter().all(|piece| piece.ends_with(b"\n")));
    }

    #[test]
    fn floats_are_written_exactly() {
        for value in [0.1, -0.0, f64::MIN_POSITIVE, f64::MAX, 5e-324, 1e23] {
            let read: f64 = text(Cell::F64(Some(value))).parse().unwrap();
            assert_eq!(read.to_bits(), value.to_bits());
        }
        assert_eq!(text(Cell::F64(Some(f64::NAN))), "NaN");
        assert_eq!(text(Cell::F64(Some(f64::NEG_INFINITY))), "-inf");
    }
}
