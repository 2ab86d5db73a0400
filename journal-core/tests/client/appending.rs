//! Durability, order, shared commits, retries, the application's own transactions.

use std::collections::BTreeSet;
use std::time::Duration;

use journal_core::client::{AppendFailure, GroupCommit, Journal, Transaction};
use journal_core::model::{Row, TransNr};
use journal_core::sql::SqlClass;
use sqlx::{Connection as _, SqliteConnection};

use super::shop::{Shop, item};

#[tokio::test]
async fn an_append_is_durable_when_it_returns() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    let receipt = journal.append(&item(1)).await.unwrap();
    assert_eq!(receipt.id().to_string(), "a/1/1");
    assert!(!receipt.repeated());
    assert_eq!(shop.appended().await[0].0, TransNr(1));
}

#[tokio::test]
async fn a_retry_gives_the_first_receipt_also_after_a_restart() {
    let shop = Shop::open("a", 0).await;
    let transaction = item(1);
    let first = shop.journal().await.append(&transaction).await.unwrap();
    let journal = shop.journal().await;
    journal.append(&item(2)).await.unwrap();
    let again = journal.append(&transaction).await.unwrap();
    assert_eq!(again.id(), first.id());
    assert!(again.repeated());
    let other =
        Transaction::with_id(transaction.tx_id()).insert("item", Row::new().with("id", 9).with("name", "x"));
    let refused = journal.append(&other).await.unwrap_err();
    let (tx_id, trans_nr) = (transaction.tx_id(), first.id().trans_nr);
    assert_eq!(refused, AppendFailure::OtherContent { tx_id, trans_nr });
    assert_eq!(shop.appended().await.len(), 2);
}

#[tokio::test]
async fn sends_are_numbered_in_their_order_and_share_commits() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    let mut pending = Vec::new();
    for id in 1..=400 {
        pending.push(journal.send(&item(id)).await.unwrap());
    }
    for (pending, nr) in pending.into_iter().zip(1..) {
        assert_eq!(pending.durable().await.unwrap().id().trans_nr, TransNr(nr));
    }
    // All of one commit were appended at one time.
    let commits: BTreeSet<i64> = shop.appended().await.into_iter().map(|(_, at)| at).collect();
    assert!(commits.len() < 100, "{} commits", commits.len());
}

#[tokio::test]
async fn callers_that_append_at_once_share_commits() {
    let shop = Shop::open("a", 0).await;
    let group_commit =
        GroupCommit { window: Duration::from_secs(60), transactions_max: 50, ..GroupCommit::default() };
    let journal = Journal::builder(&shop.url, &shop.site).group_commit(group_commit).open().await.unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for id in 1..=100 {
        let journal = journal.clone();
        callers.spawn(async move { journal.append(&item(id)).await.unwrap().id().trans_nr });
    }
    let numbers: BTreeSet<TransNr> = callers.join_all().await.into_iter().collect();
    assert_eq!(numbers.len(), 100);
    let commits: BTreeSet<i64> = shop.appended().await.into_iter().map(|(_, at)| at).collect();
    assert_eq!(commits.len(), 2);
}

#[tokio::test]
async fn a_small_queue_and_small_commits_only_slow_callers_down() {
    let shop = Shop::open("a", 0).await;
    let group_commit =
        GroupCommit { queue_max: 1, transactions_max: 3, bytes_max: 10, ..GroupCommit::default() };
    let journal = Journal::builder(&shop.url, &shop.site).group_commit(group_commit).open().await.unwrap();
    let mut pending = Vec::new();
    for id in 1..=20 {
        pending.push(journal.send(&item(id)).await.unwrap());
    }
    for (pending, nr) in pending.into_iter().zip(1..) {
        assert_eq!(pending.durable().await.unwrap().id().trans_nr, TransNr(nr));
    }
    // Each is larger than a commit may be, so each has one of its own.
    let commits: BTreeSet<i64> = shop.appended().await.into_iter().map(|(_, at)| at).collect();
    assert_eq!(commits.len(), 20);
}

#[tokio::test]
async fn one_refused_transaction_does_not_hurt_those_that_share_its_commit() {
    let shop = Shop::open("a", 0).await;
    let group_commit =
        GroupCommit { window: Duration::from_secs(60), transactions_max: 5, ..GroupCommit::default() };
    let journal = Journal::builder(&shop.url, &shop.site).group_commit(group_commit).open().await.unwrap();
    let key = item(0).tx_id();
    let under_key =
        |id: i64| Transaction::with_id(key).insert("item", Row::new().with("id", id).with("name", "x"));
    let batch = [item(1), under_key(2), item(3), under_key(4), item(5)];
    let mut pending = Vec::new();
    for transaction in &batch {
        pending.push(journal.send(transaction).await.unwrap());
    }
    let mut results = Vec::new();
    for pending in pending {
        results.push(pending.durable().await);
    }
    let failed: Vec<usize> =
        results.iter().enumerate().filter(|(_, result)| result.is_err()).map(|(at, _)| at).collect();
    assert_eq!(failed, [3]);
    assert!(matches!(results[3], Err(AppendFailure::OtherContent { .. })));
    assert!(results.iter().flatten().is_sorted_by(|a, b| a.id().trans_nr < b.id().trans_nr));
    assert_eq!(shop.appended().await.len(), 4);
}

#[tokio::test]
async fn closing_works_the_queue_off_and_takes_no_more() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    let mut pending = Vec::new();
    for id in 1..=30 {
        pending.push(journal.send(&item(id)).await.unwrap());
    }
    journal.close().await;
    journal.close().await;
    for pending in pending {
        pending.durable().await.unwrap();
    }
    assert_eq!(journal.append(&item(31)).await.unwrap_err(), AppendFailure::Closed);
    assert_eq!(journal.next_id("item").await.unwrap_err().class, SqlClass::Refused);
    assert_eq!(shop.appended().await.len(), 30);
}

#[tokio::test]
async fn an_append_whose_caller_goes_away_is_appended_all_the_same() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    drop(journal.send(&item(1)).await.unwrap());
    journal.close().await;
    assert_eq!(shop.appended().await.len(), 1);
}

#[tokio::test]
async fn an_append_in_the_applications_own_transaction_lives_and_dies_with_it() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    let file = format!("sqlite:{}", shop.url.sqlite_path().unwrap().display());
    let mut session = SqliteConnection::connect(&file).await.unwrap();
    sqlx::raw_sql("CREATE TABLE outbox (id INTEGER)").execute(&mut session).await.unwrap();
    let transaction = item(1);
    for end in ["ROLLBACK", "COMMIT"] {
        sqlx::raw_sql("BEGIN IMMEDIATE; INSERT INTO outbox VALUES (1)").execute(&mut session).await.unwrap();
        let receipt = journal.append_in(&mut session, &transaction).await.unwrap();
        assert!(!receipt.repeated());
        sqlx::raw_sql(end).execute(&mut session).await.unwrap();
        assert_eq!(shop.appended().await.len(), usize::from(end == "COMMIT"));
    }
    let again = journal.append(&transaction).await.unwrap();
    assert!(again.repeated());
    // sqlx's own transactions lend their connection the same way.
    let mut own = session.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let receipt = journal.append_in(&mut *own, &item(2)).await.unwrap();
    own.commit().await.unwrap();
    assert!(receipt.id().trans_nr > again.id().trans_nr);
}
