//! Seals: the origin's verdict on a run of its own transactions.

use std::collections::BTreeMap;

use super::site::{Hlc, Origin, SealNr, TransNr};
use super::transaction::StoredTransaction;

/// What a site had posted of each other origin: the number of the last seal posted whole.
pub type Vector = BTreeMap<Origin, SealNr>;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash before the first seal of an origin.
pub const GENESIS: Hash = [0; 32];

/// Hash algorithm 1: SHA-256, as `docs/format.md` lays it out.
pub const ALGORITHM_SHA256: i64 = 1;

/// One seal. Covers the run `first_nr..=last_nr` of its origin; an empty run (`first_nr == last_nr + 1`) acknowledges
/// what `seen` says and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Whose transactions these are.
    pub origin: Origin,
    /// Dense from 1.
    pub seal_nr: SealNr,
    /// The first number covered: one after the last of the seal before.
    pub first_nr: TransNr,
    /// The last number covered. Numbers in between without a transaction are dead holes.
    pub last_nr: TransNr,
    /// Transactions in the run, rejected ones included.
    pub tx_count: i64,
    /// Entries in the run, those of rejected transactions included.
    pub entry_count: i64,
    /// Rejected transactions in the run.
    pub rejected_count: i64,
    /// The place in canonical order of every transaction of the run.
    pub hlc: Hlc,
    /// What the origin had posted of its peers when it decided.
    pub seen: Vector,
    /// The schema version of the ledger that decided.
    pub schema: i64,
    /// How `hash` is made.
    pub algorithm: i64,
    /// The hash of the seal before, or [`GENESIS`].
    pub prev_hash: Hash,
    /// Over the header, `leaves`, the rejections and every stored byte of the run.
    pub hash: Hash,
    /// Eight bytes of each transaction's own hash with its number, so that an audit can name the one at fault.
    pub leaves: Vec<u8>,
    /// Room for an Ed25519 signature; empty in this release.
    pub signature: Vec<u8>,
    /// The origin's wall clock, microseconds since 1970 UTC. For people; decides nothing.
    pub sealed_at: i64,
}

/// Code of a rejection of what was not written in the form of a transaction. What is sealed of such a one has the header of its
/// first entry, and its entries numbered by their places.
pub const ILL_FORMED: &str = "D0214";

/// A transaction that its origin did not accept, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Which one.
    pub trans_nr: TransNr,
    /// A stable code, such as `D0202`; `docs/errors` has a page each.
    pub code: String,
    /// What exactly, for people.
    pub detail: String,
}

/// Some transactions of a run in few values, or a piece of one that is too large for a single value. The layout is in
/// `docs/format.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// The number of the first transaction in it.
    pub first_nr: TransNr,
    /// The number of the last one. Packs share it only when they are pieces of that one transaction.
    pub last_nr: TransNr,
    /// From 1: which piece of a large transaction it is.
    pub piece: i64,
    /// JSON: what stands beside the payloads.
    pub heads: String,
    /// The payloads, in order.
    pub payloads: Vec<u8>,
}

/// A seal with all that it covers: the unit of shipping.
#[derive(Debug, Clone)]
pub struct SealedRun {
    /// The seal.
    pub seal: Seal,
    /// Its transactions in the order of their numbers, rejected ones included.
    pub transactions: Vec<StoredTransaction>,
    /// The verdicts against, in the order of their numbers.
    pub rejections: Vec<Rejection>,
    /// The packs that the transactions were read from, for a journal that takes them as they are; else none. Only who
    /// takes packs apart puts them here: they must say what the transactions say.
    pub(crate) packs: Vec<Pack>,
}

/// The same seal over the same content, read from whatever form.
impl PartialEq for SealedRun {
    fn eq(&self, other: &Self) -> bool {
        self.seal == other.seal
            && self.transactions == other.transactions
            && self.rejections == other.rejections
    }
}

impl Eq for SealedRun {}

impl SealedRun {
    /// Lets go of what only a journal needs that takes the run.
    pub fn forget_packs(&mut self) {
        self.packs = Vec::new();
    }

    /// Whether the origin accepted that transaction.
    pub fn accepts(&self, trans_nr: TransNr) -> bool {
        self.rejections.binary_search_by_key(&trans_nr, |rejection| rejection.trans_nr).is_err()
    }

    /// The accepted transactions, in order.
    pub fn accepted(&self) -> impl Iterator<Item = &StoredTransaction> {
        self.transactions.iter().filter(|transaction| self.accepts(transaction.id.trans_nr))
    }
}
