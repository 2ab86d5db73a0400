//! The seam to SQL databases: one connection type, one parameter type, one error type for all of them, so that a
//! statement is written once. Knows no table. The only place that may name `AssertSqlSafe`: SQL text is made of
//! constants and of identifiers quoted by [`quote`], never of data.

use std::pin::Pin;

mod arguments;
mod conn;
mod copy;
mod dialect;
mod error;
mod mariadb;
mod migrate;
mod notices;
mod param;
mod place;
mod placeholders;
mod read_url;
mod readers;
mod statements;
mod url;

/// A future of this seam, behind a pointer: the code of the drivers is built here, once, and not again in each program that
/// waits for them.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SqlError>> + Send + 'a>>;

pub use conn::{Access, Conn};
pub(crate) use copy::CopyIn;
pub use copy::CopyRows;
pub use dialect::{BYTEWISE, Dialect, quote};
pub use error::{Constraint, SqlClass, SqlError};
pub use migrate::MigrationFile;
pub use notices::Notices;
pub use param::{Cell, List, Param, Record};
pub use place::Place;
pub use read_url::ReadUrl;
pub use readers::Readers;
pub use statements::{ConnRef, NewRow};
pub use url::{DbUrl, InvalidUrl};
