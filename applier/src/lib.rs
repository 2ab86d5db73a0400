//! Daybook's engine, service and command: the only place where journal, mappers and ledgers meet.
//!
//! * [`engine`]: the rules, pure, and the one loop that carries them out: decide, post, seal, quarantine.
//! * [`ledger`]: the contract of the normalized tables with their checkpoint; SQL databases and memory.
//! * [`control`]: paused or running, lease and fence, what operators ask for; persisted beside the ledger.
//! * [`ship`]: how sealed runs come from a peer's journal into the own one.
//! * [`service`]: posters and pullers of a group's sites, each task with an owner and an end.
//! * [`upgrade`]: a site's first tables, released versions, and the reshape of a paused ledger.
//! * [`join`]: a site is added to a group that lives.
//! * [`asks`]: what a new version asks of its users, and the rows that wait.
//! * [`laws`]: the laws of mapping, tried on a site's rows and on real views; [`scratch`]: where that is done.
//! * [`rehearse`]: an upgrade on a copy, before the day.
//! * [`audit`]: the chain, the balance, digests, comparisons and replays.
//! * [`config`]: the configuration file; [`cli`]: the `daybook` command; [`demo`]: the main job on real input.
//!
//! What holds between these: effect, seal and checkpoint share one database transaction; validity is decided once, at
//! the origin; whatever is in doubt, the checkpoint tells, which moves only from where it was found. `docs/architecture.md` is the map. Read
//! next: [`engine::step`], then [`ledger`].

pub mod asks;
pub mod audit;
pub mod cli;
pub mod config;
pub mod control;
pub mod demo;
pub mod engine;
pub mod join;
pub mod laws;
pub mod ledger;
pub mod rehearse;
pub mod scratch;
pub mod service;
pub mod ship;
pub mod upgrade;
