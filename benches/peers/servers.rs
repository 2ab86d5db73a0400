//! The two servers that all cases of a run on one product share, with the same settings for both sides.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use journal_core::sql::{Access, Conn, Param};
use journal_tests::servers::{Database, Server};
use serde_json::{Map, Value, json};

use crate::store::Store;

/// Between two looks for a row. A look is one prepared read by key.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Above what any backlog of a case takes.
const BOUND: Duration = Duration::from_secs(3600);

/// The servers.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) store: Store,
    /// Of site a, and of the publisher.
    pub(crate) first: Server,
    /// Of site b, and of the subscriber.
    pub(crate) second: Server,
    /// Where the first server of MariaDB takes its replica's connection.
    pub(crate) port: u16,
}

impl Servers {
    pub(crate) fn start(store: Store) -> Result<Self> {
        let [port, other] = free_ports()?;
        Ok(Self { store, first: store.start(1, port), second: store.start(2, other), port })
    }

    /// A database of that name on each server.
    pub(crate) fn databases(&self, name: &str) -> [Database; 2] {
        [self.first.create_named(name), self.second.create_named(name)]
    }

    /// The same, as addresses.
    pub(crate) fn urls(&self, name: &str) -> [String; 2] {
        self.databases(name).map(|database| database.url)
    }

    /// Drops them, so that a later case has the disk and the memory for itself.
    pub(crate) async fn drop_databases(&self, name: &str) -> Result<()> {
        for server in [&self.first, &self.second] {
            let mut conn = self.administer(server).await?;
            self.store.drop_database(&mut conn, name).await?;
            conn.close().await;
        }
        Ok(())
    }

    /// Both begin a measurement with nothing left to write, whatever the other side did before.
    pub(crate) async fn checkpoint(&self) -> Result<()> {
        for server in [&self.first, &self.second] {
            let mut conn = self.administer(server).await?;
            self.store.checkpoint(&mut conn).await?;
            conn.close().await;
        }
        Ok(())
    }

    /// What the servers say of themselves.
    pub(crate) async fn settings(&self) -> Result<Value> {
        let mut told = Map::new();
        let mut conn = self.administer(&self.first).await?;
        for (name, query) in self.store.told() {
            let value = conn.lend().fetch_one(&query, Vec::new()).await?.text(0)?;
            told.insert(name.to_owned(), json!(value));
        }
        if self.store == Store::Postgres {
            told.insert("subscription_synchronous_commit".to_owned(), json!("off, its default"));
        }
        conn.close().await;
        Ok(Value::Object(told))
    }

    async fn administer(&self, server: &Server) -> Result<Conn> {
        connect(&server.url(self.store.first_database())).await
    }

    /// The directory of a server's socket, as a connection string of PostgreSQL's own names it.
    pub(crate) fn socket_directory(server: &Server) -> PathBuf {
        server.socket_file().parent().map_or_else(PathBuf::new, PathBuf::from)
    }
}

/// Two that nobody listens on now. Both are held while they are looked for, so that they differ.
fn free_ports() -> Result<[u16; 2]> {
    let [one, other] = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([one.local_addr()?.port(), other.local_addr()?.port()])
}

/// The same for files without a server: what other sides left in the system's cache is on the disk before a clock starts.
pub(crate) fn flush_files() -> Result<()> {
    let status = Command::new("sync").status().context("run sync")?;
    ensure!(status.success(), "sync failed: {status}");
    Ok(())
}

/// A connection that may write.
pub(crate) async fn connect(url: &str) -> Result<Conn> {
    let address = url.parse().context("read the address of a server")?;
    Ok(Conn::open(&address, Access::Write, "bench").await?)
}

/// The text that a query gives.
pub(crate) async fn text(url: &str, query: &str) -> Result<String> {
    let mut conn = connect(url).await?;
    let found = conn.lend().fetch_one(query, Vec::new()).await?.text(0)?;
    conn.close().await;
    Ok(found)
}

/// The row that is written last, by which the end is seen at the other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    /// Gives a row once it is there; `$1` is the id.
    pub(crate) query: &'static str,
    pub(crate) id: i64,
}

impl Mark {
    /// A row of `finish`, which has no other use.
    pub(crate) fn finish(id: i64) -> Self {
        Self { query: "SELECT 1 FROM finish WHERE id = $1", id }
    }

    /// Whether it is there.
    pub(crate) async fn seen(self, conn: &mut Conn) -> Result<bool> {
        Ok(!conn.lend().fetch(self.query, vec![Param::from(self.id)]).await?.is_empty())
    }
}

/// Waits until the row that was written last is seen.
pub(crate) async fn until_seen(conn: &mut Conn, mark: Mark) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < BOUND {
        if mark.seen(conn).await? {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bail!("the last row of a backlog has not arrived within {BOUND:?}")
}
