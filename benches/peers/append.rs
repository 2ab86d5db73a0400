//! Durable writes of TPC-B: through Daybook's journal, and directly into the tables by `pgbench`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use journal_tests::tether;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;

use crate::cases::BRANCHES;
use crate::group::Group;
use crate::workload::{Plan, tpcb_transaction};

/// Callers who each wait until a transaction is durable before they make the next; how long all took.
pub(crate) async fn journal(group: &Group, plan: &Plan, callers: u32, round: i64) -> Result<Duration> {
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
