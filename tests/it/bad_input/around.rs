//! What is wrong around Daybook: a peer that is away, a password that is not right, a version nobody here knows yet.

use std::time::Instant;

use journal_core::journal::JournalStore as _;
use journal_core::model::{NewTransaction, SchemaVersion};
use journal_core::sql::Access;
use journal_core::store::sql::SqlJournal;
use journal_tests::servers::{
    Server, Settings, own_mariadb_or_skip, own_postgres_or_skip, two_mariadb_or_skip, two_postgres_or_skip,
};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{film, journal_of};
use crate::shop::{BOUND, LEASE_TTL_MS, SITES, Shop, expect_done};

/// A secret that must show nowhere.
const PASSWORD: &str = "c4nary-horse";
/// Another, which opens nothing.
const WRONG_PASSWORD: &str = "c4nary-mule";
/// Where the configuration looks for it.
const VARIABLE: &str = "SHOP_PASSWORD";

#[tokio::test]
async fn a_peer_that_is_down_stops_nobody_else_and_catches_up_when_it_is_back() {
    if let Some(server) = own_postgres_or_skip(Settings::default()) {
        a_peer_is_down(&server).await;
    }
    if let Some(server) = own_mariadb_or_skip(Settings::default()) {
        a_peer_is_down(&server).await;
    }
}

async fn a_peer_is_down(server: &Server) {
    let home = Shop::sqlite();
    let shop = Shop::at([home.scratch("beside"), server.create_database().url]);
    let service = shop.serve(&SITES);
    shop.append("a", &[film(1)]);
    shop.settle();
    server.stop_immediate();
    let file = shop.lines_file("in.ndjson", &[film(2), film(3)]);
    shop.done(&["append", "--site", "a", "--file", &file, "--wait", "applied"]);
    assert_eq!(shop.number("a", "SELECT count(*) FROM film").await, 3, "a's own lane goes on");
    let status = shop.command(&["status", "--json"]).run();
    assert_eq!(status.code, Some(1), "{status:?}");
    let report: Json = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(report["sites"][0]["reachable"], true, "{report}");
    assert_eq!(report["sites"][0]["status"]["own"]["accepted"], 3, "{report}");
    assert_eq!(report["sites"][1]["reachable"], false, "{report}");
    assert_eq!(report["sites"][1]["error"]["message"], "reach site b", "{report}");
    let error: Json = serde_json::from_str(&status.stderr).unwrap();
    assert_eq!(error["error"]["message"], "no answer from b", "{error}");
    assert_eq!(error["error"]["code"], "D0608", "{error}");
    let late = shop.refused(4, &["wait", "a", "--until", "a/1/9", "--timeout", "100ms"]);
    assert!(late.starts_with("error D0602: a is not there yet: a/1 is posted to 3 of 9"), "{late}");
    server.restart();
    shop.settle();
    assert_eq!(shop.number("b", "SELECT count(*) FROM film").await, 3);
    service.terminate();
    expect_done("the service that was never restarted", &service.wait(BOUND));
}

#[tokio::test]
async fn a_wrong_password_is_told_and_shows_nowhere() {
    let settings = || Settings { password: Some(PASSWORD.to_owned()), ..Settings::default() };
    if let Some(server) = own_postgres_or_skip(settings()) {
        a_password_is_wrong(&server, "password authentication failed for user \"daybook\"");
    }
    if let Some(server) = own_mariadb_or_skip(settings()) {
        a_password_is_wrong(&server, "Access denied for user 'daybook'");
    }
}

fn a_password_is_wrong(server: &Server, says: &str) {
    let database = server.create_database();
    let shop = Shop::sqlite();
    let urls = [shop.url_text("a").to_owned(), server.url_with_password(&database.name, None)];
    shop.configure("secret.toml", &urls, LEASE_TTL_MS, &format!("password_env = '{VARIABLE}'\n"));
    let run = |password: &str, arguments: &[&str]| {
        shop.command_by("secret.toml", arguments).env(VARIABLE, password).env("RUST_LOG", "trace")
    };
    let right = run(PASSWORD, &["init"]).run();
    expect_done("init with the password", &right);
    let file = shop.lines_file("in.ndjson", &[film(1)]);
    let append = ["append", "--site", "b", "--file", &file];
    let mut said = right.stdout + &right.stderr;
    for arguments in [&append[..], &["-vv", "pause", "b"], &["init"], &["status"], &["run", "--site", "b"]] {
        let ended = if arguments[0] == "run" {
            let mut service = run(WRONG_PASSWORD, arguments).spawn();
            service.wait_for_line("cannot post yet", BOUND);
            service.kill()
        } else {
            let ended = run(WRONG_PASSWORD, arguments).run();
            assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
            let told = ended.stdout.clone() + &ended.stderr;
            assert!(told.contains("D0401: "), "{arguments:?}: {told}");
            assert!(told.contains(says), "{arguments:?}: {told}");
            ended
        };
        said += &(ended.stdout + &ended.stderr);
    }
    let unset = shop.command_by("secret.toml", &["status"]).run();
    let says = format!(
        "error D0303: secret.toml: sites.b.password_env: the environment has no variable {VARIABLE}\n"
    );
    assert_eq!((unset.code, unset.stderr.as_str()), (Some(1), says.as_str()));
    let service = Shop::serve_with(&run(PASSWORD, &["run"]));
    let appended = run(PASSWORD, &[&append[..], &["--wait", "applied"]].concat()).run();
    expect_done("append with the password", &appended);
    service.terminate();
    let ended = service.wait(BOUND);
    said += &(appended.stdout + &appended.stderr + &ended.stdout + &ended.stderr + &server.log());
    for secret in [PASSWORD, WRONG_PASSWORD] {
        assert!(!said.contains(secret), "{secret} shows in {said}");
    }
}

/// An application of a later release may be ahead of a site: its transactions wait, with everything behind them, and go
/// on by themselves once the version is known.
async fn an_unknown_version_waits(store: &str, shop: &Shop) {
    let service = shop.serve(&SITES);
    let journal = journal_of(shop, "a").await;
    // The same film as at version 1: version 2 changes nothing of it.
    let transaction = journal_core::client::Transaction::new().insert("film", super::film_row(2));
    let change = &transaction.changes()[0];
    let entry = journal_core::codec::payload::encode(
        change,
        1,
        journal_core::model::Codec::Bincode,
        journal.schema(),
    );
    let early = NewTransaction {
        tx_id: Uuid::now_v7(),
        schema_version: SchemaVersion(2),
        author: "a later release".into(),
        entries: vec![entry.unwrap()],
    };
    shop.append("a", &[film(1)]);
    let mut raw = SqlJournal::open(&shop.url("a"), Access::Write, "test").await.unwrap();
    raw.append(&[early]).await.unwrap();
    shop.append("a", &[film(3)]);
    // What else comes meanwhile is posted, and clears the reason for a moment.
    let reason = "a/1/2 is written at schema version 2, which this service does not know yet";
    let deadline = Instant::now() + BOUND;
    loop {
        let report = shop.report(&["status"]);
        if report["sites"][0]["status"]["waiting"]["reason"] == reason {
            break;
        }
        assert!(Instant::now() < deadline, "{store}: {report}");
    }
    assert_eq!(shop.number("a", "SELECT count(*) FROM film").await, 1, "{store}");
    shop.release_next();
    shop.settle();
    for site in SITES {
        assert_eq!(shop.number(site, "SELECT count(*) FROM film").await, 3, "{store} {site}");
        // The service writes it down after it has posted.
        shop.reached(site, "SELECT count(*) FROM {d}waiting WHERE reason = ''", 1).await;
    }
    service.terminate();
    expect_done("the service that was never restarted", &service.wait(BOUND));
}

#[tokio::test]
async fn a_transaction_of_an_unknown_version_waits_until_the_version_is_released() {
    an_unknown_version_waits("sqlite", &Shop::at_first_version(None)).await;
    for (store, servers) in [("postgres", two_postgres_or_skip()), ("mariadb", two_mariadb_or_skip())] {
        let Some((a, b)) = servers else { continue };
        let urls = [a.create_database().url, b.create_database().url];
        an_unknown_version_waits(store, &Shop::at_first_version(Some(urls))).await;
    }
}
