//! The service killed in the middle of the rental history, again and again, along with the application that appends, the
//! pauses and the reshapes; then the servers and the answers to commits. Whatever dies when: nothing is lost, nothing is
//! posted twice, and both ledgers are the fold of their journals.
//!
//! The moments are random. The seed is printed; `DAYBOOK_CRASH_SEED` replays it as far as processes let it.

mod checks;
mod fleet;
mod moment;
mod servers;

use std::collections::BTreeMap;

use journal_tests::servers::{two_mariadb_or_skip, two_postgres_or_skip};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::shop::books::{Books, STOCK, lines, share};
use crate::shop::{BOUND, SITES, Shop, expect_done, ledger};
use fleet::Fleet;
use moment::{Moment, looks, peer};

/// How much of the history is told.
const LINES: usize = 6_000;
/// Kills of the service in each run, at least: the number that the tests promise.
const KILLS_MIN: usize = 50;
/// Kills that came before the end of an append, a pause, a reshape or a resume, at least.
const COMMAND_CUTS_MIN: usize = 8;
/// Times that a pause, a reshape or a resume is killed before it may end.
const COMMAND_KILLS: usize = 4;

/// The generator of a run, from the environment's seed or a new one, which is printed.
fn generator(what: &str) -> ChaCha8Rng {
    let given = std::env::var("DAYBOOK_CRASH_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed: u64 = given.unwrap_or_else(rand::random);
    println!("{what}: DAYBOOK_CRASH_SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

/// One run.
struct Run {
    shop: Shop,
    rng: ChaCha8Rng,
    fleet: Fleet,
    books: Books,
    /// What is still to be appended, by site.
    coming: BTreeMap<&'static str, Vec<String>>,
    /// What was appended, by site.
    written: BTreeMap<&'static str, Vec<String>>,
    files: usize,
    /// Commands that a kill hit before they had ended.
    cut: usize,
}

impl Run {
    fn new(shop: Shop, mut rng: ChaCha8Rng) -> Self {
        let fleet = Fleet::start(&shop, rng.random_bool(0.5));
        let history = lines(LINES);
        let coming = BTreeMap::from([("a", history[..STOCK].to_vec())]);
        Self { shop, rng, fleet, books: Books::default(), coming, written: BTreeMap::new(), files: 0, cut: 0 }
    }

    /// The next lines of a site, as a file.
    fn next_file(&mut self, site: &'static str, count: usize) -> String {
        let coming = self.coming.entry(site).or_default();
        let rest = coming.split_off(count.min(coming.len()));
        let now = std::mem::replace(coming, rest);
        self.files += 1;
        self.books.enter(&now);
        let file = self.shop.lines_file(&format!("{site}-{}.ndjson", self.files), &now);
        self.written.entry(site).or_default().extend(now);
        file
    }

    /// Appends some transactions while a service is killed and comes back, and often the one who appends as well.
    async fn round(&mut self, site: &'static str, count: usize, paused: Option<&str>) {
        let count = count.min(self.coming[site].len());
        let moment = Moment::draw(&self.shop, &mut self.rng, site, count, paused).await;
        let early = Moment::of_client(&self.shop, &mut self.rng, site, count).await;
        let file = self.next_file(site, count);
        let append = self.shop.command(&["append", "--site", site, "--at-version", "1", "--file", &file]);
        let mut client = append.spawn();
        if self.rng.random_bool(0.4) {
            early.come(&self.shop).await;
            self.cut += usize::from(client.kill().code.is_none());
            client = append.spawn();
        }
        moment.come(&self.shop).await;
        let after_a_while = self.rng.random_bool(0.3);
        let mut client = Some(client);
        let mut join = || client.take().map(|client| expect_done("append", &client.wait(BOUND)));
        self.fleet.replace(&self.shop, &mut self.rng, || {
            if after_a_while {
                join();
            }
        });
        checks::at_any_moment(&self.shop).await;
        join();
    }

    async fn rounds(&mut self, count: usize, paused: Option<&str>) {
        for _ in 0..count {
            let site = SITES[self.rng.random_range(0..SITES.len())];
            let lines = self.rng.random_range(30..120_usize);
            self.round(site, lines, paused).await;
        }
    }

    /// Runs a command that is killed a few times first, each time a little after its start.
    async fn command(&mut self, arguments: &[&str], looks_max: usize) {
        for _ in 0..COMMAND_KILLS {
            let running = self.shop.command(arguments).spawn();
            looks(&self.shop, self.rng.random_range(0..looks_max)).await;
            self.cut += usize::from(running.kill().code.is_none());
            checks::at_any_moment(&self.shop).await;
        }
        self.shop.done(arguments);
    }

    /// Reshapes a site to version 2 while the other serves.
    async fn upgrade(&mut self, site: &'static str) {
        self.command(&["pause", site, "--reason", "reshape"], 60).await;
        let before = ledger::everything(&self.shop, site, 1).await;
        self.rounds(6, Some(site)).await;
        let appended = self.last_number(peer(site), "journal", "trans_nr", peer(site)).await;
        let received = format!("SELECT last_nr FROM {{d}}received WHERE origin = '{}'", peer(site));
        self.shop.reached(site, &received, appended).await;
        let still = ledger::everything(&self.shop, site, 1).await;
        assert!(before == still, "{site} changed while it was paused");
        let apply = ["schema", "apply", site, "--to", "2"];
        self.command(&apply, 200).await;
        self.fleet.replace(&self.shop, &mut self.rng, || {});
        let checkpoints =
            |all: &[String]| all.iter().filter(|line| !line.contains(':')).cloned().collect::<Vec<_>>();
        let reshaped = ledger::everything(&self.shop, site, 2).await;
        assert_eq!(checkpoints(&before), checkpoints(&reshaped), "{site} posted while it was paused");
        assert_eq!(before.len(), reshaped.len(), "{site}: rows before and after the reshape");
        self.command(&["resume", site], 60).await;
    }

    async fn last_number(&self, site: &str, table: &str, column: &str, origin: &str) -> i64 {
        let sql = format!("SELECT coalesce(max({column}), 0) FROM {{d}}{table} WHERE origin = '{origin}'");
        self.shop.number(site, &sql).await
    }

    /// The whole story.
    async fn tell(&mut self) {
        for _ in 0..8 {
            self.round("a", STOCK / 8 + 1, None).await;
        }
        self.shop.settle();
        let history = lines(LINES);
        self.coming = BTreeMap::from([("a", share(&history, 0)), ("b", share(&history, 1))]);
        self.rounds(8, None).await;
        self.upgrade("b").await;
        let together = self.rng.random_bool(0.5);
        self.fleet.regroup(&self.shop, together);
        self.rounds(8, None).await;
        self.upgrade("a").await;
        self.rounds(12, None).await;
        println!("{} kills of the service, {} of commands that had not ended", self.fleet.kills, self.cut);
        assert!(self.fleet.kills >= KILLS_MIN, "{} kills of the service", self.fleet.kills);
        assert!(self.cut >= COMMAND_CUTS_MIN, "{} kills of commands that had not ended", self.cut);
        for site in SITES {
            let file = self.next_file(site, LINES);
            self.shop.done(&["append", "--site", site, "--at-version", "1", "--file", &file]);
        }
    }

    /// What must hold at the end.
    async fn judge(self, scratch: [String; 2]) {
        self.shop.settle();
        self.fleet.end();
        checks::at_any_moment(&self.shop).await;
        checks::journals_are_whole(&self.shop, &self.written).await;
        checks::all_is_posted(&self.shop, &self.books).await;
        for site in SITES {
            ledger::agrees(&self.shop, site, 2, &self.books).await;
        }
        self.shop.is_lawful(&scratch);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_sites_survive_fifty_kills_in_the_middle_of_the_history() {
    let shop = Shop::sqlite();
    let scratch = ["replay-a", "replay-b"].map(|name| shop.scratch(name));
    let mut run = Run::new(shop, generator("SQLite"));
    run.tell().await;
    run.judge(scratch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_sites_survive_fifty_kills_in_the_middle_of_the_history() {
    let Some((a, b)) = two_postgres_or_skip() else { return };
    let scratch = [a.create_database().url, b.create_database().url];
    let mut run = Run::new(Shop::on_servers(a, b), generator("PostgreSQL"));
    run.tell().await;
    run.judge(scratch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_sites_survive_fifty_kills_in_the_middle_of_the_history() {
    let Some((a, b)) = two_mariadb_or_skip() else { return };
    let scratch = [a.create_database().url, b.create_database().url];
    let mut run = Run::new(Shop::on_servers(a, b), generator("MariaDB"));
    run.tell().await;
    run.judge(scratch).await;
}
