//! The databases' side of a crash: servers that die and recover under load, and commits whose answer never arrives. The
//! service and the application go on by themselves once the server is back.

use std::time::Duration;

use journal_core::sql::{Access, Conn};
use journal_tests::process::Running;
use journal_tests::proxy::{Cut, Proxy};
use journal_tests::servers::{
    Server, Settings, own_mariadb_or_skip, own_postgres_or_skip, postgres_or_skip, two_mariadb_or_skip,
    two_postgres_or_skip,
};
use rand::RngExt as _;

use super::{checks, generator, moment::Moment};
use crate::shop::books::{Books, lines};
use crate::shop::{BOUND, SITES, Shop, expect_done, ledger};

/// Times that each server dies.
const SERVER_KILLS: usize = 3;
/// Cuts of each kind.
const CUTS: usize = 10;
/// Commits of other work that may pass before a cut.
const PASSING_MAX: usize = 5;
/// Long, so that cuts hit the work rather than signs of life.
const LEASE_TTL_MS: u64 = 3_000;
/// Tries of an application whose server is away when it begins.
const TRIES_MAX: usize = 40;

/// What must hold once everything is posted at version 1.
async fn judge(shop: &Shop, service: Running, written: &[String], scratch: [String; 2]) {
    shop.settle();
    service.terminate();
    expect_done("the service", &service.wait(BOUND));
    let mut books = Books::default();
    books.enter(written);
    for site in SITES {
        checks::journal_holds(shop, site, "a", written).await;
        checks::seals_are_whole(shop, site, "a", written.len()).await;
        ledger::agrees(shop, site, 1, &books).await;
    }
    checks::all_is_posted(shop, &books).await;
    shop.is_lawful(&scratch);
}

/// Appends as an application that starts again when it could not even begin, always with the same lines.
fn append_at_last(shop: &Shop, mut client: Running, arguments: &[&str]) {
    for _ in 0..TRIES_MAX {
        let ended = client.wait(BOUND);
        if ended.code == Some(0) {
            return;
        }
        assert!(ended.stderr.starts_with("error D040"), "{ended:?}");
        client = shop.command(arguments).spawn();
    }
    panic!("append {arguments:?} never succeeds");
}

/// Once, posting half a batch's time went into the server compiling one small query for every transaction.
#[tokio::test]
async fn no_session_has_the_server_compile_its_statements() {
    let Some(server) = postgres_or_skip() else { return };
    let url = server.create_database().url.parse().unwrap();
    let mut conn = Conn::open(&url, Access::Read, "test").await.unwrap();
    assert_eq!(conn.lend().fetch_one("SHOW jit", vec![]).await.unwrap().text(0).unwrap(), "off");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_servers_that_die_under_load_lose_and_repeat_nothing() {
    let Some(a) = own_postgres_or_skip(Settings::default()) else { return };
    let Some(b) = own_postgres_or_skip(Settings::default()) else { return };
    servers_die(a, b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_servers_that_die_under_load_lose_and_repeat_nothing() {
    let Some(a) = own_mariadb_or_skip(Settings::default()) else { return };
    let Some(b) = own_mariadb_or_skip(Settings::default()) else { return };
    servers_die(a, b).await;
}

async fn servers_die(a: Server, b: Server) {
    let scratch = [a.create_database().url, b.create_database().url];
    let shop = Shop::on_servers(&a, &b);
    let mut rng = generator("servers");
    let service = shop.serve(&SITES);
    let history = lines(2_400);
    let parts: Vec<&[String]> = history.chunks(history.len() / (2 * SERVER_KILLS)).collect();
    for (round, part) in parts.iter().enumerate() {
        let moment = Moment::draw(&shop, &mut rng, "a", part.len(), None).await;
        let file = shop.lines_file(&format!("part-{round}.ndjson"), part);
        let append = ["append", "--site", "a", "--file", &file];
        let client = shop.command(&append).spawn();
        moment.come(&shop).await;
        let server = if round % 2 == 0 { &a } else { &b };
        server.stop_immediate();
        server.restart();
        append_at_last(&shop, client, &append);
        shop.reached("b", "SELECT count(*) FROM {d}site", 1).await;
        checks::at_any_moment(&shop).await;
    }
    judge(&shop, service, &history, scratch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_whose_answer_is_lost_are_neither_lost_nor_repeated() {
    if let Some((a, b)) = two_postgres_or_skip() {
        answers_are_lost(a, b).await;
    }
    if let Some((a, b)) = two_mariadb_or_skip() {
        answers_are_lost(a, b).await;
    }
}

async fn answers_are_lost(a: &Server, b: &Server) {
    let scratch = [a.create_database().url, b.create_database().url];
    let databases = [a.create_database(), b.create_database()];
    let shop = Shop::at(databases.clone().map(|database| database.url));
    let proxies = [Proxy::start(a), Proxy::start(b)];
    let through = [proxies[0].url(a, &databases[0].name), proxies[1].url(b, &databases[1].name)];
    shop.configure("proxied.toml", &through, LEASE_TTL_MS, "");
    let mut rng = generator("lost answers");
    let service = Shop::serve_with(&shop.command_by("proxied.toml", &["run"]));
    let cuts = [Cut::BeforeCommit, Cut::ReplyLost, Cut::ReplyHalved];
    let history = lines(1_500);
    let parts = history.chunks(history.len() / (CUTS * cuts.len()));
    let mut made = [0; 2];
    for ((round, part), cut) in parts.enumerate().zip(cuts.into_iter().cycle()) {
        let at = rng.random_range(0..proxies.len());
        proxies[at].cut_at_commit(cut, rng.random_range(0..PASSING_MAX));
        let file = shop.lines_file(&format!("part-{round}.ndjson"), part);
        let client = shop.command_by("proxied.toml", &["append", "--site", "a", "--file", &file]).spawn();
        made[at] += 1;
        let cut_made = tokio::time::timeout(Duration::from_secs(30), proxies[at].cuts_made(made[at]));
        cut_made.await.expect("a commit comes and is cut");
        expect_done("append", &client.wait(BOUND));
        checks::at_any_moment(&shop).await;
    }
    assert_eq!(usize::try_from(made[0] + made[1]).unwrap(), CUTS * cuts.len());
    judge(&shop, service, &history, scratch).await;
}
