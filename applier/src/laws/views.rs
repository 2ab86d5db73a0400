//! Views of a real database against the mapper, on rows that are made up. Writes a scratch database, where everything is
//! rolled back.

use std::collections::BTreeSet;

use journal_core::model::{Change, Epoch, Origin, Schema, SchemaVersion, SiteName};
use journal_core::sql::{Dialect, SqlError};
use journal_core::store::sql::Site;
use schema_mappers::laws::{Break, Laws};
use schema_mappers::{ComplementChange, Image, MapError, MappedRow, Registry};

use super::sample::{Place, parents, place};
use crate::audit::{Progress, Watch};
use crate::ledger::sql::SqlLedger;
use crate::ledger::{Ledger as _, LedgerError, LedgerReader as _};
use crate::scratch::Scratch;
use crate::upgrade::install::{InstallError, install};

/// More rows than a case of the laws has.
const VIEW_ROWS_MAX: usize = 1000;

/// Why views were not tried.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ViewsError {
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Version(#[from] MapError),
    #[error("reach the scratch database")]
    Store(#[from] SqlError),
}

/// What was tried of the views of a ledger at one version.
#[derive(Debug, Default)]
pub struct Viewed {
    /// Rows that stood in the ledger.
    pub rows: u64,
    /// Views that were held against the mapper.
    pub views: u64,
    /// Cases that the database could not hold, or whose rows have no form at some version.
    pub refused: u64,
    /// What does not agree.
    pub breaks: Vec<Break>,
}

/// Fills a scratch database's ledger at version `at` with random rows, `cases` times, and holds every version's views
/// against the mapper. By seed. Leaves the ledger empty. Ends at the first case that breaks.
pub async fn views(
    scratch: &Scratch,
    registry: &Registry,
    at: SchemaVersion,
    (seed, cases): (u64, u32),
    watch: &mut Watch<'_>,
) -> Result<Viewed, ViewsError> {
    let trial = SiteName::new("trial").map_err(|error| LedgerError::Damaged(error.to_string()))?;
    let site = Site {
        origin: Origin { site: trial, epoch: Epoch(1) },
        group: "trial".to_owned(),
        stripe: 0,
        ledger_version: at,
    };
    install(scratch.url(), &site, registry.set(), "schema check").await?;
    let mut ledger = SqlLedger::open(scratch.url(), "check views").await?;
    let laws = Laws::new(registry.clone());
    let mut viewed = Viewed::default();
    let mut dice = schema_mappers::laws::Dice::new(seed);
    for case in 0..cases {
        match laws.ledger_rows(dice.bits(), at) {
            Ok(rows) => try_rows(&mut ledger, registry, &laws, at, &rows, &mut viewed).await?,
            Err(broken) => viewed.breaks.push(*broken),
        }
        watch(Progress { done: u64::from(case) + 1, total: Some(u64::from(cases)) });
        if !viewed.breaks.is_empty() {
            break;
        }
    }
    ledger.into_conn().close().await;
    Ok(viewed)
}

/// One case, in a transaction that is rolled back.
async fn try_rows(
    ledger: &mut SqlLedger,
    registry: &Registry,
    laws: &Laws,
    at: SchemaVersion,
    rows: &[MappedRow],
    viewed: &mut Viewed,
) -> Result<(), ViewsError> {
    ledger.begin().await?;
    match ledger.apply(&inserts(registry.ledger(at)?, rows)).await {
        Ok(()) => {
            viewed.rows += rows.len() as u64;
            for version in registry.set().versions().iter().filter(|version| version.number() <= at) {
                let shown = shown(ledger, version.schema()).await;
                viewed.views += version.schema().tables.len() as u64;
                let failed = shown.is_err();
                viewed.breaks.extend(laws.views(at, version.number(), rows, shown));
                if failed {
                    break; // PostgreSQL takes nothing more in this transaction.
                }
            }
        }
        // The store's own limits, such as SQLite's of floats.
        Err(LedgerError::Fault { .. }) => viewed.refused += 1,
        Err(error) => return Err(error.into()),
    }
    ledger.rollback().await?;
    Ok(())
}

/// The rows as inserts, each after those it refers to. Rows that refer to one another in a circle come last, and the
/// database refuses them.
fn inserts(schema: &Schema, rows: &[MappedRow]) -> Vec<Image> {
    let mut left: Vec<(Option<Place>, Vec<Place>, &MappedRow)> =
        rows.iter().map(|row| (place(schema, row), needs(schema, row), row)).collect();
    let mut done: BTreeSet<Place> = BTreeSet::new();
    let mut sorted = Vec::with_capacity(rows.len());
    loop {
        let ready = |(_, needs, _): &(_, Vec<Place>, _)| needs.iter().all(|place| done.contains(place));
        let (now, later): (Vec<_>, Vec<_>) = left.into_iter().partition(ready);
        let stuck = now.is_empty();
        done.extend(now.iter().filter_map(|(place, ..)| place.clone()));
        sorted.extend(now.into_iter().map(|(.., row)| row));
        if stuck {
            sorted.extend(later.into_iter().map(|(.., row)| row));
            return sorted.into_iter().map(insert).collect();
        }
        left = later;
    }
}

/// What a row refers to, itself left out.
fn needs(schema: &Schema, row: &MappedRow) -> Vec<Place> {
    let Some(table) = schema.tables.get(&row.table) else { return Vec::new() };
    let own = place(schema, row);
    parents(table, &row.row).into_iter().filter(|parent| Some(parent) != own.as_ref()).collect()
}

fn insert(row: &MappedRow) -> Image {
    Image {
        change: Change::insert(row.table.clone(), row.row.clone()),
        complement: ComplementChange { set: row.complement.clone(), clear: Vec::new() },
        if_new: None,
    }
}

/// What the views of a version show; or what the database says instead.
async fn shown(ledger: &mut SqlLedger, schema: &Schema) -> Result<Vec<MappedRow>, String> {
    let dialect = ledger.conn().dialect();
    let mut views = schema.clone();
    match dialect {
        Dialect::Postgres => {
            let path = format!("SET LOCAL search_path = v{}", schema.version);
            ledger.conn().script(&path).await.map_err(|error| error.to_string())?;
        }
        // Plain names are those of its views then; Daybook's own tables are not there.
        Dialect::MariaDb => ledger.stand_in(Some(schema.version)).await.map_err(|error| error.to_string())?,
        Dialect::Sqlite => {
            let named = std::mem::take(&mut views.tables).into_iter().map(|(name, mut table)| {
                table.name = format!("{name}_v{}", schema.version).into();
                (table.name.clone(), table)
            });
            views.tables = named.collect();
        }
    }
    let shown = read(ledger, schema, &views).await;
    if dialect == Dialect::MariaDb {
        ledger.stand_in(None).await.map_err(|error| error.to_string())?;
    }
    shown
}

async fn read(ledger: &mut SqlLedger, schema: &Schema, views: &Schema) -> Result<Vec<MappedRow>, String> {
    let dialect = ledger.conn().dialect();
    let mut rows = Vec::new();
    for (table, view) in schema.tables.keys().map(|table| match dialect {
        Dialect::Postgres | Dialect::MariaDb => (table, table.clone()),
        Dialect::Sqlite => (table, format!("{table}_v{}", schema.version).into()),
    }) {
        let page = ledger.scan(views, &view, None, VIEW_ROWS_MAX).await;
        let page = page.map_err(|error| format!("the view of {table}: {error}"))?;
        rows.extend(page.into_iter().map(|(row, complement)| MappedRow {
            table: table.clone(),
            row,
            complement,
        }));
    }
    Ok(rows)
}
