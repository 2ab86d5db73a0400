//! Daybook's engine.
pub mod config;
pub mod control;
pub mod engine;
pub mod ledger;
pub mod ship;
pub mod upgrade;
