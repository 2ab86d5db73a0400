//! Whether a larger backlog takes longer a transaction, and how much memory the services need for it.

use anyhow::Result;

use crate::catch_up::{daybook, filled_group, same_rows};
use crate::figures::{Memory, Run, median};
use crate::report::progress;
use crate::servers::Servers;
use crate::workload::Plan;

/// Rounds of the small backlog, whose time scatters more.
const SMALL_ROUNDS: i64 = 3;

/// The rate with the large backlog beside the one with the small backlog, and the memory with the large one.
pub(crate) async fn measure(
    plan: &Plan,
    small: u32,
    servers: &Servers,
    [large_name, small_name]: [&str; 2],
) -> Result<(Run, Memory)> {
    let small = Plan { transactions: small.into(), rounds: SMALL_ROUNDS, ..*plan };
    let (small_rate, _) = rounds(&small, servers, small_name).await?;
    servers.drop_databases(small_name).await?;
    let (large_rate, memory) = rounds(&Plan { rounds: 1, ..*plan }, servers, large_name).await?;
    servers.drop_databases(large_name).await?;
    Ok((Run::of_times(large_rate, small_rate), memory))
}

/// The median of the rounds on a group of their own, and the most memory they took.
async fn rounds(plan: &Plan, servers: &Servers, name: &str) -> Result<(f64, Memory)> {
    let mut group = filled_group(plan, servers, name).await?;
    let mut rates = Vec::new();
    for round in 0..plan.rounds {
        rates.push(daybook(&mut group, plan, round, servers).await?);
        same_rows(plan, group.urls().into_iter()).await?;
        progress(&format!("{name}: {:.0} a second", rates.last().copied().unwrap_or(f64::NAN)));
    }
    group.journal().close().await;
    Ok((median(rates.into_iter()), group.memory()))
}
