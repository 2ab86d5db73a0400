//! The released versions beside a ledger, as the set they make: what a ledger holds depends on all of them, since it keeps
//! the tables that only other versions have. Reads the record; what goes there is the release's affair.

use journal_core::model::{Schema, SchemaVersion};
use journal_core::sql::{ConnRef, SqlError};
use journal_core::store::sql::{list_schema_versions, load_schema_version, read_site};
use schema_mappers::{SchemaSet, SetError, VersionSource};

use crate::ledger::LedgerError;

/// Why the set on record cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReleasedError {
    #[error("the text of schema version {version} on record cannot be read: {detail}")]
    Unreadable { version: SchemaVersion, detail: String },
    #[error("the schema set on record does not load: {0}")]
    Set(#[from] SetError),
    #[error(transparent)]
    Store(#[from] SqlError),
}

impl From<ReleasedError> for LedgerError {
    fn from(error: ReleasedError) -> Self {
        match error {
            ReleasedError::Store(error) => Self::Store(error),
            error => Self::Damaged(error.to_string()),
        }
    }
}

/// The schema set on record; `None` when no version is.
pub(crate) async fn load_set(conn: ConnRef<'_>) -> Result<Option<SchemaSet>, ReleasedError> {
    let released = list_schema_versions(conn).await?;
    if released.is_empty() {
        return Ok(None);
    }
    let sources = released.iter().map(|released| {
        let version = released.schema.version;
        let unreadable = |detail| ReleasedError::Unreadable { version, detail };
        let source: VersionSource =
            serde_json::from_str(&released.files).map_err(|error| unreadable(error.to_string()))?;
        if source.version == version && source.hash() == released.hash {
            Ok(source)
        } else {
            Err(unreadable("it is not the text that was released: its hash differs".to_owned()))
        }
    });
    let sources = sources.collect::<Result<Vec<_>, _>>()?;
    Ok(Some(SchemaSet::from_sources(sources)?))
}

/// The tables of the ledger at the version it stands at.
pub(super) async fn ledger_schema(mut conn: ConnRef<'_>) -> Result<Schema, LedgerError> {
    let missing = |message: String| Err(LedgerError::Damaged(message));
    let Some(site) = read_site(conn.lend()).await? else {
        return missing("the database is not made a site yet; `daybook init` does that".to_owned());
    };
    let version = site.ledger_version;
    if version == SchemaVersion(0) {
        let message = format!("site {} has no ledger tables yet; `daybook init` makes them", site.origin);
        return missing(message);
    }
    match load_schema_version(conn.lend(), version).await? {
        // A version that was put on record without its files stands alone.
        Some(released) if released.files.is_empty() => Ok(released.schema),
        Some(released) => {
            let set = load_set(conn).await?;
            let known = set.as_ref().and_then(|set| set.version(version));
            Ok(known.map_or(released.schema, |known| known.ledger().clone()))
        }
        None => missing(format!(
            "the ledger of {} stands at schema version {version}, which is not on record",
            site.origin
        )),
    }
}
