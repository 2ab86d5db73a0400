//! `verify`: two sites row by row at one cut, also across schema versions, where the lower one is mapped up. Rows meet in
//! the order of their keys, so two ledgers of any size pass through in pages.

mod report;

use std::cmp::Ordering;

use journal_core::codec::payload::key_text;
use journal_core::model::{Name, SiteName, Table};
use schema_mappers::Registry;

use super::cut::{self, CutError, Party, Patience};
use super::digest::{Digester, TableHasher};
use super::progress::{Progress, Watch};
use super::rows::{Cursor, Keyed, Rows, RowsError, Unmapped};
use crate::control::ControlStore;
use crate::ledger::{Asked, Ledger, LedgerReader, Quarantined};

use report::columns;
pub use report::{ColumnDifference, Difference, Kind, SideReport, TableReport, VerifyReport};

/// Rows between two notes of progress.
const NOTE_EVERY: u64 = 1000;

/// Why two sites could not be compared. That they differ is no error: see [`VerifyReport::equal`].
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum VerifyError {
    #[error(transparent)]
    Cut(#[from] CutError),
    #[error("read site {site}")]
    Rows { site: SiteName, source: RowsError },
}

/// Compares two sites at one cut. Equal vectors of posted transactions make the cut, read in the same snapshots as the
/// rows; see [`Patience`] for how it is waited for. Up to `differences_max` differing rows are told in full; all are
/// counted. After an error open both ledgers anew.
pub async fn verify<LA, CA, LB, CB>(
    mut a: Party<'_, LA, CA>,
    mut b: Party<'_, LB, CB>,
    registry: &Registry,
    patience: &Patience,
    differences_max: usize,
    watch: &mut Watch<'_>,
) -> Result<VerifyReport, VerifyError>
where
    LA: Ledger + LedgerReader,
    LB: Ledger + LedgerReader,
    CA: ControlStore,
    CB: ControlStore,
{
    let cut = cut::find(&mut a, &mut b, patience).await?;
    let quarantined = (quarantined(&mut a).await?, quarantined(&mut b).await?);
    let in_a = |source: RowsError| VerifyError::Rows { site: a.site.clone(), source };
    let in_b = |source: RowsError| VerifyError::Rows { site: b.site.clone(), source };
    let version_a = a.ledger.version().await.map_err(|error| in_a(error.into()))?;
    let version_b = b.ledger.version().await.map_err(|error| in_b(error.into()))?;
    let at = Some(version_a.max(version_b));
    let mut sides = Sides {
        a: Rows::open(&mut *a.ledger, registry, at).await.map_err(in_a)?,
        b: Rows::open(&mut *b.ledger, registry, at).await.map_err(in_b)?,
        sites: (a.site.clone(), b.site.clone()),
    };
    let compared = compare(&mut sides, differences_max, watch).await?;
    let report = sides.report(cut, quarantined, compared);
    a.ledger.end_snapshot().await.map_err(CutError::from)?;
    b.ledger.end_snapshot().await.map_err(CutError::from)?;
    Ok(report)
}

async fn quarantined<L: Ledger, C>(party: &mut Party<'_, L, C>) -> Result<u64, CutError> {
    let held: Vec<(Quarantined, Asked)> = party.ledger.quarantined().await?;
    Ok(held.len() as u64)
}

struct Sides<'r, LA, LB> {
    a: Rows<'r, LA>,
    b: Rows<'r, LB>,
    sites: (SiteName, SiteName),
}

impl<LA: LedgerReader, LB: LedgerReader> Sides<'_, LA, LB> {
    async fn next_a(&mut self, cursor: &mut Cursor) -> Result<Option<Keyed>, VerifyError> {
        let next = self.a.next(cursor).await;
        next.map_err(|source| VerifyError::Rows { site: self.sites.0.clone(), source })
    }

    async fn next_b(&mut self, cursor: &mut Cursor) -> Result<Option<Keyed>, VerifyError> {
        let next = self.b.next(cursor).await;
        next.map_err(|source| VerifyError::Rows { site: self.sites.1.clone(), source })
    }

    /// Whether a table is only kept for other versions.
    fn is_kept(&self, table: &Name) -> Result<bool, VerifyError> {
        self.a.is_kept(table).map_err(|source| VerifyError::Rows { site: self.sites.0.clone(), source })
    }

    /// Sorts the side that is mapped. The other stands at the version compared and comes in order.
    async fn sort(&mut self) -> Result<(), VerifyError> {
        let (a, b) = (self.a.stands_at(), self.b.stands_at());
        if a < b {
            let sorted = self.a.sort().await;
            sorted.map_err(|source| VerifyError::Rows { site: self.sites.0.clone(), source })
        } else {
            let sorted = self.b.sort().await;
            sorted.map_err(|source| VerifyError::Rows { site: self.sites.1.clone(), source })
        }
    }

    fn report(&self, cut: cut::Vector, quarantined: (u64, u64), compared: Compared) -> VerifyReport {
        let side =
            |site: &SiteName, schema_version, quarantined, digest, (unmapped, rows): (u64, &[Unmapped])| {
                let (site, unmapped_rows) = (site.clone(), rows.to_vec());
                SideReport { site, schema_version, quarantined, digest, unmapped, unmapped_rows }
            };
        let (digest_a, digest_b) = (compared.a.finish(), compared.b.finish());
        let apart = |table: &TableReport| table.different + table.missing + table.extra > 0;
        let unmapped = self.a.unmapped().0 + self.b.unmapped().0;
        VerifyReport {
            equal: unmapped == 0 && !compared.tables.iter().any(apart),
            version: digest_a.version,
            cut: cut.into_iter().map(|(origin, trans_nr)| (origin.to_string(), trans_nr)).collect(),
            a: side(&self.sites.0, self.a.stands_at(), quarantined.0, digest_a, self.a.unmapped()),
            b: side(&self.sites.1, self.b.stands_at(), quarantined.1, digest_b, self.b.unmapped()),
            tables: compared.tables,
            differences: compared.differences,
        }
    }
}

/// What the rows said.
struct Compared {
    a: Digester,
    b: Digester,
    tables: Vec<TableReport>,
    differences: Vec<Difference>,
    differences_max: usize,
    rows: u64,
}

async fn compare<LA: LedgerReader, LB: LedgerReader>(
    sides: &mut Sides<'_, LA, LB>,
    differences_max: usize,
    watch: &mut Watch<'_>,
) -> Result<Compared, VerifyError> {
    match pass(sides, differences_max, watch).await {
        Err(VerifyError::Rows { source: RowsError::Unordered { .. }, .. }) => {
            sides.sort().await?;
            pass(sides, differences_max, watch).await
        }
        other => other,
    }
}

async fn pass<LA: LedgerReader, LB: LedgerReader>(
    sides: &mut Sides<'_, LA, LB>,
    differences_max: usize,
    watch: &mut Watch<'_>,
) -> Result<Compared, VerifyError> {
    let schema =
        sides.a.schema().map_err(|source| VerifyError::Rows { site: sides.sites.0.clone(), source })?;
    let mut compared = Compared {
        a: Digester::new(schema.version),
        b: Digester::new(schema.version),
        tables: Vec::new(),
        differences: Vec::new(),
        differences_max,
        rows: 0,
    };
    for table in schema.tables.values() {
        compared.table(sides, table, watch).await?;
    }
    watch(Progress { done: compared.rows, total: None });
    Ok(compared)
}

impl Compared {
    /// Walks one table at both sides in step.
    async fn table<LA: LedgerReader, LB: LedgerReader>(
        &mut self,
        sides: &mut Sides<'_, LA, LB>,
        table: &Table,
        watch: &mut Watch<'_>,
    ) -> Result<(), VerifyError> {
        let (mut hash_a, mut hash_b) = (TableHasher::new(table), TableHasher::new(table));
        let (mut cursor_a, mut cursor_b) = (Cursor::new(&table.name), Cursor::new(&table.name));
        let mut report = TableReport { table: table.name.to_string(), ..TableReport::default() };
        let (mut a, mut b) = (sides.next_a(&mut cursor_a).await?, sides.next_b(&mut cursor_b).await?);
        while a.is_some() || b.is_some() {
            let order = match (&a, &b) {
                (Some((key_a, _)), Some((key_b, _))) => key_a.cmp(key_b),
                (Some(_), None) => Ordering::Less,
                (None, _) => Ordering::Greater,
            };
            let at_a = if order.is_le() { a.take() } else { None };
            let at_b = if order.is_ge() { b.take() } else { None };
            if let Some((_, row)) = &at_a {
                hash_a.row(row);
                a = sides.next_a(&mut cursor_a).await?;
            }
            if let Some((_, row)) = &at_b {
                hash_b.row(row);
                b = sides.next_b(&mut cursor_b).await?;
            }
            self.row(table, at_a, at_b, &mut report);
            self.rows += 1;
            if self.rows.is_multiple_of(NOTE_EVERY) {
                watch(Progress { done: self.rows, total: None });
            }
        }
        let kept = sides.is_kept(&table.name)?;
        self.a.table(hash_a, kept);
        self.b.table(hash_b, kept);
        if !kept || report.matched + report.different + report.missing + report.extra > 0 {
            self.tables.push(report);
        }
        Ok(())
    }

    fn row(&mut self, table: &Table, a: Option<Keyed>, b: Option<Keyed>, report: &mut TableReport) {
        let (key, kind) = match (&a, &b) {
            (Some((_, row_a)), Some((_, row_b))) if row_a == row_b => {
                report.matched += 1;
                return;
            }
            (Some((key, _)), Some(_)) => {
                report.different += 1;
                (key, Kind::Different)
            }
            (Some((key, _)), None) => {
                report.missing += 1;
                (key, Kind::OnlyA)
            }
            (None, Some((key, _))) => {
                report.extra += 1;
                (key, Kind::OnlyB)
            }
            (None, None) => return,
        };
        if self.differences.len() < self.differences_max {
            let key = key_text(key);
            let columns = columns(a.as_ref().map(|(_, row)| row), b.as_ref().map(|(_, row)| row));
            self.differences.push(Difference { table: table.name.clone(), key, kind, columns });
        }
    }
}
