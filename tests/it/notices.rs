//! An idle group posts at once: databases tell of what comes in, and nobody waits for a look.

use journal_core::client::{Journal, Transaction};
use journal_core::conformance::{Rig as _, SqlRig, new_transaction, origin, seal_next};
use journal_core::journal::JournalStore as _;
use journal_core::model::{SealedRun, SiteName};
use journal_core::store::sql::{Notice, SqlJournal};
use journal_tests::servers::{postgres_or_skip, two_postgres_or_skip};
use sqlx::Executor as _;
use sqlx::postgres::PgListener;

use crate::bad_input::film_row;
use crate::shop::{BOUND, SITES, Shop, expect_done};

/// Far above the bound of any wait here.
const AN_HOUR: u64 = 3_600_000;

#[tokio::test]
async fn what_comes_in_at_an_idle_site_is_told_and_needs_no_look() {
    let Some((a, b)) = two_postgres_or_skip() else { return };
    let shop = Shop::on_servers(a, b);
    shop.looking_every(AN_HOUR);
    // Two processes: nothing can be told in memory.
    let services = SITES.map(|site| shop.serve(&[site]));
    for round in 1..=3 {
        for (nr, (from, to)) in (1..).zip([("a", "b"), ("b", "a")]) {
            let journal = Journal::open(&shop.url(from), &SiteName::new(from).unwrap()).await.unwrap();
            journal.append(&Transaction::new().insert("film", film_row(round * 10 + nr))).await.unwrap();
            for site in [from, to] {
                let there = format!("SELECT count(*) FROM film WHERE film_id = {}", round * 10 + nr);
                shop.reached(site, &there, 1).await;
            }
            journal.close().await;
        }
    }
    for service in services {
        service.terminate();
        expect_done("a service that looks once an hour", &service.wait(BOUND));
    }
}

/// So a service knows from the beginning that it hears, also where nothing is written for a long time.
#[tokio::test]
async fn who_listens_is_told_a_first_word() {
    let Some(server) = postgres_or_skip() else { return };
    let url = server.create_database().url.parse().unwrap();
    for notice in [Notice::Appended, Notice::Sealed] {
        let mut notices = notice.listen(&url, "test").await.unwrap().expect("PostgreSQL tells");
        tokio::time::timeout(BOUND, notices.wait()).await.expect("a word").unwrap();
    }
}

/// The origin of a received seal knows it, and who takes it from here looks. Woken for each, it would look and find nothing.
#[tokio::test]
async fn a_sites_own_seals_are_told_and_those_it_received_are_not() {
    let Some(server) = postgres_or_skip() else { return };
    let urls = ["a", "b"].map(|_site| server.create_database().url);
    let mut next = urls.clone().into_iter();
    let mut rig = SqlRig::new(move || next.next().unwrap().parse().unwrap());
    let (mut a, mut b) = (rig.create(&origin("a")).await, rig.create(&origin("b")).await);
    let mut runs = Vec::new();
    for seed in 0..4 {
        runs.push(sealed(&mut rig, &mut b, seed).await);
    }
    let mut listener = PgListener::connect(&urls[0]).await.unwrap();
    // As `Notice::Sealed` does, which gives no payload: that tells the test's own word from a seal's.
    listener.listen("daybook_sealed").await.unwrap();
    // The first of an origin, one behind it, and several at once: each has a statement of its own.
    for received in [&runs[..1], &runs[1..2], &runs[2..]] {
        a.receive(received).await.unwrap();
    }
    listener.execute("NOTIFY daybook_sealed, 'from the test'").await.unwrap();
    assert_eq!(word(&mut listener).await, "from the test");
    for seed in 4..6 {
        sealed(&mut rig, &mut a, seed).await;
        assert_eq!(word(&mut listener).await, "");
    }
}

async fn word(listener: &mut PgListener) -> String {
    let said = tokio::time::timeout(BOUND, listener.recv()).await.expect("a word");
    said.unwrap().payload().to_owned()
}

async fn sealed(rig: &mut SqlRig, store: &mut SqlJournal, seed: u64) -> SealedRun {
    store.append(&[new_transaction(seed, 1)]).await.unwrap();
    seal_next(rig, store, &[]).await
}
