//! Sustained TPC-B: written at one end while it is posted at the other, until the last of it is visible there.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use journal_core::client::Transaction;
use journal_core::model::Row;
use journal_core::sql::Param;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;

use crate::append::direct;
use crate::catch_up::{filled_group, same_rows};
use crate::figures::{Run, rate};
use crate::group::Group;
use crate::lag::{Looking, Pace};
use crate::native::Native;
use crate::report::progress;
use crate::servers::{Mark, Servers, connect, until_seen};
use crate::workload::{Plan, tpcb_transaction};

/// All rounds.
pub(crate) async fn measure(
    plan: &Plan,
    servers: &Servers,
    [ours, theirs]: [&str; 2],
    callers: u32,
) -> Result<Vec<Run>> {
    // Each caller makes as many.
    let each = (plan.transactions / i64::from(callers)).max(1);
    let plan = &Plan { transactions: each * i64::from(callers), ..*plan };
    let mut group = filled_group(plan, servers, ours).await?;
    let mut native = Native::create(servers.databases(theirs), plan, servers).await?;
    let mut runs = Vec::new();
    for round in 0..plan.rounds {
        let (took, lag) = daybook(&mut group, plan, callers, round, servers).await?;
        let daybook = rate(plan.transactions, took);
        progress(&format!("{ours}: {daybook:.0} a second, at most {lag:?} behind"));
        same_rows(plan, group.urls().into_iter()).await?;
        let took = replicated(&mut native, plan, callers, round, servers).await?;
        let peer = rate(plan.transactions, took);
        progress(&format!("{theirs}: {peer:.0} a second"));
        same_rows(plan, native.urls().into_iter()).await?;
        runs.push(Run { lag: Some(lag), ..Run::of_rates(daybook, peer) });
    }
    native.close().await?;
    group.journal().close().await;
    Ok(runs)
}

/// How long it took until the last transaction was visible at site b, and how far b was behind meanwhile.
async fn daybook(
    group: &mut Group,
    plan: &Plan,
    callers: u32,
    round: i64,
    servers: &Servers,
) -> Result<(Duration, Duration)> {
    group.start();
    let mut look = connect(group.urls()[1]).await?;
    let (looking, pace) = Looking::begin(group.urls()[1]);
    servers.checkpoint().await?;
    let began = Instant::now();
    call(group, plan, callers, round, &pace).await?;
    group.journal().append(&Transaction::new().insert("finish", Row::new().with("id", round))).await?;
    until_seen(&mut look, Mark::finish(round)).await?;
    let took = began.elapsed();
    let lag = looking.end().await?;
    look.close().await;
    group.finish(true)?;
    Ok((took, lag))
}

/// The callers, who each wait until a transaction is durable before they make the next.
async fn call(group: &Group, plan: &Plan, callers: u32, round: i64, pace: &Pace) -> Result<()> {
    let each = plan.transactions / i64::from(callers);
    let mut tasks = JoinSet::new();
    for caller in 0..i64::from(callers) {
        let (journal, plan, mut pace) = (group.journal().clone(), *plan, pace.clone());
        tasks.spawn(async move {
            let first = round * plan.transactions + caller * each + 1;
            let mut rng = ChaCha8Rng::seed_from_u64(first.unsigned_abs());
            for hid in first..first + each {
                pace.wait().await?;
                let receipt = journal.append(&tpcb_transaction(plan.tpcb(&mut rng, hid))).await?;
                pace.acknowledge(receipt.id().trans_nr.0);
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.context("run a caller")??;
    }
    Ok(())
}

/// How long it took until the last transaction was visible at the subscriber.
async fn replicated(
    native: &mut Native,
    plan: &Plan,
    callers: u32,
    round: i64,
    servers: &Servers,
) -> Result<Duration> {
    native.enable().await?;
    // The publisher's own connection commits without waiting, which would hold the last row back.
    let mut conn = connect(native.urls()[0]).await?;
    servers.checkpoint().await?;
    let began = Instant::now();
    direct(native.urls()[0], plan, callers)?;
    let written = began.elapsed();
    conn.lend().execute("INSERT INTO finish VALUES ($1)", vec![Param::from(round)]).await?;
    until_seen(native.subscriber(), Mark::finish(round)).await?;
    let took = began.elapsed();
    progress(&format!(
        "the subscriber has all {:?} after the last was written",
        took.saturating_sub(written)
    ));
    conn.close().await;
    native.disable().await?;
    Ok(took)
}
