//! Daybook's side: a group of two sites, made and served by the `daybook` command as users do, written through the client
//! library.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use journal_core::client::{Journal, Transaction};
use journal_core::model::{Row, SiteName};
use journal_tests::process::{Program, Running, daybook};
use journal_tests::servers::Database;
use journal_tests::tether;
use tempfile::TempDir;

use crate::servers::{Servers, connect, until_finished};
use crate::workload::Plan;

/// Rows of one transaction while the first rows are laid in.
const STOCK_ROWS: usize = 1_000;
/// Transactions on their way to the journal; more would only lie in memory.
const PENDING_MAX: usize = 1_024;
/// The same for transactions of [`STOCK_ROWS`] rows.
const PENDING_STOCK_MAX: usize = 16;
/// Above anything that laying rows in takes.
const BOUND: Duration = Duration::from_secs(4 * 3600);

/// The group.
#[derive(Debug)]
pub(crate) struct Group {
    home: TempDir,
    databases: [Database; 2],
    journal: Journal,
    services: [Option<Running>; 2],
}

impl Group {
    /// Makes the sites and opens the journal of site a. No service runs yet.
    pub(crate) async fn create(databases: [Database; 2]) -> Result<Self> {
        let home = tether::directory_in(Path::new("/tmp"), "daybook-peers-");
        let schema = home.path().join("schema/1");
        std::fs::create_dir_all(&schema)?;
        std::fs::write(schema.join("schema.toml"), include_str!("schema.toml"))?;
        let mut text = "group = 'peers'\nschema = 'schema'\n".to_owned();
        for (site, database) in ["a", "b"].iter().zip(&databases) {
            let _infallible = write!(text, "[sites.{site}]\nurl = '{}'\n", database.url);
        }
        std::fs::write(home.path().join("daybook.toml"), text)?;
        done(&command(home.path(), &["init"]))?;
        let url = databases[0].url.parse().context("read the address of site a")?;
        let journal = Journal::open(&url, &SiteName::new("a").context("name a site")?).await?;
        Ok(Self { home, databases, journal, services: [None, None] })
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) fn urls(&self) -> [&str; 2] {
        [&self.databases[0].url, &self.databases[1].url]
    }

    /// Starts the service of each site, a process each.
    pub(crate) fn start(&mut self) {
        self.start_one(0);
        self.start_one(1);
    }

    /// Ends the services that run, as an administrator does.
    pub(crate) fn stop(&mut self) -> Result<()> {
        for service in &mut self.services {
            end(service.take())?;
        }
        Ok(())
    }

    /// Lays rows in through the journal and waits until both sites have them.
    pub(crate) async fn fill(&mut self, stock: impl Iterator<Item = (&'static str, Row)>) -> Result<()> {
        let mut stock = stock.peekable();
        let transactions = std::iter::from_fn(|| {
            stock.peek()?;
            let rows = stock.by_ref().take(STOCK_ROWS);
            Some(rows.fold(Transaction::new(), |transaction, (table, row)| transaction.insert(table, row)))
        });
        append_all(&self.journal, transactions, PENDING_STOCK_MAX).await?;
        self.wait("a")?;
        self.wait("b")?;
        for url in self.urls() {
            let mut conn = connect(url).await?;
            conn.lend().ddl("VACUUM ANALYZE").await?;
            conn.close().await;
        }
        Ok(())
    }

    /// One round, begun with no service running: while nobody serves site b, a backlog is appended and decided at a; then b is served again, and the
    /// time until it has posted everything is taken. What b receives is in that time: its journal is as far behind.
    pub(crate) async fn catch_up(&mut self, plan: &Plan, round: i64, servers: &Servers) -> Result<Duration> {
        self.start_one(0);
        let draws = plan.draws(round);
        let backlog = draws.iter().map(|draw| plan.workload.transaction(draw));
        let last = Transaction::new().insert("finish", Row::new().with("id", round));
        append_all(&self.journal, backlog.chain([last]), PENDING_MAX).await?;
        self.wait("a")?;
        let mut look = connect(&self.databases[1].url).await?;
        servers.checkpoint().await?;
        let began = Instant::now();
        self.spawn(1);
        until_finished(&mut look, round).await?;
        let took = began.elapsed();
        look.close().await;
        self.wait("b")?;
        self.stop()?;
        Ok(took)
    }

    /// Lets the services post what was appended, if they run, and ends them.
    pub(crate) fn finish(&mut self, served: bool) -> Result<()> {
        if served {
            self.wait("a")?;
            self.wait("b")?;
        }
        self.stop()
    }

    fn start_one(&mut self, at: usize) {
        self.spawn(at);
        if let Some(service) = &mut self.services[at] {
            service.wait_for_line("daybook: serving", Duration::from_secs(60));
        }
    }

    fn spawn(&mut self, at: usize) {
        let site = ["a", "b"][at];
        self.services[at] = Some(command(self.home.path(), &["run", "--site", site]).spawn());
    }

    fn wait(&self, site: &str) -> Result<()> {
        done(&command(self.home.path(), &["wait", site, "--all", "--timeout", "4h"])).map(drop)
    }
}

/// Appends in order, many on their way at a time, and returns once all are durable.
pub(crate) async fn append_all(
    journal: &Journal,
    transactions: impl Iterator<Item = Transaction>,
    pending_max: usize,
) -> Result<()> {
    let mut pending = VecDeque::with_capacity(pending_max);
    for transaction in transactions {
        if pending.len() == pending_max
            && let Some(oldest) = pending.pop_front()
        {
            durable(oldest).await?;
        }
        pending.push_back(journal.send(&transaction).await?);
    }
    for rest in pending {
        durable(rest).await?;
    }
    Ok(())
}

async fn durable(pending: journal_core::client::Pending) -> Result<()> {
    pending.durable().await?;
    Ok(())
}

fn command(home: &Path, arguments: &[&str]) -> Program {
    daybook().args(arguments).current_dir(home)
}

fn done(program: &Program) -> Result<String> {
    let ended = program.spawn().wait(BOUND);
    ensure!(ended.code == Some(0), "a command of Daybook failed: {ended:?}");
    Ok(ended.stdout)
}

fn end(service: Option<Running>) -> Result<()> {
    let Some(service) = service else { return Ok(()) };
    service.terminate();
    let ended = service.wait(Duration::from_secs(60));
    ensure!(ended.code == Some(0), "the service failed: {ended:?}");
    Ok(())
}
