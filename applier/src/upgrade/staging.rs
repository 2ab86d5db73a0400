//! The new tables beside the old ones: made, known again after a crash, dropped. They belong to one pause; once a site was
//! resumed, what was moved may be stale, and they are made anew. Never touches a table that readers see.

use journal_core::model::SchemaVersion;
use journal_core::sql::{Conn, ConnRef, Dialect, Param, Place, SqlClass, SqlError, quote};

use super::layout::{Ground, Layout, NEW, NEW_SCHEMA, OLD, OLD_SCHEMA};
use super::reshape::ReshapeError;
use super::{references, stepwise};
use crate::control::sql::{insist_no_switch, now};
use crate::control::standing::lock_standing;
use crate::control::{Desired, Standing};
use crate::ledger::LedgerError;

/// The schema of the ledger's tables, whatever the search path is called.
const HOME: &str = "SELECT quote_ident(current_schema()::text)";
const COMPLEMENT_TABLE: &str =
    "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'daybook_complement'";
const VIEWS_FROM: &str =
    "SELECT coalesce(max(version_from), 1) FROM {d}upgrade_record WHERE kind = 'contraction'";
const MADE_BESIDES: &str =
    "SELECT table_name FROM information_schema.tables WHERE table_schema = $1 ORDER BY 1 LIMIT 1";
const DATABASE: &str = "SELECT DATABASE(), @@collation_database";
const STAGING: &str = "SELECT version_from, version_to, generation, checksum FROM {d}staging";
/// What is not done yet before the tables may change places.
const UNDONE: &str = "SELECT CAST((SELECT count(*) FROM {d}staging_move WHERE ended = $1) \
     + (SELECT count(*) FROM {d}staging_reference) AS {bigint})";
const NAMES_SQLITE: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB $1 || '*'";
const NAMES_MARIADB: &str = "SELECT table_name FROM information_schema.tables WHERE table_schema = database() \
     AND table_type = 'BASE TABLE' AND left(table_name, char_length($1)) = $1";
/// PostgreSQL's own tables of a schema, and what was moved there with them.
const SCHEMA_EXISTS: &str = "SELECT 1 FROM pg_namespace WHERE nspname = $1";

/// Which tables are being filled, under which pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Staging {
    pub(super) from: SchemaVersion,
    pub(super) to: SchemaVersion,
    pub(super) generation: i64,
    pub(super) checksum: String,
}

/// Which set of tables a drop is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leftover {
    /// New tables that were not switched to.
    New,
    /// Old tables that were set aside.
    Old,
}

/// How the database stands, as far as statements depend on it.
pub(super) async fn ground(mut conn: ConnRef<'_>) -> Result<Ground, SqlError> {
    let dialect = conn.dialect();
    let views_from = SchemaVersion(conn.fetch_one(VIEWS_FROM, Vec::new()).await?.i64(0)?);
    let (mut home, mut collation, mut complement_columns) = (String::new(), String::new(), String::new());
    let place = match dialect {
        Dialect::Postgres => {
            home = conn.fetch_one(HOME, Vec::new()).await?.text(0)?;
            Place::postgres()
        }
        Dialect::Sqlite => {
            let text = conn.fetch_one(COMPLEMENT_TABLE, Vec::new()).await?.text(0)?;
            complement_columns = text.find('(').map(|at| text[at..].to_owned()).unwrap_or_default();
            Place::sqlite()
        }
        Dialect::MariaDb => {
            let database = conn.fetch_one(DATABASE, Vec::new()).await?;
            collation = database.text(1)?;
            Place::mariadb(database.text(0)?)
        }
    };
    Ok(Ground { place, home, collation, complement_columns, views_from })
}

/// The staging on record, if there is one.
pub(super) async fn on_record(conn: ConnRef<'_>) -> Result<Option<Staging>, SqlError> {
    read(conn, STAGING).await
}

async fn read(mut conn: ConnRef<'_>, template: &str) -> Result<Option<Staging>, SqlError> {
    let record = conn.fetch_optional(template, Vec::new()).await?;
    let read = |record: journal_core::sql::Record| -> Result<Staging, SqlError> {
        let (from, to) = (SchemaVersion(record.i64(0)?), SchemaVersion(record.i64(1)?));
        Ok(Staging { from, to, generation: record.i64(2)?, checksum: record.text(3)? })
    };
    record.map(read).transpose()
}

impl Staging {
    /// Share-locks what a posting transaction locks, and insists that the pause still holds under which the tables were
    /// made. To be asked in every transaction that builds on them.
    pub(super) async fn insist(&self, conn: ConnRef<'_>) -> Result<(), ReshapeError> {
        let Standing { control, ledger_version, .. } = lock_standing(conn).await?.standing;
        if control.desired != Desired::Paused || control.generation != self.generation {
            return Err(ReshapeError::Resumed);
        }
        if ledger_version != self.from {
            return Err(ReshapeError::Elsewhere { have: ledger_version, expected: self.from });
        }
        Ok(())
    }

    /// Insists besides that these tables are the ones on record, which nobody drops before the caller's transaction ends:
    /// another command may have put those of another version in their place, under the same pause.
    pub(super) async fn insist_staged(&self, mut conn: ConnRef<'_>) -> Result<(), ReshapeError> {
        self.insist(conn.lend()).await?;
        match read(conn, &format!("{STAGING}{{for_share}}")).await? {
            Some(staged) if staged == *self => Ok(()),
            _ => Err(ReshapeError::NotExpanded),
        }
    }

    /// Insists besides that every row has been moved into them: they may have been made anew.
    pub(super) async fn insist_whole(&self, mut conn: ConnRef<'_>) -> Result<(), ReshapeError> {
        self.insist_staged(conn.lend()).await?;
        match conn.fetch_one(UNDONE, vec![no(conn.dialect())]).await?.i64(0)? {
            0 => Ok(()),
            _ => Err(ReshapeError::NotExpanded),
        }
    }
}

/// Makes the new tables, empty, and puts on record how far their rows are. One transaction. The connection must be fresh:
/// some of its settings are changed.
pub(super) async fn expand(
    conn: &mut Conn,
    layout: &Layout,
    feeds: &[journal_core::model::Name],
    staging: &Staging,
) -> Result<(), ReshapeError> {
    stepwise::alone(conn.lend()).await?;
    keep_references(conn.lend(), true).await?;
    conn.begin().await?;
    let made = expand_in(conn.lend(), layout, feeds, staging).await;
    match &made {
        Ok(()) => conn.commit().await?,
        // A failed rollback changes nothing: the connection ends with its owner's error.
        Err(_) => drop(conn.rollback().await),
    }
    made
}

async fn expand_in(
    mut conn: ConnRef<'_>,
    layout: &Layout,
    feeds: &[journal_core::model::Name],
    staging: &Staging,
) -> Result<(), ReshapeError> {
    staging.insist(conn.lend()).await?;
    for statement in layout.rendered(layout.expand()) {
        if statement.starts_with("DROP DATABASE") {
            insist_taken_along(conn.lend(), layout).await?;
        }
        conn.ddl(&statement).await?;
    }
    if conn.dialect() == Dialect::MariaDb {
        // Those statements have ended the transaction, and with it the lock on the pause.
        stepwise::go_on(conn.lend()).await?;
        staging.insist(conn.lend()).await?;
    }
    references::take_off(conn.lend(), layout).await?;
    conn.execute("DELETE FROM {d}staging_move", Vec::new()).await?;
    for (position, table) in (1_i64..).zip(feeds) {
        let count = format!("SELECT count(*) FROM {}", quote(table));
        let total = conn.fetch_one(&count, Vec::new()).await?.i64(0)?;
        let insert = "INSERT INTO {d}staging_move (position, table_name, moved_rows, total_rows, ended) \
                      VALUES ($1, $2, 0, $3, $4)";
        let ended = no(conn.dialect());
        conn.execute(insert, vec![position.into(), table.as_ref().into(), total.into(), ended]).await?;
    }
    let insert = format!(
        "INSERT INTO {{d}}staging (version_from, version_to, generation, checksum, began_at) \
         VALUES ($1, $2, $3, $4, {})",
        now(conn.dialect())
    );
    let Staging { from, to, generation, checksum } = staging;
    let params = vec![from.0.into(), to.0.into(), (*generation).into(), Param::from(checksum.as_str())];
    conn.execute(&insert, params).await?;
    Ok(())
}

/// MariaDB: insists that nothing goes with the database in which the tables were made.
async fn insist_taken_along(mut conn: ConnRef<'_>, layout: &Layout) -> Result<(), SqlError> {
    let Some(left) = conn.fetch_optional(MADE_BESIDES, vec![layout.making().into()]).await? else {
        return Ok(());
    };
    let message =
        format!("the version's own DDL makes {}, which is no table of it; make that by hand", left.text(0)?);
    Err(SqlError::new(SqlClass::Schema, message))
}

/// A truth value as this database's tables of Daybook hold it.
pub(super) fn no(dialect: Dialect) -> Param {
    truth(dialect, false)
}

/// The other one.
pub(super) fn yes(dialect: Dialect) -> Param {
    truth(dialect, true)
}

fn truth(dialect: Dialect, value: bool) -> Param {
    match dialect {
        Dialect::Postgres => value.into(),
        Dialect::Sqlite | Dialect::MariaDb => i64::from(value).into(),
    }
}

/// SQLite: whether renames take along what refers to a table, and rows are checked. Views hold names either way.
/// MariaDB: whether rows are checked; renames take references along either way. Outside a transaction, where alone it works.
pub(super) async fn keep_references(mut conn: ConnRef<'_>, keep: bool) -> Result<(), SqlError> {
    match (conn.dialect(), keep) {
        (Dialect::Postgres, _) => Ok(()),
        (Dialect::MariaDb, keep) => {
            conn.script(&format!("SET foreign_key_checks = {}", i64::from(keep))).await
        }
        (Dialect::Sqlite, true) => {
            conn.script("PRAGMA foreign_keys = ON; PRAGMA legacy_alter_table = ON").await
        }
        (Dialect::Sqlite, false) => {
            conn.script("PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON").await
        }
    }
}

/// Drops tables that are left over, if any: old ones, or new ones, whose record goes first, so that what a crash leaves of
/// them is never taken for whole. In SQLite a transaction a table, so that appends come in between.
pub(super) async fn drop_leftovers(conn: &mut Conn, what: Leftover) -> Result<(), LedgerError> {
    let (prefix, schema, complement) = match what {
        Leftover::New => (NEW, NEW_SCHEMA, "DROP TABLE IF EXISTS {d}complement_new"),
        Leftover::Old => (OLD, OLD_SCHEMA, "DROP TABLE IF EXISTS {d}complement_old"),
    };
    stepwise::alone(conn.lend()).await?;
    if what == Leftover::New {
        conn.begin().await?;
        insist_no_switch(conn.lend()).await?;
        forget(conn.lend()).await?;
        conn.commit().await?;
    }
    keep_references(conn.lend(), false).await?;
    match conn.dialect() {
        Dialect::Postgres => {
            if conn.lend().fetch_optional(SCHEMA_EXISTS, vec![schema.into()]).await?.is_some() {
                conn.lend().ddl(&format!("DROP SCHEMA {schema} CASCADE")).await?;
            }
        }
        Dialect::Sqlite => drop_named(conn, prefix).await?,
        Dialect::MariaDb => {
            if what == Leftover::New {
                let making = ground(conn.lend()).await?.making();
                conn.lend().ddl(&format!("DROP DATABASE IF EXISTS {}", quote(&making))).await?;
            }
            drop_named(conn, prefix).await?;
        }
    }
    conn.begin().await?;
    conn.lend().script(complement).await?;
    Ok(conn.commit().await?)
}

/// Drops the tables whose names begin so.
async fn drop_named(conn: &mut Conn, prefix: &str) -> Result<(), SqlError> {
    let names = match conn.dialect() {
        Dialect::MariaDb => NAMES_MARIADB,
        _ => NAMES_SQLITE,
    };
    for record in conn.lend().fetch(names, vec![prefix.into()]).await? {
        let name = record.text(0)?;
        conn.begin().await?;
        conn.lend().ddl(&format!("DROP TABLE IF EXISTS {}", quote(&name))).await?;
        conn.commit().await?;
    }
    Ok(())
}

/// Forgets the staging: it was switched to, or dropped.
pub(super) async fn forget(mut conn: ConnRef<'_>) -> Result<(), SqlError> {
    // The row that says which tables these are comes first: who moves rows holds that before the others.
    for table in ["staging", "staging_move", "staging_reference"] {
        conn.execute(&format!("DELETE FROM {{d}}{table}"), Vec::new()).await?;
    }
    Ok(())
}
