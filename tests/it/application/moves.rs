//! A client of a whole group moves when its site is to be left, finds its own writes where it goes, and knows what every
//! site can do.

use std::time::{Duration, Instant};

use journal_core::client::{Decision, GroupJournal, Journal, Transaction};
use journal_core::model::{Row, SchemaVersion, SiteName, Value};
use journal_core::sql::DbUrl;

use super::groups;
use crate::shop::{BOUND, SITES, Shop};

/// Long enough to be passed over once, short enough for a test.
const GRACE: Duration = Duration::from_millis(300);

async fn client(shop: &Shop) -> GroupJournal {
    let sites: Vec<(SiteName, DbUrl)> =
        SITES.iter().map(|site| (SiteName::new(site).unwrap(), shop.url(site))).collect();
    Journal::group_builder(&sites).schema_version(SchemaVersion(1)).pause_grace(GRACE).open().await.unwrap()
}

fn store(id: i64) -> Transaction {
    let row = Row::new().with("store_id", id).with("nr_of_users", 0).with("nr_of_rentals", 0);
    Transaction::new().insert("stats", row.with("revenue", Value::Decimal("0.00".parse().unwrap())))
}

fn users(id: i64, users: i64) -> Transaction {
    Transaction::new().update("stats", Row::new().with("store_id", id), Row::new().with("nr_of_users", users))
}

/// Waits until the client writes at that site.
async fn moved_to(group: &GroupJournal, site: &str) {
    let deadline = Instant::now() + BOUND;
    while group.site().await.as_str() != site {
        assert!(Instant::now() < deadline, "the client does not move to {site}");
        group.next_id("step").await.unwrap();
    }
}

#[tokio::test]
async fn a_client_finds_its_own_writes_where_it_moves() {
    for shop in groups() {
        let service = shop.serve(&[]);
        let group = client(&shop).await;
        for round in 0..6 {
            let (leave, go) = if round % 2 == 0 { ("a", "b") } else { ("b", "a") };
            group.append(&store(round)).await.unwrap();
            shop.done(&["traffic", leave, "away", "--reason", "upgrade"]);
            let begun = Instant::now();
            moved_to(&group, go).await;
            let receipt = group.append(&users(round, 7)).await.unwrap();
            assert_eq!(receipt.id().origin.site.as_str(), go, "after {:?}", begun.elapsed());
            let decision = receipt.applied().await.unwrap();
            assert!(matches!(decision, Decision::Applied { .. }), "{decision:?}");
            shop.done(&["pause", leave, "--drain"]);
            group.append(&users(round, 8)).await.unwrap();
            shop.done(&["resume", leave]);
            shop.done(&["traffic", leave, "here"]);
        }
        shop.settle();
        for site in SITES {
            assert_eq!(shop.number(site, "SELECT CAST(sum(nr_of_users) AS bigint) FROM stats").await, 48);
            assert_eq!(shop.number(site, "SELECT count(*) FROM {d}quarantine").await, 0);
            assert_eq!(shop.number(site, "SELECT count(*) FROM {d}rejection").await, 0);
        }
        group.close().await;
        service.terminate();
        assert_eq!(service.wait(BOUND).code, Some(0));
    }
}

#[tokio::test]
async fn a_site_that_is_paused_without_a_word_is_left_too() {
    for shop in groups() {
        let group = client(&shop).await;
        shop.done(&["pause", "a"]);
        moved_to(&group, "b").await;
        shop.done(&["pause", "b"]);
        // Nowhere would it be posted: it stays, and what it writes is durable.
        let receipt = group.append(&store(1)).await.unwrap();
        assert_eq!(receipt.id().origin.site.as_str(), "b");
        assert!(receipt.state().await.unwrap().paused.is_some());
    }
}

#[tokio::test]
async fn a_feature_opens_when_every_site_serves_it_and_readers_are_led_to_those_that_do() {
    let (one, two) = (SchemaVersion(1), SchemaVersion(2));
    for shop in groups() {
        let group = client(&shop).await;
        assert!(group.supports(one) && !group.supports(two));
        assert!(group.read_url(two).await.is_none());
        for (site, all) in [("b", false), ("a", true)] {
            shop.done(&["pause", site]);
            shop.done(&["schema", "apply", site, "--to", "2"]);
            shop.done(&["resume", site]);
            let deadline = Instant::now() + BOUND;
            let found = loop {
                if let Some((found, _)) = group.read_url(two).await {
                    break found;
                }
                assert!(Instant::now() < deadline);
                tokio::time::sleep(Duration::from_millis(2)).await;
            };
            while group.supports(two) != all {
                assert!(Instant::now() < deadline);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            assert!(all || found.as_str() == "b");
            assert!(group.supports(one));
        }
        let (_, url) = group.read_url(two).await.unwrap();
        assert!(url.search_path().as_deref() == Some("v2") || url.suffix().as_deref() == Some("_v2"));
    }
}
