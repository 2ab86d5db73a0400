//! What mappings dropped, in a table beside the rows: it is born, changed, moved and ended with its row. Stored as JSON
//! text, since views look into it.

use std::collections::BTreeMap;

use journal_core::codec::cells;
use journal_core::codec::payload::{decode_row, key_text};
use journal_core::model::{Name, Row, Value};
use journal_core::sql::{ConnRef, Dialect, Param, SqlError};
use schema_mappers::ComplementChange;

use super::{SqlLedger, text};
use crate::ledger::{Fault, LedgerError};

/// What the scans of a snapshot know of complements: whether a table has any. Outside snapshots nothing stays true.
pub(super) type Seen = BTreeMap<Name, bool>;

fn row_params(table: &Name, key: &[Value]) -> Vec<Param> {
    vec![table.as_ref().into(), key_text(key).into()]
}

impl SqlLedger {
    /// Starts the complement of a new row: whatever stands under its key belongs to a row of the past.
    pub(super) async fn begin_complement(
        &mut self,
        table: &Name,
        key: &[Value],
        cells: &Row,
    ) -> Result<(), LedgerError> {
        if cells.is_empty() {
            return self.end_complement(table, key).await.map_err(Into::into);
        }
        self.keep_complement(table, key, cells).await
    }

    /// Changes the complement of a row that stands.
    pub(super) async fn change_complement(
        &mut self,
        table: &Name,
        key: &[Value],
        change: &ComplementChange,
    ) -> Result<(), LedgerError> {
        if change.is_empty() || (change.set.is_empty() && !self.complemented) {
            return Ok(());
        }
        let mut cells = Row::new();
        if self.complemented {
            let template = text::complement(self.dialect());
            let found = self.conn.lend().fetch_optional(&template, row_params(table, key)).await?;
            if let Some(record) = found {
                cells = decode(table, &key_text(key), &record.text(0)?)?;
            }
        }
        change.apply(&mut cells);
        self.begin_complement(table, key, &cells).await
    }

    /// Ends the complement of a row.
    pub(super) async fn end_complement(&mut self, table: &Name, key: &[Value]) -> Result<(), SqlError> {
        if self.complemented {
            self.conn.lend().execute(text::DROP_COMPLEMENT, row_params(table, key)).await?;
        }
        Ok(())
    }

    /// Moves the complement of a row to the row's new key.
    pub(super) async fn move_complement(
        &mut self,
        table: &Name,
        from: &[Value],
        to: &[Value],
    ) -> Result<(), LedgerError> {
        if self.complemented && from != to {
            check_key(self.dialect(), table, &key_text(to))?;
            self.end_complement(table, to).await?;
            let mut params = row_params(table, from);
            params.push(key_text(to).into());
            self.conn.lend().execute(text::MOVE_COMPLEMENT, params).await?;
        }
        Ok(())
    }

    async fn keep_complement(&mut self, table: &Name, key: &[Value], cells: &Row) -> Result<(), LedgerError> {
        check_key(self.dialect(), table, &key_text(key))?;
        let mut params = row_params(table, key);
        params.push(cells::write(cells).into());
        let keep = text::keep_complement(self.dialect());
        self.conn.lend().execute(keep, params).await?;
        self.complemented = true;
        Ok(())
    }

    /// The complements of rows of a page, by the texts of their keys.
    pub(super) async fn complements_of(
        &mut self,
        table: &Name,
        keys: &[String],
    ) -> Result<BTreeMap<String, Row>, LedgerError> {
        if keys.is_empty() || !self.complements || !self.has_complements(table).await? {
            return Ok(BTreeMap::new());
        }
        self.complements_at(table, keys).await
    }

    /// The same in a posting transaction, which knows whether the ledger has any.
    pub(super) async fn complements_in(
        &mut self,
        table: &Name,
        keys: &[String],
    ) -> Result<BTreeMap<String, Row>, LedgerError> {
        if keys.is_empty() || !self.complemented {
            return Ok(BTreeMap::new());
        }
        self.complements_at(table, keys).await
    }

    async fn complements_at(
        &mut self,
        table: &Name,
        keys: &[String],
    ) -> Result<BTreeMap<String, Row>, LedgerError> {
        let mut found = BTreeMap::new();
        let template = text::complements(self.dialect());
        for chunk in keys.chunks(text::COMPLEMENTS_AT_ONCE) {
            let mut params = vec![Param::from(table.as_ref())];
            params.extend(chunk.iter().map(|key| Param::from(key.as_str())));
            // A short page repeats its last key, so that the text stays the same.
            let last = Param::from(chunk[chunk.len() - 1].as_str());
            params.resize(text::COMPLEMENTS_AT_ONCE + 1, last);
            for record in self.conn.lend().fetch(&template, params).await? {
                let key = record.text(0)?;
                let cells = decode(table, &key, &record.text(1)?)?;
                found.insert(key, cells);
            }
        }
        Ok(found)
    }

    async fn has_complements(&mut self, table: &Name) -> Result<bool, LedgerError> {
        if let Some(any) = self.seen.as_ref().and_then(|seen| seen.get(table)) {
            return Ok(*any);
        }
        let any = self.conn.lend().fetch_optional(text::ANY_COMPLEMENT, vec![table.as_ref().into()]).await?;
        if let Some(seen) = &mut self.seen {
            seen.insert(table.clone(), any.is_some());
        }
        Ok(any.is_some())
    }
}

/// Characters of a key beside which something is kept on MariaDB, where an index has so much room.
const KEY_CHARS_MAX: usize = 680;

/// Whether a complement has a place under the text of its row's key.
pub(super) fn check_key(dialect: Dialect, table: &Name, key: &str) -> Result<(), LedgerError> {
    if dialect != Dialect::MariaDb || key.chars().count() <= KEY_CHARS_MAX {
        return Ok(());
    }
    let shown: String = key.chars().take(64).collect();
    let detail = format!(
        "{table} {shown}…: a mapping keeps something of the row, and MariaDB has room for that under keys of at most \
         {KEY_CHARS_MAX} characters"
    );
    Err(LedgerError::Fault { fault: Fault::OutOfRange, detail })
}

fn decode(table: &Name, key: &str, text: &str) -> Result<Row, LedgerError> {
    let read = match old_bytes(text) {
        Some(bytes) => decode_row(&bytes).map_err(|error| error.to_string()),
        None => cells::read(text).map_err(|error| error.to_string()),
    };
    read.map_err(|fault| LedgerError::Damaged(format!("the complement of {table} {key}: {fault}")))
}

/// Writes complements of before migration 3 as they are written now, in the caller's transaction.
pub(crate) async fn rewrite_old(mut conn: ConnRef<'_>) -> Result<(), LedgerError> {
    let dialect = conn.dialect();
    loop {
        let page = conn.fetch(&text::old_complements(dialect), Vec::new()).await?;
        if page.is_empty() {
            return Ok(());
        }
        for record in page {
            let (entity, key): (Name, String) = (record.text(0)?.into(), record.text(1)?);
            let row = decode(&entity, &key, &record.text(2)?)?;
            let params = vec![entity.as_ref().into(), key.into(), cells::write(&row).into()];
            conn.execute(text::keep_complement(dialect), params).await?;
        }
    }
}

/// The bytes of a complement written before migration 3, which made a JSON text of their hex digits.
fn old_bytes(text: &str) -> Option<Vec<u8>> {
    cells::read_hex(text.strip_prefix('"')?.strip_suffix('"')?)
}
