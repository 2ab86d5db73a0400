//! `daybook ask`: rows in which a new version wants a value that only a user knows.

use anyhow::Context as _;
use journal_core::model::SiteName;
use serde::Serialize;

use super::Session;
use super::code;
use super::failure::{Exit, Failure};
use super::group::{Group, who};
use super::output::table;
use crate::asks::{self, AskedRow, OpenAsk, Waiver};

/// Rows of each question that are listed unless told otherwise: enough to see what it is about.
const LISTED: usize = 100;

/// See to rows that wait for a value only a user knows
///
/// A version may require a column that nobody has filled in yet. Such rows hold the ask code of the schema set, leave the queue with the write that gives a real value, and keep the version before from being given up.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// List the questions and the rows that wait
    List {
        /// The site; by default all of the configuration
        site: Option<SiteName>,
        /// Only this table, as the ledger names it
        #[arg(long, value_name = "TABLE")]
        table: Option<String>,
        /// At most so many rows of each question; all are counted
        #[arg(long, value_name = "COUNT", default_value_t = LISTED)]
        limit: usize,
    },
    /// Give a question up: rows keep the ask code, and nothing waits for them any more
    Waive {
        /// The site
        site: SiteName,
        /// The table, as the ledger names it
        table: String,
        /// The column
        column: String,
        /// Why, for the record
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Debug, Serialize)]
struct List {
    sites: Vec<SiteList>,
}

#[derive(Debug, Serialize)]
struct SiteList {
    site: SiteName,
    asks: Vec<OpenAsk>,
    rows: Vec<AskedRow>,
}

#[derive(Debug, Serialize)]
struct Recorded {
    site: SiteName,
    table: String,
    column: String,
    #[serde(flatten)]
    waiver: Waiver,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    match args {
        Args::List { site, table, limit } => {
            let named: Vec<SiteName> = site.into_iter().collect();
            let mut sites = Vec::new();
            for site in group.chosen(&named)? {
                sites.push(list(&group, site, table.as_deref(), limit).await?);
            }
            session.output.report(&List { sites }, List::text)
        }
        Args::Waive { site, table, column, reason } => {
            group.reach(&site).await?;
            let waiver = Waiver { who: who(), why: reason };
            let waived = asks::waive(group.url(&site)?, &table, &column, &waiver).await;
            if !waived.with_context(|| format!("waive {table}.{column} at {site}"))? {
                let message = format!("nothing is asked of {table}.{column} at {site}");
                return Err(Failure::error(Exit::Failure, code::NOTHING_ASKED, message));
            }
            session.output.report(&Recorded { site, table, column, waiver }, |recorded| {
                let Recorded { site, table, column, .. } = recorded;
                format!("{site}: nothing waits for {table}.{column} any more; its rows keep the ask code")
            })
        }
    }
}

async fn list(group: &Group, site: SiteName, table: Option<&str>, limit: usize) -> anyhow::Result<SiteList> {
    group.reach(&site).await?;
    let queue = asks::list(group.url(&site)?, table, limit).await;
    let queue = queue.with_context(|| format!("read the queue of {site}"))?;
    Ok(SiteList { site, asks: queue.asks, rows: queue.rows })
}

impl List {
    fn text(&self) -> String {
        self.sites.iter().map(SiteList::text).collect()
    }
}

impl SiteList {
    fn text(&self) -> String {
        let mut text = String::new();
        if self.asks.is_empty() {
            text.push_str(&format!("{}: nothing is asked\n", self.site));
        }
        for ask in &self.asks {
            let waived = match &ask.waived {
                Some(waived) => format!("; waived by {} on {}: {}", waived.who, waived.since, waived.why),
                None => String::new(),
            };
            text.push_str(&format!(
                "{}: {} rows of {} wait for {}, asked by version {} since {}{waived}\n",
                self.site, ask.rows, ask.table, ask.column, ask.version, ask.since
            ));
        }
        if !self.rows.is_empty() {
            let rows = self.rows.iter().map(|row| {
                let question = row.question.clone().unwrap_or_default();
                vec![row.table.to_string(), row.key.clone(), row.column.to_string(), question, age(row.age_s)]
            });
            text.push_str(&table(&["table", "key", "column", "question", "age"], rows));
        }
        text
    }
}

/// An age in the largest unit that it fills twice, or in seconds.
fn age(seconds: i64) -> String {
    let units = [("d", 86_400), ("h", 3600), ("min", 60)];
    match units.into_iter().find(|(_, length)| seconds >= 2 * length) {
        Some((unit, length)) => format!("{} {unit}", seconds / length),
        None => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_one_unit() {
        let ages = [0, 119, 120, 7199, 7200, 172_799, 172_800, 864_000].map(age);
        assert_eq!(ages, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d", "10 d"]);
    }
}
