//! The new site's database: whose it is, the claim to it, and its tables. The claim comes before the first table, so that no
//! service finds a site there that it could post to.

use journal_core::model::Origin;
use journal_core::sql::{Access, Conn, ConnRef, quote};
use journal_core::store::sql::{Site, load_head, read_site};

use super::{JoinError, Order, Plan};
use crate::control::adding;
use crate::upgrade::contract;
use crate::upgrade::install::install;

const POSTED: &str = "SELECT 1 FROM {d}posted LIMIT 1";

/// How the new site's database stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claimed {
    /// It is this command's to fill, under this generation.
    Open { generation: i64, site: Site },
    /// It is a member of the group that posts by itself.
    Whole,
}

/// Claims the database for the new site. One that is another site's, or holds rows that no earlier try brought, is
/// refused.
pub(super) async fn claim(order: &Order, plan: &Plan) -> Result<Claimed, JoinError> {
    let mut conn = Conn::open(&order.new.url, Access::Create, "add a site").await?;
    conn.check_server().await?;
    journal_core::store::sql::install(&mut conn).await?;
    crate::control::install::install(&mut conn).await?;
    conn.begin().await?;
    let claimed = claim_in(conn.lend(), order, plan).await;
    match &claimed {
        Ok(Claimed::Open { .. }) => conn.commit().await?,
        // A failed rollback changes nothing: the connection ends here.
        Ok(Claimed::Whole) | Err(_) => drop(conn.rollback().await),
    }
    conn.close().await;
    claimed
}

async fn claim_in(mut conn: ConnRef<'_>, order: &Order, plan: &Plan) -> Result<Claimed, JoinError> {
    // It locks the control row: nobody is posting while the site is looked at.
    let begun = adding::source(conn.lend()).await?.is_some();
    let generation = adding::begin(conn.lend(), &order.from.site, &order.who).await?;
    let url = || order.new.url.to_string();
    let taken = || JoinError::NameTaken { site: order.new.site.clone() };
    let Some(site) = read_site(conn.lend()).await? else {
        let site = plan.site.clone();
        return if plan.is_known { Err(taken()) } else { Ok(Claimed::Open { generation, site }) };
    };
    if site.origin.site != order.new.site || site.group != order.group {
        let have = site.origin.to_string();
        return Err(JoinError::OtherSite { url: url(), have, group: site.group });
    }
    if !begun && is_member(conn.lend(), &site.origin).await? {
        return Ok(Claimed::Whole);
    }
    if plan.is_known {
        return Err(taken());
    }
    if site.stripe != order.stripe {
        let (stripe, other) = (order.stripe, site.origin.site);
        let say = format!("[sites.{other}] stripe = {}", site.stripe);
        return Err(JoinError::Stripe { stripe, other, say });
    }
    // Of an earlier try the rows are known; of a site that `init` made there are none.
    if !begun && let Some(table) = any_row(&mut conn, plan, &site).await? {
        return Err(JoinError::NotEmpty { url: url(), what: format!("table {table} has rows") });
    }
    Ok(Claimed::Open { generation, site })
}

/// Whether the site posts by itself: it has sealed or posted something.
async fn is_member(mut conn: ConnRef<'_>, origin: &Origin) -> Result<bool, JoinError> {
    let posted = conn.fetch_optional(POSTED, Vec::new()).await?.is_some();
    let sealed = load_head(conn, origin).await?.is_some();
    Ok(posted || sealed)
}

async fn any_row(conn: &mut ConnRef<'_>, plan: &Plan, site: &Site) -> Result<Option<String>, JoinError> {
    // At another version it has other tables; making them says so.
    if site.ledger_version != plan.version {
        return Ok(None);
    }
    for table in &plan.tables {
        let any = format!("SELECT 1 FROM {} LIMIT 1", quote(&table.table));
        if conn.fetch_optional(&any, Vec::new()).await?.is_some() {
            return Ok(Some(table.table.to_string()));
        }
    }
    Ok(None)
}

/// Makes the tables and views, as the source has them; what stands there already stays.
pub(super) async fn make_tables(order: &Order, plan: &Plan, site: &Site) -> Result<(), JoinError> {
    let site = Site { ledger_version: plan.version, ..site.clone() };
    let set = plan.registry.set();
    install(&order.new.url, &site, set, &order.who).await?;
    if plan.views_from.0 > 1 {
        let mut conn = Conn::open(&order.new.url, Access::Write, "add a site").await?;
        for statement in contract::statements(set, plan.views_from, &order.new.url.place()) {
            conn.lend().ddl(&statement).await?;
        }
        conn.close().await;
    }
    Ok(())
}
