//! What the registry makes of a change before any row is at hand: images, or the rows that must be read first.

use journal_core::model::{Change, Name, Row};

use crate::mapped::Mapped;

/// What has become of a change. Most changes map alone; some depend on rows of the ledger they are posted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// The change at the version asked for.
    Images(Mapped),
    /// The change needs the rows that the selectors name: read them, with their complements, in the database transaction
    /// that posts the change and after everything before it has been applied, and ask
    /// [`Registry::map_with`](crate::Registry::map_with).
    Meets(Meeting),
    /// A call of which at least one change meets rows: its parts, in order. Never nested.
    Several(Vec<Plan>),
}

/// A change that needs rows of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meeting {
    /// The change, still at the version it was written at.
    pub change: Change,
    /// The rows it needs: all that any of these names, each row once. There may be none.
    pub selectors: Vec<Selector>,
}

/// Names rows of a ledger: those of a table whose columns equal the given values. The columns are the beginning of the
/// table's key, or of a unique key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector {
    /// The table, by its name in the ledger.
    pub table: Name,
    /// Columns and the values they hold, never NULL. Never empty.
    pub columns: Row,
}

impl Plan {
    /// The images, if no row must be read for them.
    pub fn images(self) -> Option<Mapped> {
        match self {
            Self::Images(images) => Some(images),
            Self::Meets(_) | Self::Several(_) => None,
        }
    }

    /// The plans of several changes as one.
    pub(crate) fn of(plans: Vec<Self>) -> Self {
        if plans.iter().any(|plan| !matches!(plan, Self::Images(_))) {
            return Self::Several(plans);
        }
        Self::Images(plans.into_iter().filter_map(Self::images).flatten().collect())
    }
}
