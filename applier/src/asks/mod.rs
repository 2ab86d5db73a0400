//! What a new version asks of its users: rows that hold an ask code wait until somebody fills them in, and the old version
//! is not given up before. Nothing here changes a row of the ledger: a later write gives the real value.

pub mod queue;
pub mod record;

pub use queue::{AskedRow, OpenAsk, Queue, Waived, list, open, open_in};
pub use record::{Waiver, arrive, close, waive};
