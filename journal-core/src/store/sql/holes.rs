//! The hole rule (`design.md`, section 3): how far the tail of a journal may be read.
//!
//! PostgreSQL hands out a number before its transaction commits, so a lower number can become visible after a higher
//! one, and a rolled-back one never does. A reader that passes a missing number loses it for ever if it comes late; one
//! that waits for every missing number hangs for ever on the first rollback. Neither clocks nor transaction ids of
//! sessions that write something else may decide it.
//!
//! What decides: every append locks the journal table before it takes a number. So whoever may still bring a number
//! that was missing at a look held the lock at that look, and holds it until it ends. The reader looks, then notes the
//! holders. When none of them holds any more, it looks once more, for one may have committed between the look and the
//! check; what is missing then is dead.

use std::collections::BTreeMap;

use crate::journal::{Head, Hole, ReadError, ReadLimit, Tail};
use crate::model::{Origin, StoredTransaction, TransNr};
use crate::sql::{ConnRef, Dialect, SqlError};

use super::assemble::TailRows;
use super::read::{load_heads, read_heads_and_short_tail, read_short_tail, read_tail_rows};
use super::text;

/// What a reader remembers from one look at the tail to the next.
#[derive(Debug, Default)]
pub(super) struct Tailing {
    watch: Option<Watch>,
    /// Whether the tail was too long or too heavy to be read at once: that is not tried again before its end was reached.
    long: bool,
}

/// Who may still fill the holes up to a number, noted when they were first seen.
#[derive(Debug)]
struct Watch {
    up_to: TransNr,
    writers: Vec<String>,
}

/// Writers that hold the journal's lock now: virtual transaction id to a text for people.
type Writers = BTreeMap<String, Writer>;

#[derive(Debug)]
struct Writer {
    /// A prepared transaction has left its session and goes by another id than before, so any may be the one noted.
    prepared: bool,
    shown: String,
}

pub(super) async fn read_tail(
    conn: ConnRef<'_>,
    origin: &Origin,
    after: TransNr,
    limit: ReadLimit,
    tailing: &mut Tailing,
) -> Result<Tail, ReadError> {
    read_on(conn, origin, after, limit, tailing, None).await
}

/// The same with all heads; by one statement in all, where little or nothing is in the tail.
pub(super) async fn look(
    mut conn: ConnRef<'_>,
    origin: &Origin,
    after: TransNr,
    limit: ReadLimit,
    tailing: &mut Tailing,
) -> Result<(Vec<Head>, Tail), ReadError> {
    // MariaDB would lay the joined rows down in a table first.
    let apart = tailing.long || conn.dialect() == Dialect::MariaDb;
    let (heads, looked) = match apart {
        true => (load_heads(conn.lend()).await?, None),
        false => read_heads_and_short_tail(conn.lend(), origin, after, limit).await?,
    };
    Ok((heads, read_on(conn, origin, after, limit, tailing, looked).await?))
}

/// Reads a tail of which the first look may have been taken.
async fn read_on(
    mut conn: ConnRef<'_>,
    origin: &Origin,
    after: TransNr,
    limit: ReadLimit,
    tailing: &mut Tailing,
    mut looked: Option<TailRows>,
) -> Result<Tail, ReadError> {
    let mut dead_up_to = after;
    loop {
        let rows = match looked.take() {
            Some(rows) => rows,
            None => tailing.read(conn.lend(), origin, after, limit).await?,
        };
        // SQLite has one writer at a time; on MariaDB whoever takes a number holds the counter row until it ends. So a
        // number is visible before the next one is taken, and what is missing below a visible one was given back for
        // good.
        let hole = match conn.dialect() {
            Dialect::Sqlite | Dialect::MariaDb => None,
            Dialect::Postgres => first_hole(dead_up_to, &rows.transactions),
        };
        let up_to = rows.transactions.last().map_or(after, |last| last.id.trans_nr);
        let Some((first, last)) = hole else {
            let TailRows { transactions, ill_formed } = rows;
            return Ok(Tail { transactions, ill_formed, up_to, hole: None, more: tailing.long });
        };
        let present = writers(&mut conn).await?;
        let noted = tailing.watch.take().filter(|watch| first <= watch.up_to);
        let noted = noted.unwrap_or_else(|| Watch { up_to, writers: present.keys().cloned().collect() });
        let alive = still_writing(&noted, &present);
        if alive.is_empty() {
            dead_up_to = noted.up_to;
            continue;
        }
        tailing.watch = Some(noted);
        return Ok(cut(rows, Hole { first, last, writers: alive }));
    }
}

impl Tailing {
    async fn read(
        &mut self,
        mut conn: ConnRef<'_>,
        origin: &Origin,
        after: TransNr,
        limit: ReadLimit,
    ) -> Result<TailRows, ReadError> {
        if !self.long {
            if let Some(short) = read_short_tail(conn.lend(), origin, after, limit).await? {
                return Ok(short);
            }
            self.long = true;
        }
        let rows = read_tail_rows(conn, origin, after, limit).await?;
        self.long = !rows.transactions.is_empty();
        Ok(rows)
    }
}

/// The first run of missing numbers after `dead_up_to` and before the last visible one.
fn first_hole(dead_up_to: TransNr, transactions: &[StoredTransaction]) -> Option<(TransNr, TransNr)> {
    let mut expected = dead_up_to.next();
    for transaction in transactions {
        let found = transaction.id.trans_nr;
        if found > expected {
            return Some((expected, TransNr(found.0 - 1)));
        }
        expected = expected.max(found.next());
    }
    None
}

fn still_writing(noted: &Watch, present: &Writers) -> Vec<String> {
    let alive = |(id, writer): &(&String, &Writer)| writer.prepared || noted.writers.contains(id);
    present.iter().filter(alive).map(|(_, writer)| writer.shown.clone()).collect()
}

fn cut(rows: TailRows, hole: Hole) -> Tail {
    let TailRows { mut transactions, mut ill_formed } = rows;
    transactions.retain(|transaction| transaction.id.trans_nr < hole.first);
    ill_formed.retain(|trans_nr, _| *trans_nr < hole.first);
    Tail { transactions, ill_formed, up_to: TransNr(hole.first.0 - 1), hole: Some(hole), more: true }
}

async fn writers(conn: &mut ConnRef<'_>) -> Result<Writers, SqlError> {
    let records = conn.fetch(text::JOURNAL_WRITERS, Vec::new()).await?;
    let read = |record: &crate::sql::Record| {
        Ok((record.text(0)?, Writer { prepared: record.bool(1)?, shown: record.text(2)? }))
    };
    records.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Epoch, SchemaVersion, SiteName, TransactionId};

    fn visible(numbers: &[i64]) -> Vec<StoredTransaction> {
        let origin = Origin { site: SiteName::new("a").unwrap(), epoch: Epoch(1) };
        let stored = |nr: &i64| StoredTransaction {
            id: TransactionId { origin: origin.clone(), trans_nr: TransNr(*nr) },
            tx_id: uuid::Uuid::nil(),
            schema_version: SchemaVersion(1),
            author: "".into(),
            appended_at: 0,
            entries: Vec::new(),
        };
        numbers.iter().map(stored).collect()
    }

    #[test]
    fn a_hole_is_a_missing_number_below_a_visible_one() {
        let hole =
            |after, numbers: &[i64]| first_hole(TransNr(after), &visible(numbers)).map(|(a, b)| (a.0, b.0));
        assert_eq!(hole(0, &[]), None);
        assert_eq!(hole(0, &[1, 2, 3]), None);
        assert_eq!(hole(0, &[3]), Some((1, 2)));
        assert_eq!(hole(4, &[5, 8, 11]), Some((6, 7)));
        assert_eq!(hole(7, &[5, 8, 11]), Some((9, 10)));
        assert_eq!(hole(10, &[5, 8, 11]), None);
    }

    #[test]
    fn only_a_writer_that_was_there_at_the_first_look_keeps_a_hole_alive() {
        let noted = Watch { up_to: TransNr(9), writers: vec!["3/17".into()] };
        let present = |id: &str, prepared| {
            Writers::from([(id.to_owned(), Writer { prepared, shown: format!("session {id}") })])
        };
        assert_eq!(still_writing(&noted, &present("3/17", false)), ["session 3/17"]);
        assert!(still_writing(&noted, &present("3/18", false)).is_empty());
        assert_eq!(still_writing(&noted, &present("-1/700", true)), ["session -1/700"]);
    }
}
