//! One binary for all tests that need more than one crate, so that each server starts once per run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod journal_postgres;
mod process;
mod proxy;
mod servers;
mod tidy;
