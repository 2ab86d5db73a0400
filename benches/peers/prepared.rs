//! TPC-B written directly into MariaDB's tables by many connections, as `pgbench` does it at PostgreSQL: every statement
//! prepared, one transaction after the other on each connection.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use journal_core::sql::Conn;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;

use crate::figures::rate;
use crate::servers::connect;
use crate::workload::{Draw, Plan};

const ACCOUNT: &str = "UPDATE account SET abalance = abalance + $1 WHERE aid = $2";
const TELLER: &str = "UPDATE teller SET tbalance = tbalance + $1 WHERE tid = $2";
const BRANCH: &str = "UPDATE branch SET bbalance = bbalance + $1 WHERE bid = $2";
const HISTORY: &str = "INSERT INTO history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4, now(6))";

/// Transactions a second, all of them by so many connections that are open when the clock starts.
pub(crate) async fn direct(url: &str, plan: &Plan, callers: u32, round: i64) -> Result<f64> {
    let each = (plan.transactions / i64::from(callers)).max(1);
    let mut conns = Vec::new();
    for _ in 0..callers {
        conns.push(connect(url).await?);
    }
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for (caller, conn) in (round * i64::from(callers)..).zip(conns) {
        tasks.spawn(call(conn, *plan, caller * each + 1, each));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.context("run a caller")??;
    }
    Ok(rate(each * i64::from(callers), began.elapsed()))
}

/// One connection's transactions, the same that Daybook's caller writes.
async fn call(mut conn: Conn, plan: Plan, first: i64, each: i64) -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(first.unsigned_abs());
    for hid in first..first + each {
        write(&mut conn, plan.tpcb(&mut rng, hid)).await?;
    }
    conn.close().await;
    Ok(())
}

async fn write(conn: &mut Conn, [aid, tid, bid, delta, _]: Draw) -> Result<()> {
    conn.lend().execute("START TRANSACTION", Vec::new()).await?;
    for (statement, id) in [(ACCOUNT, aid), (TELLER, tid), (BRANCH, bid)] {
        let rows = conn.lend().execute(statement, vec![delta.into(), id.into()]).await?;
        ensure!(rows == 1, "{statement}: {rows} rows");
    }
    let history = vec![tid.into(), bid.into(), aid.into(), delta.into()];
    conn.lend().execute(HISTORY, history).await?;
    conn.lend().execute("COMMIT", Vec::new()).await?;
    Ok(())
}
