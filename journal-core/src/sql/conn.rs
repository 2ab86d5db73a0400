//! One connection to one database, owned by one task. Never pooled: a lane keeps its connection and drops it on doubt,
//! and a dropped connection rolls back what it had begun.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{
    Arguments as _, AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, SqliteConnection,
};

use super::Answer;
use super::dialect::Dialect;
use super::error::{SqlClass, SqlError};
use super::param::{Inner as RecordInner, Param, Record};
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
    /// SQLite's writers take turns in this process, first come first served; its own busy wait knows no order and lets
    /// a writer starve beside a busy one.
    gate: Option<Arc<tokio::sync::Mutex<()>>>,
    turn: Option<tokio::sync::OwnedMutexGuard<()>>,
}

#[derive(Debug)]
enum Inner {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

/// A borrowed connection: what statements run on. Made from a [`Conn`] or from an application's own sqlx connection.
#[derive(Debug)]
pub enum ConnRef<'c> {
    /// SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// PostgreSQL.
    Postgres(&'c mut PgConnection),
}

impl Conn {
    /// Opens a connection with the settings Daybook relies on (SQLite: WAL, full synchronisation, foreign keys;
    /// PostgreSQL: UTC, lock and idle limits kept by the server). `purpose` shows in the database's session list.
    pub fn open<'a>(url: &'a DbUrl, access: Access, purpose: &'a str) -> Answer<'a, Self> {
        Box::pin(async move {
            match &url.target {
                Target::Sqlite(path) => open_sqlite(path, access).await,
                Target::Postgres(options) => open_postgres(options, access, purpose).await,
            }
        })
    }

    /// Which SQL it speaks.
    pub fn dialect(&self) -> Dialect {
        match self.inner {
            Inner::Sqlite(_) => Dialect::Sqlite,
            Inner::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Lends the connection for statements.
    pub fn lend(&mut self) -> ConnRef<'_> {
        match &mut self.inner {
            Inner::Sqlite(conn) => ConnRef::Sqlite(conn),
            Inner::Postgres(conn) => ConnRef::Postgres(conn),
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
            }
        })
    }

    /// Commits. After an error the outcome is unknown unless the error's class says otherwise: drop the connection.
    pub fn commit(&mut self) -> Answer<'_, ()> {
        Box::pin(async move {
            let committed = self.lend().script("COMMIT").await;
            self.turn = None;
            committed
        })
    }

    /// Rolls back. After an error drop the connection, which rolls back too.
    pub fn rollback(&mut self) -> Answer<'_, ()> {
        Box::pin(async move {
            let rolled_back = self.lend().script("ROLLBACK").await;
            self.turn = None;
            rolled_back
        })
    }

    pub(super) fn run<'a>(&'a mut self, migrator: &'a sqlx::migrate::Migrator) -> Answer<'a, ()> {
        // Not `run`: its bound is not general enough for a future behind a pointer (it is what `run` calls).
        Box::pin(async move {
            match &mut self.inner {
                Inner::Sqlite(conn) => migrator.run_direct(None, conn.as_mut(), false).await?,
                Inner::Postgres(conn) => migrator.run_direct(None, conn.as_mut(), false).await?,
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
            };
        })
    }
}

async fn open_sqlite(path: &Path, access: Access) -> Result<Conn, SqlError> {
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
    Ok(Conn { inner: Inner::Sqlite(Box::new(conn)), gate: Some(gate(path)), turn: None })
}

async fn open_postgres(options: &PgConnectOptions, access: Access, purpose: &str) -> Result<Conn, SqlError> {
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
    Ok(Conn { inner: Inner::Postgres(Box::new(conn)), gate: None, turn: None })
}

/// The turn-taking of one file's writers in this process.
fn gate(path: &Path) -> Arc<tokio::sync::Mutex<()>> {
    type Gates = HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>;
    static GATES: Mutex<Option<Gates>> = Mutex::new(None);
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let mut gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
    gates.get_or_insert_default().entry(path).or_default().clone()
}

impl ConnRef<'_> {
    /// Which SQL it speaks.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Lends it on.
    pub fn lend(&mut self) -> ConnRef<'_> {
        match self {
            Self::Sqlite(conn) => ConnRef::Sqlite(conn),
            Self::Postgres(conn) => ConnRef::Postgres(conn),
        }
    }

    /// Runs one statement (a template, see [`Dialect::render`]) and returns how many rows it touched. The statement is
    /// prepared once per connection and text.
    pub fn execute(&mut self, template: &str, params: Vec<Param>) -> Answer<'_, u64> {
        let sql = self.dialect().render(template);
        Box::pin(async move {
            let done = match self {
                Self::Sqlite(conn) => {
                    let query = sqlx::query_with(AssertSqlSafe(sql), sqlite_arguments(params)?);
                    query.execute(&mut **conn).await?.rows_affected()
                }
                Self::Postgres(conn) => {
                    let query = sqlx::query_with(AssertSqlSafe(sql), postgres_arguments(params)?);
                    query.execute(&mut **conn).await?.rows_affected()
                }
            };
            Ok(done)
        })
    }

    /// Runs one query (a template) and returns all its rows. Bound the result in the statement.
    pub fn fetch(&mut self, template: &str, params: Vec<Param>) -> Answer<'_, Vec<Record>> {
        let sql = self.dialect().render(template);
        Box::pin(async move {
            let records = match self {
                Self::Sqlite(conn) => {
                    let query = sqlx::query_with(AssertSqlSafe(sql), sqlite_arguments(params)?);
                    let rows = query.fetch_all(&mut **conn).await?;
                    rows.into_iter().map(|row| Record(RecordInner::Sqlite(row))).collect()
                }
                Self::Postgres(conn) => {
                    let query = sqlx::query_with(AssertSqlSafe(sql), postgres_arguments(params)?);
                    let rows = query.fetch_all(&mut **conn).await?;
                    rows.into_iter().map(|row| Record(RecordInner::Postgres(row))).collect()
                }
            };
            Ok(records)
        })
    }

    /// The first row of a query, if any.
    pub async fn fetch_optional(
        &mut self,
        template: &str,
        params: Vec<Param>,
    ) -> Result<Option<Record>, SqlError> {
        Ok(self.fetch(template, params).await?.into_iter().next())
    }

    /// The one row of a query; none is an error.
    pub async fn fetch_one(&mut self, template: &str, params: Vec<Param>) -> Result<Record, SqlError> {
        let record = self.fetch_optional(template, params).await?;
        record.ok_or_else(|| SqlError::new(SqlClass::Schema, "a row that must be there is not"))
    }

    /// Runs statements without parameters (a template), several divided by semicolons, unprepared.
    pub fn script(&mut self, template: &str) -> Answer<'_, ()> {
        let sql = self.dialect().render(template);
        self.ddl(&sql)
    }

    /// Runs statements as they stand, several divided by semicolons, unprepared: DDL out of a schema set, whose literals
    /// may hold anything.
    pub fn ddl(&mut self, sql: &str) -> Answer<'_, ()> {
        let sql = AssertSqlSafe(sql.to_owned());
        Box::pin(async move {
            match self {
                Self::Sqlite(conn) => sqlx::raw_sql(sql).execute(&mut **conn).await.map(|_| ()),
                Self::Postgres(conn) => sqlx::raw_sql(sql).execute(&mut **conn).await.map(|_| ()),
            }
            .map_err(SqlError::from)
        })
    }
}

impl<'c> From<&'c mut SqliteConnection> for ConnRef<'c> {
    fn from(conn: &'c mut SqliteConnection) -> Self {
        Self::Sqlite(conn)
    }
}

impl<'c> From<&'c mut PgConnection> for ConnRef<'c> {
    fn from(conn: &'c mut PgConnection) -> Self {
        Self::Postgres(conn)
    }
}

fn unbindable(error: Box<dyn std::error::Error + Send + Sync>) -> SqlError {
    SqlError::new(SqlClass::Data, error.to_string())
}

macro_rules! arguments {
    ($name:ident, $arguments:ty, $list:expr) => {
        fn $name(params: Vec<Param>) -> Result<$arguments, SqlError> {
            let mut arguments = <$arguments>::default();
            for param in params {
                match param {
                    Param::Bool(value) => arguments.add(value),
                    Param::I64(value) => arguments.add(value),
                    Param::F64(value) => arguments.add(value),
                    Param::Text(value) => arguments.add(value),
                    Param::Bytes(value) => arguments.add(value),
                    Param::Uuid(value) => arguments.add(value),
                    Param::List(values) => $list(&mut arguments, values),
                }
                .map_err(unbindable)?;
            }
            Ok(arguments)
        }
    };
}

type Bound = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn no_list(_: &mut SqliteArguments, _: Vec<Param>) -> Bound {
    Err("SQLite has no arrays".into())
}

/// Adds an array of the kind of its first member.
fn list(arguments: &mut PgArguments, values: Vec<Param>) -> Bound {
    macro_rules! of {
        ($kind:ident) => {{
            let members = values.into_iter().map(|value| match value {
                Param::$kind(member) => Ok(member),
                _ => Err("an array of several kinds"),
            });
            arguments.add(members.collect::<Result<Vec<_>, _>>()?)
        }};
    }
    match values.first() {
        Some(Param::Bool(_)) => of!(Bool),
        Some(Param::I64(_)) => of!(I64),
        Some(Param::F64(_)) => of!(F64),
        Some(Param::Text(_)) => of!(Text),
        Some(Param::Bytes(_)) => of!(Bytes),
        Some(Param::Uuid(_)) => of!(Uuid),
        Some(Param::List(_)) | None => Err("an array of nothing, or of arrays".into()),
    }
}

arguments!(sqlite_arguments, SqliteArguments, no_list);
arguments!(postgres_arguments, PgArguments, list);
