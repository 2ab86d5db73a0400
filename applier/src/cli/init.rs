//! `daybook init`: a configuration, and what each site's database needs before anything can be appended.

mod settings;
mod stripes;

use std::path::PathBuf;

use anyhow::Context as _;
use journal_core::model::{Epoch, Origin, SchemaVersion, SiteName};
use journal_core::sql::{Access, DbUrl};
use journal_core::store::sql::{OpenError, Site, SqlJournal, list_schema_versions};
use schema_mappers::{Registry, RustMappers, SchemaSet, ddl};
use serde::Serialize;

use self::settings::Given;
use super::Session;
use super::code;
use super::failure::{Exit, Failure};
use super::group::{Group, who};
use super::output::table;
use crate::config::Config;
use crate::upgrade::install;

/// Make every database of the group a site
///
/// Puts Daybook's own tables there, the schema versions on record, and the empty ledger tables and views of one version.
/// Run again, it changes nothing but what is missing, such as new schema versions.
///
/// With --group, --schema and --site it first writes the configuration file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write the configuration: the group's name
    #[arg(long, requires_all = ["schema", "sites"])]
    group: Option<String>,
    /// Write the configuration: the directory of the schema set, relative to the configuration file
    #[arg(long, value_name = "DIR", requires = "group")]
    schema: Option<String>,
    /// Write the configuration: a site and its database. No password: it belongs into the environment
    #[arg(long = "site", value_name = "NAME=URL", requires = "group")]
    sites: Vec<String>,
    /// The schema version of the new ledger tables; by default 1
    #[arg(long, value_name = "VERSION")]
    at: Option<i64>,
    /// Show what would be done, with the SQL, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    config: PathBuf,
    config_written: bool,
    dry_run: bool,
    sites: Vec<Done>,
}

#[derive(Debug, Serialize)]
struct Done {
    site: SiteName,
    url: String,
    epoch: Epoch,
    stripe: i64,
    ledger_version: SchemaVersion,
    created: bool,
    released: Vec<SchemaVersion>,
    statements: Vec<String>,
}

/// What is to be done at one site.
#[derive(Debug)]
struct Plan {
    site: Site,
    url: DbUrl,
    /// Whether its ledger tables are not there yet.
    create: bool,
    /// Versions that are not on record there yet.
    release: Vec<SchemaVersion>,
    /// The stripe that it has already, whatever the configuration says.
    stripe_on_record: Option<i64>,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let given = Given::new(args.group, args.schema, &args.sites)?;
    let (config, config_written) = match &given {
        None => (Group::load(&session.config)?.config, false),
        Some(given) => given.settle(&session.config, args.dry_run)?,
    };
    let set = SchemaSet::load(&config.schema)?;
    let registry = Registry::new(set, RustMappers::none())?;
    let at = args.at.map(SchemaVersion);
    check_version(at, registry.set(), &config)?;
    let mut plans = Vec::new();
    for name in config.sites.keys() {
        let plan = plan(&config, name, at, registry.set()).await;
        plans.push(plan.with_context(|| format!("look at site {name}"))?);
    }
    stripes::check(plans.iter().map(|plan| (&plan.site, plan.stripe_on_record)))?;
    let mut sites = Vec::new();
    for plan in plans {
        let name = plan.site.origin.site.clone();
        sites.push(match args.dry_run {
            true => plan.shown(registry.set()),
            false => {
                plan.carry_out(registry.set()).await.with_context(|| format!("initialise site {name}"))?
            }
        });
    }
    let report = Report { config: session.config.clone(), config_written, dry_run: args.dry_run, sites };
    session.output.report(&report, Report::text)
}

fn check_version(at: Option<SchemaVersion>, set: &SchemaSet, config: &Config) -> anyhow::Result<()> {
    match at {
        Some(at) if set.version(at).is_none() => {
            let newest = set.newest().number();
            let message = format!("{} has versions 1 to {newest}, and no {at}", config.schema.display());
            Err(Failure::error(Exit::Usage, code::UNKNOWN_VERSION, message))
        }
        _ => Ok(()),
    }
}

/// Compares what a site needs with what stands there. A site that has a ledger keeps its version, unless asked for
/// another, which is then refused when it is carried out.
async fn plan(
    config: &Config,
    name: &SiteName,
    at: Option<SchemaVersion>,
    set: &SchemaSet,
) -> anyhow::Result<Plan> {
    let settings = &config.sites[name];
    let (found, on_record) = found(&settings.url).await?;
    let epoch = found.as_ref().map_or(Epoch(1), |site| site.origin.epoch);
    let stripe_on_record = found.as_ref().map(|site| site.stripe);
    let stands = found.map(|site| site.ledger_version).filter(|version| version.0 > 0);
    let site = Site {
        origin: Origin { site: name.clone(), epoch },
        group: config.group.clone(),
        stripe: settings.stripe,
        ledger_version: at.or(stands).unwrap_or(SchemaVersion(1)),
    };
    let numbers = set.versions().iter().map(|version| version.number());
    let release = numbers.filter(|number| !on_record.contains(number)).collect();
    Ok(Plan { site, url: settings.url.clone(), create: stands.is_none(), release, stripe_on_record })
}

/// The site a database is already, and its versions on record.
async fn found(url: &DbUrl) -> anyhow::Result<(Option<Site>, Vec<SchemaVersion>)> {
    if url.sqlite_path().is_some_and(|path| !path.exists()) {
        return Ok((None, Vec::new()));
    }
    let mut journal = match SqlJournal::open(url, Access::Read, "look").await {
        Ok(journal) => journal,
        Err(OpenError::NotInitialised { .. }) => return Ok((None, Vec::new())),
        Err(error) => return Err(error.into()),
    };
    let mut conn = journal.connection().await?;
    let released = list_schema_versions(conn.lend()).await?;
    Ok((Some(journal.site().clone()), released.into_iter().map(|released| released.schema.version).collect()))
}

impl Plan {
    async fn carry_out(self, set: &SchemaSet) -> anyhow::Result<Done> {
        let installed = install::install(&self.url, &self.site, set, &who()).await?;
        Ok(Done { created: installed.created, ledger_version: installed.version, ..self.done() })
    }

    fn shown(self, set: &SchemaSet) -> Done {
        let version = self.site.ledger_version;
        let dialect = self.url.dialect();
        let mut statements = Vec::new();
        if let (true, Some(known)) = (self.create, set.version(version)) {
            statements = ddl::create_tables(known, dialect);
            statements.extend(ddl::views(set, version, &self.url.place()).unwrap_or_default());
        }
        Done { created: self.create, statements, ..self.done() }
    }

    fn done(self) -> Done {
        Done {
            site: self.site.origin.site,
            url: self.url.to_string(),
            epoch: self.site.origin.epoch,
            stripe: self.site.stripe,
            ledger_version: self.site.ledger_version,
            created: false,
            released: self.release,
            statements: Vec::new(),
        }
    }
}

impl Report {
    fn text(&self) -> String {
        let mut text = match (self.config_written, self.dry_run) {
            (true, false) => format!("wrote {}\n", self.config.display()),
            (true, true) => format!("would write {}\n", self.config.display()),
            (false, _) => String::new(),
        };
        let rows = self.sites.iter().map(|done| {
            let tables = match (done.created, self.dry_run) {
                (true, false) => "created",
                (true, true) => "to create",
                (false, _) => "there already",
            };
            let released: Vec<String> = done.released.iter().map(ToString::to_string).collect();
            vec![
                done.site.to_string(),
                done.ledger_version.to_string(),
                tables.to_owned(),
                released.join(", "),
                done.url.clone(),
            ]
        });
        let released = if self.dry_run { "to release" } else { "released" };
        text.push_str(&table(&["site", "version", "tables", released, "database"], rows));
        for done in &self.sites {
            if !done.statements.is_empty() {
                text.push_str(&format!("\n-- site {}, besides Daybook's own tables\n", done.site));
            }
            for statement in &done.statements {
                text.push_str(&format!("{};\n", statement.trim_end().trim_end_matches(';')));
            }
        }
        text
    }
}
