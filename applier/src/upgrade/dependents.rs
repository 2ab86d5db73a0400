//! Objects that hang on a table and would silently stay with the old one: views of others, and references
//! from tables that are none of the ledger's. They stop a reshape before anything is changed. The views of SQLite and MariaDB
//! hold names and go on with the new tables; MariaDB's references go with the old ones.

use journal_core::sql::{ConnRef, Dialect, SqlClass, SqlError};

use super::layout::Layout;
use super::reshape::ReshapeError;

/// Views over a table, without those of Daybook's own: these are in the schemas v1, v2 and so on.
const VIEWS: &str = "SELECT DISTINCT n.nspname || '.' || c.relname FROM pg_depend d \
     JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class \
     JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass \
     AND d.refobjid = to_regclass($1) AND c.oid <> d.refobjid AND n.nspname !~ '^v[0-9]+$' ORDER BY 1";
const REFERENCES: &str = "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f' \
     AND confrelid = to_regclass($1) ORDER BY 1";

/// Names are as files are called there. The engine's own list is short work; it takes the right PROCESS.
const REFERENCES_MARIADB: &str = "SELECT IF(referring = database(), table_name, concat(referring, '.', table_name)) FROM (\
     SELECT CONVERT(CONVERT(CAST(substring_index(for_name, '/', 1) AS BINARY) USING filename) USING utf8mb4) AS referring, \
     CONVERT(CONVERT(CAST(substring_index(for_name, '/', -1) AS BINARY) USING filename) USING utf8mb4) AS table_name, \
     CONVERT(CONVERT(CAST(substring_index(ref_name, '/', 1) AS BINARY) USING filename) USING utf8mb4) AS referred, \
     CONVERT(CONVERT(CAST(substring_index(ref_name, '/', -1) AS BINARY) USING filename) USING utf8mb4) AS parent \
     FROM information_schema.innodb_sys_foreign) AS named \
     WHERE referred = database() AND BINARY parent = BINARY $1 ORDER BY 1";
/// MySQL's own list has other names, and each as it is.
const REFERENCES_MYSQL: &str = "SELECT IF(referring = database(), table_name, concat(referring, '.', table_name)) FROM (\
     SELECT substring_index(for_name, '/', 1) AS referring, \
     substr(for_name, char_length(substring_index(for_name, '/', 1)) + 2) AS table_name \
     FROM information_schema.innodb_foreign WHERE BINARY ref_name = BINARY concat(database(), '/', $1)) AS named ORDER BY 1";
/// Without that right: MariaDB opens every table of every database for it, MySQL tells of tables on which one has a right.
const REFERENCES_BY_TABLES: &str = "SELECT IF(constraint_schema = database(), table_name, \
     concat(constraint_schema, '.', table_name)) FROM information_schema.referential_constraints \
     WHERE unique_constraint_schema = database() AND referenced_table_name = $1 ORDER BY 1";

/// Insists that nothing but the ledger itself hangs on the tables that are to step aside.
pub(super) async fn insist_on_none(mut conn: ConnRef<'_>, layout: &Layout) -> Result<(), ReshapeError> {
    for table in &layout.old {
        let (mut found, referring) = match conn.dialect() {
            Dialect::Sqlite => return Ok(()),
            Dialect::Postgres => {
                let name = layout.at_home(&table.name);
                (names(&mut conn, VIEWS, &name).await?, names(&mut conn, REFERENCES, &name).await?)
            }
            Dialect::MariaDb => (Vec::new(), referring(&mut conn, &table.name).await?),
        };
        let known = |other: &String| layout.old.iter().any(|old| unquoted(other) == old.name.as_ref());
        found.extend(referring.into_iter().filter(|other| !known(other)));
        if let Some(object) = found.into_iter().next() {
            return Err(ReshapeError::InTheWay { object, table: table.name.clone() });
        }
    }
    Ok(())
}

async fn referring(conn: &mut ConnRef<'_>, table: &str) -> Result<Vec<String>, SqlError> {
    let mut found = names(conn, REFERENCES_MARIADB, table).await;
    // MySQL knows neither the character set nor the list.
    if found.as_ref().is_err_and(|error| ["1115", "1109"].contains(&error.code.as_str())) {
        found = names(conn, REFERENCES_MYSQL, table).await;
    }
    match found {
        Err(error) if error.class == SqlClass::Refused => names(conn, REFERENCES_BY_TABLES, table).await,
        found => found,
    }
}

async fn names(conn: &mut ConnRef<'_>, query: &str, table: &str) -> Result<Vec<String>, SqlError> {
    let records = conn.fetch(query, vec![table.into()]).await?;
    records.iter().map(|record| record.text(0)).collect()
}

/// The plain name of a table as the database spells it.
fn unquoted(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name).trim_matches('"')
}
