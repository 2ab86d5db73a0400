//! The control state of a site: what is desired (paused or running, by whom, why), who may post (lease and fence), and
//! the record of who did what. All persisted beside the ledger, so that a pause survives every restart.

pub mod adding;
pub mod install;
pub mod lease;
pub mod ready;
pub mod spent;
pub mod sql;
pub(crate) mod standing;
pub mod status;
mod text;
pub mod traffic;

use std::future::Future;

use journal_core::model::{SchemaVersion, TransactionId};

use crate::ledger::{Asked, LedgerError};

/// Whether a site posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Desired {
    /// Posting goes on.
    Running,
    /// Nothing is posted until a resume.
    Paused,
}

/// The control row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Rises with each pause and resume.
    pub generation: i64,
    /// What is desired.
    pub desired: Desired,
    /// Who said so.
    pub who: String,
    /// Why.
    pub why: String,
    /// Since when, microseconds since 1970 UTC. For people.
    pub since: i64,
}

/// The lease row: which applier may post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Rises with each change of holder; each posting transaction compares it.
    pub fence: i64,
    /// The holder; empty when released.
    pub holder: String,
    /// Rises with each sign of life. Watched for change, never compared with a clock.
    pub beat: i64,
}

/// What a posting transaction finds under its share locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The control row.
    pub control: Control,
    /// The lease's fence.
    pub fence: i64,
    /// The version the ledger stands at.
    pub ledger_version: SchemaVersion,
}

/// Reads and changes a site's control state. Each call is a transaction of its own.
pub trait ControlStore: Send {
    /// The control row and the ledger's version.
    fn standing(&mut self) -> impl Future<Output = Result<Standing, LedgerError>> + Send;

    /// Pauses: takes the control row's exclusive lock, so it waits for the posting transaction under way. When it
    /// returns, nothing is being posted and nothing can be, by any applier, until [`resume`](Self::resume). Idempotent:
    /// an already paused site stays at its generation. An error means: not paused, or unknown; ask again.
    fn pause(&mut self, who: &str, why: &str) -> impl Future<Output = Result<Control, LedgerError>> + Send;

    /// Resumes with the next generation. Idempotent.
    fn resume(&mut self, who: &str, why: &str) -> impl Future<Output = Result<Control, LedgerError>> + Send;

    /// The lease row.
    fn lease(&mut self) -> impl Future<Output = Result<Lease, LedgerError>> + Send;

    /// Takes the lease over from the state `seen`, with the next fence. `None` when it has changed meanwhile.
    fn take_lease(
        &mut self,
        seen: &Lease,
        holder: &str,
    ) -> impl Future<Output = Result<Option<Lease>, LedgerError>> + Send;

    /// A sign of life under a fence. `false` when another holds the lease now.
    fn beat(&mut self, fence: i64) -> impl Future<Output = Result<bool, LedgerError>> + Send;

    /// Gives the lease back, so that the next applier need not wait.
    fn release_lease(&mut self, fence: i64) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Records what an operator asks for a quarantined transaction, with who and why; the poster carries it out.
    /// `false` when it is not in quarantine.
    fn ask(
        &mut self,
        id: &TransactionId,
        asked: Asked,
        who: &str,
        why: &str,
    ) -> impl Future<Output = Result<bool, LedgerError>> + Send;

    /// Records why posting does not move, for `status`; empty when it does.
    fn note_waiting(&mut self, reason: &str) -> impl Future<Output = Result<(), LedgerError>> + Send;
}
