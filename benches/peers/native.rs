//! PostgreSQL's own logical replication, set up as its manual does: a publication of all tables, and a subscription that
//! is disabled while the backlog is written.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use journal_core::sql::{Conn, List, Param};
use journal_tests::servers::Database;

use crate::servers::{Mark, Servers, connect, until_seen};
use crate::store::Store;
use crate::workload::{Draw, Plan};

/// Transactions that one call writes: bounds what a call sends.
pub(crate) const CALL_TRANSACTIONS: usize = 10_000;
/// Above what it takes to read over what others wrote to the log of the server.
const SETTLE_BOUND: Duration = Duration::from_secs(600);
/// Between two looks outside of a measurement.
const LOOK_EVERY: Duration = Duration::from_millis(100);

const CAUGHT_UP: &str = "SELECT confirmed_flush_lsn >= $1::pg_lsn AND restart_lsn >= $1::pg_lsn \
                         FROM pg_replication_slots WHERE slot_name = 'peer'";
const WORKER: &str = "SELECT 1 FROM pg_stat_subscription WHERE subname = 'peer' AND pid IS NOT NULL";
const SENDER: &str = "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'peer' AND active";

/// A publisher and its subscriber.
#[derive(Debug)]
pub(crate) struct Native {
    databases: [Database; 2],
    publisher: Conn,
    subscriber: Conn,
}

impl Native {
    /// Both databases with the same rows, and a disabled subscription between them.
    pub(crate) async fn create(databases: [Database; 2], plan: &Plan, servers: &Servers) -> Result<Self> {
        let mut publisher = connect(&databases[0].url).await?;
        let mut subscriber = connect(&databases[1].url).await?;
        for conn in [&mut publisher, &mut subscriber] {
            fill(conn, plan).await?;
        }
        let host = Servers::socket_directory(&servers.first);
        let connection = format!("host={} user=daybook dbname={}", host.display(), databases[0].name);
        publisher.lend().ddl("CREATE PUBLICATION peer FOR ALL TABLES").await?;
        // Only for writing backlogs, in this session: a flush a transaction would take minutes that nobody measures, and
        // the checkpoint before the clock flushes all of it.
        publisher.lend().ddl("SET synchronous_commit = off").await?;
        let subscription = format!(
            "CREATE SUBSCRIPTION peer CONNECTION '{connection}' PUBLICATION peer \
             WITH (enabled = false, copy_data = false)"
        );
        subscriber.lend().ddl(&subscription).await?;
        Ok(Self { databases, publisher, subscriber })
    }

    pub(crate) fn urls(&self) -> [&str; 2] {
        [&self.databases[0].url, &self.databases[1].url]
    }

    pub(crate) fn subscriber(&mut self) -> &mut Conn {
        &mut self.subscriber
    }

    /// One round: the subscription is disabled, the backlog is written, the subscription is enabled, and the time until
    /// the last row is there is taken.
    pub(crate) async fn catch_up(&mut self, plan: &Plan, round: i64, servers: &Servers) -> Result<Duration> {
        self.settle().await?;
        let call = format!("CALL {}($1, $2, $3, $4, $5)", plan.workload.procedure());
        for draws in plan.draws(round).chunks(CALL_TRANSACTIONS) {
            self.publisher.lend().execute(&call, arrays(draws)).await?;
        }
        let last = vec![Param::from(round)];
        self.publisher.lend().execute("INSERT INTO finish VALUES ($1)", last).await?;
        servers.checkpoint().await?;
        let began = Instant::now();
        self.subscriber.lend().ddl("ALTER SUBSCRIPTION peer ENABLE").await?;
        until_seen(&mut self.subscriber, Mark::finish(round)).await?;
        let took = began.elapsed();
        self.disable().await?;
        Ok(took)
    }

    /// Lets the subscription read over everything that was written to the server's log before, by Daybook's side too,
    /// so that the measurement begins with the backlog and nothing else.
    async fn settle(&mut self) -> Result<()> {
        let place = self.publisher.lend().fetch_one("SELECT pg_current_wal_lsn()::text", Vec::new()).await?;
        let place = place.text(0)?;
        self.subscriber.lend().ddl("ALTER SUBSCRIPTION peer ENABLE").await?;
        let began = Instant::now();
        loop {
            // A checkpoint writes the record from which a later start can read on.
            self.publisher.lend().ddl("CHECKPOINT").await?;
            tokio::time::sleep(LOOK_EVERY).await;
            let found = self.publisher.lend().fetch_one(CAUGHT_UP, vec![place.as_str().into()]).await?;
            if found.bool(0)? {
                break;
            }
            if began.elapsed() > SETTLE_BOUND {
                bail!("the subscription has not caught up within {SETTLE_BOUND:?}");
            }
        }
        self.disable().await
    }

    /// Returns once the subscription runs, with nothing to do: for measurements that write while it does.
    pub(crate) async fn enable(&mut self) -> Result<()> {
        self.settle().await?;
        self.subscriber.lend().ddl("ALTER SUBSCRIPTION peer ENABLE").await?;
        let began = Instant::now();
        while began.elapsed() < SETTLE_BOUND {
            if !self.publisher.lend().fetch(SENDER, Vec::new()).await?.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        bail!("the subscription does not run {SETTLE_BOUND:?} after it was enabled")
    }

    /// Returns once neither end of the replication runs.
    pub(crate) async fn disable(&mut self) -> Result<()> {
        self.subscriber.lend().ddl("ALTER SUBSCRIPTION peer DISABLE").await?;
        let began = Instant::now();
        while began.elapsed() < SETTLE_BOUND {
            let worker = self.subscriber.lend().fetch(WORKER, Vec::new()).await?;
            let sender = self.publisher.lend().fetch(SENDER, Vec::new()).await?;
            if worker.is_empty() && sender.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        bail!("the subscription still runs {SETTLE_BOUND:?} after it was disabled")
    }

    /// Ends the replication, so that its slot keeps no log back.
    pub(crate) async fn close(mut self) -> Result<()> {
        self.subscriber.lend().ddl("DROP SUBSCRIPTION peer").await?;
        self.subscriber.close().await;
        self.publisher.close().await;
        Ok(())
    }
}

/// The tables with their first rows, on either product.
pub(crate) async fn fill(conn: &mut Conn, plan: &Plan) -> Result<()> {
    let store = Store::of(conn);
    let tables = match store {
        Store::Postgres => include_str!("native.sql"),
        Store::MariaDb => include_str!("replica.sql"),
    };
    conn.lend().ddl(tables).await?;
    conn.lend().ddl(&plan.stock_sql(store)).await?;
    store.analyse(conn).await
}

fn arrays(draws: &[Draw]) -> Vec<Param> {
    let place = |at: usize| Param::List(List::I64(draws.iter().map(|draw| Some(draw[at])).collect()));
    (0..5).map(place).collect()
}
