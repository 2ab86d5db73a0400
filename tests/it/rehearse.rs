//! `rehearse`: what an upgrade would meet, found out on a copy, with the site as it was.

use applier::audit::digest::{digest, digest_as};
use applier::audit::replay::{ReplayError, Until};
use applier::audit::unwatched;
use applier::control::ControlStore as _;
use applier::ledger::sql::SqlLedger;
use applier::rehearse::{Phase, Plan, RehearseError, Report, rehearse};
use applier::scratch::Scratch;
use applier::upgrade::reshape::{Mode, ReshapeOrder, reshape};
use journal_core::model::{Change, SchemaVersion};
use journal_core::sql::{Access, Conn, DbUrl};
use journal_tests::rig::{Rig, drain, row};
use journal_tests::servers;
use schema_mappers::{SchemaSet, VersionSource};

use crate::club::{empty_database, member, money, phone, rigs};

fn plan(to: i64, since: Option<&str>) -> Plan {
    let since: Option<Until> = since.map(|text| text.parse().unwrap());
    Plan { to: SchemaVersion(to), since, until: None, who: "dba".to_owned() }
}

async fn rehearsed(rig: &Rig, scratch: &DbUrl, plan: &Plan) -> Result<Report, RehearseError> {
    let claimed = Scratch::claim(scratch).await?;
    rehearse(rig.url("a"), &claimed, &rig.registry, plan, &mut |_, _| ()).await
}

/// Posts each of these at site a in a seal of its own.
async fn post_each(rig: &Rig, version: i64, transactions: &[&[Change]]) {
    let mut poster = rig.poster("a").await;
    for changes in transactions {
        rig.append("a", version, changes).await;
        drain(&mut poster).await.unwrap();
    }
    assert_eq!(poster.done().rejected, 0);
}

/// Everything of the site that a rehearsal could have touched.
async fn fingerprint(rig: &Rig) -> String {
    let mut ledger = SqlLedger::open_reader(rig.url("a"), "digest").await.unwrap();
    let digest = digest(&mut ledger, &rig.registry, &mut unwatched).await.unwrap();
    let actions = rig.number("a", "SELECT count(*) FROM {d}action").await;
    let released = rig.number("a", "SELECT count(*) FROM {d}schema_version").await;
    format!("{} {} {actions} {released}", digest.version, digest.digest)
}

#[tokio::test]
async fn a_copy_is_moved_and_the_rest_of_the_journal_posted_into_it_and_the_site_stays_as_it_was() {
    for (store, rig) in rigs().await {
        let first: &[Change] = &[member(1, "MARY ANN SMITH", None), phone(1, None)];
        let second: &[Change] = &[member(2, "CHER ", Some(1)), phone(2, Some("555"))];
        let third: &[Change] = &[member(3, "IGGY POP", None), phone(3, None)];
        post_each(&rig, 1, &[first, second, third]).await;
        let before = fingerprint(&rig).await;
        let (scratch, _directory) = empty_database(store);
        let mut phases = Vec::new();
        let claimed = Scratch::claim(&scratch).await.unwrap();
        let report =
            rehearse(rig.url("a"), &claimed, &rig.registry, &plan(2, Some("a/1/2")), &mut |phase, _| {
                if phases.last() != Some(&phase) {
                    phases.push(phase);
                }
            })
            .await
            .unwrap();
        assert!(report.is_good(), "{store}: {report:?}");
        assert_eq!((report.copied, report.rows, report.stuck_rows), (2, 4, 0), "{store}");
        let moved = report.moved.as_ref().unwrap();
        assert_eq!((moved.rows, moved.complements, moved.asks[0].rows), (4, 1, 1), "{store}: {moved:?}");
        assert!(moved.extra_bytes > 0, "{store}: {moved:?}");
        let tail = report.tail.as_ref().unwrap();
        assert_eq!((tail.posted, tail.refused.count, tail.left_out), (1, 0, 0), "{store}: {tail:?}");
        assert_eq!((phases.first(), phases.last()), (Some(&Phase::Copy), Some(&Phase::Tail)), "{store}");
        assert_eq!(fingerprint(&rig).await, before, "{store}: the site is as it was");
        // The copy is what the site's ledger is at that version: the move and the mappers agree.
        let mut copy = SqlLedger::open_reader(&scratch, "digest").await.unwrap();
        let copy = digest(&mut copy, &rig.registry, &mut unwatched).await.unwrap();
        let mut live = SqlLedger::open_reader(rig.url("a"), "digest").await.unwrap();
        let live = digest_as(&mut live, &rig.registry, SchemaVersion(2), &mut unwatched).await.unwrap();
        assert_eq!(copy.digest, live.digest, "{store}");
        claimed.remove().await.unwrap();
        assert!(Scratch::claim(&scratch).await.is_ok(), "{store}: nothing is left of the copy");
    }
}

#[tokio::test]
async fn without_a_moment_a_young_journal_is_cut_at_its_half() {
    for (store, rig) in rigs().await {
        let each: Vec<Vec<Change>> = (1..=6).map(|id| vec![member(id, "A B", None)]).collect();
        post_each(&rig, 1, &each.iter().map(Vec::as_slice).collect::<Vec<_>>()).await;
        let (scratch, _directory) = empty_database(store);
        let report = rehearsed(&rig, &scratch, &plan(3, None)).await.unwrap();
        assert_eq!((report.copied, report.tail.unwrap().posted), (3, 3), "{store}");
    }
}

async fn at_version_2(rig: &Rig) {
    rig.control("a").await.pause("dba", "release").await.unwrap();
    let (to, why) = (SchemaVersion(2), "release".to_owned());
    let order = ReshapeOrder { to, mode: Mode::CarryOut, who: "dba".to_owned(), why };
    reshape(rig.url("a"), &rig.registry, &order, &mut unwatched).await.unwrap();
    rig.control("a").await.resume("dba", "released").await.unwrap();
}

fn fee(id: i64, text: &str) -> Change {
    Change::update("member", row([("id", id.into())]), row([("fee", money(text))]))
}

#[tokio::test]
async fn rows_that_would_stop_the_move_are_all_told_with_the_reason() {
    for (store, rig) in rigs().await {
        post_each(&rig, 1, &[&[member(1, "A B", None), member(2, "C D", None), member(3, "E F", None)]])
            .await;
        at_version_2(&rig).await;
        post_each(&rig, 2, &[&[fee(1, "1.2345")], &[fee(3, "2.3456")], &[fee(2, "1.5000")]]).await;
        let before = fingerprint(&rig).await;
        let (scratch, _directory) = empty_database(store);
        // Back to version 1, as an abort would.
        let report = rehearsed(&rig, &scratch, &plan(1, Some("a/1/4"))).await.unwrap();
        assert!(!report.is_good(), "{store}");
        assert_eq!((report.rows, report.stuck_rows), (3, 2), "{store}: {report:?}");
        assert!(report.moved.is_none() && report.tail.is_none(), "{store}");
        let keys: Vec<&str> = report.stuck.iter().flat_map(|stuck| &stuck.keys).map(String::as_str).collect();
        assert_eq!(keys, ["[1]", "[3]"], "{store}: {report:?}");
        assert!(report.stuck.iter().all(|stuck| stuck.table.as_ref() == "member"), "{store}");
        assert_eq!(fingerprint(&rig).await, before, "{store}");
    }
}

#[tokio::test]
async fn transactions_that_the_new_version_cannot_take_are_told_by_code() {
    for (store, rig) in rigs().await {
        post_each(&rig, 1, &[&[member(1, "A B", None)], &[member(2, "C D", None)]]).await;
        at_version_2(&rig).await;
        post_each(&rig, 2, &[&[fee(1, "1.2345")], &[fee(2, "1.5000")]]).await;
        let (scratch, _directory) = empty_database(store);
        let report = rehearsed(&rig, &scratch, &plan(1, Some("a/1/2"))).await.unwrap();
        assert!(!report.is_good(), "{store}");
        let tail = report.tail.unwrap();
        assert_eq!((report.stuck_rows, tail.posted, tail.refused.count), (0, 1, 1), "{store}: {tail:?}");
        assert_eq!(tail.refused.first[0].transaction, "a/1/3", "{store}");
        assert_eq!(tail.refused_by.into_iter().collect::<Vec<_>>(), [("D0211".to_owned(), 1)], "{store}");
    }
}

#[tokio::test]
async fn a_database_that_is_not_empty_is_no_scratch_database_and_stays() {
    for (store, rig) in rigs().await {
        let (scratch, _directory) = empty_database(store);
        let mut conn = Conn::open(&scratch, Access::Create, "test").await.unwrap();
        conn.lend().script("CREATE TABLE precious (id bigint)").await.unwrap();
        conn.close().await;
        let refused = rehearsed(&rig, &scratch, &plan(2, None)).await.unwrap_err();
        assert!(matches!(refused, RehearseError::Replay(ReplayError::NotEmpty { .. })), "{store}: {refused}");
        let mut conn = Conn::open(&scratch, Access::Read, "test").await.unwrap();
        assert!(
            conn.lend().fetch("SELECT id FROM precious", Vec::new()).await.unwrap().is_empty(),
            "{store}"
        );
    }
}

#[tokio::test]
async fn a_site_that_stands_at_the_version_needs_no_rehearsal() {
    for (store, rig) in rigs().await {
        let (scratch, _directory) = empty_database(store);
        let refused = rehearsed(&rig, &scratch, &plan(1, None)).await.unwrap_err();
        assert!(matches!(refused, RehearseError::AtVersion { .. }), "{store}: {refused}");
    }
}

const UNIQUE_1: &str =
    "[table.card]\nkey = [\"id\"]\n[table.card.columns]\nid = \"int\"\nnumber = \"text\"\n";
const UNIQUE_2: &str = "[table.card]\nkey = [\"id\"]\nunique = [[\"number\"]]\n[table.card.columns]\nid = \"int\"\nnumber = \"text\"\n";
const UNIQUE_MAPPING: &str = "[[map]]\nop = \"add_unique\"\ntable = \"card\"\ncolumns = [\"number\"]\n";

fn cards() -> SchemaSet {
    let second = [("schema.toml", UNIQUE_2), ("mapping.toml", UNIQUE_MAPPING)];
    let sources = vec![
        VersionSource::new(SchemaVersion(1), [("schema.toml", UNIQUE_1)]),
        VersionSource::new(SchemaVersion(2), second),
    ];
    SchemaSet::from_sources(sources).unwrap()
}

#[tokio::test]
async fn rows_that_break_a_new_unique_key_fail_the_move_and_the_report_says_so() {
    let mut rigs = vec![("sqlite", Rig::sqlite(&["a"], cards()).await)];
    if let Some(server) = servers::postgres_or_skip() {
        rigs.push(("postgres", Rig::at(&[("a", server.create_database().url)], cards()).await));
    }
    for (store, rig) in rigs {
        let card = |id: i64, number: &str| {
            Change::insert("card", row([("id", id.into()), ("number", number.into())]))
        };
        post_each(&rig, 1, &[&[card(1, "A"), card(2, "B")], &[card(3, "A")]]).await;
        let (scratch, _directory) = empty_database(store);
        let report = rehearsed(&rig, &scratch, &plan(2, Some("a/1/2"))).await.unwrap();
        assert!(!report.is_good() && report.moved.is_none() && report.tail.is_none(), "{store}: {report:?}");
        let why = report.move_failed.unwrap();
        assert!(why.contains("card"), "{store}: {why}");
        // Before the second of them comes, the move goes through; then the transaction is what is refused.
        let (scratch, _directory) = empty_database(store);
        let report = rehearsed(&rig, &scratch, &plan(2, Some("a/1/1"))).await.unwrap();
        let tail = report.tail.unwrap();
        assert_eq!(tail.refused_by.into_iter().collect::<Vec<_>>(), [("D0201".to_owned(), 1)], "{store}");
    }
}
