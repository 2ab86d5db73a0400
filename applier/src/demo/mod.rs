//! The main job, end to end, on real input: two databases, one reshaped while the other serves, nothing lost.
//!
//! The application replays the rental history through the client library while a reader asks the views without pause.
//! After a quarter site b is paused and reshaped to version 2 while a serves; at half the application moves to b, now
//! in its second release; then a is reshaped and catches up. At the end both ledgers are compared row by row.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use journal_core::client::Journal;
use journal_core::model::{SchemaVersion, SiteName};
use journal_core::sql::DbUrl;
use schema_mappers::{Registry, RustMappers, SchemaSet};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub mod application;
mod group;
pub mod history;
mod reader;
mod report;
mod reshape;
mod tally;
mod writer;

pub use report::{CatchUp, Report, SiteReport};

use crate::service::Service;
use group::Group;
use reader::Reads;
use writer::{Pace, Release, Writer};

const V1: SchemaVersion = SchemaVersion(1);
const V2: SchemaVersion = SchemaVersion(2);

/// Where the demo runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// The databases of sites a and b, without tables.
    pub urls: [DbUrl; 2],
    /// Where files go, for the configuration's sake.
    pub directory: PathBuf,
    /// Only this many of the history's transactions; `None`: all.
    pub transactions: Option<usize>,
}

/// Runs the demo. `watch` hears how many of how many transactions are written.
pub async fn run(options: Options, watch: &mut (dyn FnMut(u64, u64) + Send)) -> anyhow::Result<Report> {
    let start = Instant::now();
    let set = SchemaSet::from_sources(history::sources())?;
    let group = Group::install(options.urls, &options.directory, &set).await?;
    let registry = Registry::new(set, RustMappers::none())?;
    let shutdown = CancellationToken::new();
    let sites: Vec<SiteName> = group.config.sites.keys().cloned().collect();
    let service = Service::new(group.config.clone(), sites.clone(), format!("demo-{}", std::process::id()));
    let service = tokio::spawn(service.run(shutdown.clone()));
    let reads = std::sync::Arc::new(Reads::default());
    let (serve, served) = watch::channel(None);
    let reader = tokio::spawn({
        let reads = reads.clone();
        async move { reader::read(served, &reads).await }
    });

    let mut lines = history::lines()?;
    lines.truncate(options.transactions.unwrap_or(usize::MAX));
    let writer = Writer::new(lines, registry.schema(V1)?.clone(), history::names());
    let mut demo = Demo {
        group: group.clone(),
        registry: registry.clone(),
        a: sites[0].clone(),
        b: sites[1].clone(),
        writer,
        serve,
        watch,
    };
    let told = demo.play().await;
    // The reader ends with its channel; the service after its current batches, also when the play failed.
    drop(demo.serve);
    reader.await.context("the reader failed")?;
    let written = demo.writer.written();
    let told = match told {
        Ok(catch_up) => tally::tally(&group, &registry, &reads, written, catch_up).await,
        Err(error) => Err(error),
    };
    shutdown.cancel();
    service.await.context("the service failed")?;
    let mut report = told?;
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

struct Demo<'w> {
    group: Group,
    registry: Registry,
    a: SiteName,
    b: SiteName,
    writer: Writer,
    serve: watch::Sender<Option<reader::Service>>,
    watch: &'w mut (dyn FnMut(u64, u64) + Send),
}

impl Demo<'_> {
    async fn play(&mut self) -> anyhow::Result<Vec<CatchUp>> {
        let total = self.writer.total();
        let (quarter, half) = (total / 4, total / 2);
        // However slow b is, the second release gets its share of the history; and both sites are level before the move.
        let (move_at, level) = (total * 3 / 4, total / 50);
        // 1. Both at version 1, the application on a.
        let on_a = self.open(&self.a, V1).await?;
        self.send_readers(&self.a, V1)?;
        self.write_until(&on_a, Release::One, |position| position >= quarter).await?;
        // 2. and 3. b is paused, reshaped, resumed and catches up, while a serves.
        let reshape = self.reshape(&self.b, &self.a);
        self.write_until(&on_a, Release::One, |position| position >= move_at || reshape.is_finished())
            .await?;
        let caught_up_b = reshape.await.context("the reshape of b failed")??;
        // 4. From here the application goes at b's pace, and moves there once b has what it wrote.
        self.writer.set_pace(Pace::Replicated(self.b.clone()));
        let from = half.max(self.writer.position() + level);
        self.write_until(&on_a, Release::One, |position| position >= from.min(move_at)).await?;
        let on_b = self.open(&self.b, V2).await?;
        let moving = Instant::now();
        self.writer.flush().await?;
        self.writer.stalled(moving.elapsed());
        self.writer.set_pace(Pace::Applied);
        self.send_readers(&self.b, V2)?;
        on_a.close().await;
        // 5. a is paused, reshaped, resumed and catches up; its own rows it skips.
        let reshape = self.reshape(&self.a, &self.b);
        self.write_until(&on_b, Release::Two, |_| false).await?;
        self.writer.flush().await?;
        let caught_up_a = reshape.await.context("the reshape of a failed")??;
        // 6. Drain.
        self.group.wait_all().await?;
        on_b.close().await;
        Ok(vec![caught_up_b, caught_up_a])
    }

    async fn open(&self, site: &SiteName, version: SchemaVersion) -> anyhow::Result<Journal> {
        let builder = Journal::builder(&self.group.url(site)?, site).schema_version(version).author("demo");
        builder.open().await.with_context(|| format!("open the journal of {site}"))
    }

    fn send_readers(&self, site: &SiteName, version: SchemaVersion) -> anyhow::Result<()> {
        self.serve.send_replace(Some(reader::Service { url: self.group.url(site)?, version }));
        Ok(())
    }

    fn reshape(&self, site: &SiteName, other: &SiteName) -> JoinHandle<anyhow::Result<CatchUp>> {
        tokio::spawn(reshape::reshape(
            self.group.clone(),
            self.registry.clone(),
            site.clone(),
            other.clone(),
            V2,
        ))
    }

    async fn write_until(
        &mut self,
        journal: &Journal,
        release: Release,
        done: impl Fn(usize) -> bool,
    ) -> anyhow::Result<()> {
        while !done(self.writer.position()) && self.writer.write_next(journal, release).await? {
            if self.writer.position().is_multiple_of(500) {
                (self.watch)(self.writer.position() as u64, self.writer.total() as u64);
            }
        }
        Ok(())
    }
}
