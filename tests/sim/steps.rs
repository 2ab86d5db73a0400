//! What happens in a history: each step draws work of clients, posters, pullers, operators and of bad luck.

use applier::control::{ControlStore as _, Desired};
use applier::ledger::Asked;
use journal_core::model::{Name, NewTransaction, SchemaVersion, TransactionId};
use rand::RngExt as _;
use schema_mappers::MappedRow;
use schema_mappers::ddl::tables_in_order;
use uuid::Uuid;

use crate::catalogue::{NEWEST, registry};
use crate::checks::ensure;
use crate::marks::{Mark, mark};
use crate::tasks::Task;
use crate::workload::Drawn;
use crate::world::{Broken, Done, World};
use crate::zoo::Bug;

impl World {
    /// The part of a history in which things go wrong.
    pub(crate) fn play(&mut self) -> Result<(), Broken> {
        let counters = self.send(0, Drawn::counters());
        let task = self.append(0, vec![counters]);
        self.run(vec![task], None)?;
        self.settle()?;
        for step in 0..self.plan.steps {
            let micros = self.rng.random_range(0..60_000);
            self.tick(micros);
            let many = if self.rng.random_bool(0.3) { self.rng.random_range(2..=4) } else { 1 };
            let mut tasks = Vec::new();
            for _ in 0..many {
                tasks.extend(self.act()?);
            }
            let cut = self.rng.random_bool(self.plan.troubles / 3.0).then(|| self.rng.random_range(0..30));
            self.run(tasks, cut)?;
            self.check_step(step % 8 == 0)?;
        }
        Ok(())
    }

    /// Whether nothing changed but what was seen to change.
    pub(crate) fn check_step(&mut self, thorough: bool) -> Result<(), Broken> {
        for at in 0..self.sites.len() {
            self.observe(at, None)?;
            self.compare_received(at)?;
            if thorough || self.sites[at].changed {
                self.compare(at)?;
            }
        }
        Ok(())
    }

    /// Draws one thing that happens: at once, or as a task.
    fn act(&mut self) -> Result<Option<Task>, Broken> {
        let at = self.rng.random_range(0..self.sites.len());
        let done = |()| None;
        match self.rng.random_range(0..1000) {
            0..250 => Ok(Some(self.client(at))),
            250..550 => Ok(Some(self.turn(at))),
            550..720 => Ok(Some(self.pull(at))),
            720..750 => Ok(Some(self.open(at, false))),
            750..780 => self.reshape(at).map(done),
            780..795 => self.twin(at).map(done),
            795..815 => Ok(self.other_turn(at)),
            815..835 => Ok(self.crash(at)),
            835..850 => Ok(Some(self.desire(at, Desired::Paused))),
            850..880 => Ok(Some(self.desire(at, Desired::Running))),
            880..900 => self.reshape(at).map(done),
            900..920 => Ok(self.operator(at)),
            920..930 => self.bypass(at).map(done),
            930..940 => self.slow_append(at).map(done),
            940..950 => Ok(self.reveal(at)),
            950..960 => self.deliver_again(at).map(done),
            960..965 => Ok(self.deploy(at)),
            965..975 => Ok(self.set_clock(at)),
            975..980 => {
                self.sites[at].door.memory.journal().burn_numbers(2);
                Ok(None)
            }
            _ => Ok(self.arm(at)),
        }
    }

    fn client(&mut self, at: usize) -> Task {
        let pending = self.sites[at].pending.clone();
        if !pending.is_empty() && self.rng.random_bool(0.3) {
            return self.append(at, pending);
        }
        let batch = (0..self.rng.random_range(1..=2)).map(|_| self.draw(at));
        let batch = batch.collect();
        self.append(at, batch)
    }

    /// A client's next transaction: it knows what the site's clients sent before.
    pub(crate) fn draw(&mut self, at: usize) -> usize {
        let rules = self.rules(at, true);
        let Self { rng, plan, sites, transactions, .. } = self;
        let site = &mut sites[at];
        let books = site.ahead.books(at, &site.books, site.sealed.len(), rules, transactions);
        let drawn = Drawn::draw(rng, plan, at, books);
        self.send(at, drawn)
    }

    /// Sends transactions, those again whose answer was lost.
    pub(crate) fn append(&mut self, at: usize, batch: Vec<usize>) -> Task {
        let mut sent: Vec<NewTransaction> = Vec::with_capacity(batch.len());
        for tx in &batch {
            let mut new = self.transactions[*tx].sent.clone();
            if !self.sites[at].pending.contains(tx) {
                self.sites[at].pending.push(*tx);
            } else if self.bug == Some(Bug::BlindAppend) {
                new.tx_id = Uuid::from_u128(self.rng.random());
                self.by_uuid.insert(new.tx_id, *tx);
            }
            sent.push(new);
        }
        let door = self.sites[at].door.clone();
        Task::new(at, async move { Done::Appended(batch, door.append(sent).await) })
    }

    pub(crate) fn turn(&mut self, at: usize) -> Task {
        match self.sites[at].poster.take() {
            Some(seat) => Task::turn(at, seat, false),
            None => self.open(at, false),
        }
    }

    fn other_turn(&mut self, at: usize) -> Option<Task> {
        self.sites[at].others.pop().map(|seat| Task::turn(at, seat, true))
    }

    pub(crate) fn open(&mut self, at: usize, twin: bool) -> Task {
        let door = self.sites[at].door.clone();
        Task::new(at, async move { Done::Opened(door.open(twin).await, twin) })
    }

    fn pull(&mut self, at: usize) -> Task {
        let from = (at + self.rng.random_range(1..self.sites.len())) % self.sites.len();
        let told = self.rng.random_bool(0.5);
        self.pull_from(at, from, told)
    }

    /// `told`: word came of a seal there, true or not.
    pub(crate) fn pull_from(&mut self, at: usize, from: usize, told: bool) -> Task {
        let (door, peer) = (self.sites[at].door.clone(), self.sites[from].door.clone());
        let mut puller = self.sites[at].pullers.remove(&from).unwrap_or_else(|| door.puller());
        Task::new(at, async move {
            let pulled = door.pull(peer, &mut puller, told).await;
            Done::Pulled(puller, from, pulled)
        })
    }

    pub(crate) fn desire(&mut self, at: usize, desired: Desired) -> Task {
        let door = self.sites[at].door.clone();
        Task::new(at, async move {
            let mut control = door.memory.control();
            let done = match desired {
                Desired::Paused => control.pause("sim", "a reshape").await,
                Desired::Running => control.resume("sim", "done").await,
            };
            Done::Controlled(done.map(|_| ()))
        })
    }

    fn reshape(&mut self, at: usize) -> Result<(), Broken> {
        let to = self.rng.random_range(1..=NEWEST);
        let known = self.sites[at].door.registry.schema(SchemaVersion(to)).is_ok();
        let paused = self.sites[at].door.memory.standing().control.desired == Desired::Paused;
        if known && paused { self.reshape_to(at, to) } else { Ok(()) }
    }

    /// Reshapes a paused site. It succeeds if and only if every row has a place there.
    pub(crate) fn reshape_to(&mut self, at: usize, to: i64) -> Result<(), Broken> {
        let evolution = self.plan.evolution;
        let site = &mut self.sites[at];
        let (from, fits) = (site.version(), site.books.fit(evolution, to));
        let (registry, memory) = (registry(evolution, NEWEST), &site.door.memory);
        let mut rows = Vec::new();
        let mut refused = None;
        for feed in registry.feeds(SchemaVersion(from), SchemaVersion(to)).expect("known versions") {
            let tables = std::iter::once(feed.root).chain(feed.members);
            let given = tables.flat_map(|source| {
                let rows = memory.rows(&source.table).into_iter();
                rows.map(move |(row, complement)| MappedRow { table: source.table.clone(), row, complement })
            });
            match registry.map_rows(SchemaVersion(from), SchemaVersion(to), given.collect()) {
                Ok(mapped) => rows.extend(mapped.into_iter().map(|row| (row.table, row.row, row.complement))),
                Err(error) => refused = Some(error),
            }
        }
        ensure!(refused.is_none() == fits, "S14: rows fit version {to}: {fits}, but {refused:?}");
        if refused.is_some() {
            mark(Mark::ReshapeRefused);
            return Ok(());
        }
        let schema = registry.ledger(SchemaVersion(to)).expect("a known version").clone();
        let order: Vec<&Name> = tables_in_order(&schema).into_iter().map(|table| &table.name).collect();
        rows.sort_by_key(|(table, ..)| order.iter().position(|name| *name == table));
        memory
            .reshape(schema.into(), rows)
            .map_err(|error| format!("S14: the rows do not fit version {to}: {error}"))?;
        mark(if to < from { Mark::ReshapeDown } else { Mark::ReshapeUp });
        self.note(&(at, to));
        self.compare(at)
    }

    fn operator(&mut self, at: usize) -> Option<Task> {
        let open: Vec<TransactionId> = self.held(at);
        let id = open.get(self.rng.random_range(0..open.len().max(1)))?.clone();
        // Some change their minds at once.
        let asked = (0..self.rng.random_range(1..=6)).map(|_| self.asked()).collect();
        Some(self.ask(at, id, asked))
    }

    fn asked(&mut self) -> Asked {
        match self.rng.random_range(0..10) {
            0 => Asked::Nothing,
            1..=3 if !self.plan.exclusive => Asked::Discard,
            _ => Asked::Retry,
        }
    }

    pub(crate) fn held(&self, at: usize) -> Vec<TransactionId> {
        let held = self.sites[at].aside.iter().filter(|each| each.ended.is_none());
        held.map(|each| each.transaction.id.clone()).collect()
    }

    pub(crate) fn ask(&mut self, at: usize, id: TransactionId, asked: Vec<Asked>) -> Task {
        let door = self.sites[at].door.clone();
        Task::new(at, async move {
            let mut control = door.memory.control();
            for asked in asked {
                if let Err(error) = control.ask(&id, asked, "sim", "looked at").await {
                    return Done::Controlled(Err(error));
                }
            }
            Done::Controlled(Ok(()))
        })
    }

    pub(crate) fn deploy(&mut self, at: usize) -> Option<Task> {
        let site = &mut self.sites[at];
        site.door.registry = registry(self.plan.evolution, NEWEST);
        site.poster = None;
        site.pullers.clear();
        None
    }
}
