//! Services that have not heard of a new site: they go on, and what it writes waits there until they have, so that nothing
//! concurrent is missed.

use journal_core::client::Journal;
use journal_core::model::SiteName;

use super::house::Store::{MariaDb, Postgres, Sqlite};
use super::house::{BOUND, House, lines};

const ALL: [&str; 3] = ["a", "b", "c"];

fn rename(id: i64, name: &str) -> String {
    format!(
        r#"{{"entries":[{{"op":"update","table":"member","key":{{"id":{id}}},"set":{{"full_name":"{name}"}}}}]}}"#
    )
}

#[tokio::test]
async fn what_a_new_site_writes_waits_where_the_service_has_not_heard_of_it() {
    let Some(house) = House::new(&[("a", MariaDb), ("b", Sqlite), ("c", Postgres)]) else { return };
    house.configure(&["a", "b"]);
    house.done(&["init", "--at", "2"]);
    let old = [house.serve(&["a"]), house.serve(&["b"])];
    house.append("a", &lines(0));
    house.settle(&["a", "b"]);
    house.configure(&ALL);
    house.done(&["site", "add", "c", "--from", "a"]);
    let [old_a, old_b] = old;
    old_b.terminate();
    assert_eq!(old_b.wait(BOUND).code, Some(0));
    let new = house.serve(&["b", "c"]);
    house.settle(&["c"]);
    // It comes to a by way of b, and meets there what c had not seen.
    house.done(&["pause", "c"]);
    house.append("a", &[rename(7, "by a")]);
    house.settle(&["a", "b"]);
    house.append("c", &[rename(7, "by c"), rename(8, "by c")]);
    house.done(&["resume", "c"]);
    house.settle(&["b", "c"]);
    let deadline = std::time::Instant::now() + BOUND;
    loop {
        let status = house.report(&["status", "--site", "a"]);
        let reason =
            status["sites"][0]["status"]["waiting"]["reason"].as_str().unwrap_or_default().to_owned();
        if reason.contains("c wrote transactions and is not in the configuration") {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{status}");
    }
    assert_eq!(house.number("a", "SELECT count(*) FROM {d}quarantine").await, 0);
    let new_a = house.serve(&["a"]);
    old_a.terminate();
    assert_eq!(old_a.wait(BOUND).code, Some(0));
    house.settle(&ALL);
    // The same verdict everywhere: each holds what the other wrote, and the third both or the later one.
    let held = "SELECT count(*) FROM {d}quarantine WHERE state = 'held' AND code = 'D0212'";
    for site in ALL {
        assert_eq!(
            house.number(site, held).await,
            1,
            "{site}: {}",
            house.done(&["quarantine", "list", site])
        );
        let eight = "SELECT count(*) FROM member WHERE id = 8 AND full_name = 'by c'";
        assert_eq!(house.number(site, eight).await, 1, "{site}");
    }
    new.terminate();
    new_a.terminate();
}

#[tokio::test]
async fn versions_that_were_given_up_stay_so_at_a_new_site() {
    for store in [Sqlite, Postgres, MariaDb] {
        let Some(house) = House::new(&[("a", store), ("c", Postgres)]) else { return };
        house.configure(&["a"]);
        house.done(&["init"]);
        let service = house.serve(&[]);
        house.append("a", &lines(0));
        house.done(&["upgrade", "--to", "2"]);
        let add = ["site", "add", "c", "--from", "a"];
        house.configure(&["a", "c"]);
        assert!(house.refused(&add).starts_with("error D0454"));
        house.configure(&["a"]);
        house.done(&["upgrade", "contract", "--quiet", "0s", "--waive", "ask=nobody has a phone"]);
        house.configure(&["a", "c"]);
        house.done(&add);
        let service = house.relieve(service);
        house.settle(&["a", "c"]);
        for site in ["a", "c"] {
            assert!(house.refused(&["schema", "url", site, "--version", "1"]).starts_with("error D0471"));
            let given_up = "SELECT count(*) FROM {d}upgrade_record WHERE kind = 'contraction'";
            assert_eq!(house.number(site, given_up).await, 1, "{site}");
        }
        house.is_lawful(&["a", "c"], "given-up");
        // An upgrade of the group that it is now begins with both.
        service.terminate();
    }
}

#[test]
fn a_site_that_others_have_not_caught_up_with_is_not_retired() {
    let Some(house) = House::new(&[("a", Sqlite), ("b", Postgres)]) else { return };
    house.configure(&["a", "b"]);
    house.done(&["init"]);
    let service = house.serve(&[]);
    house.done(&["pause", "b"]);
    house.append("a", &lines(0));
    let late = house.command(&["site", "retire", "a", "--timeout", "200ms"]).run();
    assert_eq!(late.code, Some(4), "{late:?}");
    assert!(late.stderr.starts_with("error D0602"), "{late:?}");
    house.done(&["resume", "b"]);
    let retired = house.report(&["site", "retire", "a"]);
    assert_eq!((&retired["last"], &retired["posted_at"][0]), (&"a/1/42".into(), &"b".into()), "{retired}");
    service.terminate();
}

/// The next id that a client of one site gets.
async fn next_id(house: &House, site: &str) -> i64 {
    let journal = Journal::open(&house.url(site), &SiteName::new(site).unwrap()).await.unwrap();
    let id = journal.next_id("member").await.unwrap();
    journal.close().await;
    id
}

#[tokio::test]
async fn a_stripe_comes_again_with_ids_above_those_before_and_a_name_does_not() {
    let Some(mut house) = House::new(&[("a", MariaDb), ("b", Postgres), ("d", Sqlite)]) else { return };
    house.configure(&["a", "b"]);
    house.done(&["init"]);
    let service = house.serve(&[]);
    house.append("a", &lines(0));
    let mut ids = Vec::new();
    for _ in 0..3 {
        // Each client takes a block.
        ids.push(next_id(&house, "a").await);
    }
    house.done(&["site", "retire", "a", "--timeout", "60s"]);
    house.configure_with(&[("b", Some(1))]);
    let service = house.relieve(service);
    ids.push(next_id(&house, "b").await);
    house.append("b", &lines(1));
    house.settle(&["b"]);
    house.replace("a", Sqlite);
    house.configure_with(&[("a", Some(0)), ("b", Some(1))]);
    let refused = house.refused(&["site", "add", "a", "--from", "b"]);
    assert!(refused.starts_with("error D0464"), "{refused}");
    house.configure_with(&[("b", Some(1)), ("d", Some(0))]);
    house.done(&["site", "add", "d", "--from", "b"]);
    let service = house.relieve(service);
    ids.push(next_id(&house, "d").await);
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    house.append("d", &lines(2));
    house.append("b", &lines(3));
    house.settle(&["b", "d"]);
    house.is_lawful(&["b", "d"], "again");
    service.terminate();
}
