//! One private PostgreSQL server: its socket, its databases, its crashes.
//!
//! It listens on a Unix socket in a directory of its own and on no port, so servers never race for one.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sqlx::migrate::MigrateDatabase;
use tempfile::TempDir;

use super::cluster::{self, USER};
use super::software::Software;
use crate::tether;

/// Far above a start on a loaded machine, recovery included; reached only when something is wrong.
const START_BOUND: Duration = Duration::from_secs(60);

/// Log lines kept for panics and for tests that look for what must not be logged.
const LOG_LINES_MAX: usize = 20_000;

/// The line by which the server says that it takes connections.
const READY: &str = "database system is ready to accept connections";

/// For any server: no port, and messages that this module can read.
const ALWAYS: &[&str] = &[
    "listen_addresses=",
    "log_destination=stderr",
    "logging_collector=off",
    "lc_messages=C",
    "max_connections=200",
    "shared_buffers=64MB",
];

/// For a server that promises nothing across a power loss: a killed process loses no page cache, so tests of
/// kills stay honest.
const FAST: &[&str] =
    &["fsync=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0", "max_wal_size=256MB"];

/// What a server promises about commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Commits survive the death of the server, not of the machine. In memory where there is enough.
    #[default]
    Fast,
    /// PostgreSQL's own defaults, on disk.
    Real,
}

/// How a server is started.
#[derive(Clone, Default)]
pub struct Settings {
    /// What it promises about commits.
    pub durability: Durability,
    /// With one, every connection has to give it (SCRAM); without, all are trusted.
    pub password: Option<String>,
    /// More server settings, as `name=value`.
    pub options: Vec<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("durability", &self.durability)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("options", &self.options)
            .finish()
    }
}

/// A database of one test.
#[derive(Clone, Debug)]
pub struct Database {
    /// Unique on its server.
    pub name: String,
    /// What sqlx and `daybook` connect to.
    pub url: String,
}

/// A running server, or one that was stopped and waits for [`restart`](Self::restart). Killed on drop.
#[derive(Debug)]
pub struct PostgresServer {
    software: &'static Software,
    settings: Settings,
    socket: TempDir,
    data: TempDir,
    log: Arc<Mutex<VecDeque<String>>>,
    child: Mutex<Option<Child>>,
    databases: AtomicU32,
}

impl PostgresServer {
    /// Makes a new cluster and starts a server on it; returns once it takes connections.
    ///
    /// # Panics
    /// With the server's log, when there is no PostgreSQL or it does not start within a minute.
    pub fn start(settings: Settings) -> Self {
        let software = Software::find().unwrap_or_else(|missing| panic!("{missing}"));
        let socket = tether::short_directory("daybook-pg-");
        software.hand_over(socket.path());
        let data = cluster::data_directory(software, settings.durability);
        cluster::create(software, data.path(), settings.password.as_deref());
        let server = Self {
            software,
            settings,
            socket,
            data,
            log: Arc::default(),
            child: Mutex::new(None),
            databases: AtomicU32::new(0),
        };
        *server.child() = Some(server.launch());
        server
    }

    /// The URL of a database of this server, with the password if there is one.
    pub fn url(&self, database: &str) -> String {
        self.url_with_password(database, self.settings.password.as_deref())
    }

    /// As [`url`](Self::url), with a password of the test's choice: a wrong one, or none.
    pub fn url_with_password(&self, database: &str, password: Option<&str>) -> String {
        url_through(&self.socket, database, password)
    }

    /// As [`url`](Self::url), through a socket in another directory.
    pub(crate) fn url_through(&self, socket: &TempDir, database: &str) -> String {
        url_through(socket, database, self.settings.password.as_deref())
    }

    /// The socket file, for a program that stands in front of the server.
    pub fn socket_file(&self) -> std::path::PathBuf {
        self.socket.path().join(SOCKET_FILE)
    }

    /// Makes an empty database with a name that this server never gave before. Blocks for some 50 ms.
    ///
    /// # Panics
    /// When the server refuses or is down.
    pub fn create_database(&self) -> Database {
        self.create_named(&format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed)))
    }

    /// Makes an empty database of that name, for tests that need the same one on two servers. Blocks likewise.
    ///
    /// # Panics
    /// When the server refuses, has one of that name already, or is down.
    pub fn create_named(&self, name: &str) -> Database {
        let (name, url) = (name.to_owned(), self.url(name));
        // On a thread of its own, since the caller may be a task, where no second runtime may block.
        let created = thread::scope(|scope| {
            let task = || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("start a runtime").block_on(sqlx::Postgres::create_database(&url))
            };
            scope.spawn(task).join().expect("create a database")
        });
        created.unwrap_or_else(|error| panic!("create database {name}: {error}\n{}", self.log()));
        Database { name, url }
    }

    /// Stops the server as a crash would: sessions are cut, nothing is flushed, the next start recovers.
    ///
    /// Returns once it is gone. Does nothing to a stopped server.
    pub fn stop_immediate(&self) {
        if let Some(mut child) = self.child().take() {
            quit(&mut child);
        }
    }

    /// Starts the server again on the same data and the same socket, after a crash if it still ran.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn restart(&self) {
        self.stop_immediate();
        *self.child() = Some(self.launch());
    }

    /// What the server has logged since its first start, up to the last 20,000 lines.
    pub fn log(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().fold(String::new(), |text, line| text + line + "\n")
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the server process and waits until it takes connections.
    fn launch(&self) -> Child {
        let mut command = self.software.command("postgres", "QUIT");
        command.arg("-D").arg(self.data.path()).arg("-k").arg(self.socket.path());
        let fast = match self.settings.durability {
            Durability::Fast => FAST,
            Durability::Real => &[],
        };
        let fixed = ALWAYS.iter().chain(fast).copied();
        for option in fixed.chain(self.settings.options.iter().map(String::as_str)) {
            command.args(["-c", option]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = tether::spawn(command).expect("start postgres");
        let stderr = child.stderr.take().expect("standard error is piped");
        match follow(stderr, Arc::clone(&self.log)).recv_timeout(START_BOUND) {
            Ok(()) => child,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                quit(&mut child);
                panic!("postgres did not start:\n{}", self.log());
            }
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.stop_immediate();
    }
}

/// The name PostgreSQL gives to its socket on the default port.
pub(crate) const SOCKET_FILE: &str = ".s.PGSQL.5432";

fn url_through(socket: &TempDir, database: &str, password: Option<&str>) -> String {
    let password = password.map(|password| format!(":{password}")).unwrap_or_default();
    format!("postgres://{USER}{password}@localhost/{database}?host={}", socket.path().display())
}

/// Immediate shutdown. The server ends its sessions first, so its socket and data are free afterwards.
fn quit(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::QUIT);
    }
    let _ = child.wait();
}

/// Keeps reading the server's log; the receiver hears of the first line that says it is ready.
fn follow(stderr: ChildStderr, log: Arc<Mutex<VecDeque<String>>>) -> mpsc::Receiver<()> {
    let (ready, started) = mpsc::sync_channel(1);
    let mut ready: Option<SyncSender<()>> = Some(ready);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let is_ready = line.contains(READY);
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if log.len() == LOG_LINES_MAX {
                log.pop_front();
            }
            log.push_back(line);
            drop(log);
            if is_ready && let Some(ready) = ready.take() {
                let _ = ready.send(());
            }
        }
    });
    started
}
