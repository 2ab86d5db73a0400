//! A film rental's ledger at either schema version, read by plain SQL and compared with the books.

use std::collections::BTreeMap;

use journal_core::sql::Record;

use super::Shop;
use super::books::{Books, cents};

/// Tables by their names at version 1, with the key column.
const TABLES: [(&str, &str); 8] = [
    ("addr", "customer_id"),
    ("film", "film_id"),
    ("inventory", "inventory_id"),
    ("name", "customer_id"),
    ("payment", "payment_id"),
    ("phone", "customer_id"),
    ("rental", "rental_id"),
    ("stats", "store_id"),
];

/// Compares everything the books tell with what stands at a site.
pub(crate) async fn agrees(shop: &Shop, site: &str, version: i64, books: &Books) {
    let have = shop.number(site, "SELECT ledger_version FROM {d}site").await;
    assert_eq!(have, version, "{site}: schema version");
    for (table, key) in TABLES {
        let name = table_name(table, version);
        let ids = shop.rows(site, &format!("SELECT {key} FROM {name} ORDER BY {key}")).await;
        let ids: Vec<i64> = ids.iter().map(|row| row.i64(0).unwrap()).collect();
        let expected: Vec<i64> = books.keys.get(table).into_iter().flatten().copied().collect();
        assert_eq!(ids, expected, "{site}: keys of {name}");
    }
    let sql = "SELECT store_id, nr_of_users, nr_of_rentals, revenue || '' FROM stats";
    let stats: BTreeMap<i64, (i64, i64, i64)> = shop.rows(site, sql).await.iter().map(stats_row).collect();
    assert_eq!(stats, books.stats, "{site}: stats");
    let names = match version {
        1 => "SELECT customer_id, full_name FROM name",
        _ => "SELECT customer_id, first_name || ' ' || last_name FROM name",
    };
    let names = shop.rows(site, names).await;
    let names: BTreeMap<i64, String> =
        names.iter().map(|row| (row.i64(0).unwrap(), row.text(1).unwrap())).collect();
    assert_eq!(names, books.names, "{site}: names");
    let returned = "SELECT rental_id FROM rental WHERE returned_at IS NOT NULL ORDER BY rental_id";
    let returned = shop.rows(site, returned).await.iter().map(|row| row.i64(0).unwrap()).collect();
    assert_eq!(books.returned, returned, "{site}: returned rentals");
    let amounts = shop.rows(site, "SELECT amount || '' FROM payment").await;
    let paid: i64 = amounts.iter().map(|row| cents(&row.text(0).unwrap())).sum();
    assert_eq!(paid, books.paid, "{site}: payments");
    if version > 1 {
        let asked = shop.number(site, "SELECT count(*) FROM phone WHERE number = '?'").await;
        assert_eq!(asked, books.count("phone"), "{site}: phone numbers to ask for");
        let counter = shop.number(site, "SELECT count(*) FROM rental WHERE channel = 'counter'").await;
        assert_eq!(counter, books.count("rental"), "{site}: rentals at the counter");
    }
}

fn stats_row(row: &Record) -> (i64, (i64, i64, i64)) {
    let revenue = cents(&row.text(3).unwrap());
    (row.i64(0).unwrap(), (row.i64(1).unwrap(), row.i64(2).unwrap(), revenue))
}

fn table_name(table: &str, version: i64) -> &str {
    match (table, version) {
        ("addr", 2..) => "address",
        (other, _) => other,
    }
}

/// Everything that a site's ledger tables and checkpoints hold, as text: equal texts, equal ledgers.
pub(crate) async fn everything(shop: &Shop, site: &str, version: i64) -> Vec<String> {
    let mut all = Vec::new();
    for (table, key) in TABLES {
        let columns = columns(table, version).map(|column| format!("coalesce({column} || '', '-')"));
        let row = columns.collect::<Vec<_>>().join(" || '|' || ");
        let name = table_name(table, version);
        let rows = shop.rows(site, &format!("SELECT {row} FROM {name} ORDER BY {key}")).await;
        all.extend(rows.iter().map(|row| format!("{name}: {}", row.text(0).unwrap())));
    }
    let posted = "SELECT origin || '|' || seal_nr || '|' || trans_nr FROM {d}posted ORDER BY origin, epoch";
    all.extend(shop.rows(site, posted).await.iter().map(|row| row.text(0).unwrap()));
    all
}

fn columns(table: &str, version: i64) -> impl Iterator<Item = &'static str> {
    let columns = match (table, version) {
        ("addr", _) => "customer_id street district city country postal_code",
        ("film", _) => "film_id title rating rental_rate replacement_cost minutes",
        ("inventory", _) => "inventory_id film_id store_id",
        ("name", 1) => "customer_id store_id full_name email active",
        ("name", _) => "customer_id store_id first_name last_name email active",
        ("payment", _) => "payment_id customer_id rental_id amount paid_at",
        ("phone", _) => "customer_id number",
        ("rental", 1) => "rental_id rented_at inventory_id customer_id returned_at",
        ("rental", _) => "rental_id rented_at inventory_id customer_id returned_at channel",
        ("stats", _) => "store_id nr_of_users nr_of_rentals revenue",
        (other, _) => panic!("table {other}"),
    };
    columns.split(' ')
}
