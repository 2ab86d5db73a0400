//! What applications ask of a site: whether it is ready for their version, and where they read.

mod closing;
mod frozen;
mod ids;
mod moves;
mod once;
mod pair;
mod read_only;

use journal_core::sql::{Access, Conn};
use journal_tests::servers::two_postgres_or_skip;

use crate::shop::Shop;

/// A group over SQLite files, and one over two PostgreSQL servers where there are any.
pub(crate) fn groups() -> Vec<Shop> {
    let mut groups = vec![Shop::sqlite()];
    groups.extend(two_postgres_or_skip().map(|(a, b)| Shop::on_servers(a, b)));
    groups
}

/// The reason why a site is not ready for a version, or `ready`.
fn ready(shop: &Shop, site: &str, version: &str) -> String {
    let ended = shop.command(&["--json", "ready", site, "--version", version]).run();
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    match report["ready"].as_bool().unwrap() {
        true => {
            assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{report}");
            "ready".to_owned()
        }
        false => {
            assert_eq!(ended.code, Some(1), "{report}");
            assert!(ended.stderr.contains("D0470"), "{}", ended.stderr);
            report["reason"].as_str().unwrap().to_owned()
        }
    }
}

#[test]
fn a_site_is_ready_for_what_it_serves_until_somebody_takes_it_out_of_service() {
    for shop in groups() {
        assert_eq!(ready(&shop, "a", "1"), "ready");
        assert_eq!(ready(&shop, "a", "2"), "version");
        shop.done(&["traffic", "a", "away", "--reason", "version 2"]);
        assert_eq!(ready(&shop, "a", "1"), "leaving");
        shop.done(&["traffic", "a", "away", "--reason", "again"]);
        shop.done(&["pause", "a"]);
        shop.done(&["traffic", "a", "here"]);
        assert_eq!(ready(&shop, "a", "1"), "paused");
        shop.done(&["schema", "apply", "a", "--to", "2"]);
        shop.done(&["resume", "a"]);
        assert_eq!((ready(&shop, "a", "1").as_str(), ready(&shop, "a", "2").as_str()), ("ready", "ready"));
        assert_eq!((ready(&shop, "b", "1").as_str(), ready(&shop, "b", "2").as_str()), ("ready", "version"));
    }
}

#[test]
fn who_sent_applications_away_and_why_stays_on_record() {
    let shop = Shop::sqlite();
    let first = shop.report(&["traffic", "a", "away", "--reason", "index"]);
    assert_eq!(shop.report(&["traffic", "a", "away", "--reason", "other"]), first);
    assert_eq!(shop.report(&["traffic", "a", "here"])["wanted"], "here");
    let ended = shop.command(&["traffic", "a", "gone"]).run();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
}

#[tokio::test]
async fn the_address_of_a_version_leads_to_its_views() {
    for shop in groups() {
        shop.done(&["pause", "a"]);
        shop.done(&["schema", "apply", "a", "--to", "2"]);
        for version in ["1", "2"] {
            let told = shop.report(&["schema", "url", "a", "--version", version]);
            let url = told["url"].as_str().unwrap();
            let mut conn = Conn::open(&url.parse().unwrap(), Access::Read, "test").await.unwrap();
            // Version 1 of a rental's customer has one name, version 2 two.
            let column = if version == "1" { "full_name" } else { "first_name" };
            let view = format!("name{}", told["suffix"].as_str().unwrap_or_default());
            let names = format!("SELECT count({column}) FROM {view}");
            assert_eq!(conn.lend().fetch_one(&names, Vec::new()).await.unwrap().i64(0).unwrap(), 0);
        }
        let ended = shop.command(&["schema", "url", "b", "--version", "2"]).run();
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.stderr.contains("D0471") && ended.stderr.contains("has views of 1"),
            "{}",
            ended.stderr
        );
    }
}
