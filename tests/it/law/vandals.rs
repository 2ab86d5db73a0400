//! Journals altered behind Daybook's back, by somebody with every right in the database: each alteration is found, and
//! the transaction it hit is named.

use journal_core::sql::{Access, Conn, Param, Record};
use journal_tests::rig::AS_ROWS;
use journal_tests::servers::two_postgres_or_skip;
use serde_json::Value as Json;

use super::STOCK;
use crate::shop::books::lines;
use crate::shop::{BOUND, SITES, Shop, expect_done};

/// What is altered: the transactions 4 and 5 of site a, of four and five entries, and what undoes it.
struct Damage {
    what: &'static str,
    sql: &'static [&'static str],
    undo: &'static [&'static str],
    /// The finding's words, less the place.
    found: &'static str,
    trans_nr: i64,
}

const DAMAGES: &[Damage] = &[
    Damage {
        what: "a row deleted",
        sql: &[
            "CREATE TABLE kept AS SELECT * FROM {d}journal WHERE origin = 'a' AND trans_nr = 4 AND entry_nr = 2",
            "DELETE FROM {d}journal WHERE origin = 'a' AND trans_nr = 4 AND entry_nr = 2",
        ],
        undo: &["INSERT INTO {d}journal SELECT * FROM kept", "DROP TABLE kept"],
        found: "transaction 4 was altered after it was sealed",
        trans_nr: 4,
    },
    Damage {
        what: "a row inserted into a transaction",
        sql: &[
            "INSERT INTO {d}journal (origin, epoch, trans_nr, entry_nr, tx_id, schema_version, entity, op, \
             row_key, codec, payload, author, appended_at) SELECT origin, epoch, trans_nr, 99, tx_id, \
             schema_version, entity, op, row_key, codec, payload, author, appended_at FROM {d}journal \
             WHERE origin = 'a' AND trans_nr = 4 AND entry_nr = 1",
        ],
        undo: &["DELETE FROM {d}journal WHERE entry_nr = 99"],
        found: "transaction 4 was altered after it was sealed",
        trans_nr: 4,
    },
    Damage {
        what: "rows of two transactions swapped",
        sql: SWAP_BETWEEN,
        undo: SWAP_BETWEEN,
        found: "entry 2 of transaction a/1/4 has another header than the entries before it",
        trans_nr: 4,
    },
    Damage {
        what: "rows of one transaction swapped",
        sql: SWAP_WITHIN,
        undo: SWAP_WITHIN,
        found: "transaction 4 was altered after it was sealed",
        trans_nr: 4,
    },
    Damage {
        what: "a transaction deleted",
        sql: &[
            "CREATE TABLE kept AS SELECT * FROM {d}journal WHERE origin = 'a' AND trans_nr = 5",
            "DELETE FROM {d}journal WHERE origin = 'a' AND trans_nr = 5",
        ],
        undo: &["INSERT INTO {d}journal SELECT * FROM kept", "DROP TABLE kept"],
        found: "transaction 5 is missing",
        trans_nr: 5,
    },
    Damage {
        what: "an acceptance turned into a rejection",
        sql: &[
            "INSERT INTO {d}rejection (origin, epoch, trans_nr, code, detail) VALUES ('a', 1, 5, 'D0201', '')",
        ],
        undo: &["DELETE FROM {d}rejection WHERE trans_nr = 5"],
        found: "the seal itself or its rejections were altered",
        trans_nr: 0,
    },
];

/// The second entries of two transactions change places.
const SWAP_BETWEEN: &[&str] = &[
    "UPDATE {d}journal SET trans_nr = -4 WHERE origin = 'a' AND trans_nr = 4 AND entry_nr = 2",
    "UPDATE {d}journal SET trans_nr = 4 WHERE origin = 'a' AND trans_nr = 5 AND entry_nr = 2",
    "UPDATE {d}journal SET trans_nr = 5 WHERE origin = 'a' AND trans_nr = -4 AND entry_nr = 2",
];

/// Two entries of one transaction change places.
const SWAP_WITHIN: &[&str] = &[
    "UPDATE {d}journal SET entry_nr = -2 WHERE origin = 'a' AND trans_nr = 4 AND entry_nr = 2",
    "UPDATE {d}journal SET entry_nr = 2 WHERE origin = 'a' AND trans_nr = 4 AND entry_nr = 3",
    "UPDATE {d}journal SET entry_nr = 3 WHERE origin = 'a' AND trans_nr = 4 AND entry_nr = -2",
];

/// A group in which site a has written a little, at rest.
fn quiet(shop: Shop) -> Shop {
    let service = shop.serve(&SITES);
    shop.append("a", &lines(STOCK)[..120]);
    shop.settle();
    service.terminate();
    expect_done("the service", &service.wait(BOUND));
    shop
}

fn audit_names(shop: &Shop, site: &str, what: &str, found: &str, trans_nr: i64) {
    let ended = shop.command(&["audit", site, "--json"]).run();
    assert_eq!(ended.code, Some(3), "{what} at {site}: {ended:?}");
    let error: Json = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!(error["error"]["code"], "D0605", "{what} at {site}: {error}");
    let report: Json = serde_json::from_str(&ended.stdout).unwrap();
    let first = &report["findings"][0];
    assert_eq!(first["origin"], "a/1", "{what} at {site}: {report}");
    assert_eq!(first["what"], found, "{what} at {site}: {report}");
    let named = first["trans_nr"].as_i64().unwrap_or(0);
    assert_eq!(named, trans_nr, "{what} at {site}: {report}");
    let told = error["error"]["message"].as_str().unwrap();
    assert!(told.contains(found) && told.starts_with("a/1 seal "), "{what} at {site}: {told}");
}

/// Flips one bit of one byte of a payload.
async fn flip(shop: &Shop, site: &str) {
    const ROW: &str = "FROM {d}journal WHERE origin = 'a' AND trans_nr = 4 AND entry_nr = 1";
    let mut bytes = shop.rows(site, &format!("SELECT payload {ROW}")).await[0].bytes(0).unwrap();
    let last = bytes.last_mut().unwrap();
    *last ^= 1;
    let mut conn = Conn::open(&shop.url(site), Access::Write, "vandal").await.unwrap();
    let update = "UPDATE {d}journal SET payload = $1 WHERE origin = 'a' AND trans_nr = 4 AND entry_nr = 1";
    assert_eq!(conn.lend().execute(update, vec![Param::from(bytes.as_slice())]).await.unwrap(), 1);
}

async fn vandals_are_found(shop: Shop) {
    let shop = quiet(shop);
    packs_are_watched(&shop).await;
    // Received by an older release.
    shop.vandalise("b", AS_ROWS).await;
    assert_eq!(shop.report(&["audit", "b"])["sound"], true, "rows of an older release");
    // At home, and in the copy that the peer received.
    for site in SITES {
        flip(&shop, site).await;
        audit_names(&shop, site, "a flipped bit", "transaction 4 was altered after it was sealed", 4);
        flip(&shop, site).await;
        for damage in DAMAGES {
            for sql in damage.sql {
                shop.vandalise(site, sql).await;
            }
            audit_names(&shop, site, damage.what, damage.found, damage.trans_nr);
            for sql in damage.undo {
                shop.vandalise(site, sql).await;
            }
        }
        assert_eq!(shop.report(&["audit", site])["sound"], true, "{site}, after all was undone");
    }
    a_transaction_smuggled_in_is_found(&shop).await;
}

/// What the peer received, as it is packed: nothing in a pack or beside it can be changed unseen.
async fn packs_are_watched(shop: &Shop) {
    let pack =
        "SELECT first_nr, last_nr, payloads FROM {d}run WHERE origin = 'a' ORDER BY last_nr DESC LIMIT 1";
    let pack = &shop.rows("b", pack).await[0];
    let (first, last) = (pack.i64(0).unwrap(), pack.i64(1).unwrap());
    assert!(shop.report(&["audit", "b"])["sound"].as_bool().unwrap());
    assert_eq!(entries(shop, "a").await, entries(shop, "b").await, "in plain SQL");
    let mut conn = Conn::open(&shop.url("b"), Access::Write, "vandal").await.unwrap();
    let whole = pack.bytes(2).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let set = "UPDATE {d}run SET payloads = $1 WHERE origin = 'a' AND last_nr = $2";
    conn.lend().execute(set, vec![flipped.into(), last.into()]).await.unwrap();
    audit_names(
        shop,
        "b",
        "a flipped bit",
        &format!("transaction {last} was altered after it was sealed"),
        last,
    );
    conn.lend().execute(set, vec![whole.into(), last.into()]).await.unwrap();
    let missing = format!("transaction {first} is missing");
    let others = format!("the packed transactions {first} to {} are others than it says", last - 1);
    let unread = format!("the packed transactions {first} to {last} cannot be read: ");
    for (harm, repair, found, trans_nr) in [
        ("origin = 'z'", "origin = 'a'", missing.as_str(), first),
        ("last_nr = last_nr - 1", "last_nr = last_nr + 1", others.as_str(), 0),
        ("heads = '{}' || heads", "heads = substr(heads, 3)", unread.as_str(), 0),
    ] {
        let update =
            |set, at| format!("UPDATE {{d}}run SET {set} WHERE first_nr = {at} AND origin IN ('a', 'z')");
        shop.vandalise("b", &update(harm, first)).await;
        first_finding_is(shop, found, trans_nr);
        shop.vandalise("b", &update(repair, first)).await;
    }
    let smuggled = "INSERT INTO {d}run (origin, epoch, last_nr, piece, first_nr, heads, payloads) \
         SELECT origin, epoch, last_nr + 1000, piece, first_nr + 1000, heads, payloads FROM {d}run WHERE origin = 'a'";
    shop.vandalise("b", smuggled).await;
    let lowest = shop.number("b", "SELECT min(last_nr) FROM {d}run WHERE origin = 'a'").await;
    first_finding_is(shop, "it stands in the journal, and no seal covers it", lowest + 1000);
    shop.vandalise("b", "DELETE FROM {d}run WHERE last_nr > 1000").await;
    assert_eq!(shop.report(&["audit", "b"])["sound"], true, "after all was undone");
}

/// The view of all entries: the origin's rows and the peer's packs must look alike.
async fn entries(shop: &Shop, site: &str) -> Vec<(Vec<i64>, Vec<String>, Vec<u8>)> {
    let all = "SELECT trans_nr, entry_nr, schema_version, codec, appended_at, entity, op, row_key, author, tx_id, payload \
               FROM {d}entry WHERE origin = 'a' ORDER BY trans_nr, entry_nr";
    let rows = shop.rows(site, all).await;
    assert!(rows.len() > 120, "{}", rows.len());
    let read = |row: &Record| {
        let numbers = (0..5).map(|at| row.i64(at).unwrap()).collect();
        let mut texts: Vec<String> = (5..9).map(|at| row.text(at).unwrap()).collect();
        texts.push(row.uuid(9).unwrap().to_string());
        (numbers, texts, row.bytes(10).unwrap())
    };
    rows.iter().map(read).collect()
}

fn first_finding_is(shop: &Shop, what: &str, trans_nr: i64) {
    let ended = shop.command(&["audit", "b", "--json"]).run();
    let report: Json = serde_json::from_str(&ended.stdout).unwrap();
    let finding = &report["findings"][0];
    assert!(finding["what"].as_str().unwrap().contains(what), "{report}");
    assert_eq!(finding["trans_nr"].as_i64().unwrap_or(0), trans_nr, "{report}");
}

/// A whole transaction behind the last seal: at home it would be an append like any other, at the peer it cannot be.
async fn a_transaction_smuggled_in_is_found(shop: &Shop) {
    let head = shop.number("b", "SELECT last_nr FROM {d}received WHERE origin = 'a'").await;
    let sql = format!(
        "INSERT INTO {{d}}journal (origin, epoch, trans_nr, entry_nr, tx_id, schema_version, entity, op, row_key, \
         codec, payload, author, appended_at) SELECT origin, epoch, {smuggled}, entry_nr, \
         (SELECT tx_id FROM {{d}}journal WHERE origin = 'a' AND trans_nr = 5 AND entry_nr = 1), \
         schema_version, entity, op, row_key, codec, payload, author, appended_at FROM {{d}}journal \
         WHERE origin = 'a' AND trans_nr = 4 AND entry_nr = 2",
        smuggled = head + 1
    );
    shop.vandalise("b", &sql).await;
    let found = "it stands in the journal, and no seal covers it";
    let ended = shop.command(&["audit", "b"]).run();
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let expected = format!("error D0605: a/1 transaction a/1/{}: {found}", head + 1);
    assert_eq!(ended.stderr.trim_end(), expected);
}

#[tokio::test]
async fn every_alteration_of_a_sqlite_journal_is_found_and_named() {
    vandals_are_found(Shop::sqlite()).await;
}

#[tokio::test]
async fn every_alteration_of_a_postgres_journal_is_found_and_named() {
    let Some((a, b)) = two_postgres_or_skip() else { return };
    vandals_are_found(Shop::on_servers(a, b)).await;
}
