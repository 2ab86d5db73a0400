//! That a site is being added to a group that lives: on record among its actions, from before its first row until its ledger
//! is whole. Until then it is paused, applications are sent away, and no resume ends that. The control row's generation
//! is the fence between two commands that add the same site.

use journal_core::model::SiteName;
use journal_core::sql::{ConnRef, SqlError};

use super::sql::{now, record_action};
use super::traffic::{Wanted, direct_in};
use crate::ledger::LedgerError;

const BEGIN: &str = "begin to be added from ";
const END: &str = "added from ";
/// Only commands of Daybook write what was done; people write why.
const LAST: &str = "SELECT what FROM {d}action WHERE what LIKE 'begin to be added from %' OR what LIKE 'added from %' \
     ORDER BY action_nr DESC LIMIT 1";
const LOCK_CONTROL: &str = "SELECT generation FROM {d}control{for_update}";

/// The site that this one is being added from; `None` once it is whole, and for a site that was made by `init`.
pub async fn source(mut conn: ConnRef<'_>) -> Result<Option<String>, SqlError> {
    let last = conn.fetch_optional(LAST, Vec::new()).await?;
    let last = last.map(|record| record.text(0)).transpose()?;
    Ok(last.and_then(|what| what.strip_prefix(BEGIN).map(str::to_owned)))
}

/// Puts it on record that the site is being added, in the caller's transaction, and gives the generation that fences
/// what the caller writes from now on: an earlier command's next write finds that it is not its own any more.
pub(crate) async fn begin(mut conn: ConnRef<'_>, from: &SiteName, who: &str) -> Result<i64, LedgerError> {
    let why = format!("being added from {from}");
    let generation = desire(&mut conn, "paused", who, &why).await?;
    record_action(conn.lend(), who, &format!("{BEGIN}{from}"), "").await?;
    direct_in(conn, Wanted::Away, who, &why).await?;
    Ok(generation)
}

/// Puts it on record that the site is whole, in the transaction that makes it so; it posts from its end on.
pub(crate) async fn end(mut conn: ConnRef<'_>, from: &SiteName, who: &str) -> Result<(), LedgerError> {
    let why = format!("added from {from}");
    desire(&mut conn, "running", who, &why).await?;
    record_action(conn.lend(), who, &format!("{END}{from}"), "").await?;
    direct_in(conn, Wanted::Here, who, &why).await?;
    Ok(())
}

async fn desire(conn: &mut ConnRef<'_>, desired: &str, who: &str, why: &str) -> Result<i64, SqlError> {
    let generation = conn.fetch_one(LOCK_CONTROL, Vec::new()).await?.i64(0)? + 1;
    let template = format!(
        "UPDATE {{d}}control SET generation = $1, desired = $2, who = $3, why = $4, since = {}",
        now(conn.dialect())
    );
    conn.execute(&template, vec![generation.into(), desired.into(), who.into(), why.into()]).await?;
    Ok(generation)
}
