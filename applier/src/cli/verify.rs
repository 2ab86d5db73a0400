//! `daybook verify`: are the ledgers of two sites equal, row by row, at one cut.

use anyhow::Context as _;
use journal_core::model::SiteName;
use serde::Serialize;

use super::Session;
use super::code;
use super::failure::{Exit, Failure};
use super::group::{Group, who};
use super::output::table;
use super::patience::Timeout;
use crate::audit::Progress;
use crate::audit::cut::{Party, Patience, Pausing};
use crate::audit::diff::{Difference, Kind, VerifyReport, verify};
use crate::control::sql::SqlControl;
use crate::ledger::sql::SqlLedger;
use crate::upgrade::install::load_registry;

/// Compare the ledgers of sites row by row
///
/// At a moment when each has posted the same transactions; across schema
/// versions too, the lower one mapped up. Exits with 3 when they differ, with 4 when there was no such moment in time.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The sites, two or more; the first is compared with each of the others. By default all of the configuration
    #[arg(value_name = "SITE")]
    sites: Vec<SiteName>,
    /// How long to wait for a moment at which the sites are level
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    timeout: Timeout,
    /// Pause a site that is ahead until the other has caught up; it is resumed in any case
    #[arg(long)]
    pause: bool,
    /// Most differing rows to show; all are counted
    #[arg(long, value_name = "ROWS", default_value_t = 20)]
    rows: usize,
}

#[derive(Debug, Serialize)]
struct Report {
    equal: bool,
    comparisons: Vec<VerifyReport>,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    let sites = group.chosen(&args.sites)?;
    let Some((first, others)) = sites.split_first().filter(|(_, others)| !others.is_empty()) else {
        let message = "a comparison takes two sites";
        return Err(Failure::error(Exit::Usage, code::USAGE, message));
    };
    let pausing = if args.pause { Pausing::AsNeeded } else { Pausing::Never };
    let patience = Patience { within: args.timeout.0, pausing, who: who() };
    let mut comparisons = Vec::new();
    for other in others {
        let compared = compare(&group, [first, other], &patience, args.rows, session).await;
        comparisons.push(compared.with_context(|| format!("compare {first} with {other}"))?);
    }
    let equal = comparisons.iter().all(|comparison| comparison.equal);
    let report = Report { equal, comparisons };
    session.output.report(&report, Report::text)?;
    match equal {
        true => Ok(()),
        false => {
            let differ = report.comparisons.iter().filter(|comparison| !comparison.equal);
            let names: Vec<String> =
                differ.map(|pair| format!("{} and {}", pair.a.site, pair.b.site)).collect();
            let message = format!("the ledgers of {} differ", names.join(", and of "));
            Err(Failure::error(Exit::Divergence, code::DIVERGENCE, message))
        }
    }
}

/// Compares two sites; the group has both.
pub(super) async fn compare(
    group: &Group,
    names: [&SiteName; 2],
    patience: &Patience,
    rows: usize,
    session: &Session,
) -> anyhow::Result<VerifyReport> {
    let [a, b] = names;
    group.reach(a).await?;
    group.reach(b).await?;
    let (url_a, url_b) = (group.url(a)?, group.url(b)?);
    let (known_a, known_b) = (load_registry(url_a).await?, load_registry(url_b).await?);
    // The one that knows more versions knows both ledgers'.
    let newest = |known: &schema_mappers::Registry| known.set().newest().number();
    let registry = if newest(&known_a) >= newest(&known_b) { known_a } else { known_b };
    let (mut ledger_a, mut ledger_b) =
        (SqlLedger::open_reader(url_a, "verify").await?, SqlLedger::open_reader(url_b, "verify").await?);
    let (mut control_a, mut control_b) = (SqlControl::open(url_a).await?, SqlControl::open(url_b).await?);
    let bar = session.output.bar("rows", None);
    let mut watch = |progress: Progress| session.output.follow(&bar, progress);
    let report = verify(
        Party { site: a.clone(), ledger: &mut ledger_a, control: &mut control_a },
        Party { site: b.clone(), ledger: &mut ledger_b, control: &mut control_b },
        &registry,
        patience,
        rows,
        &mut watch,
    )
    .await;
    bar.finish_and_clear();
    Ok(report?)
}

impl Report {
    fn text(&self) -> String {
        self.comparisons.iter().map(comparison).collect::<Vec<_>>().join("\n")
    }
}

fn comparison(report: &VerifyReport) -> String {
    let VerifyReport { a, b, .. } = report;
    let word = if report.equal { "equal" } else { "NOT equal" };
    let mut text = format!("{} and {} are {word} at schema version {}\n", a.site, b.site, report.version);
    let rows = report.tables.iter().map(|one| {
        let counts = [one.matched, one.different, one.missing, one.extra];
        std::iter::once(one.table.clone()).chain(counts.map(|count| count.to_string())).collect()
    });
    text.push_str(&table(&["table", "matched", "different", "missing", "extra"], rows));
    for side in [a, b] {
        text.push_str(&format!(
            "{}: version {}, digest {}",
            side.site, side.schema_version, side.digest.digest
        ));
        if side.quarantined > 0 {
            text.push_str(&format!(", {} in quarantine", side.quarantined));
        }
        if side.unmapped > 0 {
            text.push_str(&format!(", {} rows without an image", side.unmapped));
        }
        text.push('\n');
    }
    report.differences.iter().for_each(|row| text.push_str(&difference(row, report)));
    text
}

fn difference(row: &Difference, report: &VerifyReport) -> String {
    let where_it_is = match row.kind {
        Kind::Different => "differs".to_owned(),
        Kind::OnlyA => format!("is missing at {}", report.b.site),
        Kind::OnlyB => format!("is missing at {}", report.a.site),
    };
    let mut text = format!("{} {} {where_it_is}\n", row.table, row.key);
    if row.kind == Kind::Different {
        let shown =
            |value: &Option<serde_json::Value>| value.as_ref().map_or_else(String::new, ToString::to_string);
        for column in &row.columns {
            text.push_str(&format!("  {}: {} / {}\n", column.column, shown(&column.a), shown(&column.b)));
        }
    }
    text
}
