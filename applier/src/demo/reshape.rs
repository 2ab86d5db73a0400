//! One site's reshape in the demo: pause, reshape, resume, catch up, with the clock running.

use std::time::Instant;

use journal_core::model::{SchemaVersion, SiteName};

use schema_mappers::Registry;

use super::group::{Group, standing};
use super::report::CatchUp;
use crate::audit::unwatched;
use crate::control::ControlStore as _;
use crate::control::sql::SqlControl;
use crate::upgrade;
use crate::upgrade::reshape::{Mode, ReshapeOrder};

/// Takes a site through a reshape while the other serves.
pub(super) async fn reshape(
    group: Group,
    registry: Registry,
    site: SiteName,
    other: SiteName,
    to: SchemaVersion,
) -> anyhow::Result<CatchUp> {
    let url = group.url(&site)?;
    let mut control = SqlControl::open(&url).await?;
    control.pause("demo", &format!("reshape to version {to}")).await?;
    let paused = Instant::now();
    let order =
        ReshapeOrder { to, mode: Mode::CarryOut, who: "demo".to_owned(), why: "a new release".to_owned() };
    let report = upgrade::reshape::reshape(&url, &registry, &order, &mut unwatched).await?;
    let posted = standing(&mut group.look(&site).await?, &other).await?.posted;
    control.resume("demo", &format!("reshaped to version {to}")).await?;
    let paused_seconds = paused.elapsed().as_secs_f64();
    let resumed = Instant::now();
    let queued = standing(&mut group.look(&other).await?, &other).await?.posted;
    group.wait_posted(&site, &other, queued).await?;
    let transactions = u64::try_from(queued.0 - posted.0).unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let per_second = transactions as f64 / resumed.elapsed().as_secs_f64();
    Ok(CatchUp {
        site: site.to_string(),
        rows_reshaped: report.rows,
        paused_seconds,
        transactions,
        per_second,
    })
}
