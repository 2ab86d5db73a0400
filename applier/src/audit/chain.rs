//! `audit`: is the journal what its seals say? Walks every origin's chain from its first seal over stored bytes, looks for
//! rows that no seal covers, and draws up the trial balance. Reads only, all in one snapshot, and never stops at the
//! first finding: an auditor wants to know how far the damage goes.

mod walk;

use journal_core::model::{SchemaVersion, SealNr, TransNr};
use journal_core::sql::{Access, Conn, ConnRef, DbUrl, SqlClass, SqlError};
use journal_core::store::sql::read_site;

use super::balance::{self, Balance, Standings};
use super::progress::{Progress, Watch};
use walk::Walk;

/// Findings kept of one origin; behind so many its journal is past being told row by row.
pub const FINDINGS_MAX: usize = 100;

const ORIGINS: &str = "SELECT origin, epoch FROM {d}received UNION SELECT origin, epoch FROM {d}seal \
     UNION SELECT origin, epoch FROM {d}journal UNION SELECT origin, epoch FROM {d}run \
     UNION SELECT origin, epoch FROM {d}rejection \
     UNION SELECT origin, epoch FROM {d}posted ORDER BY 1, 2";
/// Why a journal could not be audited. Damage is no error but a [`Finding`].
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum AuditError {
    #[error("{url} is no site yet; there is nothing to audit")]
    NoSite { url: String },
    #[error("read the journal")]
    Store(#[from] SqlError),
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AuditReport {
    /// The site in its present life, as `a/1`.
    pub site: String,
    /// The version its ledger stands at.
    pub schema_version: SchemaVersion,
    /// Whether nothing was found and every balance is even.
    pub sound: bool,
    /// Every origin in the journal, by name and epoch.
    pub origins: Vec<OriginAudit>,
    /// What is wrong, by origin, then in the order of the chain: the first is the first bad one.
    pub findings: Vec<Finding>,
}

/// One origin's part of a journal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OriginAudit {
    /// Which one, as `a/1`.
    pub origin: String,
    /// Seals that were checked.
    pub seals: u64,
    /// The last seal.
    pub head_seal_nr: SealNr,
    /// Its hash in hex: what another site, or an anchor, must have as well.
    pub head_hash: String,
    /// What became of its transactions.
    pub balance: Balance,
    /// Whether the balance is even.
    pub even: bool,
}

/// Something that is not as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Where: the origin, as `a/1`.
    pub origin: String,
    /// The seal, where it is one's.
    pub seal_nr: Option<SealNr>,
    /// The transaction, where it is one's.
    pub trans_nr: Option<TransNr>,
    /// What is wrong.
    pub what: String,
}

/// Audits the journal of a site.
pub async fn audit(url: &DbUrl, watch: &mut Watch<'_>) -> Result<AuditReport, AuditError> {
    let mut conn = Conn::open(url, Access::Read, "audit").await?;
    conn.begin_snapshot().await?;
    let report = audit_in(conn.lend(), url, watch).await;
    if conn.rollback().await.is_ok() {
        conn.close().await;
    }
    report
}

async fn audit_in(
    mut conn: ConnRef<'_>,
    url: &DbUrl,
    watch: &mut Watch<'_>,
) -> Result<AuditReport, AuditError> {
    let site = match read_site(conn.lend()).await {
        Err(error) if error.class == SqlClass::Schema => None,
        other => other?,
    };
    let site = site.ok_or_else(|| AuditError::NoSite { url: url.to_string() })?;
    let standings = Standings::load(conn.lend()).await?;
    let mut findings = Vec::new();
    let mut origins = Vec::new();
    let mut done = Progress { done: 0, total: None };
    for record in conn.fetch(ORIGINS, Vec::new()).await? {
        let (name, epoch) = (record.text(0)?, record.i64(1)?);
        let Some(origin) = balance::origin(&name, epoch) else {
            let what = "rows of an origin that cannot be: no site has such a name".to_owned();
            findings.push(Finding { origin: format!("{name}/{epoch}"), seal_nr: None, trans_nr: None, what });
            continue;
        };
        // A former life of this site may have left appends that were never decided; peers never ship such.
        let own = origin.site == site.origin.site;
        let mut walk = Walk::new(&origin, &standings);
        walk.seals(conn.lend(), &mut done, watch).await?;
        walk.ends(conn.lend(), own, &standings).await?;
        let (audited, found) = walk.finish(conn.lend()).await?;
        origins.push(audited);
        findings.extend(found);
    }
    let sound = findings.is_empty() && origins.iter().all(|origin| origin.even);
    let (site, schema_version) = (site.origin.to_string(), site.ledger_version);
    Ok(AuditReport { site, schema_version, sound, origins, findings })
}
