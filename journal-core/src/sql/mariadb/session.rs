//! The settings of a session. They come from here and not from the server's defaults: a statement has to mean the same
//! whatever the DBA's console is set to.

use sqlx::mysql::MySqlConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, MySqlConnection};

use crate::sql::conn::{Access, Conn};
use crate::sql::error::SqlError;
use crate::sql::quote;

/// Names in double quotes, standard literals and `||`, as in the statements that other databases read too; and errors in
/// place of values that are bent to fit. An UPDATE names no column that it changed before: there is no telling which value
/// it gets. A text that a server does not know (MySQL's, MariaDB's) stands in a comment that only the other executes. Locks
/// are waited for 5 s, and on MariaDB a transaction that a client left idle ends after 60 s, so that it cannot hold a pause
/// for ever.
const SETTINGS: &str = "SET NAMES utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */; \
     SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,\
     NO_BACKSLASH_ESCAPES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,PIPES_AS_CONCAT', \
     time_zone = '+00:00', autocommit = 1, completion_type = 0, foreign_key_checks = 1, unique_checks = 1, \
     sql_safe_updates = 0, sql_select_limit = DEFAULT, default_storage_engine = InnoDB, group_concat_max_len = 4294967295, \
     innodb_lock_wait_timeout = 5, lock_wait_timeout = 5 \
     /*M! , check_constraint_checks = 1, idle_transaction_timeout = 60 */; \
     SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
const READ_ONLY: &str = "; SET SESSION TRANSACTION READ ONLY";

/// Begins a transaction that will write. Whatever was open by mistake is rolled back: the server alone would commit it.
pub(in crate::sql) const BEGIN: &str = "ROLLBACK; START TRANSACTION";
/// Begins a read-only one that sees the database as it stands now. A comparison reads two databases in turn; one side may
/// rest for long while the other is read.
pub(in crate::sql) const BEGIN_SNAPSHOT: &str = "ROLLBACK; SET /*M! SESSION idle_transaction_timeout = 0, */ autocommit = 1; \
     SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
/// Comes when it has ended, before any transaction that writes.
pub(in crate::sql) const END_SNAPSHOT: &str =
    "SET /*M! SESSION idle_transaction_timeout = 60, */ autocommit = 1";

impl Conn {
    /// MariaDB: plain names mean tables and views of this database from now on. Statements that were prepared before mean those
    /// of the one before, so they are forgotten. Elsewhere nothing happens.
    pub async fn enter_database(&mut self, database: &str) -> Result<(), SqlError> {
        let Some(conn) = self.mariadb() else { return Ok(()) };
        conn.clear_cached_statements().await?;
        self.lend().script(&format!("USE {}", quote(database))).await
    }
}

pub(in crate::sql) async fn open(
    options: &MySqlConnectOptions,
    access: Access,
) -> Result<MySqlConnection, SqlError> {
    // All of it is said below, in one message.
    let options = options
        .clone()
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None::<String>)
        .set_names(false)
        .disable_statement_logging();
    let mut conn = options.connect().await?;
    let settings = match access {
        Access::Read => format!("{SETTINGS}{READ_ONLY}"),
        Access::Create | Access::Write => SETTINGS.to_owned(),
    };
    sqlx::raw_sql(sqlx::AssertSqlSafe(settings)).execute(&mut conn).await?;
    Ok(conn)
}
