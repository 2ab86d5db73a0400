//! Load balancers: the readiness route of the service, and HAProxy with the sample configuration in front of two sites.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use journal_tests::balancer::{Behind, Haproxy, haproxy_or_skip};
use journal_tests::process::Running;
use journal_tests::servers::two_postgres_or_skip;
use sqlx::Connection as _;

use crate::shop::{BOUND, SITES, Shop, books};

/// Between two looks at what changes by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Starts a service that answers readiness checks.
fn serve(shop: &Shop, sites: &[&str]) -> (Running, SocketAddr) {
    let mut arguments = vec!["run", "--http", "127.0.0.1:0"];
    sites.iter().for_each(|site| arguments.extend(["--site", site]));
    let mut service = shop.command(&arguments).spawn();
    let line = service.wait_for_line("daybook: answering at http://", BOUND);
    let address = line.rsplit('/').next().unwrap().parse().unwrap();
    service.wait_for_line("daybook: serving", BOUND);
    (service, address)
}

/// Sends one request; its status and body.
fn request(address: SocketAddr, method: &str, target: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    write!(stream, "{method} {target} HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Asks until the answer is the expected one: looks follow the databases with a short delay.
#[track_caller]
fn ready(address: SocketAddr, question: &str, status: u16, reason: Option<&str>) {
    let deadline = Instant::now() + BOUND;
    loop {
        let (told, body) = request(address, "GET", &format!("/ready?{question}"));
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        if told == status && body["reason"].as_str() == reason {
            assert_eq!(body["ready"], reason.is_none());
            return;
        }
        assert!(Instant::now() < deadline, "{question}: {told} {body}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

#[test]
fn the_route_tells_what_the_command_tells() {
    let mut shops = vec![Shop::sqlite()];
    shops.extend(two_postgres_or_skip().map(|(a, b)| Shop::on_servers(a, b)));
    for shop in shops {
        // One service answers for sites that another one runs.
        let (service, address) = serve(&shop, &["a"]);
        ready(address, "site=a&version=1", 200, None);
        ready(address, "site=b&version=1", 200, None);
        ready(address, "site=b&version=2", 503, Some("version"));
        shop.done(&["traffic", "b", "away"]);
        ready(address, "site=b&version=1", 503, Some("leaving"));
        shop.done(&["traffic", "b", "here"]);
        shop.done(&["pause", "b"]);
        ready(address, "site=b&version=1", 503, Some("paused"));
        shop.done(&["schema", "apply", "b", "--to", "2"]);
        shop.done(&["resume", "b"]);
        ready(address, "site=b&version=2", 200, None);
        // Nobody posts at b: what a decides is missing there.
        shop.append("a", &books::lines(1));
        ready(address, "site=b&version=1&behind_max=0", 503, Some("behind"));
        ready(address, "site=b&version=1&behind_max=1", 200, None);
        ready(address, "site=z&version=1", 404, Some("unknown_site"));
        for (method, target, status) in
            [("GET", "/", 404), ("GET", "/ready?site=a", 400), ("POST", "/ready?site=a&version=1", 405)]
        {
            let (told, body) = request(address, method, target);
            assert!(told == status && body.contains("error"), "{method} {target}: {told} {body}");
        }
        assert_eq!(request(address, "HEAD", "/ready?site=a&version=1"), (200, String::new()));
        // A client that says nothing keeps nobody from ending.
        let _silent = TcpStream::connect(address).unwrap();
        service.terminate();
        assert_eq!(service.wait(BOUND).code, Some(0));
    }
}

#[test]
fn an_address_that_is_taken_is_told_and_nothing_starts() {
    let shop = Shop::sqlite();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = shop.refused(1, &["run", "--http", &address]);
    assert!(told.starts_with("error D0472: "), "{told}");
}

/// The site that a reader is led to, if any.
async fn led_to(balancer: &Haproxy, version: usize, database: &str) -> Option<String> {
    let socket = balancer.readers(version).display().to_string();
    let url = format!("postgres://daybook@localhost/{database}?host={socket}");
    let mut conn = sqlx::PgConnection::connect(&url).await.ok()?;
    let name: String = sqlx::query_scalar("SELECT name FROM daybook.site").fetch_one(&mut conn).await.ok()?;
    conn.close().await.ok()?;
    Some(name)
}

/// Waits until twenty readers in a row are led to these sites, all of them, and to no others.
async fn leads_to(balancer: &Haproxy, version: usize, database: &str, sites: &[&str]) {
    let deadline = Instant::now() + BOUND;
    loop {
        let mut led = std::collections::BTreeSet::new();
        for _ in 0..20 {
            led.insert(led_to(balancer, version, database).await.unwrap_or_default());
        }
        let wanted: Vec<&str> = if sites.is_empty() { vec![""] } else { sites.to_vec() };
        if led.iter().map(String::as_str).eq(wanted.iter().copied()) {
            return;
        }
        assert!(Instant::now() < deadline, "readers of version {version} are led to {led:?}, not {sites:?}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

#[tokio::test]
async fn the_sample_for_haproxy_leads_readers_to_the_sites_that_are_ready_for_them() {
    let Some(haproxy) = haproxy_or_skip() else { return };
    let Some((a, b)) = two_postgres_or_skip() else { return };
    // Balanced readers name one database, so both sites have it under one name.
    let database = format!("twin_{}", std::process::id());
    let shop = Shop::at([a, b].map(|server| server.create_named(&database).url));
    let services = SITES.map(|site| serve(&shop, &[site]));
    let behind = |server: &journal_tests::servers::Server, at: usize| Behind {
        socket: server.socket_file(),
        service: services[at].1,
    };
    let balancer = Haproxy::start(&haproxy, [&behind(a, 0), &behind(b, 1)]);
    leads_to(&balancer, 1, &database, &["a", "b"]).await;
    leads_to(&balancer, 2, &database, &[]).await;
    for (site, v1, v2) in [("b", "a", vec!["b"]), ("a", "b", vec!["a", "b"])] {
        shop.done(&["traffic", site, "away", "--reason", "version 2"]);
        leads_to(&balancer, 1, &database, &[v1]).await;
        shop.done(&["pause", site, "--drain"]);
        shop.done(&["schema", "apply", site, "--to", "2"]);
        shop.done(&["resume", site]);
        leads_to(&balancer, 1, &database, &[v1]).await;
        shop.done(&["traffic", site, "here"]);
        leads_to(&balancer, 1, &database, &["a", "b"]).await;
        let v2: Vec<&str> = v2;
        leads_to(&balancer, 2, &database, &v2).await;
    }
}
