//! The way of every value from one origin to a peer on each store: appended by the client library, decided and posted
//! at the origin, shipped, posted at the peers, read back everywhere.

use std::collections::BTreeMap;

use journal_core::client::{AppendFailure, Journal, Transaction};
use journal_core::model::{Row, SchemaVersion, SiteName, TransNr, Value};
use journal_tests::rig::{Rig, drain};
use schema_mappers::{SchemaSet, VersionSource};

use super::kinds::Kind;
use super::reading::Found;
use super::store::{Places, Store};

/// The origin's name; a peer has that of its store.
pub(super) const ORIGIN: &str = "origin";

/// What became of a value at a site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// It stands there as it was written.
    Kept,
    /// The client library does not append it.
    NotAppended,
    /// For the reason of this code: rejected where this site is the origin, in quarantine where it is a peer.
    Refused(String),
    /// The origin rejected it, so it went nowhere.
    NeverCame,
}

/// As what a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Value,
    Key,
}

/// A value, by the place of its kind and its own among the kind's, and as what it was written.
pub(super) type Case = (usize, usize, Place);

/// Where an origin's values went.
pub(super) struct Passage {
    pub(super) origin: Store,
    /// At the origin itself.
    pub(super) there: BTreeMap<Case, Fate>,
    /// At its peers.
    pub(super) peers: BTreeMap<Store, BTreeMap<Case, Fate>>,
    /// What the origin's store calls the type of the values, by table.
    pub(super) columns: BTreeMap<String, String>,
}

/// One transaction, and where the value must stand then.
pub(super) struct Probe {
    pub(super) case: Case,
    pub(super) table: String,
    /// The row's id; none where the value is the key.
    pub(super) id: Option<i64>,
    transaction: Transaction,
    /// Its number, unless it was not appended.
    pub(super) nr: Option<TransNr>,
}

/// The schema set of a list of kinds.
pub(super) fn set(kinds: &[Kind]) -> SchemaSet {
    let schema: String = kinds.iter().map(Kind::schema).collect();
    let source = VersionSource::new(SchemaVersion(1), [("schema.toml", schema.as_str())]);
    SchemaSet::from_sources(vec![source]).unwrap()
}

/// The value of a case.
pub(super) fn value(kinds: &[Kind], (kind, edge, _): Case) -> &Value {
    &kinds[kind].edges[edge].value
}

/// Takes all values from an origin to peers on each of the stores.
pub(super) async fn pass(places: &Places, kinds: &[Kind], origin: Store, stores: &[Store]) -> Passage {
    let name = |site: &str| format!("{}_{}_{site}", kinds[0].name, origin.site());
    let mut urls = vec![(ORIGIN, places.database(origin, &name(ORIGIN)))];
    urls.extend(stores.iter().map(|store| (store.site(), places.database(*store, &name(store.site())))));
    let rig = Rig::at(&urls, set(kinds)).await;
    let mut posters = Vec::new();
    for (site, _) in &urls {
        posters.push((*site, rig.poster(site).await));
    }
    let site = SiteName::new(ORIGIN).unwrap();
    let journal = Journal::open(rig.url(ORIGIN), &site).await.unwrap();
    let mut probes = Vec::new();
    for (mut stage, others) in [inserts(kinds), updates(kinds)] {
        append(&journal, &mut stage, others).await;
        drain(&mut posters[0].1).await.unwrap();
        for (site, poster) in &mut posters[1..] {
            rig.ship(ORIGIN, site).await;
            drain(poster).await.unwrap();
        }
        probes.append(&mut stage);
    }
    journal.close().await;
    let found = Found::read(&rig, ORIGIN, origin, kinds).await;
    let there = found.fates(kinds, &probes, |nr| found.refused.get(&nr).cloned().map(Fate::Refused));
    let never = |nr| found.refused.contains_key(&nr).then_some(Fate::NeverCame);
    let mut peers = BTreeMap::new();
    for store in stores {
        let at_peer = Found::read(&rig, store.site(), *store, kinds).await;
        let refused = |nr| never(nr).or_else(|| at_peer.refused.get(&nr).cloned().map(Fate::Refused));
        peers.insert(*store, at_peer.fates(kinds, &probes, refused));
    }
    Passage { origin, there, peers, columns: found.columns }
}

/// Each value in a row of its own, as a key, and in a unique column; and rows that have no value yet.
fn inserts(kinds: &[Kind]) -> (Vec<Probe>, Vec<Transaction>) {
    let (mut probes, mut others) = (Vec::new(), Vec::new());
    each(kinds, |kind, case, id| {
        let value = value(kinds, case);
        let row = |id: i64| Row::new().with("id", id).with("v", value.clone());
        let mut insert = |place, table: String, id, row| {
            let transaction = Transaction::new().insert(table.as_str(), row);
            probes.push(Probe { case: (case.0, case.1, place), table, id, transaction, nr: None });
        };
        insert(Place::Value, kind.value_table(), Some(2 * id), row(2 * id));
        if let (Some(key), Some(unique), true) = (kind.key_table(), kind.unique_table(), in_key(kind, case)) {
            insert(Place::Key, key, None, Row::new().with("v", value.clone()).with("found", false));
            insert(Place::Key, unique, Some(id), row(id));
        }
        let empty = Row::new().with("id", 2 * id + 1).with("v", Value::Null);
        others.push(Transaction::new().insert(kind.value_table(), empty));
    });
    (probes, others)
}

/// Each value into a row that has none; and rows found by it, where it is their key.
fn updates(kinds: &[Kind]) -> (Vec<Probe>, Vec<Transaction>) {
    let (mut probes, mut others) = (Vec::new(), Vec::new());
    each(kinds, |kind, case, id| {
        let (table, id, value) = (kind.value_table(), 2 * id + 1, value(kinds, case));
        let set = Row::new().with("v", value.clone());
        let by_id = Row::new().with("id", id);
        let transaction = Transaction::new().update(table.as_str(), by_id, set.clone());
        probes.push(Probe { case, table, id: Some(id), transaction, nr: None });
        if let (Some(key), true) = (kind.key_table(), in_key(kind, case)) {
            others.push(Transaction::new().update(key, set, Row::new().with("found", true)));
        }
    });
    (probes, others)
}

/// Every value of every kind, with a number of its own within the kind.
fn each<'k>(kinds: &'k [Kind], mut visit: impl FnMut(&'k Kind, Case, i64)) {
    for (at, kind) in kinds.iter().enumerate() {
        for (edge, id) in (0..kind.edges.len()).zip(0..) {
            visit(kind, (at, edge, Place::Value), id);
        }
    }
}

fn in_key(kind: &Kind, (_, edge, _): Case) -> bool {
    let edge = &kind.edges[edge];
    edge.in_key && !edge.value.is_null()
}

/// Appends probes, noting their numbers, and then others; all at once, as a busy application would.
async fn append(journal: &Journal, probes: &mut [Probe], others: Vec<Transaction>) {
    let mut sent = Vec::new();
    for (at, probe) in probes.iter().enumerate() {
        match journal.send(&probe.transaction).await {
            Ok(pending) => sent.push((at, pending)),
            Err(AppendFailure::Invalid(_)) => {}
            Err(error) => panic!("{}: {error}", probe.table),
        }
    }
    for (at, pending) in sent {
        let receipt = pending.durable().await.unwrap_or_else(|error| panic!("{}: {error}", probes[at].table));
        probes[at].nr = Some(receipt.id().trans_nr);
    }
    let mut sent = Vec::new();
    for transaction in others {
        // What refers to a value that was not appended is not either.
        sent.extend(journal.send(&transaction).await.ok());
    }
    for pending in sent {
        pending.durable().await.unwrap();
    }
}
