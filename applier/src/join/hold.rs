//! The fence of a command that adds a site. Every transaction in which it writes there begins with it: another command may
//! have claimed the site since and made it whole, and then it is alive.

use journal_core::model::{SchemaVersion, SiteName};

use super::JoinError;
use crate::control::Desired;
use crate::ledger::Ledger as _;
use crate::ledger::sql::SqlLedger;

/// What a command holds of the new site.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    /// The site.
    pub(super) site: SiteName,
    /// Of its control row, as the claim left it.
    pub(super) generation: i64,
    /// Whose tables are filled.
    pub(super) version: SchemaVersion,
}

impl Hold {
    /// Begins a transaction at the new site and insists that it is this command's still, and its tables what they were.
    pub(super) async fn begin(&self, into: &mut SqlLedger) -> Result<(), JoinError> {
        let standing = into.begin().await?;
        let (control, now) = (standing.control, standing.ledger_version);
        let lost = if control.desired != Desired::Paused || control.generation != self.generation {
            JoinError::TwoCommands
        } else if now != self.version {
            JoinError::Reshaped { site: self.site.clone(), before: self.version, now }
        } else {
            return Ok(());
        };
        into.rollback().await?;
        Err(lost)
    }
}
