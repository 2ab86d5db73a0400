//! Who wants to be told of what in a site's database. A word may be missed: whoever listens also looks from time to time.

use crate::sql::{ConnRef, DbUrl, Dialect, Notices, SqlError};

use super::text;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Transactions were appended by the client library, while [`listen_to_appends`] asks for it. Who appends in plain SQL
    /// tells nobody.
    Appended,
    /// The site sealed a run of its own.
    Sealed,
}

impl Notice {
    /// A session that is told. `None` on SQLite and MariaDB, which tell nobody.
    pub async fn listen(self, url: &DbUrl, purpose: &str) -> Result<Option<Notices>, SqlError> {
        let channel = match self {
            Self::Appended => "daybook_appended",
            Self::Sealed => "daybook_sealed",
        };
        Notices::open(url, channel, purpose).await
    }
}

/// Says whether appends are to be told from now on. A poster that is busy does not ask for it: commits that tell somebody
/// wait for one another, in all of the server.
pub async fn listen_to_appends(mut conn: ConnRef<'_>, told: bool) -> Result<(), SqlError> {
    match conn.dialect() {
        Dialect::Postgres => conn.execute(text::LISTEN_TO_APPENDS, vec![told.into()]).await.map(|_| ()),
        Dialect::Sqlite | Dialect::MariaDb => Ok(()),
    }
}
