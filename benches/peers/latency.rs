//! One transaction at a time on an idle system: how long until it is visible at the other end.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use journal_core::client::Transaction;
use journal_core::model::Row;
use journal_core::sql::{Conn, Param};

use crate::figures::{Latency, Percentiles};
use crate::group::Group;
use crate::native::Native;
use crate::report::progress;
use crate::servers::{Mark, Servers, connect};
use crate::workload::{Plan, schema_set};

/// Between two transactions: nothing is under way any more.
const REST: Duration = Duration::from_millis(20);
/// Between two looks. The look itself takes longer; without a pause it would take a core away from what is measured.
const LOOK_EVERY: Duration = Duration::from_micros(50);
/// Transactions before those that are measured: connections, prepared statements and caches are there then.
const WARM_UP: i64 = 20;
/// Above anything that one transaction takes.
const BOUND: Duration = Duration::from_secs(60);

/// All rounds; each of the plan's transactions is a sample.
pub(crate) async fn measure(
    plan: &Plan,
    servers: &Servers,
    [ours, theirs]: [&str; 2],
) -> Result<Vec<Latency>> {
    let mut group = Group::create(servers.urls(ours), &schema_set()).await?;
    let mut native = Native::create(servers.databases(theirs), plan, servers).await?;
    let mut rounds = Vec::new();
    for round in 0..plan.rounds {
        let first = round * (plan.transactions + WARM_UP) + 1;
        let ids = first..first + plan.transactions + WARM_UP;
        let daybook = Percentiles::of(daybook(&mut group, ids.clone()).await?);
        progress(&format!("{ours}: {daybook:?} ms"));
        let peer = Percentiles::of(replicated(&mut native, ids).await?);
        progress(&format!("{theirs}: {peer:?} ms"));
        rounds.push(Latency { daybook, peer });
    }
    native.close().await?;
    group.journal().close().await;
    Ok(rounds)
}

async fn daybook(group: &mut Group, ids: std::ops::Range<i64>) -> Result<Vec<Duration>> {
    group.start();
    let mut look = connect(group.urls()[1]).await?;
    let mut samples = Vec::new();
    for id in ids {
        let began = Instant::now();
        group.journal().append(&Transaction::new().insert("finish", Row::new().with("id", id))).await?;
        at_once(&mut look, Mark::finish(id)).await?;
        samples.push(began.elapsed());
        tokio::time::sleep(REST).await;
    }
    look.close().await;
    group.finish(true)?;
    Ok(warm(samples))
}

async fn replicated(native: &mut Native, ids: std::ops::Range<i64>) -> Result<Vec<Duration>> {
    native.enable().await?;
    // The publisher's own connection commits without waiting.
    let mut conn = connect(native.urls()[0]).await?;
    let mut samples = Vec::new();
    for id in ids {
        let began = Instant::now();
        conn.lend().execute("INSERT INTO finish VALUES ($1)", vec![Param::from(id)]).await?;
        at_once(native.subscriber(), Mark::finish(id)).await?;
        samples.push(began.elapsed());
        tokio::time::sleep(REST).await;
    }
    conn.close().await;
    native.disable().await?;
    Ok(warm(samples))
}

fn warm(samples: Vec<Duration>) -> Vec<Duration> {
    samples.into_iter().skip(usize::try_from(WARM_UP).unwrap_or(0)).collect()
}

/// Returns as soon as the row is there. The runtime's timer knows no times below a millisecond, so this thread, which has
/// nothing else to do, sleeps itself.
async fn at_once(conn: &mut Conn, mark: Mark) -> Result<()> {
    let began = Instant::now();
    while !mark.seen(conn).await? {
        ensure!(began.elapsed() < BOUND, "a transaction was not visible within {BOUND:?}");
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}
