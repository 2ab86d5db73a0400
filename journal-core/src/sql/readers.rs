//! Connections that read now and then and rest in between: to open one costs a server more than most looks do.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sqlx::Connection as _;

use super::conn::{Access, Conn};
use super::error::SqlError;
use super::statements::ConnRef;
use super::url::DbUrl;

/// Resting connections that only read, at most one of each name.
#[derive(Debug, Default)]
pub struct Readers {
    resting: Mutex<HashMap<String, Conn>>,
}

impl Readers {
    /// The connection that rests under this name, else a new one to the address. It knows nothing of what was read before.
    pub async fn take(&self, name: &str, url: &DbUrl) -> Result<Conn, SqlError> {
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        if let Some(mut conn) = resting
            && forget(&mut conn).await.is_ok()
        {
            return Ok(conn);
        }
        Conn::open(url, Access::Read, "look").await
    }

    /// Lets a connection rest whose statements all went well and which is in no transaction. Any other is to be dropped.
    pub fn keep(&self, name: &str, conn: Conn) {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), conn);
    }
}

/// Gives up what was prepared, since tables may have changed; fails where the server is gone.
async fn forget(conn: &mut Conn) -> Result<(), sqlx::Error> {
    match conn.lend() {
        ConnRef::Sqlite(conn) => conn.clear_cached_statements().await,
        ConnRef::Postgres(conn) => conn.clear_cached_statements().await,
        ConnRef::MariaDb(conn) => {
            conn.clear_cached_statements().await?;
            conn.ping().await
        }
    }
}
