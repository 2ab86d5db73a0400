//! Whether applications are to use a site. They are sent away before a site is paused and asked back once it has caught
//! up; readiness checks and clients of a group follow. Stops nothing by itself: appends and reads go on.

use journal_core::sql::{Access, Conn, ConnRef, DbUrl};
use serde::Serialize;

use super::sql::{now, record_action};
use crate::ledger::LedgerError;

const LOCK_TRAFFIC: &str = "SELECT wanted, who, why, since FROM {d}traffic{for_update}";

/// Where applications are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// They may use the site.
    Here,
    /// They are to go to another one.
    Away,
}

/// The traffic row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// Where applications are wanted.
    pub wanted: Wanted,
    /// Who said so.
    pub who: String,
    /// Why.
    pub why: String,
    /// Since when, microseconds since 1970 UTC; 0 before anybody said anything. For people.
    pub since: i64,
}

/// Says where the applications of a site are wanted, on record, and durable when this returns. Idempotent: what is so
/// already stays as it was, with who and why.
pub async fn direct(url: &DbUrl, wanted: Wanted, who: &str, why: &str) -> Result<Traffic, LedgerError> {
    let mut conn = Conn::open(url, Access::Write, "traffic").await?;
    conn.begin().await?;
    // An error drops the connection, which rolls back.
    let directed = direct_in(conn.lend(), wanted, who, why).await?;
    conn.commit().await?;
    Ok(directed)
}

/// The same inside the transaction that is open on `conn`.
pub async fn direct_in(
    mut conn: ConnRef<'_>,
    wanted: Wanted,
    who: &str,
    why: &str,
) -> Result<Traffic, LedgerError> {
    let record = conn.fetch_one(LOCK_TRAFFIC, Vec::new()).await?;
    let have = if record.text(0)? == "away" { Wanted::Away } else { Wanted::Here };
    if have == wanted {
        let (who, why, since) = (record.text(1)?, record.text(2)?, record.i64(3)?);
        return Ok(Traffic { wanted, who, why, since });
    }
    let (word, action) = match wanted {
        Wanted::Here => ("here", "traffic here"),
        Wanted::Away => ("away", "traffic away"),
    };
    let now = now(conn.dialect());
    let template = format!("UPDATE {{d}}traffic SET wanted = $1, who = $2, why = $3, since = {now}");
    conn.execute(&template, vec![word.into(), who.into(), why.into()]).await?;
    let since = conn.fetch_one(LOCK_TRAFFIC, Vec::new()).await?.i64(3)?;
    record_action(conn, who, action, why).await?;
    Ok(Traffic { wanted, who: who.to_owned(), why: why.to_owned(), since })
}

#[cfg(test)]
mod tests {
    use journal_core::store::sql::LEAVING_STEPS;

    use crate::upgrade::machine::Step;

    #[test]
    fn clients_stay_away_at_the_steps_that_ask_them_to() {
        let leaving: Vec<&str> =
            Step::ALL.into_iter().filter(|step| step.is_leaving()).map(Step::name).collect();
        assert_eq!(leaving, LEAVING_STEPS);
    }
}
