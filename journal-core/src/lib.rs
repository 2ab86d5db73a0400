//! Daybook's journal.
pub mod codec;
#[cfg(feature = "test-util")]
pub mod conformance;
pub mod journal;
pub mod model;
pub mod sql;
pub mod store;
