//! One site in memory: its journal, its ledger's state and its control state. What a committed database would hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use journal_core::model::{Change, Name, Origin, Row, Schema, SchemaVersion, TransactionId};
use journal_core::sql::{SqlClass, SqlError};
use journal_core::store::memory::MemoryJournal;

use super::tables::Tables;
use super::{MemoryControl, MemoryLedger};
use crate::control::{Control, Desired, Lease, Standing};
use crate::ledger::{Asked, LedgerChange, LedgerError, Posted, Quarantined, Release};

/// One site in memory. Clones are handles on the same site: it outlives a simulated crash of its user as long as one
/// handle does. Deterministic: it reads no clock, so no row says when.
#[derive(Debug, Clone)]
pub struct MemorySite(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    journal: MemoryJournal,
    /// Whoever holds it may write the books: one posting transaction, pause or takeover at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
    state: Mutex<State>,
    #[cfg(feature = "test-util")]
    faults: super::faults::Faults,
}

/// Everything that is committed.
#[derive(Debug)]
pub(super) struct State {
    pub(super) books: Books,
    pub(super) control: Control,
    pub(super) lease: Lease,
    pub(super) waiting: String,
    pub(super) actions: Vec<Action>,
}

/// What a posting transaction may change. Cheap to copy; a copy shares what it does not change.
#[derive(Debug, Clone)]
pub(super) struct Books {
    pub(super) schema: Arc<Schema>,
    pub(super) tables: Tables,
    pub(super) posted: Arc<BTreeMap<Origin, Posted>>,
    pub(super) quarantine: Arc<Vec<PutAside>>,
}

/// A transaction in quarantine or out of it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutAside {
    /// Which one, and why.
    pub transaction: Quarantined,
    /// What was asked for it last.
    pub asked: Asked,
    /// How it ended, if it did.
    pub ended: Option<Release>,
}

/// Who did what, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Action {
    pub who: String,
    pub what: String,
    pub why: String,
}

impl MemorySite {
    /// An empty ledger at a version, beside a journal, running.
    pub fn new(journal: MemoryJournal, schema: Arc<Schema>) -> Self {
        let books =
            Books { schema, tables: Tables::default(), posted: Arc::default(), quarantine: Arc::default() };
        let (who, why) = ("init".to_owned(), String::new());
        let control = Control { generation: 1, desired: Desired::Running, who, why, since: 0 };
        let lease = Lease { fence: 0, holder: String::new(), beat: 0 };
        let state = State { books, control, lease, waiting: String::new(), actions: Vec::new() };
        Self(Arc::new(Inner {
            journal,
            turn: Arc::default(),
            state: Mutex::new(state),
            #[cfg(feature = "test-util")]
            faults: super::faults::Faults::default(),
        }))
    }

    /// The site's journal.
    pub fn journal(&self) -> MemoryJournal {
        self.0.journal.clone()
    }

    /// Opens the ledger, at the version it stands at now.
    pub fn ledger(&self) -> MemoryLedger {
        MemoryLedger::new(self.clone())
    }

    /// Opens the control state.
    pub fn control(&self) -> MemoryControl {
        MemoryControl::new(self.clone())
    }

    /// What arms troubles here.
    #[cfg(feature = "test-util")]
    pub fn faults(&self) -> super::faults::Faults {
        self.0.faults.clone()
    }

    /// The schema the ledger stands at.
    pub fn schema(&self) -> Arc<Schema> {
        self.state().books.schema.clone()
    }

    /// All committed rows of a table in the order of its key, with their complements.
    pub fn rows(&self, table: &Name) -> Vec<(Row, Row)> {
        let tables = self.state().books.tables.clone();
        tables.scan(table, None, usize::MAX)
    }

    /// The same rows without their complements, shared with the ledger.
    pub fn shared_rows(&self, table: &Name) -> Vec<Arc<Row>> {
        self.state().books.tables.shared(table)
    }

    /// How far each origin is posted, as committed: shared with the ledger until that changes.
    pub fn posted(&self) -> Arc<BTreeMap<Origin, Posted>> {
        self.state().books.posted.clone()
    }

    /// All that ever was in quarantine, in the order of arrival: shared with the ledger until that changes.
    pub fn put_aside(&self) -> Arc<Vec<PutAside>> {
        self.state().books.quarantine.clone()
    }

    /// What a posting transaction would find now.
    pub fn standing(&self) -> Standing {
        self.state().standing()
    }

    /// Why posting does not move, as noted last.
    pub fn waiting(&self) -> String {
        self.state().waiting.clone()
    }

    /// The record of who did what.
    pub fn actions(&self) -> Vec<Action> {
        self.state().actions.clone()
    }

    /// Gives a paused site the tables of another version with these rows (table, row, complement), parents before
    /// children, at once and without yielding: a reshape. Refused when the site runs, when a transaction is open, or
    /// when the rows do not fit; nothing has changed then.
    pub fn reshape(
        &self,
        schema: Arc<Schema>,
        rows: impl IntoIterator<Item = (Name, Row, Row)>,
    ) -> Result<(), LedgerError> {
        let busy = || SqlError::new(SqlClass::Transient, "a posting transaction is open");
        let _turn = self.0.turn.clone().try_lock_owned().map_err(|_| busy())?;
        let mut state = self.state();
        if state.control.desired == Desired::Running {
            return Err(LedgerError::Damaged("the site is running; a reshape needs it paused".to_owned()));
        }
        let mut tables = Tables::default();
        for (table, row, complement) in rows {
            let mut image = LedgerChange::new(Change::insert(table, row));
            image.complement.set = complement;
            tables.apply(&schema, &image)?;
        }
        (state.books.schema, state.books.tables) = (schema, tables);
        Ok(())
    }

    pub(super) fn turn(&self) -> Arc<tokio::sync::Mutex<()>> {
        self.0.turn.clone()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn standing(&self) -> Standing {
        let ledger_version: SchemaVersion = self.books.schema.version;
        Standing { control: self.control.clone(), fence: self.lease.fence, ledger_version }
    }

    pub(super) fn record(&mut self, who: &str, what: String, why: &str) {
        self.actions.push(Action { who: who.to_owned(), what, why: why.to_owned() });
    }
}

impl Books {
    /// The quarantine that has not ended, of that transaction.
    pub(super) fn open_mut(&mut self, id: &TransactionId) -> Option<&mut PutAside> {
        let all = Arc::make_mut(&mut self.quarantine);
        all.iter_mut().find(|each| each.transaction.id == *id && each.ended.is_none())
    }

    /// An open quarantine, as long as this is what is asked for it.
    pub(super) fn asked_mut(&mut self, id: &TransactionId, asked: Asked) -> Option<&mut PutAside> {
        self.open_mut(id).filter(|found| found.asked == asked)
    }

    /// All quarantines that have not ended.
    pub(super) fn open(&self) -> impl Iterator<Item = &PutAside> {
        self.quarantine.iter().filter(|each| each.ended.is_none())
    }
}
