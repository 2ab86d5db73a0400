//! `daybook site add`: a new site gets the journal and the ledger of one that is there, while both go on.

use anyhow::Context as _;
use journal_core::model::{SchemaVersion, SiteName};
use schema_mappers::ddl;
use serde::Serialize;

use crate::audit::Progress;
use crate::cli::Session;
use crate::cli::code;
use crate::cli::failure::{Exit, Failure};
use crate::cli::group::{Group, who};
use crate::cli::output::{Output, table};
use crate::join::{self, Added, Order, Place, Plan, Stage, TablePlan};

/// Add a site to a group that lives
///
/// The site stands in the configuration, and its database is there and empty. It gets its tables, the journal, and the
/// ledger of another site as it stands in one snapshot, whatever store each is in. Appends and posting go on everywhere
/// else. Cut off, the same command goes on. Once it is whole, its service catches up.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The site to add
    site: SiteName,
    /// The site whose ledger it gets; it is only read
    #[arg(long, value_name = "SITE")]
    from: SiteName,
    /// Show what would be done, with the SQL, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    site: SiteName,
    from: SiteName,
    url: String,
    dry_run: bool,
    epoch: i64,
    stripe: i64,
    #[serde(flatten)]
    done: Done,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Done {
    Planned { version: SchemaVersion, to_copy: Vec<TablePlan>, statements: Vec<String> },
    Added(Added),
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    let order = order(&group, &args).await?;
    let (done, epoch) = match args.dry_run {
        true => {
            let plan = join::plan(&order).await.with_context(|| adding(&args))?;
            let epoch = plan.site.origin.epoch.0;
            (planned(&order, plan), epoch)
        }
        false => {
            let added = carry_out(&order, session.output).await.with_context(|| adding(&args))?;
            (Done::Added(added), group.reach(&args.site).await?.origin.epoch.0)
        }
    };
    let report = Report {
        url: order.new.url.to_string(),
        site: args.site,
        from: args.from,
        dry_run: args.dry_run,
        epoch,
        stripe: order.stripe,
        done,
    };
    session.output.report(&report, Report::text)
}

fn adding(args: &Args) -> String {
    format!("add {} from {}", args.site, args.from)
}

/// Every other site has to answer: their stripes are compared, and each hears of the new one.
async fn order(group: &Group, args: &Args) -> anyhow::Result<Order> {
    let new = group.site(&args.site)?;
    group.site(&args.from)?;
    if args.site == args.from {
        let message = format!("{} cannot be added from itself", args.site);
        return Err(Failure::error(Exit::Usage, code::USAGE, message));
    }
    let mut others = Vec::new();
    for name in group.config.sites.keys().filter(|name| **name != args.site) {
        group.reach(name).await?;
        others.push(Place { site: name.clone(), url: group.url(name)?.clone() });
    }
    Ok(Order {
        group: group.config.group.clone(),
        new: Place { site: args.site.clone(), url: new.url.clone() },
        stripe: new.stripe,
        from: Place { site: args.from.clone(), url: group.url(&args.from)?.clone() },
        others,
        who: who(),
    })
}

/// Tells each stage as it begins, and draws a bar in it.
async fn carry_out(order: &Order, output: Output) -> Result<Added, join::JoinError> {
    let site = &order.new.site;
    let (mut last, mut bar) = (None, indicatif::ProgressBar::hidden());
    let mut tell = |stage: &Stage, progress: Progress| {
        if last.as_ref() != Some(stage) {
            bar.finish_and_clear();
            let (line, what) = told(stage);
            output.remark(&format!("{site}: {line}"));
            bar = output.bar(what, progress.total);
            last = Some(stage.clone());
        }
        output.follow(&bar, progress);
    };
    let added = join::add(order, &mut tell).await;
    bar.finish_and_clear();
    added
}

fn told(stage: &Stage) -> (String, &'static str) {
    match stage {
        Stage::Tables => ("tables".to_owned(), "tables"),
        Stage::Journal => ("journal".to_owned(), "transactions"),
        Stage::Rows(table) => (format!("rows of {table}"), "rows"),
        Stage::Checkpoints => ("checkpoints".to_owned(), "checkpoints"),
    }
}

fn planned(order: &Order, plan: Plan) -> Done {
    let (set, version) = (plan.registry.set(), plan.version);
    let mut statements = Vec::new();
    if let Some(known) = set.version(version) {
        statements = ddl::create_tables(known, order.new.url.dialect());
        statements.extend(ddl::views(set, version, &order.new.url.place()).unwrap_or_default());
    }
    Done::Planned { version, to_copy: plan.tables, statements }
}

impl Report {
    fn text(&self) -> String {
        let Self { site, from, .. } = self;
        match &self.done {
            Done::Planned { version, to_copy, statements } => {
                let head = format!("{site} would be added from {from} at schema version {version}\n");
                let rows = to_copy.iter().map(|one| vec![one.table.to_string(), one.rows.to_string()]);
                let mut text = head + &table(&["table", "rows"], rows);
                text.push_str(&format!("\n-- site {site}, besides Daybook's own tables\n"));
                for statement in statements {
                    text.push_str(&format!("{};\n", statement.trim_end().trim_end_matches(';')));
                }
                text
            }
            Done::Added(added) if added.already => {
                format!("{site} is a member of the group already; nothing was done")
            }
            Done::Added(added) => {
                let rows = added.tables.iter().map(|one| {
                    let counts = [one.rows, one.written, one.dropped];
                    std::iter::once(one.table.to_string())
                        .chain(counts.map(|count| count.to_string()))
                        .collect()
                });
                let up_to = added.up_to.iter().map(|(origin, seal)| format!("{origin} to seal {seal}"));
                format!(
                    "{site} is added from {from} at schema version {}, {} transactions received\n{}\
                     whole with {}; it catches up once its service runs\n",
                    added.version,
                    added.received,
                    table(&["table", "rows", "written", "dropped"], rows),
                    up_to.collect::<Vec<_>>().join(", ")
                )
            }
        }
    }
}
