//! A site in a database of its own, SQLite, PostgreSQL or MariaDB, under the suite.

use journal_core::conformance::{initialise as initialise_journal, origin};
use journal_core::model::{Origin, Schema, Value};
use journal_core::sql::{Access, Conn, DbUrl, Dialect};
use journal_core::store::sql::{ReleasedSchema, SqlJournal, insert_schema_version};
use tempfile::TempDir;

use super::{Rig, ddl, schema};
use crate::control::install::install;
use crate::control::sql::SqlControl;
use crate::ledger::sql::SqlLedger;

/// PostgreSQL: whether a session waits for a lock that another holds.
const WAITERS: &str = "SELECT count(*) FROM pg_stat_activity \
     WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0";

/// The same on MariaDB, which tells of row locks only what somebody saw who looked last a while ago: whoever asks again and
/// again is told the same for ever. A statement that takes so long waits, since all others take a moment.
const WAITERS_MARIADB: &str = "SELECT count(*) FROM {processlist} \
     WHERE db = database() AND id <> connection_id() AND command IN ('Query', 'Execute') AND /*M! time_ms > 200 */ /*!80022 time > 0 */";

/// Random batches in each run of the suite. MariaDB takes three times as long for one; `BATCHES` says otherwise.
const BATCHES: usize = 20_000;
const BATCHES_MARIADB: usize = 4_000;
/// So that small batches are copied, too; two rows still go by arrays.
const COPIED_FROM: usize = 3;

/// A rig over one database.
#[derive(Debug)]
pub struct SqlRig {
    url: DbUrl,
    _directory: Option<TempDir>,
}

impl SqlRig {
    /// A rig over an empty database, which it fills.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn new(url: DbUrl) -> Self {
        initialise(&url, &origin("a"), &schema()).await;
        Self { url, _directory: None }
    }

    /// A rig over a SQLite file in a directory that goes with it.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn sqlite(directory: TempDir) -> Self {
        let url = format!("sqlite:{}", directory.path().join("site.db").display());
        let rig = Self::new(url.parse().expect("an address")).await;
        Self { _directory: Some(directory), ..rig }
    }

    /// The database.
    pub fn url(&self) -> &DbUrl {
        &self.url
    }
}

/// Makes an empty database a site: the journal's and the applier's tables, the schema on record, the ledger's tables.
///
/// # Panics
/// When the database refuses.
pub async fn initialise(url: &DbUrl, origin: &Origin, schema: &Schema) {
    initialise_journal(url, origin).await;
    let mut conn = Conn::open(url, Access::Write, "suite").await.expect("connect");
    install(&mut conn).await.expect("install the tables");
    let released = ReleasedSchema {
        hash: "suite".to_owned(),
        schema: schema.clone(),
        files: String::new(),
        released_at: 0,
    };
    insert_schema_version(conn.lend(), &released).await.expect("release the schema");
    let tables = ddl::create_tables(schema, conn.dialect());
    conn.lend().script(&tables).await.expect("create the tables");
    conn.close().await;
}

impl Rig for SqlRig {
    type Ledger = SqlLedger;
    type Control = SqlControl;
    type Journal = SqlJournal;

    fn origin(&self) -> Origin {
        origin("a")
    }

    async fn ledger(&self) -> SqlLedger {
        SqlLedger::open(&self.url, "suite").await.expect("open the ledger").copying_from(COPIED_FROM)
    }

    async fn control(&self) -> SqlControl {
        SqlControl::open(&self.url).await.expect("open the control state")
    }

    async fn journal(&self) -> SqlJournal {
        SqlJournal::open(&self.url, Access::Write, "suite").await.expect("open the journal")
    }

    fn without_place(&self) -> Vec<(&'static str, Value)> {
        match self.url.dialect() {
            Dialect::Sqlite => vec![("a_float", Value::Float(f64::NAN)), ("a_float", Value::Float(-0.0))],
            Dialect::Postgres => Vec::new(),
            Dialect::MariaDb => [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]
                .map(|value| ("a_float", value.into()))
                .into(),
        }
    }

    fn checks(&self) -> bool {
        true
    }

    fn batches(&self) -> usize {
        let usual = if self.url.dialect() == Dialect::MariaDb { BATCHES_MARIADB } else { BATCHES };
        std::env::var("BATCHES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
    }

    async fn someone_waits(&self) {
        match self.url.dialect() {
            // Writers of one process take turns before they reach the database, so going round is enough.
            Dialect::Sqlite => {
                for _ in 0..16 {
                    tokio::task::yield_now().await;
                }
            }
            Dialect::Postgres | Dialect::MariaDb => {
                let mut conn = Conn::open(&self.url, Access::Read, "suite").await.expect("connect");
                let waiters = match conn.dialect() {
                    Dialect::MariaDb => WAITERS_MARIADB,
                    _ => WAITERS,
                };
                loop {
                    let found = conn.lend().fetch_one(waiters, Vec::new()).await.expect("look for waiters");
                    if found.i64(0).expect("a count") > 0 {
                        return;
                    }
                }
            }
        }
    }
}
