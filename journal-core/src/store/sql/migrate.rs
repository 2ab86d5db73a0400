//! The journal's own tables and their migration history, apart from the application's. A released migration never
//! changes: the history keeps its checksum.

use std::borrow::Cow;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::sql::{Conn, Dialect, SqlError};

const SQLITE: [(i64, &str, &str); 1] =
    [(1, "journal", include_str!("../../../migrations/sqlite/0001_journal.sql"))];
const POSTGRES: [(i64, &str, &str); 1] =
    [(1, "journal", include_str!("../../../migrations/postgres/0001_journal.sql"))];

/// Brings the journal's tables up to this release. Safe to call at any time, also by two at once on PostgreSQL; changes
/// nothing when they are up to date. Refused ([`crate::sql::SqlClass::Schema`]) when a later release has been here.
pub async fn install(conn: &mut Conn) -> Result<(), SqlError> {
    let (files, history) = match conn.dialect() {
        Dialect::Sqlite => (SQLITE, "daybook_journal_migrations"),
        Dialect::Postgres => (POSTGRES, "daybook.journal_migrations"),
    };
    let migrations = files.into_iter().map(|(version, description, text)| {
        let sql = text.into_sql_str();
        Migration::new(version, Cow::Borrowed(description), MigrationType::Simple, sql, false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.dangerous_set_table_name(history);
    if conn.dialect() == Dialect::Postgres {
        migrator.create_schema("daybook");
    }
    conn.migrate(&migrator).await
}
