//! `daybook upgrade status`: where each site stands, why it stopped, what was done, how far its schema has gone.

use journal_core::model::{SchemaVersion, SiteName, time};
use serde::Serialize;

use crate::cli::Session;
use crate::cli::group::Group;
use crate::cli::output::table;
use crate::upgrade::machine::{Direction, Step};
use crate::upgrade::record::{self, Gone, StepDone, Upgrade};
use crate::upgrade::{Far, far};

#[derive(Debug, Serialize)]
struct Report {
    sites: Vec<Site>,
}

#[derive(Debug, Serialize)]
struct Site {
    site: SiteName,
    ledger_version: SchemaVersion,
    upgrade: Option<Standing>,
    records: Vec<Gone>,
}

#[derive(Debug, Serialize)]
struct Standing {
    operation: String,
    from: SchemaVersion,
    to: SchemaVersion,
    direction: Direction,
    step: Step,
    trouble: String,
    who: String,
    why: String,
    started_us: i64,
    changed_us: i64,
    moved: Option<Far>,
    steps: Vec<StepDone>,
}

pub(super) async fn run(group: &Group, session: &Session) -> anyhow::Result<()> {
    let mut sites = Vec::new();
    for site in group.config.sites.keys() {
        let ledger_version = group.reach(site).await?.ledger_version;
        let mut conn = group.reader(site).await?;
        let upgrade = match record::read(conn.lend()).await? {
            None => None,
            Some(upgrade) => {
                let steps = record::steps(conn.lend(), &upgrade.operation).await?;
                Some(Standing::new(upgrade, far(conn.lend()).await?, steps))
            }
        };
        let records = record::records(conn.lend()).await?;
        group.keep(site, conn);
        sites.push(Site { site: site.clone(), ledger_version, upgrade, records });
    }
    session.output.report(&Report { sites }, Report::text)
}

impl Standing {
    fn new(upgrade: Upgrade, moved: Option<Far>, steps: Vec<StepDone>) -> Self {
        let Upgrade { operation, from, to, place, trouble, who, why, started_at, changed_at, .. } = upgrade;
        Self {
            operation,
            from,
            to,
            direction: place.direction,
            step: place.step,
            trouble,
            who,
            why,
            started_us: started_at,
            changed_us: changed_at,
            moved,
            steps,
        }
    }
}

impl Report {
    fn text(&self) -> String {
        let header = ["site", "ver", "upgrade", "way", "step", "rows moved"];
        let mut text = table(&header, self.sites.iter().map(Site::cells));
        for site in &self.sites {
            for Gone { kind, from, to, who, done_us, waived, .. } in &site.records {
                let since = time::timestamp_text(*done_us);
                let waived = if waived.is_empty() { String::new() } else { format!(", waived {waived}") };
                text.push_str(&format!("{}: {kind} {from} to {to} by {who} at {since}{waived}\n", site.site));
            }
            if let Some(Standing { trouble, step, .. }) = &site.upgrade
                && !trouble.is_empty()
            {
                text.push_str(&format!("{}: stopped at {step}: {trouble}\n", site.site));
            }
        }
        text
    }
}

impl Site {
    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.site.to_string(), self.ledger_version.to_string()];
        if let Some(Standing { from, to, direction, step, moved, .. }) = &self.upgrade {
            let way = match direction {
                Direction::Forward => "forward",
                Direction::Back => "back",
            };
            cells.extend([format!("{from} to {to}"), way.to_owned(), step.to_string()]);
            cells.push(
                moved.as_ref().map(|far| format!("{} of {}", far.moved, far.total)).unwrap_or_default(),
            );
        }
        cells
    }
}
