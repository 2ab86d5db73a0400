//! `daybook append`: transactions from a file or a pipe into a site's journal, through the client library like any
//! application's.

mod feed;
mod lines;

use std::path::PathBuf;

use anyhow::Context as _;
use journal_core::client::Journal;
use journal_core::model::{SchemaVersion, SiteName};
use serde::Serialize;

use self::feed::{Feed, Rejected, Until};
use self::lines::Source;
use super::Session;
use super::code;
use super::failure::{Exit, Failure};
use super::group::Group;
use super::patience::Timeout;

/// Who writes lines that do not say so. Fixed: a retry must repeat the content, and this is part of it.
const AUTHOR: &str = "daybook append";

/// Append transactions to a site's journal, from a file or a pipe
///
/// One transaction a line of NDJSON: {"entries":[{"op":"insert","table":"t","row":{..}}, ..]}, with "tx_id" and "author"
/// where they matter; docs/commands.md tells the rest.
///
/// The same file again appends nothing twice. A bad line ends it: the lines before are appended, nothing of the bad line
/// is, nor of those after it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The site
    #[arg(long)]
    site: SiteName,
    /// The file, plain or compressed with gzip; - for standard input
    #[arg(long)]
    file: PathBuf,
    /// The schema version the lines are written at; by default the one the site's ledger has
    #[arg(long, value_name = "VERSION")]
    at_version: Option<i64>,
    /// What makes lines without a tx_id the same lines again: by default the file's SHA-256, for standard input a new
    /// one, which is told on standard error
    #[arg(long, value_name = "ID")]
    run_id: Option<String>,
    /// Who writes lines that do not say so
    #[arg(long, default_value = AUTHOR)]
    author: String,
    /// What to wait for
    #[arg(long, value_enum, default_value_t = Until::Durable)]
    wait: Until,
    /// With --wait applied: for how long at most nothing may be decided
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    timeout: Timeout,
}

#[derive(Debug, Serialize)]
struct Report {
    site: SiteName,
    file: String,
    run_id: String,
    schema_version: SchemaVersion,
    lines: u64,
    appended: u64,
    repeated: u64,
    last: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejections: Vec<Rejected>,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    group.reach(&args.site).await?;
    let source = Source::open(&args.file, args.run_id)?;
    if source.is_stream && source.run_id_is_new {
        session
            .output
            .remark(&format!("daybook: to resume a broken pipe, repeat with --run-id {}", source.run_id));
    }
    let mut builder = Journal::builder(group.url(&args.site)?, &args.site).author(args.author);
    if let Some(version) = args.at_version {
        builder = builder.schema_version(SchemaVersion(version));
    }
    let journal = builder.open().await.with_context(|| format!("open the journal of {}", args.site))?;
    let bar = session.output.bar("append", source.lines);
    let (name, run_id) = (source.name.clone(), source.run_id.clone());
    let mut feed = Feed::new(&journal, args.wait, args.timeout, bar.clone());
    let fed = feed.run(source).await;
    bar.finish_and_clear();
    journal.close().await;
    let counts = &feed.counts;
    let waited = args.wait == Until::Applied;
    let report = Report {
        site: args.site,
        file: name,
        run_id,
        schema_version: journal.schema().version,
        lines: counts.lines,
        appended: counts.appended,
        repeated: counts.repeated,
        last: counts.last.as_ref().map(ToString::to_string),
        applied: waited.then_some(counts.applied),
        rejected: waited.then_some(counts.rejected),
        rejections: counts.rejections.clone(),
    };
    session.output.report(&report, Report::text)?;
    fed?;
    match counts.rejected {
        0 => Ok(()),
        rejected => {
            let message = format!("{rejected} of {} transactions were rejected", counts.lines);
            Err(Failure::error(Exit::Failure, code::REJECTED, message))
        }
    }
}

impl Report {
    fn text(&self) -> String {
        let mut text = format!("{}: {} appended, {} there already", self.site, self.appended, self.repeated);
        if let Some(last) = &self.last {
            text.push_str(&format!(", last transaction {last}"));
        }
        if let (Some(applied), Some(rejected)) = (self.applied, self.rejected) {
            text.push_str(&format!("; {applied} applied, {rejected} rejected"));
        }
        for rejected in &self.rejections {
            let Rejected { line, transaction, code, detail } = rejected;
            text.push_str(&format!("\nline {line}, {transaction}: {code}: {detail}"));
        }
        text
    }
}
