//! The hash chain over seals. Hashes cover stored bytes as they are; the layout is in `docs/format.md`.

use sha2::{Digest, Sha256};

use crate::model::seal::{ALGORITHM_SHA256, Hash, Rejection, Seal, SealedRun, Vector};
use crate::model::{Hlc, Origin, SealNr, StoredTransaction, TransNr};

/// Bytes of one leaf in [`Seal::leaves`]: the number and eight bytes of the transaction's hash.
const LEAF_BYTES: usize = 16;

/// What a seal says besides what is derived from its run.
#[derive(Debug, Clone)]
pub struct SealDraft {
    /// Whose.
    pub origin: Origin,
    /// The number after the seal before.
    pub seal_nr: SealNr,
    /// The number after the last one covered by the seal before.
    pub first_nr: TransNr,
    /// The last number covered, dead holes included.
    pub last_nr: TransNr,
    /// The place in canonical order.
    pub hlc: Hlc,
    /// What was posted of the peers.
    pub seen: Vector,
    /// The deciding ledger's schema version.
    pub schema: i64,
    /// The hash of the seal before.
    pub prev_hash: Hash,
    /// Wall clock, for people.
    pub sealed_at: i64,
}

/// Seals a run: counts, leaves and hash are made here.
pub fn seal(draft: SealDraft, transactions: Vec<StoredTransaction>, rejections: Vec<Rejection>) -> SealedRun {
    let hashes: Vec<Hash> = transactions.iter().map(transaction_hash).collect();
    let mut seal = Seal {
        origin: draft.origin,
        seal_nr: draft.seal_nr,
        first_nr: draft.first_nr,
        last_nr: draft.last_nr,
        tx_count: count(transactions.len()),
        entry_count: entry_count(&transactions),
        rejected_count: count(rejections.len()),
        hlc: draft.hlc,
        seen: draft.seen,
        schema: draft.schema,
        algorithm: ALGORITHM_SHA256,
        prev_hash: draft.prev_hash,
        hash: [0; 32],
        leaves: leaves(&transactions, &hashes),
        signature: Vec::new(),
        sealed_at: draft.sealed_at,
    };
    seal.hash = seal_hash(&seal, &hashes, &rejections);
    SealedRun { seal, transactions, rejections, packs: Vec::new() }
}

/// What a run and its seal disagree on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ChainFault {
    #[error("hash algorithm {0} is not known to this release")]
    UnknownAlgorithm(i64),
    #[error("it does not follow the seal before: previous hashes differ")]
    Unlinked,
    #[error("transaction {trans_nr} was altered after it was sealed")]
    Altered { trans_nr: TransNr },
    #[error("transaction {trans_nr} is missing")]
    Missing { trans_nr: TransNr },
    #[error("transaction {trans_nr} was not there when the run was sealed")]
    Inserted { trans_nr: TransNr },
    #[error("the seal itself or its rejections were altered")]
    SealAltered,
}

/// Checks a run against its seal and the hash of the seal before. Names the first transaction at fault where one is.
pub fn verify(run: &SealedRun, prev_hash: &Hash) -> Result<(), ChainFault> {
    let seal = &run.seal;
    if seal.algorithm != ALGORITHM_SHA256 {
        return Err(ChainFault::UnknownAlgorithm(seal.algorithm));
    }
    if seal.prev_hash != *prev_hash {
        return Err(ChainFault::Unlinked);
    }
    let hashes: Vec<Hash> = run.transactions.iter().map(transaction_hash).collect();
    let whole = seal.hash == seal_hash(seal, &hashes, &run.rejections)
        && seal.leaves == leaves(&run.transactions, &hashes)
        && seal.tx_count == count(run.transactions.len())
        && seal.entry_count == entry_count(&run.transactions)
        && seal.rejected_count == count(run.rejections.len());
    if whole { Ok(()) } else { Err(locate(seal, &run.transactions, &hashes)) }
}

/// Finds the first transaction that differs from the leaf the seal keeps of it.
fn locate(seal: &Seal, transactions: &[StoredTransaction], hashes: &[Hash]) -> ChainFault {
    let have = leaves(transactions, hashes);
    let (mut sealed, mut found) = (seal.leaves.chunks(LEAF_BYTES), have.chunks(LEAF_BYTES));
    loop {
        match (sealed.next(), found.next()) {
            (None, None) => return ChainFault::SealAltered,
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => {
                let (a, b) = (leaf_nr(a), leaf_nr(b));
                return match a.cmp(&b) {
                    std::cmp::Ordering::Equal => ChainFault::Altered { trans_nr: a },
                    std::cmp::Ordering::Less => ChainFault::Missing { trans_nr: a },
                    std::cmp::Ordering::Greater => ChainFault::Inserted { trans_nr: b },
                };
            }
            (Some(a), None) => return ChainFault::Missing { trans_nr: leaf_nr(a) },
            (None, Some(b)) => return ChainFault::Inserted { trans_nr: leaf_nr(b) },
        }
    }
}

fn leaf_nr(leaf: &[u8]) -> TransNr {
    let mut bytes = [0; 8];
    // A torn last leaf reads as number 0, which no transaction has.
    if let Some(head) = leaf.get(..8) {
        bytes.copy_from_slice(head);
    }
    TransNr(i64::from_le_bytes(bytes))
}

fn leaves(transactions: &[StoredTransaction], hashes: &[Hash]) -> Vec<u8> {
    let mut out = Vec::with_capacity(transactions.len() * LEAF_BYTES);
    for (transaction, hash) in transactions.iter().zip(hashes) {
        out.extend_from_slice(&transaction.id.trans_nr.0.to_le_bytes());
        out.extend_from_slice(&hash[..8]);
    }
    out
}

/// The hash of one transaction: identity, header and every entry's stored bytes.
pub fn transaction_hash(transaction: &StoredTransaction) -> Hash {
    let mut hasher = Hasher::new(b"daybook transaction 1\0");
    hasher.origin(&transaction.id.origin);
    hasher.number(transaction.id.trans_nr.0);
    hasher.bytes(transaction.tx_id.as_bytes());
    hasher.number(transaction.schema_version.0);
    hasher.sized(transaction.author.as_bytes());
    hasher.number(transaction.appended_at);
    hasher.number(count(transaction.entries.len()));
    for entry in &transaction.entries {
        hasher.number(entry.entry_nr);
        hasher.sized(entry.entity.as_bytes());
        hasher.sized(entry.op.as_bytes());
        hasher.sized(entry.row_key.as_bytes());
        hasher.number(entry.codec);
        hasher.sized(&entry.payload);
    }
    hasher.finish()
}

fn seal_hash(seal: &Seal, transactions: &[Hash], rejections: &[Rejection]) -> Hash {
    let mut hasher = Hasher::new(b"daybook seal 1\0");
    hasher.origin(&seal.origin);
    for field in [
        seal.seal_nr.0,
        seal.first_nr.0,
        seal.last_nr.0,
        seal.tx_count,
        seal.entry_count,
        seal.rejected_count,
        seal.hlc.0,
        seal.schema,
        seal.algorithm,
        seal.sealed_at,
    ] {
        hasher.number(field);
    }
    hasher.number(count(seal.seen.len()));
    for (peer, seal_nr) in &seal.seen {
        hasher.origin(peer);
        hasher.number(seal_nr.0);
    }
    hasher.bytes(&seal.prev_hash);
    hasher.sized(&seal.leaves);
    hasher.number(count(rejections.len()));
    for rejection in rejections {
        hasher.number(rejection.trans_nr.0);
        hasher.sized(rejection.code.as_bytes());
        hasher.sized(rejection.detail.as_bytes());
    }
    hasher.number(count(transactions.len()));
    for hash in transactions {
        hasher.bytes(hash);
    }
    hasher.finish()
}

/// Bytes of short pieces that are hashed at once: a small transaction's.
const GATHERED: usize = 1024;

/// Gathers what is hashed: many short pieces, each of which would cost the hash function more than copying it does.
struct Hasher {
    hasher: Sha256,
    gathered: Vec<u8>,
}

impl Hasher {
    fn new(begins: &[u8]) -> Self {
        let mut new = Self { hasher: Sha256::new(), gathered: Vec::with_capacity(GATHERED) };
        new.bytes(begins);
        new
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.gathered.len() + bytes.len() > GATHERED {
            self.hasher.update(&self.gathered);
            self.gathered.clear();
        }
        match bytes.len() > GATHERED {
            true => self.hasher.update(bytes),
            false => self.gathered.extend_from_slice(bytes),
        }
    }

    fn number(&mut self, number: i64) {
        self.bytes(&number.to_le_bytes());
    }

    fn sized(&mut self, bytes: &[u8]) {
        self.number(count(bytes.len()));
        self.bytes(bytes);
    }

    fn origin(&mut self, origin: &Origin) {
        self.sized(origin.site.as_str().as_bytes());
        self.number(origin.epoch.0);
    }

    fn finish(mut self) -> Hash {
        self.hasher.update(&self.gathered);
        self.hasher.finalize().into()
    }
}

fn entry_count(transactions: &[StoredTransaction]) -> i64 {
    transactions.iter().map(|transaction| count(transaction.entries.len())).sum()
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
