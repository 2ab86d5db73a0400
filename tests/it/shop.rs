//! A film rental's group of two sites, driven as its operators would: through a configuration file and the `daybook`
//! command, in processes of their own. What is in the databases is read by plain SQL.

pub(crate) mod books;
pub(crate) mod ledger;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use journal_core::sql::{Access, Conn, DbUrl, Readers, Record, SqlError};
use journal_tests::process::{Ended, Program, Running, daybook};
use journal_tests::servers::Server;
use journal_tests::tether;
use serde_json::Value as Json;
use tempfile::TempDir;

/// Short, so that a service that was killed is followed by the next one soon.
pub(crate) const LEASE_TTL_MS: u64 = 100;
/// Above anything that these groups do in one step on a loaded machine.
pub(crate) const BOUND: Duration = Duration::from_secs(60);
/// Between two looks at a database that changes by itself: it sends no event that a test could wait for.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// The configuration that commands use unless told otherwise.
pub(crate) const CONFIG: &str = "shop.toml";

/// The sites of every group here.
pub(crate) const SITES: [&str; 2] = ["a", "b"];

/// The group.
#[derive(Debug)]
pub(crate) struct Shop {
    home: TempDir,
    urls: [String; 2],
    /// The directory of the schema set.
    schema: PathBuf,
    readers: Readers,
}

impl Shop {
    /// Over two SQLite files.
    pub(crate) fn sqlite() -> Self {
        let home = tether::directory("daybook-shop-");
        let urls = SITES.map(|site| sqlite_url(home.path(), site));
        Self::begin(home, urls)
    }

    /// Over databases that are there and empty.
    pub(crate) fn at(urls: [String; 2]) -> Self {
        Self::begin(tether::directory("daybook-shop-"), urls)
    }

    /// Over a new database on each of two servers.
    pub(crate) fn on_servers(a: &Server, b: &Server) -> Self {
        Self::at([a.create_database().url, b.create_database().url])
    }

    /// Site a in a SQLite file, site b on a server.
    pub(crate) fn mixed(b: &Server) -> Self {
        let home = tether::directory("daybook-shop-");
        let urls = [sqlite_url(home.path(), "a"), b.create_database().url];
        Self::begin(home, urls)
    }

    /// Over databases that are there and empty, with a schema set of its own that has version 1 only:
    /// [`release_next`](Self::release_next) adds the next one.
    pub(crate) fn at_first_version(urls: Option<[String; 2]>) -> Self {
        let home = tether::directory("daybook-shop-");
        let urls = urls.unwrap_or_else(|| SITES.map(|site| sqlite_url(home.path(), site)));
        let shop = Self { schema: home.path().join("schema"), home, urls, readers: Readers::default() };
        shop.copy_version(1);
        shop.prepared()
    }

    /// Adds version 2 to a schema set of this group's own, and releases it at both sites.
    pub(crate) fn release_next(&self) {
        self.copy_version(2);
        self.done(&["init"]);
    }

    fn copy_version(&self, version: i64) {
        let (from, to) =
            (schema_directory().join(version.to_string()), self.schema.join(version.to_string()));
        fs::create_dir_all(&to).unwrap();
        for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }

    fn begin(home: TempDir, urls: [String; 2]) -> Self {
        Self { home, urls, schema: schema_directory(), readers: Readers::default() }.prepared()
    }

    fn prepared(self) -> Self {
        let shop = self;
        shop.configure(CONFIG, &shop.urls, LEASE_TTL_MS, "");
        shop.done(&["init"]);
        shop
    }

    /// Writes a configuration of this group with other ways to its databases, and more settings for site b.
    pub(crate) fn configure(&self, file: &str, urls: &[String; 2], lease_ttl_ms: u64, more_of_b: &str) {
        let schema = self.schema.display();
        let mut text = format!("group = 'shop'\nschema = '{schema}'\nlease_ttl_ms = {lease_ttl_ms}\n");
        for (site, url) in SITES.iter().zip(urls) {
            let _infallible = write!(text, "[sites.{site}]\nurl = '{url}'\n");
        }
        text.push_str(more_of_b);
        self.file(file, &text);
    }

    /// Has services look for what nobody tells them only so often.
    pub(crate) fn looking_every(&self, milliseconds: u64) {
        let text = fs::read_to_string(self.home.path().join(CONFIG)).unwrap();
        self.file(CONFIG, &format!("look_every_ms = {milliseconds}\n{text}"));
    }

    /// A file in this group's directory.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The `daybook` command with this group's configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Program {
        self.command_by(CONFIG, arguments)
    }

    /// The same with another of its configurations.
    pub(crate) fn command_by(&self, config: &str, arguments: &[&str]) -> Program {
        daybook()
            .args(["--config", config])
            .args(arguments)
            .current_dir(self.home.path())
            .env("RUST_BACKTRACE", "0")
    }

    /// Runs a command that succeeds; gives its standard output.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let ended = self.command(arguments).run();
        assert_eq!(ended.code, Some(0), "daybook {arguments:?}: {ended:?}");
        ended.stdout
    }

    /// The same with its report as JSON.
    pub(crate) fn report(&self, arguments: &[&str]) -> Json {
        let stdout = self.done(&[arguments, &["--json"]].concat());
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
    }

    /// Runs a command that does not succeed; gives its standard error.
    pub(crate) fn refused(&self, code: i32, arguments: &[&str]) -> String {
        let ended = self.command(arguments).run();
        assert_eq!(ended.code, Some(code), "daybook {arguments:?}: {ended:?}");
        ended.stderr
    }

    /// Starts the service of some sites; returns once it serves.
    pub(crate) fn serve(&self, sites: &[&str]) -> Running {
        let mut arguments = vec!["run"];
        sites.iter().for_each(|site| arguments.extend(["--site", site]));
        Self::serve_with(&self.command(&arguments))
    }

    /// The same with a command that runs it.
    pub(crate) fn serve_with(run: &Program) -> Running {
        let mut running = run.spawn();
        running.wait_for_line("daybook: serving", BOUND);
        running
    }

    /// Appends lines at a site, written at schema version 1, and returns when they are durable.
    pub(crate) fn append(&self, site: &str, lines: &[impl AsRef<str>]) {
        let file = self.lines_file("lines.ndjson", lines);
        self.done(&["append", "--site", site, "--at-version", "1", "--file", &file]);
    }

    /// A file of lines; gives its name.
    pub(crate) fn lines_file(&self, name: &str, lines: &[impl AsRef<str>]) -> String {
        let text = lines.iter().fold(String::new(), |text, line| text + line.as_ref() + "\n");
        self.file(name, &text);
        name.to_owned()
    }

    /// A site's database.
    pub(crate) fn url(&self, site: &str) -> DbUrl {
        self.url_text(site).parse().unwrap()
    }

    /// A site's database, as the configuration has it.
    pub(crate) fn url_text(&self, site: &str) -> &str {
        &self.urls[SITES.iter().position(|known| *known == site).unwrap()]
    }

    /// A connection to a site that only reads.
    pub(crate) async fn reader(&self, site: &str) -> Conn {
        Conn::open(&self.url(site), Access::Read, "test").await.unwrap()
    }

    /// The rows of a query at a site.
    pub(crate) async fn rows(&self, site: &str, sql: &str) -> Vec<Record> {
        let mut conn = self.readers.take(site, &self.url(site)).await.unwrap();
        let rows = conn.lend().fetch(sql, vec![]).await;
        let rows = rows.unwrap_or_else(|error| panic!("{sql} at {site}: {error}"));
        self.readers.keep(site, conn);
        rows
    }

    /// One number of a query at a site.
    pub(crate) async fn number(&self, site: &str, sql: &str) -> i64 {
        self.rows(site, sql).await[0].i64(0).unwrap()
    }

    /// Runs a statement at a site, as a vandal with every right would.
    pub(crate) async fn vandalise(&self, site: &str, sql: &str) {
        let mut conn = Conn::open(&self.url(site), Access::Write, "vandal").await.unwrap();
        conn.lend().script(sql).await.unwrap_or_else(|error| panic!("{sql} at {site}: {error}"));
        conn.close().await;
    }

    /// Waits until a number at a site is at least so much. A database that is away meanwhile is waited for.
    pub(crate) async fn reached(&self, site: &str, sql: &str, least: i64) {
        let deadline = Instant::now() + BOUND;
        let mut conn = None;
        let mut last = String::new();
        while Instant::now() < deadline {
            match look(&self.url(site), &mut conn, sql).await {
                Ok(number) if number >= least => return,
                Ok(number) => last = number.to_string(),
                Err(error) => (conn, last) = (None, error.to_string()),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let status = self.command(&["status"]).run();
        panic!("{site}: {sql} is {last}, not {least}, after {BOUND:?}; {}{}", status.stdout, status.stderr);
    }

    /// Waits until both sites have posted everything that was appended anywhere.
    pub(crate) fn settle(&self) {
        for site in SITES {
            let ended = self.command(&["wait", site, "--all", "--timeout", "60s"]).run();
            assert_eq!(ended.code, Some(0), "{ended:?}\n{:?}", self.command(&["status"]).run());
        }
    }

    /// The law: both ledgers are equal at one cut, each is equal to the replay of its journal into an empty database,
    /// and nothing is wrong with a journal. Gives the digest at the sites' (higher) version.
    pub(crate) fn is_lawful(&self, scratch: &[String; 2]) -> String {
        let verified = self.report(&["verify"]);
        assert_eq!(verified["equal"], true, "{verified}");
        for (site, into) in SITES.iter().zip(scratch) {
            let replayed = self.report(&["replay", "--site", site, "--into", into]);
            assert_eq!(replayed["equal"], true, "{replayed}");
            assert_eq!(replayed["refused"]["count"], 0, "{replayed}");
            let audited = self.report(&["audit", site]);
            assert_eq!(audited["sound"], true, "{audited}");
        }
        let compared = &verified["comparisons"][0];
        let digests = SITES.map(|site| compared[site]["digest"]["digest"].as_str().unwrap());
        assert_eq!(digests[0], digests[1], "{verified}");
        digests[0].to_owned()
    }

    /// A SQLite database for a replay; nothing is there yet.
    pub(crate) fn scratch(&self, name: &str) -> String {
        sqlite_url(self.home.path(), name)
    }
}

fn sqlite_url(directory: &Path, name: &str) -> String {
    format!("sqlite:{}", directory.join(format!("{name}.db")).display())
}

/// The history's schema set, in the sources.
fn schema_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../applier/assets/rental-history/schema")
}

async fn look(url: &DbUrl, conn: &mut Option<Conn>, sql: &str) -> Result<i64, SqlError> {
    let conn = match conn {
        Some(conn) => conn,
        None => conn.insert(Conn::open(url, Access::Read, "test").await?),
    };
    conn.lend().fetch_one(sql, vec![]).await?.i64(0)
}

/// Insists that a command ended well.
pub(crate) fn expect_done(what: &str, ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{what}: {ended:?}");
}
