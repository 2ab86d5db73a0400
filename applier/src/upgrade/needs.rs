//! What still needs the versions that a contract would give up, at one site: what was written at them lately, what of it
//! waits, what its users were asked. Which of it stops a contract is decided by a pure function.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use journal_core::model::{SchemaVersion, SiteName};
use journal_core::sql::{Access, Conn, ConnRef, DbUrl, Param, SqlError};
use serde::Serialize;

use crate::asks;
use crate::control::sql::now;
use crate::ledger::LedgerError;

const LATELY: &str = "SELECT j.schema_version, count(*) FROM {d}journal j \
     JOIN {d}site s ON s.name = j.origin WHERE j.schema_version < $1 AND j.entry_nr = 1 \
     AND j.entity <> 'daybook_void' \
     AND j.appended_at > {now} - $2 GROUP BY j.schema_version ORDER BY j.schema_version";
const ORIGINS: &str = "SELECT origin, epoch FROM {d}received UNION SELECT name, epoch FROM {d}site";
const POSTED: &str = "SELECT trans_nr FROM {d}posted WHERE origin = $1 AND epoch = $2";
const QUEUED: &str = "SELECT count(*) FROM {d}entry WHERE origin = $1 AND epoch = $2 AND trans_nr > $3 \
     AND run_last_nr > $3 AND entry_nr = 1 AND schema_version < $4";
const QUARANTINED: &str = "SELECT count(DISTINCT j.origin || '/' || j.epoch || '/' || j.trans_nr) \
     FROM {d}quarantine q JOIN {d}entry j ON j.origin = q.origin AND j.epoch = q.epoch AND j.trans_nr = q.trans_nr \
     AND j.run_first_nr <= q.trans_nr AND j.run_last_nr >= q.trans_nr WHERE q.state IN ('held', 'retry', 'discard') AND j.schema_version < $1";

/// Why an old version is still needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// An application wrote it lately.
    Application,
    /// Entries of it wait to be posted.
    Queued,
    /// A site's ledger is not at the new version.
    Peer,
    /// Entries of it are in quarantine.
    Quarantine,
    /// Rows wait for an answer that the new version asks for.
    Ask,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Application, Self::Queued, Self::Peer, Self::Quarantine, Self::Ask];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Queued => "queued",
            Self::Peer => "peer",
            Self::Quarantine => "quarantine",
            Self::Ask => "ask",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A waiver: a reason's word and why it does not matter, as `ask=asked by letter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// What is waived.
    pub reason: Reason,
    /// Why.
    pub why: String,
}

/// A text that is no waiver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no waiver: WORD=WHY, where WORD is application, queued, peer, quarantine or ask")]
pub struct InvalidWaiver {
    /// The text.
    pub text: String,
}

impl FromStr for Waiver {
    type Err = InvalidWaiver;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidWaiver { text: text.to_owned() };
        let (word, why) = text.split_once('=').ok_or_else(invalid)?;
        let reason = Reason::ALL.into_iter().find(|reason| reason.word() == word).ok_or_else(invalid)?;
        if why.trim().is_empty() {
            return Err(invalid());
        }
        Ok(Self { reason, why: why.trim().to_owned() })
    }
}

/// Something that needs an old version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Need {
    /// Where.
    pub site: SiteName,
    /// Why.
    pub reason: Reason,
    /// What exactly.
    pub detail: String,
}

/// The needs that no waiver covers.
pub fn blocking<'n>(needs: &'n [Need], waivers: &[Waiver]) -> Vec<&'n Need> {
    let waived = |need: &Need| waivers.iter().any(|waiver| waiver.reason == need.reason);
    needs.iter().filter(|need| !waived(need)).collect()
}

/// The waivers that were used, for the record: empty where none was needed.
pub(crate) fn used(needs: &[Need], waivers: &[Waiver]) -> BTreeMap<&'static str, String> {
    let used = waivers.iter().filter(|waiver| needs.iter().any(|need| need.reason == waiver.reason));
    used.map(|waiver| (waiver.reason.word(), waiver.why.clone())).collect()
}

/// What a site needs of the versions below `keep_from`. `quiet`: for how long an application must not have written one.
pub async fn read(
    url: &DbUrl,
    site: &SiteName,
    keep_from: SchemaVersion,
    quiet: Duration,
) -> Result<Vec<Need>, LedgerError> {
    let mut conn = Conn::open(url, Access::Read, "look for needs").await?;
    let mut needs = journal_needs(conn.lend(), site, keep_from, quiet).await?;
    conn.close().await;
    for ask in asks::open(url).await?.into_iter().filter(|ask| ask.blocks()) {
        let detail = format!("{} rows of {} wait for {}", ask.rows, ask.table, ask.column);
        needs.push(Need { site: site.clone(), reason: Reason::Ask, detail });
    }
    Ok(needs)
}

async fn journal_needs(
    mut conn: ConnRef<'_>,
    site: &SiteName,
    keep_from: SchemaVersion,
    quiet: Duration,
) -> Result<Vec<Need>, LedgerError> {
    let mut needs = Vec::new();
    let mut need = |reason, detail| needs.push(Need { site: site.clone(), reason, detail });
    let lately = LATELY.replace("{now}", now(conn.dialect()));
    let micros = i64::try_from(quiet.as_micros()).unwrap_or(i64::MAX);
    for record in conn.fetch(&lately, vec![keep_from.0.into(), Param::from(micros)]).await? {
        let (version, count) = (record.i64(0)?, record.i64(1)?);
        let detail = format!(
            "{count} transactions of version {version} were appended in the last {} s",
            quiet.as_secs()
        );
        need(Reason::Application, detail);
    }
    let queued = count_queued(conn.lend(), keep_from).await?;
    let quarantined = conn.fetch_one(QUARANTINED, vec![keep_from.0.into()]).await?.i64(0)?;
    for (reason, count, what) in [
        (Reason::Queued, queued, "are not posted yet"),
        (Reason::Quarantine, quarantined, "are in quarantine"),
    ] {
        if count > 0 {
            need(reason, format!("{count} transactions of older versions {what}"));
        }
    }
    Ok(needs)
}

/// Transactions of older versions that are not posted, of every origin: appended here, or received.
async fn count_queued(mut conn: ConnRef<'_>, keep_from: SchemaVersion) -> Result<i64, LedgerError> {
    let mut queued = 0;
    for record in conn.fetch(ORIGINS, Vec::new()).await? {
        let origin = || Ok::<_, SqlError>(vec![record.text(0)?.into(), record.i64(1)?.into()]);
        let posted = conn.fetch_optional(POSTED, origin()?).await?;
        let posted = posted.map_or(Ok(0), |record| record.i64(0))?;
        let mut params = origin()?;
        params.extend([posted.into(), Param::from(keep_from.0)]);
        queued += conn.fetch_one(QUEUED, params).await?.i64(0)?;
    }
    Ok(queued)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(reason: Reason) -> Need {
        Need { site: SiteName::new("a").unwrap(), reason, detail: String::new() }
    }

    #[test]
    fn each_reason_blocks_until_its_own_waiver() {
        for reason in Reason::ALL {
            let needs = [need(reason)];
            assert_eq!(blocking(&needs, &[]).len(), 1);
            for waived in Reason::ALL {
                let waiver = Waiver { reason: waived, why: "x".to_owned() };
                assert_eq!(blocking(&needs, std::slice::from_ref(&waiver)).is_empty(), waived == reason);
                assert_eq!(used(&needs, &[waiver]).len(), usize::from(waived == reason));
            }
        }
    }

    #[test]
    fn a_waiver_takes_a_known_word_and_a_reason() {
        let waiver: Waiver = "ask=asked by letter".parse().unwrap();
        assert_eq!((waiver.reason, waiver.why.as_str()), (Reason::Ask, "asked by letter"));
        for text in ["ask", "ask=", "ask= ", "asks=x", "=x"] {
            assert!(text.parse::<Waiver>().is_err(), "{text}");
        }
    }
}
