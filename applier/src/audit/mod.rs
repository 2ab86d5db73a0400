//! What auditors and careful operators ask of a site: is its ledger what another site has, is it the fold of its journal,
//! was the journal altered, who has not filled in what a new version asks for. Reads only; the one thing written here
//! is an auditor's own ledger, in a database that was empty.

pub mod ask;
pub mod balance;
pub mod chain;
pub mod cut;
pub mod diff;
pub mod digest;
mod progress;
pub mod replay;
mod rows;

pub use progress::{Progress, Watch, unwatched};
pub use rows::{RowsError, SORTED_ROWS_MAX, Unmapped};
