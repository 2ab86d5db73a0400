//! The journal in a SQL database, SQLite or PostgreSQL: one store over the seam [`crate::sql`]. The functions here work
//! inside a database transaction of their caller's, which is how a seal comes to share its commit with the ledger.

mod append;
mod migrate;
mod read;
mod schema_version;
mod seal;
mod site;
mod text;

pub use append::append_in;
pub use migrate::install;
pub use read::{load_head, load_heads, lock_head, read_runs, read_tail_rows, read_transaction, read_verdict};
pub use schema_version::{ReleasedSchema, insert_schema_version, list_schema_versions, load_schema_version};
pub use seal::write_seal;
pub use site::{STRIPES, Site, create_site, read_site, set_ledger_version};
