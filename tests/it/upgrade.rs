//! A group goes to a new version and back, as its operators would do it: by the `daybook` command, under load, killed in
//! every step, taken back from every step.

mod back;
mod contract;
mod hold;
mod killed;
mod stays;

use journal_tests::process::Running;
use journal_tests::servers::{two_mariadb_or_skip, two_postgres_or_skip};

use crate::shop::books::{Books, STOCK, lines, share};
use crate::shop::{BOUND, SITES, Shop, expect_done, ledger};

/// How much of the history is told.
const LINES: usize = 1_600;

/// The steps in which something happens at a site, in their order.
const STEPS: [&str; 11] = [
    "preflight",
    "leave",
    "drain",
    "pause",
    "expand",
    "move",
    "switch",
    "views",
    "resume",
    "catch_up",
    "verify",
];

/// Groups over each store.
fn plain_shops() -> Vec<(&'static str, Shop)> {
    let mut shops = vec![("sqlite", Shop::sqlite())];
    if let Some((a, b)) = two_postgres_or_skip() {
        shops.push(("postgres", Shop::on_servers(a, b)));
    }
    if let Some((a, b)) = two_mariadb_or_skip() {
        shops.push(("mariadb", Shop::on_servers(a, b)));
    }
    shops
}

/// The same and a mixed one.
fn shops() -> Vec<(&'static str, Shop)> {
    let mut shops = plain_shops();
    if let Some((_, b)) = two_postgres_or_skip() {
        shops.push(("mixed", Shop::mixed(b)));
    }
    shops
}

/// A group that serves and has its stock, and what both sites are to write, in parts.
struct Busy {
    shop: Shop,
    service: Option<Running>,
    books: Books,
    parts: [std::vec::IntoIter<Vec<String>>; 2],
}

impl Busy {
    fn new(shop: Shop, parts: usize) -> Self {
        let service = shop.serve(&SITES);
        let history = lines(LINES);
        let mut books = Books::default();
        shop.append("a", &history[..STOCK]);
        books.enter(&history[..STOCK]);
        shop.settle();
        let cut = |site| {
            let share = share(&history, site);
            let parts: Vec<Vec<String>> = share.chunks(share.len() / parts + 1).map(<[_]>::to_vec).collect();
            parts.into_iter()
        };
        Self { shop, service: Some(service), books, parts: [cut(0), cut(1)] }
    }

    /// Both sites write their next part.
    fn write(&mut self) {
        let ends: Vec<Running> = self.begin_to_write();
        ends.into_iter().for_each(|append| expect_done("append", &append.wait(BOUND)));
    }

    /// The same, without waiting for the end.
    fn begin_to_write(&mut self) -> Vec<Running> {
        let mut running = Vec::new();
        for (site, parts) in SITES.iter().zip(&mut self.parts) {
            let part = parts.next().unwrap_or_default();
            self.books.enter(&part);
            let file = self.shop.lines_file(&format!("{site}.ndjson"), &part);
            let append = ["append", "--site", site, "--at-version", "1", "--file", &file];
            running.push(self.shop.command(&append).spawn());
        }
        running
    }

    /// All is posted everywhere, both ledgers are at the version and hold what the books tell, and the law holds.
    async fn is_right_at(&self, version: i64, stage: &str) {
        self.shop.settle();
        for site in SITES {
            ledger::agrees(&self.shop, site, version, &self.books).await;
        }
        self.shop
            .is_lawful(&[format!("{stage}-a"), format!("{stage}-b")].map(|name| self.shop.scratch(&name)));
    }

    fn end(mut self) {
        if let Some(service) = self.service.take() {
            service.terminate();
            expect_done("run", &service.wait(BOUND));
        }
    }
}

/// To a new version and back, while both sites are written.
async fn goes_and_comes_back(shop: Shop) {
    let mut busy = Busy::new(shop, 3);
    busy.write();
    let writers = busy.begin_to_write();
    let report = busy.shop.report(&["upgrade", "--to", "2", "--first", "b", "--chunk-rows", "100"]);
    writers.into_iter().for_each(|append| expect_done("append", &append.wait(BOUND)));
    assert_eq!(report["finished"], true, "{report}");
    let order: Vec<&str> =
        report["sites"].as_array().unwrap().iter().map(|site| site["site"].as_str().unwrap()).collect();
    assert_eq!(order, ["b", "a"], "{report}");
    busy.is_right_at(2, "up").await;
    let record = "SELECT count(*) FROM {d}upgrade_record WHERE kind = 'expansion' AND version_to = 2";
    for site in SITES {
        assert_eq!(busy.shop.number(site, record).await, 1, "{site}");
        let rows = busy
            .shop
            .number(site, "SELECT CAST(sum(moved_rows) AS {bigint}) FROM {d}upgrade_step WHERE step = 'move'")
            .await;
        assert!(rows > 1000, "{site}: {rows} rows moved");
    }
    busy.write();
    let report = busy.shop.report(&["upgrade", "abort"]);
    assert_eq!(report["sites"][0]["step"], "returned", "{report}");
    busy.is_right_at(1, "down").await;
    busy.end();
}

#[tokio::test]
async fn a_group_goes_to_a_new_version_and_back_while_it_is_written_on_sqlite() {
    goes_and_comes_back(Shop::sqlite()).await;
}

#[tokio::test]
async fn a_group_goes_to_a_new_version_and_back_while_it_is_written_on_postgres() {
    let Some((a, b)) = two_postgres_or_skip() else { return };
    goes_and_comes_back(Shop::on_servers(a, b)).await;
}

#[tokio::test]
async fn a_group_goes_to_a_new_version_and_back_while_it_is_written_on_mariadb() {
    let Some((a, b)) = two_mariadb_or_skip() else { return };
    goes_and_comes_back(Shop::on_servers(a, b)).await;
}

#[tokio::test]
async fn a_group_goes_to_a_new_version_and_back_while_it_is_written_on_two_stores() {
    let Some((_, b)) = two_postgres_or_skip() else { return };
    goes_and_comes_back(Shop::mixed(b)).await;
}
