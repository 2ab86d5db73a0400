//! What an append gives: the transaction's number, and the way to learn what became of it.

use super::watcher::Watcher;
use crate::model::{SealNr, SiteName, TransactionId};
use crate::sql::SqlError;
use crate::store::sql::Pause;

/// The receipt of a durable append. Durable is not yet applied: the site's ledger decides on it next.
#[derive(Debug, Clone)]
pub struct Receipt {
    id: TransactionId,
    repeated: bool,
    watcher: Watcher,
}

/// What the origin's ledger decided. It is decided once, and holds everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Accepted: the ledger shows it, and the seal of this number says so.
    Applied {
        /// The seal.
        seal_nr: SealNr,
    },
    /// Refused: nothing of it is in any ledger or will be.
    Rejected {
        /// A stable word, such as `missing_parent`.
        code: String,
        /// What exactly, for people.
        detail: String,
    },
}

/// Where a transaction stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The decision, once there is one.
    pub decision: Option<Decision>,
    /// Why there may be none for a while: the site's posting is paused. The transaction is durable and waits.
    pub paused: Option<Pause>,
}

impl Receipt {
    pub(super) fn new(id: TransactionId, repeated: bool, watcher: Watcher) -> Self {
        Self { id, repeated, watcher }
    }

    /// The transaction's place. Of an append in the application's own database transaction it is valid once that
    /// commits.
    pub fn id(&self) -> &TransactionId {
        &self.id
    }

    /// Whether this was a retry: the transaction had been appended before.
    pub fn repeated(&self) -> bool {
        self.repeated
    }

    /// Waits until the origin has decided: then its ledger shows the transaction, or the rejection is known. Waits as
    /// long as the site is paused or nobody runs it (see [`Self::state`]); may be dropped or raced at any time.
    pub async fn applied(&self) -> Result<Decision, SqlError> {
        self.watcher.decision(self.id.trans_nr).await
    }

    /// Waits until a peer says, in a seal that has arrived here, that it posted the transaction (or holds it in its
    /// quarantine). A rejected transaction goes nowhere: its rejection comes back instead.
    pub async fn replicated(&self, site: &SiteName) -> Result<Decision, SqlError> {
        self.watcher.replicated(self.id.trans_nr, site).await
    }

    /// Where the transaction stands now, without waiting.
    pub async fn state(&self) -> Result<State, SqlError> {
        self.watcher.state(self.id.trans_nr).await
    }
}
