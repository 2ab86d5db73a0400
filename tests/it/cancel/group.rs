//! Two sites, a and b, over some kind of store, driven step by step: what a cancelled call left is opened afresh.

use std::sync::atomic::{AtomicI64, Ordering};

use applier::audit::digest::digest;
use applier::audit::unwatched;
use applier::control::ControlStore;
use applier::control::sql::SqlControl;
use applier::demo::history;
use applier::engine::clock::Clock;
use applier::engine::poster::{Poster, Settings, Turn};
use applier::ledger::memory::{MemoryControl, MemoryLedger, MemorySite};
use applier::ledger::sql::SqlLedger;
use applier::ledger::{Ledger, LedgerReader};
use applier::ship::pull::pull;
use journal_core::journal::{JournalStore, ReadLimit};
use journal_core::model::{Epoch, Origin, SchemaVersion, SealNr, SiteName};
use journal_core::store::memory::MemoryJournal;
use journal_core::store::sql::SqlJournal;
use journal_tests::rig::Rig;
use journal_tests::servers::Server;
use schema_mappers::{Registry, RustMappers, SchemaSet};

pub(crate) const LIMIT: ReadLimit = ReadLimit { transactions: 100, bytes: 1 << 20 };

/// Opens handles on the stores of a group.
pub(crate) trait Stores {
    type Journal: JournalStore;
    type Ledger: Ledger + LedgerReader;
    type Control: ControlStore;

    fn registry(&self) -> &Registry;
    async fn journal(&self, site: &str) -> Self::Journal;
    async fn ledger(&self, site: &str) -> Self::Ledger;
    async fn control(&self, site: &str) -> Self::Control;
}

/// A clock on which every look finds an acknowledgement due.
#[derive(Debug, Default)]
pub(crate) struct Running(AtomicI64);

impl Clock for Running {
    fn now(&self) -> i64 {
        self.0.fetch_add(1_000_000, Ordering::Relaxed) + 1_000_000
    }
}

pub(crate) type PosterOf<S> = Poster<<S as Stores>::Journal, <S as Stores>::Ledger, Running>;

/// A poster of a site, which has taken the lease.
pub(crate) async fn poster<S: Stores>(stores: &S, site: &str) -> PosterOf<S> {
    let mut control = stores.control(site).await;
    let seen = control.lease().await.unwrap();
    control.take_lease(&seen, "test").await.unwrap().unwrap();
    let standing = control.standing().await.unwrap();
    let sites = ["a", "b"].map(|name| SiteName::new(name).unwrap()).to_vec();
    let settings = Settings::new(sites, stores.registry().clone());
    let (journal, ledger) = (stores.journal(site).await, stores.ledger(site).await);
    Poster::open(journal, ledger, Running::default(), settings, standing).await.unwrap()
}

/// A new poster's turns until nothing is left.
pub(crate) async fn drain<S: Stores>(stores: &S, site: &str) {
    let mut poster = poster(stores, site).await;
    while poster.turn().await.unwrap() == Turn::Progress {}
}

/// Brings everything sealed at one site to the other.
pub(crate) async fn ship<S: Stores>(stores: &S, from: &str, into: &str) -> u64 {
    let (mut peer, mut own) = (stores.journal(from).await, stores.journal(into).await);
    let mut runs = 0;
    loop {
        match pull(&mut peer, &mut own, LIMIT).await.unwrap().runs {
            0 => return runs,
            more => runs += more,
        }
    }
}

/// Until nothing moves.
pub(crate) async fn settle<S: Stores>(stores: &S) {
    loop {
        drain(stores, "a").await;
        drain(stores, "b").await;
        if ship(stores, "a", "b").await + ship(stores, "b", "a").await == 0 {
            return;
        }
    }
}

/// What a group came to: ledgers, journals and quarantines, without what only says in how many pieces it was done.
pub(crate) async fn state<S: Stores>(stores: &S) -> Vec<String> {
    let mut state = Vec::new();
    for site in ["a", "b"] {
        let mut ledger = stores.ledger(site).await;
        let found = digest(&mut ledger, stores.registry(), &mut unwatched).await.unwrap();
        state.push(format!("{site}: {} rows, {}", found.rows, found.digest));
        for (entry, asked) in ledger.quarantined().await.unwrap() {
            state.push(format!("{site}: {} {:?} {asked:?}", entry.id, entry.fault));
        }
        let mut journal = stores.journal(site).await;
        for head in journal.heads().await.unwrap() {
            let runs = journal.read_runs(&head.origin, SealNr(0), READ_ALL).await.unwrap();
            let count: usize = runs.iter().map(|run| run.transactions.len()).sum();
            let rejected: usize = runs.iter().map(|run| run.rejections.len()).sum();
            let posted =
                ledger.posted().await.unwrap().into_iter().find(|(origin, _)| *origin == head.origin);
            let whole = posted.is_some_and(|(_, posted)| posted.seal_nr == head.seal_nr);
            state.push(format!(
                "{site}: {count} of {}, {rejected} rejected, posted whole {whole}",
                head.origin
            ));
        }
    }
    state
}

const READ_ALL: ReadLimit = ReadLimit { transactions: usize::MAX, bytes: usize::MAX };

fn rental() -> SchemaSet {
    SchemaSet::from_sources(history::sources()).unwrap()
}

/// A group in memory.
#[derive(Debug)]
pub(crate) struct InMemory {
    registry: Registry,
    sites: [MemorySite; 2],
}

impl InMemory {
    pub(crate) fn new() -> Self {
        let registry = Registry::new(rental(), RustMappers::none()).unwrap();
        let sites = ["a", "b"].map(|name| {
            let origin = Origin { site: SiteName::new(name).unwrap(), epoch: Epoch(1) };
            let schema = registry.schema(SchemaVersion(1)).unwrap().clone();
            MemorySite::new(MemoryJournal::new(origin), schema.into())
        });
        Self { registry, sites }
    }

    pub(crate) fn site(&self, site: &str) -> &MemorySite {
        &self.sites[usize::from(site == "b")]
    }
}

impl Stores for InMemory {
    type Journal = MemoryJournal;
    type Ledger = MemoryLedger;
    type Control = MemoryControl;

    fn registry(&self) -> &Registry {
        &self.registry
    }

    async fn journal(&self, site: &str) -> MemoryJournal {
        self.site(site).journal()
    }

    async fn ledger(&self, site: &str) -> MemoryLedger {
        self.site(site).ledger()
    }

    async fn control(&self, site: &str) -> MemoryControl {
        self.site(site).control()
    }
}

/// A group over databases.
#[derive(Debug)]
pub(crate) struct OverSql(Rig);

impl OverSql {
    pub(crate) async fn sqlite() -> Self {
        Self(Rig::sqlite(&["a", "b"], rental()).await)
    }

    pub(crate) async fn on(server: &Server) -> Self {
        let pair = ["a", "b"].map(|site| (site, server.create_database().url));
        Self(Rig::at(&pair, rental()).await)
    }
}

impl Stores for OverSql {
    type Journal = SqlJournal;
    type Ledger = SqlLedger;
    type Control = SqlControl;

    fn registry(&self) -> &Registry {
        &self.0.registry
    }

    async fn journal(&self, site: &str) -> SqlJournal {
        self.0.journal(site).await
    }

    async fn ledger(&self, site: &str) -> SqlLedger {
        SqlLedger::open(self.0.url(site), "test").await.unwrap()
    }

    async fn control(&self, site: &str) -> SqlControl {
        self.0.control(site).await
    }
}
