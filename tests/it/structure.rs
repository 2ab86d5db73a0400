//! Changes of a schema's structure, with sites of both versions at work: what is written at either version, at either
//! site, comes to the same ledger, and back again.

mod split;
mod tables;

use applier::audit::cut::{Party, Patience, Pausing};
use applier::audit::diff::{VerifyReport, verify};
use applier::audit::digest::{digest, digest_as};
use applier::audit::replay::{ReplayOptions, replay};
use applier::audit::unwatched;
use applier::control::ControlStore as _;
use applier::ledger::sql::SqlLedger;
use applier::upgrade::reshape::{Mode, ReshapeOrder, reshape};
use journal_core::model::{Change, SchemaVersion, SiteName};
use journal_tests::rig::{Rig, SqlPoster};
use journal_tests::servers;
use schema_mappers::{SchemaSet, VersionSource};

use crate::club::empty_database;

/// What one application does while a site of two is at the newer version.
struct Story {
    /// The tables of version 1 and of version 2, and what leads from one to the other.
    schemas: [&'static str; 2],
    mapping: &'static str,
    /// Written at site a, at version 1, before anything changes.
    before: Vec<Vec<Change>>,
    /// Written while a stands at version 1 and b at version 2: site, version, changes.
    writes: Vec<(&'static str, i64, Vec<Change>)>,
}

impl Story {
    /// The set up to a version.
    fn set(&self, newest: usize) -> SchemaSet {
        let first = VersionSource::new(SchemaVersion(1), [("schema.toml", self.schemas[0])]);
        let second = VersionSource::new(
            SchemaVersion(2),
            [("schema.toml", self.schemas[1]), ("mapping.toml", self.mapping)],
        );
        SchemaSet::from_sources([first, second].into_iter().take(newest).collect()).unwrap()
    }

    /// Two sites at version 1 of the set up to a version, over SQLite and over PostgreSQL.
    async fn rigs(&self, newest: usize) -> Vec<(&'static str, Rig)> {
        let mut rigs = vec![("sqlite", Rig::sqlite(&["a", "b"], self.set(newest)).await)];
        if let Some((a, b)) = servers::two_postgres_or_skip() {
            let pair = [("a", a.create_database().url), ("b", b.create_database().url)];
            rigs.push(("postgres", Rig::at(&pair, self.set(newest)).await));
        }
        rigs
    }

    /// Lives it in every store: nothing is refused, the ledgers agree at both versions, so does an auditor, and the way up
    /// and down again changes nothing.
    async fn holds(&self) {
        for (store, rig) in self.rigs(2).await {
            let mut posters = posters(&rig).await;
            for changes in &self.before {
                rig.append("a", 1, changes).await;
            }
            rig.settle(&mut posters).await;
            drop(posters);
            move_to(&rig, "b", 2).await;
            equal(&rig, store).await;
            let mut posters = self::posters(&rig).await;
            for (nr, (site, version, changes)) in self.writes.iter().enumerate() {
                rig.append(site, *version, changes).await;
                rig.settle(&mut posters).await;
                let place = format!("{store}: write {nr} at {site}, version {version}: {changes:?}");
                taken(&rig, &place).await;
                equal(&rig, &place).await;
            }
            drop(posters);
            agrees(store, &rig).await;
            let older = digest_of(&rig, "a", 1).await;
            move_to(&rig, "a", 2).await;
            equal(&rig, store).await;
            move_to(&rig, "b", 1).await;
            equal(&rig, store).await;
            move_to(&rig, "a", 1).await;
            equal(&rig, store).await;
            assert_eq!(digest_of(&rig, "a", 1).await, older, "{store}: down again");
        }
    }
}

/// Nothing was refused anywhere.
async fn taken(rig: &Rig, place: &str) {
    for site in ["a", "b"] {
        let what = "SELECT coalesce(max(code || ' ' || detail), '') FROM";
        for table in ["rejection", "quarantine"] {
            let text = rig.row(site, &format!("{what} {{d}}{table}"), vec![]).await.text(0).unwrap();
            assert_eq!(text, "", "{place}: {table} at {site}");
        }
    }
}

async fn posters(rig: &Rig) -> Vec<(&'static str, SqlPoster)> {
    vec![("a", rig.poster("a").await), ("b", rig.poster("b").await)]
}

/// Takes a site to another version.
async fn move_to(rig: &Rig, site: &str, to: i64) {
    let mut control = rig.control(site).await;
    control.pause("test", "reshape").await.unwrap();
    let to = SchemaVersion(to);
    let order = ReshapeOrder { to, mode: Mode::CarryOut, who: "test".into(), why: "a test".into() };
    reshape(rig.url(site), &rig.registry, &order, &mut |_| {}).await.unwrap();
    control.resume("test", "reshaped").await.unwrap();
}

async fn compare(rig: &Rig) -> VerifyReport {
    let mut ledger_a = SqlLedger::open_reader(rig.url("a"), "verify").await.unwrap();
    let mut ledger_b = SqlLedger::open_reader(rig.url("b"), "verify").await.unwrap();
    let (mut control_a, mut control_b) = (rig.control("a").await, rig.control("b").await);
    let site = |name: &str| SiteName::new(name).unwrap();
    let a = Party { site: site("a"), ledger: &mut ledger_a, control: &mut control_a };
    let b = Party { site: site("b"), ledger: &mut ledger_b, control: &mut control_b };
    let within = std::time::Duration::ZERO;
    let patience = Patience { within, pausing: Pausing::Never, who: "test".to_owned() };
    verify(a, b, &rig.registry, &patience, 10, &mut unwatched).await.unwrap()
}

async fn equal(rig: &Rig, place: &str) {
    let report = compare(rig).await;
    assert!(report.equal, "{place}: {report:#?}");
    assert_eq!(report.a.digest, report.b.digest, "{place}");
}

async fn digest_of(rig: &Rig, site: &str, at: i64) -> String {
    let mut ledger = SqlLedger::open_reader(rig.url(site), "digest").await.unwrap();
    let digest = digest_as(&mut ledger, &rig.registry, SchemaVersion(at), &mut unwatched).await.unwrap();
    digest.digest.to_string()
}

/// The ledgers are equal at both versions, and equal to what an auditor makes of either journal at either version.
async fn agrees(store: &str, rig: &Rig) {
    equal(rig, store).await;
    for version in [1, 2] {
        let expected = digest_of(rig, "a", version).await;
        assert_eq!(digest_of(rig, "b", version).await, expected, "{store} at version {version}");
        for site in ["a", "b"] {
            let options = ReplayOptions { version: Some(SchemaVersion(version)), ..ReplayOptions::default() };
            let (into, _directory) = empty_database(store);
            let report = replay(rig.url(site), &into, &options, &mut unwatched).await.unwrap();
            assert_eq!(report.refused.count, 0, "{store}: {report:?}");
            let mut ledger = SqlLedger::open_reader(&into, "digest").await.unwrap();
            let replayed = digest(&mut ledger, &rig.registry, &mut unwatched).await.unwrap();
            assert_eq!(
                replayed.digest.to_string(),
                expected,
                "{store}: replay of {site} at version {version}"
            );
        }
    }
}
