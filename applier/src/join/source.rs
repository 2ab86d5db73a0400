//! The site that a new one is added from: whether it can be read now, and its one snapshot. Reads only.

use std::collections::BTreeMap;
use std::fmt;

use journal_core::model::{Epoch, Name, Origin, SchemaVersion, SiteName};
use journal_core::sql::{Access, Conn, DbUrl, quote};
use journal_core::store::sql::{Site, load_heads, read_site};
use schema_mappers::{Registry, ddl};
use serde::Serialize;

use super::{JoinError, Order, names};
use crate::control::sql::switch_begun;
use crate::ledger::sql::SqlLedger;
use crate::ledger::{Ledger as _, LedgerError, LedgerReader as _, Posted};
use crate::upgrade::install::load_registry;
use crate::upgrade::machine::Step;
use crate::upgrade::record;

/// New tables beside the old ones, under the pause that still holds: only then may they be switched to.
const RESHAPING: &str = "SELECT 1 FROM {d}staging s JOIN {d}control c ON c.generation = s.generation \
     WHERE c.desired = 'paused'";

/// Transactions in quarantine: how many, and one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub count: usize,
    /// The first, as `a/1/17`.
    pub first: String,
}

/// What adding a site comes to, as its source stands now.
#[derive(Debug)]
pub struct Plan {
    /// The site as it will be.
    pub site: Site,
    /// The schema version of its ledger: the source's.
    pub version: SchemaVersion,
    /// The oldest version that has views at the source.
    pub views_from: SchemaVersion,
    /// Whether any site of the group has seals of a site of that name.
    pub is_known: bool,
    /// All versions on record at the source.
    pub registry: Registry,
    /// The tables, parents first, with the rows the source has now.
    pub tables: Vec<TablePlan>,
}

/// A table with how many rows it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TablePlan {
    /// The table.
    pub table: Name,
    /// Its rows at the source.
    pub rows: u64,
}

/// Looks at the whole group whether the site can be added, and at what that comes to. Changes nothing.
pub async fn plan(order: &Order) -> Result<Plan, JoinError> {
    let (mut stripes, mut is_known) = (BTreeMap::new(), false);
    for other in &order.others {
        let (stripe, knows) = look(&other.url, &order.new.site).await?;
        stripes.insert(other.site.clone(), stripe);
        is_known |= knows;
    }
    check_stripe(order, &stripes)?;
    let registry = load_registry(&order.from.url).await?;
    let mut ledger = SqlLedger::open_reader(&order.from.url, "add a site").await?;
    ledger.begin_snapshot().await?;
    let version = ledger.version().await?;
    held(&mut ledger, &order.from.site).await?;
    refuse_upgrade(&mut ledger, &order.from.site).await?;
    let views_from = views_from(&mut ledger).await?;
    let tables = count(&mut ledger).await?;
    ledger.end_snapshot().await?;
    ledger.into_conn().close().await;
    let origin = Origin { site: order.new.site.clone(), epoch: Epoch(1) };
    let site = Site { origin, group: order.group.clone(), stripe: order.stripe, ledger_version: version };
    Ok(Plan { site, version, views_from, is_known, registry, tables })
}

/// The sites of an upgrade are fixed when it begins: one that comes in the middle would stay behind.
async fn refuse_upgrade(ledger: &mut SqlLedger, site: &SiteName) -> Result<(), JoinError> {
    // Its tables change places in several steps; no snapshot holds those.
    if switch_begun(ledger.conn()).await? {
        return Err(LedgerError::SwitchBegun.into());
    }
    let site = site.clone();
    match record::read(ledger.conn()).await?.map(|upgrade| upgrade.place.step) {
        None | Some(Step::Contracted | Step::Returned) => {}
        Some(_) => return Err(JoinError::Upgrading { site }),
    }
    match ledger.conn().fetch_optional(RESHAPING, Vec::new()).await? {
        None => Ok(()),
        Some(_) => Err(JoinError::Reshaping { site }),
    }
}

/// The oldest version that has views there.
async fn views_from(ledger: &mut SqlLedger) -> Result<SchemaVersion, JoinError> {
    let gone = record::records(ledger.conn()).await?;
    let from = gone.iter().filter(|gone| gone.kind == "contraction").map(|gone| gone.from).max();
    Ok(SchemaVersion(from.unwrap_or(1)))
}

async fn count(ledger: &mut SqlLedger) -> Result<Vec<TablePlan>, JoinError> {
    let schema = ledger.schema().clone();
    let mut tables = Vec::new();
    for table in ddl::tables_in_order(&schema) {
        let count = format!("SELECT count(*) FROM {}", quote(&table.name));
        let rows = ledger.conn().fetch_one(&count, Vec::new()).await?.i64(0)?;
        tables.push(TablePlan { table: table.name.clone(), rows: u64::try_from(rows).unwrap_or(0) });
    }
    Ok(tables)
}

/// A site's stripe as it is on record, which no configuration changes; and whether it has seals of the new one's name. What
/// a site wrote that was lost since may be at any of the others.
async fn look(url: &DbUrl, new: &SiteName) -> Result<(i64, bool), JoinError> {
    let mut conn = Conn::open(url, Access::Read, "look").await?;
    let site = read_site(conn.lend()).await?;
    let heads = load_heads(conn.lend()).await?;
    conn.close().await;
    let none = || LedgerError::Damaged(format!("{url} is no site"));
    Ok((site.ok_or_else(none)?.stripe, heads.iter().any(|head| head.origin.site == *new)))
}

fn check_stripe(order: &Order, stripes: &BTreeMap<SiteName, i64>) -> Result<(), JoinError> {
    let Some((other, _)) = stripes.iter().find(|(_, stripe)| **stripe == order.stripe) else { return Ok(()) };
    let free =
        (0..journal_core::store::sql::STRIPES).find(|free| !stripes.values().any(|taken| taken == free));
    let new = free.map(|free| (order.new.site.clone(), free));
    let all = stripes.clone().into_iter().chain(new);
    let say: Vec<String> = all.map(|(site, stripe)| format!("[sites.{site}] stripe = {stripe}")).collect();
    let say = say.join(", ");
    Err(JoinError::Stripe { stripe: order.stripe, other: other.clone(), say })
}

/// Refuses a source that has put something aside: its checkpoint has passed it, its ledger lacks it, and a new site that
/// takes over both would never come to post it.
async fn held(ledger: &mut SqlLedger, site: &SiteName) -> Result<(), JoinError> {
    let held = ledger.quarantined().await?;
    match held.first() {
        None => Ok(()),
        Some((first, _)) => {
            let held = Held { count: held.len(), first: first.id.to_string() };
            Err(JoinError::Held { site: site.clone(), held })
        }
    }
}

/// The source as it stands at one moment: rows, what is beside them, and checkpoints.
pub(super) struct Snapshot {
    pub(super) ledger: SqlLedger,
    posted: Vec<(Origin, Posted)>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("posted", &self.posted).finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(super) async fn begin(order: &Order, plan: &Plan) -> Result<Self, JoinError> {
        let mut ledger = SqlLedger::open_reader(&order.from.url, "add a site").await?;
        let insist = |now: SchemaVersion| match now == plan.version {
            true => Ok(()),
            false => Err(JoinError::Reshaped { site: order.from.site.clone(), before: plan.version, now }),
        };
        insist(ledger.schema().version)?;
        ledger.begin_snapshot().await?;
        names::hold(&mut ledger, &order.from).await?;
        // On record in the snapshot, and so the version of the tables that are held.
        insist(ledger.version().await?)?;
        held(&mut ledger, &order.from.site).await?;
        refuse_upgrade(&mut ledger, &order.from.site).await?;
        let posted = ledger.posted().await?;
        Ok(Self { ledger, posted })
    }

    /// Ends it; gives the checkpoints that it had.
    pub(super) async fn end(mut self) -> Result<Vec<(Origin, Posted)>, JoinError> {
        self.ledger.end_snapshot().await?;
        self.ledger.into_conn().close().await;
        Ok(self.posted)
    }
}
