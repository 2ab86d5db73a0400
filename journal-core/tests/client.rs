//! The client library over SQLite; a hand-made seal stands in for the site's ledger. PostgreSQL's cases are in the
//! workspace's `tests` crate.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client {
    mod appending;
    mod ids;
    mod opening;
    mod receipts;
    mod shop;
    mod validity;
}
