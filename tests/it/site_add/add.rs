//! Three sites of three stores, and how each kind of store comes by its ledger from another kind.

use journal_core::sql::{Access, Conn};

use super::house::Store::{MariaDb, Postgres, Sqlite};
use super::house::{House, Store, changes, lines};

const ALL: [&str; 3] = ["a", "b", "c"];

#[tokio::test]
async fn three_sites_of_three_stores_converge() {
    let Some(house) = House::new(&[("a", Sqlite), ("b", Postgres), ("c", MariaDb)]) else { return };
    house.configure(&ALL);
    house.done(&["init", "--at", "2"]);
    let service = house.serve(&[]);
    house.append("b", &lines(0));
    house.settle(&ALL);
    for (round, site) in (1..).zip(["a", "b", "c", "c", "a"]) {
        house.append(site, &lines(round));
    }
    house.settle(&ALL);
    house.append("c", &changes(1));
    house.settle(&ALL);
    for site in ALL {
        assert_eq!(house.number(site, "SELECT count(*) FROM member").await, 6 * 40 - 1, "{site}");
        let held = house.done(&["quarantine", "list", site]);
        assert_eq!(house.number(site, "SELECT count(*) FROM {d}quarantine").await, 0, "{site}: {held}");
    }
    house.is_lawful(&ALL, "three");
    service.terminate();
}

/// Site c comes from a while a is written to, and all three go on.
async fn added([a, b, c]: [Store; 3]) {
    let what = format!("{c:?} from {a:?}");
    let Some(house) = House::new(&[("a", a), ("b", b), ("c", c)]) else { return };
    house.configure(&["a", "b"]);
    house.done(&["init", "--at", "2"]);
    let service = house.serve(&[]);
    house.append("a", &lines(0));
    house.append("b", &lines(100));
    house.settle(&["a", "b"]);
    house.append("b", &changes(0));
    house.configure(&ALL);
    let planned = house.report(&["site", "add", "c", "--from", "a", "--dry-run"]);
    assert_eq!((&planned["dry_run"], &planned["stripe"]), (&true.into(), &2.into()), "{planned}");
    let (next, report) = house.while_appending("a", 1, || house.report(&["site", "add", "c", "--from", "a"]));
    assert_eq!((&report["already"], &report["version"]), (&false.into(), &2.into()), "{what}: {report}");
    assert!(next > 1, "{what}: nothing was appended meanwhile");
    // The services that run have not heard of c, and go on.
    house.append("b", &lines(next));
    house.settle(&["a", "b"]);
    let service = house.relieve(service);
    house.settle(&ALL);
    house.is_lawful(&ALL, "added");
    assert_eq!(house.report(&["site", "add", "c", "--from", "a"])["already"], true, "{what}");
    let asked = "SELECT count(*) FROM {d}ask_row";
    assert_eq!(house.number("c", asked).await, house.number("a", asked).await, "{what}");
    for (round, site) in (next + 1..).zip(["c", "a", "b", "c"]) {
        house.append(site, &lines(round));
    }
    house.settle(&ALL);
    house.append("c", &changes(next));
    house.settle(&ALL);
    for site in ALL {
        let held = house.done(&["quarantine", "list", site]);
        assert_eq!(
            house.number(site, "SELECT count(*) FROM {d}quarantine").await,
            0,
            "{what}: {site}: {held}"
        );
    }
    house.is_lawful(&ALL, "after");
    service.terminate();
}

#[tokio::test]
async fn a_site_on_postgresql_comes_from_one_on_mariadb() {
    added([MariaDb, Sqlite, Postgres]).await;
}

#[tokio::test]
async fn a_site_in_sqlite_comes_from_one_on_postgresql() {
    added([Postgres, MariaDb, Sqlite]).await;
}

#[tokio::test]
async fn a_site_on_mariadb_comes_from_one_in_sqlite() {
    added([Sqlite, Postgres, MariaDb]).await;
}

#[tokio::test]
async fn a_site_of_the_same_store_comes_too() {
    for store in [Sqlite, Postgres, MariaDb] {
        added([store; 3]).await;
    }
}

/// MariaDB has no place for a note under a long key, so such a row counts from the question's beginning there.
#[tokio::test]
async fn notes_under_keys_too_long_for_mariadb_stay_behind() {
    let Some(house) = House::new(&[("a", Sqlite), ("c", MariaDb)]) else { return };
    house.configure(&["a"]);
    house.done(&["init", "--at", "2"]);
    let mut conn = Conn::open(&house.url("a"), Access::Write, "test").await.unwrap();
    for length in [500, 501] {
        let key = "é".repeat(length);
        let note =
            format!("INSERT INTO {{d}}ask_row (ask, row_key, since) SELECT ask, '{key}', 7 FROM {{d}}ask");
        conn.lend().script(&note).await.unwrap();
    }
    house.configure(&["a", "c"]);
    house.done(&["site", "add", "c", "--from", "a"]);
    let notes = "SELECT count(*) FROM {d}ask_row";
    assert_eq!((house.number("a", notes).await, house.number("c", notes).await), (2, 1));
}
