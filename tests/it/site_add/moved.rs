//! A group moves from MariaDB to PostgreSQL while its application writes: a site is added, catches up, the application goes
//! over, and the old site is retired and its database dropped. No request fails and nothing is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use journal_core::client::{GroupJournal, Journal, Transaction};
use journal_core::model::{Row, SchemaVersion, SiteName, Value};
use journal_core::sql::{Access, Conn};
use journal_tests::servers::mariadb_or_skip;
use tokio::sync::mpsc::Sender;

use super::house::House;
use super::house::Store::{MariaDb, Postgres};

/// Callers of the application.
const CALLERS: usize = 4;

/// What an application took note of.
#[derive(Debug, Default)]
struct Taken {
    ids: BTreeSet<i64>,
    sites: BTreeSet<String>,
}

/// Writes members with ids of its own until told to end; every request has to succeed, and to be found applied. Tells of its
/// first one at c: it has none under way at a any more.
async fn write(group: GroupJournal, over: Arc<AtomicBool>, went: Sender<()>) -> Taken {
    let mut taken = Taken::default();
    while !over.load(Ordering::SeqCst) {
        let id = group.next_id("member").await.unwrap();
        let row = Row::new()
            .with("id", id)
            .with("email", format!("m{id}@example.org").as_str())
            .with("full_name", "Somebody")
            .with("fee", Value::Decimal("1.50".parse().unwrap()))
            .with("joined", Value::Timestamp(1_117_000_000_000_000))
            .with("token", Value::Uuid(uuid::Uuid::now_v7()));
        let receipt = group.append(&Transaction::new().insert("member", row)).await.unwrap();
        assert!(taken.ids.insert(id), "id {id} was handed out twice");
        let site = receipt.id().origin.site.to_string();
        if taken.sites.insert(site.clone()) && site == "c" {
            went.send(()).await.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    taken
}

/// Reads the view of its version where the group says, until told to end; every read has to succeed, and at one site no row
/// ever goes. The sites it read at.
async fn read(group: GroupJournal, over: Arc<AtomicBool>) -> BTreeSet<String> {
    let (mut sites, mut open) = (BTreeSet::new(), None);
    while !over.load(Ordering::SeqCst) {
        let (site, url) = group.read_url(SchemaVersion(1)).await.expect("a site serves version 1");
        let (conn, most) = match open.take() {
            Some((at, conn, most)) if at == site => (conn, most),
            _ => (Conn::open(&url.address().parse().unwrap(), Access::Read, "test").await.unwrap(), 0),
        };
        let mut conn: Conn = conn;
        let count = conn.lend().fetch_one("SELECT count(*) FROM member", Vec::new()).await.unwrap();
        let count = count.i64(0).unwrap();
        assert!(count >= most, "{count} rows after {most} at {site}");
        sites.insert(site.to_string());
        open = Some((site, conn, count));
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    sites
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_moves_from_mariadb_to_postgresql_under_load() {
    let Some(house) = House::new(&[("a", MariaDb), ("c", Postgres)]) else { return };
    house.configure(&["a"]);
    house.done(&["init", "--at", "2"]);
    let service = house.serve(&[]);
    // The application knows both addresses from the beginning; at the second one there is nothing yet.
    let sites = ["a", "c"].map(|site| (SiteName::new(site).unwrap(), house.url(site)));
    let group = Journal::group_builder(&sites).schema_version(SchemaVersion(1)).open().await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let (went, mut gone_over) = tokio::sync::mpsc::channel(CALLERS);
    let call = |_| tokio::spawn(write(group.clone(), over.clone(), went.clone()));
    let callers: Vec<_> = (0..CALLERS).map(call).collect();
    let reader = tokio::spawn(read(group.clone(), over.clone()));
    let house = tokio::task::spawn_blocking(move || {
        house.configure(&["a", "c"]);
        house.done(&["site", "add", "c", "--from", "a"]);
        let service = house.relieve(service);
        house.settle(&["c"]);
        // A cut for the comparison, while the application writes.
        assert_eq!(house.report(&["verify", "--pause"])["equal"], true);
        let retired = house.report(&["site", "retire", "a", "--timeout", "60s", "--reason", "moved"]);
        assert_eq!(retired["posted_at"], serde_json::json!(["c"]), "{retired}");
        (house, service)
    });
    let (house, service) = house.await.unwrap();
    for _ in 0..CALLERS {
        let went = tokio::time::timeout(super::house::BOUND, gone_over.recv()).await;
        went.expect("the application does not go over").unwrap();
    }
    let (house, service) = tokio::task::spawn_blocking(move || {
        // What was under way at a when it was left.
        house.report(&["site", "retire", "a", "--timeout", "60s"]);
        house.configure_with(&[("c", Some(1))]);
        let service = house.relieve(service);
        (house, service)
    })
    .await
    .unwrap();
    drop_database(&house).await;
    // It writes on for a while without a.
    let deadline = std::time::Instant::now() + super::house::BOUND;
    let before = house.number("c", "SELECT count(*) FROM {d}journal").await;
    while house.number("c", "SELECT count(*) FROM {d}journal").await < before + 200 {
        assert!(std::time::Instant::now() < deadline, "nobody writes at c");
    }
    over.store(true, Ordering::SeqCst);
    let both = BTreeSet::from(["a".to_owned(), "c".to_owned()]);
    assert_eq!(reader.await.unwrap(), both);
    let (mut ids, mut at) = (BTreeSet::new(), BTreeSet::new());
    for caller in callers {
        let taken = caller.await.unwrap();
        at.extend(taken.sites);
        for id in taken.ids {
            assert!(ids.insert(id), "id {id} was handed out twice");
        }
    }
    assert_eq!(at, both);
    let house = tokio::task::spawn_blocking(move || {
        house.settle(&["c"]);
        house.is_lawful(&["c"], "moved");
        house
    });
    let house = house.await.unwrap();
    let mut conn = Conn::open(&house.url("c"), Access::Read, "test").await.unwrap();
    let found = conn.lend().fetch("SELECT id FROM member", Vec::new()).await.unwrap();
    let found: BTreeSet<i64> = found.iter().map(|record| record.i64(0).unwrap()).collect();
    assert_eq!(found, ids, "what was acknowledged, and nothing else");
    assert_eq!(house.number("c", "SELECT count(*) FROM {d}rejection").await, 0);
    service.terminate();
}

/// The old site's database goes with its server's blessing.
async fn drop_database(house: &House) {
    let name = house.url_text("a").split('?').next().unwrap().rsplit('/').next().unwrap();
    let server = mariadb_or_skip().unwrap();
    let other = server.create_database().url.parse().unwrap();
    let mut conn = Conn::open(&other, Access::Write, "test").await.unwrap();
    conn.lend().ddl(&format!("DROP DATABASE \"{name}\"")).await.unwrap();
}
