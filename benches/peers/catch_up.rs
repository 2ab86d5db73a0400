//! A site that nobody served catches up with a backlog, beside PostgreSQL's logical replication doing the same.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::figures::{Run, rate};
use crate::group::Group;
use crate::native::Native;
use crate::report::progress;
use crate::servers::{Servers, text};
use crate::workload::{Plan, schema_set};

/// All rounds, on a group and a publisher with its subscriber of their own.
pub(crate) async fn measure(plan: &Plan, servers: &Servers, [ours, theirs]: [&str; 2]) -> Result<Vec<Run>> {
    let began = Instant::now();
    let mut group = filled_group(plan, servers, ours).await?;
    let mut native = Native::create(servers.databases(theirs), plan, servers).await?;
    let mut runs = Vec::new();
    for round in 0..plan.rounds {
        let daybook = daybook(&mut group, plan, round, servers).await?;
        progress(&format!("{ours}: {daybook:.0} a second after {:?}", began.elapsed()));
        let peer = rate(plan.transactions, native.catch_up(plan, round, servers).await?);
        progress(&format!("{theirs}: {peer:.0} a second after {:?}", began.elapsed()));
        same_rows(plan, group.urls().into_iter().chain(native.urls())).await?;
        runs.push(Run::of_rates(daybook, peer));
    }
    native.close().await?;
    group.journal().close().await;
    Ok(runs)
}

/// A group whose sites hold the first rows; nobody serves it.
pub(crate) async fn filled_group(plan: &Plan, servers: &Servers, name: &str) -> Result<Group> {
    let began = Instant::now();
    let mut group = Group::create(servers.urls(name), &schema_set()).await?;
    group.start();
    group.fill(plan.stock()).await?;
    group.stop()?;
    progress(&format!("{name}: the first rows are at both sites after {:?}", began.elapsed()));
    Ok(group)
}

/// The rate of a round at site b.
pub(crate) async fn daybook(group: &mut Group, plan: &Plan, round: i64, servers: &Servers) -> Result<f64> {
    let (backlog, mark) = plan.backlog(round);
    Ok(rate(plan.transactions, group.catch_up(backlog, mark, Some(servers)).await?))
}

/// Whether the databases hold the same rows; otherwise an error.
pub(crate) async fn same_rows(plan: &Plan, urls: impl Iterator<Item = &str>) -> Result<()> {
    let mut digests = Vec::new();
    for url in urls {
        digests.push(text(url, plan.workload.digest()).await?);
    }
    ensure!(digests.iter().all(|digest| *digest == digests[0]), "the ends differ: {digests:?}");
    Ok(())
}
