//! What a film rental's ledger must hold after some of its history, worked out from the lines alone: a second, much
//! simpler reading of them, which shares no code with the engine.

use std::collections::{BTreeMap, BTreeSet};

use applier::demo::history;
use serde_json::Value as Json;

/// The transactions before the shop opens: stores, films and their copies.
pub(crate) const STOCK: usize = 1002;
/// Every so many shop transactions, one that inserts is sent again under a new identity, and must be rejected.
const FAULTY_EVERY: usize = 97;

/// The history's first transactions, one line each.
pub(crate) fn lines(count: usize) -> Vec<String> {
    let mut lines = history::lines().unwrap();
    lines.truncate(count);
    lines
}

/// One site's share of the history after the stock: the customers with its numbers, so that both sites may write at
/// once and only meet in counters. With transactions among them that no site may accept.
pub(crate) fn share(lines: &[String], site: usize) -> Vec<String> {
    let mut customer_of_rental = BTreeMap::new();
    let mut share = Vec::new();
    for line in &lines[STOCK..] {
        let parsed: Json = serde_json::from_str(line).unwrap();
        let first = &parsed["entries"][0];
        let customer = match (first["op"].as_str(), first["table"].as_str()) {
            (Some("update"), Some("rental")) => customer_of_rental[&first["key"]["rental_id"].as_i64()],
            _ => first["row"]["customer_id"].as_u64().unwrap(),
        };
        if first["table"] == "rental" && first["op"] == "insert" {
            customer_of_rental.insert(first["row"]["rental_id"].as_i64(), customer);
        }
        if usize::try_from(customer % 2).unwrap() != site {
            continue;
        }
        share.push(line.clone());
        if share.len().is_multiple_of(FAULTY_EVERY) && first["op"] == "insert" {
            share.push(line.clone());
        }
    }
    share
}

/// What stands in the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Books {
    /// Keys by table.
    pub(crate) keys: BTreeMap<String, BTreeSet<i64>>,
    /// By store: users, rentals, revenue in cents.
    pub(crate) stats: BTreeMap<i64, (i64, i64, i64)>,
    /// Full names by customer.
    pub(crate) names: BTreeMap<i64, String>,
    /// Rentals that came back.
    pub(crate) returned: BTreeSet<i64>,
    /// All payments in cents.
    pub(crate) paid: i64,
    /// Transactions that were taken.
    pub(crate) accepted: i64,
    /// Transactions that were not.
    pub(crate) rejected: i64,
}

impl Books {
    /// Takes transactions in, in order.
    pub(crate) fn enter(&mut self, lines: &[impl AsRef<str>]) {
        for line in lines {
            let line: Json = serde_json::from_str(line.as_ref()).unwrap();
            let entries = line["entries"].as_array().unwrap();
            if entries.iter().any(|entry| self.refuses(entry)) {
                self.rejected += 1;
            } else {
                entries.iter().for_each(|entry| self.take(entry));
                self.accepted += 1;
            }
        }
    }

    /// Only new rows can be wrong in this history.
    fn refuses(&self, entry: &Json) -> bool {
        let table = entry["table"].as_str().unwrap();
        let taken = |id| self.keys.get(table).is_some_and(|keys| keys.contains(&id));
        entry["op"] == "insert" && taken(id(table, &entry["row"]))
    }

    fn take(&mut self, entry: &Json) {
        let table = entry["table"].as_str().unwrap();
        match entry["op"].as_str().unwrap() {
            "insert" => self.insert(table, &entry["row"]),
            "update" => {
                assert!(entry["set"]["returned_at"].is_string(), "{entry}");
                self.returned.insert(id(table, &entry["key"]));
            }
            "add" => {
                let delta = &entry["delta"];
                let stats = self.stats.get_mut(&id(table, &entry["key"])).unwrap();
                stats.0 += delta["nr_of_users"].as_i64().unwrap_or(0);
                stats.1 += delta["nr_of_rentals"].as_i64().unwrap_or(0);
                stats.2 += delta["revenue"].as_str().map_or(0, cents);
            }
            other => panic!("{other} in the history"),
        }
    }

    fn insert(&mut self, table: &str, row: &Json) {
        let id = id(table, row);
        self.keys.entry(table.to_owned()).or_default().insert(id);
        match table {
            "stats" => drop(self.stats.insert(id, (0, 0, 0))),
            "name" => drop(self.names.insert(id, row["full_name"].as_str().unwrap().to_owned())),
            "payment" => self.paid += cents(row["amount"].as_str().unwrap()),
            "rental" if row["returned_at"].is_string() => drop(self.returned.insert(id)),
            _ => {}
        }
    }

    /// Rows of a table.
    pub(crate) fn count(&self, table: &str) -> i64 {
        i64::try_from(self.keys.get(table).map_or(0, BTreeSet::len)).unwrap()
    }
}

/// The one key column of a table's row.
pub(crate) fn id(table: &str, row: &Json) -> i64 {
    let column = match table {
        "stats" => "store_id",
        "film" => "film_id",
        "inventory" => "inventory_id",
        "name" | "addr" | "phone" => "customer_id",
        "rental" => "rental_id",
        "payment" => "payment_id",
        other => panic!("table {other} in the history"),
    };
    row[column].as_i64().unwrap_or_else(|| panic!("{table} without {column}: {row}"))
}

/// A decimal as cents; digits beyond them must be zero.
pub(crate) fn cents(text: &str) -> i64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (cents, beyond) = fraction.split_at(fraction.len().min(2));
    assert!(beyond.bytes().all(|digit| digit == b'0'), "{text}");
    format!("{whole}{cents:0<2}").parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_books_of_the_whole_history_agree_with_its_published_facts() {
    let mut books = Books::default();
    books.enter(&lines(usize::MAX));
    let tables = ["film", "inventory", "name", "addr", "phone", "rental", "payment", "stats"];
    let counts = tables.map(|table| books.count(table));
    assert_eq!(counts, [1000, 4581, 599, 599, 599, 16044, 16049, 2]);
    let stats = [(1, (326, 7923, 3_700_152)), (2, (273, 8121, 3_041_499))];
    assert_eq!(books.stats, BTreeMap::from(stats));
    assert_eq!(books.count("rental") - i64::try_from(books.returned.len()).unwrap(), 183);
}
