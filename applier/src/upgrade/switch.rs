//! The switch: one short transaction in which the new tables take the place of the old ones, with the views over them and
//! the version on record. In PostgreSQL it asks for its locks without waiting at first, then waits for a bounded time
//! only, so that readers never queue behind it for long; between tries it stays out of the way. MariaDB has no such
//! transaction: there it goes by stages.

use std::time::{Duration, Instant};

use journal_core::sql::{Access, Conn, ConnRef, DbUrl, Dialect, Param, SqlClass, SqlError};
use journal_core::store::sql::set_ledger_version;
use schema_mappers::SchemaSet;

use super::layout::{Layout, NEW_SCHEMA, OLD_SCHEMA};
use super::reshape::ReshapeError;
use super::staging::{Staging, forget, keep_references};
use super::{dependents, grants, switch_stages};
use crate::asks;
use crate::control::sql::{LOCK_CONTROL, record_action};

/// How long one try may make readers wait, in all databases that can tell.
pub const LOCK_TIMEOUT: Duration = Duration::from_millis(500);
/// How long tries go on.
pub const LOCK_WITHIN: Duration = Duration::from_secs(60);
/// The first tries wait for no lock at all: short readers leave gaps.
pub(super) const TRIES_WITHOUT_WAIT: u32 = 5;
/// Between two tries; doubles up to the longest.
pub(super) const REST_FIRST: Duration = Duration::from_millis(20);
pub(super) const REST_MAX: Duration = Duration::from_secs(1);

/// Tables that a version's own DDL made besides, such as partitions; they go where their table goes.
const ALSO_NEW: &str = "SELECT format('ALTER TABLE %I.%I SET SCHEMA ', n.nspname, c.relname) FROM pg_class c \
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') \
     AND c.relname !~ '^daybook_' ORDER BY c.relname";
const PARTITIONS: &str = "SELECT format('ALTER TABLE %s SET SCHEMA ', relid::regclass) \
     FROM pg_partition_tree(to_regclass($1)) WHERE level > 0 ORDER BY 1";
const SESSIONS: &str = "SELECT DISTINCT CAST(l.pid AS bigint), coalesce(a.application_name, '') \
     FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'relation' AND l.granted \
     AND l.pid <> pg_backend_pid() AND l.relation = to_regclass($1) \
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1";

/// How patient a switch is with other people's locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockPatience {
    /// How long one try waits for a lock: readers may queue behind it for as long.
    pub timeout: Duration,
    /// For how long tries go on.
    pub within: Duration,
}

impl Default for LockPatience {
    fn default() -> Self {
        Self { timeout: LOCK_TIMEOUT, within: LOCK_WITHIN }
    }
}

/// What belongs into the switch's transaction besides: statements (templates) with their parameters, each of which must
/// touch one row.
pub(crate) type Companions<'c> = &'c [(String, Vec<Param>)];

/// Who asks, for the record of actions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) who: &'a str,
    pub(super) what: &'a str,
    pub(super) why: &'a str,
}

/// Carries the switch out, trying until its locks are free.
pub(super) async fn switch(
    url: &DbUrl,
    (set, layout): (&SchemaSet, &Layout),
    staging: &Staging,
    patience: LockPatience,
    asker: Asker<'_>,
    companions: Companions<'_>,
) -> Result<(), ReshapeError> {
    let started = Instant::now();
    let mut conn = Conn::open(url, Access::Write, "switch").await?;
    if let Some(stand_ins) = layout.stand_ins() {
        let what = (set, layout, stand_ins);
        switch_stages::switch(&mut conn, what, staging, patience, asker, companions).await?;
        conn.close().await;
        return Ok(());
    }
    keep_references(conn.lend(), true).await?;
    let mut rest = REST_FIRST;
    for tries in 0.. {
        let wait = if tries < TRIES_WITHOUT_WAIT { None } else { Some(patience.timeout) };
        conn.begin().await?;
        match once(conn.lend(), (set, layout), staging, wait, asker, companions).await {
            Ok(()) => {
                conn.commit().await?;
                break;
            }
            Err(ReshapeError::Store(error)) if error.class == SqlClass::Transient => {
                conn.rollback().await?;
                if started.elapsed() >= patience.within {
                    let sessions = sessions(conn.lend(), layout).await?;
                    return Err(ReshapeError::Locked { sessions, source: error });
                }
                tokio::time::sleep(rest).await;
                rest = (rest * 2).min(REST_MAX);
            }
            Err(error) => {
                // A failed rollback changes nothing: the connection ends here.
                drop(conn.rollback().await);
                return Err(error);
            }
        }
    }
    conn.close().await;
    Ok(())
}

async fn once(
    mut conn: ConnRef<'_>,
    (set, layout): (&SchemaSet, &Layout),
    staging: &Staging,
    wait: Option<Duration>,
    asker: Asker<'_>,
    companions: Companions<'_>,
) -> Result<(), ReshapeError> {
    lock(conn.lend(), layout, wait).await?;
    // Exclusive, so that a resume waits for the end and then opens on the new tables.
    conn.fetch_one(LOCK_CONTROL, Vec::new()).await?;
    staging.insist_whole(conn.lend()).await?;
    dependents::insist_on_none(conn.lend(), layout).await?;
    let granted = grants::read(conn.lend()).await?;
    let (mut before, mut after) = (Vec::new(), Vec::new());
    if conn.dialect() == Dialect::Postgres {
        for table in &layout.old {
            let name = layout.at_home(&table.name);
            before.extend(ending(&mut conn, PARTITIONS, &name, OLD_SCHEMA).await?);
        }
        after = ending(&mut conn, ALSO_NEW, NEW_SCHEMA, layout.home()).await?;
    }
    for statement in layout.rendered(layout.switch()) {
        // What a version's own DDL made besides leaves before the schema goes.
        if statement.starts_with("DROP SCHEMA") {
            run(&mut conn, &after).await?;
        }
        conn.ddl(&statement).await?;
        if statement.starts_with("CREATE SCHEMA daybook_old") {
            run(&mut conn, &before).await?;
        }
    }
    grants::restore(conn.lend(), &granted).await?;
    record(conn, set, staging, asker, companions).await
}

/// Puts on record, in the open transaction, that the ledger's tables are those of the new version.
pub(super) async fn record(
    mut conn: ConnRef<'_>,
    set: &SchemaSet,
    staging: &Staging,
    asker: Asker<'_>,
    companions: Companions<'_>,
) -> Result<(), ReshapeError> {
    set_ledger_version(conn.lend(), staging.to).await?;
    asks::arrive(conn.lend(), set, staging.to).await?;
    forget(conn.lend()).await?;
    carry_out(conn.lend(), companions).await?;
    record_action(conn, asker.who, asker.what, asker.why).await?;
    Ok(())
}

/// Does, in the open transaction, what belongs into the switch's besides.
pub(super) async fn carry_out(mut conn: ConnRef<'_>, companions: Companions<'_>) -> Result<(), ReshapeError> {
    for (statement, params) in companions {
        if conn.execute(statement, params.clone()).await? != 1 {
            return Err(ReshapeError::TwoCommands);
        }
    }
    Ok(())
}

async fn run(conn: &mut ConnRef<'_>, statements: &[String]) -> Result<(), SqlError> {
    for statement in statements {
        conn.ddl(statement).await?;
    }
    Ok(())
}

/// Statements that the database words but for their end.
async fn ending(
    conn: &mut ConnRef<'_>,
    query: &str,
    about: &str,
    end: &str,
) -> Result<Vec<String>, SqlError> {
    let records = conn.fetch(query, vec![about.into()]).await?;
    records.iter().map(|record| Ok(record.text(0)? + end)).collect()
}

/// Takes all locks at once, in the order in which readers take theirs. Without `wait` a lock that is not free is an error
/// at once.
async fn lock(mut conn: ConnRef<'_>, layout: &Layout, wait: Option<Duration>) -> Result<(), SqlError> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(()); // BEGIN IMMEDIATE holds the one writer lock, and readers go on.
    }
    if let Some(wait) = wait {
        conn.ddl(&format!("SET LOCAL lock_timeout = {}", wait.as_millis().max(1))).await?;
    }
    let nowait = if wait.is_some() { "" } else { " NOWAIT" };
    for name in layout.locked() {
        let stands = conn.fetch_one("SELECT to_regclass($1) IS NOT NULL", vec![name.as_str().into()]).await?;
        if stands.bool(0)? {
            conn.ddl(&format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE{nowait}")).await?;
        }
    }
    Ok(())
}

/// The sessions that hold what the switch needs.
async fn sessions(mut conn: ConnRef<'_>, layout: &Layout) -> Result<Vec<String>, SqlError> {
    let mut found = Vec::new();
    if conn.dialect() == Dialect::Postgres {
        for name in layout.locked() {
            for session in conn.fetch(SESSIONS, vec![name.as_str().into()]).await? {
                let text = format!("pid {} {}", session.i64(0)?, session.text(1)?).trim_end().to_owned();
                if !found.contains(&text) {
                    found.push(text);
                }
            }
        }
    }
    Ok(found)
}
