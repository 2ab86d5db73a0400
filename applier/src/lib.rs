//! Daybook's engine.
pub mod control;
pub mod ledger;
pub mod ship;
