//! The law: a ledger is the fold of all accepted transactions in canonical order. So a replay of any site's journal into
//! an empty database of any store equals the live ledgers; and a journal that was altered is no longer believed.

mod vandals;

use journal_tests::servers::{mariadb_or_skip, postgres_or_skip, two_mariadb_or_skip, two_postgres_or_skip};

use crate::shop::books::{Books, STOCK, lines, share};
use crate::shop::{BOUND, SITES, Shop, expect_done, ledger};

/// How much of the history is told.
const LINES: usize = 2_600;

/// Groups over each store and over both.
fn shops() -> Vec<(&'static str, Shop)> {
    let mut shops = vec![("sqlite", Shop::sqlite())];
    if let Some((a, b)) = two_postgres_or_skip() {
        shops.push(("postgres", Shop::on_servers(a, b)));
        shops.push(("mixed", Shop::mixed(b)));
    }
    shops
}

/// Databases for the replays of sites a and b: a file, and one on a server.
fn scratch(store: &str, shop: &Shop, stage: &str) -> [String; 2] {
    let here = shop.scratch(&format!("replay-{stage}"));
    let servers = if store.contains("mariadb") { two_mariadb_or_skip() } else { two_postgres_or_skip() };
    match servers {
        Some((a, _)) => [here, a.create_database().url],
        None => [here, shop.scratch(&format!("replay-{stage}-b"))],
    }
}

/// Both sites write, first a and then b is reshaped, and a goes back again: at each stage the law holds.
async fn upgrades_are_lawful(store: &str, shop: &Shop) {
    let service = shop.serve(&SITES);
    let history = lines(LINES);
    let shares = [share(&history, 0), share(&history, 1)];
    let mut books = Books::default();
    let mut parts = shares.each_ref().map(|share| share.chunks(share.len() / 4 + 1));
    let mut both_write = |books: &mut Books| {
        for (site, parts) in SITES.iter().zip(&mut parts) {
            let part = parts.next().unwrap_or_default();
            books.enter(part);
            shop.append(site, part);
        }
    };
    shop.append("a", &history[..STOCK]);
    books.enter(&history[..STOCK]);
    shop.settle();
    both_write(&mut books);
    shop.settle();
    shop.is_lawful(&scratch(store, shop, "before"));
    for (site, to, versions) in [("b", "2", [1, 2]), ("a", "2", [2, 2]), ("a", "1", [1, 2])] {
        shop.done(&["pause", site, "--drain"]);
        both_write(&mut books);
        shop.done(&["schema", "apply", site, "--to", to]);
        shop.done(&["resume", site]);
        shop.settle();
        for (site, version) in SITES.into_iter().zip(versions) {
            ledger::agrees(shop, site, version, &books).await;
        }
        shop.is_lawful(&scratch(store, shop, &format!("{site}-{to}")));
    }
    service.terminate();
    expect_done(store, &service.wait(BOUND));
}

#[tokio::test]
async fn replays_equal_live_ledgers_at_every_stage_of_an_upgrade_on_every_store() {
    for (store, shop) in shops() {
        upgrades_are_lawful(store, &shop).await;
    }
}

/// Groups with a MariaDB site.
fn shops_with_mariadb() -> Vec<(&'static str, Shop)> {
    let mut shops = Vec::new();
    if let Some((a, b)) = two_mariadb_or_skip() {
        shops.push(("mariadb", Shop::on_servers(a, b)));
        shops.push(("sqlite and mariadb", Shop::mixed(b)));
    }
    if let (Some(a), Some(b)) = (mariadb_or_skip(), postgres_or_skip()) {
        shops.push(("mariadb and postgres", Shop::on_servers(a, b)));
    }
    shops
}

#[tokio::test]
async fn replays_equal_live_ledgers_of_groups_with_mariadb() {
    for (store, shop) in shops_with_mariadb() {
        upgrades_are_lawful(store, &shop).await;
        for command in [&["status"][..], &["quarantine", "list", "b"], &["ask", "list"], &["verify"]] {
            shop.done(command);
        }
    }
}
