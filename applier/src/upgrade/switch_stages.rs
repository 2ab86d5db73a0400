//! The switch on MariaDB, stage by stage. From its first statement on it only goes forward: it is on record, a resume is
//! refused until it has ended, and whoever asks again finds out what was done by what stands. One command at a time.

use std::time::Instant;

use journal_core::sql::{Conn, ConnRef, Dialect, SqlClass, SqlError};
use schema_mappers::SchemaSet;

use super::dependents;
use super::layout::Layout;
use super::reshape::ReshapeError;
use super::staging::Staging;
use super::stand_ins::{Stage, StandIns};
use super::stepwise;
use super::switch::{
    Asker, Companions, LockPatience, REST_FIRST, REST_MAX, TRIES_WITHOUT_WAIT, carry_out, record,
};
use crate::control::sql::{LOCK_CONTROL, switch_begun};

const BEGIN: &str = "INSERT INTO {d}switching (began_at) VALUES (unix_timestamp())";
const END: &str = "DELETE FROM {d}switching";
const KIND: &str =
    "SELECT table_type FROM information_schema.tables WHERE table_schema = database() AND table_name = $1";
const SESSIONS: &str = "SELECT CAST(p.id AS SIGNED), concat(p.user, '@', p.host) FROM information_schema.innodb_trx t \
     JOIN {processlist} p ON p.id = t.trx_mysql_thread_id WHERE p.id <> connection_id() ORDER BY 1";

/// Carries the switch out, from wherever an earlier try came to.
pub(super) async fn switch(
    conn: &mut Conn,
    (set, layout, stand_ins): (&SchemaSet, &Layout, &StandIns),
    staging: &Staging,
    patience: LockPatience,
    asker: Asker<'_>,
    companions: Companions<'_>,
) -> Result<(), ReshapeError> {
    stepwise::alone(conn.lend()).await?;
    let after =
        if begin(conn, layout, staging, companions).await? { None } else { done(conn.lend()).await? };
    let mut tries = Tries { patience, started: Instant::now() };
    for stage in Stage::ALL.into_iter().filter(|stage| after.is_none_or(|done| *stage > done)) {
        for statement in stand_ins.statements(stage) {
            tries.run(conn, statement).await?;
        }
    }
    conn.lend().script("SET SESSION lock_wait_timeout = 5").await?;
    conn.begin().await?;
    let recorded = async {
        staging.insist_whole(conn.lend()).await?;
        conn.lend().execute(END, Vec::new()).await?;
        record(conn.lend(), set, staging, asker, companions).await
    };
    match recorded.await {
        Ok(()) => Ok(conn.commit().await?),
        Err(error) => {
            // A failed rollback changes nothing: the connection ends here.
            drop(conn.rollback().await);
            Err(error)
        }
    }
}

/// Puts on record that the switch has begun, under the lock that a resume, a release and a way back wait for. `false`: that
/// was on record, from an earlier try.
async fn begin(
    conn: &mut Conn,
    layout: &Layout,
    staging: &Staging,
    companions: Companions<'_>,
) -> Result<bool, ReshapeError> {
    conn.begin().await?;
    let begun = async {
        conn.lend().fetch_one(LOCK_CONTROL, Vec::new()).await?;
        if switch_begun(conn.lend()).await? {
            return Ok(false);
        }
        staging.insist_whole(conn.lend()).await?;
        // Later the old tables' names are those of new ones, to which others of these refer.
        dependents::insist_on_none(conn.lend(), layout).await?;
        // What could not be recorded at the end must not begin: after this there is no way back.
        conn.lend().script("SAVEPOINT daybook_rehearsal").await?;
        carry_out(conn.lend(), companions).await?;
        conn.lend().script("ROLLBACK TO SAVEPOINT daybook_rehearsal").await?;
        conn.lend().execute(BEGIN, Vec::new()).await?;
        Ok(true)
    };
    match begun.await {
        Ok(first) => {
            conn.commit().await?;
            Ok(first)
        }
        Err(error) => {
            drop(conn.rollback().await);
            Err(error)
        }
    }
}

/// What the new tables keep has gone this far: the template of the table that holds it.
pub(super) async fn complement(conn: ConnRef<'_>) -> Result<&'static str, SqlError> {
    Ok(if done(conn).await?.is_some() { "{d}complement" } else { "{d}complement_new" })
}

/// The last stage that is known to be done. The table of complements always takes part, so it tells for all.
async fn done(mut conn: ConnRef<'_>) -> Result<Option<Stage>, SqlError> {
    let kind = async |conn: &mut ConnRef<'_>, template: &str| -> Result<Option<String>, SqlError> {
        let name = Dialect::MariaDb.render(template);
        let record = conn.fetch_optional(KIND, vec![name.into()]).await?;
        record.map(|record| record.text(0)).transpose()
    };
    if kind(&mut conn, "{d}complement_new").await?.is_none() {
        return Ok(Some(Stage::Home));
    }
    let stands_in = kind(&mut conn, "{d}complement").await?.is_some_and(|kind| kind == "VIEW");
    Ok(stands_in.then_some(Stage::Aside))
}

/// MySQL waits a second at least.
fn lock_wait(seconds: u64) -> String {
    format!("SET SESSION lock_wait_timeout = /*M! {seconds} */ /*!80017 {} */", seconds.max(1))
}

/// Tries that wait for nobody at first, and then for a bounded time only.
struct Tries {
    patience: LockPatience,
    started: Instant,
}

impl Tries {
    async fn run(&mut self, conn: &mut Conn, statement: &str) -> Result<(), ReshapeError> {
        let mut rest = REST_FIRST;
        for tries in 0.. {
            let wait = if tries < TRIES_WITHOUT_WAIT { 0 } else { self.whole_seconds() };
            conn.lend().script(&lock_wait(wait)).await?;
            match conn.lend().ddl(statement).await {
                Ok(()) => break,
                Err(error) if error.class == SqlClass::Transient => {
                    if self.started.elapsed() >= self.patience.within {
                        let sessions = sessions(conn.lend()).await?;
                        return Err(ReshapeError::Locked { sessions, source: error });
                    }
                    tokio::time::sleep(rest).await;
                    rest = (rest * 2).min(REST_MAX);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The server counts in seconds.
    fn whole_seconds(&self) -> u64 {
        self.patience.timeout.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
    }
}

/// The sessions in a transaction, which may hold what the switch needs: the server does not say more.
async fn sessions(mut conn: ConnRef<'_>) -> Result<Vec<String>, SqlError> {
    let records = conn.fetch(SESSIONS, Vec::new()).await?;
    records.iter().map(|session| Ok(format!("pid {} {}", session.i64(0)?, session.text(1)?))).collect()
}
