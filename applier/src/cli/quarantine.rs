//! `daybook quarantine`: what a site could not take, and what to do about it.

use anyhow::Context as _;
use journal_core::model::{SiteName, TransactionId};
use serde::Serialize;

use super::Session;
use super::code;
use super::failure::{Exit, Failure};
use super::group::{Group, who};
use super::output::table;
use crate::control::ControlStore as _;
use crate::control::sql::SqlControl;
use crate::ledger::sql::SqlLedger;
use crate::ledger::{Asked, Ledger as _, Quarantined};

/// See to transactions that a site could not take
///
/// Accepted transactions that a site's ledger cannot take are put aside there, whole, with what depends on them.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// List what is in quarantine at a site, in the order of arrival
    List {
        /// The site
        site: SiteName,
    },
    /// Ask the site to post a transaction now; what waits for it follows by itself
    Retry(Ask),
    /// Ask the site to leave a transaction out for good; its content stays in the journal, and this site then differs
    /// from the others by its effect
    Discard(Ask),
}

#[derive(Debug, clap::Args)]
pub(super) struct Ask {
    /// The site
    site: SiteName,
    /// The transaction, such as a/1/17
    id: TransactionId,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, Serialize)]
struct List {
    site: SiteName,
    quarantined: Vec<Held>,
}

#[derive(Debug, Serialize)]
struct Held {
    transaction: String,
    seal_nr: i64,
    code: &'static str,
    detail: String,
    depends_on: Option<String>,
    asked: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Recorded {
    site: SiteName,
    transaction: String,
    asked: &'static str,
    who: String,
    reason: String,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    match args {
        Args::List { site } => list(site, &group, session).await,
        Args::Retry(what) => ask(what, Asked::Retry, &group, session).await,
        Args::Discard(what) => ask(what, Asked::Discard, &group, session).await,
    }
}

async fn list(site: SiteName, group: &Group, session: &Session) -> anyhow::Result<()> {
    group.reach(&site).await?;
    let mut ledger = SqlLedger::open_reader(group.url(&site)?, "list quarantine").await?;
    let quarantined =
        ledger.quarantined().await?.into_iter().map(|(held, asked)| Held::new(held, asked)).collect();
    session.output.report(&List { site, quarantined }, List::text)
}

async fn ask(what: Ask, asked: Asked, group: &Group, session: &Session) -> anyhow::Result<()> {
    let Ask { site, id, reason } = what;
    group.reach(&site).await?;
    let who = who();
    let mut control = SqlControl::open(group.url(&site)?).await?;
    let known = control.ask(&id, asked, &who, &reason).await.with_context(|| format!("ask {site}"))?;
    if !known {
        let message = format!("{id} is not in quarantine at {site}");
        return Err(Failure::error(Exit::Failure, code::NOT_IN_QUARANTINE, message));
    }
    let asked = word(asked).unwrap_or_default();
    let recorded = Recorded { site, transaction: id.to_string(), asked, who, reason };
    session.output.report(&recorded, |recorded| {
        format!("{}: {} is asked for; the service carries it out", recorded.transaction, recorded.asked)
    })
}

fn word(asked: Asked) -> Option<&'static str> {
    match asked {
        Asked::Nothing => None,
        Asked::Retry => Some("retry"),
        Asked::Discard => Some("discard"),
    }
}

impl Held {
    fn new(held: Quarantined, asked: Asked) -> Self {
        let Quarantined { id, seal_nr, fault, detail, depends_on } = held;
        Self {
            transaction: id.to_string(),
            seal_nr: seal_nr.0,
            code: fault.code(),
            detail,
            depends_on: depends_on.map(|id| id.to_string()),
            asked: word(asked),
        }
    }
}

impl List {
    fn text(&self) -> String {
        if self.quarantined.is_empty() {
            return format!("nothing is in quarantine at {}", self.site);
        }
        let rows = self.quarantined.iter().map(|held| {
            let after = held.depends_on.clone().unwrap_or_default();
            let asked = held.asked.unwrap_or_default().to_owned();
            vec![held.transaction.clone(), held.code.to_owned(), after, asked, held.detail.clone()]
        });
        table(&["transaction", "code", "after", "asked", "detail"], rows)
    }
}
