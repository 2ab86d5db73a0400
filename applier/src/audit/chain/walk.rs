//! The way along one origin's chain of seals, and what may lie beside it.

use journal_core::codec::chain::{self, ChainFault};
use journal_core::journal::{Head, ReadError, ReadLimit};
use journal_core::model::seal::{GENESIS, Hash};
use journal_core::model::{Hlc, Origin, SealNr, SealedRun, TransNr};
use journal_core::sql::{ConnRef, Param, SqlClass, SqlError};
use journal_core::store::sql::{load_head, read_rows, read_runs};

use super::{FINDINGS_MAX, Finding, OriginAudit};
use crate::audit::balance::{Adding, Standings};
use crate::audit::progress::{Progress, Watch};

/// What is read at once.
const CHUNK: ReadLimit = ReadLimit { transactions: 1000, bytes: 4 * 1024 * 1024 };
/// One seal, to find out which one of a chunk cannot be read.
const ALONE: ReadLimit = ReadLimit { transactions: 1, bytes: 1 };

const NEXT_SEAL: &str = "SELECT seal_nr, hash, last_nr FROM {d}seal WHERE origin = $1 AND epoch = $2 AND seal_nr > $3 \
     ORDER BY seal_nr LIMIT 1";
const SEALS_BEFORE_THE_FIRST: &str =
    "SELECT count(*) FROM {d}seal WHERE origin = $1 AND epoch = $2 AND seal_nr < 1";
/// A transaction of a range whose rows do not agree on what each of them repeats, and that was not rejected for it.
const TORN: &str = "SELECT trans_nr FROM {d}journal j WHERE origin = $1 AND epoch = $2 AND trans_nr > $3 AND trans_nr <= $4 \
     AND NOT EXISTS (SELECT 1 FROM {d}rejection r WHERE r.origin = j.origin AND r.epoch = j.epoch AND r.trans_nr = j.trans_nr \
     AND r.code = 'D0214') \
     GROUP BY trans_nr HAVING count(DISTINCT tx_id) > 1 OR count(DISTINCT schema_version) > 1 \
     OR count(DISTINCT author) > 1 OR count(DISTINCT appended_at) > 1 ORDER BY trans_nr LIMIT 1";
const UNCOVERED: &str = "SELECT trans_nr FROM {d}journal WHERE origin = $1 AND epoch = $2 AND (trans_nr < 1 OR trans_nr > $3) \
     UNION SELECT last_nr FROM {d}run WHERE origin = $1 AND epoch = $2 AND (first_nr < 1 OR last_nr > $3) \
     ORDER BY trans_nr LIMIT $4";
const UNCOVERED_REJECTIONS: &str = "SELECT trans_nr FROM {d}rejection WHERE origin = $1 AND epoch = $2 AND (trans_nr < 1 OR trans_nr > $3) \
     ORDER BY trans_nr LIMIT $4";

/// Its rows are as they were.
const IN_ITS_PACK: &str = ", as it stands packed for peers; its rows are whole";

/// The way along one origin's chain.
pub(super) struct Walk<'s> {
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
    pub(super) fn new(origin: &'s Origin, standings: &'s Standings) -> Self {
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
    pub(super) async fn seals(
        &mut self,
        mut conn: ConnRef<'_>,
        done: &mut Progress,
        watch: &mut Watch<'_>,
    ) -> Result<(), SqlError> {
        while self.findings.len() < FINDINGS_MAX {
            match self.read(conn.lend()).await {
                Ok(runs) if runs.is_empty() => return Ok(()),
                Ok(runs) => {
                    for (run, rows) in &runs {
                        self.check(run, rows.as_ref());
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

    /// What follows, as peers read it, and beside it what stands as rows.
    async fn read(&self, mut conn: ConnRef<'_>) -> Result<Vec<(SealedRun, Option<SealedRun>)>, ReadError> {
        let runs = read_runs(conn.lend(), self.origin, self.at, self.limit).await?;
        let rows = read_rows(conn, self.origin, &runs).await?;
        Ok(runs.into_iter().zip(rows).collect())
    }

    fn check(&mut self, run: &SealedRun, rows: Option<&SealedRun>) {
        let seal = &run.seal;
        let seal_nr = Some(seal.seal_nr);
        let prev = self.prev.unwrap_or(seal.prev_hash);
        if let Some(Err(fault)) = rows.map(|rows| chain::verify(rows, &prev)) {
            self.find(seal_nr, at_fault(&fault), fault.to_string());
        } else if let Err(fault) = chain::verify(run, &prev) {
            let place = if rows.is_some() { IN_ITS_PACK } else { "" };
            self.find(seal_nr, at_fault(&fault), format!("{fault}{place}"));
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
    pub(super) async fn ends(
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

    pub(super) async fn finish(self, conn: ConnRef<'_>) -> Result<(OriginAudit, Vec<Finding>), SqlError> {
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
        | SqlClass::Refused
        | SqlClass::Unsafe => false,
    }
}
