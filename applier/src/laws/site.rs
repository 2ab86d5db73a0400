//! The laws on rows of a site's ledger and on changes of its journal. Reads only; the site may go on meanwhile.

use journal_core::codec::payload;
use journal_core::journal::{JournalStore as _, ReadError, ReadLimit};
use journal_core::model::{Change, Op, SchemaVersion, SealNr};
use journal_core::sql::{Access, DbUrl};
use journal_core::store::sql::{OpenError, SqlJournal};
use schema_mappers::laws::{Laws, Report};
use schema_mappers::{MapError, MappedRow, Registry};

use super::sample::Sample;
use crate::audit::{Progress, Watch};
use crate::ledger::sql::SqlLedger;
use crate::ledger::{Ledger as _, LedgerError, LedgerReader as _};

/// Rows tried at once: few, so that what breaks is soon told apart; enough that rows which refer to one another meet.
const TOGETHER: usize = 20;
/// How many seals from its end a journal is read.
const SEALS: i64 = 1000;
/// Bytes of a journal that are read of one origin.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why the laws were not tried on a site.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum SiteError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Version(#[from] MapError),
}

/// What was tried on a site's own rows.
#[derive(Debug)]
pub struct Brought {
    /// The version of its ledger.
    pub at: SchemaVersion,
    /// Rows of the ledger.
    pub rows: u64,
    /// Changes of the journal.
    pub changes: u64,
    /// Changes that were not tried: calls, and those whose row, or a row that it refers to, is not among the rows.
    pub passed_over: u64,
    /// What the laws say.
    pub report: Report,
}

/// Tries the laws on the first `rows_max` rows of each table of a site's ledger, and on the last `rows_max` transactions of
/// each origin in its journal, written at whatever version. A change is tried on the row as it stands now: the law
/// holds for any row.
pub async fn site(
    url: &DbUrl,
    registry: &Registry,
    rows_max: usize,
    watch: &mut Watch<'_>,
) -> Result<Brought, SiteError> {
    let (at, sample) = sample(url, registry, rows_max).await?;
    let changes = changes(url, registry, rows_max).await?;
    let laws = Laws::new(registry.clone());
    let mut brought =
        Brought { at, rows: sample.len() as u64, changes: 0, passed_over: 0, report: Report::default() };
    let total = Some(brought.rows + changes.len() as u64);
    let mut done: u64 = 0;
    for chunk in sample.chunks(TOGETHER) {
        brought.report.absorb(laws.rows(at, chunk)?);
        done += TOGETHER as u64;
        watch(Progress { done: done.min(brought.rows), total });
    }
    let mut samples: Vec<(SchemaVersion, Sample<'_>)> = Vec::new();
    for (version, change) in changes {
        if !samples.iter().any(|(known, _)| *known == version) {
            samples.push((version, sample.at(registry, at, version)?));
        }
        let there = samples.iter().find(|(known, _)| *known == version).map(|(_, sample)| sample);
        match there.and_then(|sample| rows_for(sample, &change)) {
            Some(rows) => {
                brought.report.absorb(laws.change(version, rows, &change)?);
                brought.changes += 1;
            }
            None => brought.passed_over += 1,
        }
    }
    Ok(brought)
}

/// The rows that a change needs around it.
fn rows_for(sample: &Sample<'_>, change: &Change) -> Option<Vec<MappedRow>> {
    match change.op {
        Op::Insert => sample.parents_of(&change.entity, &change.cells),
        Op::Upsert => {
            let stands = sample.with_parents(&change.entity, &change.cells);
            stands.or_else(|| sample.parents_of(&change.entity, &change.cells))
        }
        Op::Update | Op::Add | Op::Delete => {
            let mut rows = sample.with_parents(&change.entity, &change.key)?;
            // A reference that the change sets must find its parent as well.
            let parents = sample.parents_of(&change.entity, &change.cells)?;
            let more: Vec<MappedRow> = parents.into_iter().filter(|parent| !rows.contains(parent)).collect();
            rows.extend(more);
            Some(rows)
        }
        Op::Call => None,
    }
}

/// The first rows of each table, in one snapshot.
async fn sample<'r>(
    url: &DbUrl,
    registry: &'r Registry,
    rows_max: usize,
) -> Result<(SchemaVersion, Sample<'r>), SiteError> {
    let mut ledger = SqlLedger::open_reader(url, "check").await?;
    ledger.begin_snapshot().await?;
    let sampled = within(&mut ledger, registry, rows_max).await;
    let ended = ledger.end_snapshot().await;
    let sampled = sampled?;
    ended?;
    ledger.into_conn().close().await;
    Ok(sampled)
}

async fn within<'r>(
    ledger: &mut SqlLedger,
    registry: &'r Registry,
    rows_max: usize,
) -> Result<(SchemaVersion, Sample<'r>), SiteError> {
    let at = ledger.version().await?;
    let mut sample = Sample::new(registry.ledger(at)?);
    let schema = ledger.schema().clone();
    for table in schema.tables.keys() {
        for (row, complement) in ledger.scan(&schema, table, None, rows_max).await? {
            sample.add(MappedRow { table: table.clone(), row, complement });
        }
    }
    Ok((at, sample))
}

/// The changes of the last transactions, each with the version it was written at.
async fn changes(
    url: &DbUrl,
    registry: &Registry,
    transactions: usize,
) -> Result<Vec<(SchemaVersion, Change)>, SiteError> {
    let mut journal = SqlJournal::open(url, Access::Read, "check").await?;
    let mut changes = Vec::new();
    for head in journal.heads().await? {
        let (limit, mut after) = (ReadLimit { transactions, bytes: BYTES_MAX }, head.seal_nr.0 - SEALS);
        after = after.max(0);
        let runs = journal.read_runs(&head.origin, SealNr(after), limit).await?;
        for transaction in runs.iter().flat_map(|run| run.accepted()) {
            let version = transaction.schema_version;
            let Ok(schema) = registry.schema(version) else { continue };
            let read = transaction.entries.iter().filter_map(|entry| payload::decode(entry, schema).ok());
            changes.extend(read.map(|change| (version, change)));
        }
    }
    Ok(changes)
}
