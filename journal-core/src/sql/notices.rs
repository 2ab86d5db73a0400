//! Word from a database that something was committed there (PostgreSQL's NOTIFY), so that nobody need look again and again.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};

use super::Answer;
use super::error::SqlError;
use super::url::{DbUrl, Target};

/// How long saying the first word may take.
const SAID_WITHIN: Duration = Duration::from_secs(5);

/// A session that only listens. It holds no transaction, so dropping a call of it half-way leaves nothing in doubt.
pub struct Notices {
    listener: PgListener,
}

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notices")
    }
}

impl Notices {
    /// Listens on a channel of a database, and has a first word said there; `None` where the database has nothing of the kind
    /// (SQLite, MariaDB). `purpose` shows in the database's session list.
    pub fn open<'a>(url: &'a DbUrl, channel: &'a str, purpose: &'a str) -> Answer<'a, Option<Self>> {
        Box::pin(Self::listen(url, channel, purpose))
    }

    async fn listen(url: &DbUrl, channel: &str, purpose: &str) -> Result<Option<Self>, SqlError> {
        let Target::Postgres(options) = &url.target else { return Ok(None) };
        let options =
            options.clone().application_name(&format!("daybook {purpose}")).disable_statement_logging();
        // A pool of one is how the driver keeps a listener's connection.
        let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
        let pool = pool.connect_with(options.clone()).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(channel).await?;
        // If it cannot be said, the first word of somebody else's shows that this session hears.
        let said = tokio::time::timeout(SAID_WITHIN, say(&options, channel)).await;
        if !matches!(said, Ok(Ok(()))) {
            tracing::debug!(channel, ?said, "cannot say a first word");
        }
        Ok(Some(Self { listener }))
    }

    /// Waits for the next word. Also returns once a lost connection has been opened again, since something may have been
    /// said meanwhile.
    pub fn wait(&mut self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.listener.try_recv().await?;
            while self.listener.next_buffered().is_some() {}
            Ok(())
        })
    }
}

/// Says a word by a session of its own: behind a pooler that shares sessions between transactions one would be told what it
/// says itself, and nothing else.
async fn say(options: &PgConnectOptions, channel: &str) -> Result<(), sqlx::Error> {
    let mut conn = options.connect().await?;
    sqlx::query("SELECT pg_notify($1, '')").bind(channel).execute(&mut conn).await?;
    conn.close().await
}
