//! `daybook replay`: the auditor's. A site's journal, from the first transaction on, into an empty database.

use anyhow::Context as _;
use journal_core::model::{Origin, SchemaVersion, SiteName, TransNr};
use journal_core::sql::DbUrl;
use schema_mappers::RustMappers;
use serde::Serialize;

use super::Session;
use super::address;
use super::code;
use super::failure::{Exit, Failure};
use super::group::{Group, who};
use crate::audit::digest::{LedgerDigest, digest_as};
use crate::audit::replay::{Listed, ReplayOptions, ReplayReport, Until, replay};
use crate::audit::{Progress, Watch, unwatched};
use crate::ledger::sql::SqlLedger;
use crate::ledger::{Asked, Ledger as _, Posted, Quarantined};
use crate::upgrade::install::load_registry;

/// Replay a site's journal into an empty database
///
/// Posts every accepted transaction in canonical order and compares the digest with the site's ledger. Exits with 3 when they differ. The site may go on meanwhile.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The site whose journal is replayed
    #[arg(long)]
    site: SiteName,
    /// The database to replay into; it must be empty. A password as ${VARIABLE}
    #[arg(long, value_name = "URL")]
    into: String,
    /// Where to end: a seal such as a/1/17, or a time such as 2005-07-01T00:00:00Z
    #[arg(long, value_name = "SEAL|TIME")]
    until: Option<Until>,
    /// The schema version of the new ledger; by default the one the site's has
    #[arg(long, value_name = "VERSION")]
    at: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Report {
    into: String,
    #[serde(flatten)]
    replay: ReplayReport,
    /// The site's own digest at the same version; absent where the two are not at one cut.
    live: Option<LedgerDigest>,
    equal: Option<bool>,
}

/// What tells whether a ledger changed between two looks. Seals are not in it, nor a site of which nothing was posted: one
/// that only acknowledges seals nothing, from its first seal on, and the ledger stays as it is.
type Position = (Vec<(Origin, TransNr)>, Vec<(Quarantined, Asked)>);

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    let into = address::read("--into", &args.into)?;
    group.reach(&args.site).await?;
    let from = group.url(&args.site)?;
    let before = position(from).await?;
    let options = ReplayOptions {
        version: args.at.map(SchemaVersion),
        until: args.until,
        who: who(),
        mappers: RustMappers::none(),
    };
    let bar = session.output.bar("transactions", None);
    let mut watch = |progress: Progress| session.output.follow(&bar, progress);
    let replayed = replay(from, &into, &options, &mut watch).await;
    bar.finish_and_clear();
    let replay = replayed.with_context(|| format!("replay the journal of {}", args.site))?;
    let live = match replay.level {
        true => live(from, replay.version, &before, &mut unwatched).await?,
        false => None,
    };
    let equal = live.as_ref().map(|live| live.digest == replay.digest.digest);
    let report = Report { into: into.to_string(), replay, live, equal };
    session.output.report(&report, Report::text)?;
    if equal == Some(false) {
        let message = format!("the replay differs from the ledger of {}", args.site);
        return Err(Failure::error(Exit::Divergence, code::DIVERGENCE, message));
    }
    if report.replay.refused.count > 0 {
        let message = format!("the new ledger refused {} accepted transactions", report.replay.refused.count);
        return Err(Failure::error(Exit::Divergence, code::DIVERGENCE, message));
    }
    Ok(())
}

/// The digest of the site's ledger at a version, if the ledger did not move since.
async fn live(
    url: &DbUrl,
    version: SchemaVersion,
    before: &Position,
    watch: &mut Watch<'_>,
) -> anyhow::Result<Option<LedgerDigest>> {
    let registry = load_registry(url).await?;
    let mut ledger = SqlLedger::open_reader(url, "digest").await?;
    let digest = digest_as(&mut ledger, &registry, version, watch).await?;
    Ok((position(url).await? == *before).then_some(digest))
}

async fn position(url: &DbUrl) -> anyhow::Result<Position> {
    let mut ledger = SqlLedger::open_reader(url, "look").await?;
    Ok((passed(ledger.posted().await?), ledger.quarantined().await?))
}

fn passed(posted: Vec<(Origin, Posted)>) -> Vec<(Origin, TransNr)> {
    let passed = posted.into_iter().map(|(origin, posted)| (origin, posted.trans_nr));
    passed.filter(|(_, trans_nr)| *trans_nr > TransNr(0)).collect()
}

impl Report {
    fn text(&self) -> String {
        let replay = &self.replay;
        let mut text = format!(
            "{} replayed into {} at schema version {}: {} posted, {} rejected by their origins\ndigest {}\n",
            replay.site, self.into, replay.version, replay.posted, replay.rejected, replay.digest.digest
        );
        text.push_str(match self.equal {
            Some(true) => "equal to the live ledger\n",
            Some(false) => "NOT equal to the live ledger\n",
            None => "not compared: the live ledger is not at the same cut\n",
        });
        text.push_str(&listed("in quarantine or discarded at the site, left out", &replay.left_out));
        text.push_str(&listed("posted late at the site", &replay.posted_late));
        text.push_str(&listed("refused by the new ledger", &replay.refused));
        text
    }
}

fn listed(what: &str, listed: &Listed) -> String {
    if listed.count == 0 {
        return String::new();
    }
    let first = listed.first.iter().map(|told| format!("  {}: {}\n", told.transaction, told.what));
    format!("{} {what}:\n{}", listed.count, first.collect::<String>())
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Epoch, SealNr};

    use super::*;

    /// A replay was once "not compared" when the site acknowledged its peer's last transactions meanwhile.
    #[test]
    fn an_acknowledging_seal_does_not_move_the_ledger() {
        let origin = Origin { site: SiteName::new("a").unwrap(), epoch: Epoch(1) };
        let at = |seal_nr, trans_nr| {
            let posted = Posted { seal_nr: SealNr(seal_nr), trans_nr: TransNr(trans_nr) };
            passed(vec![(origin.clone(), posted)])
        };
        assert_eq!(at(3, 128), at(4, 128));
        assert_ne!(at(3, 128), at(4, 129));
    }

    /// A replay was once "not compared" when a site that had just been added acknowledged for the first time meanwhile.
    #[test]
    fn a_first_acknowledging_seal_does_not_move_the_ledger() {
        let origin = Origin { site: SiteName::new("c").unwrap(), epoch: Epoch(1) };
        let at = |trans_nr| {
            let posted = Posted { seal_nr: SealNr(1), trans_nr: TransNr(trans_nr) };
            passed(vec![(origin.clone(), posted)])
        };
        assert_eq!(passed(Vec::new()), at(0));
        assert_ne!(passed(Vec::new()), at(1));
    }
}
