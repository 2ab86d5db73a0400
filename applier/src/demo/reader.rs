//! The demo's reader: a web page that asks for totals through the views, again and again, at the site and the version in
//! service. It counts what fails, and what shows a transaction in part.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use journal_core::model::SchemaVersion;
use journal_core::sql::{Access, Conn, DbUrl, SqlError};
use schema_mappers::ddl::view_name;
use tokio::sync::watch;

/// Between two pages: some hundred a second, and the rest of the machine for the databases.
const PAUSE: Duration = Duration::from_millis(2);

/// Where readers are sent: the load balancer's setting.
#[derive(Debug, Clone)]
pub(super) struct Service {
    /// The site's database.
    pub url: DbUrl,
    /// The application's version.
    pub version: SchemaVersion,
}

/// Counts of one reader.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// All.
    pub made: AtomicU64,
    /// Failed or torn.
    pub failed: AtomicU64,
}

/// Reads until the channel closes.
pub(super) async fn read(mut service: watch::Receiver<Option<Service>>, reads: &Reads) {
    let mut conn: Option<Conn> = None;
    loop {
        if service.has_changed().is_err() {
            return;
        }
        let now = service.borrow_and_update().clone();
        if service.has_changed().is_err() {
            return;
        }
        let Some(now) = now else {
            if service.changed().await.is_err() {
                return;
            }
            conn = None;
            continue;
        };
        while matches!(service.has_changed(), Ok(false)) {
            reads.made.fetch_add(1, Ordering::Relaxed);
            match page(&now, &mut conn).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::error!("a read saw part of a transaction");
                    reads.failed.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    tracing::error!(%error, "a read failed");
                    reads.failed.fetch_add(1, Ordering::Relaxed);
                    conn = None;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        conn = None;
    }
}

/// One page: customers against what the totals say, in one statement. A sign-up writes both, so they agree in every
/// state that anyone may see.
async fn page(service: &Service, conn: &mut Option<Conn>) -> Result<bool, SqlError> {
    let conn = match conn {
        Some(conn) => conn,
        None => conn.insert(Conn::open(&service.url, Access::Read, "demo reader").await?),
    };
    let place = conn.place().clone();
    let view = |table: &str| view_name(service.version, table, &place);
    let sql = format!(
        "SELECT (SELECT count(*) FROM {}), CAST((SELECT coalesce(sum(nr_of_users), 0) FROM {}) AS {{bigint}})",
        view("name"),
        view("stats")
    );
    let row = conn.lend().fetch_one(&sql, vec![]).await?;
    Ok(row.i64(0)? == row.i64(1)?)
}
