//! How a site stands, read in one snapshot for people and for `--json`. Changes nothing and takes no lock.

use std::collections::BTreeMap;

use journal_core::journal::{JournalStore, ReadLimit};
use journal_core::model::{Epoch, Origin, SiteName, TransNr, time};
use journal_core::sql::{Access, Conn, ConnRef, DbUrl, Param, Record, SqlError};
use journal_core::store::sql::{OpenError, Site, SqlJournal, load_heads};
use serde::Serialize;

use super::Desired;
use super::standing::read_state;
use crate::ledger::LedgerError;

/// How far the look for a hole goes: enough for a status, little enough to be quick when much is unsealed.
const HOLE_LOOK: ReadLimit = ReadLimit { transactions: 100, bytes: 1024 * 1024 };

const OWN_UNSEALED: &str = "SELECT count(DISTINCT trans_nr) FROM {d}journal WHERE origin = $1 AND epoch = $2 \
     AND trans_nr > coalesce((SELECT last_nr FROM {d}received WHERE origin = $1 AND epoch = $2), 0)";
const OWN_VERDICTS: &str = "SELECT CAST(coalesce(sum(tx_count - rejected_count), 0) AS {bigint}), \
     CAST(coalesce(sum(rejected_count), 0) AS {bigint}) FROM {d}seal WHERE origin = $1 AND epoch = $2";
const POSTED: &str = "SELECT origin, epoch, seal_nr, trans_nr FROM {d}posted";
/// As the seals count; the one that is posted in part is counted out.
const NOT_POSTED: &str = "SELECT CAST(coalesce(sum(CASE WHEN s.first_nr > $3 THEN s.tx_count - s.rejected_count ELSE \
     (SELECT count(*) FROM {d}entry e WHERE e.origin = $1 AND e.epoch = $2 AND e.run_last_nr > $3 \
     AND e.run_first_nr <= s.last_nr AND e.trans_nr > $3 AND e.trans_nr <= s.last_nr AND e.entry_nr = 1 \
     AND NOT EXISTS (SELECT 1 FROM {d}rejection r WHERE r.origin = $1 AND r.epoch = $2 AND r.trans_nr = e.trans_nr)) \
     END), 0) AS {bigint}) FROM {d}seal s WHERE s.origin = $1 AND s.epoch = $2 AND s.last_nr > $3";
const QUARANTINED: &str = "SELECT count(*), count(CASE WHEN state <> 'held' THEN 1 END) FROM {d}quarantine \
     WHERE state IN ('held', 'retry', 'discard')";
const SPENT: &str =
    "SELECT since, transactions, reading, preparing, applying, committing FROM {d}spent WHERE since > 0";
const WAITING: &str = "SELECT reason, since FROM {d}waiting WHERE reason <> ''";

/// How a site stands. Numbers are counts of transactions unless their name says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SiteStatus {
    /// The site's name.
    pub site: String,
    /// Which of its lives.
    pub epoch: i64,
    /// The group it belongs to.
    pub group: String,
    /// `SQLite` or `PostgreSQL`.
    pub dialect: String,
    /// The schema version its ledger stands at; 0 before it has tables.
    pub ledger_version: i64,
    /// Whether it is to post.
    pub desired: Desired,
    /// Rises with each pause and resume.
    pub generation: i64,
    /// Who said so.
    pub who: String,
    /// Why.
    pub why: String,
    /// Since when; absent until the first pause.
    pub since: Option<String>,
    /// Which applier may post; absent when none holds the lease.
    pub lease_holder: Option<String>,
    /// Its fencing number.
    pub fence: i64,
    /// Its own transactions.
    pub own: OwnStatus,
    /// Those of its peers, by origin.
    pub peers: Vec<PeerStatus>,
    /// In quarantine, whatever was asked for them.
    pub quarantined: i64,
    /// Of these, those for which an operator's wish is not carried out yet.
    pub asked: i64,
    /// Why posting does not move, as the service noted last.
    pub waiting: Option<Waiting>,
    /// Where the time goes of the poster that runs, or ran last; absent before the first.
    pub spent: Option<SpentStatus>,
    /// Missing numbers that running sessions may still bring: decisions wait for them.
    pub hole: Option<HoleStatus>,
}

/// A site's own transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnStatus {
    /// Number of the last seal.
    pub seal_nr: i64,
    /// Number of the last transaction it covers.
    pub trans_nr: i64,
    /// In the journal.
    pub appended: i64,
    /// Accepted.
    pub accepted: i64,
    /// Rejected.
    pub rejected: i64,
    /// Not decided yet.
    pub unsealed: i64,
}

/// What is here of a peer, in one of its lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PeerStatus {
    /// The peer.
    pub site: String,
    /// Which of its lives.
    pub epoch: i64,
    /// Number of the last seal received.
    pub received_seal: i64,
    /// Number of the last transaction received.
    pub received_nr: i64,
    /// Number of the last seal posted whole.
    pub posted_seal: i64,
    /// Number of the last transaction passed.
    pub posted_nr: i64,
    /// Received and accepted, neither posted nor quarantined yet.
    pub not_posted: i64,
}

/// Why posting does not move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The reason.
    pub reason: String,
    /// Since when it is this one.
    pub since: String,
}

/// Where a poster's time goes, in milliseconds, as the service wrote it down some seconds ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpentStatus {
    /// When it began.
    pub since: String,
    /// Transactions decided, posted or put aside since then.
    pub transactions: i64,
    /// Reading journals, or taking what was handed over.
    pub reading_ms: i64,
    /// Decoding, checking and mapping, or waiting until another thread has.
    pub preparing_ms: i64,
    /// Folding, and the ledger's statements up to the commit.
    pub applying_ms: i64,
    /// Commits, flushes included.
    pub committing_ms: i64,
}

/// Missing numbers, and who may bring them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoleStatus {
    /// The first missing number.
    pub first: i64,
    /// The last.
    pub last: i64,
    /// The sessions, as the database names them.
    pub writers: Vec<String>,
}

impl SiteStatus {
    /// Reads how the site in that database stands. A database that is no site is [`LedgerError::Damaged`].
    pub async fn read(url: &DbUrl) -> Result<Self, LedgerError> {
        let mut journal = SqlJournal::open(url, Access::Read, "status").await.map_err(not_open)?;
        let site = journal.site().clone();
        let mut conn = journal.connection().await?;
        conn.begin_snapshot().await?;
        let read = read_all(&mut conn, &site).await;
        conn.rollback().await?;
        let mut status = read?;
        journal.give_back(conn);
        // The hole rule looks at what is committed now, not at a snapshot.
        let tail = journal.read_tail(TransNr(status.own.trans_nr), HOLE_LOOK).await?;
        status.hole = tail.hole.map(|hole| HoleStatus {
            first: hole.first.0,
            last: hole.last.0,
            writers: hole.writers,
        });
        Ok(status)
    }
}

fn not_open(error: OpenError) -> LedgerError {
    match error {
        OpenError::Store { source, .. } => LedgerError::Store(source),
        error => LedgerError::Damaged(error.to_string()),
    }
}

async fn read_all(conn: &mut Conn, site: &Site) -> Result<SiteStatus, LedgerError> {
    let dialect = conn.dialect().to_string();
    let (standing, lease) = read_state(conn.lend()).await?;
    let control = standing.control;
    let (own, peers) = read_origins(conn.lend(), &site.origin).await?;
    let quarantine = conn.lend().fetch_one(QUARANTINED, Vec::new()).await?;
    let waiting = conn.lend().fetch_optional(WAITING, Vec::new()).await?;
    let waiting = waiting.map(|record| -> Result<_, SqlError> {
        Ok(Waiting { reason: record.text(0)?, since: time::timestamp_text(record.i64(1)?) })
    });
    let spent = conn.lend().fetch_optional(SPENT, Vec::new()).await?;
    Ok(SiteStatus {
        site: site.origin.site.to_string(),
        epoch: site.origin.epoch.0,
        group: site.group.clone(),
        dialect,
        ledger_version: standing.ledger_version.0,
        desired: control.desired,
        generation: control.generation,
        who: control.who,
        why: control.why,
        since: (control.since != 0).then(|| time::timestamp_text(control.since)),
        lease_holder: (!lease.holder.is_empty()).then_some(lease.holder),
        fence: lease.fence,
        own,
        peers,
        quarantined: quarantine.i64(0)?,
        asked: quarantine.i64(1)?,
        waiting: waiting.transpose()?,
        spent: spent.map(|record| read_spent(&record)).transpose()?,
        hole: None,
    })
}

fn read_spent(record: &Record) -> Result<SpentStatus, SqlError> {
    let millis = |at| Ok::<_, SqlError>(record.i64(at)? / 1000);
    Ok(SpentStatus {
        since: time::timestamp_text(record.i64(0)?),
        transactions: record.i64(1)?,
        reading_ms: millis(2)?,
        preparing_ms: millis(3)?,
        applying_ms: millis(4)?,
        committing_ms: millis(5)?,
    })
}

async fn read_origins(
    mut conn: ConnRef<'_>,
    own: &Origin,
) -> Result<(OwnStatus, Vec<PeerStatus>), LedgerError> {
    // Per origin: seal and number received, seal and number posted.
    let mut places: BTreeMap<Origin, [i64; 4]> = BTreeMap::new();
    for head in load_heads(conn.lend()).await? {
        places.entry(head.origin).or_default()[..2].copy_from_slice(&[head.seal_nr.0, head.last_nr.0]);
    }
    for record in conn.fetch(POSTED, Vec::new()).await? {
        let site =
            SiteName::new(&record.text(0)?).map_err(|error| LedgerError::Damaged(error.to_string()))?;
        let origin = Origin { site, epoch: Epoch(record.i64(1)?) };
        places.entry(origin).or_default()[2..].copy_from_slice(&[record.i64(2)?, record.i64(3)?]);
    }
    let [seal_nr, trans_nr, ..] = places.remove(own).unwrap_or_default();
    let params = || -> Vec<Param> { vec![own.site.as_str().into(), own.epoch.0.into()] };
    let unsealed = conn.fetch_one(OWN_UNSEALED, params()).await?.i64(0)?;
    let verdicts = conn.fetch_one(OWN_VERDICTS, params()).await?;
    let (accepted, rejected) = (verdicts.i64(0)?, verdicts.i64(1)?);
    let appended = accepted + rejected + unsealed;
    let own = OwnStatus { seal_nr, trans_nr, appended, accepted, rejected, unsealed };
    let mut peers = Vec::with_capacity(places.len());
    for (origin, [received_seal, received_nr, posted_seal, posted_nr]) in places {
        let (site, epoch) = (origin.site.to_string(), origin.epoch.0);
        let params = vec![site.as_str().into(), epoch.into(), Param::from(posted_nr)];
        let not_posted = conn.fetch_one(NOT_POSTED, params).await?.i64(0)?;
        peers.push(PeerStatus {
            site,
            epoch,
            received_seal,
            received_nr,
            posted_seal,
            posted_nr,
            not_posted,
        });
    }
    Ok((own, peers))
}
