//! Versions of an application's schema and the way between them. Pure: no driver, no clock, no async.
//!
//! * [`SchemaSet::load`] reads a directory, [`SchemaSet::from_sources`] the texts a database keeps; each
//!   [`Version`] has its [`Schema`](journal_core::model::Schema), its [`VersionSource`] and its hash.
//! * [`Registry::new`] composes the steps. [`Registry::map`] carries a change from version to version and gives
//!   [`Image`]s: the change there, and what it does to the complement of its row; or the rows of the ledger it needs, with
//!   which [`Registry::map_with`] gives the images. [`Registry::map_rows`] carries whole rows of a ledger with their
//!   complements, for reshapes and comparisons; [`Registry::feeds`] tells which of them belong together.
//! * [`Expression`] is the small language of computed columns and conditions, [`TableChecks`] the conditions of a table.
//! * [`ddl`] writes tables, views and the order of tables for [`ddl::Dialect`].
//! * [`laws`] tries what every mapping must keep, on random or given rows and changes.
//! * [`Mapper`] and [`CallMapper`] are for applications that embed the engine; [`RustMappers`] takes them.
//!
//! How an [`Image`] is posted, with `change` at the ledger's version:
//!
//! | op | row | complement |
//! | --- | --- | --- |
//! | insert | `change.cells` | exactly `complement.set` |
//! | update, add | as `change`; with no cells left, the row must stand there and stays | [`ComplementChange::apply`] |
//! | upsert, row stands | `change.cells` are set, other columns stay | [`ComplementChange::apply`] |
//! | upsert, no row | `if_new.row`, or `change.cells` without it | exactly `if_new.complement`, or `complement.set` |
//! | delete | ends | ends |
//!
//! An update that changes the key takes the complement along. Read next: `ops` for what can be declared, `registry`
//! for how it is composed, `docs/schema-sets.md` for the files.

mod checks;
mod complement;
mod convert;
pub mod ddl;
mod error;
mod expr;
mod family;
mod feed;
mod group;
mod image;
mod kept;
pub mod laws;
mod lineage;
mod loss;
mod mapped;
mod mapper;
mod meet;
mod ops;
mod plan;
mod registry;
mod set;
mod step;
mod zone;

pub use checks::TableChecks;
pub use complement::ComplementChange;
pub use error::{CannotMap, MapError, RegistryError, SetError};
pub use expr::Expression;
pub use feed::{Feed, Source};
pub use image::{Image, NewRow};
pub use loss::Loss;
pub use mapped::{Mapped, MappedRow};
pub use mapper::{CallMapper, Mapper, Place, RustMappers};
pub use meet::{MeetError, Refusal};
pub use plan::{Meeting, Plan, Selector};
pub use registry::{Registry, Root};
pub use set::{Ask, SchemaSet, Version, VersionSource};
