//! `daybook schema apply`: a paused site's ledger to another version.

use anyhow::Context as _;
use journal_core::model::{SchemaVersion, SiteName};
use schema_mappers::{Registry, RustMappers, SchemaSet};

use crate::audit::Progress;
use crate::cli::Session;
use crate::cli::code;
use crate::cli::failure::{Exit, Failure};
use crate::cli::group::{Group, who};
use crate::cli::output::table;
use crate::control::sql::switch_begun;
use crate::upgrade::install::load_registry;
use crate::upgrade::reshape::{Mode, ReshapeOrder, ReshapeReport, reshape};

/// Reshape the ledger of a paused site to another version
///
/// Up or down: the version's tables, every row through the mapping, the views. All of it happens or nothing; a ledger that stands at the version already stays as it is.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The site
    site: SiteName,
    /// The version to lead to
    #[arg(long, value_name = "VERSION")]
    to: i64,
    /// Show the SQL and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

#[derive(Debug, serde::Serialize)]
struct Report {
    site: SiteName,
    dry_run: bool,
    #[serde(flatten)]
    reshape: ReshapeReport,
}

pub(in crate::cli) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let Args { site, to, dry_run, reason } = args;
    let group = Group::load(&session.config)?;
    group.reach(&site).await?;
    if !dry_run {
        group.insist_whole(&site).await?;
    }
    let to = SchemaVersion(to);
    let registry = registry(&group, &site, to).await?;
    let mode = if dry_run { Mode::DryRun } else { Mode::CarryOut };
    let order = ReshapeOrder { to, mode, who: who(), why: reason };
    let bar = session.output.bar("rows", Some(0));
    let mut watch = |progress: Progress| session.output.follow(&bar, progress);
    let reshaped = reshape(group.url(&site)?, &registry, &order, &mut watch).await;
    bar.finish_and_clear();
    let reshape = reshaped.with_context(|| format!("reshape {site}"))?;
    session.output.report(&Report { site, dry_run, reshape }, Report::text)
}

/// The set of the configuration; where that does not have the version, the one on record at the site. That one, too, while
/// the site's tables change places: they belong to it, and nothing can be released meanwhile.
pub(in crate::cli) async fn registry(
    group: &Group,
    site: &SiteName,
    to: SchemaVersion,
) -> anyhow::Result<Registry> {
    let set = SchemaSet::load(&group.config.schema)?;
    let mut conn = group.reader(site).await?;
    let switching = switch_begun(conn.lend()).await?;
    group.keep(site, conn);
    if set.version(to).is_some() && !switching {
        return Ok(Registry::new(set, RustMappers::none())?);
    }
    let on_record = load_registry(group.url(site)?).await?;
    if on_record.set().version(to).is_some() {
        return Ok(on_record);
    }
    let newest = set.newest().number();
    let message = format!("{} has versions 1 to {newest}, and no {to}", group.config.schema.display());
    Err(Failure::error(Exit::Usage, code::UNKNOWN_VERSION, message))
}

impl Report {
    fn text(&self) -> String {
        let ReshapeReport { from, to, changed, tables, rows, complements, asks, statements, duration_ms } =
            &self.reshape;
        if self.dry_run {
            let head = format!("-- {} from schema version {from} to {to}\n", self.site);
            return statements
                .iter()
                .fold(head, |text, statement| text + statement.trim_end().trim_end_matches(';') + ";\n");
        }
        if !changed {
            return format!("{} stands at schema version {to} already", self.site);
        }
        let mut text = format!(
            "{} went from schema version {from} to {to}: {rows} rows in {duration_ms} ms, {complements} keep what \
             version {to} has no place for\n",
            self.site
        );
        text.push_str(&table(
            &["table", "rows"],
            tables.iter().map(|moved| vec![moved.table.to_string(), moved.rows.to_string()]),
        ));
        for ask in asks.iter().filter(|ask| ask.rows > 0) {
            text.push_str(&format!("{} rows wait for {}.{}\n", ask.rows, ask.table, ask.column));
        }
        text
    }
}
