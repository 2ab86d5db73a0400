//! What applications use: open the journal of their site, append transactions, learn what became of them. Never touches
//! the ledger. Begin with [`Journal`], or with [`Journal::open_group`] where a group's sites are upgraded one by one.

mod commit;
mod group;
mod group_commit;
mod id_block;
mod journal;
mod queue;
mod receipt;
mod transaction;
mod watcher;
mod writer;

pub use group::{GroupBuilder, GroupFailure, GroupJournal};
pub use group_commit::{AppendFailure, GroupCommit, Pending};
pub use journal::{Journal, JournalBuilder, OpenError};
pub use receipt::{Decision, Receipt, State};
pub use transaction::{InvalidTransaction, Transaction};
