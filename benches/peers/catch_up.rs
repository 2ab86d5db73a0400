//! A site that nobody served catches up with a backlog, beside the product's own replication doing the same.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use journal_tests::servers::Database;

use crate::figures::{Run, rate};
use crate::group::Group;
use crate::native::Native;
use crate::replica::Replica;
use crate::report::progress;
use crate::servers::{Servers, text};
use crate::store::Store;
use crate::workload::{Plan, schema_set};

/// All rounds, on a group and a publisher with its subscriber of their own.
pub(crate) async fn measure(plan: &Plan, servers: &Servers, [ours, theirs]: [&str; 2]) -> Result<Vec<Run>> {
    let began = Instant::now();
    let mut group = filled_group(plan, servers, ours).await?;
    let mut peer = Peer::create(servers.databases(theirs), plan, servers).await?;
    let mut runs = Vec::new();
    for round in 0..plan.rounds {
        let daybook = daybook(&mut group, plan, round, servers).await?;
        progress(&format!("{ours}: {daybook:.0} a second after {:?}", began.elapsed()));
        let replicated = rate(plan.transactions, peer.catch_up(plan, round, servers).await?);
        progress(&format!("{theirs}: {replicated:.0} a second after {:?}", began.elapsed()));
        same_rows(plan, group.urls().into_iter().chain(peer.urls())).await?;
        runs.push(Run::of_rates(daybook, replicated));
    }
    peer.close().await?;
    group.journal().close().await;
    Ok(runs)
}

/// The replication of the servers' own product.
enum Peer {
    Postgres(Native),
    MariaDb(Replica),
}

impl Peer {
    async fn create(databases: [Database; 2], plan: &Plan, servers: &Servers) -> Result<Self> {
        Ok(match servers.store {
            Store::Postgres => Self::Postgres(Native::create(databases, plan, servers).await?),
            Store::MariaDb => Self::MariaDb(Replica::create(databases, plan, servers).await?),
        })
    }

    async fn catch_up(&mut self, plan: &Plan, round: i64, servers: &Servers) -> Result<Duration> {
        match self {
            Self::Postgres(native) => native.catch_up(plan, round, servers).await,
            Self::MariaDb(replica) => replica.catch_up(plan, round, servers).await,
        }
    }

    fn urls(&self) -> [&str; 2] {
        match self {
            Self::Postgres(native) => native.urls(),
            Self::MariaDb(replica) => replica.urls(),
        }
    }

    async fn close(self) -> Result<()> {
        match self {
            Self::Postgres(native) => native.close().await,
            Self::MariaDb(replica) => replica.close().await,
        }
    }
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
