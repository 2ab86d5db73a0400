//! Shipping by SQL pull: read sealed runs out of a peer's journal, check them, write them into the own one.

use journal_core::journal::{JournalStore, ReadError, ReadLimit, ReceiveError};
use journal_core::model::SealNr;

/// What one pull did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulled {
    /// Runs taken.
    pub runs: u64,
    /// Transactions in them.
    pub transactions: u64,
}

/// Why a pull failed. Each side's trouble apart: a peer that is down must not look like trouble here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum PullError {
    #[error("read the peer's journal")]
    Peer(#[source] ReadError),
    #[error("read the own journal")]
    Own(#[source] ReadError),
    #[error("take runs into the own journal")]
    Receive(#[source] ReceiveError),
}

/// Pulls the next batch of every origin the peer's journal knows further than the own one. Rows that began at this site
/// are left where they are: they are here already. A third site's rows are taken as well, so that a group converges
/// also while their origin is down.
pub async fn pull<P: JournalStore, J: JournalStore>(
    peer: &mut P,
    own: &mut J,
    limit: ReadLimit,
) -> Result<Pulled, PullError> {
    let have = own.heads().await.map_err(PullError::Own)?;
    let mut pulled = Pulled::default();
    for head in peer.heads().await.map_err(PullError::Peer)? {
        if head.origin == *own.origin() {
            continue;
        }
        let after = have.iter().find(|own| own.origin == head.origin).map_or(SealNr(0), |own| own.seal_nr);
        if head.seal_nr <= after {
            continue;
        }
        let runs = peer.read_runs(&head.origin, after, limit).await.map_err(PullError::Peer)?;
        if runs.is_empty() {
            continue;
        }
        own.receive(&runs).await.map_err(PullError::Receive)?;
        pulled.runs += runs.len() as u64;
        pulled.transactions += runs.iter().map(|run| run.transactions.len() as u64).sum::<u64>();
    }
    Ok(pulled)
}
