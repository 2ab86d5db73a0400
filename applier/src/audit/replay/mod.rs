//! `replay`: the auditor's own ledger. Every accepted transaction of a site's journal, of all origins, in canonical order
//! (clock reading, origin, number), posted into an empty database at any version, through the code that posts
//! everywhere. The law says that its digest is the live one's. Never writes to the site it reads.

mod lanes;
pub(crate) mod legs;
mod post;
mod until;

use std::collections::BTreeMap;

use journal_core::codec::chain::ChainFault;
use journal_core::journal::ReadError;
use journal_core::model::{Epoch, Origin, SchemaVersion, SealNr, SiteName, TransNr, TransactionId};
use journal_core::sql::{Access, Conn, DbUrl, Dialect, SqlError};
use journal_core::store::sql::{OpenError, Site, SqlJournal};
use schema_mappers::{MapError, RustMappers};

use super::balance::Standings;
use super::digest::{self, LedgerDigest};
use super::progress::Watch;
use super::rows::RowsError;
use crate::control::ControlStore;
use crate::control::sql::SqlControl;
use crate::ledger::LedgerError;
use crate::ledger::sql::SqlLedger;
use crate::upgrade::install::{InstallError, install, load_registry_with};

pub use until::{InvalidUntil, Until};

/// What a replay's database calls itself. No site of a group: its control state stays paused, and nothing is ever
/// posted there again.
const AUDITOR: &str = "auditor";
/// Transactions told by name in each list of a report; all are counted.
pub const TOLD_MAX: usize = 100;

/// What a replay is to do.
#[derive(Debug, Clone, Default)]
pub struct ReplayOptions {
    /// The version of the new ledger; the site's own when `None`.
    pub version: Option<SchemaVersion>,
    /// Where to end; with everything that is sealed in the journal when `None`.
    pub until: Option<Until>,
    /// Who asks, for the new database's record.
    pub who: String,
    /// An application's own mappers.
    pub mappers: RustMappers,
}

/// Why there was no replay. What was posted into the new database is of no use: begin again with an empty one.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ReplayError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("seal {seal_nr} of {origin} does not hold what it names: {fault}; audit the site")]
    Chain { origin: Origin, seal_nr: SealNr, fault: ChainFault },
    #[error("{url} is not empty: there is {what}; a replay goes into a database of its own")]
    NotEmpty { url: String, what: String },
    #[error("the journal has no seal {seal_nr} of {origin}")]
    UnknownSeal { origin: Origin, seal_nr: SealNr },
    #[error("{id} is written at schema version {version}, which is not on record at the site")]
    UnknownVersion { id: TransactionId, version: SchemaVersion },
    #[error(transparent)]
    Version(#[from] MapError),
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error("post into the new ledger")]
    Ledger(#[from] LedgerError),
    #[error("take the digest of the new ledger")]
    Rows(#[from] RowsError),
    #[error("reach the database")]
    Store(#[from] SqlError),
}

/// What a replay did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ReplayReport {
    /// The site whose journal was read, as `a/1`.
    pub site: String,
    /// The version of the new ledger.
    pub version: SchemaVersion,
    /// For each origin the last seal replayed.
    pub up_to: BTreeMap<String, SealNr>,
    /// Transactions posted.
    pub posted: u64,
    /// Transactions that their origin had rejected; never posted anywhere.
    pub rejected: u64,
    /// Transactions left out as they are at the site, in quarantine or discarded: so the digests stay comparable.
    pub left_out: Listed,
    /// Transactions that left quarantine at the site and were posted there behind others. Here they are in canonical
    /// order, so that a row they share with a later one may differ.
    pub posted_late: Listed,
    /// Transactions that the new ledger refused. With none, the journal has one meaning.
    pub refused: Listed,
    /// Whether the site had posted exactly what was replayed when this began. Then its digest at the same version must
    /// equal `digest`.
    pub level: bool,
    /// The new ledger's digest.
    pub digest: LedgerDigest,
}

/// Transactions, counted; the first [`TOLD_MAX`] by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Listed {
    /// How many.
    pub count: u64,
    /// The first of them, each with what there is to say.
    pub first: Vec<Told>,
}

/// A transaction and what there is to say of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Told {
    /// As `a/1/17`.
    pub transaction: String,
    /// What.
    pub what: String,
}

impl Listed {
    fn add(&mut self, id: &TransactionId, what: impl Into<String>) {
        self.count += 1;
        if self.first.len() < TOLD_MAX {
            self.first.push(Told { transaction: id.to_string(), what: what.into() });
        }
    }
}

/// Replays the journal of the site at `from` into the empty database `into`. Every run is checked against its seal on
/// the way. The site may go on meanwhile: what is sealed when this begins is what counts.
pub async fn replay(
    from: &DbUrl,
    into: &DbUrl,
    options: &ReplayOptions,
    watch: &mut Watch<'_>,
) -> Result<ReplayReport, ReplayError> {
    let mut journal = SqlJournal::open(from, Access::Read, "replay").await?.by_row();
    let site = journal.site().clone();
    let mut conn = journal.connection().await?;
    let standings = Standings::load(conn.lend()).await?;
    journal.give_back(conn);
    let registry = load_registry_with(from, options.mappers.clone()).await?;
    let version = options.version.unwrap_or(site.ledger_version);
    registry.schema(version)?;
    let mut lanes = lanes::Lanes::open(&mut journal, options.until.as_ref()).await?;
    refuse_unless_empty(into).await?;
    let auditor = Site {
        origin: Origin { site: auditor_name()?, epoch: Epoch(1) },
        group: format!("replay of {}", site.origin),
        stripe: 0,
        ledger_version: version,
    };
    install(into, &auditor, registry.set(), &options.who).await?;
    SqlControl::open(into)
        .await?
        .pause(&options.who, "the ledger of a replay; nothing is posted here again")
        .await?;
    let mut ledger = SqlLedger::open(into, "replay").await?;
    let posting = post::Posting::new(&registry, version, &standings);
    let done = posting.run(&mut journal, &mut ledger, &mut lanes, &mut |_| true, watch).await?;
    let digest = digest::digest(&mut ledger, &registry, watch).await?;
    ledger.into_conn().close().await;
    let had: BTreeMap<Origin, TransNr> =
        standings.posted.iter().map(|(origin, posted)| (origin.clone(), posted.trans_nr)).collect();
    let ends: BTreeMap<Origin, TransNr> =
        done.up_to.iter().map(|(origin, posted)| (origin.clone(), posted.trans_nr)).collect();
    Ok(ReplayReport {
        site: site.origin.to_string(),
        version,
        up_to: done.up_to.iter().map(|(origin, posted)| (origin.to_string(), posted.seal_nr)).collect(),
        posted: done.posted,
        rejected: done.rejected,
        left_out: done.left_out,
        posted_late: done.posted_late,
        refused: done.refused,
        level: level(&had, &ends),
        digest,
    })
}

fn auditor_name() -> Result<SiteName, ReplayError> {
    SiteName::new(AUDITOR).map_err(|error| LedgerError::Damaged(error.to_string()).into())
}

/// Whether both have passed the same transactions.
fn level(had: &BTreeMap<Origin, TransNr>, ends: &BTreeMap<Origin, TransNr>) -> bool {
    let at =
        |vector: &BTreeMap<Origin, TransNr>, origin: &Origin| vector.get(origin).copied().unwrap_or_default();
    had.keys().chain(ends.keys()).all(|origin| at(had, origin) == at(ends, origin))
}

/// Refuses a database in which anything stands that is not the database's own.
pub(crate) async fn refuse_unless_empty(url: &DbUrl) -> Result<(), ReplayError> {
    const SQLITE: &str =
        "SELECT type || ' ' || name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name LIMIT 1";
    const POSTGRES: &str = "SELECT 'relation ' || n.nspname || '.' || c.relname FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') \
         AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1 LIMIT 1";
    const MARIADB: &str = "SELECT CONCAT(LOWER(table_type), ' ', table_name) FROM information_schema.tables \
         WHERE table_schema = DATABASE() OR (left(table_schema, char_length(database()) + 2) = concat(database(), '_v') \
         AND substr(table_schema, char_length(database()) + 3) REGEXP '^([0-9]+|new)$') ORDER BY table_name LIMIT 1";
    let mut conn = Conn::open(url, Access::Create, "replay").await?;
    let found = match conn.dialect() {
        Dialect::Sqlite => conn.lend().fetch_optional(SQLITE, Vec::new()).await?,
        Dialect::Postgres => conn.lend().fetch_optional(POSTGRES, Vec::new()).await?,
        Dialect::MariaDb => conn.lend().fetch_optional(MARIADB, Vec::new()).await?,
    };
    let what = found.map(|record| record.text(0)).transpose()?;
    conn.close().await;
    match what {
        None => Ok(()),
        Some(what) => Err(ReplayError::NotEmpty { url: url.to_string(), what }),
    }
}
