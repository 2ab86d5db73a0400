//! An application of one version, as a process of its own: it writes through the client library at a whole group and reads
//! through its version's views at an address that a balancer stands behind, without a pause, until it is asked to end
//! (SIGTERM). Then it tells how many requests failed, the longest stall, and each transaction it was told is durable.
//!
//! Arguments: version, number of the process, `updates` or `inserts`, the readers' address, then NAME=URL of each site.

#![allow(clippy::unwrap_used, reason = "it ends by a panic when it is started wrongly")]

mod reader;
mod tally;
mod writer;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use journal_core::client::{GroupJournal, Journal};
use journal_core::model::{SchemaVersion, SiteName};
use journal_core::sql::DbUrl;
use tokio::signal::unix::{SignalKind, signal};

use tally::Tally;

/// What every task of the process knows.
#[derive(Debug)]
struct Application {
    version: SchemaVersion,
    /// Keys of two processes are never the same.
    number: i64,
    /// Whether rows are changed again after their insert.
    updates: bool,
    group: GroupJournal,
    readers: String,
    tally: Tally,
    ending: AtomicBool,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    let version = SchemaVersion(arguments[0].parse().unwrap());
    let sites: Vec<(SiteName, DbUrl)> = arguments[4..].iter().map(|site| named(site)).collect();
    let readers: DbUrl = arguments[3].parse().unwrap();
    let group = Journal::group_builder(&sites).schema_version(version).author("application");
    let application = Arc::new(Application {
        version,
        number: arguments[1].parse().unwrap(),
        updates: arguments[2] == "updates",
        group: group.open().await.unwrap(),
        readers: readers.reading(version).address(),
        tally: Tally::default(),
        ending: AtomicBool::new(false),
    });
    let writing = tokio::spawn(writer::run(application.clone()));
    let reading = tokio::spawn(reader::run(application.clone()));
    println!("application: at work");
    terminate.recv().await;
    application.ending.store(true, std::sync::atomic::Ordering::Relaxed);
    reading.await.unwrap();
    writing.await.unwrap();
    application.group.close().await;
    print!("{}", application.tally.report());
}

fn named(text: &str) -> (SiteName, DbUrl) {
    let (site, url) = text.split_once('=').unwrap();
    (SiteName::new(site).unwrap(), url.parse().unwrap())
}
