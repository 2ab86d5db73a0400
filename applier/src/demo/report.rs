//! What the demo found, for people and as JSON.

use serde::Serialize;

/// The demo's result. `docs/json.md` describes each field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Transactions the application wrote and was told durable.
    pub transactions: u64,
    /// Entries in them.
    pub entries: u64,
    /// Writes that failed.
    pub failed_writes: u64,
    /// Reads through the views, all the time.
    pub reads: u64,
    /// Reads that failed or saw part of a transaction.
    pub failed_reads: u64,
    /// Durable transactions that are missing from a journal, or neither posted nor rejected nor in quarantine somewhere.
    pub lost: u64,
    /// The longest the application waited for one write, its move to the other site included, in milliseconds.
    pub longest_write_stall_ms: u64,
    /// Whether both ledgers are equal at one cut.
    pub converged: bool,
    /// Rows that hold an ask code and wait for somebody to ask.
    pub ask_queue: u64,
    /// How fast each site caught up after its reshape, in transactions a second.
    pub catch_up: Vec<CatchUp>,
    /// Seconds in all.
    pub seconds: f64,
    /// The sites.
    pub sites: Vec<SiteReport>,
}

/// One catch-up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CatchUp {
    /// Where.
    pub site: String,
    /// Rows its reshape moved.
    pub rows_reshaped: u64,
    /// Seconds the site was paused.
    pub paused_seconds: f64,
    /// Transactions that had queued meanwhile.
    pub transactions: u64,
    /// From resume to caught up.
    pub per_second: f64,
}

/// One site at the end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SiteReport {
    /// Its name.
    pub site: String,
    /// The version its ledger stands at.
    pub schema_version: i64,
    /// Transactions whose effect is in its ledger: own ones accepted and the peer's posted.
    pub posted: u64,
    /// Own transactions rejected.
    pub rejected: u64,
    /// Transactions in quarantine.
    pub quarantined: u64,
    /// The ledger's canonical digest.
    pub digest: String,
    /// The file or the address, without secrets.
    pub ledger: String,
}

impl Report {
    /// Whether all went as it must.
    pub fn is_good(&self) -> bool {
        let quiet = self.sites.iter().all(|site| site.rejected == 0 && site.quarantined == 0);
        self.converged && quiet && self.lost == 0 && self.failed_writes == 0 && self.failed_reads == 0
    }

    /// The summary for people.
    pub fn table(&self) -> String {
        let mut lines = vec![
            format!("transactions          {:>12}   entries {}", self.transactions, self.entries),
            format!(
                "failed writes         {:>12}   longest stall {} ms",
                self.failed_writes, self.longest_write_stall_ms
            ),
            format!("failed reads          {:>12}   of {}", self.failed_reads, self.reads),
            format!("lost                  {:>12}", self.lost),
            format!("ask queue             {:>12}   rows that wait for an answer", self.ask_queue),
            format!(
                "converged             {:>12}   in {:.1} s",
                if self.converged { "yes" } else { "NO" },
                self.seconds
            ),
        ];
        for catch_up in &self.catch_up {
            lines.push(format!(
                "{} reshaped: {} rows, paused {:.2} s; caught up {} transactions at {:.0}/s",
                catch_up.site,
                catch_up.rows_reshaped,
                catch_up.paused_seconds,
                catch_up.transactions,
                catch_up.per_second
            ));
        }
        lines.push(String::new());
        lines.push("site  version   posted  rejected  quarantined  digest".to_owned());
        for site in &self.sites {
            lines.push(format!(
                "{:<4}  {:>7}  {:>7}  {:>8}  {:>11}  {}",
                site.site,
                site.schema_version,
                site.posted,
                site.rejected,
                site.quarantined,
                site.digest.get(..16).unwrap_or(&site.digest)
            ));
        }
        lines.extend(self.sites.iter().map(|site| format!("      {}: {}", site.site, site.ledger)));
        lines.join("\n")
    }
}
