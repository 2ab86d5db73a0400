//! Ids of a site that is away, and of a sequence that no site takes.

use std::time::Duration;

use journal_core::client::{AppendFailure, GroupCommit, GroupFailure, Journal};
use journal_core::model::SchemaVersion;

use super::pair::{Pair, client, name, sale};
use crate::shop::BOUND;

/// Each of them tried anew when it was its turn, for as long as the one before.
#[tokio::test]
async fn callers_who_wait_for_ids_together_are_told_together_that_there_are_none() {
    const CALLERS: u32 = 20;
    let patience = Duration::from_secs(1);
    let Some(pair) = Pair::or_skip().await else { return };
    let group_commit = GroupCommit { patience, ..GroupCommit::default() };
    let journal = Journal::builder(&pair.urls[0].1, &name("a"));
    let journal = journal.schema_version(SchemaVersion(1)).group_commit(group_commit).open().await.unwrap();
    pair.proxies[0].close();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let journal = journal.clone();
        // Some of another sequence: the site is away for all.
        callers.spawn(async move { journal.next_id(["item", "rental"][caller as usize % 2]).await });
    }
    let told = tokio::time::timeout(patience * CALLERS / 2, callers.join_all()).await.unwrap();
    assert!(told.iter().all(Result::is_err));
    pair.proxies[0].open();
    assert!(journal.next_id("item").await.is_ok(), "a failure is for those who waited for it");
}

/// It made the site one that does not answer, for everybody, and was tried until the end of patience.
#[tokio::test]
async fn a_sequence_that_no_site_takes_is_told_at_once_and_moves_nobody() {
    let Some(pair) = Pair::or_skip().await else { return };
    let group = client(&pair.urls).look_every(BOUND).open().await.unwrap();
    let told = group.next_id("no\0name").await;
    assert!(matches!(told, Err(GroupFailure::Append(AppendFailure::Refused(_)))), "{told:?}");
    assert_eq!(group.append(&sale(1)).await.unwrap().id().origin.site, name("a"));
}
