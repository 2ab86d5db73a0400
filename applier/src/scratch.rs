//! A scratch database: found empty, filled, and taken away again. Only what stands in a database that was empty is ever
//! removed.

use std::path::{Path, PathBuf};

use journal_core::sql::{Access, Conn, DbUrl, Dialect, SqlClass, SqlError, quote};

use crate::audit::replay::{ReplayError, refuse_unless_empty};

/// What Daybook makes: schemas of its own, and tables and views in the search path's first schema.
const POSTGRES_SCHEMAS: &str = "SELECT nspname::text FROM pg_namespace WHERE nspname = 'daybook' \
     OR nspname LIKE 'daybook\\_%' OR nspname ~ '^v[0-9]+$' ORDER BY 1";
const POSTGRES_RELATIONS: &str = "SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, relname::text \
     FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v') ORDER BY 2";

/// The databases beside MariaDB's, for views and for tables in the making.
const MARIADB_BESIDE: &str = "SELECT schema_name FROM information_schema.schemata \
     WHERE left(schema_name, char_length(database()) + 2) = concat(database(), '_v') \
     AND substr(schema_name, char_length(database()) + 3) REGEXP '^([0-9]+|_daybook)$' ORDER BY 1";
const MARIADB_TABLES: &str = "SELECT IF(table_type = 'VIEW', 'VIEW', 'TABLE'), table_name FROM information_schema.tables \
     WHERE table_schema = database() ORDER BY 2";

/// A database that was found empty, so that a trial may fill it and may take away what stands there.
#[derive(Debug)]
pub struct Scratch {
    url: DbUrl,
}

impl Scratch {
    /// Takes a database; one that is not empty is refused. A SQLite file that is not there is created.
    pub async fn claim(url: &DbUrl) -> Result<Self, ReplayError> {
        refuse_unless_empty(url).await?;
        Ok(Self { url: url.clone() })
    }

    /// Which one.
    pub fn url(&self) -> &DbUrl {
        &self.url
    }

    /// Takes away everything that was made in it: the SQLite file, or the tables and views, in
    /// PostgreSQL with the schemas, in MariaDB with the databases of views.
    pub async fn remove(self) -> Result<(), SqlError> {
        remove(&self.url).await
    }
}

async fn remove(url: &DbUrl) -> Result<(), SqlError> {
    if let Some(path) = url.sqlite_path() {
        for file in sqlite_files(path) {
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    let message = format!("{}: {error}", file.display());
                    return Err(SqlError::new(SqlClass::Refused, message));
                }
                _ => {}
            }
        }
        return Ok(());
    }
    let mut conn = Conn::open(url, Access::Write, "scratch").await?;
    // MariaDB has one word more for a database, and takes CASCADE for a remark.
    let (schemas, relations, cascade) = match conn.dialect() {
        Dialect::MariaDb => (MARIADB_BESIDE, MARIADB_TABLES, ""),
        _ => (POSTGRES_SCHEMAS, POSTGRES_RELATIONS, " CASCADE"),
    };
    if conn.dialect() == Dialect::MariaDb {
        conn.lend().script("SET foreign_key_checks = 0").await?;
    }
    for record in conn.lend().fetch(schemas, Vec::new()).await? {
        let drop = format!("DROP SCHEMA {}{cascade}", quote(&record.text(0)?));
        conn.lend().ddl(&drop).await?;
    }
    for record in conn.lend().fetch(relations, Vec::new()).await? {
        let (kind, name) = (record.text(0)?, record.text(1)?);
        conn.lend().ddl(&format!("DROP {kind} IF EXISTS {}{cascade}", quote(&name))).await?;
    }
    conn.close().await;
    Ok(())
}

/// A SQLite database's files.
fn sqlite_files(path: &Path) -> impl Iterator<Item = PathBuf> {
    ["", "-wal", "-shm", "-journal"].into_iter().map(move |ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        name.into()
    })
}
