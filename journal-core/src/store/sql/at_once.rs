//! Appending by one statement, on PostgreSQL: numbers, rows and the check of the keys are one statement, which is a
//! database transaction of its own. So there is one answer to wait for, and one flush behind it.

use crate::journal::{AppendError, Appended};
use crate::model::{NewTransaction, Origin, StoredEntry, TransNr};
use crate::sql::{Cell, ConnRef, List, Param, SqlClass, SqlError};
use crate::store::wall_clock;

use super::text;

/// Entries up to which arrays are quicker than the round trips of a COPY.
const ENTRIES_MAX: usize = 512;
/// Bytes of all their payloads; far below what an array may hold.
const BYTES_MAX: usize = 1024 * 1024;

/// Whether a batch is small enough.
pub(super) fn fits(batch: &[NewTransaction]) -> bool {
    let mut entries = batch.iter().flat_map(|new| &new.entries).take(ENTRIES_MAX + 1);
    let (count, bytes) = entries
        .by_ref()
        .fold((0, 0), |(count, bytes), entry| (count + 1, bytes + entry.payload.len() + entry.row_key.len()));
    (1..=ENTRIES_MAX).contains(&count) && bytes <= BYTES_MAX
}

/// Appends, taking every key for new; durable when it returns. A key that is there already is an error
/// ([`crate::sql::Constraint::Unique`]), and nothing was written.
pub(super) async fn append(
    mut conn: ConnRef<'_>,
    origin: &Origin,
    batch: &[NewTransaction],
) -> Result<Vec<Appended>, AppendError> {
    let records = conn.fetch(text::INSERT_AT_ONCE, params(origin, batch)?).await?;
    let numbers = records.iter().map(|record| record.i64(0)).collect::<Result<Vec<_>, _>>()?;
    if numbers.len() != batch.len() || !numbers.is_sorted_by(|one, next| one < next) {
        return Err(SqlError::new(SqlClass::Broken, "what was appended is not what was sent").into());
    }
    Ok(numbers.into_iter().map(|nr| Appended { trans_nr: TransNr(nr), repeated: false }).collect())
}

fn params(origin: &Origin, batch: &[NewTransaction]) -> Result<Vec<Param>, SqlError> {
    let each = |cell: fn(&NewTransaction) -> Cell<'_>| list(batch.iter().map(cell));
    let entries =
        || (1_i64..).zip(batch).flat_map(|(place, new)| new.entries.iter().map(move |entry| (place, entry)));
    let each_entry =
        |cell: fn(i64, &StoredEntry) -> Cell<'_>| list(entries().map(|(place, entry)| cell(place, entry)));
    Ok(vec![
        origin.site.as_str().into(),
        origin.epoch.0.into(),
        wall_clock().into(),
        each(|new| new.tx_id.into())?,
        each(|new| new.schema_version.0.into())?,
        each(|new| (&*new.author).into())?,
        each_entry(|place, _| place.into())?,
        each_entry(|_, entry| entry.entry_nr.into())?,
        each_entry(|_, entry| entry.entity.as_ref().into())?,
        each_entry(|_, entry| (&*entry.op).into())?,
        each_entry(|_, entry| entry.row_key.as_str().into())?,
        each_entry(|_, entry| entry.codec.into())?,
        each_entry(|_, entry| entry.payload.as_slice().into())?,
    ])
}

fn list<'t>(cells: impl Iterator<Item = Cell<'t>>) -> Result<Param, SqlError> {
    List::of(cells.map(Ok)).map(Param::List)
}
