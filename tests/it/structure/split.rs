//! A table that is two in the newer version.

use applier::engine::poster::Turn;
use applier::ledger::{Asked, Fault};
use journal_core::model::{Change, Row};
use journal_tests::rig::{Rig, SqlPoster, drain, row};

use super::{Story, equal, move_to, posters};

const ONE: &str = r#"
[table.person]
key = ["id"]
[table.person.columns]
id = "int"
name = "text"
street = { type = "text", null = true }
city = { type = "text", null = true }
visits = { type = "int", null = true }

[table.loan]
key = ["id"]
parents = [{ columns = ["person_id"], table = "person" }]
[table.loan.columns]
id = "int"
person_id = "int"
"#;

const TWO: &str = r#"
[table.person]
key = ["id"]
[table.person.columns]
id = "int"
name = "text"

[table.address]
key = ["person_id"]
parents = [{ columns = ["person_id"], table = "person" }]
[table.address.columns]
person_id = "int"
street = { type = "text", null = true }
city = { type = "text", null = true }
visits = { type = "int", null = true }

[table.loan]
key = ["id"]
parents = [{ columns = ["person_id"], table = "person" }]
[table.loan.columns]
id = "int"
person_id = "int"
"#;

const MAPPING: &str = r#"
[[map]]
op = "split_table"
table = "person"
into = "address"
key = ["person_id"]
columns = ["street", "city", "visits"]
optional = true
"#;

fn id(id: i64) -> Row {
    row([("id", id.into())])
}

fn of(person: i64) -> Row {
    row([("person_id", person.into())])
}

fn with(mut cells: Row, more: Row) -> Row {
    cells.extend(more);
    cells
}

fn named(name: &str) -> Row {
    row([("name", name.into())])
}

fn lives(street: &str, city: Option<&str>) -> Row {
    row([("street", street.into()), ("city", city.into())])
}

fn visits(visits: i64) -> Row {
    row([("visits", visits.into())])
}

fn person(nr: i64, name: &str) -> Change {
    Change::insert("person", with(id(nr), named(name)))
}

fn story() -> Story {
    let whole = |nr, name: &str| with(with(with(id(nr), named(name)), lives("S", None)), visits(1));
    let address = |nr, street: &str| with(with(of(nr), lives(street, Some("C"))), visits(5));
    Story {
        schemas: [ONE, TWO],
        mapping: MAPPING,
        before: vec![
            vec![Change::insert("person", whole(1, "ANN")), person(2, "BEN")],
            vec![person(3, "CARL"), Change::insert("loan", with(id(1), of(1)))],
        ],
        writes: vec![
            (
                "a",
                1,
                vec![
                    Change::update("person", id(1), lives("HILL", Some("ROME"))).expecting(lives("S", None)),
                ],
            ),
            ("b", 1, vec![Change::update("person", id(2), lives("LANE", None))]),
            ("a", 2, vec![Change::insert("address", address(3, "ROAD"))]),
            ("b", 2, vec![Change::update("address", of(1), lives("PARK", None)).expecting(visits(1))]),
            ("a", 2, vec![Change::update("person", id(3), named("CARLA"))]),
            ("b", 2, vec![Change::delete("address", of(2))]),
            ("a", 1, vec![Change::add("person", id(3), visits(7))]),
            ("b", 2, vec![Change::add("address", of(3), visits(-2))]),
            ("a", 2, vec![person(4, "DORA"), Change::insert("address", of(4))]),
            ("b", 1, vec![Change::update("person", id(4), named("DORIS"))]),
            ("b", 1, vec![Change::insert("person", whole(5, "EVE")), person(6, "FRED")]),
            (
                "a",
                1,
                vec![Change::upsert("person", whole(6, "FRIDA")), Change::upsert("person", whole(7, "GUS"))],
            ),
            (
                "b",
                2,
                vec![Change::upsert("address", address(6, "QUAY")), Change::upsert("person", whole_two(8))],
            ),
            ("a", 2, vec![Change::upsert("person", whole_two(7)), Change::delete("address", of(7))]),
            ("b", 1, vec![Change::update("person", id(7), id(17))]),
            ("a", 2, vec![Change::delete("address", of(6)), Change::delete("person", id(6))]),
            ("b", 1, vec![Change::delete("person", id(5)).expecting(visits(1))]),
            ("a", 1, vec![Change::delete("loan", id(1)), Change::delete("person", id(1))]),
        ],
    }
}

fn whole_two(nr: i64) -> Row {
    with(id(nr), named("HAL"))
}

#[tokio::test]
async fn a_table_that_is_split_is_written_at_both_versions_and_sites() {
    story().holds().await;
}

/// What each site holds back, by code.
async fn held(rig: &Rig, site: &str) -> Vec<String> {
    let mut conn =
        journal_core::sql::Conn::open(rig.url(site), journal_core::sql::Access::Read, "test").await.unwrap();
    let query = "SELECT code FROM {d}quarantine WHERE state = 'held' ORDER BY arrival";
    conn.lend().fetch(query, vec![]).await.unwrap().iter().map(|record| record.text(0).unwrap()).collect()
}

async fn decide_apart(rig: &Rig, posters: &mut [(&'static str, SqlPoster)], writes: [(i64, Change); 2]) {
    for ((site, poster), (version, change)) in posters.iter_mut().zip(writes) {
        rig.append(site, version, &[change]).await;
        while poster.turn().await.unwrap() == Turn::Progress {}
    }
}

/// The version 1 site has them in one row, the version 2 site in two.
#[tokio::test]
async fn writes_that_meet_in_one_version_meet_at_every_site() {
    for (store, rig) in story().rigs(2).await {
        rig.append("a", 1, &story().before[0]).await;
        rig.settle(&mut posters(&rig).await).await;
        move_to(&rig, "b", 2).await;
        let mut posters = posters(&rig).await;
        let pair = [
            (1, Change::update("person", id(1), named("ANNA"))),
            (2, Change::update("address", of(1), lives("PARK", None))),
        ];
        decide_apart(&rig, &mut posters, pair).await;
        rig.append("a", 1, &[Change::update("person", id(1), visits(3))]).await;
        rig.settle(&mut posters).await;
        let (concurrent, dependent) = (Fault::Concurrent.code(), Fault::Dependent.code());
        assert_eq!(held(&rig, "a").await, [concurrent], "{store}");
        assert_eq!(held(&rig, "b").await, [concurrent, concurrent], "{store}");
        drop(posters);
        // Another process finds the same in the journal.
        let mut posters = self::posters(&rig).await;
        rig.append("a", 1, &[Change::update("person", id(2), named("BENNO"))]).await;
        rig.append("a", 1, &[Change::update("person", id(1), named("ANNI"))]).await;
        rig.settle(&mut posters).await;
        assert_eq!(held(&rig, "b").await, [concurrent, concurrent, dependent], "{store}");
        for site in ["a", "b"] {
            let mut control = rig.control(site).await;
            let ledger = posters_of(&mut posters, site);
            let _ = drain(ledger).await.unwrap();
            for id in waiting(&rig, site).await {
                applier::control::ControlStore::ask(&mut control, &id, Asked::Retry, "dba", "looked")
                    .await
                    .unwrap();
                drain(posters_of(&mut posters, site)).await.unwrap();
            }
        }
        rig.settle(&mut posters).await;
        assert_eq!((held(&rig, "a").await.len(), held(&rig, "b").await.len()), (0, 0), "{store}");
        equal(&rig, store).await;
    }
}

fn posters_of<'p>(posters: &'p mut [(&'static str, SqlPoster)], site: &str) -> &'p mut SqlPoster {
    posters.iter_mut().find(|(name, _)| *name == site).map(|(_, poster)| poster).unwrap()
}

async fn waiting(rig: &Rig, site: &str) -> Vec<journal_core::model::TransactionId> {
    use applier::ledger::Ledger as _;
    let mut ledger = applier::ledger::sql::SqlLedger::open(rig.url(site), "test").await.unwrap();
    ledger.quarantined().await.unwrap().into_iter().map(|(entry, _)| entry.id).collect()
}
