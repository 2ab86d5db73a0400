//! MariaDB's own replication, set up as its manual does: the binary log with the rows, global transaction ids, and several
//! threads that carry out what was received. The replica is stopped while the backlog is written.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use journal_core::sql::{Conn, Param};
use journal_tests::servers::Database;

use crate::native::{CALL_TRANSACTIONS, fill};
use crate::servers::{Mark, Servers, connect, until_seen};
use crate::workload::Plan;

/// Only for writing backlogs: a flush a transaction would take minutes that nobody measures, and what comes before the clock
/// flushes all of it. Both are settings of the server.
const UNFLUSHED: &str = "SET GLOBAL innodb_flush_log_at_trx_commit = 2, GLOBAL sync_binlog = 0";
const FLUSHED: &str = "SET GLOBAL innodb_flush_log_at_trx_commit = 1, GLOBAL sync_binlog = 1";

/// Who may read the binary log.
const REPLICA_USER: &str =
    "CREATE OR REPLACE USER replica@127.0.0.1; GRANT REPLICATION SLAVE ON *.* TO replica@127.0.0.1";

/// Places of `SHOW SLAVE STATUS`.
const LAST_ERROR: usize = 19;

/// A primary and its replica.
#[derive(Debug)]
pub(crate) struct Replica {
    databases: [Database; 2],
    primary: Conn,
    replica: Conn,
}

impl Replica {
    /// Both databases with the same rows, and a stopped replica.
    pub(crate) async fn create(databases: [Database; 2], plan: &Plan, servers: &Servers) -> Result<Self> {
        let mut primary = connect(&databases[0].url).await?;
        let mut replica = connect(&databases[1].url).await?;
        for conn in [&mut primary, &mut replica] {
            fill(conn, plan).await?;
        }
        primary.lend().ddl(REPLICA_USER).await?;
        let source = format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'replica', \
             MASTER_USE_GTID = slave_pos",
            servers.port
        );
        replica.lend().ddl(&source).await?;
        Ok(Self { databases, primary, replica })
    }

    pub(crate) fn urls(&self) -> [&str; 2] {
        [&self.databases[0].url, &self.databases[1].url]
    }

    /// One round: while the replica is stopped, the backlog is written; then it is started, and the time until the last row
    /// is there is taken.
    pub(crate) async fn catch_up(&mut self, plan: &Plan, round: i64, servers: &Servers) -> Result<Duration> {
        self.pass_over().await?;
        self.primary.lend().ddl(UNFLUSHED).await?;
        for draws in plan.draws(round).chunks(CALL_TRANSACTIONS) {
            let draws = serde_json::to_string(draws)?;
            let call = format!("CALL {}('{draws}')", plan.workload.procedure());
            self.primary.lend().ddl(&call).await?;
        }
        self.primary.lend().execute("INSERT INTO finish VALUES ($1)", vec![Param::from(round)]).await?;
        self.primary.lend().ddl(FLUSHED).await?;
        servers.checkpoint().await?;
        let began = Instant::now();
        self.replica.lend().ddl("START SLAVE").await?;
        let seen = until_seen(&mut self.replica, Mark::finish(round)).await;
        let took = began.elapsed();
        let status = self.replica.lend().fetch_one("SHOW SLAVE STATUS", Vec::new()).await?;
        let error = status.text(LAST_ERROR)?;
        seen.with_context(|| format!("replicate: {error:?}"))?;
        ensure!(error.is_empty(), "the replica stopped: {error}");
        self.replica.lend().ddl("STOP SLAVE").await?;
        Ok(took)
    }

    /// Has the replica begin with what comes now, in a log of its own: what Daybook wrote before to the same server's log is
    /// not for it, and nobody needs it any more.
    async fn pass_over(&mut self) -> Result<()> {
        self.primary.lend().ddl("FLUSH BINARY LOGS").await?;
        let place =
            self.primary.lend().fetch_one("SELECT CAST(@@gtid_binlog_pos AS CHAR)", Vec::new()).await?;
        self.replica.lend().ddl(&format!("SET GLOBAL gtid_slave_pos = '{}'", place.text(0)?)).await?;
        self.replica.lend().ddl("FLUSH BINARY LOGS").await?;
        for conn in [&mut self.primary, &mut self.replica] {
            let file = conn.lend().fetch_one("SHOW MASTER STATUS", Vec::new()).await?.text(0)?;
            conn.lend().ddl(&format!("PURGE BINARY LOGS TO '{file}'")).await?;
        }
        Ok(())
    }

    /// Ends the replication.
    pub(crate) async fn close(mut self) -> Result<()> {
        self.replica.lend().ddl("RESET SLAVE ALL").await?;
        self.replica.close().await;
        self.primary.close().await;
        Ok(())
    }
}
