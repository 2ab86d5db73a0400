//! Whether applications should use a site now, and for which of their versions: what a readiness check, a client of a
//! whole group and a feature gate ask. Reads only, takes no lock, and belongs outside of transactions: a table that is
//! not there yet fails a statement.

use crate::model::{Origin, SchemaVersion, TransNr};
use crate::sql::{ConnRef, Dialect, SqlClass, SqlError};

use super::read::origin_params;
use super::text;
use super::verdict::{Pause, read_pause};

/// The steps of an upgrade at which applications stay away from its site: from when it says so until it has caught up.
pub const LEAVING_STEPS: [&str; 10] =
    ["leave", "drain", "pause", "expand", "move", "switch", "views", "discard", "resume", "catch_up"];

/// A site that applications are to leave: somebody is about to pause it, or has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// Who sent them away.
    pub who: String,
    /// Why, in their words.
    pub why: String,
    /// Since when, microseconds since 1970 UTC. For people.
    pub since: i64,
}

/// What a site can do for applications now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// Its posting is paused: appends are durable and wait, readers see a ledger that stands still.
    pub paused: Option<Pause>,
    /// Applications are asked to leave.
    pub away: Option<Away>,
    /// The version its ledger stands at.
    pub ledger_version: SchemaVersion,
    /// The versions that have views here, rising: those that can read.
    pub readable: Vec<SchemaVersion>,
}

impl Serving {
    /// Whether applications of that version can read here.
    pub fn reads(&self, version: SchemaVersion) -> bool {
        self.readable.binary_search(&version).is_ok()
    }
}

/// Whether applications are to leave the site. A site that was set up by an earlier release never says so.
pub async fn read_away(mut conn: ConnRef<'_>) -> Result<Option<Away>, SqlError> {
    let record = match conn.fetch_optional(&text::AWAY, Vec::new()).await {
        Ok(record) => record,
        Err(error) if error.class == SqlClass::Schema => None,
        Err(error) => return Err(error),
    };
    record
        .map(|record| Ok(Away { who: record.text(0)?, why: record.text(1)?, since: record.i64(2)? }))
        .transpose()
}

/// All of it. A database that is no site is an error ([`SqlClass::Schema`]).
pub async fn read_serving(mut conn: ConnRef<'_>) -> Result<Serving, SqlError> {
    let paused = read_pause(conn.lend()).await?;
    let away = read_away(conn.lend()).await?;
    let template = match conn.dialect() {
        Dialect::Sqlite => text::VIEWS_SQLITE,
        Dialect::Postgres => text::VIEWS_POSTGRES,
        Dialect::MariaDb => text::VIEWS_MARIADB,
    };
    let records = conn.fetch(template, Vec::new()).await?;
    let first =
        records.first().ok_or_else(|| SqlError::new(SqlClass::Schema, "this database is no site yet"))?;
    let ledger_version = SchemaVersion(first.i64(0)?);
    let mut readable = Vec::new();
    for record in &records {
        readable.extend(version_of(&record.text(1)?).filter(|version| *version <= ledger_version));
    }
    readable.sort_unstable();
    readable.dedup();
    Ok(Serving { paused, away, ledger_version, readable })
}

/// How far an origin's transactions are posted at this site; `None` before the first, and where nobody ever posted.
pub async fn read_posted(mut conn: ConnRef<'_>, origin: &Origin) -> Result<Option<TransNr>, SqlError> {
    match conn.fetch_optional(text::POSTED, origin_params(origin)).await {
        Ok(record) => record.map(|record| record.i64(0).map(TransNr)).transpose(),
        Err(error) if error.class == SqlClass::Schema => Ok(None),
        Err(error) => Err(error),
    }
}

/// The version that the name of a schema (`v3`) or of a SQLite view (`rental_v3`) ends with.
fn version_of(name: &str) -> Option<SchemaVersion> {
    let digits = match name.rsplit_once("_v") {
        Some((_, digits)) => digits,
        None => name.strip_prefix('v')?,
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok().map(SchemaVersion)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_off_a_name_or_not_at_all() {
        for (name, version) in [("v1", Some(1)), ("rental_v12", Some(12)), ("tax_vat_v2", Some(2))] {
            assert_eq!(version_of(name), version.map(SchemaVersion), "{name}");
        }
        for name in ["", "v", "rental", "rental_v", "rental_v2b", "vat", "v99999999999999999999"] {
            assert_eq!(version_of(name), None, "{name}");
        }
    }
}
