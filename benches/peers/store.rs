//! What differs between the two products whose servers are measured: settings, and what an administrator says to them.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use journal_core::sql::{Conn, Dialect};
use journal_tests::servers::{Durability, Server, Settings};

use crate::servers::flush_files;

/// Both sides flush each commit, as PostgreSQL does by default; `wal_level` is what its logical replication needs. The
/// memory and the size of the log are what any guide to a small server begins with. With its default of 5 s for
/// `wal_retrieve_retry_interval` a subscription that was enabled, disabled and enabled again may rest as long before it
/// begins, which would be counted against it.
const POSTGRES_OPTIONS: &[&str] = &[
    "wal_level=logical",
    "shared_buffers=1GB",
    "max_wal_size=8GB",
    "fsync=on",
    "synchronous_commit=on",
    "wal_retrieve_retry_interval=100ms",
];

/// The same for MariaDB: a binary log at both ends, flushed with each commit, as a pair has it of which either end can
/// take over. Four threads carry out what is received, each transaction as soon as it is there. Replication does not
/// connect through a socket, so there is a port.
const MARIADB_OPTIONS: &[&str] = &[
    "innodb-buffer-pool-size=1G",
    "innodb-log-file-size=2G",
    "innodb-use-native-aio=1",
    "innodb-flush-log-at-trx-commit=1",
    "log-bin=binlog",
    "relay-log=relay",
    "sync-binlog=1",
    "binlog-format=ROW",
    "log-slave-updates=1",
    "slave-parallel-threads=4",
    "slave-parallel-mode=optimistic",
    "skip-networking=0",
    "bind-address=127.0.0.1",
];

/// What is told of the servers with each result.
const POSTGRES_TOLD: &[&str] = &[
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "shared_buffers",
    "max_wal_size",
    "wal_retrieve_retry_interval",
    "autovacuum",
    "max_connections",
];
const MARIADB_TOLD: &[&str] = &[
    "version",
    "innodb_flush_log_at_trx_commit",
    "innodb_flush_method",
    "innodb_doublewrite",
    "innodb_buffer_pool_size",
    "innodb_log_file_size",
    "log_bin",
    "sync_binlog",
    "binlog_format",
    "binlog_row_image",
    "log_slave_updates",
    "slave_parallel_threads",
    "slave_parallel_mode",
    "max_connections",
];

/// Dirty pages that remain while the server tidies up behind what was written: as good as none.
const DIRTY_PAGES_LEFT: i64 = 64;
/// Above what writing a whole buffer pool takes.
const FLUSH_BOUND: Duration = Duration::from_secs(600);
/// Between two looks at what is left to write.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const DIRTY_PAGES: &str = "SELECT CAST(VARIABLE_VALUE AS SIGNED) FROM information_schema.GLOBAL_STATUS \
                           WHERE VARIABLE_NAME = 'Innodb_buffer_pool_pages_dirty'";

/// A product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Postgres,
    MariaDb,
}

impl Store {
    /// In the order of their cases.
    pub(crate) const ALL: [Self; 2] = [Self::Postgres, Self::MariaDb];

    /// Of an open connection.
    pub(crate) fn of(conn: &Conn) -> Self {
        match conn.dialect() {
            Dialect::MariaDb => Self::MariaDb,
            Dialect::Postgres | Dialect::Sqlite => Self::Postgres,
        }
    }

    /// A server; `number` tells the two apart. MariaDB's listens on `port`.
    pub(crate) fn start(self, number: u16, port: u16) -> Server {
        let fixed = match self {
            Self::Postgres => POSTGRES_OPTIONS,
            Self::MariaDb => MARIADB_OPTIONS,
        };
        let mut options: Vec<String> = fixed.iter().map(ToString::to_string).collect();
        if self == Self::MariaDb {
            options.extend([
                format!("server-id={number}"),
                format!("gtid-domain-id={number}"),
                format!("port={port}"),
            ]);
        }
        let settings = Settings { durability: Durability::Real, password: None, options };
        match self {
            Self::Postgres => Server::postgres(settings),
            Self::MariaDb => Server::mariadb(settings),
        }
    }

    /// A database that is there from the start.
    pub(crate) fn first_database(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MariaDb => "mysql",
        }
    }

    /// The settings that are told, and the query that gives one as a text.
    pub(crate) fn told(self) -> impl Iterator<Item = (&'static str, String)> {
        let (names, query): (_, fn(&str) -> String) = match self {
            Self::Postgres => (POSTGRES_TOLD, |name| format!("SELECT current_setting('{name}')")),
            Self::MariaDb => (MARIADB_TOLD, |name| format!("SELECT CAST(@@GLOBAL.{name} AS CHAR)")),
        };
        names.iter().map(move |name| (*name, query(name)))
    }

    /// Drops a database, and on MariaDB those with the views of its versions.
    pub(crate) async fn drop_database(self, conn: &mut Conn, name: &str) -> Result<()> {
        match self {
            Self::Postgres => conn.lend().ddl(&format!("DROP DATABASE {name} WITH (FORCE)")).await?,
            Self::MariaDb => {
                let query = "SELECT CAST(SCHEMA_NAME AS CHAR) FROM information_schema.SCHEMATA \
                             WHERE SCHEMA_NAME = $1 OR SCHEMA_NAME REGEXP concat('^', $1, '_v[0-9]+$')";
                for found in conn.lend().fetch(query, vec![name.into()]).await? {
                    conn.lend().ddl(&format!("DROP DATABASE {}", found.text(0)?)).await?;
                }
            }
        }
        Ok(())
    }

    /// Writes what is only in memory, so that a measurement pays for nothing that came before.
    pub(crate) async fn checkpoint(self, conn: &mut Conn) -> Result<()> {
        match self {
            Self::Postgres => Ok(conn.lend().ddl("CHECKPOINT").await?),
            Self::MariaDb => flush_pages(conn).await,
        }
    }

    /// Has the server learn how many rows the tables of the connection's database have, after many came.
    pub(crate) async fn analyse(self, conn: &mut Conn) -> Result<()> {
        match self {
            Self::Postgres => Ok(conn.lend().ddl("VACUUM ANALYZE").await?),
            Self::MariaDb => {
                let query = "SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES \
                             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'";
                for table in conn.lend().fetch(query, Vec::new()).await? {
                    // Not told to a replica, which has its own.
                    conn.lend().ddl(&format!("ANALYZE LOCAL TABLE {}", table.text(0)?)).await?;
                }
                Ok(())
            }
        }
    }
}

/// InnoDB has no statement for it: with a limit of no dirty pages it writes them, as fast as it is allowed.
async fn flush_pages(conn: &mut Conn) -> Result<()> {
    let before = "SELECT concat('SET GLOBAL innodb_max_dirty_pages_pct = ', @@innodb_max_dirty_pages_pct, \
                  ', GLOBAL innodb_io_capacity = ', @@innodb_io_capacity)";
    let back = conn.lend().fetch_one(before, Vec::new()).await?.text(0)?;
    conn.lend().ddl("SET GLOBAL innodb_max_dirty_pages_pct = 0, GLOBAL innodb_io_capacity = 2000").await?;
    let began = Instant::now();
    while conn.lend().fetch_one(DIRTY_PAGES, Vec::new()).await?.i64(0)? > DIRTY_PAGES_LEFT {
        if began.elapsed() > FLUSH_BOUND {
            bail!("pages are still unwritten after {FLUSH_BOUND:?}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    conn.lend().ddl(&back).await?;
    // The binary logs that were written without flushing.
    flush_files()
}
