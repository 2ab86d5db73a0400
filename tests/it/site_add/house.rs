//! A group of up to three sites, each in a store of its choice, driven by the `daybook` command. Its members refer to one
//! another, against the order of their keys, and have unique addresses that change hands.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journal_core::sql::{Access, Conn, DbUrl};
use journal_tests::process::{Program, Running, daybook};
use journal_tests::servers::{mariadb_or_skip, postgres_or_skip};
use journal_tests::tether;
use serde_json::Value as Json;
use tempfile::TempDir;

/// Above anything that these groups do in one step on a loaded machine.
pub(super) const BOUND: Duration = Duration::from_secs(60);

/// Members of one round.
const ROUND: i64 = 40;

const TABLES: &str = r#"
[table.member]
key = ["id"]
unique = [["email"]]
parents = [{ columns = ["boss"], table = "member" }]
[table.member.columns]
id = "int"
email = "text(80)"
full_name = "text"
fee = "decimal(7,2)"
boss = { type = "int", null = true }
joined = "timestamp"
token = "uuid"
photo = { type = "bytes", null = true }
score = { type = "float", null = true }

[table.visit]
key = ["member_id", "nr"]
parents = [{ columns = ["member_id"], table = "member" }]
[table.visit.columns]
member_id = "int"
nr = "int"
day = "date"
note = { type = "text", null = true }
"#;
const VERSION_1: &str = "phone = { type = \"text\", null = true }\nfax = { type = \"text\", null = true }\n";
const VERSION_2: &str = "phone = \"text\"\n";
/// Faxes are kept beside their rows, and phone numbers asked for.
const MAPPING_2: &str = r#"
[[map]]
op = "drop_column"
table = "visit"
column = "fax"

[[map]]
op = "require_column"
table = "visit"
column = "phone"
ask = "?"
"#;

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    Sqlite,
    Postgres,
    MariaDb,
}

/// The group.
#[derive(Debug)]
pub(super) struct House {
    home: TempDir,
    urls: BTreeMap<String, String>,
}

impl House {
    /// Databases that are there and empty; `None` where a server is missing.
    pub(super) fn new(sites: &[(&str, Store)]) -> Option<Self> {
        let mut house = Self { home: tether::directory("daybook-house-"), urls: BTreeMap::new() };
        for (site, store) in sites {
            house.place(site, *store)?;
        }
        for (version, more) in [("1", VERSION_1), ("2", VERSION_2)] {
            house.file(&format!("schema/{version}/schema.toml"), &format!("{TABLES}{more}"));
        }
        house.file("schema/2/mapping.toml", MAPPING_2);
        Some(house)
    }

    /// Gives a site a database of that store, new and empty.
    fn place(&mut self, site: &str, store: Store) -> Option<()> {
        let url = match store {
            Store::Sqlite => {
                format!("sqlite:{}", self.home.path().join(format!("{site}.db")).display())
            }
            Store::Postgres => postgres_or_skip()?.create_database().url,
            Store::MariaDb => mariadb_or_skip()?.create_database().url,
        };
        self.urls.insert(site.to_owned(), url);
        Some(())
    }

    /// The same for a site that had another one.
    pub(super) fn replace(&mut self, site: &str, store: Store) {
        self.place(site, store).expect("its server runs");
    }

    pub(super) fn file(&self, name: &str, text: &str) {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes the configuration of a group of these sites.
    pub(super) fn configure(&self, sites: &[&str]) {
        self.configure_with(&sites.iter().map(|site| (*site, None)).collect::<Vec<_>>());
    }

    /// The same with the stripes of some.
    pub(super) fn configure_with(&self, sites: &[(&str, Option<i64>)]) {
        let mut text = "group = 'house'\nschema = 'schema'\nlease_ttl_ms = 100\n".to_owned();
        for (site, stripe) in sites {
            let _infallible = write!(text, "[sites.{site}]\nurl = '{}'\n", self.urls[*site]);
            if let Some(stripe) = stripe {
                let _infallible = writeln!(text, "stripe = {stripe}");
            }
        }
        self.file("daybook.toml", &text);
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Program {
        daybook().args(arguments).current_dir(self.home.path()).env("RUST_BACKTRACE", "0")
    }

    /// Runs a command that succeeds; gives its standard output.
    pub(super) fn done(&self, arguments: &[&str]) -> String {
        let ended = self.command(arguments).run();
        assert_eq!(ended.code, Some(0), "daybook {arguments:?}: {ended:?}");
        ended.stdout
    }

    /// The same with its report as JSON.
    pub(super) fn report(&self, arguments: &[&str]) -> Json {
        let stdout = self.done(&[arguments, &["--json"]].concat());
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
    }

    /// Runs a command that does not succeed; gives its standard error.
    pub(super) fn refused(&self, arguments: &[&str]) -> String {
        let ended = self.command(arguments).run();
        assert_eq!(ended.code, Some(1), "daybook {arguments:?}: {ended:?}");
        ended.stderr
    }

    /// Starts the service of some sites, or of all of the configuration; returns once it serves.
    pub(super) fn serve(&self, sites: &[&str]) -> Running {
        let mut arguments = vec!["run"];
        sites.iter().for_each(|site| arguments.extend(["--site", site]));
        let mut running = self.command(&arguments).spawn();
        running.wait_for_line("daybook: serving", BOUND);
        running
    }

    /// Has a new service with the present configuration take all over from another one.
    pub(super) fn relieve(&self, old: Running) -> Running {
        let new = self.serve(&[]);
        old.terminate();
        assert_eq!(old.wait(BOUND).code, Some(0));
        new
    }

    pub(super) fn append(&self, site: &str, lines: &[String]) {
        let name = format!("{site}.ndjson");
        self.file(&name, &(lines.join("\n") + "\n"));
        self.done(&["append", "--site", site, "--at-version", "1", "--file", &name]);
    }

    /// Appends rounds at a site while the work goes on; how many rounds, and what the work gave.
    pub(super) fn while_appending<T>(
        &self,
        site: &str,
        rounds_from: i64,
        work: impl FnOnce() -> T,
    ) -> (i64, T) {
        struct Stop<'s>(&'s AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut round = rounds_from;
                while !over.load(Ordering::SeqCst) {
                    self.append(site, &lines(round));
                    round += 1;
                }
                round
            });
            let done = {
                let _stop = Stop(&over);
                work()
            };
            (writer.join().unwrap(), done)
        })
    }

    pub(super) fn url(&self, site: &str) -> DbUrl {
        self.urls[site].parse().unwrap()
    }

    pub(super) fn url_text(&self, site: &str) -> &str {
        &self.urls[site]
    }

    pub(super) async fn number(&self, site: &str, sql: &str) -> i64 {
        let mut conn = Conn::open(&self.url(site), Access::Read, "test").await.unwrap();
        let found = conn.lend().fetch_one(sql, Vec::new()).await;
        found.unwrap_or_else(|error| panic!("{sql} at {site}: {error}")).i64(0).unwrap()
    }

    /// Waits until sites have posted everything that was appended anywhere.
    pub(super) fn settle(&self, sites: &[&str]) {
        for site in sites {
            let ended = self.command(&["wait", site, "--all", "--timeout", "60s"]).run();
            assert_eq!(ended.code, Some(0), "{ended:?}\n{:?}", self.command(&["status"]).run());
        }
    }

    /// The ledgers are equal, each equal to the replay of its own journal, and nothing is wrong with a journal.
    pub(super) fn is_lawful(&self, sites: &[&str], stage: &str) {
        if sites.len() > 1 {
            let verified = self.report(&[&["verify"], sites].concat());
            assert_eq!(verified["equal"], true, "{stage}: {verified}");
        }
        for site in sites {
            let audited = self.report(&["audit", site]);
            assert_eq!(audited["sound"], true, "{stage}: {audited}");
            let into = format!("sqlite:replay-{stage}-{site}.db");
            let into = into.replace("sqlite:", &format!("sqlite:{}/", self.home.path().display()));
            let replayed = self.report(&["replay", "--site", site, "--into", &into]);
            assert_eq!(replayed["equal"], true, "{stage}: {replayed}");
            assert_eq!(replayed["refused"]["count"], 0, "{stage}: {replayed}");
        }
    }
}

/// What is written in a round: new members, each under the one after it, visits; then addresses change hands, and some of it
/// goes again.
pub(super) fn lines(round: i64) -> Vec<String> {
    let first = round * ROUND + 1;
    let last = first + ROUND - 1;
    let mut lines = Vec::new();
    for id in (first..=last).rev() {
        let boss = if id == last { "null".to_owned() } else { (id + 1).to_string() };
        let member = format!(
            r#"{{"op":"insert","table":"member","row":{{"id":{id},"email":"m{id}@example.org","full_name":"Member {id} ü","fee":"{}.25","boss":{boss},"joined":"2005-05-24T22:53:30.25Z","token":"018f5a4e-0000-7000-8000-{id:012}","photo":"\\x00ff{:02x}","score":{}.5}}}}"#,
            id % 1000,
            id % 256,
            id % 7
        );
        let fax = if id % 3 == 0 { "null".to_owned() } else { format!("\"555-{id}\"") };
        let visit = format!(
            r#"{{"op":"insert","table":"visit","row":{{"member_id":{id},"nr":1,"day":"2005-05-24","note":null,"phone":null,"fax":{fax}}}}}"#
        );
        lines.push(format!("{{\"entries\":[{member},{visit}]}}"));
    }
    let email = |id: i64, email: &str| {
        format!(r#"{{"op":"update","table":"member","key":{{"id":{id}}},"set":{{"email":"{email}"}}}}"#)
    };
    let (one, other) = (format!("m{first}@example.org"), format!("m{last}@example.org"));
    let swap = [email(first, &format!("nobody{first}")), email(last, &one), email(first, &other)].join(",");
    lines.push(format!("{{\"entries\":[{swap}]}}"));
    lines.push(format!(
        r#"{{"entries":[{{"op":"delete","table":"visit","key":{{"member_id":{first},"nr":1}}}},{{"op":"update","table":"visit","key":{{"member_id":{last},"nr":1}},"set":{{"phone":"1234"}}}}]}}"#
    ));
    lines
}

/// What changes what an earlier round wrote.
pub(super) fn changes(round: i64) -> Vec<String> {
    let (first, last) = (round * ROUND + 1, (round + 1) * ROUND);
    let mut lines = vec![format!(
        r#"{{"entries":[{{"op":"update","table":"member","key":{{"id":{}}},"set":{{"boss":null}}}},{{"op":"delete","table":"visit","key":{{"member_id":{},"nr":1}}}},{{"op":"delete","table":"member","key":{{"id":{first}}}}}]}}"#,
        first + 1,
        first + 1
    )];
    // The next one takes the address of the one that is gone, which it has from the last.
    lines.push(format!(
        r#"{{"entries":[{{"op":"update","table":"member","key":{{"id":{}}},"set":{{"email":"m{last}@example.org","fee":"0.01"}}}}]}}"#,
        first + 2
    ));
    lines
}
