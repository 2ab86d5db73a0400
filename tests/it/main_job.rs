//! The spine over real stores: append, decide, seal, ship, post, and what goes wrong on the way.

use applier::control::ControlStore as _;
use applier::demo::history;
use applier::engine::poster::Turn;
use applier::ledger::Asked;
use journal_core::codec::json::read_line;
use journal_core::model::{Change, SchemaVersion, Value};
use journal_tests::rig::{Rig, SqlPoster, drain, row};
use journal_tests::servers;
use journal_tests::tether;
use schema_mappers::SchemaSet;

fn rental() -> SchemaSet {
    SchemaSet::from_sources(history::sources()).unwrap()
}

/// Every test here runs over SQLite, over two PostgreSQL servers, over two MariaDB servers, and mixed.
async fn rigs() -> Vec<(&'static str, Rig)> {
    let mut rigs = vec![("sqlite", Rig::sqlite(&["a", "b"], rental()).await)];
    if let Some((a, b)) = servers::two_postgres_or_skip() {
        let pair = [("a", a.create_database().url), ("b", b.create_database().url)];
        rigs.push(("postgres", Rig::at(&pair, rental()).await));
        let file = tether::directory("daybook-it-").keep().join("a.db");
        let mixed = [("a", format!("sqlite:{}", file.display())), ("b", b.create_database().url)];
        rigs.push(("mixed", Rig::at(&mixed, rental()).await));
    }
    if let Some((a, b)) = servers::two_mariadb_or_skip() {
        let pair = [("a", a.create_database().url), ("b", b.create_database().url)];
        rigs.push(("mariadb", Rig::at(&pair, rental()).await));
    }
    if let (Some(a), Some(b)) = (servers::mariadb_or_skip(), servers::postgres_or_skip()) {
        let mixed = [("a", a.create_database().url), ("b", b.create_database().url)];
        rigs.push(("mariadb and postgres", Rig::at(&mixed, rental()).await));
    }
    rigs
}

async fn posters(rig: &Rig) -> Vec<(&'static str, SqlPoster)> {
    vec![("a", rig.poster("a").await), ("b", rig.poster("b").await)]
}

fn stats(store: i64) -> Change {
    let cells = row([
        ("store_id", store.into()),
        ("nr_of_users", 0.into()),
        ("nr_of_rentals", 0.into()),
        ("revenue", Value::Decimal("0.00".parse().unwrap())),
    ]);
    Change::insert("stats", cells)
}

fn revenue(store: i64, delta: &str) -> Change {
    let delta = row([("revenue", Value::Decimal(delta.parse().unwrap()))]);
    Change::add("stats", row([("store_id", store.into())]), delta)
}

fn name(id: i64, full_name: &str) -> Change {
    let cells = row([
        ("customer_id", id.into()),
        ("store_id", 1.into()),
        ("full_name", full_name.into()),
        ("email", "m@example.org".into()),
        ("active", true.into()),
    ]);
    Change::insert("name", cells)
}

fn phone(id: i64, number: Option<&str>) -> Change {
    Change::insert("phone", row([("customer_id", id.into()), ("number", number.into())]))
}

#[tokio::test]
async fn what_is_appended_at_one_site_reaches_both_ledgers_once() {
    for (store, rig) in rigs().await {
        let schema = rig.registry.schema(SchemaVersion(1)).unwrap();
        for line in history::lines().unwrap().iter().take(300) {
            rig.append("a", 1, &read_line(line, schema).unwrap().changes).await;
        }
        rig.settle(&mut posters(&rig).await).await;
        for site in ["a", "b"] {
            let films = rig.number(site, "SELECT count(*) FROM film").await;
            assert_eq!(films, 298, "{store} {site}");
        }
        let entries = "SELECT count(*) FROM {d}entry";
        assert_eq!(rig.number("a", entries).await, rig.number("b", entries).await, "{store}");
        let own = "SELECT count(*) FROM {d}entry WHERE origin = 'b'";
        assert_eq!(rig.number("a", own).await, 0, "{store}: posting at b created entries");
    }
}

#[tokio::test]
async fn a_faulty_transaction_is_rejected_alone_and_says_why() {
    for (store, rig) in rigs().await {
        rig.append("a", 1, &[stats(1)]).await;
        rig.append("a", 1, &[phone(9, None), revenue(1, "5.00")]).await; // No such customer.
        rig.append("a", 1, &[stats(1)]).await; // There already.
        rig.append("a", 1, &[revenue(7, "1.00")]).await; // No such row.
        rig.append("a", 1, &[revenue(1, "2.50")]).await;
        let wrong = Change::update("stats", row([("store_id", 1.into())]), row([("nr_of_users", 5.into())]));
        rig.append("a", 1, &[wrong.expecting(row([("nr_of_users", 3.into())]))]).await;
        rig.append("a", 1, &[revenue(1, "9999999.00")]).await; // More than the column holds.
        rig.settle(&mut posters(&rig).await).await;
        for site in ["a", "b"] {
            let total = rig.row(site, "SELECT revenue || '' FROM stats", vec![]).await.text(0).unwrap();
            assert_eq!(total, "2.50", "{store} {site}");
            let codes = "SELECT code FROM {d}rejection ORDER BY trans_nr";
            let mut conn =
                journal_core::sql::Conn::open(rig.url(site), journal_core::sql::Access::Read, "test")
                    .await
                    .unwrap();
            let codes: Vec<String> = conn
                .lend()
                .fetch(codes, vec![])
                .await
                .unwrap()
                .iter()
                .map(|code| code.text(0).unwrap())
                .collect();
            assert_eq!(codes, ["D0202", "D0201", "D0204", "D0205", "D0208"], "{store} {site}");
            let phones = rig.number(site, "SELECT count(*) FROM phone").await;
            assert_eq!(phones, 0, "{store} {site}: part of a rejected transaction was posted");
        }
    }
}

#[tokio::test]
async fn a_paused_site_takes_appends_and_receives_and_posts_nothing() {
    for (store, rig) in rigs().await {
        let mut posters = posters(&rig).await;
        rig.append("a", 1, &[stats(1)]).await;
        rig.settle(&mut posters).await;
        rig.control("b").await.pause("test", "index rebuild").await.unwrap();
        rig.append("a", 1, &[stats(2)]).await;
        rig.append("b", 1, &[name(1, "MARY SMITH")]).await;
        rig.settle(&mut posters).await;
        assert_eq!(posters[1].1.turn().await.unwrap(), Turn::Paused, "{store}");
        assert_eq!(rig.number("b", "SELECT count(*) FROM stats").await, 1, "{store}");
        assert_eq!(rig.number("b", "SELECT count(*) FROM name").await, 0, "{store}");
        assert_eq!(
            rig.number("b", "SELECT count(*) FROM {d}entry WHERE entity = 'stats'").await,
            2,
            "{store}"
        );
        rig.control("b").await.resume("test", "done").await.unwrap();
        assert!(posters[1].1.turn().await.is_err(), "{store}: a poster of the old generation goes on");
        posters[1].1 = rig.poster("b").await;
        rig.settle(&mut posters).await;
        for site in ["a", "b"] {
            assert_eq!(rig.number(site, "SELECT count(*) FROM stats").await, 2, "{store} {site}");
            assert_eq!(rig.number(site, "SELECT count(*) FROM name").await, 1, "{store} {site}");
        }
    }
}

#[tokio::test]
async fn a_poster_that_lost_its_lease_changes_nothing_more() {
    for (store, rig) in rigs().await {
        let mut old = rig.poster("a").await;
        let mut new = rig.poster("a").await;
        rig.append("a", 1, &[stats(1)]).await;
        assert!(old.turn().await.is_err(), "{store}");
        assert_eq!(rig.number("a", "SELECT count(*) FROM stats").await, 0, "{store}");
        drain(&mut new).await.unwrap();
        assert_eq!(rig.number("a", "SELECT count(*) FROM stats").await, 1, "{store}");
    }
}

#[tokio::test]
async fn two_writers_of_one_key_end_in_quarantine_at_both_sites_and_the_rest_flows() {
    for (store, rig) in rigs().await {
        let mut posters = posters(&rig).await;
        rig.append("a", 1, &[stats(1), name(1, "MARY SMITH")]).await;
        rig.settle(&mut posters).await;
        let rename = |to: &str| {
            Change::update("name", row([("customer_id", 1.into())]), row([("full_name", to.into())]))
        };
        rig.append("a", 1, &[rename("MARY MILLER"), revenue(1, "1.00")]).await;
        rig.append("b", 1, &[rename("MARY JONES"), revenue(1, "1.00")]).await;
        drain(&mut posters[0].1).await.unwrap();
        drain(&mut posters[1].1).await.unwrap();
        rig.append("a", 1, &[rename("MARY MILLER-JONES")]).await; // a does not know of b's either.
        rig.append("a", 1, &[revenue(1, "4.00")]).await; // Commutes: flows.
        rig.settle(&mut posters).await;
        let held = "SELECT count(*) FROM {d}quarantine WHERE state = 'held' AND code = 'D0212'";
        for (site, concurrent) in [("a", 1), ("b", 2)] {
            assert_eq!(rig.number(site, held).await, concurrent, "{store} {site}");
            let total = rig.row(site, "SELECT revenue || '' FROM stats", vec![]).await.text(0).unwrap();
            assert_eq!(total, "5.00", "{store} {site}");
        }
        // A person decides: a's names stand. b's is left out at a; a's are posted at b.
        let id = |site: &str, nr: i64| format!("{site}/1/{nr}").parse().unwrap();
        assert!(rig.control("a").await.ask(&id("b", 1), Asked::Discard, "dba", "a decides").await.unwrap());
        assert!(rig.control("b").await.ask(&id("a", 2), Asked::Retry, "dba", "a decides").await.unwrap());
        assert!(rig.control("b").await.ask(&id("a", 3), Asked::Retry, "dba", "a decides").await.unwrap());
        rig.settle(&mut posters).await;
        for site in ["a", "b"] {
            let name = rig.row(site, "SELECT full_name FROM name", vec![]).await.text(0).unwrap();
            assert_eq!(name, "MARY MILLER-JONES", "{store} {site}");
            assert_eq!(
                rig.number(site, "SELECT count(*) FROM {d}quarantine WHERE state = 'held'").await,
                0,
                "{store} {site}"
            );
        }
    }
}

#[tokio::test]
async fn what_depends_on_a_quarantined_transaction_waits_and_is_released_with_it() {
    for (store, rig) in rigs().await {
        let mut posters = posters(&rig).await;
        rig.append("a", 1, &[stats(1)]).await;
        rig.settle(&mut posters).await;
        // Somebody typed into b's ledger.
        rig.execute("b", "INSERT INTO name (customer_id, store_id, full_name, email, active) VALUES (1, 1, 'X Y', 'x', '1')").await;
        rig.append("a", 1, &[name(1, "MARY SMITH"), revenue(1, "1.00")]).await;
        rig.append("a", 1, &[phone(1, Some("555")), revenue(1, "2.00")]).await;
        rig.append("a", 1, &[name(2, "PAT JONES"), revenue(1, "4.00")]).await;
        rig.settle(&mut posters).await;
        let held = "SELECT count(*) FROM {d}quarantine WHERE state = 'held' AND code = '";
        assert_eq!(rig.number("b", &format!("{held}D0201'")).await, 1, "{store}");
        assert_eq!(rig.number("b", &format!("{held}D0213'")).await, 1, "{store}");
        let total = "SELECT revenue || '' FROM stats";
        assert_eq!(
            rig.row("b", total, vec![]).await.text(0).unwrap(),
            "4.00",
            "{store}: what does not depend flows"
        );
        posters[1].1 = rig.poster("b").await; // Held keys are found again after a restart.
        rig.append("a", 1, &[revenue(1, "8.00"), Change::delete("phone", row([("customer_id", 1.into())]))])
            .await;
        rig.settle(&mut posters).await;
        assert_eq!(rig.number("b", &format!("{held}D0213'")).await, 2, "{store}");
        rig.execute("b", "DELETE FROM name WHERE customer_id = 1").await;
        let id = "a/1/2".parse().unwrap();
        assert!(rig.control("b").await.ask(&id, Asked::Retry, "dba", "row removed").await.unwrap());
        rig.settle(&mut posters).await;
        assert_eq!(rig.row("b", total, vec![]).await.text(0).unwrap(), "15.00", "{store}");
        assert_eq!(
            rig.number("b", "SELECT count(*) FROM {d}quarantine WHERE state = 'held'").await,
            0,
            "{store}"
        );
        assert_eq!(rig.number("b", "SELECT count(*) FROM phone").await, 0, "{store}");
    }
}

#[tokio::test]
async fn a_version_that_is_not_known_here_holds_the_lane_and_loses_nothing() {
    for (store, rig) in rigs().await {
        let mut poster = rig.poster("a").await;
        let mut transaction = rig.transaction(1, &[stats(1)]);
        transaction.schema_version = SchemaVersion(9);
        let mut journal = rig.journal("a").await;
        journal_core::journal::JournalStore::append(&mut journal, &[transaction]).await.unwrap();
        let Turn::Waiting(reason) = poster.turn().await.unwrap() else { panic!("{store}: it does not wait") };
        assert!(reason.contains("schema version 9"), "{store}: {reason}");
        assert_eq!(rig.number("a", "SELECT count(*) FROM {d}seal").await, 0, "{store}");
    }
}
