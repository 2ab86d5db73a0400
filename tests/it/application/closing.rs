//! Closing waits for what was taken, however often it is called, and takes nothing more.

use journal_core::client::{AppendFailure, GroupFailure, Journal};
use journal_core::model::SchemaVersion;
use journal_tests::rig::Rig;

use super::pair::{SITES, at_once, client, name, rental, sale, standing};

/// The second one returned at once, before the queue was durable.
#[tokio::test]
async fn a_journal_whose_closing_was_cut_off_is_closed_by_the_next() {
    let rig = Rig::sqlite(&SITES, rental()).await;
    let journal = Journal::builder(rig.url("a"), &name("a")).schema_version(SchemaVersion(1));
    let journal = journal.open().await.unwrap();
    let transaction = sale(1);
    let pending = journal.send(&transaction).await.unwrap();
    // The task that writes has had no turn yet.
    assert_eq!(at_once(journal.close()), None);
    assert_eq!(at_once(journal.close()), None, "the queue is not durable");
    journal.close().await;
    assert_eq!(standing(&rig, transaction.tx_id()).await.len(), 1);
    pending.durable().await.unwrap();
    assert_eq!(at_once(journal.close()), Some(()), "nothing is left to wait for");
    assert!(matches!(journal.append(&sale(2)).await, Err(AppendFailure::Closed)));
}

#[tokio::test]
async fn a_group_whose_closing_was_cut_off_is_closed_by_the_next() {
    let rig = Rig::sqlite(&SITES, rental()).await;
    let group = client(&SITES.map(|site| (site, rig.url(site).clone()))).open().await.unwrap();
    let transaction = sale(1);
    assert!(at_once(group.append(&transaction)).is_none());
    assert_eq!(at_once(group.close()), None);
    assert_eq!(at_once(group.close()), None, "the queue is not durable");
    group.close().await;
    assert_eq!(standing(&rig, transaction.tx_id()).await.len(), 1);
}

/// The next append opened a journal anew.
#[tokio::test]
async fn a_group_that_is_closed_takes_nothing_more() {
    let rig = Rig::sqlite(&SITES, rental()).await;
    let group = client(&SITES.map(|site| (site, rig.url(site).clone()))).open().await.unwrap();
    group.append(&sale(1)).await.unwrap();
    group.clone().close().await;
    let transaction = sale(2);
    let closed = GroupFailure::Append(AppendFailure::Closed);
    assert_eq!(group.append(&transaction).await.unwrap_err(), closed);
    assert_eq!(group.next_id("item").await.unwrap_err(), closed);
    assert_eq!(standing(&rig, transaction.tx_id()).await, [""; 0]);
}
