//! `daybook upgrade plan`: every step with its SQL, the lock it takes, what it costs. Changes nothing.

use std::time::Duration;

use journal_core::model::{Name, SchemaVersion, SiteName};
use journal_core::sql::{Access, Conn, Dialect};
use schema_mappers::{Loss, Registry};
use serde::Serialize;

use crate::cli::Session;
use crate::cli::group::Group;
use crate::cli::output::table;
use crate::upgrade::contract::statements as contract_statements;
use crate::upgrade::machine::Step;
use crate::upgrade::record;
use crate::upgrade::{SiteTables, TableRows};

/// What a step is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Class {
    /// It only looks, waits or stops and starts posting.
    Conduct,
    /// It makes room for the new version and takes nothing from the old one.
    Expand,
    /// It ends the old version.
    Contract,
}

#[derive(Debug, Serialize)]
pub(super) struct Report {
    to: SchemaVersion,
    sites: Vec<SitePlan>,
    asks: Vec<String>,
    losses: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SitePlan {
    site: SiteName,
    from: SchemaVersion,
    rows: u64,
    tables: Vec<TableRows>,
    estimate_s: Option<u64>,
    estimated_from: &'static str,
    steps: Vec<StepPlan>,
}

#[derive(Debug, Serialize)]
struct StepPlan {
    step: &'static str,
    class: Class,
    lock: &'static str,
    statements: Vec<String>,
}

/// Plans the way of the sites to a version.
pub(super) async fn plan(
    group: &Group,
    registry: &Registry,
    sites: &[(SiteName, SchemaVersion)],
    to: SchemaVersion,
) -> anyhow::Result<Report> {
    let mut plans = Vec::new();
    for (site, from) in sites {
        plans.push(site_plan(group, registry, site, *from, to).await?);
    }
    Ok(Report { to, sites: plans, asks: asks(registry, to), losses: losses(registry, sites, to) })
}

/// Reports it.
pub(super) fn show(report: &Report, session: &Session) -> anyhow::Result<()> {
    session.output.report(report, Report::text)
}

async fn site_plan(
    group: &Group,
    registry: &Registry,
    site: &SiteName,
    from: SchemaVersion,
    to: SchemaVersion,
) -> anyhow::Result<SitePlan> {
    let url = group.url(site)?;
    let dialect = url.dialect();
    let way = SiteTables::plan(url, registry, from, to).await?;
    let tables = way.rows().await?;
    let rows = tables.iter().map(|table| table.rows).sum();
    let mut conn = Conn::open(url, Access::Read, "plan").await?;
    let measured = record::move_rate(conn.lend()).await?;
    conn.close().await;
    let (estimate, estimated_from) = match measured {
        Some(rate) => (Some(seconds(rows, rate)), "the last move here"),
        None => match way.sample().await? {
            Some(rate) => (Some(seconds(rows, rate)), "a sample of its rows, read and mapped"),
            None => (None, "no rows"),
        },
    };
    let mut steps: Vec<StepPlan> = Step::ALL
        .into_iter()
        .filter(|step| (Step::Preflight..=Step::Verify).contains(step) && *step != Step::Discard)
        .map(|step| StepPlan {
            step: step.name(),
            class: class(step),
            lock: lock(step, dialect),
            statements: statements(step, &way, from),
        })
        .collect();
    let mut ends = contract_statements(registry.set(), to, &url.place());
    ends.extend(way.drop_sql());
    steps.push(StepPlan {
        step: "contract",
        class: Class::Contract,
        lock: match dialect {
            Dialect::Postgres => "exclusive on the views dropped, as long as a name change takes",
            Dialect::Sqlite => "the writer's, for one short transaction and then one a table",
            Dialect::MariaDb => "exclusive on each view and table as it is dropped",
        },
        statements: ends,
    });
    Ok(SitePlan { site: site.clone(), from, rows, tables, estimate_s: estimate, estimated_from, steps })
}

fn seconds(rows: u64, per_second: u64) -> u64 {
    rows.div_ceil(per_second.max(1))
}

fn class(step: Step) -> Class {
    match step {
        Step::Expand | Step::Move | Step::Switch => Class::Expand,
        _ => Class::Conduct,
    }
}

fn lock(step: Step, dialect: Dialect) -> &'static str {
    match (step, dialect) {
        (Step::Expand, Dialect::Postgres | Dialect::MariaDb) => "none on a table that readers see",
        (Step::Move, Dialect::Postgres | Dialect::MariaDb) => "rows of the new tables, a chunk at a time",
        (Step::Switch, Dialect::Postgres) => {
            "exclusive on tables and views for one short transaction; asked for without waiting, then for the lock timeout at most"
        }
        (Step::Switch, Dialect::MariaDb) => {
            "exclusive on each view, and twice on all tables for a change of names; asked for without waiting, then for the lock timeout, in whole seconds, at most"
        }
        (Step::Expand | Step::Switch, Dialect::Sqlite) => {
            "the writer's, for one short transaction; readers go on"
        }
        (Step::Move, Dialect::Sqlite) => "the writer's, a chunk at a time; readers go on",
        (Step::Pause | Step::Resume, _) => "the control row, as long as one posting transaction takes",
        _ => "none",
    }
}

fn statements(step: Step, way: &SiteTables<'_>, from: SchemaVersion) -> Vec<String> {
    match step {
        Step::Expand => way.expand_sql(),
        Step::Move => way.move_remarks(from),
        Step::Switch => way.switch_sql(),
        _ => Vec::new(),
    }
}

/// The columns that the new version asks its users for.
fn asks(registry: &Registry, to: SchemaVersion) -> Vec<String> {
    let asks = registry.set().asks(to).unwrap_or_default();
    asks.iter().map(|ask| format!("{}.{}", ask.table, ask.column)).collect()
}

/// What the way up loses for good, as the set's author says.
fn losses(registry: &Registry, sites: &[(SiteName, SchemaVersion)], to: SchemaVersion) -> Vec<String> {
    let first = sites.iter().map(|(_, from)| *from).min().unwrap_or(to);
    let passed = registry.set().versions().iter().map(|version| version.number());
    let passed = passed.filter(|version| (first.next()..=to).contains(version));
    let told = |loss: &Loss| {
        let columns: Vec<&str> = loss.columns.iter().map(Name::as_ref).collect();
        let Loss { table, operation, reason, file, line, .. } = loss;
        format!("{file}:{line}: {operation} of {table}, {}: {reason}", columns.join(", "))
    };
    passed.flat_map(|version| registry.losses(version).into_iter().map(told)).collect()
}

impl Report {
    fn text(&self) -> String {
        if self.sites.is_empty() {
            return format!("all sites are at version {}", self.to);
        }
        self.sites
            .iter()
            .map(SitePlan::text)
            .chain(self.losses.iter().map(|loss| format!("-- lost for good: {loss}\n")))
            .chain(self.asks.iter().map(|column| format!("-- users are asked for {column}\n")))
            .collect()
    }
}

impl SitePlan {
    fn text(&self) -> String {
        let mut text = format!("-- {} from version {}: {} rows", self.site, self.from, self.rows);
        if let Some(estimate) = self.estimate_s {
            let estimate = Duration::from_secs(estimate);
            text.push_str(&format!(", about {estimate:?} to move, from {}", self.estimated_from));
        }
        text.push('\n');
        let moved = |rows: &TableRows| {
            let targets: Vec<&str> = rows.targets.iter().map(Name::as_ref).collect();
            vec![rows.table.to_string(), targets.join(", "), rows.rows.to_string()]
        };
        text.push_str(&table(&["table", "goes to", "rows"], self.tables.iter().map(moved)));
        for StepPlan { step, class, lock, statements } in &self.steps {
            let class = match class {
                Class::Conduct => "conduct",
                Class::Expand => "expand",
                Class::Contract => "contract",
            };
            text.push_str(&format!("-- {step} ({class}); lock: {lock}\n"));
            for statement in statements {
                let end = if statement.starts_with("--") { "" } else { ";" };
                text.push_str(&format!("{}{end}\n", statement.trim_end().trim_end_matches(';')));
            }
        }
        text
    }
}
