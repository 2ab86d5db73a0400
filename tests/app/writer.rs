//! The writing half: a customer at a time, with a counter that all processes share, in the words of its version. It tries
//! nothing twice: what fails is counted as failed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use journal_core::client::{Decision, Transaction};
use journal_core::model::Row;
use tokio::task::JoinSet;

use crate::Application;

/// Between two requests, as people cause them.
const THINK: Duration = Duration::from_millis(15);
/// Keys of one process.
const KEYS: i64 = 1_000_000;
/// Every so many writes, the customer is changed again.
const CHANGE_EVERY: i64 = 4;
/// The row of the shared counter.
const STORE: i64 = 1;

pub(crate) async fn run(application: Arc<Application>) {
    let mut decisions = JoinSet::new();
    let mut nr = 0;
    while !application.ending.load(Ordering::Relaxed) {
        nr += 1;
        let customer = application.number * KEYS + nr;
        write(&application, &mut decisions, insert(&application, customer), customer).await;
        if application.updates && nr % CHANGE_EVERY == 0 {
            let change = Transaction::new().update(
                "name",
                Row::new().with("customer_id", customer),
                Row::new().with("email", "changed@example.org"),
            );
            write(&application, &mut decisions, change, customer).await;
        }
        while decisions.try_join_next().is_some() {}
        tokio::time::sleep(THINK).await;
    }
    while decisions.join_next().await.is_some() {}
}

/// A customer of that number: her name tells it.
fn insert(application: &Application, customer: i64) -> Transaction {
    let row = Row::new()
        .with("customer_id", customer)
        .with("store_id", STORE)
        .with("email", "new@example.org")
        .with("active", true);
    let row = match application.version.0 {
        1 => row.with("full_name", format!("MARY {customer}")),
        _ => row.with("first_name", "MARY").with("last_name", customer.to_string()),
    };
    let store = Row::new().with("store_id", STORE);
    Transaction::new().insert("name", row).add("stats", store, Row::new().with("nr_of_users", 1))
}

async fn write(
    application: &Arc<Application>,
    decisions: &mut JoinSet<()>,
    transaction: Transaction,
    customer: i64,
) {
    let begun = Instant::now();
    let receipt = match application.group.append(&transaction).await {
        Ok(receipt) => receipt,
        Err(error) => return application.tally.failed_write(&error),
    };
    application.tally.durable(transaction.tx_id(), customer, begun.elapsed());
    let application = application.clone();
    decisions.spawn(async move {
        match receipt.applied().await {
            Ok(Decision::Applied { .. }) => application.tally.decided(begun.elapsed()),
            other => application.tally.rejected(&(receipt.id(), other)),
        }
    });
}
