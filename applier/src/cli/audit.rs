//! `daybook audit`: was a journal altered since it was sealed, and is everything in it accounted for.

use anyhow::Context as _;
use journal_core::model::SiteName;

use super::Session;
use super::code;
use super::failure::{Exit, Failure};
use super::group::Group;
use crate::audit::Progress;
use crate::audit::balance::Balance;
use crate::audit::chain::{AuditReport, Finding, OriginAudit, audit};

/// Check a site's journal and its trial balance
///
/// The chain of seals, every count and hash, and the trial balance (appended = accepted +
/// rejected + undecided; accepted = posted + quarantined + discarded + not posted). Reads only. Exits with 3, naming the
/// first bad seal and transaction, when something is wrong.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The site
    site: SiteName,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    group.reach(&args.site).await?;
    let bar = session.output.bar("transactions", None);
    let mut watch = |progress: Progress| session.output.follow(&bar, progress);
    let audited = audit(group.url(&args.site)?, &mut watch).await;
    bar.finish_and_clear();
    let report = audited.with_context(|| format!("audit {}", args.site))?;
    session.output.report(&report, text)?;
    match report.sound {
        true => Ok(()),
        false => {
            let message = match report.findings.first() {
                Some(finding) => told(finding),
                None => "the trial balance is not even".to_owned(),
            };
            Err(Failure::error(Exit::Divergence, code::CHAIN_BROKEN, message))
        }
    }
}

fn text(report: &AuditReport) -> String {
    let word = if report.sound { "sound" } else { "NOT sound" };
    let mut text = format!("the journal of {} is {word}\n", report.site);
    for OriginAudit { origin, seals, head_seal_nr, head_hash, balance, .. } in &report.origins {
        let Balance { transactions, entries, accepted, rejected, undecided, .. } = balance;
        let Balance { posted, quarantined, discarded, not_posted, .. } = balance;
        text.push_str(&format!(
            "{origin}: {transactions} transactions with {entries} entries under {seals} seals\n  \
             {accepted} accepted, {rejected} rejected, {undecided} undecided\n  \
             {posted} posted here, {quarantined} in quarantine, {discarded} discarded, {not_posted} not posted yet\n  \
             head: seal {head_seal_nr}, {head_hash}\n"
        ));
    }
    for finding in &report.findings {
        text.push_str(&format!("{}\n", told(finding)));
    }
    text
}

fn told(finding: &Finding) -> String {
    let mut text = finding.origin.clone();
    if let Some(seal_nr) = finding.seal_nr {
        text.push_str(&format!(" seal {seal_nr}"));
    }
    if let Some(trans_nr) = finding.trans_nr {
        text.push_str(&format!(" transaction {}/{trans_nr}", finding.origin));
    }
    format!("{text}: {}", finding.what)
}
