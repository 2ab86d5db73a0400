//! The reference ledger: the smallest true one, in memory. The simulator runs thousands of histories a minute over it,
//! so it is also quick. A transaction works on a cheap copy of the books, which takes their place at commit together
//! with the seals; until then, and when it is dropped, nothing has happened.

mod control;
#[cfg(feature = "test-util")]
pub mod faults;
mod link;
mod site;
mod tables;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use journal_core::model::{Name, Origin, Row, Schema, SchemaVersion, SealedRun, TransactionId, Value};
use journal_core::sql::{SqlClass, SqlError};
use schema_mappers::MappedRow;
use tokio::sync::OwnedMutexGuard;

use super::{Asked, Ledger, LedgerChange, LedgerError, LedgerReader, Posted, Quarantined, Release, sets};
use crate::control::Standing;
use link::{After, Call, Link};
use site::Books;

pub use control::MemoryControl;
pub use site::{Action, MemorySite, PutAside};

/// One handle on the ledger of a [`MemorySite`].
///
/// Every operation yields to the scheduler before its effect, and a commit once more after it, so that a future can be
/// dropped at both moments, as a connection can be lost at both.
#[derive(Debug)]
pub struct MemoryLedger {
    site: MemorySite,
    schema: Arc<Schema>,
    rules: Option<Arc<sets::Rules>>,
    link: Link,
    open: Option<Open>,
    snapshot: Option<Books>,
}

/// An open transaction.
#[derive(Debug)]
struct Open {
    books: Books,
    seals: Vec<SealedRun>,
    /// Whether something failed, so that it can only be rolled back.
    failed: bool,
    /// Held until the end, so that there is one at a time.
    turn: OwnedMutexGuard<()>,
}

impl MemoryLedger {
    fn new(site: MemorySite) -> Self {
        Self { schema: site.schema(), rules: None, link: Link::new(&site), site, open: None, snapshot: None }
    }

    async fn before(&mut self, call: Call) -> Result<After, LedgerError> {
        let before = self.link.before(call).await;
        self.noted(before)
    }

    fn after(&mut self, after: &After) -> Result<(), LedgerError> {
        let after = self.link.after(after);
        self.noted(after)
    }

    /// Notes what failed in the open transaction. A lost connection ends it.
    fn noted<T>(&mut self, done: Result<T, LedgerError>) -> Result<T, LedgerError> {
        if self.link.is_dead() {
            self.open = None;
        } else if let (Err(_), Some(open)) = (&done, &mut self.open) {
            open.failed = true;
        }
        done
    }

    /// Does a call's work on the open transaction.
    async fn work<T>(
        &mut self,
        call: Call,
        work: impl FnOnce(&MemorySite, &Schema, &mut Open) -> Result<T, LedgerError> + Send,
    ) -> Result<T, LedgerError> {
        let after = self.before(call).await?;
        let done = match &mut self.open {
            Some(open) => work(&self.site, &self.schema, open),
            None => Err(misuse("no transaction is open")),
        };
        let done = self.noted(done)?;
        self.after(&after)?;
        Ok(done)
    }

    /// Reads what is committed, or what the open transaction sees.
    async fn read<T>(&mut self, read: impl FnOnce(&Books) -> T + Send) -> Result<T, LedgerError> {
        let after = self.before(Call::Read).await?;
        let seen = self.snapshot.as_ref().or_else(|| self.open.as_ref().map(|open| &open.books));
        let found = match seen {
            Some(books) => read(books),
            None => read(&self.site.state().books),
        };
        self.after(&after)?;
        Ok(found)
    }
}

fn misuse(message: &str) -> LedgerError {
    SqlError::new(SqlClass::Data, message).into()
}

/// Checks that a seal follows the head, the seals of the same transaction included.
fn check_follows(site: &MemorySite, open: &Open, run: &SealedRun) -> Result<(), LedgerError> {
    let seal = &run.seal;
    let (seal_nr, last_nr, hash) = match open.seals.last() {
        Some(SealedRun { seal, .. }) => (seal.seal_nr, seal.last_nr, seal.hash),
        None => {
            let head = site.journal().head(&seal.origin);
            (head.seal_nr, head.last_nr, head.hash)
        }
    };
    let follows = seal.seal_nr == seal_nr.next() && seal.first_nr == last_nr.next() && seal.prev_hash == hash;
    if follows { Ok(()) } else { Err(LedgerError::Moved { origin: seal.origin.clone() }) }
}

impl Ledger for MemoryLedger {
    fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    async fn begin(&mut self) -> Result<Standing, LedgerError> {
        let after = self.before(Call::Begin).await?;
        if self.open.is_some() {
            return Err(misuse("a transaction is open already"));
        }
        let turn = self.site.turn().lock_owned().await;
        let (books, standing) = {
            let state = self.site.state();
            (state.books.clone(), state.standing())
        };
        self.open = Some(Open { books, seals: Vec::new(), failed: false, turn });
        self.after(&after)?;
        Ok(standing)
    }

    async fn advance(&mut self, origin: &Origin, from: Posted, to: Posted) -> Result<(), LedgerError> {
        self.work(Call::Advance, |_, _, open| {
            if to.seal_nr < from.seal_nr || to.trans_nr < from.trans_nr {
                let message = format!("the checkpoint of {origin} was to step back from {from:?} to {to:?}");
                return Err(LedgerError::Damaged(message));
            }
            let posted = Arc::make_mut(&mut open.books.posted);
            if posted.get(origin).copied().unwrap_or_default() != from {
                return Err(LedgerError::Moved { origin: origin.clone() });
            }
            posted.insert(origin.clone(), to);
            Ok(())
        })
        .await
    }

    async fn fetch(&mut self, table: &Name, columns: &Row) -> Result<Vec<MappedRow>, LedgerError> {
        self.work(Call::Fetch, |_, schema, open| {
            let unknown =
                |what: String| LedgerError::Damaged(format!("schema version {} {what}", schema.version));
            let known = schema.tables.get(table).ok_or_else(|| unknown(format!("has no table {table}")))?;
            if let Some(name) = columns.names().find(|name| known.column(name).is_none()) {
                return Err(unknown(format!("has no column {table}.{name}")));
            }
            let row = |(row, complement)| MappedRow { table: table.clone(), row, complement };
            Ok(open.books.tables.equal(known, columns).into_iter().map(row).collect())
        })
        .await
    }

    async fn apply(&mut self, changes: &[LedgerChange]) -> Result<(), LedgerError> {
        self.work(Call::Apply, |_, schema, open| {
            changes.iter().try_for_each(|change| open.books.tables.apply(schema, change))
        })
        .await
    }

    async fn apply_together(&mut self, changes: &[&LedgerChange]) -> Result<(), LedgerError> {
        let rules = self.rules.get_or_insert_with(|| Arc::new(sets::Rules::of(&self.schema))).clone();
        self.work(Call::Apply, |_, schema, open| {
            let steps = sets::plan(schema, &rules, changes, |_| false)?;
            steps.iter().try_for_each(|step| open.books.tables.carry_out(schema, step))
        })
        .await
    }

    async fn seal(&mut self, run: &SealedRun) -> Result<(), LedgerError> {
        self.work(Call::Seal, |site, _, open| {
            check_follows(site, open, run)?;
            open.seals.push(run.clone());
            Ok(())
        })
        .await
    }

    async fn quarantine(&mut self, transaction: &Quarantined) -> Result<(), LedgerError> {
        self.work(Call::Quarantine, |_, _, open| {
            let id = &transaction.id;
            if open.books.quarantine.iter().any(|each| each.transaction.id == *id) {
                let message = format!("{id} was in quarantine before; that cannot begin again");
                return Err(LedgerError::Damaged(message));
            }
            let put_aside = PutAside { transaction: transaction.clone(), asked: Asked::Nothing, ended: None };
            Arc::make_mut(&mut open.books.quarantine).push(put_aside);
            Ok(())
        })
        .await
    }

    async fn hold_again(&mut self, transaction: &Quarantined, asked: Asked) -> Result<bool, LedgerError> {
        self.work(Call::Quarantine, |_, _, open| {
            let found = open.books.asked_mut(&transaction.id, asked);
            Ok(found
                .map(|again| (again.transaction, again.asked) = (transaction.clone(), Asked::Nothing))
                .is_some())
        })
        .await
    }

    async fn release(
        &mut self,
        id: &TransactionId,
        asked: Asked,
        outcome: Release,
    ) -> Result<bool, LedgerError> {
        self.work(Call::Release, |_, _, open| {
            Ok(open.books.asked_mut(id, asked).map(|found| found.ended = Some(outcome)).is_some())
        })
        .await
    }

    async fn commit(&mut self) -> Result<(), LedgerError> {
        let after = self.before(Call::Commit).await?;
        let Some(open) = self.open.take_if(|open| !open.failed) else {
            return Err(misuse("a transaction in which something failed can only be rolled back"));
        };
        {
            let mut state = self.site.state();
            for run in &open.seals {
                let journal = self.site.journal();
                journal.seal(run).map_err(|_| LedgerError::Moved { origin: run.seal.origin.clone() })?;
            }
            state.books = open.books;
        }
        drop(open.turn);
        tokio::task::yield_now().await;
        self.after(&after)
    }

    async fn rollback(&mut self) -> Result<(), LedgerError> {
        let after = self.before(Call::Rollback).await?;
        self.open = None;
        self.after(&after)
    }

    async fn posted(&mut self) -> Result<Vec<(Origin, Posted)>, LedgerError> {
        self.read(|books| books.posted.iter().map(|(origin, posted)| (origin.clone(), *posted)).collect())
            .await
    }

    async fn asked(&mut self) -> Result<bool, LedgerError> {
        self.read(|books| books.open().any(|each| each.asked != Asked::Nothing)).await
    }

    async fn quarantined(&mut self) -> Result<Vec<(Quarantined, Asked)>, LedgerError> {
        self.read(|books| books.open().map(|each| (each.transaction.clone(), each.asked)).collect()).await
    }
}

impl LedgerReader for MemoryLedger {
    async fn begin_snapshot(&mut self) -> Result<(), LedgerError> {
        let after = self.before(Call::Read).await?;
        self.snapshot = Some(self.site.state().books.clone());
        self.after(&after)
    }

    async fn end_snapshot(&mut self) -> Result<(), LedgerError> {
        let after = self.before(Call::Read).await?;
        self.snapshot = None;
        self.after(&after)
    }

    async fn version(&mut self) -> Result<SchemaVersion, LedgerError> {
        self.read(|books| books.schema.version).await
    }

    fn has(&self, table: &Name) -> bool {
        self.schema.tables.contains_key(table)
    }

    async fn scan(
        &mut self,
        schema: &Schema,
        table: &Name,
        after: Option<&[Value]>,
        limit: usize,
    ) -> Result<Vec<(Row, Row)>, LedgerError> {
        if !schema.tables.contains_key(table) {
            let message = format!("schema version {} has no table {table}", schema.version);
            return Err(LedgerError::Damaged(message));
        }
        self.read(|books| books.tables.scan(table, after, limit)).await
    }
}
