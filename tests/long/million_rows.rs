//! A long programme, run by hand (`tests/long/run`): many existing rows are moved to a new version while writes arrive at
//! the peer at a steady rate. No write may fail, the upgrade and the service stay below a bound of memory, the sites catch
//! up, and their ledgers are equal. It prints what it measured; whatever does not hold is a panic.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use journal_core::client::{Journal, Transaction};
use journal_core::model::{Row, SchemaVersion, SiteName};
use journal_tests::process::{Ended, Program, Running, daybook, peak_kib};
use journal_tests::servers::two_postgres_or_skip;
use journal_tests::tether;

/// Rows of one transaction while the stock is laid in.
const ROWS_A_TRANSACTION: u64 = 1_000;
/// The bound of the promise, in kibibytes.
const MEMORY_MAX_KIB: u64 = 300 * 1024;
/// Writers that share the rate: each waits for its append before it makes the next one.
const WRITERS: u64 = 64;
/// Above anything that a slow machine needs for a million rows.
const BOUND: Duration = Duration::from_secs(4 * 3600);

const FIRST: &str = "[table.item]\nkey = [\"id\"]\n[table.item.columns]\nid = \"int\"\nname = \"text\"\nprice = \"decimal(9,2)\"\n";
const SECOND: &str = "[table.item]\nkey = [\"id\"]\n[table.item.columns]\nid = \"int\"\nbrand = \"text\"\nkind = \"text\"\nprice = \"decimal(12,4)\"\nshelf = \"text\"\n";
const MAPPING: &str = "[[map]]\nop = \"split_column\"\ntable = \"item\"\ncolumn = \"name\"\ninto = [\"brand\", \"kind\"]\nseparator = \" \"\nat = \"first\"\n\n\
    [[map]]\nop = \"change_type\"\ntable = \"item\"\ncolumn = \"price\"\nto = \"decimal(12,4)\"\n\n\
    [[map]]\nop = \"add_column\"\ntable = \"item\"\ncolumn = \"shelf\"\ntype = \"text\"\ndefault = \"none\"\n";

struct Settings {
    rows: u64,
    rate: u64,
    postgres: bool,
}

fn settings() -> Settings {
    let mut settings = Settings { rows: 1_000_000, rate: 2_000, postgres: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a number follows");
        match name.as_str() {
            "--rows" => settings.rows = number(),
            "--rate" => settings.rate = number(),
            "--postgres" => settings.postgres = true,
            other => panic!("{other}? there are --rows N, --rate N and --postgres"),
        }
    }
    settings
}

fn main() {
    let settings = settings();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(&settings));
}

async fn run(settings: &Settings) {
    let home = tether::directory_in(Path::new("/tmp"), "daybook-long-");
    let urls = match (settings.postgres, two_postgres_or_skip()) {
        (true, Some((a, b))) => [a.create_database().url, b.create_database().url],
        (true, None) => panic!("PostgreSQL is not installed"),
        (false, _) => {
            ["a", "b"].map(|site| format!("sqlite:{}", home.path().join(format!("{site}.db")).display()))
        }
    };
    prepare(home.path(), &urls);
    let command = |arguments: &[&str]| daybook().args(arguments).current_dir(home.path());
    done(&command(&["init"]));
    let mut service = command(&["run"]).spawn();
    service.wait_for_line("daybook: serving", Duration::from_secs(60));
    let began = Instant::now();
    stock(home.path(), settings.rows, &command);
    done(&command(&["wait", "a", "--all", "--timeout", "4h"]));
    done(&command(&["wait", "b", "--all", "--timeout", "4h"]));
    println!("{} rows laid in at both sites in {:?}", settings.rows, began.elapsed());

    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(write(urls[1].clone(), settings.rate, stop.clone()));
    let began = Instant::now();
    let upgrade =
        command(&["upgrade", "--to", "2", "--first", "a", "--catch-up", "4h", "--drain", "1h"]).spawn();
    let (ended, peak) = watched(upgrade).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let took = began.elapsed();
    stop.store(true, Ordering::Relaxed);
    let (written, slowest) = load.await.expect("no write fails");
    done(&command(&["wait", "a", "--all", "--timeout", "4h"]));
    done(&command(&["wait", "b", "--all", "--timeout", "4h"]));
    let service_peak = peak_kib(service.id());
    let verified = done(&command(&["verify"]));
    assert!(verified.contains("are equal"), "{verified}");
    let rate = written.checked_div(took.as_secs().max(1)).unwrap_or(0);
    println!(
        "both sites upgraded in {took:?}, with {written} writes at b ({rate} a second), the slowest {slowest:?}"
    );
    println!("peak memory: upgrade {} MiB, service {} MiB", peak / 1024, service_peak / 1024);
    println!("{verified}");
    println!("{}", done(&command(&["upgrade", "status"])));
    assert!(peak < MEMORY_MAX_KIB && service_peak < MEMORY_MAX_KIB, "more than 300 MiB");
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(60)).code, Some(0));
}

fn prepare(home: &Path, urls: &[String; 2]) {
    for (file, text) in [("1/schema.toml", FIRST), ("2/schema.toml", SECOND), ("2/mapping.toml", MAPPING)] {
        let path = home.join("schema").join(file);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("make a directory");
        std::fs::write(path, text).expect("write the schema set");
    }
    let mut text = "group = 'long'\nschema = 'schema'\n".to_owned();
    for (site, url) in ["a", "b"].iter().zip(urls) {
        let _infallible = write!(text, "[sites.{site}]\nurl = '{url}'\n");
    }
    std::fs::write(home.join("daybook.toml"), text).expect("write the configuration");
}

/// Lays the rows in at site a, through the journal as always.
fn stock(home: &Path, rows: u64, command: &dyn Fn(&[&str]) -> Program) {
    let mut text = String::new();
    for first in (1..=rows).step_by(usize::try_from(ROWS_A_TRANSACTION).expect("it is small")) {
        let entries: Vec<String> = (first..(first + ROWS_A_TRANSACTION).min(rows + 1))
            .map(|id| {
                format!(
                    r#"{{"op":"insert","table":"item","row":{{"id":{id},"name":"BRAND{} kind {}","price":"{}.99"}}}}"#,
                    id % 97,
                    id % 1009,
                    id % 500
                )
            })
            .collect();
        let _infallible = writeln!(text, r#"{{"entries":[{}]}}"#, entries.join(","));
    }
    std::fs::write(home.join("stock.ndjson"), text).expect("write the stock");
    done(&command(&["append", "--site", "a", "--at-version", "1", "--file", "stock.ndjson"]));
}

/// Writes at a site at a steady rate until told to stop. How many writes were made, and how long the slowest took.
async fn write(url: String, rate: u64, stop: Arc<AtomicBool>) -> (u64, Duration) {
    let site = SiteName::new("b").expect("a name");
    let url = url.parse().expect("an address");
    let journal = Journal::builder(&url, &site).author("load").schema_version(SchemaVersion(1));
    let journal = Arc::new(journal.open().await.expect("open the journal"));
    let written = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (journal, stop, written) = (journal.clone(), stop.clone(), written.clone());
        writers.spawn(async move {
            let mut slowest = Duration::ZERO;
            for turn in 0_u64.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let nr = turn * WRITERS + writer;
                let due = Duration::from_micros(nr * 1_000_000 / rate.max(1));
                tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
                let id = i64::try_from(nr).expect("it is small") + 1_000_000_000;
                let row = Row::new().with("id", id).with("name", "NEW item");
                let price = journal_core::model::Value::Decimal("1.00".parse().expect("a number"));
                let sent = Instant::now();
                let insert = Transaction::new().insert("item", row.with("price", price));
                journal.append(&insert).await.expect("a write that fails");
                slowest = slowest.max(sent.elapsed());
                written.fetch_add(1, Ordering::Relaxed);
            }
            slowest
        });
    }
    let mut slowest = Duration::ZERO;
    while let Some(one) = writers.join_next().await {
        slowest = slowest.max(one.expect("a writer does not fail"));
    }
    journal.close().await;
    (written.load(Ordering::Relaxed), slowest)
}

/// Waits for a programme's end; with it the most memory it had.
async fn watched(running: Running) -> (Ended, u64) {
    let id = running.id();
    let waiting = tokio::task::spawn_blocking(move || running.wait(BOUND));
    let mut peak = 0;
    while !waiting.is_finished() {
        peak = peak.max(peak_kib(id));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (waiting.await.expect("it ends"), peak)
}

fn done(program: &Program) -> String {
    let ended = program.spawn().wait(BOUND);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout
}
