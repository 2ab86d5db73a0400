//! What stands beside the rows and belongs to them: transactions that were left out here for good or posted late, questions
//! to users with the rows that wait since when, which versions were given up, and how far ids are handed out. Read in the
//! snapshot, written with the checkpoints. All of it is small: what is still in quarantine is not among it.

use journal_core::sql::{ConnRef, Dialect, Param, Record, SqlError};
use journal_core::store::sql::{ID_BLOCK, STRIPES, skip_id_blocks};

use crate::ledger::sql::asks::is_noted;

/// A table's rows as they stand, and how they are written.
struct Part {
    table: &'static str,
    columns: &'static str,
    /// `t` for a text, `o` for a text or NULL, `n` for a number.
    kinds: &'static str,
    condition: &'static str,
    order: &'static str,
}

const ASK_ROW: &str = "ask_row";

const PARTS: [Part; 5] = [
    Part {
        table: "quarantine",
        columns: "origin, epoch, trans_nr, seal_nr, arrival, code, detail, depends_on, state, who, why, since",
        kinds: "tnnnnttotttn",
        condition: "state IN ('posted', 'discarded')",
        order: "arrival",
    },
    Part {
        table: "ask",
        columns: "ask, version, entity, column_name, code, question, kept, since, closed",
        kinds: "tntttoonn",
        condition: "1 = 1",
        order: "ask",
    },
    Part { table: ASK_ROW, columns: "ask, row_key, since", kinds: "ttn", condition: "1 = 1", order: "ask" },
    Part {
        table: "ask_waiver",
        columns: "ask, who, why, since",
        kinds: "tttn",
        condition: "1 = 1",
        order: "ask",
    },
    Part {
        table: "upgrade_record",
        columns: "operation, kind, version_from, version_to, checksum, waived, who, why, done_at",
        kinds: "ttnnttttn",
        condition: "kind = 'contraction'",
        order: "record_nr",
    },
];

const ID_BLOCKS: &str = "SELECT sequence, next_block FROM {d}id_block ORDER BY sequence";

/// What was read.
#[derive(Debug)]
pub(super) struct Beside {
    /// The rows of each of [`PARTS`].
    parts: Vec<Vec<Vec<Param>>>,
    /// For each sequence the source's next block of ids.
    sequences: Vec<(String, i64)>,
}

impl Beside {
    /// Reads it in the snapshot that is open.
    pub(super) async fn read(mut conn: ConnRef<'_>) -> Result<Self, SqlError> {
        let mut parts = Vec::new();
        for Part { table, columns, kinds, condition, order } in &PARTS {
            let query = format!("SELECT {columns} FROM {{d}}{table} WHERE {condition} ORDER BY {order}");
            let records = conn.fetch(&query, Vec::new()).await?;
            parts.push(records.iter().map(|record| params(record, kinds)).collect::<Result<_, _>>()?);
        }
        let blocks = conn.fetch(ID_BLOCKS, Vec::new()).await?;
        let sequences = blocks.iter().map(|record| Ok::<_, SqlError>((record.text(0)?, record.i64(1)?)));
        Ok(Self { parts, sequences: sequences.collect::<Result<_, _>>()? })
    }

    /// Puts it in the place of what an earlier try or the making of the tables left, in the caller's transaction.
    pub(super) async fn write(&self, mut conn: ConnRef<'_>, stripe: i64) -> Result<(), SqlError> {
        for (Part { table, columns, kinds, .. }, rows) in PARTS.iter().zip(&self.parts) {
            conn.execute(&format!("DELETE FROM {{d}}{table}"), Vec::new()).await?;
            let numbers: Vec<String> = (1..=kinds.len()).map(|number| format!("${number}")).collect();
            let insert = format!("INSERT INTO {{d}}{table} ({columns}) VALUES ({})", numbers.join(", "));
            let dialect = conn.dialect();
            for row in rows.iter().filter(|row| *table != ASK_ROW || is_noted_there(row, dialect)) {
                conn.execute(&insert, row.clone()).await?;
            }
        }
        // Rows that came by other ways may have ids of any stripe; the source was told to begin above them.
        for (sequence, next_block) in &self.sequences {
            let floor = next_block.saturating_add(1).saturating_mul(STRIPES * ID_BLOCK);
            skip_id_blocks(conn.lend(), stripe, sequence, floor).await?;
        }
        Ok(())
    }
}

/// Whether the engine would note since when that row holds its code.
fn is_noted_there(row: &[Param], dialect: Dialect) -> bool {
    !matches!(row.get(1), Some(Param::Text(Some(key))) if !is_noted(dialect, key))
}

fn params(record: &Record, kinds: &str) -> Result<Vec<Param>, SqlError> {
    let param = |(at, kind)| {
        Ok(match kind {
            'n' => record.i64(at)?.into(),
            'o' => Param::Text(record.opt_text(at)?),
            _ => record.text(at)?.into(),
        })
    };
    kinds.chars().enumerate().map(param).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_its_kind() {
        for part in &PARTS {
            assert_eq!(part.columns.split(", ").count(), part.kinds.len(), "{}", part.table);
        }
    }
}
