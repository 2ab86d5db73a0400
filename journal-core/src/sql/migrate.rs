//! Migrations of Daybook's own tables. Each history has a table of its own, apart from the application's.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::{Conn, Dialect, SqlError};

/// One migration: its number, what it brings, its text.
pub type MigrationFile = (i64, &'static str, &'static str);

impl Conn {
    /// Brings tables up to the last of these migrations, noting each in the table `history` (a template, see
    /// [`Dialect::render`]). Changes nothing when they are up to date. Refused ([`super::SqlClass::Schema`]) when a later
    /// release has been here, or when a migration is not the text that ran. On MariaDB, where DDL commits by itself, every
    /// statement of a migration has to be one that may run twice.
    pub async fn migrate(&mut self, history: &str, files: &[MigrationFile]) -> Result<(), SqlError> {
        if let Some(conn) = self.mariadb() {
            return super::mariadb::migrate(conn, history, files).await;
        }
        let migrations = files.iter().map(|(version, description, text)| {
            Migration::new(*version, (*description).into(), MigrationType::Simple, text.into_sql_str(), false)
        });
        let mut migrator = Migrator::with_migrations(migrations.collect());
        migrator.dangerous_set_table_name(self.dialect().render(history));
        if self.dialect() == Dialect::Postgres {
            migrator.create_schema("daybook");
        }
        self.run(&migrator).await
    }
}
