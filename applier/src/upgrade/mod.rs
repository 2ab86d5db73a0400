//! Versions in a database: the first tables of a site, the released versions on record, and the way of a ledger from one
//! version to another: `schema apply` for one paused site, the upgrade for a whole group. Decides nothing about a row:
//! mappings do, in `schema-mappers`.

mod chunk;
pub(crate) mod contract;
mod dependents;
mod grants;
pub mod install;
mod layout;
pub mod machine;
mod moving;
pub mod needs;
mod readable;
pub mod record;
mod references;
pub mod reshape;
mod staging;
mod stand_ins;
mod stays;
mod stepwise;
mod switch;
mod switch_stages;
mod tables;

pub(crate) use moving::far;
pub use moving::{CHUNK_ROWS, Far, Pace};
pub use switch::{LOCK_TIMEOUT, LOCK_WITHIN, LockPatience};

pub(crate) use staging::Leftover;
pub(crate) use tables::{SiteTables, TableRows, checksum, drop_leftovers};
