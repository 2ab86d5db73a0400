//! Mappers written in Rust, for applications that embed the engine and need more than the declared operations.
//!
//! **Purity.** A mapper is a function of its arguments. It reads no clock, draws no random number, keeps no state from
//! call to call, and looks at no database, also not at the ledger it maps for. A change is mapped at each site, at
//! another time, again after a crash and again by auditors years later, and must come out the same each time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use journal_core::model::{Change, Name, Row, SchemaVersion};

use crate::error::CannotMap;
use crate::image::Image;

/// The way of one table's changes between two neighbouring versions, both ways.
///
/// See the module for what a mapper must not do. What comes out is checked against the schema of the version mapped
/// to. A change that cannot be carried whole is an error, never a guess: it is then rejected at its origin, or
/// quarantined at a peer, with nothing lost. To keep `down(up(x)) = x`, put what is dropped into the image's complement,
/// under names `{version}:{column}` with the newer version of the step.
pub trait Mapper: fmt::Debug + Send + Sync {
    /// From the older version to the newer one. `given` is the complement of the row when an existing row is mapped,
    /// and empty for changes out of a journal; take out of it what is used up, the rest is passed on.
    fn up(&self, image: Image, given: &mut Row) -> Result<Vec<Image>, CannotMap>;

    /// From the newer version to the older one; the rest as for [`Mapper::up`].
    fn down(&self, image: Image, given: &mut Row) -> Result<Vec<Image>, CannotMap>;
}

/// Turns calls of a business operation into changes of tables, at the version the call is written at.
///
/// The purity contract of the module holds here as well.
pub trait CallMapper: fmt::Debug + Send + Sync {
    /// The changes a call with these arguments means, in order. An absent argument is NULL.
    fn expand(&self, arguments: &Row) -> Result<Vec<Change>, CannotMap>;
}

/// How a mapper in Rust stands to the operations the set declares for its table. These go on to define tables and views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Changes of the table go through the mapper only.
    Instead,
    /// On the way up the mapper follows the declared operations; on the way down it comes before them.
    After,
}

/// The mappers in Rust that a registry shall use.
#[derive(Debug, Clone, Default)]
pub struct RustMappers {
    pub(crate) tables: BTreeMap<(SchemaVersion, Name), (Place, Arc<dyn Mapper>)>,
    pub(crate) calls: BTreeMap<(SchemaVersion, Name), Arc<dyn CallMapper>>,
}

impl RustMappers {
    /// None.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a mapper for the step that leads to `version`, and the table of that name there. A second one for the
    /// same step and table replaces the first.
    #[must_use]
    pub fn with(
        mut self,
        version: SchemaVersion,
        table: impl Into<Name>,
        place: Place,
        mapper: impl Mapper + 'static,
    ) -> Self {
        self.tables.insert((version, table.into()), (place, Arc::new(mapper)));
        self
    }

    /// Adds the mapper of an operation that `version` declares.
    #[must_use]
    pub fn with_call(
        mut self,
        version: SchemaVersion,
        operation: impl Into<Name>,
        mapper: impl CallMapper + 'static,
    ) -> Self {
        self.calls.insert((version, operation.into()), Arc::new(mapper));
        self
    }
}
