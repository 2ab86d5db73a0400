//! The reading half: each request on a connection of its own, through the balancer, from the version's views. It begins
//! when some site serves the version, and from then on every failure counts; it tries nothing twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};

use crate::Application;

/// Between two requests, as people cause them.
const THINK: Duration = Duration::from_millis(15);

pub(crate) async fn run(application: Arc<Application>) {
    let mut open = false;
    let mut at = 0;
    while !application.ending.load(Ordering::Relaxed) {
        tokio::time::sleep(THINK).await;
        at += 7;
        let begun = Instant::now();
        match read(&application, at).await {
            Ok(()) => {
                open = true;
                application.tally.read(begun.elapsed());
            }
            // No balancer leads to a version that no site serves yet.
            Err(_) if !open && application.version.0 > 1 => {}
            Err(error) => application.tally.failed_read(&error),
        }
    }
}

async fn read(application: &Application, at: usize) -> Result<(), String> {
    let told = |error: sqlx::Error| error.to_string();
    let mut conn = PgConnection::connect(&application.readers).await.map_err(told)?;
    let customer = application.tally.some_customer(at).unwrap_or_default();
    let select = match application.version.0 {
        1 => "SELECT full_name FROM name WHERE customer_id = $1",
        _ => "SELECT first_name || ' ' || last_name FROM name WHERE customer_id = $1",
    };
    // A site that is a little behind may not have it yet; what it has is what was written.
    let name: Option<String> =
        sqlx::query_scalar(select).bind(customer).fetch_optional(&mut conn).await.map_err(told)?;
    conn.close().await.map_err(told)?;
    match name {
        Some(name) if name != format!("MARY {customer}") => Err(format!("customer {customer} is {name:?}")),
        _ => Ok(()),
    }
}
