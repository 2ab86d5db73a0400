//! What comes in wrong: refused with a clear error before it is in the journal, or recorded as a rejection by the site it
//! was written at. In either case nothing of it is posted anywhere, and everything around it goes on.

mod around;
mod disk;

use journal_core::client::{AppendFailure, Journal, Receipt, Transaction};
use journal_core::model::{Change, Row, SchemaVersion, SiteName, Value};
use journal_tests::servers::{two_mariadb_or_skip, two_postgres_or_skip};
use serde_json::Value as Json;

use crate::shop::{BOUND, SITES, Shop, expect_done};

/// One byte more than an entry's payload may have, without the rest of its row.
const TOO_LARGE: usize = 16 * 1024 * 1024 + 1;
/// One entry more than a transaction may have.
const TOO_MANY: usize = 100_001;

/// Groups on each store.
fn shops() -> Vec<(&'static str, Shop)> {
    let mut shops = vec![("sqlite", Shop::sqlite())];
    if let Some((a, b)) = two_postgres_or_skip() {
        shops.push(("postgres", Shop::on_servers(a, b)));
    }
    if let Some((a, b)) = two_mariadb_or_skip() {
        shops.push(("mariadb", Shop::on_servers(a, b)));
    }
    shops
}

/// A film, as an entry of a line.
pub(crate) fn film_entry(id: usize, title: &str) -> String {
    format!(
        r#"{{"op":"insert","table":"film","row":{{"film_id":{id},"title":"{title}","rating":"PG","rental_rate":"0.99","replacement_cost":"20.99","minutes":86}}}}"#
    )
}

/// A line that writes entries.
pub(crate) fn line(entries: &[String]) -> String {
    format!(r#"{{"entries":[{}]}}"#, entries.join(","))
}

/// A line that writes a film.
fn film(id: usize) -> String {
    line(&[film_entry(id, "ALIEN CENTER")])
}

/// The same, as an application builds it.
pub(crate) fn film_row(id: i64) -> Row {
    Row::new()
        .with("film_id", id)
        .with("title", "ALIEN CENTER")
        .with("rating", "PG")
        .with("rental_rate", Value::Decimal("0.99".parse().unwrap()))
        .with("replacement_cost", Value::Decimal("20.99".parse().unwrap()))
        .with("minutes", 86)
}

async fn journal_of(shop: &Shop, site: &str) -> Journal {
    Journal::open(&shop.url(site), &SiteName::new(site).unwrap()).await.unwrap()
}

async fn appended(shop: &Shop, site: &str) -> i64 {
    shop.number(site, "SELECT count(*) FROM {d}entry WHERE entry_nr = 1").await
}

/// A line between two good ones: the first is appended, the bad one named by its place, the file can be put right and
/// sent again, and the client library refuses the same for the same reason.
async fn refused(bad: &str, good: &str, says: &str, by_the_client: Option<(Transaction, &str)>) {
    for (store, shop) in shops() {
        let file = shop.lines_file("in.ndjson", &[&film(1), bad, &film(3)]);
        let append = ["append", "--site", "a", "--run-id", "r", "--file", &file];
        let error = shop.refused(1, &append);
        let expected = format!(
            "error D0501: in.ndjson:2: {says}; the line before it is appended; once it is corrected, \
             append the whole again with --run-id r\n"
        );
        assert_eq!(error, expected, "{store}");
        assert_eq!(appended(&shop, "a").await, 1, "{store}");
        if let Some((transaction, says)) = &by_the_client {
            let failure = journal_of(&shop, "a").await.append(transaction).await.unwrap_err();
            assert!(matches!(failure, AppendFailure::Invalid(_)), "{store}: {failure:?}");
            assert_eq!(failure.to_string(), format!("the transaction is not valid: {says}"), "{store}");
            assert_eq!(appended(&shop, "a").await, 1, "{store}");
        }
        shop.lines_file("in.ndjson", &[&film(1), good, &film(3)]);
        let report = shop.report(&append);
        let counts = ["lines", "appended", "repeated"].map(|field| report[field].as_i64().unwrap());
        assert_eq!(counts, [3, 2, 1], "{store}: {report}");
        assert_eq!(appended(&shop, "a").await, 3, "{store}");
    }
}

#[tokio::test]
async fn a_malformed_line_is_named_and_nothing_of_it_is_kept() {
    let says = "not JSON: EOF while parsing a list at column 12";
    refused("{\"entries\":[", &film(2), says, None).await;
}

#[tokio::test]
async fn an_unknown_table_is_named_with_those_there_are() {
    let bad = r#"{"entries":[{"op":"insert","table":"movie","row":{"movie_id":1}}]}"#;
    let transaction = Transaction::new().insert("movie", Row::new().with("movie_id", 1));
    let says = "change 1 does not fit the schema: schema version 1 has no table \"movie\"; \
                it has addr, film, inventory, name, payment, phone, rental, stats";
    let by_line = "schema version 1 has no table or operation \"movie\"";
    refused(bad, &film(2), by_line, Some((transaction, says))).await;
}

#[tokio::test]
async fn a_value_of_another_type_is_named_with_its_column() {
    let bad = film(2).replace("86", "\"long\"");
    let transaction = Transaction::new().insert("film", film_row(2).with("minutes", "long"));
    let says = "change 1 does not fit the schema: column film.minutes is int; it cannot hold the text \"long\" exactly";
    let by_line = "column film.minutes is int; \"long\" is no such value";
    refused(&bad, &film(2), by_line, Some((transaction, says))).await;
}

#[tokio::test]
async fn an_entry_that_is_too_large_is_refused_with_its_size() {
    let title = "x".repeat(TOO_LARGE);
    let transaction = Transaction::new().insert("film", film_row(2).with("title", title.as_str()));
    let says =
        "change 1 cannot be stored: the payload has 16777305 bytes, more than the 16777216 an entry may have";
    refused(&line(&[film_entry(2, &title)]), &film(2), says, Some((transaction, says))).await;
}

#[tokio::test]
async fn a_transaction_of_too_many_entries_is_refused_with_their_number() {
    let entries: Vec<String> = (1..=TOO_MANY).map(|id| film_entry(id, "X")).collect();
    let change = Change::insert("film", film_row(2));
    let transaction = (0..TOO_MANY).fold(Transaction::new(), |all, _| all.change(change.clone()));
    let says = "the transaction has 100001 changes, more than 100000; split it where its meaning allows";
    refused(&line(&entries), &film(2), says, Some((transaction, says))).await;
}

/// What an origin finds wrong itself (in the words of SQLite and of PostgreSQL): on record with code and reason at both sites, told to whoever wrote it, posted
/// nowhere, and what comes before and after it is posted everywhere.
async fn rejected(bad: &[String], transaction: Transaction, code: &str, details: [&str; 2]) {
    for ((store, shop), detail) in shops().into_iter().zip(details) {
        let service = shop.serve(&SITES);
        let file = shop.lines_file("in.ndjson", &[film(1), line(bad), film(3)]);
        let append =
            shop.command(&["append", "--site", "a", "--file", &file, "--wait", "applied", "--json"]).run();
        assert_eq!(append.code, Some(1), "{store}: {append:?}");
        let error: Json = serde_json::from_str(&append.stderr).unwrap();
        assert_eq!(error["error"]["code"], "D0505", "{store}: {error}");
        assert_eq!(error["error"]["message"], "1 of 3 transactions were rejected", "{store}");
        let report: Json = serde_json::from_str(&append.stdout).unwrap();
        let told = &report["rejections"][0];
        assert_eq!(told["line"], 2, "{store}: {report}");
        assert_eq!(told["code"], code, "{store}: {report}");
        assert_eq!(told["detail"], detail, "{store}: {report}");
        let journal = journal_of(&shop, "a").await;
        let receipt: Receipt = journal.append(&transaction).await.unwrap();
        let decision = receipt.applied().await.unwrap();
        let expected =
            journal_core::client::Decision::Rejected { code: code.to_owned(), detail: detail.to_owned() };
        assert_eq!(decision, expected, "{store}");
        shop.settle();
        for site in SITES {
            let count = async |sql| shop.number(site, sql).await;
            assert_eq!(count("SELECT count(*) FROM film").await, 2, "{store} {site}");
            assert_eq!(
                count("SELECT count(*) FROM inventory").await,
                0,
                "{store} {site}: part of it is posted"
            );
            assert_eq!(appended(&shop, site).await, 4, "{store} {site}");
            let sql =
                format!("SELECT count(*) FROM {{d}}rejection WHERE code = '{code}' AND trans_nr IN (2, 4)");
            assert_eq!(shop.number(site, &sql).await, 2, "{store} {site}");
            assert_eq!(count("SELECT count(*) FROM {d}quarantine").await, 0, "{store} {site}");
        }
        service.terminate();
        expect_done("the service", &service.wait(BOUND));
    }
}

fn copy(film: i64) -> Row {
    Row::new().with("inventory_id", 7).with("film_id", film).with("store_id", 1)
}

fn copy_entry(film: i64) -> String {
    format!(
        r#"{{"op":"insert","table":"inventory","row":{{"inventory_id":7,"film_id":{film},"store_id":1}}}}"#
    )
}

#[tokio::test]
async fn a_key_that_is_taken_is_a_rejection_on_record() {
    let bad = [copy_entry(1), film_entry(1, "ALIEN CENTER")];
    let transaction = Transaction::new().insert("inventory", copy(1)).insert("film", film_row(1));
    let details = [
        "film [1]: a row of that primary or unique key is there already (film.film_id)",
        "film [1]: a row of that primary or unique key is there already (film_film_id_key_v1)",
    ];
    rejected(&bad, transaction, "D0201", details).await;
}

#[tokio::test]
async fn a_missing_parent_is_a_rejection_on_record() {
    let transaction = Transaction::new().insert("inventory", copy(99));
    let details = [
        "inventory [7]: film [99] is not there",
        "inventory [7]: film [99] is not there (inventory_film_id_fk_v1)",
    ];
    rejected(&[copy_entry(99)], transaction, "D0202", details).await;
}

#[tokio::test]
async fn an_update_of_a_row_that_is_not_there_is_a_rejection_on_record() {
    let update = r#"{"op":"update","table":"film","key":{"film_id":99},"set":{"minutes":1}}"#;
    let bad = [copy_entry(1), update.to_owned()];
    let (key, set) = (Row::new().with("film_id", 99), Row::new().with("minutes", 1));
    let transaction = Transaction::new().insert("inventory", copy(1)).update("film", key, set);
    rejected(&bad, transaction, "D0204", ["film [99]: the row is not there"; 2]).await;
}

#[tokio::test]
async fn a_schema_version_that_is_not_released_is_refused() {
    for (store, shop) in shops() {
        let file = shop.lines_file("in.ndjson", &[film(1)]);
        let error = shop.refused(1, &["append", "--site", "a", "--at-version", "9", "--file", &file]);
        let says = "schema version 9 is not released at site a; released are 1, 2";
        assert_eq!(error, format!("error D0504: open the journal of a\n  because: {says}\n"), "{store}");
        let site = SiteName::new("a").unwrap();
        let opened = Journal::builder(&shop.url("a"), &site).schema_version(SchemaVersion(9)).open().await;
        assert_eq!(opened.unwrap_err().to_string(), says, "{store}");
        assert_eq!(appended(&shop, "a").await, 0, "{store}");
    }
}
