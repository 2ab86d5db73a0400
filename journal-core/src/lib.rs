//! Daybook's journal.
pub mod codec;
pub mod model;
