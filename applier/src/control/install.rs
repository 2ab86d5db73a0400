//! The applier's own tables and their migration history, apart from the journal's and the application's. A released
//! migration never changes: the history keeps its checksum.

use journal_core::sql::{Conn, Dialect, MigrationFile, SqlError};

const SQLITE: &[MigrationFile] = &[
    (1, "applier", include_str!("../../migrations/sqlite/0001_applier.sql")),
    (2, "upgrade", include_str!("../../migrations/sqlite/0002_upgrade.sql")),
    (3, "complement", include_str!("../../migrations/sqlite/0003_complement.sql")),
    (4, "traffic", include_str!("../../migrations/sqlite/0004_traffic.sql")),
    (5, "ask", include_str!("../../migrations/sqlite/0005_ask.sql")),
    (6, "spent", include_str!("../../migrations/sqlite/0006_spent.sql")),
];
const POSTGRES: &[MigrationFile] = &[
    (1, "applier", include_str!("../../migrations/postgres/0001_applier.sql")),
    (2, "upgrade", include_str!("../../migrations/postgres/0002_upgrade.sql")),
    (3, "complement", include_str!("../../migrations/postgres/0003_complement.sql")),
    (4, "traffic", include_str!("../../migrations/postgres/0004_traffic.sql")),
    (5, "ask", include_str!("../../migrations/postgres/0005_ask.sql")),
    (6, "spent", include_str!("../../migrations/postgres/0006_spent.sql")),
];

const MARIADB: &[MigrationFile] =
    &[(1, "applier", include_str!("../../migrations/mariadb/0001_applier.sql"))];

/// Brings the applier's tables up to this release, beside the journal's
/// ([`journal_core::store::sql::install`] comes first). Safe to call at any time; changes nothing when they are up to
/// date. Refused ([`journal_core::sql::SqlClass::Schema`]) when a later release has been here.
pub async fn install(conn: &mut Conn) -> Result<(), SqlError> {
    let files = match conn.dialect() {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
        Dialect::MariaDb => MARIADB,
    };
    conn.migrate("{d}applier_migrations", files).await
}
