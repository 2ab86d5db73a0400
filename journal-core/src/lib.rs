//! Daybook's journal: the book of original entry that applications write and everything else is posted from.
//!
//! Applications append every change of their data to the journal of their site; the site's ledger tables follow from
//! it, here and at every other site of the group, whatever version their schemas have. This crate is the journal
//! alone. It knows nothing of ledgers and mappers.
//!
//! # Writing
//!
//! Most users need [`client`] and nothing else:
//!
//! ```
#![doc = include_str!("../examples/sale.rs")]
//! ```
//!
//! An application that is to outlive an upgrade of its databases opens the whole group instead, with
//! [`client::Journal::open_group`]: it writes at the site in service and moves by itself.
//!
//! `examples/counter_shop` is a whole program, with the commands that make its site.
//!
//! # The parts
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`client`] | open a journal, build and append transactions, receipts, ids |
//! | [`model`] | plain data: sites, transactions, values, schemas, seals |
//! | [`codec`] | bytes: payloads, JSON, the hash chain over seals |
//! | [`journal`] | the contract of a journal store, and its errors |
//! | [`store`] | the stores: memory, SQLite, PostgreSQL, MariaDB |
//! | [`sql`] | the seam to SQL databases: one connection, one parameter and one error type |
//! | `conformance` | the suite that every store passes (feature `test-util`) |
//!
//! # What a journal promises
//!
//! - An append that returned is seen by every later reader, also after a crash; one whose answer was lost gives its
//!   first receipt when it is appended again.
//! - A transaction is there whole or not at all.
//! - A reader of the tail passes no number that could still become visible, and waits for no number that cannot.
//! - Stored bytes never change; a seal names and hashes what it covers, so that a change is found and named.
//!
//! Wall clocks decide nothing of this.

pub mod client;
pub mod codec;
#[cfg(feature = "test-util")]
pub mod conformance;
pub mod journal;
pub mod model;
pub mod sql;
pub mod store;
