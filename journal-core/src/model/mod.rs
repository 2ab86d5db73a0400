//! Plain data: what a journal is made of. No I/O, no clock, no driver.

pub mod change;
pub mod decimal;
pub(crate) mod names;
pub mod row;
pub mod schema;
pub mod seal;
pub mod site;
mod stored_name;
pub mod time;
pub mod transaction;
pub mod value;

pub use change::{Change, Op};
pub use decimal::Decimal;
pub use row::{Name, Row};
pub use schema::{Column, Parent, Schema, Table, Type};
pub use seal::{Hash, ILL_FORMED, Pack, Rejection, Seal, SealedRun, Vector};
pub use site::{Epoch, Hlc, Origin, SchemaVersion, SealNr, SiteName, TransNr, TransactionId};
pub use transaction::{Codec, NewTransaction, StoredEntry, StoredTransaction};
pub use value::Value;
