//! Released schema versions, as they stand beside the journal. A released version never changes.

use crate::model::{Schema, SchemaVersion};
use crate::sql::{ConnRef, Param, Record, SqlClass, SqlError};

use super::text;

/// One released version of the application's schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedSchema {
    /// The hash of its files, in the form its author chose (`schema-mappers` makes it).
    pub hash: String,
    /// Its tables and operations, as the client library checks changes against them. Holds the version's number.
    pub schema: Schema,
    /// The set's files as released, as one text.
    pub files: String,
    /// When it was released here, microseconds since 1970 UTC. For people.
    pub released_at: i64,
}

/// Puts a version on record. The same version again changes nothing; other content under a number that is taken is
/// refused ([`SqlClass::Schema`]).
pub async fn insert_schema_version(mut conn: ConnRef<'_>, released: &ReleasedSchema) -> Result<(), SqlError> {
    let version = released.schema.version;
    let tables = serde_json::to_string(&released.schema)
        .map_err(|error| SqlError::new(SqlClass::Data, format!("schema version {version}: {error}")))?;
    let params = vec![
        version.0.into(),
        released.hash.as_str().into(),
        tables.into(),
        released.files.as_str().into(),
        Param::from(released.released_at),
    ];
    if conn.insert_new(text::INSERT_SCHEMA_VERSION, params).await? == 1 {
        return Ok(());
    }
    match load_schema_version(conn.lend(), version).await? {
        Some(have) if have.hash == released.hash => Ok(()),
        _ => {
            let message = format!(
                "schema version {version} was released here with other files; a change takes a new version"
            );
            Err(SqlError::new(SqlClass::Schema, message))
        }
    }
}

/// A released version; `None` when that number is not released here.
pub async fn load_schema_version(
    mut conn: ConnRef<'_>,
    version: SchemaVersion,
) -> Result<Option<ReleasedSchema>, SqlError> {
    let record = conn.fetch_optional(text::SCHEMA_VERSION, vec![version.0.into()]).await?;
    record.map(|record| read_released(&record)).transpose()
}

/// All released versions, by number.
pub async fn list_schema_versions(mut conn: ConnRef<'_>) -> Result<Vec<ReleasedSchema>, SqlError> {
    conn.fetch(text::SCHEMA_VERSIONS, Vec::new()).await?.iter().map(read_released).collect()
}

fn read_released(record: &Record) -> Result<ReleasedSchema, SqlError> {
    let version = record.i64(0)?;
    let unreadable = |detail: String| {
        SqlError::new(SqlClass::Broken, format!("stored schema version {version}: {detail}"))
    };
    let schema: Schema =
        serde_json::from_str(&record.text(2)?).map_err(|error| unreadable(error.to_string()))?;
    if schema.version.0 != version {
        return Err(unreadable(format!("its tables say version {}", schema.version)));
    }
    Ok(ReleasedSchema { hash: record.text(1)?, schema, files: record.text(3)?, released_at: record.i64(4)? })
}
