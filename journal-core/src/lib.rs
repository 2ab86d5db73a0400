//! Daybook's journal.
pub mod model;
