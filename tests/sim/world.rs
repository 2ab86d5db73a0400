//! One history's world: sites with their posters, the clients' transactions, and what the reference knows of both.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use applier::control::{ControlStore as _, Standing};
use applier::engine::poster::{Poster, Settings, Turn};
use applier::engine::reaction::PostError;
use applier::ledger::memory::{MemorySite, PutAside};
use applier::ledger::{LedgerError, Posted};
use applier::ship::pull::{PullError, Pulled, Puller};
use journal_core::journal::{AppendError, Appended, JournalStore as _, ReadLimit};
use journal_core::model::seal::GENESIS;
use journal_core::model::{
    Epoch, Hlc, NewTransaction, Origin, SchemaVersion, SealNr, SiteName, TransNr, TransactionId, Vector,
};
use journal_core::store::memory::MemoryJournal;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use schema_mappers::Registry;
use uuid::Uuid;

use crate::catalogue::{NEWEST, registry};
use crate::hooks::{Hooks, SimClock};
use crate::journal::SimJournal;
use crate::kept::{Ahead, Compared};
use crate::ledger::SimLedger;
use crate::marks::{Mark, mark};
use crate::oracle::{Books, Claim, Rules, Use, claims};
use crate::workload::{Drawn, Plan};
use crate::zoo::Bug;

/// What broke.
pub(crate) type Broken = String;

pub(crate) type SimPoster = Poster<SimJournal, SimLedger, SimClock>;

/// A poster and what it works for.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) poster: SimPoster,
    pub(crate) standing: Standing,
}

/// Everything that a task needs to work at a site.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) memory: MemorySite,
    pub(crate) hooks: Hooks,
    pub(crate) clock: SimClock,
    pub(crate) registry: Registry,
    checks: bool,
    group: Vec<SiteName>,
    batch: ReadLimit,
    bug: Option<Bug>,
}

impl Door {
    pub(crate) fn journal(&self) -> SimJournal {
        SimJournal::new(self.memory.journal(), self.hooks.clone(), self.bug)
    }

    /// Opens a poster, which takes the lease unless it is to be a twin of the one that has it.
    pub(crate) async fn open(self, twin: bool) -> Result<Seat, PostError> {
        let mut control = self.memory.control();
        let seen = control.lease().await?;
        // Under the fence that was taken: another one may take over before the rest is read.
        let fence = match twin {
            true => seen.fence,
            false => control.take_lease(&seen, "sim").await?.ok_or(PostError::Fenced)?.fence,
        };
        let standing = Standing { fence, ..control.standing().await? };
        let (memory, hooks) = (self.memory.clone(), self.hooks.clone());
        let ledger = SimLedger::new(memory, hooks, self.checks, self.bug, standing.clone());
        let mut settings = Settings::new(self.group.clone(), self.registry.clone());
        let usual = ReadLimit { transactions: self.batch.transactions.div_ceil(2), ..self.batch };
        (settings.batch, settings.largest_batch) = (usual, self.batch);
        let poster = Poster::open(self.journal(), ledger, self.clock, settings, standing.clone()).await?;
        Ok(Seat { poster, standing })
    }

    pub(crate) async fn append(self, batch: Vec<NewTransaction>) -> Result<Vec<Appended>, AppendError> {
        self.journal().append(&batch).await
    }

    pub(crate) fn puller(&self) -> Puller {
        Puller::new(self.batch)
    }

    pub(crate) async fn pull(self, from: Self, puller: &mut Puller, told: bool) -> Result<Pulled, PullError> {
        let (mut peer, mut own) = (from.journal().shipping(), self.journal());
        if !told {
            return puller.pull(&mut peer, &mut own).await;
        }
        let pulled = puller.pull_told(&mut peer, &mut own).await?;
        if pulled.runs > 0 {
            mark(Mark::Told);
        }
        Ok(pulled)
    }
}

/// A site.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) origin: Origin,
    pub(crate) door: Door,
    pub(crate) poster: Option<Seat>,
    /// Posters that should be dead, and twins.
    pub(crate) others: Vec<Seat>,
    /// Its pullers at rest, by the site that each pulls from.
    pub(crate) pullers: BTreeMap<usize, Puller>,
    /// Transactions whose clients wait for an answer.
    pub(crate) pending: Vec<usize>,
    /// The rows that its clients count on.
    pub(crate) ahead: Ahead,
    pub(crate) compared: Compared,
    /// Their place, by number, once sealed.
    pub(crate) sealed: BTreeMap<TransNr, usize>,
    /// The hash of its own last seal.
    pub(crate) sealed_hash: [u8; 32],
    /// What the ledger must hold.
    pub(crate) books: Books,
    pub(crate) checkpoints: Arc<BTreeMap<Origin, Posted>>,
    pub(crate) aside: Arc<Vec<PutAside>>,
    /// What was posted of each origin, in order, with the seal; what was released, apart.
    pub(crate) done: BTreeMap<Origin, Vec<(SealNr, usize)>>,
    pub(crate) late: Vec<(Origin, SealNr, usize)>,
    /// Of each origin, the last seal whose arrival was checked.
    pub(crate) received: BTreeMap<Origin, SealNr>,
    /// Damaged deliveries that were refused.
    pub(crate) excused: usize,
    /// Whether the ledger changed since it was compared.
    pub(crate) changed: bool,
}

impl Site {
    pub(crate) fn version(&self) -> i64 {
        self.door.memory.schema().version.0
    }
}

/// A client's transaction and its fate.
#[derive(Debug)]
pub(crate) struct Tx {
    pub(crate) site: usize,
    pub(crate) drawn: Drawn,
    pub(crate) claims: Vec<(Claim, Use)>,
    pub(crate) sent: NewTransaction,
    pub(crate) acked: Option<TransNr>,
    pub(crate) verdict: Option<Verdict>,
}

/// What the origin's seal said.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) trans_nr: TransNr,
    pub(crate) seal_nr: SealNr,
    pub(crate) hlc: Hlc,
    pub(crate) seen: Vector,
    pub(crate) accepted: bool,
}

/// The world.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) bug: Option<Bug>,
    pub(crate) sites: Vec<Site>,
    pub(crate) transactions: Vec<Tx>,
    pub(crate) by_uuid: BTreeMap<Uuid, usize>,
    /// Rows that somebody changed behind the engine's back.
    pub(crate) tainted: Vec<(Claim, Use)>,
    trace: u64,
}

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let plan = Plan::draw(&mut rng);
        let names = ["a", "b", "c"].map(|name| SiteName::new(name).expect("a site name"));
        let group = names[..plan.sites].to_vec();
        let sites = (0..plan.sites).map(|at| site(&plan, &group, at, bug)).collect();
        let (transactions, by_uuid, tainted) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { plan, rng, bug, sites, transactions, by_uuid, tainted, trace: 0xcbf2_9ce4_8422_2325 }
    }

    /// Takes something that happened into the trace's hash.
    pub(crate) fn note(&mut self, what: &impl Hash) {
        struct Fnv(u64);
        impl Hasher for Fnv {
            fn write(&mut self, bytes: &[u8]) {
                bytes
                    .iter()
                    .for_each(|byte| self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
            }
            fn finish(&self) -> u64 {
                self.0
            }
        }
        let mut fnv = Fnv(self.trace);
        what.hash(&mut fnv);
        self.trace = fnv.finish();
    }

    pub(crate) fn trace(&self) -> u64 {
        self.trace
    }

    pub(crate) fn rules(&self, site: usize, origin: bool) -> Rules {
        let version = self.sites[site].version();
        Rules { evolution: self.plan.evolution, version, checks: self.plan.checks[site], origin }
    }

    /// A transaction that a client is about to send.
    pub(crate) fn send(&mut self, site: usize, drawn: Drawn) -> usize {
        let sent = drawn.encode(&mut self.rng, self.plan.evolution);
        let at = self.transactions.len();
        self.by_uuid.insert(sent.tx_id, at);
        let claims = claims(&drawn.writes);
        self.transactions.push(Tx { site, drawn, claims, sent, acked: None, verdict: None });
        at
    }

    pub(crate) fn site_of(&self, origin: &Origin) -> usize {
        self.sites.iter().position(|site| site.origin.site == origin.site).expect("a site of the group")
    }

    /// The transaction of a client that has this identity.
    pub(crate) fn transaction(&self, id: &TransactionId) -> Option<usize> {
        self.sites[self.site_of(&id.origin)].sealed.get(&id.trans_nr).copied()
    }

    pub(crate) fn tick(&mut self, micros: i64) {
        for site in &self.sites {
            site.door.clock.0.fetch_add(micros, Ordering::Relaxed);
        }
    }
}

fn site(plan: &Plan, group: &[SiteName], at: usize, bug: Option<Bug>) -> Site {
    let origin = Origin { site: group[at].clone(), epoch: Epoch(1) };
    let registry = registry(plan.evolution, plan.known);
    let schema = crate::catalogue::registry(plan.evolution, NEWEST)
        .ledger(SchemaVersion(1))
        .expect("version 1")
        .clone();
    let memory = MemorySite::new(MemoryJournal::new(origin.clone()), schema.into());
    let (group, batch, checks) = (group.to_vec(), plan.batch, plan.checks[at]);
    let door = Door {
        memory,
        hooks: Hooks::default(),
        clock: SimClock::default(),
        registry,
        checks,
        group,
        batch,
        bug,
    };
    Site {
        origin,
        door,
        poster: None,
        others: Vec::new(),
        pullers: BTreeMap::new(),
        pending: Vec::new(),
        ahead: Ahead::default(),
        compared: Compared::default(),
        sealed: BTreeMap::new(),
        sealed_hash: GENESIS,
        books: Books::default(),
        checkpoints: Arc::default(),
        aside: Arc::default(),
        done: BTreeMap::new(),
        late: Vec::new(),
        received: BTreeMap::new(),
        excused: 0,
        changed: false,
    }
}

/// What a task came to.
#[derive(Debug)]
pub(crate) enum Done {
    Opened(Result<Seat, PostError>, /* a twin */ bool),
    Turned(Seat, Result<Turn, PostError>, /* not the site's own */ bool),
    Appended(Vec<usize>, Result<Vec<Appended>, AppendError>),
    Pulled(Puller, /* from */ usize, Result<Pulled, PullError>),
    Controlled(Result<(), LedgerError>),
}
