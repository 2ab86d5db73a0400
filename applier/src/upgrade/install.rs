//! The first tables of a site, and the released schema versions on record beside them. A version's text is stored whole,
//! so that a site, its service and its auditors need no directory; what is released never changes.

use journal_core::model::SchemaVersion;
use journal_core::sql::{Access, Conn, ConnRef, DbUrl, Dialect, Param, Place, SqlError};
use journal_core::store::sql::{
    ReleasedSchema, Site, create_site, insert_schema_version, list_schema_versions, read_site,
    set_ledger_version,
};
use schema_mappers::{Registry, RegistryError, RustMappers, SchemaSet, SetError, Version, ddl};

use super::{readable, stepwise};
use crate::asks;
use crate::control::sql::{insist_no_switch, now, record_action};
use crate::ledger::LedgerError;
use crate::ledger::sql::released::{self, ReleasedError};

/// An older version's tables on record learn which of their columns belong together once a later version's mapping
/// reads them as one. The text released stays as it was.
const REFRESH_TABLES: &str =
    "UPDATE {d}schema_version SET tables = $2 WHERE version = $1 AND hash = $3 AND tables <> $2";

/// Why tables or versions could not be put into a database, or not be read back. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum InstallError {
    #[error("the schema set has no version {version}; its last one is {newest}")]
    UnknownVersion { version: SchemaVersion, newest: SchemaVersion },
    #[error(
        "the ledger stands at schema version {have}, not {asked}; `schema apply` leads from one to the other"
    )]
    OtherVersion { have: SchemaVersion, asked: SchemaVersion },
    #[error("{url} has no schema version on record; `init` puts the first ones there")]
    NothingReleased { url: String },
    #[error("the text of schema version {version} on record cannot be read: {detail}")]
    Unreadable { version: SchemaVersion, detail: String },
    #[error("the schema set on record does not load")]
    Set(#[from] SetError),
    #[error("the schema set on record has no way for every change")]
    Registry(#[from] RegistryError),
    #[error("the database cannot hold the schema set: {detail}")]
    Unfit { detail: String },
    #[error("bring what the rows of the ledger keep to this release's form")]
    Kept(#[from] LedgerError),
    #[error("release the schema versions that are new")]
    Switching(#[source] LedgerError),
    #[error(transparent)]
    Store(#[from] SqlError),
}

/// What [`install`] did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Installed {
    /// The version of the ledger's tables.
    pub version: SchemaVersion,
    /// Whether the tables are new; `false` when they stood there already.
    pub created: bool,
}

/// Makes a database a site with the tables and views of `site.ledger_version`, empty, and puts every version of the set
/// on record. A SQLite file that is not there is created. The same call again changes nothing; a database that is
/// another site, or whose ledger stands at another version, is refused. The site is running from the start.
pub async fn install(
    url: &DbUrl,
    site: &Site,
    set: &SchemaSet,
    who: &str,
) -> Result<Installed, InstallError> {
    let mut conn = Conn::open(url, Access::Create, "install").await?;
    journal_core::store::sql::install(&mut conn).await?;
    crate::control::install::install(&mut conn).await?;
    conn.begin().await?;
    let place = conn.place().clone();
    let installed = install_in(conn.lend(), &place, site, set, who).await;
    match &installed {
        Ok(_) => conn.commit().await?,
        // A failed rollback changes nothing: the connection ends here.
        Err(_) => drop(conn.rollback().await),
    }
    conn.close().await;
    installed
}

async fn install_in(
    mut conn: ConnRef<'_>,
    place: &Place,
    site: &Site,
    set: &SchemaSet,
    who: &str,
) -> Result<Installed, InstallError> {
    let version = site.ledger_version;
    let newest = set.newest().number();
    let known = set.version(version).ok_or(InstallError::UnknownVersion { version, newest })?;
    create_site(conn.lend(), &Site { ledger_version: SchemaVersion(0), ..site.clone() }).await?;
    release_versions(conn.lend(), set).await?;
    match read_site(conn.lend()).await?.map(|site| site.ledger_version) {
        Some(have) if have == version => {
            readable::refresh(conn.lend(), set, version).await?;
            asks::arrive(conn, set, version).await?;
            return Ok(Installed { version, created: false });
        }
        Some(have) if have.0 != 0 => return Err(InstallError::OtherVersion { have, asked: version }),
        _ => {}
    }
    let mut gone = Vec::new();
    if place.dialect() == Dialect::MariaDb {
        let begun = stepwise::begin(conn.lend(), known, who).await?;
        gone = ddl::drop_views(set, version, place).filter(|_| begun).unwrap_or_default();
    }
    let views = ddl::views(set, version, place).unwrap_or_default();
    for statement in gone.iter().chain(&ddl::create_tables(known, place.dialect())).chain(&views) {
        conn.ddl(statement).await?;
    }
    stepwise::go_on(conn.lend()).await?;
    set_ledger_version(conn.lend(), version).await?;
    asks::arrive(conn.lend(), set, version).await?;
    record_action(conn, who, &format!("install version {version}"), "").await?;
    Ok(Installed { version, created: true })
}

/// Puts every version of a set on record, in the caller's transaction. Other text under a number that is taken is
/// refused ([`journal_core::sql::SqlClass::Schema`]). A ledger that stands already gets the tables that it keeps for the
/// versions that are new here, so that it takes what is written at them; no reader waits for that.
pub async fn release_versions(mut conn: ConnRef<'_>, set: &SchemaSet) -> Result<(), InstallError> {
    let before = load_set(conn.lend()).await?;
    let dialect = conn.dialect();
    let is_new =
        |version: &Version| before.as_ref().is_none_or(|set| set.version(version.number()).is_none());
    let grows = set.versions().iter().any(is_new);
    if let Some(detail) = set.versions().iter().find_map(|version| ddl::refusal(version, dialect)) {
        return Err(InstallError::Unfit { detail });
    }
    // What is on record is what the ledger has: where DDL commits by itself, it comes first.
    if dialect == Dialect::MariaDb {
        keep_tables(conn.lend(), before.as_ref(), set).await?;
    }
    if grows {
        // The tables on their way are known by the set that they belong to.
        insist_no_switch(conn.lend()).await.map_err(InstallError::Switching)?;
    }
    let on_record = list_schema_versions(conn.lend()).await?;
    let clock = format!("SELECT {}", now(dialect));
    let released_at = conn.fetch_one(&clock, Vec::new()).await?.i64(0)?;
    for version in set.versions() {
        let number = version.number();
        let unreadable = |error: serde_json::Error| InstallError::Unreadable {
            version: number,
            detail: error.to_string(),
        };
        let files = serde_json::to_string(version.source()).map_err(unreadable)?;
        let schema = version.schema().clone();
        let released = ReleasedSchema { hash: version.hash().to_owned(), schema, files, released_at };
        insert_schema_version(conn.lend(), &released).await?;
    }
    // A set that ends earlier than the record knows less of what belongs together, so it changes nothing.
    if on_record.last().is_some_and(|last| last.schema.version > set.newest().number()) {
        return Ok(());
    }
    for version in set.versions() {
        let number = version.number();
        let tables = serde_json::to_string(version.schema())
            .map_err(|error| InstallError::Unreadable { version: number, detail: error.to_string() })?;
        conn.execute(REFRESH_TABLES, vec![number.0.into(), tables.into(), Param::from(version.hash())])
            .await?;
    }
    match dialect {
        Dialect::MariaDb => Ok(()),
        Dialect::Sqlite | Dialect::Postgres => keep_tables(conn, before.as_ref(), set).await,
    }
}

/// Makes the tables that the ledger keeps for versions of `set` and did not keep for those of `before`.
async fn keep_tables(
    mut conn: ConnRef<'_>,
    before: Option<&SchemaSet>,
    set: &SchemaSet,
) -> Result<(), InstallError> {
    let stands = read_site(conn.lend()).await?.map(|site| site.ledger_version);
    let (Some(before), Some(now)) =
        (stands.and_then(|stands| before?.version(stands)), stands.and_then(|stands| set.version(stands)))
    else {
        return Ok(()); // No tables yet; they come with those that are kept.
    };
    for (table, statements) in ddl::create_kept_tables(now, conn.dialect()) {
        if before.ledger().tables.contains_key(&table) || stepwise::is_made(conn.lend(), &table).await? {
            continue;
        }
        for statement in statements {
            conn.ddl(&statement).await?;
        }
    }
    stepwise::go_on(conn).await?;
    Ok(())
}

/// The registry of all versions on record at a site, with declared mappings only.
pub async fn load_registry(url: &DbUrl) -> Result<Registry, InstallError> {
    load_registry_with(url, RustMappers::none()).await
}

/// The same with an application's own mappers in Rust.
pub async fn load_registry_with(url: &DbUrl, mappers: RustMappers) -> Result<Registry, InstallError> {
    let mut conn = Conn::open(url, Access::Read, "read schema versions").await?;
    let registry = read_registry(conn.lend(), url, mappers).await;
    conn.close().await;
    registry
}

/// The same over a connection to that address.
pub(crate) async fn read_registry(
    conn: ConnRef<'_>,
    url: &DbUrl,
    mappers: RustMappers,
) -> Result<Registry, InstallError> {
    match load_set(conn).await? {
        Some(set) => Ok(Registry::new(set, mappers)?),
        None => Err(InstallError::NothingReleased { url: url.to_string() }),
    }
}

/// The schema set on record; `None` when no version is.
pub async fn load_set(conn: ConnRef<'_>) -> Result<Option<SchemaSet>, InstallError> {
    Ok(released::load_set(conn).await?)
}

impl From<ReleasedError> for InstallError {
    fn from(error: ReleasedError) -> Self {
        match error {
            ReleasedError::Unreadable { version, detail } => Self::Unreadable { version, detail },
            ReleasedError::Set(error) => Self::Set(error),
            ReleasedError::Store(error) => Self::Store(error),
        }
    }
}
