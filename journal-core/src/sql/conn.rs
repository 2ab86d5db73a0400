//! One connection to one database, owned by one task. None that writes is pooled: a lane keeps its connection and drops it
//! on doubt, and a dropped connection rolls back what it had begun. Those that only look may rest in [`super::Readers`].

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, MySqlConnection, PgConnection, SqliteConnection};

use super::Answer;
use super::dialect::Dialect;
use super::error::{SqlClass, SqlError};
use super::mariadb;
use super::place::Place;
use super::statements::ConnRef;
use super::url::{DbUrl, Target};

/// How long SQLite waits for another process's write. Long: posting batches are short, and giving up loses work done.
const BUSY_WAIT: Duration = Duration::from_secs(30);
/// How long PostgreSQL waits for a lock before it gives the wait up as transient.
const LOCK_TIMEOUT: &str = "5s";
/// A transaction left idle by a client that hangs is ended, so that it cannot hold a pause for ever.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "60s";

/// What opening may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read and write; a SQLite file that is not there is created.
    Create,
    /// Read and write what is there.
    Write,
    /// Read only, enforced by the database.
    Read,
}

/// One connection.
#[derive(Debug)]
pub struct Conn {
    inner: Inner,
    place: Place,
    /// SQLite's writers take turns in this process, first come first served; its own busy wait knows no order and lets
    /// a writer starve beside a busy one.
    gate: Option<Arc<tokio::sync::Mutex<()>>>,
    turn: Option<tokio::sync::OwnedMutexGuard<()>>,
    /// MariaDB knows no setting of one transaction: that of a snapshot has to be taken back before the next that writes.
    after_snapshot: bool,
}

#[derive(Debug)]
enum Inner {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
    MariaDb(Box<MySqlConnection>),
}

impl Conn {
    /// Opens a connection with the settings Daybook relies on (SQLite: WAL, full synchronisation, foreign keys;
    /// PostgreSQL: UTC, lock and idle limits kept by the server; MariaDB: the same, strict mode, standard quotes, READ
    /// COMMITTED). `purpose` shows in the session list of PostgreSQL.
    pub fn open<'a>(url: &'a DbUrl, access: Access, purpose: &'a str) -> Answer<'a, Self> {
        Box::pin(async move {
            let (inner, gate) = match &url.target {
                Target::Sqlite(path) => (open_sqlite(path, access).await, Some(gate(path))),
                Target::Postgres(options) => (open_postgres(options, access, purpose).await, None),
                Target::MariaDb(address) => {
                    let opened = mariadb::open(&address.options, access).await;
                    (opened.map(|conn| Inner::MariaDb(Box::new(conn))), None)
                }
            };
            // Whatever code a server has for it, nothing was sent yet that it could be about.
            let inner = inner.map_err(|error| match error.class {
                SqlClass::Data | SqlClass::Constraint(_) => SqlError { class: SqlClass::Refused, ..error },
                _ => error,
            })?;
            Ok(Self { inner, place: url.place(), gate, turn: None, after_snapshot: false })
        })
    }

    /// What the text of statements here depends on.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Which SQL it speaks.
    pub fn dialect(&self) -> Dialect {
        match self.inner {
            Inner::Sqlite(_) => Dialect::Sqlite,
            Inner::Postgres(_) => Dialect::Postgres,
            Inner::MariaDb(_) => Dialect::MariaDb,
        }
    }

    /// Lends the connection for statements.
    pub fn lend(&mut self) -> ConnRef<'_> {
        match &mut self.inner {
            Inner::Sqlite(conn) => ConnRef::Sqlite(conn),
            Inner::Postgres(conn) => ConnRef::Postgres(conn),
            Inner::MariaDb(conn) => ConnRef::MariaDb(conn),
        }
    }

    /// Refuses ([`SqlClass::Unsafe`]) a server whose settings would lose or bend what is written there. Before anything is.
    pub async fn check_server(&mut self) -> Result<(), SqlError> {
        match &mut self.inner {
            // SQLite has no server, and PostgreSQL's defaults are safe; who changes them knows.
            Inner::Sqlite(_) | Inner::Postgres(_) => Ok(()),
            Inner::MariaDb(conn) => mariadb::check(conn).await,
        }
    }

    /// Begins a transaction that will write. SQLite takes its one writer lock here.
    pub fn begin(&mut self) -> Answer<'_, ()> {
        Box::pin(async move {
            if let Some(gate) = &self.gate {
                self.turn = None;
                self.turn = Some(gate.clone().lock_owned().await);
            }
            let begun = match self.dialect() {
                Dialect::Sqlite => self.lend().script("BEGIN IMMEDIATE").await,
                Dialect::Postgres => self.lend().script("BEGIN").await,
                Dialect::MariaDb => self.lend().script(mariadb::BEGIN).await,
            };
            if begun.is_err() {
                self.turn = None;
            }
            begun
        })
    }

    /// Begins a read-only transaction whose statements all see the database as it stands at its first one.
    pub fn begin_snapshot(&mut self) -> Answer<'_, ()> {
        Box::pin(async move {
            match self.dialect() {
                Dialect::Sqlite => self.lend().script("BEGIN").await,
                // A comparison reads two databases in turn; one side may rest for long while the other is read.
                Dialect::Postgres => {
                    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                                 SET LOCAL idle_in_transaction_session_timeout = 0";
                    self.lend().script(begin).await
                }
                Dialect::MariaDb => {
                    self.after_snapshot = true;
                    self.lend().script(mariadb::BEGIN_SNAPSHOT).await
                }
            }
        })
    }

    async fn end_snapshot(&mut self) -> Result<(), SqlError> {
        if self.after_snapshot {
            self.lend().script(mariadb::END_SNAPSHOT).await?;
            self.after_snapshot = false;
        }
        Ok(())
    }

    /// Commits. After an error the outcome is unknown unless the error's class says otherwise: drop the connection.
    pub fn commit(&mut self) -> Answer<'_, ()> {
        Box::pin(async move {
            let committed = self.lend().script("COMMIT").await;
            self.turn = None;
            committed?;
            self.end_snapshot().await
        })
    }

    /// Rolls back. After an error drop the connection, which rolls back too.
    pub fn rollback(&mut self) -> Answer<'_, ()> {
        Box::pin(async move {
            let rolled_back = self.lend().script("ROLLBACK").await;
            self.turn = None;
            rolled_back?;
            self.end_snapshot().await
        })
    }

    /// The driver's connection to MariaDB; `None` for another database's.
    pub(super) fn mariadb(&mut self) -> Option<&mut MySqlConnection> {
        match &mut self.inner {
            Inner::MariaDb(conn) => Some(conn),
            Inner::Sqlite(_) | Inner::Postgres(_) => None,
        }
    }

    pub(super) fn run<'a>(&'a mut self, migrator: &'a sqlx::migrate::Migrator) -> Answer<'a, ()> {
        // Not `run`: its bound is not general enough for a future behind a pointer (it is what `run` calls).
        Box::pin(async move {
            match &mut self.inner {
                Inner::Sqlite(conn) => migrator.run_direct(None, conn.as_mut(), false).await?,
                Inner::Postgres(conn) => migrator.run_direct(None, conn.as_mut(), false).await?,
                Inner::MariaDb(_) => {
                    return Err(SqlError::new(SqlClass::Data, "MariaDB migrates in another way"));
                }
            }
            Ok(())
        })
    }

    /// Closes in good order. Dropping is enough for correctness; closing lets SQLite fold its log into the file.
    pub fn close(self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            // The connection is gone either way, and nothing is open on it.
            let _gone = match self.inner {
                Inner::Sqlite(conn) => conn.close().await,
                Inner::Postgres(conn) => conn.close().await,
                Inner::MariaDb(conn) => conn.close().await,
            };
        })
    }
}

async fn open_sqlite(path: &Path, access: Access) -> Result<Inner, SqlError> {
    let mut options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(access == Access::Create)
        .read_only(access == Access::Read)
        .foreign_keys(true)
        .busy_timeout(BUSY_WAIT)
        .disable_statement_logging();
    if access != Access::Read {
        options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    }
    let conn = SqliteConnection::connect_with(&options).await.map_err(|error| {
        let mut error = SqlError::from(error);
        error.message = format!("{}: {}", path.display(), error.message);
        error
    })?;
    Ok(Inner::Sqlite(Box::new(conn)))
}

async fn open_postgres(options: &PgConnectOptions, access: Access, purpose: &str) -> Result<Inner, SqlError> {
    let options = options
        .clone()
        .application_name(&format!("daybook {purpose}"))
        .options([
            ("lock_timeout", LOCK_TIMEOUT),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
            ("default_transaction_read_only", if access == Access::Read { "on" } else { "off" }),
            ("timezone", "UTC"),
            // Its statements are short; compiling one takes longer than a thousand of them, and the planner's guesses
            // about tables that were never analysed bring that about.
            ("jit", "off"),
        ])
        .disable_statement_logging();
    let conn = PgConnection::connect_with(&options).await?;
    Ok(Inner::Postgres(Box::new(conn)))
}

/// The turn-taking of one file's writers in this process.
fn gate(path: &Path) -> Arc<tokio::sync::Mutex<()>> {
    type Gates = HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>;
    static GATES: Mutex<Option<Gates>> = Mutex::new(None);
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let mut gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
    gates.get_or_insert_default().entry(path).or_default().clone()
}
