//! The journal's own tables and their migration history, apart from the application's. A released migration never
//! changes: the history keeps its checksum.

use crate::sql::{Conn, Dialect, MigrationFile, SqlError};

const SQLITE: [MigrationFile; 3] = [
    (1, "journal", include_str!("../../../migrations/sqlite/0001_journal.sql")),
    (2, "run", include_str!("../../../migrations/sqlite/0002_run.sql")),
    (3, "own runs", include_str!("../../../migrations/sqlite/0003_own_runs.sql")),
];
const POSTGRES: [MigrationFile; 4] = [
    (1, "journal", include_str!("../../../migrations/postgres/0001_journal.sql")),
    (2, "notices", include_str!("../../../migrations/postgres/0002_notices.sql")),
    (3, "run", include_str!("../../../migrations/postgres/0003_run.sql")),
    (4, "own runs", include_str!("../../../migrations/postgres/0004_own_runs.sql")),
];

const MARIADB: [MigrationFile; 1] =
    [(1, "journal", include_str!("../../../migrations/mariadb/0001_journal.sql"))];

/// Brings the journal's tables up to this release. Safe to call at any time, also by two at once on a server; changes
/// nothing when they are up to date. Refused ([`crate::sql::SqlClass::Schema`]) when a later release has been here.
pub async fn install(conn: &mut Conn) -> Result<(), SqlError> {
    conn.check_server().await?;
    let files = match conn.dialect() {
        Dialect::Sqlite => &SQLITE[..],
        Dialect::Postgres => &POSTGRES[..],
        Dialect::MariaDb => &MARIADB[..],
    };
    conn.migrate("{d}journal_migrations", files).await
}
