//! Databases under the suite: each journal gets one of its own.

use std::fmt;

use super::Rig;
use crate::model::{Origin, SchemaVersion, SealedRun};
use crate::sql::{Access, Conn, DbUrl, SqlError};
use crate::store::sql::{Site, SqlJournal, create_site, install, write_seal};

/// A rig over empty databases, SQLite or PostgreSQL.
pub struct SqlRig {
    next: Box<dyn FnMut() -> DbUrl + Send>,
}

impl SqlRig {
    /// `next` gives the address of a new, empty database at each call, and keeps them all alive as long as it lives.
    pub fn new(next: impl FnMut() -> DbUrl + Send + 'static) -> Self {
        Self { next: Box::new(next) }
    }
}

impl fmt::Debug for SqlRig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqlRig")
    }
}

/// Makes an empty database the journal of a site.
///
/// # Panics
/// When the database refuses.
pub async fn initialise(url: &DbUrl, origin: &Origin) {
    let mut conn = Conn::open(url, Access::Create, "suite").await.expect("connect");
    install(&mut conn).await.expect("install the tables");
    let site = Site {
        origin: origin.clone(),
        group: "suite".to_owned(),
        stripe: 3,
        ledger_version: SchemaVersion(1),
    };
    create_site(conn.lend(), &site).await.expect("make it a site");
    conn.close().await;
}

impl Rig for SqlRig {
    type Store = SqlJournal;

    async fn create(&mut self, origin: &Origin) -> SqlJournal {
        let url = (self.next)();
        initialise(&url, origin).await;
        SqlJournal::open(&url, Access::Write, "suite").await.expect("open")
    }

    async fn reopen(&mut self, store: &SqlJournal) -> SqlJournal {
        SqlJournal::open(store.url(), Access::Write, "suite").await.expect("open")
    }

    async fn seal(&mut self, store: &mut SqlJournal, run: &SealedRun) -> Result<(), SqlError> {
        let mut conn = store.connection().await?;
        conn.begin().await?;
        let sealed = write_seal(conn.lend(), run).await;
        match sealed {
            Ok(()) => conn.commit().await?,
            Err(_) => conn.rollback().await?,
        }
        store.give_back(conn);
        sealed
    }
}
