//! `daybook schema`: look at a schema set before anything rests on it.

pub(super) mod apply;
mod check;
mod url;

use std::path::PathBuf;

use journal_core::model::{Schema, SchemaVersion};
use schema_mappers::ddl::{self, Place};
use schema_mappers::{Registry, RustMappers, SchemaSet, Version};
use serde::Serialize;

use super::Session;
use super::code;
use super::failure::{Exit, Failure};
use super::group::Group;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    Apply(apply::Args),
    Url(url::Args),
    Check(check::Args),
    /// Show one version: its tables, and the SQL that makes them
    Show {
        /// The version
        version: i64,
        /// The SQL of this database
        #[arg(long, value_enum, default_value_t = Sql::Sqlite)]
        sql: Sql,
        #[command(flatten)]
        set: Set,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Set {
    /// The directory of the set; by default the one of the configuration
    #[arg(long, visible_alias = "set", value_name = "DIR")]
    schema: Option<PathBuf>,
}

/// A kind of SQL, as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Sql {
    Sqlite,
    Postgres,
    Mariadb,
}

#[derive(Debug, Serialize)]
struct Shown<'s> {
    version: SchemaVersion,
    hash: String,
    schema: &'s Schema,
    statements: Vec<String>,
    views: Vec<String>,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    match args {
        Args::Apply(args) => apply::run(args, session).await,
        Args::Url(args) => url::run(args, session).await,
        Args::Check(args) => check::run(args, session).await,
        Args::Show { version, sql, set } => show(SchemaVersion(version), sql, &set, session),
    }
}

/// The set and its directory. Building the registry proves what loading does not: that all is covered.
fn load(set: &Set, session: &Session) -> anyhow::Result<(Registry, PathBuf)> {
    let directory = match &set.schema {
        Some(directory) => directory.clone(),
        None => Group::load(&session.config)?.config.schema,
    };
    let loaded = SchemaSet::load(&directory)?;
    Ok((Registry::new(loaded, RustMappers::none())?, directory))
}

fn show(version: SchemaVersion, sql: Sql, set: &Set, session: &Session) -> anyhow::Result<()> {
    let (registry, directory) = load(set, session)?;
    let newest = registry.set().newest().number();
    let found = registry.set().version(version).ok_or_else(|| {
        let message = format!("{} has versions 1 to {newest}, and no {version}", directory.display());
        Failure::error(Exit::Usage, code::UNKNOWN_VERSION, message)
    })?;
    session.output.report(&Shown::new(found, sql, &registry), Shown::text)
}

impl<'s> Shown<'s> {
    fn new(version: &'s Version, sql: Sql, registry: &Registry) -> Self {
        let place = match sql {
            Sql::Sqlite => Place::sqlite(),
            Sql::Postgres => Place::postgres(),
            // No name of a database is known here: the word stands for it.
            Sql::Mariadb => Place::mariadb("DATABASE"),
        };
        Self {
            version: version.number(),
            hash: version.hash().to_owned(),
            schema: version.schema(),
            statements: ddl::create_tables(version, place.dialect()),
            views: ddl::views(registry.set(), version.number(), &place).unwrap_or_default(),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("-- schema version {}, {}\n", self.version, self.hash);
        for statement in self.statements.iter().chain(&self.views) {
            text.push_str(statement.trim_end().trim_end_matches(';'));
            text.push_str(";\n");
        }
        text
    }
}
