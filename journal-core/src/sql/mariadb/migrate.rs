//! Migrations on a server where each DDL statement commits by itself. What a crash leaves half done is done again: a
//! migration for MariaDB is written so that every statement of it may run twice, and is noted when all of it has run.

use sqlx::migrate::{Migration, MigrationType};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, Row as _, SqlSafeStr as _};

use crate::sql::dialect::Dialect;
use crate::sql::error::{SqlClass, SqlError};
use crate::sql::migrate::MigrationFile;

/// How long one waits for another who migrates the same database, in seconds.
const TURN_WAIT: i64 = 60;

pub(in crate::sql) async fn run(
    conn: &mut MySqlConnection,
    history: &str,
    files: &[MigrationFile],
) -> Result<(), SqlError> {
    let history = Dialect::MariaDb.render(history);
    // A name of the whole server, so the database is part of it; at most 64 characters.
    let lock = "SHA2(CONCAT('daybook ', DATABASE(), ' ', ?), 224)";
    let taken = sqlx::query(AssertSqlSafe(format!(
        "SELECT CAST(COALESCE(GET_LOCK({lock}, {TURN_WAIT}), 0) AS SIGNED)"
    )));
    if taken.bind(&history).fetch_one(&mut *conn).await?.try_get::<i64, _>(0)? != 1 {
        return Err(SqlError::new(
            SqlClass::Transient,
            "another session is bringing these tables up to date",
        ));
    }
    let done = bring_up(conn, &history, files).await;
    // Ends with the session in any case; a session that cannot do this is of no use to its owner.
    let released =
        sqlx::query(AssertSqlSafe(format!("DO RELEASE_LOCK({lock})"))).bind(&history).execute(conn).await;
    done.and(released.map(|_| ()).map_err(SqlError::from))
}

async fn bring_up(
    conn: &mut MySqlConnection,
    history: &str,
    files: &[MigrationFile],
) -> Result<(), SqlError> {
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {history} (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
         checksum VARBINARY(64) NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE = InnoDB"
    );
    // Only where it is missing: a session without the right to create tables may find all in place.
    let list = format!("SELECT version, checksum FROM {history} ORDER BY version");
    let found =
        match sqlx::query(AssertSqlSafe(list.clone())).fetch_all(&mut *conn).await.map_err(SqlError::from) {
            Err(error) if error.class == SqlClass::Schema => {
                sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *conn).await?;
                Vec::new()
            }
            found => found?,
        };
    let mut applied = Vec::new();
    for row in found {
        applied.push((row.try_get::<i64, _>(0)?, row.try_get::<Vec<u8>, _>(1)?));
    }
    if let Some((version, _)) =
        applied.iter().find(|(version, _)| files.iter().all(|file| file.0 != *version))
    {
        let message = format!("migration {version} was applied by a later release of Daybook");
        return Err(SqlError::new(SqlClass::Schema, message));
    }
    for (version, description, text) in files {
        let sql = text.into_sql_str();
        let migration = Migration::new(*version, (*description).into(), MigrationType::Simple, sql, false);
        match applied.iter().find(|(have, _)| have == version) {
            Some((_, checksum)) if **checksum == *migration.checksum => {}
            Some(_) => {
                let message =
                    format!("migration {version} was applied from another text than this release has");
                return Err(SqlError::new(SqlClass::Schema, message));
            }
            None => apply(conn, history, &migration).await?,
        }
    }
    Ok(())
}

async fn apply(conn: &mut MySqlConnection, history: &str, migration: &Migration) -> Result<(), SqlError> {
    sqlx::raw_sql(migration.sql.clone()).execute(&mut *conn).await?;
    let note = format!("INSERT INTO {history} (version, description, checksum) VALUES (?, ?, ?)");
    let mut tx = conn.begin().await?;
    sqlx::query(AssertSqlSafe(note))
        .bind(migration.version)
        .bind(&*migration.description)
        .bind(&*migration.checksum)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}
