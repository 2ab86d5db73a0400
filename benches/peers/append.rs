//! Durable writes of TPC-B: through Daybook's journal, and directly into the tables, by `pgbench` where there is one.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use journal_tests::tether;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;

use crate::cases::BRANCHES;
use crate::catch_up::filled_group;
use crate::figures::{Run, rate};
use crate::group::Group;
use crate::servers::{Servers, connect};
use crate::store::Store;
use crate::workload::{Plan, schema_set, tpcb_transaction};
use crate::{native, prepared};

/// All rounds. `served`: while the services of both sites post what is appended.
pub(crate) async fn measure(
    plan: &Plan,
    servers: &Servers,
    [ours, theirs]: [&str; 2],
    callers: u32,
    served: bool,
) -> Result<Vec<Run>> {
    let [direct_database, _] = servers.databases(theirs);
    let mut conn = connect(&direct_database.url).await?;
    native::fill(&mut conn, plan).await?;
    conn.close().await;
    let mut group = match served {
        true => filled_group(plan, servers, ours).await?,
        false => Group::create(servers.urls(ours), &schema_set()).await?,
    };
    let mut runs = Vec::new();
    for round in 0..plan.rounds {
        if served {
            group.start();
        }
        servers.checkpoint().await?;
        let daybook = rate(plan.transactions, journal(&group, plan, callers, round).await?);
        group.finish(served)?;
        servers.checkpoint().await?;
        let peer = match servers.store {
            Store::Postgres => direct(&direct_database.url, plan, callers)?,
            Store::MariaDb => prepared::direct(&direct_database.url, plan, callers, round).await?,
        };
        runs.push(Run::of_rates(daybook, peer));
    }
    group.journal().close().await;
    Ok(runs)
}

/// Callers who each wait until a transaction is durable before they make the next; how long all took.
async fn journal(group: &Group, plan: &Plan, callers: u32, round: i64) -> Result<Duration> {
    let each = (plan.transactions / i64::from(callers)).max(1);
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for caller in 0..i64::from(callers) {
        let (journal, plan) = (group.journal().clone(), *plan);
        tasks.spawn(async move {
            let first = (round * i64::from(callers) + caller) * each + 1;
            let mut rng = ChaCha8Rng::seed_from_u64(first.unsigned_abs());
            for hid in first..first + each {
                journal.append(&tpcb_transaction(plan.tpcb(&mut rng, hid))).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.context("run a caller")??;
    }
    Ok(began.elapsed())
}

/// Transactions a second of as many connections, prepared statements and all, by `pgbench`'s own reckoning.
pub(crate) fn direct(url: &str, plan: &Plan, callers: u32) -> Result<f64> {
    let home = tether::directory_in(Path::new("/tmp"), "daybook-pgbench-");
    let script = home.path().join("tpcb");
    std::fs::write(&script, include_str!("tpcb.pgbench"))?;
    let each = (plan.transactions / i64::from(callers)).max(1);
    let mut pgbench = Command::new("pgbench");
    pgbench.args(["--no-vacuum", "--protocol=prepared", "--random-seed=1"]);
    pgbench.arg(format!("--client={callers}")).arg(format!("--jobs={}", callers.min(2)));
    pgbench.arg(format!("--transactions={each}")).arg(format!("--define=accounts={}", plan.accounts));
    pgbench.arg(format!("--define=branches={BRANCHES}")).arg("--file").arg(&script).arg(url);
    let output = pgbench.output().context("run pgbench, which comes with PostgreSQL")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "pgbench failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    let Some(rate) = text.lines().find_map(|line| line.strip_prefix("tps = ")) else {
        bail!("pgbench told no rate: {text}")
    };
    let rate = rate.split(' ').next().unwrap_or_default();
    rate.parse().with_context(|| format!("read the rate {rate:?}"))
}
