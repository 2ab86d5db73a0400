//! The classic procedure: two PostgreSQL servers behind HAProxy, two applications of version 1 and two of version 2 that
//! write and read without a pause, while first one site and then the other goes to version 2. No request fails, nothing
//! is lost, nobody waits for a second. Then the whole again with the services killed in every step.

mod judge;

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;

use journal_tests::balancer::{Behind, Haproxy, haproxy_or_skip};
use journal_tests::process::{Program, Running, application};
use journal_tests::servers::{Server, Settings, own_postgres_or_skip};

use self::judge::{Told, nothing_is_lost_or_doubled};
use crate::shop::{BOUND, SITES, Shop, books};

/// The longest that anybody may wait for one request.
const STALL_MAX_MS: u64 = 1_000;

/// The services of both sites, each of which can be killed and is then started again, as by a supervisor.
struct Services {
    commands: Vec<Program>,
    running: Vec<Option<Running>>,
    addresses: Vec<SocketAddr>,
}

impl Services {
    fn start(shop: &Shop) -> Self {
        let addresses: Vec<SocketAddr> = SITES.iter().map(|_| free_address()).collect();
        let commands: Vec<Program> = SITES
            .iter()
            .zip(&addresses)
            .map(|(site, address)| shop.command(&["run", "--site", site, "--http", &address.to_string()]))
            .collect();
        let running = commands.iter().map(|command| Some(Shop::serve_with(command))).collect();
        Self { commands, running, addresses }
    }

    fn kill(&mut self) {
        for (command, running) in self.commands.iter().zip(&mut self.running) {
            // Killed when dropped; the next one needs its address.
            drop(running.take());
            *running = Some(command.spawn());
        }
    }
}

/// An address that nobody listens at now: a service that is started again needs the same one.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Everything that runs.
struct Stage {
    shop: Shop,
    services: Services,
    balancer: Haproxy,
    database: String,
}

impl Stage {
    fn set(haproxy: &Path, servers: [&Server; 2]) -> Self {
        let database = "shop".to_owned();
        let shop = Shop::at(servers.map(|server| server.create_named(&database).url));
        shop.append("a", &books::lines(1));
        let services = Services::start(&shop);
        shop.settle();
        let behind =
            |at: usize| Behind { socket: servers[at].socket_file(), service: services.addresses[at] };
        let balancer = Haproxy::start(haproxy, [&behind(0), &behind(1)]);
        Self { shop, services, balancer, database }
    }

    /// Starts an application that writes at one of the sites first.
    fn application(&self, version: usize, number: usize, style: &str) -> Running {
        let readers = self.balancer.readers(version).display();
        let readers = format!("postgres://daybook@localhost/{}?host={readers}", self.database);
        let mut sites = SITES.map(|site| format!("{site}={}", self.shop.url_text(site)));
        sites.rotate_left(number % 2);
        let arguments = [version.to_string(), number.to_string(), style.to_owned(), readers];
        let mut running = application().args(arguments).args(sites).spawn();
        running.wait_for_line("application: at work", BOUND);
        running
    }
}

fn end(running: Running) -> Told {
    running.terminate();
    let ended = running.wait(BOUND);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    if !ended.stderr.is_empty() {
        println!("{}", ended.stderr);
    }
    Told::read(&ended.stdout)
}

/// The steps of each site, as the hook is told them.
const STEPS: [&str; 12] = [
    "waiting",
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

/// `daybook upgrade` over both sites, disturbed as each step begins.
fn upgrade(stage: &mut Stage, disturb: &mut dyn FnMut(&mut Services)) {
    let told = stage.shop.file("steps", "").with_extension("fifo");
    let made = std::process::Command::new("mkfifo").arg(&told).status().unwrap();
    assert!(made.success());
    let hook = format!("echo \"$DAYBOOK_SITE $DAYBOOK_STEP\" > {}", told.display());
    // Longer than HAProxy needs to see that a site is leaving.
    let command =
        stage.shop.command(&["upgrade", "--to", "2", "--first", "a", "--leave", "4s", "--before", &hook]);
    // Open both ways, so that no reader of the pipe waits for its writer to open it.
    let pipe = OpenOptions::new().read(true).write(true).open(&told).unwrap();
    let ending = std::thread::spawn(move || {
        let ended = command.run();
        std::fs::write(&told, "end\n").unwrap();
        ended
    });
    let mut steps = Vec::new();
    for line in BufReader::new(pipe).lines().map(Result::unwrap) {
        if line == "end" {
            break;
        }
        disturb(&mut stage.services);
        steps.push(line);
    }
    let ended = ending.join().unwrap();
    assert_eq!(
        ended.code,
        Some(0),
        "after {steps:?}: {ended:?}\n{:?}",
        stage.shop.command(&["status"]).run()
    );
    let expected: Vec<String> =
        SITES.iter().flat_map(|site| STEPS.iter().map(move |step| format!("{site} {step}"))).collect();
    steps.dedup();
    assert_eq!(steps, expected);
}

async fn play(haproxy: &Path, style: &str, mut disturb: impl FnMut(&mut Services)) {
    let Some(servers) = pair() else { return };
    let mut stage = Stage::set(haproxy, [&servers[0], &servers[1]]);
    let old = [1, 2].map(|number| stage.application(1, number, style));
    let new = [3, 4].map(|number| stage.application(2, number, style));
    upgrade(&mut stage, &mut disturb);
    // Nobody writes or reads version 1 any more.
    let mut told: Vec<Told> = old.into_iter().map(end).collect();
    stage.shop.settle();
    disturb(&mut stage.services);
    stage.shop.done(&["upgrade", "contract", "--quiet", "0s"]);
    told.extend(new.into_iter().map(end));
    stage.shop.settle();
    told.iter().for_each(no_request_failed);
    nothing_is_lost_or_doubled(&stage.shop, &told).await;
}

fn no_request_failed(told: &Told) {
    let numbers = ["writes", "reads", "longest_write_ms", "longest_decision_ms", "longest_read_ms"];
    let numbers = numbers.map(|name| format!("{name} {}", told.number(name)));
    println!("{}", numbers.join(", "));
    for failures in ["failed_writes", "rejected", "failed_reads"] {
        assert_eq!(told.number(failures), 0, "{failures}");
    }
    assert!(told.number("writes") > 0 && told.number("reads") > 0);
    for stall in ["longest_write_ms", "longest_read_ms"] {
        assert!(told.number(stall) < STALL_MAX_MS, "{stall} {}", told.number(stall));
    }
}

fn pair() -> Option<[Server; 2]> {
    let a = own_postgres_or_skip(Settings::default())?;
    Some([a, own_postgres_or_skip(Settings::default())?])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sites_go_to_the_next_version_and_no_request_fails() {
    let Some(haproxy) = haproxy_or_skip() else { return };
    play(&haproxy, "updates", |_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_with_the_services_killed_in_every_step() {
    let Some(haproxy) = haproxy_or_skip() else { return };
    play(&haproxy, "inserts", Services::kill).await;
}
