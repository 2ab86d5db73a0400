//! Two SQLite sites: one catches up with the rental history, beside a file into which the same is written directly.

use std::path::Path;

use anyhow::{Result, ensure};
use journal_tests::tether;

use crate::by_hand::ByHand;
use crate::figures::{Run, rate};
use crate::group::Group;
use crate::rental::{DIGEST, Rentals};
use crate::report::progress;
use crate::servers::{flush_files, text};

/// All rounds.
pub(crate) async fn measure(transactions: u32, rounds: i64) -> Result<Vec<Run>> {
    let rentals = Rentals::new(transactions)?;
    let home = tether::directory_in(Path::new("/tmp"), "daybook-sqlite-");
    let url = |file: &str| format!("sqlite:{}", home.path().join(file).display());
    let direct = url("direct.db");
    let mut group = Group::create([url("a.db"), url("b.db")], &Rentals::schema_set()).await?;
    let registry = journal_benches::registry();
    let mut by_hand = ByHand::create(&direct, registry.set(), rentals.schema()).await?;
    let mut runs = Vec::new();
    for round in 0..rounds {
        let (backlog, mark) = rentals.backlog(round);
        let daybook = rate(rentals.transactions(), group.catch_up(backlog, mark, None).await?);
        progress(&format!("sqlite_catch_up: {daybook:.0} a second"));
        flush_files()?;
        let (changes, _) = rentals.changes(round);
        let peer = rate(rentals.transactions(), by_hand.write(changes)?);
        progress(&format!("sqlite_catch_up: {peer:.0} a second by hand"));
        let mut digests = Vec::new();
        for url in group.urls().into_iter().chain([direct.as_str()]) {
            digests.push(text(url, DIGEST).await?);
        }
        ensure!(digests.iter().all(|digest| *digest == digests[0]), "the ends differ: {digests:?}");
        runs.push(Run::of_rates(daybook, peer));
    }
    group.verify()?;
    group.journal().close().await;
    Ok(runs)
}
