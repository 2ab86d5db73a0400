//! `audit`: is the journal what its seals say? Walks every origin's chain from its first seal over stored bytes, looks for
//! rows that no seal covers, and draws up the trial balance. Reads only, all in one snapshot, and never stops at the
//! first finding: an auditor wants to know how far the damage goes.

use journal_core::codec::chain::{self, ChainFault};
use journal_core::journal::{Head, ReadError, ReadLimit};
use journal_core::model::seal::{GENESIS, Hash};
use journal_core::model::{Hlc, Origin, SchemaVersion, SealNr, SealedRun, TransNr};
use journal_core::sql::{Access, Conn, ConnRef, DbUrl, Param, SqlClass, SqlError};
use journal_core::store::sql::{load_head, read_runs, read_site};

use super::balance::{self, Adding, Balance, Standings};
use super::progress::{Progress, Watch};

/// What is read at once.
const CHUNK: ReadLimit = ReadLimit { transactions: 1000, bytes: 4 * 1024 * 1024 };
/// One seal, to find out which one of a chunk cannot be read.
const ALONE: ReadLimit = ReadLimit { transactions: 1, bytes: 1 };
/// Findings kept of one origin; behind so many its journal is past being told row by row.
pub const FINDINGS_MAX: usize = 100;

const ORIGINS: &str = "SELECT origin, epoch FROM {d}received UNION SELECT origin, epoch FROM {d}seal \
     UNION SELECT origin, epoch FROM {d}journal UNION SELECT origin, epoch FROM {d}rejection \
     UNION SELECT origin, epoch FROM {d}posted ORDER BY 1, 2";
const NEXT_SEAL: &str = "SELECT seal_nr, hash, last_nr FROM {d}seal WHERE origin = $1 AND epoch = $2 AND seal_nr > $3 \
     ORDER BY seal_nr LIMIT 1";
const SEALS_BEFORE_THE_FIRST: &str =
    "SELECT count(*) FROM {d}seal WHERE origin = $1 AND epoch = $2 AND seal_nr < 1";
/// A transaction of a range whose rows do not agree on what each of them repeats.
const TORN: &str = "SELECT trans_nr FROM {d}journal WHERE origin = $1 AND epoch = $2 AND trans_nr > $3 AND trans_nr <= $4 \
     GROUP BY trans_nr HAVING count(DISTINCT tx_id) > 1 OR count(DISTINCT schema_version) > 1 \
     OR count(DISTINCT author) > 1 OR count(DISTINCT appended_at) > 1 ORDER BY trans_nr LIMIT 1";
const UNCOVERED: &str = "SELECT DISTINCT trans_nr FROM {d}journal WHERE origin = $1 AND epoch = $2 AND (trans_nr < 1 OR trans_nr > $3) \
     ORDER BY trans_nr LIMIT $4";
const UNCOVERED_REJECTIONS: &str = "SELECT trans_nr FROM {d}rejection WHERE origin = $1 AND epoch = $2 AND (trans_nr < 1 OR trans_nr > $3) \
     ORDER BY trans_nr LIMIT $4";

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

/// The way along one origin's chain.
struct Walk<'s> {
    origin: &'s Origin,
    adding: Adding<'s>,
    findings: Vec<Finding>,
    seals: u64,
    at: SealNr,
    last_nr: TransNr,
    hlc: Hlc,
    /// The hash of the seal before; `None` behind a missing one.
    prev: Option<Hash>,
    limit: ReadLimit,
}

impl<'s> Walk<'s> {
    fn new(origin: &'s Origin, standings: &'s Standings) -> Self {
        Self {
            origin,
            adding: Adding::new(standings, origin),
            findings: Vec::new(),
            seals: 0,
            at: SealNr(0),
            last_nr: TransNr(0),
            hlc: Hlc(i64::MIN),
            prev: Some(GENESIS),
            limit: CHUNK,
        }
    }

    fn params(&self) -> Vec<Param> {
        vec![self.origin.site.as_str().into(), self.origin.epoch.0.into()]
    }

    fn find(&mut self, seal_nr: Option<SealNr>, trans_nr: Option<TransNr>, what: impl Into<String>) {
        self.limit = CHUNK;
        if self.findings.len() < FINDINGS_MAX {
            let origin = self.origin.to_string();
            self.findings.push(Finding { origin, seal_nr, trans_nr, what: what.into() });
        }
    }

    /// Checks seal after seal.
    async fn seals(
        &mut self,
        mut conn: ConnRef<'_>,
        done: &mut Progress,
        watch: &mut Watch<'_>,
    ) -> Result<(), SqlError> {
        while self.findings.len() < FINDINGS_MAX {
            match read_runs(conn.lend(), self.origin, self.at, self.limit).await {
                Ok(runs) if runs.is_empty() => return Ok(()),
                Ok(runs) => {
                    for run in &runs {
                        self.check(run);
                        done.done += run.transactions.len() as u64;
                    }
                    watch(*done);
                }
                Err(ReadError::Store(error)) if !is_unreadable(&error) => return Err(error),
                // Which one of the chunk it is: look at each alone.
                Err(_) if self.limit != ALONE => self.limit = ALONE,
                Err(error) => {
                    if !self.pass_unreadable(conn.lend(), &error).await? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn check(&mut self, run: &SealedRun) {
        let seal = &run.seal;
        let seal_nr = Some(seal.seal_nr);
        if let Err(fault) = chain::verify(run, &self.prev.unwrap_or(seal.prev_hash)) {
            self.find(seal_nr, at_fault(&fault), fault.to_string());
        } else if seal.first_nr != self.last_nr.next() && self.prev.is_some() {
            let what = format!(
                "it begins at transaction {}, and the seal before ends at {}",
                seal.first_nr, self.last_nr
            );
            self.find(seal_nr, None, what);
        } else if seal.hlc <= self.hlc {
            self.find(seal_nr, None, "its clock reading is not after that of the seal before");
        }
        self.adding.run(run);
        self.seals += 1;
        (self.at, self.last_nr, self.hlc, self.prev) =
            (seal.seal_nr, seal.last_nr, seal.hlc, Some(seal.hash));
    }

    /// Names a seal that is missing or cannot be put together, and goes on behind it. `false` when nothing follows.
    async fn pass_unreadable(&mut self, mut conn: ConnRef<'_>, error: &ReadError) -> Result<bool, SqlError> {
        let mut params = self.params();
        params.push(self.at.0.into());
        let Some(next) = conn.fetch_optional(NEXT_SEAL, params).await? else { return Ok(false) };
        let (found, expected) = (SealNr(next.i64(0)?), self.at.next());
        if found != expected {
            self.find(Some(expected), None, missing(expected, SealNr(found.0 - 1)));
            (self.at, self.prev) = (SealNr(found.0 - 1), None);
            return Ok(true);
        }
        let last_nr = TransNr(next.i64(2)?);
        let mut params = self.params();
        params.extend([self.last_nr.0.into(), Param::from(last_nr.0)]);
        let torn = conn.fetch_optional(TORN, params).await?.map(|record| record.i64(0)).transpose()?;
        self.find(Some(found), torn.map(TransNr), unreadable(error));
        let hash = next.bytes(1)?;
        (self.at, self.last_nr, self.prev) = (found, last_nr, Hash::try_from(hash).ok());
        Ok(true)
    }

    /// What lies beyond the chain: the head, the checkpoint, rows that no seal covers.
    async fn ends(
        &mut self,
        mut conn: ConnRef<'_>,
        own: bool,
        standings: &Standings,
    ) -> Result<(), SqlError> {
        let head = load_head(conn.lend(), self.origin).await?;
        self.check_head(head.as_ref());
        if let (Some(posted), Some(head)) = (standings.posted.get(self.origin), &head)
            && posted.seal_nr > head.seal_nr
        {
            let what = format!(
                "seals are missing at the end: posted here up to {}, and the journal ends at {}",
                posted.seal_nr, head.seal_nr
            );
            self.find(Some(head.seal_nr.next()), None, what);
        }
        let first = conn.fetch_one(SEALS_BEFORE_THE_FIRST, self.params()).await?;
        if first.i64(0)? > 0 {
            self.find(None, None, "there are seals with a number below 1");
        }
        let sealed_to = head.map_or(self.last_nr, |head| head.last_nr.max(self.last_nr));
        // Own rows behind the last seal are appends that wait for their verdict.
        let rows_to = if own { TransNr(i64::MAX) } else { sealed_to };
        for (template, to, what) in [
            (UNCOVERED, rows_to, "it stands in the journal, and no seal covers it"),
            (
                UNCOVERED_REJECTIONS,
                sealed_to,
                "a rejection of it stands in the journal, and no seal covers it",
            ),
        ] {
            let mut params = self.params();
            params.extend([to.0.into(), Param::from(10_i64)]);
            for record in conn.fetch(template, params).await? {
                self.find(None, Some(TransNr(record.i64(0)?)), what);
            }
        }
        self.last_nr = sealed_to;
        Ok(())
    }

    fn check_head(&mut self, head: Option<&Head>) {
        match head {
            None if self.at.0 > 0 => self.find(Some(self.at), None, "the head of the chain is missing"),
            None => {}
            Some(head) if head.seal_nr > self.at => {
                self.find(Some(self.at.next()), None, missing(self.at.next(), head.seal_nr));
            }
            Some(head) if head.seal_nr < self.at => {
                self.find(Some(head.seal_nr.next()), None, "it stands behind the head of the chain");
            }
            Some(head) => {
                let same = Some(head.hash) == self.prev && head.last_nr == self.last_nr;
                if !same && self.findings.is_empty() {
                    self.find(Some(self.at), None, "the head of the chain is not this seal");
                }
            }
        }
    }

    async fn finish(self, conn: ConnRef<'_>) -> Result<(OriginAudit, Vec<Finding>), SqlError> {
        let (balance, stray) = self.adding.finish(conn, self.origin, self.last_nr).await?;
        let mut findings = self.findings;
        if let Some(trans_nr) = stray.filter(|_| findings.is_empty()) {
            let what =
                "it is in quarantine, and is no accepted transaction that posting has passed".to_owned();
            findings.push(Finding {
                origin: self.origin.to_string(),
                seal_nr: None,
                trans_nr: Some(trans_nr),
                what,
            });
        }
        let audited = OriginAudit {
            origin: self.origin.to_string(),
            seals: self.seals,
            head_seal_nr: self.at,
            head_hash: self.prev.iter().flatten().map(|byte| format!("{byte:02x}")).collect(),
            even: balance.is_even(),
            balance,
        };
        Ok((audited, findings))
    }
}

fn at_fault(fault: &ChainFault) -> Option<TransNr> {
    match fault {
        ChainFault::Altered { trans_nr }
        | ChainFault::Missing { trans_nr }
        | ChainFault::Inserted { trans_nr } => Some(*trans_nr),
        ChainFault::UnknownAlgorithm(_) | ChainFault::Unlinked | ChainFault::SealAltered => None,
    }
}

fn missing(first: SealNr, last: SealNr) -> String {
    if first == last {
        "the seal is missing".to_owned()
    } else {
        format!("seals {first} to {last} are missing")
    }
}

fn unreadable(error: &ReadError) -> String {
    match error {
        ReadError::Corrupt { detail, .. } => detail.clone(),
        ReadError::Store(error) => format!("its rows cannot be read: {error}"),
    }
}

/// Content that no journal holds by itself, such as a text that is no UTF-8; the database and the way to it are well.
fn is_unreadable(error: &SqlError) -> bool {
    match error.class {
        SqlClass::Schema | SqlClass::Data | SqlClass::Broken => error.code.is_empty(),
        SqlClass::Constraint(_)
        | SqlClass::Transient
        | SqlClass::Full
        | SqlClass::Lost
        | SqlClass::Refused => false,
    }
}
