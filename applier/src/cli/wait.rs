//! `daybook wait`: returns when a site has caught up with a point.

use journal_core::model::{SiteName, TransNr, TransactionId};
use journal_core::sql::{Conn, Param};
use journal_core::store::sql::{read_transaction, read_verdicts};
use serde::Serialize;

use super::Session;
use super::goal::{Goal, Whose};
use super::group::Group;
use super::patience::{Patience, Timeout};
use crate::ledger::sql::load_quarantined;

const DISCARDED: &str = "SELECT 1 FROM {d}quarantine WHERE origin = $1 AND epoch = $2 AND trans_nr = $3 \
                         AND state = 'discarded'";

/// Wait until a site has caught up
///
/// Until transactions are decided and posted there, or put in quarantine. Exits with 4, telling what is
/// missing, when the time is over.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("point").required(true))]
pub(super) struct Args {
    /// The site
    site: SiteName,
    /// Everything that is appended at any site when this begins
    #[arg(long, group = "point")]
    all: bool,
    /// Everything of its origin up to this transaction, such as a/1/17
    #[arg(long, group = "point", value_name = "TRANSACTION")]
    until: Option<TransactionId>,
    /// For how long at most
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    timeout: Timeout,
}

#[derive(Debug, Serialize)]
struct Report {
    site: SiteName,
    reached: Vec<Reached>,
    waited_ms: u64,
    quarantined: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<Fate>,
}

#[derive(Debug, Serialize)]
struct Reached {
    origin: String,
    until: TransNr,
}

/// What became of the transaction that was waited for.
#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum Fate {
    Applied,
    Rejected {
        code: String,
        detail: String,
    },
    Quarantined {
        code: String,
        detail: String,
    },
    Discarded,
    /// The number was never used, or its transaction was rolled back.
    Absent,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    group.reach(&args.site).await?;
    let patience = Patience::start(args.timeout);
    let goal = match &args.until {
        Some(id) => {
            group.site(&id.origin.site)?;
            Goal::transaction(&group, &args.site, id.origin.clone(), id.trans_nr)
        }
        None => Goal::capture(&group, &args.site, Whose::Everybodys).await?,
    };
    goal.wait(patience).await?;
    let mut conn = group.reader(&args.site).await?;
    let held = load_quarantined(conn.lend()).await?;
    let transaction = match &args.until {
        None => None,
        Some(id) => match held.iter().find(|(held, _)| held.id == *id) {
            Some((held, _)) => {
                Some(Fate::Quarantined { code: held.fault.code().to_owned(), detail: held.detail.clone() })
            }
            None => Some(fate(conn, id).await?),
        },
    };
    let reached =
        goal.until().iter().map(|(origin, until)| Reached { origin: origin.to_string(), until: *until });
    let report = Report {
        site: args.site,
        reached: reached.collect(),
        waited_ms: patience.waited_ms(),
        quarantined: held.len(),
        transaction,
    };
    session.output.report(&report, Report::text)
}

impl Report {
    fn text(&self) -> String {
        let mut text = match &self.transaction {
            None => format!("{} has caught up", self.site),
            Some(Fate::Applied) => format!("applied at {}", self.site),
            Some(Fate::Rejected { code, detail }) => format!("rejected by its origin ({code}): {detail}"),
            Some(Fate::Discarded) => format!("discarded at {}", self.site),
            Some(Fate::Absent) => "no transaction has that number".to_owned(),
            Some(Fate::Quarantined { code, detail }) => {
                format!("in quarantine at {} ({code}): {detail}", self.site)
            }
        };
        if self.quarantined > 0 {
            text.push_str(&format!("; {} in quarantine, see `daybook quarantine list`", self.quarantined));
        }
        text
    }
}

/// What became of a transaction that the site has passed and does not hold.
async fn fate(mut conn: Conn, id: &TransactionId) -> anyhow::Result<Fate> {
    let params = vec![id.origin.site.as_str().into(), id.origin.epoch.0.into(), Param::from(id.trans_nr.0)];
    if conn.lend().fetch_optional(DISCARDED, params).await?.is_some() {
        return Ok(Fate::Discarded);
    }
    if read_transaction(conn.lend(), id).await?.is_none() {
        return Ok(Fate::Absent);
    }
    let verdicts = read_verdicts(conn.lend(), &id.origin, id.trans_nr, id.trans_nr).await?;
    Ok(match verdicts.of(id.trans_nr) {
        Some((_, Some(against))) => {
            Fate::Rejected { code: against.code.clone(), detail: against.detail.clone() }
        }
        _ => Fate::Applied,
    })
}
