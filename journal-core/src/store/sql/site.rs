//! The site row: which site a database is, in which of its lives.

use crate::model::{Epoch, Origin, SchemaVersion, SiteName};
use crate::sql::{ConnRef, Param, SqlClass, SqlError};

use super::text;

/// Sites whose id blocks interleave: stripe `s` of these many never hands out another's ids. Fixed for ever: changing it
/// would make blocks overlap that are handed out already.
pub const STRIPES: i64 = 16;

/// What a database knows of the site it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The site in its present life.
    pub origin: Origin,
    /// The group it belongs to.
    pub group: String,
    /// Which id blocks are its own: 0 to [`STRIPES`] - 1, another one for each site of the group.
    pub stripe: i64,
    /// The schema version its ledger tables have now.
    pub ledger_version: SchemaVersion,
}

/// Makes a database a site. The same call again changes nothing; a database that is another site is refused
/// ([`SqlClass::Schema`]).
pub async fn create_site(mut conn: ConnRef<'_>, site: &Site) -> Result<(), SqlError> {
    if !(0..STRIPES).contains(&site.stripe) {
        let message = format!("stripe {} is not one of 0 to {}", site.stripe, STRIPES - 1);
        return Err(SqlError::new(SqlClass::Data, message));
    }
    let params = vec![
        site.origin.site.as_str().into(),
        site.origin.epoch.0.into(),
        site.group.as_str().into(),
        site.stripe.into(),
        Param::from(site.ledger_version.0),
    ];
    if conn.insert_new(text::INSERT_SITE, params).await? == 1 {
        return Ok(());
    }
    match read_site(conn.lend()).await? {
        Some(have)
            if have.origin == site.origin && have.group == site.group && have.stripe == site.stripe =>
        {
            Ok(())
        }
        Some(have) => {
            let message = format!("this database is site {} of group {:?} already", have.origin, have.group);
            Err(SqlError::new(SqlClass::Schema, message))
        }
        None => Err(SqlError::new(SqlClass::Transient, "the site row went away while it was being made")),
    }
}

/// The site a database is; `None` when its journal tables are there and nobody has made it a site yet.
pub async fn read_site(mut conn: ConnRef<'_>) -> Result<Option<Site>, SqlError> {
    let Some(record) = conn.fetch_optional(text::SITE, Vec::new()).await? else { return Ok(None) };
    let name = record.text(0)?;
    let site = SiteName::new(&name).map_err(|error| SqlError::new(SqlClass::Broken, error.to_string()))?;
    Ok(Some(Site {
        origin: Origin { site, epoch: Epoch(record.i64(1)?) },
        group: record.text(2)?,
        stripe: record.i64(3)?,
        ledger_version: SchemaVersion(record.i64(4)?),
    }))
}

/// Records that the ledger tables have another version now; belongs in the transaction that reshapes them.
pub async fn set_ledger_version(mut conn: ConnRef<'_>, version: SchemaVersion) -> Result<(), SqlError> {
    match conn.execute(text::SET_LEDGER_VERSION, vec![version.0.into()]).await? {
        1 => Ok(()),
        _ => Err(SqlError::new(SqlClass::Schema, "this database is no site yet")),
    }
}
