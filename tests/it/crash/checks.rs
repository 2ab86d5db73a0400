//! The invariants of `design.md` after, and during, a run with kills, by plain SQL: what was acknowledged, what the
//! seals say, what is posted.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::shop::books::{Books, STOCK, id, lines};
use crate::shop::{SITES, Shop};

/// Rows of a table against the accepted inserts that the checkpoints say are posted, in one statement and so in one
/// moment: no effect without its checkpoint, no checkpoint without its effect, each effect once (S4, S5, S7).
const POSTED_BUT_NOT_THERE: &str = "SELECT (SELECT count(*) FROM {d}entry j \
     JOIN {d}posted p ON p.origin = j.origin AND p.epoch = j.epoch AND j.trans_nr <= p.trans_nr \
     LEFT JOIN {d}rejection r ON r.origin = j.origin AND r.epoch = j.epoch AND r.trans_nr = j.trans_nr \
     WHERE j.op = 'insert' AND j.entity = 'payment' AND r.origin IS NULL) - (SELECT count(*) FROM payment)";
/// Counters against the rows that they count; one transaction writes both.
const TORN: &str = "SELECT CAST((SELECT coalesce(sum(nr_of_rentals), 0) FROM stats) AS {bigint}) \
     - (SELECT count(*) FROM rental) + CAST((SELECT coalesce(sum(nr_of_users), 0) FROM stats) AS {bigint}) \
     - (SELECT count(*) FROM name)";

/// At any moment, services running or dead: each site shows whole transactions, and those that its checkpoint names.
pub(super) async fn at_any_moment(shop: &Shop) {
    for site in SITES {
        assert_eq!(shop.number(site, POSTED_BUT_NOT_THERE).await, 0, "{site}: effects against checkpoints");
        assert_eq!(shop.number(site, TORN).await, 0, "{site}: part of a transaction is visible");
    }
}

/// An origin's journal at a site holds exactly these lines, in this order, whole, once (S1, S2, S3, S8).
pub(super) async fn journal_holds(shop: &Shop, site: &str, origin: &str, lines: &[String]) {
    let sql = format!(
        "SELECT trans_nr, entry_nr, op, entity, row_key FROM {{d}}entry WHERE origin = '{origin}' \
         ORDER BY trans_nr, entry_nr"
    );
    let mut found: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for row in shop.rows(site, &sql).await {
        let entries = found.entry(row.i64(0).unwrap()).or_default();
        let text = |at| row.text(at).unwrap();
        entries.push(format!("{} {} {} {}", row.i64(1).unwrap(), text(2), text(3), text(4)));
    }
    assert_eq!(found.len(), lines.len(), "{site}: transactions of {origin}");
    for ((trans_nr, found), line) in found.iter().zip(lines) {
        assert_eq!(found, &entries(line), "{site}: transaction {trans_nr} of {origin}");
    }
}

fn entries(line: &str) -> Vec<String> {
    let line: Json = serde_json::from_str(line).unwrap();
    let entries = line["entries"].as_array().unwrap().iter().zip(1..);
    let told = entries.map(|(entry, number)| {
        let (op, table) = (entry["op"].as_str().unwrap(), entry["table"].as_str().unwrap());
        let source = if op == "insert" { &entry["row"] } else { &entry["key"] };
        format!("{number} {op} {table} [{}]", id(table, source))
    });
    told.collect()
}

/// An origin's seals at a site: dense, without gap, counting right; every transaction accepted or rejected (S3), the
/// versions they were decided at never going back (S13).
pub(super) async fn seals_are_whole(shop: &Shop, site: &str, origin: &str, lines: usize) -> Vec<Vec<u8>> {
    let sql = format!(
        "SELECT seal_nr, first_nr, last_nr, tx_count, rejected_count, hash, s.schema, \
         (SELECT count(*) FROM {{d}}entry j WHERE j.origin = s.origin AND j.entry_nr = 1 \
         AND j.trans_nr BETWEEN s.first_nr AND s.last_nr), \
         (SELECT count(*) FROM {{d}}rejection r WHERE r.origin = s.origin \
         AND r.trans_nr BETWEEN s.first_nr AND s.last_nr) \
         FROM {{d}}seal s WHERE origin = '{origin}' ORDER BY seal_nr"
    );
    let (mut last_nr, mut sealed, mut version) = (0, 0, 0);
    let mut hashes = Vec::new();
    for (row, seal_nr) in shop.rows(site, &sql).await.iter().zip(1..) {
        let number = |at| row.i64(at).unwrap();
        let what = format!("{site}: seal {seal_nr} of {origin}");
        assert_eq!(number(0), seal_nr, "{what}: a number is missing");
        assert_eq!(number(1), last_nr + 1, "{what} begins where the one before ends");
        assert_eq!(number(3), number(7), "{what} counts its transactions");
        assert_eq!(number(4), number(8), "{what} counts its rejections");
        assert!(number(6) >= version, "{what} was decided at an older schema version than the one before");
        (last_nr, sealed, version) = (number(2), sealed + number(3), number(6));
        hashes.push(row.bytes(5).unwrap());
    }
    assert_eq!(usize::try_from(sealed).unwrap(), lines, "{site}: transactions of {origin} in seals");
    hashes
}

/// Everything is decided and nothing was ever put aside.
pub(super) async fn all_is_posted(shop: &Shop, books: &Books) {
    for site in SITES {
        let rejected = shop.number(site, "SELECT count(*) FROM {d}rejection").await;
        assert_eq!(rejected, books.rejected, "{site}: rejections");
        let other = shop.number(site, "SELECT count(*) FROM {d}rejection WHERE code <> 'D0201'").await;
        assert_eq!(other, 0, "{site}: rejections for another reason than the key that is taken");
        let held = shop.number(site, "SELECT count(*) FROM {d}quarantine").await;
        assert_eq!(held, 0, "{site}: quarantined");
        let behind = "SELECT count(*) FROM {d}received r LEFT JOIN {d}posted p \
             ON p.origin = r.origin AND p.epoch = r.epoch WHERE p.trans_nr IS NULL OR p.trans_nr < r.last_nr";
        assert_eq!(shop.number(site, behind).await, 0, "{site}: received and not posted");
    }
}

/// Both sites have the same seals of both origins.
pub(super) async fn journals_are_whole(shop: &Shop, written: &BTreeMap<&'static str, Vec<String>>) {
    for (origin, lines) in written {
        let mut chains = Vec::new();
        for site in SITES {
            journal_holds(shop, site, origin, lines).await;
            chains.push(seals_are_whole(shop, site, origin, lines.len()).await);
        }
        // An idle site still seals what it has seen; the peer may be one such empty seal behind.
        let shared = chains[0].len().min(chains[1].len());
        assert_eq!(chains[0][..shared], chains[1][..shared], "seals of {origin}");
    }
}

/// The checks themselves, on a group in which each of them has something to find.
#[tokio::test]
async fn what_the_checks_look_for_is_seen_when_it_is_there() {
    let shop = std::sync::Arc::new(Shop::sqlite());
    let service = shop.serve(&SITES);
    let lines = lines(STOCK + 3);
    // The stock is received before the shop opens, so that no run holds both: what hides transaction 7 hides no payment.
    for part in [&lines[..STOCK], &lines[STOCK..]] {
        shop.append("a", part);
        shop.settle();
    }
    service.terminate();
    crate::shop::expect_done("the service", &service.wait(crate::shop::BOUND));
    let look = async || {
        let (shop, lines) = (shop.clone(), lines.clone());
        let checks = tokio::spawn(async move {
            at_any_moment(&shop).await;
            journals_are_whole(&shop, &BTreeMap::from([("a", lines)])).await;
        });
        let panic = checks.await.err()?.into_panic();
        panic.downcast_ref::<String>().cloned()
    };
    assert_eq!(look().await, None);
    for (harm, repair, seen) in [
        (
            "UPDATE {d}posted SET trans_nr = trans_nr - 1 WHERE origin = 'a'",
            "UPDATE {d}posted SET trans_nr = trans_nr + 1 WHERE origin = 'a'",
            "b: effects against checkpoints",
        ),
        (
            "UPDATE stats SET nr_of_rentals = nr_of_rentals + 1 WHERE store_id = 1",
            "UPDATE stats SET nr_of_rentals = nr_of_rentals - 1 WHERE store_id = 1",
            "b: part of a transaction is visible",
        ),
        (
            "UPDATE {d}seal SET last_nr = last_nr - 1 WHERE origin = 'a' AND seal_nr = 1",
            "UPDATE {d}seal SET last_nr = last_nr + 1 WHERE origin = 'a' AND seal_nr = 1",
            "b: seal 1 of a counts its transactions",
        ),
        (
            "UPDATE {d}run SET origin = 'z' WHERE origin = 'a' AND first_nr <= 7 AND last_nr >= 7",
            "UPDATE {d}run SET origin = 'a' WHERE origin = 'z'",
            "b: transactions of a",
        ),
    ] {
        shop.vandalise("b", harm).await;
        let found = look().await.unwrap_or_default();
        assert!(found.contains(seen), "{harm}: {found}");
        shop.vandalise("b", repair).await;
    }
    assert_eq!(look().await, None);
}
