//! The applier's own tables and their migration history, apart from the journal's and the application's. A released
//! migration never changes: the history keeps its checksum.

use std::borrow::Cow;

use journal_core::sql::{Conn, Dialect, SqlError};
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

const SQLITE: [(i64, &str, &str); 1] =
    [(1, "applier", include_str!("../../migrations/sqlite/0001_applier.sql"))];
const POSTGRES: [(i64, &str, &str); 1] =
    [(1, "applier", include_str!("../../migrations/postgres/0001_applier.sql"))];

/// Brings the applier's tables up to this release, beside the journal's
/// ([`journal_core::store::sql::install`] comes first). Safe to call at any time; changes nothing when they are up to
/// date. Refused ([`journal_core::sql::SqlClass::Schema`]) when a later release has been here.
pub async fn install(conn: &mut Conn) -> Result<(), SqlError> {
    let (files, history) = match conn.dialect() {
        Dialect::Sqlite => (SQLITE, "daybook_applier_migrations"),
        Dialect::Postgres => (POSTGRES, "daybook.applier_migrations"),
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
