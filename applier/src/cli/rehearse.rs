//! `daybook rehearse`: an upgrade on a copy, before the day.

use std::path::Path;

use anyhow::Context as _;
use indicatif::ProgressBar;
use journal_core::model::{SchemaVersion, SiteName};
use journal_core::sql::DbUrl;
use serde::Serialize;

use super::Session;
use super::address;
use super::code;
use super::failure::{Exit, Failure};
use super::group::{Group, who};
use super::output::{Output, table};
use super::schema::apply::registry;
use crate::audit::Progress;
use crate::audit::replay::{Listed, Until};
use crate::laws::Lost;
use crate::rehearse::{CatchUp, Moved, Phase, Plan, Report, Tail, rehearse};
use crate::scratch::Scratch;

/// Rehearse the upgrade of a site on a copy
///
/// Replays the site's journal into a scratch database at the version the site has, moves that copy to the new version, and posts the rest of the journal into it. Tells what cannot be carried over, how long it takes and how long catching up will take. The site is only read. Exits with 1 when something cannot be carried.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The site whose upgrade is rehearsed
    #[arg(long)]
    site: SiteName,
    /// The version to lead to
    #[arg(long, value_name = "VERSION")]
    to: i64,
    /// Where the copy is moved: a seal such as a/1/17, or a time such as 2005-07-01T00:00:00Z; by default a day before the end, or at the half of a younger journal
    #[arg(long, value_name = "SEAL|TIME")]
    since: Option<Until>,
    /// Where the journal ends; by default with what is sealed now
    #[arg(long, value_name = "SEAL|TIME")]
    until: Option<Until>,
    /// Where the copy goes: an empty database, or a directory for a SQLite file. By default the directory for temporary files. A password as ${VARIABLE}
    #[arg(long, value_name = "URL|DIR")]
    scratch: Option<String>,
    /// Leave the copy where it is
    #[arg(long)]
    keep: bool,
}

#[derive(Debug, Serialize)]
struct Told {
    scratch: String,
    kept: bool,
    /// Whether the copy is in a database of the site's kind, so that its rates say something of the site.
    same_kind: bool,
    #[serde(flatten)]
    report: Report,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let Args { site, to, since, until, scratch, keep } = args;
    let group = Group::load(&session.config)?;
    group.reach(&site).await?;
    let to = SchemaVersion(to);
    let registry = registry(&group, &site, to).await?;
    let place = Place::of(scratch.as_deref(), &site)?;
    let claimed = Scratch::claim(&place.url).await.context("take the scratch database")?;
    let plan = Plan { to, since, until, who: who() };
    let mut bars = Bars::new(session.output);
    let rehearsed = rehearse(group.url(&site)?, &claimed, &registry, &plan, &mut |phase, progress| {
        bars.follow(phase, progress);
    })
    .await;
    bars.finish();
    let (scratch, place_kind) = (place.url.to_string(), place.url.dialect());
    let removed = if keep {
        place.keep();
        Ok(())
    } else {
        claimed.remove().await
    };
    let report = rehearsed.with_context(|| format!("rehearse version {to} of {site}"))?;
    removed.context("remove the copy")?;
    let same_kind = group.url(&site)?.dialect() == place_kind;
    let told = Told { scratch, kept: keep, same_kind, report };
    session.output.report(&told, Told::text)?;
    match told.report.is_good() {
        true => Ok(()),
        false => {
            let message = format!("version {to} cannot take everything that {site} has; see the report");
            Err(Failure::error(Exit::Failure, code::REHEARSAL, message))
        }
    }
}

/// Where the copy goes.
struct Place {
    url: DbUrl,
    /// Ends with the command, unless it is kept.
    temporary: Option<tempfile::TempDir>,
}

impl Place {
    fn of(scratch: Option<&str>, site: &SiteName) -> anyhow::Result<Self> {
        let file = |directory: &Path| -> anyhow::Result<DbUrl> {
            let file = directory.join(format!("rehearsal-{site}.db"));
            Ok(format!("sqlite:{}", file.display()).parse()?)
        };
        match scratch {
            Some(text) if text.contains(':') => {
                Ok(Self { url: address::read("--scratch", text)?, temporary: None })
            }
            Some(directory) => {
                std::fs::create_dir_all(directory).with_context(|| format!("make {directory}"))?;
                Ok(Self { url: file(Path::new(directory))?, temporary: None })
            }
            None => {
                let made = tempfile::Builder::new().prefix("daybook-rehearsal-").tempdir();
                let made = made.context("make a directory for the copy")?;
                Ok(Self { url: file(made.path())?, temporary: Some(made) })
            }
        }
    }

    fn keep(self) {
        if let Some(directory) = self.temporary {
            let _path = directory.keep();
        }
    }
}

/// A bar a phase.
struct Bars {
    output: Output,
    shown: Option<(Phase, ProgressBar)>,
}

impl Bars {
    fn new(output: Output) -> Self {
        Self { output, shown: None }
    }

    fn follow(&mut self, phase: Phase, progress: Progress) {
        if self.shown.as_ref().is_none_or(|(shown, _)| *shown != phase) {
            self.finish();
            let what = match phase {
                Phase::Copy => "copy the journal",
                Phase::Look => "look at every row",
                Phase::Move => "move",
                Phase::Tail => "post the rest",
            };
            self.shown = Some((phase, self.output.bar(what, progress.total)));
        }
        if let Some((_, bar)) = &self.shown {
            self.output.follow(bar, progress);
        }
    }

    fn finish(&mut self) {
        if let Some((_, bar)) = self.shown.take() {
            bar.finish_and_clear();
        }
    }
}

impl Told {
    fn text(&self) -> String {
        let report = &self.report;
        let mut text = format!(
            "{} from schema version {} to {}, rehearsed on {} in {}\n{} transactions copied; {} rows of tables that change looked at\n",
            report.site,
            report.from,
            report.to,
            report.dialect,
            span(report.duration_ms),
            report.copied,
            report.rows
        );
        if !self.same_kind {
            text.push_str(&format!(
                "the site is another kind of database: times and rates are those of {}\n",
                report.dialect
            ));
        }
        text.push_str(&stuck(report));
        text.extend(report.losses.iter().map(loss));
        if let Some(why) = &report.move_failed {
            text.push_str(&format!("the move FAILED on the data: {why}\n"));
        }
        text.push_str(&report.moved.as_ref().map(moved).unwrap_or_default());
        text.push_str(&report.tail.as_ref().map(|done| tail(done, report.to)).unwrap_or_default());
        if let Some(arriving) = &report.arriving {
            text.push_str(&format!(
                "arriving: {:.1} transactions a second, {:.1} in the busiest minute, over {}\n",
                arriving.mean_per_s,
                arriving.busiest_per_s,
                span(arriving.span_ms)
            ));
        }
        text.push_str(&report.catch_up.as_ref().map(catch_up).unwrap_or_default());
        if self.kept {
            text.push_str(&format!("the copy stays at {}\n", self.scratch));
        }
        text
    }
}

/// Rows that stop the move.
fn stuck(report: &Report) -> String {
    if report.stuck_rows == 0 {
        return String::new();
    }
    let head = format!(
        "{} rows have no image at version {}, so the move was not tried:\n",
        report.stuck_rows, report.to
    );
    let rows = report.stuck.iter().map(|stuck| {
        let keys = stuck.keys.join(" ");
        vec![stuck.table.to_string(), stuck.rows.to_string(), keys, stuck.reason.clone()]
    });
    head + &table(&["table", "rows", "first keys", "reason"], rows)
}

fn loss(lost: &Lost) -> String {
    let Lost { version, table, columns, place, reason, .. } = lost;
    format!("version {version} loses {table}.{} at {place}: {reason}\n", columns.join(", "))
}

fn moved(moved: &Moved) -> String {
    let mut text = format!(
        "move: {} rows in {} ({} a second); {} keep what the new version has no place for; {} more on disk\n",
        moved.rows,
        span(moved.duration_ms),
        moved.rows_per_s,
        moved.complements,
        size(moved.extra_bytes)
    );
    for ask in moved.asks.iter().filter(|ask| ask.rows > 0) {
        text.push_str(&format!("{} rows will wait for {}.{}\n", ask.rows, ask.table, ask.column));
    }
    text
}

fn tail(tail: &Tail, to: SchemaVersion) -> String {
    let mut text = format!(
        "posted at version {to}: {} transactions in {} ({} a second)\n",
        tail.posted,
        span(tail.duration_ms),
        tail.per_s
    );
    if tail.left_out > 0 {
        text.push_str(&format!("{} in quarantine or discarded at the site were left out\n", tail.left_out));
    }
    let Listed { count, first } = &tail.refused;
    if *count > 0 {
        let codes: Vec<String> =
            tail.refused_by.iter().map(|(code, count)| format!("{count} by {code}")).collect();
        text.push_str(&format!("{count} REFUSED ({}):\n", codes.join(", ")));
        text.extend(first.iter().map(|told| format!("  {}: {}\n", told.transaction, told.what)));
    }
    text
}

fn catch_up(expected: &CatchUp) -> String {
    let time = |millis: Option<u64>| millis.map_or("never".to_owned(), span);
    format!(
        "after a pause of {} expect to catch up in {}; in the busiest minute: {}\n",
        span(expected.pause_ms),
        time(expected.mean_ms),
        time(expected.busiest_ms)
    )
}

/// A time in milliseconds, seconds or minutes.
fn span(millis: u64) -> String {
    match millis {
        0..10_000 => format!("{millis} ms"),
        10_000..600_000 => format!("{} s", millis / 1000),
        _ => format!("{} min", millis / 60_000),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
