//! What the cases are made of: origins, transactions, seals.

use uuid::Uuid;

use super::Rig;
use crate::codec::chain::{self, SealDraft};
use crate::journal::{JournalStore, ReadLimit};
use crate::model::seal::GENESIS;
use crate::model::{
    Epoch, Hlc, NewTransaction, Origin, Rejection, SchemaVersion, SealNr, SealedRun, SiteName, StoredEntry,
    StoredTransaction, TransNr, Vector,
};

/// A limit that no case reaches.
pub const UNLIMITED: ReadLimit = ReadLimit { transactions: 100_000, bytes: usize::MAX };

/// The first life of the site of that name.
///
/// # Panics
/// When it is no site's name.
pub fn origin(site: &str) -> Origin {
    Origin { site: SiteName::new(site).expect("a site's name"), epoch: Epoch(1) }
}

/// A transaction with that many entries, its key and content made from `seed`.
pub fn new_transaction(seed: u64, entries: usize) -> NewTransaction {
    let entry = |entry_nr: i64| StoredEntry {
        entry_nr,
        entity: "counter".into(),
        op: "insert".into(),
        row_key: format!("[{seed}]"),
        codec: 1,
        payload: format!("payload {seed}/{entry_nr}").into_bytes(),
    };
    NewTransaction {
        tx_id: Uuid::from_u64_pair(0x0190_0000_0000_7000, 0x8000_0000_0000_0000 | seed),
        schema_version: SchemaVersion(1),
        author: "suite".into(),
        entries: (1..).take(entries).map(entry).collect(),
    }
}

/// What a stored transaction shares with the one that was appended.
pub fn content(stored: &StoredTransaction) -> NewTransaction {
    NewTransaction {
        tx_id: stored.tx_id,
        schema_version: stored.schema_version,
        author: stored.author.clone(),
        entries: stored.entries.clone(),
    }
}

/// Appends transactions, each of one entry, made from the seeds.
pub(super) async fn append<S: JournalStore>(store: &mut S, seeds: std::ops::Range<u64>) -> Vec<TransNr> {
    let batch: Vec<NewTransaction> = seeds.map(|seed| new_transaction(seed, 1)).collect();
    store.append(&batch).await.expect("append").into_iter().map(|appended| appended.trans_nr).collect()
}

/// Seals everything of the tail, after rejecting the transactions at these places in it.
///
/// # Panics
/// When the store refuses.
pub async fn seal_next<R: Rig>(rig: &mut R, store: &mut R::Store, reject: &[usize]) -> SealedRun {
    let run = draft_next(store, reject).await;
    rig.seal(store, &run).await.expect("seal");
    run
}

/// The run that [`seal_next`] would seal.
pub(super) async fn draft_next<S: JournalStore>(store: &mut S, reject: &[usize]) -> SealedRun {
    let own = store.origin().clone();
    let head = store.heads().await.expect("heads").into_iter().find(|head| head.origin == own);
    let (seal_nr, last_nr, hash, hlc) = head.map_or((SealNr(0), TransNr(0), GENESIS, Hlc(0)), |head| {
        (head.seal_nr, head.last_nr, head.hash, head.hlc)
    });
    let tail = store.read_tail(last_nr, UNLIMITED).await.expect("tail");
    assert_eq!(tail.hole, None, "nobody else writes");
    let verdict = |at: &usize| Rejection {
        trans_nr: tail.transactions[*at].id.trans_nr,
        code: "missing_parent".to_owned(),
        detail: format!("number {at} of the batch: ‘none such’"),
    };
    let rejections: Vec<Rejection> = reject.iter().map(verdict).collect();
    let draft = SealDraft {
        origin: own.clone(),
        seal_nr: seal_nr.next(),
        first_nr: last_nr.next(),
        last_nr: tail.up_to,
        hlc: Hlc(hlc.0 + 7),
        seen: Vector::from([(origin("peer"), SealNr(3)), (own, seal_nr)]),
        schema: 1,
        prev_hash: hash,
        sealed_at: 1_700_000_000_000_000,
    };
    chain::seal(draft, tail.transactions, rejections)
}
