//! Daybook's side: a group of two sites, made and served by the `daybook` command as users do, written through the client
//! library.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use journal_core::client::{Journal, Transaction};
use journal_core::model::{Row, SiteName};
use journal_tests::process::{Program, Running, daybook, peak_kib};
use journal_tests::tether;
use schema_mappers::VersionSource;
use tempfile::TempDir;

use crate::figures::Memory;
use crate::servers::{Mark, Servers, connect, flush_files, until_seen};
use crate::store::Store;

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
    urls: [String; 2],
    journal: Journal,
    services: [Option<Running>; 2],
    /// The most memory that the service of each site had while a backlog was written and posted, in kibibytes.
    peaks_kib: [u64; 2],
}

impl Group {
    /// Makes the sites with a schema set, both at version 1, and opens the journal of site a. No service runs yet.
    pub(crate) async fn create(urls: [String; 2], set: &[VersionSource]) -> Result<Self> {
        let home = tether::directory_in(Path::new("/tmp"), "daybook-peers-");
        for source in set {
            let version = home.path().join("schema").join(source.version.0.to_string());
            std::fs::create_dir_all(&version)?;
            for (file, text) in &source.files {
                std::fs::write(version.join(file), text)?;
            }
        }
        let mut text = "group = 'peers'\nschema = 'schema'\n".to_owned();
        for (site, url) in ["a", "b"].iter().zip(&urls) {
            let _infallible = write!(text, "[sites.{site}]\nurl = '{url}'\n");
        }
        std::fs::write(home.path().join("daybook.toml"), text)?;
        done(&command(home.path(), &["init"]))?;
        let url = urls[0].parse().context("read the address of site a")?;
        let journal = Journal::open(&url, &SiteName::new("a").context("name a site")?).await?;
        Ok(Self { home, urls, journal, services: [None, None], peaks_kib: [0, 0] })
    }

    /// Brings site b to another version, with its rows, while nobody serves it.
    pub(crate) fn raise_b(&self, version: i64) -> Result<()> {
        let to = version.to_string();
        let commands: [&[&str]; 3] =
            [&["pause", "b"], &["schema", "apply", "b", "--to", &to], &["resume", "b"]];
        for arguments in commands {
            done(&command(self.home.path(), arguments))?;
        }
        Ok(())
    }

    /// Compares all rows of both sites, across schema versions too; a difference is an error.
    pub(crate) fn verify(&self) -> Result<()> {
        done(&command(self.home.path(), &["verify"])).map(drop)
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) fn urls(&self) -> [&str; 2] {
        [&self.urls[0], &self.urls[1]]
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
        self.fill_with(transactions, PENDING_STOCK_MAX).await
    }

    /// The same with transactions as they are.
    pub(crate) async fn fill_from(&mut self, stock: impl Iterator<Item = Transaction>) -> Result<()> {
        self.fill_with(stock, PENDING_MAX).await
    }

    async fn fill_with(
        &mut self,
        stock: impl Iterator<Item = Transaction>,
        pending_max: usize,
    ) -> Result<()> {
        append_all(&self.journal, stock, pending_max).await?;
        self.wait("a")?;
        self.wait("b")?;
        for url in self.urls() {
            let mut conn = connect(url).await?;
            Store::of(&conn).analyse(&mut conn).await?;
            conn.close().await;
        }
        Ok(())
    }

    /// What the services had so far in rounds of [`catch_up`](Self::catch_up).
    pub(crate) fn memory(&self) -> Memory {
        let megabytes = |kib: u64| u32::try_from(kib).map_or(f64::NAN, f64::from) / 1_024.0;
        Memory { peer_site: megabytes(self.peaks_kib[1]), origin_site: megabytes(self.peaks_kib[0]) }
    }

    /// One round, begun with no service running: while nobody serves site b, a backlog is appended and decided at a; then
    /// b is served again, and the time until it has posted everything is taken. What b receives is in that time: its
    /// journal is as far behind. `servers`: those of the databases, where they have any.
    pub(crate) async fn catch_up(
        &mut self,
        backlog: impl Iterator<Item = Transaction>,
        mark: Mark,
        servers: Option<&Servers>,
    ) -> Result<Duration> {
        self.start_one(0);
        append_all(&self.journal, backlog, PENDING_MAX).await?;
        self.wait("a")?;
        let mut look = connect(&self.urls[1]).await?;
        match servers {
            Some(servers) => servers.checkpoint().await?,
            None => flush_files()?,
        }
        let began = Instant::now();
        self.spawn(1);
        until_seen(&mut look, mark).await?;
        let took = began.elapsed();
        look.close().await;
        self.wait("b")?;
        for (peak, service) in self.peaks_kib.iter_mut().zip(&self.services) {
            *peak = service.as_ref().map_or(0, |service| peak_kib(service.id())).max(*peak);
        }
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
