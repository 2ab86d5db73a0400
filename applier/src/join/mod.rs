//! A site joins a group that lives: its tables, the journal's copy, and the ledger of a site that is there as it stands in one
//! snapshot, through the engine's own types, so that each may be of another store. Cut off at any moment it goes on when
//! asked again: what was received stays, and of the rows only those are written that are not as they must be. Nobody posts
//! to the site before it is whole; from then on it catches up like any other. Changes no ledger but the new one.
//!
//! Read next: [`add`], then `rows.rs`.

mod beside;
mod claim;
mod hold;
pub mod ids;
mod names;
mod references;
mod rows;
mod source;
mod supply;
mod whole;

use std::collections::BTreeMap;

use journal_core::journal::{ReadError, ReceiveError};
use journal_core::model::{Name, SchemaVersion, SealNr, SiteName};
use journal_core::sql::{DbUrl, SqlError};
use journal_core::store::sql::OpenError;
use schema_mappers::MapError;
use serde::Serialize;

use crate::audit::Progress;
use crate::ledger::LedgerError;
use crate::ship::pull::PullError;
use crate::upgrade::install::InstallError;

pub use rows::Copied;
pub use source::{Held, Plan, TablePlan, plan};

/// A site of a group with its database.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its name.
    pub site: SiteName,
    /// Its database.
    pub url: DbUrl,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Order {
    /// The group's name.
    pub group: String,
    /// The site to add.
    pub new: Place,
    /// Its id blocks: another stripe than any other site's.
    pub stripe: i64,
    /// The site whose ledger it gets.
    pub from: Place,
    /// The other sites of the group, `from` among them.
    pub others: Vec<Place>,
    /// Who asks, for the record.
    pub who: String,
}

/// Where the work is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// The tables are made.
    Tables,
    /// The journal is copied: transactions.
    Journal,
    /// The rows of a table are made equal to the snapshot.
    Rows(Name),
    /// References are looked at, and the checkpoints set.
    Checkpoints,
}

/// Hears of each stage and of the progress in it. Must return at once.
pub type Tell<'t> = dyn FnMut(&Stage, Progress) + Send + 't;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Added {
    /// Whether there was nothing to do: the site is a member of the group and whole.
    pub already: bool,
    /// The schema version of its ledger.
    pub version: SchemaVersion,
    /// Transactions of the journal that were copied by this command.
    pub received: u64,
    /// Its tables, parents first.
    pub tables: Vec<Copied>,
    /// The snapshot: for each origin the last seal that it covers. Posting goes on behind it.
    pub up_to: BTreeMap<String, SealNr>,
}

/// Why a site was not added. What was done stays; the same again goes on.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum JoinError {
    #[error("{url} is the database of site {have} of group {group:?}")]
    OtherSite { url: String, have: String, group: String },
    #[error("{url} is not empty: {what}; a site is added to a database of its own")]
    NotEmpty { url: String, what: String },
    #[error("{site} holds {} transactions in quarantine, such as {}, which the new site would miss; retry or discard them first", .held.count, .held.first)]
    Held { site: SiteName, held: Held },
    #[error(
        "stripe {stripe} is {other}'s already, and two sites of one stripe hand out the same ids; the configuration has to say: {say}"
    )]
    Stripe { stripe: i64, other: SiteName, say: String },
    #[error(
        "the group has transactions of a site {site} that this database is not; a name is not used again: take another"
    )]
    NameTaken { site: SiteName },
    #[error("{site} is in an upgrade; let it end or abort it first")]
    Upgrading { site: SiteName },
    #[error("{site} is being reshaped; let its `schema apply` end, or resume it, and ask again")]
    Reshaping { site: SiteName },
    #[error("something was changed at {site} just when its snapshot began; ask again")]
    Unsettled { site: SiteName },
    #[error("another command adds this site since; this one has stopped")]
    TwoCommands,
    #[error(
        "the ledger of {site} went from version {before} to {now} meanwhile; empty the new database and begin again"
    )]
    Reshaped { site: SiteName, before: SchemaVersion, now: SchemaVersion },
    #[error("{site} has no seal {seal_nr} of {origin} in its journal, and posted it; audit the site")]
    Lacking { site: SiteName, origin: String, seal_nr: SealNr },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error(transparent)]
    Version(#[from] MapError),
    #[error("copy the journal")]
    Pull(#[from] PullError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("tell {site} of the new site")]
    Told { site: SiteName, source: ReceiveError },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Store(#[from] SqlError),
}

/// Adds a site. The source goes on meanwhile, appends and posting; it is read in one snapshot.
pub async fn add(order: &Order, tell: &mut Tell<'_>) -> Result<Added, JoinError> {
    let plan = plan(order).await?;
    let claimed = claim::claim(order, &plan).await?;
    let claim::Claimed::Open { generation, site } = claimed else {
        supply::introduce(order).await?;
        return Ok(Added::already(plan.version));
    };
    let nothing = Progress { done: 0, total: None };
    tell(&Stage::Tables, nothing);
    claim::make_tables(order, &plan, &site).await?;
    // Before the snapshot what takes long, so that little is left to catch up with behind it.
    let mut received = supply::journal(order, tell).await?;
    let mut snapshot = source::Snapshot::begin(order, &plan).await?;
    let hold = hold::Hold { site: order.new.site.clone(), generation, version: plan.version };
    let mut copier = rows::Copier::open(order, &plan, &snapshot, hold).await?;
    let tables = copier.all(&mut snapshot, tell).await?;
    let beside = beside::Beside::read(snapshot.ledger.conn()).await?;
    let posted = snapshot.end().await?;
    tell(&Stage::Checkpoints, nothing);
    received += supply::journal(order, tell).await?;
    let up_to = whole::make_whole(order, copier, &posted, &beside).await?;
    supply::introduce(order).await?;
    Ok(Added { already: false, version: plan.version, received, tables, up_to })
}

impl Added {
    fn already(version: SchemaVersion) -> Self {
        Self { already: true, version, received: 0, tables: Vec::new(), up_to: BTreeMap::new() }
    }
}
