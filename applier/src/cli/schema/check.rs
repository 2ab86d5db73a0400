//! `daybook schema check`: whether a set is sound, and whether its mappings keep the laws.

mod told;

use anyhow::Context as _;
use journal_core::model::{SchemaVersion, SiteName};
use journal_core::sql::DbUrl;
use schema_mappers::Registry;
use schema_mappers::laws::{Break, Dice, Laws, Report, Tally};

use self::told::{Broken, Checked, Listed, SiteTried, Tried, ViewsTried};
use super::{Set, load};
use crate::audit::Progress;
use crate::cli::Session;
use crate::cli::address;
use crate::cli::code;
use crate::cli::failure::{Exit, Failure};
use crate::cli::group::Group;
use crate::laws::{lost, site, views};
use crate::scratch::Scratch;

/// Cases that are made up at once, between two notes of progress.
const CASES_AT_ONCE: u32 = 50;
/// One case in so many is also tried on the views of a database, which is slower.
const VIEWS_EVERY: u32 = 10;

/// Load and check the whole set, and try the laws of mapping on it
///
/// Tries on made-up rows and changes, with the edges of every type, that each way between two versions leads back, that several versions at once are the same as step by step, that mapping a change and posting it gives what posting it and mapping the rows gives, and that views show what the mapper says. With --journal also on rows and changes of a site, which is only read. Exits with 1 when a law breaks.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    set: Set,
    /// How many cases are made up; 0 only loads the set
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    cases: u32,
    /// What the cases are made of; another number gives other cases, the same number the same
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Try rows of this site's ledger and changes of its journal as well
    #[arg(long, value_name = "SITE")]
    journal: Option<SiteName>,
    /// At most so many rows of each table, and transactions of each origin, of that site
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    rows: usize,
    /// An empty database to try views in, besides SQLite. A password as ${VARIABLE}
    #[arg(long, value_name = "URL")]
    scratch: Option<String>,
}

pub(in crate::cli) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let (registry, directory) = load(&args.set, session)?;
    let versions = registry.set().versions();
    let newest = registry.set().newest().number();
    let mut checked = Checked {
        directory: directory.display().to_string(),
        versions: versions.iter().map(|version| Listed::of(&registry, version)).collect(),
        ways: versions.len() * (versions.len() - 1),
        losses: lost(&registry, SchemaVersion(1), newest),
        seed: args.seed,
        made_up: Tried::default(),
        site: None,
        views: Vec::new(),
        breaks: Vec::new(),
    };
    checked.make_up(&registry, &args, session);
    if let Some(site) = &args.journal {
        checked.bring(&registry, site, args.rows, session).await?;
    }
    if args.cases > 0 {
        checked.look(&registry, &args, session).await?;
    }
    session.output.report(&checked, Checked::text)?;
    match checked.breaks.len() {
        0 => Ok(()),
        count => {
            let message =
                format!("the set in {} breaks the laws of mapping: {count} found", checked.directory);
            Err(Failure::error(Exit::Failure, code::LAW_BROKEN, message))
        }
    }
}

impl Listed {
    fn of(registry: &Registry, version: &schema_mappers::Version) -> Self {
        Self {
            version: version.number(),
            hash: version.hash().to_owned(),
            tables: version.schema().tables.len(),
            asks: registry.set().asks(version.number()).map_or(0, |asks| asks.len()),
        }
    }
}

impl Checked {
    /// The laws on made-up rows and changes.
    fn make_up(&mut self, registry: &Registry, args: &Args, session: &Session) {
        let laws = Laws::new(registry.clone());
        let bar = session.output.bar("cases", Some(u64::from(args.cases)));
        let mut report = Report::default();
        let (mut left, mut dice) = (args.cases, Dice::new(args.seed));
        while left > 0 && report.holds() {
            let now = left.min(CASES_AT_ONCE);
            report.absorb(laws.generated(dice.bits(), now));
            left -= now;
            let done = u64::from(args.cases - left);
            session.output.follow(&bar, Progress { done, total: Some(u64::from(args.cases)) });
        }
        bar.finish_and_clear();
        let Tally { rows, changes, refused } = sum(&report);
        self.made_up = Tried { cases: report.cases, rows, changes, refused };
        self.broken("made up", &report.breaks);
    }

    /// The laws on a site's rows and changes.
    async fn bring(
        &mut self,
        registry: &Registry,
        name: &SiteName,
        rows: usize,
        session: &Session,
    ) -> anyhow::Result<()> {
        let group = Group::load(&session.config)?;
        group.reach(name).await?;
        let bar = session.output.bar("rows", Some(0));
        let mut watch = |progress: Progress| session.output.follow(&bar, progress);
        let brought = site(group.url(name)?, registry, rows, &mut watch).await;
        bar.finish_and_clear();
        let brought = brought.with_context(|| format!("try the laws on the rows of {name}"))?;
        self.broken(&format!("site {name}"), &brought.report.breaks);
        self.site = Some(SiteTried {
            site: name.clone(),
            at: brought.at,
            rows: brought.rows,
            changes: brought.changes,
            passed_over: brought.passed_over,
            refused: sum(&brought.report).refused,
        });
        Ok(())
    }

    /// Views of ledgers at every version, in SQLite and where the arguments say.
    async fn look(&mut self, registry: &Registry, args: &Args, session: &Session) -> anyhow::Result<()> {
        let directory = tempfile::Builder::new().prefix("daybook-check-").tempdir();
        let directory = directory.context("make a directory for the views")?;
        let file = directory.path().join("views.db");
        let mut urls: Vec<DbUrl> = vec![format!("sqlite:{}", file.display()).parse()?];
        if let Some(scratch) = &args.scratch {
            urls.push(address::read("--scratch", scratch)?);
        }
        let cases = args.cases.div_ceil(VIEWS_EVERY);
        for url in urls {
            for version in registry.set().versions() {
                self.look_at(registry, &url, version.number(), (args.seed, cases), session).await?;
            }
        }
        Ok(())
    }

    async fn look_at(
        &mut self,
        registry: &Registry,
        url: &DbUrl,
        at: SchemaVersion,
        (seed, cases): (u64, u32),
        session: &Session,
    ) -> anyhow::Result<()> {
        let scratch = Scratch::claim(url).await.context("take the scratch database")?;
        let bar = session.output.bar("views", Some(u64::from(cases)));
        let mut watch = |progress: Progress| session.output.follow(&bar, progress);
        let viewed = views(&scratch, registry, at, (seed, cases), &mut watch).await;
        bar.finish_and_clear();
        let removed = scratch.remove().await;
        let dialect = url.dialect().to_string();
        let viewed = viewed.with_context(|| format!("try the views of version {at} in {dialect}"))?;
        removed.context("clear the scratch database")?;
        self.broken(&format!("views in {dialect}"), &viewed.breaks);
        let (rows, views, refused) = (viewed.rows, viewed.views, viewed.refused);
        self.views.push(ViewsTried { dialect, at, rows, views, refused });
        Ok(())
    }

    fn broken(&mut self, on: &str, breaks: &[Break]) {
        let place = |suspect: &schema_mappers::laws::Suspect| {
            format!("{}:{}: {}", suspect.file, suspect.line, suspect.op)
        };
        self.breaks.extend(breaks.iter().map(|found| Broken {
            on: on.to_owned(),
            law: found.law.to_string(),
            from: found.from,
            to: found.to,
            case: found.seed,
            places: found.suspects.iter().map(place).collect(),
            text: found.to_string(),
        }));
    }
}

fn sum(report: &Report) -> Tally {
    report.tried.values().fold(Tally::default(), |all, tally| Tally {
        rows: all.rows + tally.rows,
        changes: all.changes + tally.changes,
        refused: all.refused + tally.refused,
    })
}
