//! The largest transaction that there may be: posted at both sites, and the memory of the service stays within a bound.

use journal_core::model::transaction::ENTRIES_MAX;
use journal_tests::process::peak_kib;
use journal_tests::servers::two_postgres_or_skip;

use crate::bad_input::{film_entry, line};
use crate::shop::{BOUND, SITES, Shop, expect_done};

/// What a service of both sites may take for it, in kibibytes. On SQLite the largest part are the journal's rows as the
/// driver holds them, some 1.5 KB each: they are read for site a to decide and for site b to receive.
const MEMORY_MAX_KIB: u64 = 600 * 1024;

async fn is_posted(shop: Shop, store: &str) {
    let service = shop.serve(&SITES);
    let idle = peak_kib(service.id());
    let films: Vec<String> = (1..=ENTRIES_MAX).map(|id| film_entry(id, "ALIEN CENTER")).collect();
    shop.append("a", &[line(&films)]);
    shop.settle();
    let peak = peak_kib(service.id());
    for site in SITES {
        let films = shop.number(site, "SELECT count(*) FROM film").await;
        assert_eq!(usize::try_from(films), Ok(ENTRIES_MAX), "{store} {site}");
    }
    assert_eq!(shop.report(&["verify"])["equal"], true, "{store}");
    service.terminate();
    expect_done("the service", &service.wait(BOUND));
    println!("{store}: {} MiB at most, {} MiB when it began", peak / 1024, idle / 1024);
    assert!(idle > 0, "{store}: the service's memory cannot be read");
    assert!(peak <= MEMORY_MAX_KIB, "{store}: {peak} KiB at most, {idle} KiB when it began");
}

#[tokio::test]
async fn the_largest_transaction_is_posted_by_a_service_of_bounded_memory() {
    is_posted(Shop::sqlite(), "sqlite").await;
    if let Some((a, b)) = two_postgres_or_skip() {
        is_posted(Shop::on_servers(a, b), "postgres").await;
    }
}
