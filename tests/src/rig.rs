//! A group of real sites in databases of their own: installed, with posters and pullers that a test moves by hand.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use applier::config::{Config, SiteConfig};
use applier::control::ControlStore as _;
use applier::control::sql::SqlControl;
use applier::engine::clock::WallClock;
use applier::engine::poster::{Poster, Settings, Turn};
use applier::engine::reaction::PostError;
use applier::ledger::sql::SqlLedger;
use applier::ship::pull::pull;
use applier::upgrade::install;
use journal_core::codec::payload;
use journal_core::journal::{Appended, JournalStore as _, ReadLimit};
use journal_core::model::{Change, Codec, Epoch, NewTransaction, Origin, Row, SchemaVersion, SiteName};
use journal_core::sql::{Access, Conn, DbUrl, Param, Readers, Record};
use journal_core::store::sql::{Site, SqlJournal};
use schema_mappers::{Registry, RustMappers, SchemaSet};
use tempfile::TempDir;

use crate::tether;

/// A poster over SQL stores.
pub type SqlPoster = Poster<SqlJournal, SqlLedger, WallClock>;

/// Turns until nothing is left must end; more than this many means they do not.
const TURNS_MAX: usize = 100_000;

/// Turns a journal into what an older release would have made of it: a row for each entry.
pub const AS_ROWS: &str = "INSERT INTO {d}journal (origin, epoch, trans_nr, entry_nr, tx_id, schema_version, entity, op, row_key, \
     codec, payload, author, appended_at) SELECT origin, epoch, trans_nr, entry_nr, tx_id, schema_version, entity, op, \
     row_key, codec, payload, author, appended_at FROM {d}entry WHERE origin IN (SELECT origin FROM {d}run WHERE NOT in_journal); \
     DELETE FROM {d}run";

/// The group.
#[derive(Debug)]
pub struct Rig {
    /// Its configuration.
    pub config: Arc<Config>,
    /// Its schema set, composed.
    pub registry: Registry,
    readers: Readers,
    /// What appends; one is taken out while it does.
    writers: Mutex<HashMap<String, SqlJournal>>,
    _directory: TempDir,
}

impl Rig {
    /// A group over SQLite files, one a site, at version 1 of the set.
    pub async fn sqlite(sites: &[&str], set: SchemaSet) -> Self {
        let directory = tether::directory("daybook-rig-");
        let url = |name: &str| format!("sqlite:{}", directory.path().join(format!("{name}.db")).display());
        let urls = sites.iter().map(|name| (*name, url(name))).collect::<Vec<_>>();
        Self::over(&urls, set, directory).await
    }

    /// A group over databases that are there.
    pub async fn at(urls: &[(&str, String)], set: SchemaSet) -> Self {
        Self::over(urls, set, tether::directory("daybook-rig-")).await
    }

    async fn over(urls: &[(&str, String)], set: SchemaSet, directory: TempDir) -> Self {
        let mut sites = std::collections::BTreeMap::new();
        for (stripe, (name, url)) in (0..).zip(urls) {
            let name = SiteName::new(name).expect("a site name");
            let url: DbUrl = url.parse().expect("an address");
            let site = Site {
                origin: Origin { site: name.clone(), epoch: Epoch(1) },
                group: "test".to_owned(),
                stripe,
                ledger_version: SchemaVersion(1),
            };
            install::install(&url, &site, &set, "test").await.expect("install a site");
            sites.insert(name, SiteConfig { url, stripe });
        }
        let config = Config {
            group: "test".to_owned(),
            schema: directory.path().join("schema"),
            sites,
            lease_ttl: std::time::Duration::from_millis(300),
            look_every: std::time::Duration::from_millis(10),
            http: None,
        };
        let registry = Registry::new(set, RustMappers::none()).expect("the set composes");
        Self {
            config: Arc::new(config),
            registry,
            readers: Readers::default(),
            writers: Mutex::default(),
            _directory: directory,
        }
    }

    /// A site's database.
    pub fn url(&self, site: &str) -> &DbUrl {
        &self.config.sites[&SiteName::new(site).expect("a site name")].url
    }

    /// A site's journal.
    pub async fn journal(&self, site: &str) -> SqlJournal {
        SqlJournal::open(self.url(site), Access::Write, "test").await.expect("open the journal")
    }

    /// A site's control state.
    pub async fn control(&self, site: &str) -> SqlControl {
        SqlControl::open(self.url(site)).await.expect("open the control state")
    }

    /// A poster that has taken the site's lease.
    pub async fn poster(&self, site: &str) -> SqlPoster {
        let mut control = self.control(site).await;
        let seen = control.lease().await.expect("read the lease");
        control.take_lease(&seen, "test").await.expect("take the lease").expect("nobody else takes it");
        let standing = control.standing().await.expect("read the control state");
        let ledger = SqlLedger::open(self.url(site), "test").await.expect("open the ledger");
        let settings = Settings::new(self.config.sites.keys().cloned().collect(), self.registry.clone());
        Poster::open(self.journal(site).await, ledger, WallClock, settings, standing)
            .await
            .expect("open the poster")
    }

    /// Appends one transaction at a site, written at a version.
    pub async fn append(&self, site: &str, version: i64, changes: &[Change]) -> Appended {
        let transaction = self.transaction(version, changes);
        let writer = self.writers().remove(site);
        let mut writer = match writer {
            Some(writer) => writer,
            None => self.journal(site).await,
        };
        let appended = writer.append(&[transaction]).await.expect("append")[0];
        self.writers().insert(site.to_owned(), writer);
        appended
    }

    fn writers(&self) -> MutexGuard<'_, HashMap<String, SqlJournal>> {
        self.writers.lock().expect("nothing fails while it is held")
    }

    /// A transaction ready to be appended.
    pub fn transaction(&self, version: i64, changes: &[Change]) -> NewTransaction {
        let version = SchemaVersion(version);
        let schema = self.registry.schema(version).expect("a known version");
        let encode = |(entry_nr, change)| {
            payload::encode(change, entry_nr, Codec::Bincode, schema).expect("it encodes")
        };
        NewTransaction {
            tx_id: uuid::Uuid::now_v7(),
            schema_version: version,
            author: "test".into(),
            entries: (1..).zip(changes).map(encode).collect(),
        }
    }

    /// Pulls from one site's journal into another's until nothing is left. How many runs came.
    pub async fn ship(&self, from: &str, into: &str) -> u64 {
        ship(&mut self.journal(from).await, &mut self.journal(into).await).await
    }

    /// Turns of every poster and pulls between all sites until nothing moves.
    pub async fn settle(&self, posters: &mut [(&str, SqlPoster)]) {
        let mut journals = VecDeque::new();
        for site in self.config.sites.keys() {
            journals.push_back(self.journal(site.as_str()).await);
        }
        for _ in 0..TURNS_MAX {
            let mut moved = false;
            for (_, poster) in posters.iter_mut() {
                moved |= drain(poster).await.expect("turn") > 0;
            }
            for _ in 0..journals.len() {
                let mut from = journals.pop_front().expect("a group has sites");
                for into in &mut journals {
                    moved |= ship(&mut from, into).await > 0;
                }
                journals.push_back(from);
            }
            if !moved {
                return;
            }
        }
        panic!("the group does not come to rest");
    }

    /// One row of a query at a site.
    pub async fn row(&self, site: &str, sql: &str, params: Vec<Param>) -> Record {
        let mut conn = self.readers.take(site, self.url(site)).await.expect("connect");
        let row = conn.lend().fetch_one(sql, params).await.expect("a row");
        self.readers.keep(site, conn);
        row
    }

    /// One number of a query at a site.
    pub async fn number(&self, site: &str, sql: &str) -> i64 {
        self.row(site, sql, vec![]).await.i64(0).expect("a number")
    }

    /// Runs a statement at a site, as a DBA or a vandal would.
    pub async fn execute(&self, site: &str, sql: &str) {
        let mut conn = Conn::open(self.url(site), Access::Write, "test").await.expect("connect");
        conn.lend().script(sql).await.expect("the statement runs");
    }
}

/// Pulls from one journal into another until nothing is left. How many runs came.
async fn ship(from: &mut SqlJournal, into: &mut SqlJournal) -> u64 {
    let limit = ReadLimit { transactions: 100, bytes: 1 << 20 };
    let mut runs = 0;
    loop {
        match pull(from, into, limit).await.expect("pull").runs {
            0 => return runs,
            more => runs += more,
        }
    }
}

/// Turns until the poster is idle, paused or waiting; how many made progress.
pub async fn drain(poster: &mut SqlPoster) -> Result<usize, PostError> {
    for turns in 0..TURNS_MAX {
        if poster.turn().await? != Turn::Progress {
            return Ok(turns);
        }
    }
    panic!("the poster does not come to rest");
}

/// A row out of names and values.
pub fn row<const N: usize>(cells: [(&str, journal_core::model::Value); N]) -> Row {
    cells.into_iter().map(|(name, value)| (name.into(), value)).collect()
}
