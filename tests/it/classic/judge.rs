//! Whether nothing was lost and nothing doubled, by plain SQL: what the applications were told is held against the
//! journals and the ledgers of both sites.

use std::collections::BTreeMap;

use crate::shop::{SITES, Shop};

/// What one application told at its end.
#[derive(Debug)]
pub(super) struct Told {
    numbers: BTreeMap<String, u64>,
    /// Transaction and customer of each write that was acknowledged.
    durable: Vec<(uuid::Uuid, i64)>,
}

impl Told {
    pub(super) fn read(text: &str) -> Self {
        let (mut numbers, mut durable) = (BTreeMap::new(), Vec::new());
        for line in text.lines().filter(|line| !line.starts_with("application: ")) {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["durable", tx_id, customer] => {
                    durable.push((tx_id.parse().unwrap(), customer.parse().unwrap()));
                }
                [name, number] => drop(numbers.insert(name.to_owned(), number.parse().unwrap())),
                _ => panic!("{line:?}"),
            }
        }
        Self { numbers, durable }
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        self.numbers[name]
    }
}

/// Every acknowledged transaction stands in one journal of its own, once, and its customer in both ledgers, once; there is
/// no other customer, and the shared counter counts them all.
pub(super) async fn nothing_is_lost_or_doubled(shop: &Shop, told: &[Told]) {
    let durable: Vec<(uuid::Uuid, i64)> = told.iter().flat_map(|told| told.durable.clone()).collect();
    let mut places: BTreeMap<uuid::Uuid, Vec<String>> = BTreeMap::new();
    for site in SITES {
        let own = format!(
            "SELECT CAST(tx_id AS text), trans_nr FROM {{d}}journal WHERE origin = '{site}' AND entry_nr = 1 \
             AND entity <> 'daybook_void' AND author = 'application'"
        );
        for record in shop.rows(site, &own).await {
            let place = format!("{site}/{}", record.i64(1).unwrap());
            places.entry(record.text(0).unwrap().parse().unwrap()).or_default().push(place);
        }
    }
    for (tx_id, _) in &durable {
        assert_eq!(places.get(tx_id).map_or(0, Vec::len), 1, "{tx_id} stands at {:?}", places.get(tx_id));
    }
    // What no application was told of would be a write that failed; there is none.
    assert_eq!(places.len(), durable.len());
    let customers: std::collections::BTreeSet<i64> = durable.iter().map(|(_, customer)| *customer).collect();
    for site in SITES {
        let names = "SELECT customer_id, first_name || ' ' || last_name FROM v2.name ORDER BY customer_id";
        let rows: Vec<(i64, String)> = shop
            .rows(site, names)
            .await
            .iter()
            .map(|record| (record.i64(0).unwrap(), record.text(1).unwrap()))
            .collect();
        let expected: Vec<(i64, String)> =
            customers.iter().map(|customer| (*customer, format!("MARY {customer}"))).collect();
        assert!(
            rows == expected,
            "site {site} has {} customers, and {} were written",
            rows.len(),
            expected.len()
        );
        let counted = shop.number(site, "SELECT nr_of_users FROM v2.stats WHERE store_id = 1").await;
        assert_eq!(usize::try_from(counted).unwrap(), customers.len(), "site {site}");
        assert_eq!(shop.number(site, "SELECT count(*) FROM {d}quarantine").await, 0, "site {site}");
        let rejected = "SELECT count(*) FROM {d}rejection r JOIN {d}entry j ON j.origin = r.origin \
             AND j.epoch = r.epoch AND j.trans_nr = r.trans_nr WHERE j.entity <> 'daybook_void'";
        assert_eq!(shop.number(site, rejected).await, 0, "site {site}");
    }
}
