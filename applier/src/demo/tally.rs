//! The demo's reckoning: what each site holds, whether both are equal, and whether anything is lost.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use journal_core::model::SiteName;
use schema_mappers::Registry;

use super::group::Group;
use super::reader::Reads;
use super::report::{CatchUp, Report, SiteReport};
use super::writer::Written;
use crate::audit::cut::{Party, Patience, Pausing};
use crate::audit::{ask, diff, unwatched};
use crate::control::sql::SqlControl;
use crate::ledger::sql::SqlLedger;

/// How long the sites may take to stand still at one cut, with nothing written any more.
const STILL_WITHIN: Duration = Duration::from_secs(60);

/// Reckons up.
pub(super) async fn tally(
    group: &Group,
    registry: &Registry,
    reads: &Reads,
    written: Written,
    catch_up: Vec<CatchUp>,
) -> anyhow::Result<Report> {
    let sites: Vec<SiteName> = group.config.sites.keys().cloned().collect();
    let verified = verify(group, registry, &sites).await?;
    let mut lost = 0;
    let mut reports = Vec::new();
    for (site, side) in sites.iter().zip([&verified.a, &verified.b]) {
        let counts = count(group, site).await?;
        // Each durable transaction is in every journal, and posted, rejected or held.
        lost += written.transactions.saturating_sub(counts.in_journal);
        lost += counts.in_journal.saturating_sub(counts.posted + counts.rejected + counts.quarantined);
        reports.push(SiteReport {
            site: site.to_string(),
            schema_version: side.schema_version.0,
            posted: counts.posted,
            rejected: counts.rejected,
            quarantined: counts.quarantined,
            digest: side.digest.digest.to_string(),
            ledger: group.url(site)?.to_string(),
        });
    }
    let mut ledger = SqlLedger::open(&group.url(&sites[0])?, "demo").await?;
    let asks = ask::count(&mut ledger, registry, &mut unwatched).await?;
    Ok(Report {
        transactions: written.transactions,
        entries: written.entries,
        failed_writes: written.failed,
        reads: reads.made.load(Ordering::Relaxed),
        failed_reads: reads.failed.load(Ordering::Relaxed),
        lost,
        longest_write_stall_ms: u64::try_from(written.longest_stall.as_millis()).unwrap_or(u64::MAX),
        converged: verified.equal,
        ask_queue: asks.iter().map(|waiting| waiting.rows).sum(),
        catch_up,
        seconds: 0.0,
        sites: reports,
    })
}

async fn verify(
    group: &Group,
    registry: &Registry,
    sites: &[SiteName],
) -> anyhow::Result<diff::VerifyReport> {
    let urls = [group.url(&sites[0])?, group.url(&sites[1])?];
    let mut ledgers = (SqlLedger::open(&urls[0], "demo").await?, SqlLedger::open(&urls[1], "demo").await?);
    let mut controls = (SqlControl::open(&urls[0]).await?, SqlControl::open(&urls[1]).await?);
    let a = Party { site: sites[0].clone(), ledger: &mut ledgers.0, control: &mut controls.0 };
    let b = Party { site: sites[1].clone(), ledger: &mut ledgers.1, control: &mut controls.1 };
    let patience = Patience { within: STILL_WITHIN, pausing: Pausing::Never, who: "demo".to_owned() };
    diff::verify(a, b, registry, &patience, 10, &mut unwatched).await.context("compare the sites")
}

struct Counts {
    in_journal: u64,
    posted: u64,
    rejected: u64,
    quarantined: u64,
}

/// Counts at one site. Every transaction of any origin that its seals cover was accepted or rejected.
async fn count(group: &Group, site: &SiteName) -> anyhow::Result<Counts> {
    let mut conn = group.look(site).await?;
    let row = conn
        .lend()
        .fetch_one(
            "SELECT (SELECT count(*) FROM {d}entry WHERE entry_nr = 1), \
             (SELECT count(*) FROM {d}entry j JOIN {d}posted p ON p.origin = j.origin AND p.epoch = j.epoch \
              WHERE j.entry_nr = 1 AND j.trans_nr <= p.trans_nr), \
             (SELECT count(*) FROM {d}rejection), \
             (SELECT count(*) FROM {d}quarantine WHERE state <> 'posted')",
            vec![],
        )
        .await?;
    let number = |at| Ok::<_, anyhow::Error>(u64::try_from(row.i64(at)?).unwrap_or(0));
    let (in_journal, passed, rejected, quarantined) = (number(0)?, number(1)?, number(2)?, number(3)?);
    Ok(Counts { in_journal, posted: passed.saturating_sub(rejected + quarantined), rejected, quarantined })
}
