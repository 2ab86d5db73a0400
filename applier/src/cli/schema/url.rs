//! `daybook schema url`: the address at which an application of a version reads at a site.

use journal_core::model::{SchemaVersion, SiteName};
use journal_core::sql::{Access, Conn};
use journal_core::store::sql::read_serving;
use serde::Serialize;

use crate::cli::Session;
use crate::cli::code;
use crate::cli::failure::{Exit, Failure};
use crate::cli::group::Group;

/// Show the address at which an application of a version reads at a site
///
/// On PostgreSQL it is an address whose search path leads to the version's views: statements stay as they are. In SQLite it
/// is the file, and the names of the views end in the version. Passwords are not shown: give the application its own way
/// to its password. Fails when the site's ledger has no views of the version.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The site
    site: SiteName,
    /// The schema version of the application
    #[arg(long, value_name = "VERSION")]
    version: i64,
}

#[derive(Debug, Serialize)]
struct Report {
    site: SiteName,
    version: SchemaVersion,
    url: String,
    search_path: Option<String>,
    suffix: Option<String>,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    let version = SchemaVersion(args.version);
    group.reach(&args.site).await?;
    let url = group.url(&args.site)?;
    let mut conn = Conn::open(url, Access::Read, "schema url").await?;
    let serving = read_serving(conn.lend()).await?;
    if !serving.reads(version) {
        let readable: Vec<String> = serving.readable.iter().map(ToString::to_string).collect();
        let message = format!(
            "{} has no views of version {version}; its ledger stands at {} and has views of {}",
            args.site,
            serving.ledger_version,
            if readable.is_empty() { "none".to_owned() } else { readable.join(", ") }
        );
        return Err(Failure::error(Exit::Failure, code::NOT_READABLE, message));
    }
    let reading = url.reading(version);
    let (search_path, suffix) = (reading.search_path(), reading.suffix());
    let report = Report { site: args.site, version, url: reading.to_string(), search_path, suffix };
    session.output.report(&report, Report::text)
}

impl Report {
    fn text(&self) -> String {
        match &self.suffix {
            Some(suffix) => format!("{}\nviews: NAME{suffix}", self.url),
            None => self.url.clone(),
        }
    }
}
