//! The reference store: the smallest true journal, in memory. The simulator runs thousands of histories a minute over
//! it, so it is also quick, and deterministic: it reads no clock.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::journal::{AppendError, Appended, Head, JournalStore, ReadError, ReadLimit, ReceiveError, Tail};
use crate::model::{
    NewTransaction, Origin, Rejection, Seal, SealNr, SealedRun, StoredTransaction, TransNr, TransactionId,
};
use crate::sql::{SqlClass, SqlError};

use super::sql::receive::{before_the_first, check_follows};
use super::{check_batch, check_runs, same_content};

/// One site's journal in memory. Clones are handles on the same journal: it outlives a simulated crash of its user as
/// long as one handle does.
///
/// Every operation yields to the scheduler before its effect, and every write once more after it, so that a future can
/// be dropped at both moments, as a connection can be lost at both.
#[derive(Debug, Clone)]
pub struct MemoryJournal {
    origin: Origin,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    last_nr: i64,
    tx_ids: HashMap<Uuid, TransNr>,
    books: BTreeMap<Origin, Book>,
}

/// What is here of one origin.
#[derive(Debug, Default)]
struct Book {
    transactions: BTreeMap<TransNr, StoredTransaction>,
    seals: Vec<(Seal, Vec<Rejection>)>,
}

impl MemoryJournal {
    /// An empty journal of a site.
    pub fn new(origin: Origin) -> Self {
        Self { origin, state: Arc::default() }
    }

    /// Seals a run of this site's own transactions, at once and without yielding: a ledger in memory calls this within
    /// its own commit. Refuses a seal that does not follow the head, as [`super::sql::write_seal`] does.
    pub fn seal(&self, run: &SealedRun) -> Result<(), SqlError> {
        let mut state = self.lock();
        let book = state.books.entry(run.seal.origin.clone()).or_default();
        let head = book.head(&run.seal.origin);
        check_follows(&head, &run.seal).map_err(|error| {
            SqlError::new(SqlClass::Transient, format!("{error}; another writer moved the head"))
        })?;
        book.seals.push((run.seal.clone(), run.rejections.clone()));
        Ok(())
    }

    /// Gives numbers back unused, as a rolled-back append on PostgreSQL does: a dead hole.
    pub fn burn_numbers(&self, count: u32) {
        self.lock().last_nr += i64::from(count);
    }

    /// How far an origin stands here; seal 0 before its first.
    pub fn head(&self, origin: &Origin) -> Head {
        self.lock().books.get(origin).map_or_else(|| before_the_first(origin), |book| book.head(origin))
    }

    /// One transaction, of whatever origin.
    pub fn transaction(&self, id: &TransactionId) -> Option<StoredTransaction> {
        self.lock().books.get(&id.origin)?.transactions.get(&id.trans_nr).cloned()
    }

    /// How many transactions of an origin are here.
    pub fn len(&self, origin: &Origin) -> usize {
        self.lock().books.get(origin).map_or(0, |book| book.transactions.len())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn head(&self, origin: &Origin) -> Head {
        self.seals.last().map_or_else(|| before_the_first(origin), |(seal, _)| Head::at(seal))
    }

    fn seal_at(&self, seal_nr: SealNr) -> Option<&Seal> {
        let at = usize::try_from(seal_nr.0 - 1).ok()?;
        self.seals.get(at).map(|(seal, _)| seal)
    }

    /// What a seal covers.
    fn covered(&self, seal: &Seal) -> impl Iterator<Item = &StoredTransaction> {
        let range = (seal.first_nr <= seal.last_nr).then_some(seal.first_nr..=seal.last_nr);
        range.into_iter().flat_map(|range| self.transactions.range(range)).map(|(_, transaction)| transaction)
    }
}

impl State {
    fn append(&mut self, origin: &Origin, batch: &[NewTransaction]) -> Result<Vec<Appended>, AppendError> {
        check_batch(batch)?;
        self.refuse_other_content(origin, batch)?;
        Ok(batch.iter().map(|new| self.append_one(origin, new)).collect())
    }

    /// Looks at the whole batch before anything of it is written.
    fn refuse_other_content(&self, origin: &Origin, batch: &[NewTransaction]) -> Result<(), AppendError> {
        let book = self.books.get(origin);
        let mut earlier: HashMap<Uuid, (i64, &NewTransaction)> = HashMap::new();
        for (new, place) in batch.iter().zip(1..) {
            let tx_id = new.tx_id;
            if let Some((place, first)) = earlier.get(&tx_id) {
                if *first != new {
                    return Err(AppendError::OtherContent { tx_id, trans_nr: TransNr(self.last_nr + place) });
                }
                continue;
            }
            earlier.insert(tx_id, (place, new));
            let Some(trans_nr) = self.tx_ids.get(&tx_id).copied() else { continue };
            let stored = book.and_then(|book| book.transactions.get(&trans_nr));
            if !stored.is_some_and(|stored| same_content(stored, new)) {
                return Err(AppendError::OtherContent { tx_id, trans_nr });
            }
        }
        Ok(())
    }

    fn append_one(&mut self, origin: &Origin, new: &NewTransaction) -> Appended {
        if let Some(trans_nr) = self.tx_ids.get(&new.tx_id) {
            return Appended { trans_nr: *trans_nr, repeated: true };
        }
        self.last_nr += 1;
        let trans_nr = TransNr(self.last_nr);
        let stored = StoredTransaction {
            id: TransactionId { origin: origin.clone(), trans_nr },
            tx_id: new.tx_id,
            schema_version: new.schema_version,
            author: new.author.clone(),
            // No clock: two runs of one simulated history must be the same to the byte.
            appended_at: trans_nr.0,
            entries: new.entries.clone(),
        };
        self.tx_ids.insert(new.tx_id, trans_nr);
        self.books.entry(origin.clone()).or_default().transactions.insert(trans_nr, stored);
        Appended { trans_nr, repeated: false }
    }

    fn receive(&mut self, runs: &[SealedRun]) -> Result<Head, ReceiveError> {
        let Some(origin) = runs.first().map(|run| run.seal.origin.clone()) else {
            return Err(SqlError::new(SqlClass::Data, "no runs to receive").into());
        };
        let book = self.books.entry(origin.clone()).or_default();
        let head = book.head(&origin);
        let new = runs.iter().position(|run| run.seal.seal_nr > head.seal_nr).unwrap_or(runs.len());
        let (old, new) = runs.split_at(new);
        for SealedRun { seal, .. } in old {
            if book.seal_at(seal.seal_nr).is_none_or(|here| here.hash != seal.hash) {
                return Err(ReceiveError::Fork { origin, seal_nr: seal.seal_nr });
            }
        }
        if let Some(first) = new.first() {
            check_follows(&head, &first.seal)?;
        }
        for run in new {
            book.transactions.extend(run.transactions.iter().map(|each| (each.id.trans_nr, each.clone())));
            book.seals.push((run.seal.clone(), run.rejections.clone()));
        }
        Ok(book.head(&origin))
    }

    fn tail(&self, origin: &Origin, after: TransNr, limit: ReadLimit) -> Tail {
        let mut bytes: usize = 0;
        let (mut transactions, mut more) = (Vec::new(), false);
        for transaction in
            self.books.get(origin).into_iter().flat_map(|book| book.transactions.range(after.next()..))
        {
            bytes = bytes.saturating_add(transaction.1.weight());
            let full = transactions.len() >= limit.transactions.max(1) || bytes > limit.bytes;
            if full && !transactions.is_empty() {
                more = true;
                break;
            }
            transactions.push(transaction.1.clone());
        }
        let up_to = transactions.last().map_or(after, |last| last.id.trans_nr);
        Tail { transactions, up_to, more, ..Tail::default() }
    }

    fn runs(&self, origin: &Origin, after: SealNr, limit: ReadLimit) -> Vec<SealedRun> {
        let Some(book) = self.books.get(origin) else { return Vec::new() };
        let (mut transactions, mut bytes): (usize, usize) = (0, 0);
        let mut runs: Vec<SealedRun> = Vec::new();
        let from = usize::try_from(after.0).unwrap_or(0);
        for (seal, rejections) in book.seals.iter().skip(from) {
            // Weighed first: what is beyond the limit is not copied.
            for transaction in book.covered(seal) {
                transactions += 1;
                bytes += transaction.weight();
            }
            if !runs.is_empty() && (transactions > limit.transactions || bytes > limit.bytes) {
                break;
            }
            runs.push(SealedRun {
                seal: seal.clone(),
                transactions: book.covered(seal).cloned().collect(),
                rejections: rejections.clone(),
                packs: Vec::new(),
            });
        }
        runs
    }
}

impl JournalStore for MemoryJournal {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    async fn append(&mut self, batch: &[NewTransaction]) -> Result<Vec<Appended>, AppendError> {
        tokio::task::yield_now().await;
        let appended = self.lock().append(&self.origin, batch);
        tokio::task::yield_now().await;
        appended
    }

    async fn read_tail(&mut self, after: TransNr, limit: ReadLimit) -> Result<Tail, ReadError> {
        tokio::task::yield_now().await;
        Ok(self.lock().tail(&self.origin, after, limit))
    }

    async fn heads(&mut self) -> Result<Vec<Head>, ReadError> {
        tokio::task::yield_now().await;
        let state = self.lock();
        let sealed = state.books.iter().filter(|(_, book)| !book.seals.is_empty());
        Ok(sealed.map(|(origin, book)| book.head(origin)).collect())
    }

    async fn read_runs(
        &mut self,
        origin: &Origin,
        after: SealNr,
        limit: ReadLimit,
    ) -> Result<Vec<SealedRun>, ReadError> {
        tokio::task::yield_now().await;
        Ok(self.lock().runs(origin, after, limit))
    }

    async fn receive(&mut self, runs: &[SealedRun]) -> Result<Head, ReceiveError> {
        tokio::task::yield_now().await;
        check_runs(&self.origin, runs)?;
        let head = self.lock().receive(runs);
        tokio::task::yield_now().await;
        head
    }
}
