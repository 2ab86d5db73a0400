//! The contract of a journal store. One conformance suite (`conformance`, feature `test-util`) holds every store to it.

use std::collections::BTreeMap;
use std::future::Future;

use crate::codec::chain::ChainFault;
use crate::model::seal::Hash;
use crate::model::{Hlc, NewTransaction, Origin, Seal, SealNr, SealedRun, StoredTransaction, TransNr};
use crate::sql::SqlError;

/// How much one read may return. The first transaction (or run) comes whole even when it is larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// Most transactions.
    pub transactions: usize,
    /// Most bytes, by [`StoredTransaction::weight`] or, where that is more, as the store holds them.
    pub bytes: usize,
}

/// What an append gave a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its number.
    pub trans_nr: TransNr,
    /// Whether it was there already under its `tx_id`, with the same content.
    pub repeated: bool,
}

/// The next transactions of this site's own that no seal covers yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tail {
    /// In the order of their numbers.
    pub transactions: Vec<StoredTransaction>,
    /// Those of them that were written in another form, and what was wrong with it: they cannot be accepted.
    pub ill_formed: BTreeMap<TransNr, String>,
    /// Everything up to and including this number is either in `transactions` or dead for ever.
    pub up_to: TransNr,
    /// A hole that may still fill: the reader stops before it.
    pub hole: Option<Hole>,
    /// Whether there may be more that the limit left out.
    pub more: bool,
}

/// Missing numbers that a running transaction may still bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// The first missing number.
    pub first: TransNr,
    /// The last.
    pub last: TransNr,
    /// The sessions that may bring them, as the database names them, for `status`.
    pub writers: Vec<String>,
}

/// How far an origin's sealed transactions stand in this journal. For the site's own origin: its last own seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Whose.
    pub origin: Origin,
    /// The last seal that is here.
    pub seal_nr: SealNr,
    /// The last number it covers.
    pub last_nr: TransNr,
    /// Its hash: what the next seal must name as previous.
    pub hash: Hash,
    /// Its clock reading.
    pub hlc: Hlc,
}

impl Head {
    /// The head of an origin whose last seal this is.
    pub fn at(seal: &Seal) -> Self {
        Self {
            origin: seal.origin.clone(),
            seal_nr: seal.seal_nr,
            last_nr: seal.last_nr,
            hash: seal.hash,
            hlc: seal.hlc,
        }
    }
}

/// Why an append did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum AppendError {
    #[error(
        "tx_id {tx_id} stands in the journal as transaction {trans_nr}, with other content; a retry repeats the content, a new transaction takes a new id"
    )]
    OtherContent { tx_id: uuid::Uuid, trans_nr: TransNr },
    #[error("append to the journal")]
    Store(#[source] SqlError),
}

/// Why a read failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ReadError {
    #[error("read the journal")]
    Store(#[source] SqlError),
    #[error("the journal is damaged at {origin} seal {seal_nr}: {detail}")]
    Corrupt { origin: Origin, seal_nr: SealNr, detail: String },
}

/// Why received runs were not taken. Nothing of them was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ReceiveError {
    #[error("seal {seal_nr} of {origin} does not hold what it names: {fault}")]
    Chain { origin: Origin, seal_nr: SealNr, fault: ChainFault },
    #[error("seal {seal_nr} of {origin} cannot follow seal {have}: one is missing between them")]
    Gap { origin: Origin, seal_nr: SealNr, have: SealNr },
    #[error(
        "seal {seal_nr} of {origin} is here with another hash: the origin has two histories; stop writing there and compare both"
    )]
    Fork { origin: Origin, seal_nr: SealNr },
    #[error("runs of {origin} are this site's own; they cannot be received")]
    Own { origin: Origin },
    #[error("write received runs into the journal")]
    Store(#[source] SqlError),
}

macro_rules! from_sql {
    ($($error:ident),*) => {$(
        impl From<SqlError> for $error {
            fn from(error: SqlError) -> Self {
                Self::Store(error)
            }
        }
    )*};
}
from_sql!(AppendError, ReadError, ReceiveError);

/// One site's journal: its own transactions and those received from its peers. Append-only.
///
/// *Durable* means that every later reader, also one started after a crash, sees it. Every future must be awaited to its
/// end, or the store dropped with it: a dropped future leaves the outcome unknown.
pub trait JournalStore: Send {
    /// This site in its present life.
    fn origin(&self) -> &Origin;

    /// Appends the transactions in order, all in one durable commit, and returns a number each, rising in that order.
    /// A `tx_id` that is already there is not written again: its first number comes back, `repeated`; with other
    /// content it is an error and nothing of the batch is written. On [`AppendError::Store`] with an unknown outcome
    /// the same call again gives the answer.
    fn append(
        &mut self,
        batch: &[NewTransaction],
    ) -> impl Future<Output = Result<Vec<Appended>, AppendError>> + Send;

    /// The next own transactions after `after`, in the order of their numbers, stopping before a hole that may still
    /// fill. Call it with what was sealed last; every number up to [`Tail::up_to`] is decided for good.
    fn read_tail(
        &mut self,
        after: TransNr,
        limit: ReadLimit,
    ) -> impl Future<Output = Result<Tail, ReadError>> + Send;

    /// How far each origin stands here, the own one included, by origin. An origin nothing came from is absent.
    fn heads(&mut self) -> impl Future<Output = Result<Vec<Head>, ReadError>> + Send;

    /// What [`heads`](Self::heads) and [`read_tail`](Self::read_tail) give, in as few calls to the database as may be.
    fn look(
        &mut self,
        after: TransNr,
        limit: ReadLimit,
    ) -> impl Future<Output = Result<(Vec<Head>, Tail), ReadError>> + Send {
        async move { Ok((self.heads().await?, self.read_tail(after, limit).await?)) }
    }

    /// The sealed runs of an origin after a seal, in seal order without a gap, as stored. Not verified: see
    /// [`crate::codec::chain::verify`].
    fn read_runs(
        &mut self,
        origin: &Origin,
        after: SealNr,
        limit: ReadLimit,
    ) -> impl Future<Output = Result<Vec<SealedRun>, ReadError>> + Send;

    /// Takes sealed runs of one peer, in seal order, after checking each against its seal and the one before: entries,
    /// seals, rejections and the received head in one durable commit. Runs that are here already with the same hash
    /// are skipped (the first answer was lost). Returns the new head.
    fn receive(&mut self, runs: &[SealedRun]) -> impl Future<Output = Result<Head, ReceiveError>> + Send;
}
