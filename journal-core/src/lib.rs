//! Daybook's journal.
pub mod codec;
pub mod journal;
pub mod model;
pub mod sql;
pub mod store;
