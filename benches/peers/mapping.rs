//! A site whose ledger stands one version above what is written catches up, beside a site at the version that is written.

use anyhow::{Result, ensure};

use crate::figures::{Run, rate};
use crate::group::Group;
use crate::rental::{DIGEST, Rentals};
use crate::report::progress;
use crate::servers::{Servers, text};

/// All rounds: a group with the mapping, and one without.
pub(crate) async fn measure(
    transactions: u32,
    rounds: i64,
    servers: &Servers,
    [mapped, plain]: [&str; 2],
) -> Result<Vec<Run>> {
    let rentals = Rentals::new(transactions)?;
    let mut with_mapping = filled_group(&rentals, servers, mapped).await?;
    with_mapping.raise_b(2)?;
    let mut without = filled_group(&rentals, servers, plain).await?;
    let mut runs = Vec::new();
    for round in 0..rounds {
        let daybook = catch_up(&mut with_mapping, &rentals, round, servers).await?;
        progress(&format!("{mapped}: {daybook:.0} a second with the mapping"));
        let peer = catch_up(&mut without, &rentals, round, servers).await?;
        progress(&format!("{plain}: {peer:.0} a second without"));
        let mut digests = Vec::new();
        for url in with_mapping.urls().into_iter().chain(without.urls()) {
            digests.push(text(url, DIGEST).await?);
        }
        ensure!(digests.iter().all(|digest| *digest == digests[0]), "the ends differ: {digests:?}");
        runs.push(Run::of_rates(daybook, peer));
    }
    with_mapping.verify()?;
    with_mapping.journal().close().await;
    without.journal().close().await;
    Ok(runs)
}

/// A group whose sites hold the history once, since a site that is raised has rows: those of an empty one are found by
/// plans that the database made for tables without rows.
async fn filled_group(rentals: &Rentals, servers: &Servers, name: &str) -> Result<Group> {
    let mut group = Group::create(servers.urls(name), &Rentals::schema_set()).await?;
    group.start();
    group.fill_from(rentals.stock()).await?;
    group.stop()?;
    Ok(group)
}

async fn catch_up(group: &mut Group, rentals: &Rentals, round: i64, servers: &Servers) -> Result<f64> {
    let (backlog, mark) = rentals.backlog(round);
    Ok(rate(rentals.transactions(), group.catch_up(backlog, mark, Some(servers)).await?))
}
