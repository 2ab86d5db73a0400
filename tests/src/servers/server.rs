//! One private database server: its socket, its databases, its crashes. What differs between products is in a [`Product`].
//!
//! It listens on a Unix socket in a directory of its own and on no port, so servers never race for one.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::software::Software;
use crate::proxy::Wire;
use crate::tether;

/// Far above a start on a loaded machine, recovery included; reached only when something is wrong.
const START_BOUND: Duration = Duration::from_secs(60);

/// Log lines kept for panics and for tests that look for what must not be logged.
const LOG_LINES_MAX: usize = 20_000;

/// What a server promises about commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Commits survive the death of the server, not of the machine. In memory where there is enough.
    #[default]
    Fast,
    /// The product's own defaults, on disk.
    Real,
}

/// How a server is started.
#[derive(Clone, Default)]
pub struct Settings {
    /// What it promises about commits.
    pub durability: Durability,
    /// With one, every connection has to give it (PostgreSQL: SCRAM); without, all are trusted.
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

/// A database on its way.
pub(super) type Creating = Pin<Box<dyn Future<Output = sqlx::Result<()>> + Send>>;

/// A product, in what it differs from the others.
#[derive(Debug)]
pub(super) struct Product {
    /// What cuts its protocol into messages, for the proxy.
    pub(super) wire: Wire,
    pub(super) software: fn() -> Result<&'static Software, &'static str>,
    /// What a log line has in it by which the server says that it takes connections.
    pub(super) ready: &'static str,
    /// Ends it as a crash would, with nothing left that a next start stumbles over.
    pub(super) crash: Signal,
    /// The name of its socket in the socket's directory.
    pub(super) socket_file: &'static str,
    /// Where its data goes.
    pub(super) data_directory: fn(&Software, Durability) -> TempDir,
    /// Fills an empty data directory.
    pub(super) fill: fn(&Software, &Path, Option<&str>),
    /// What runs it: data, the socket's directory.
    pub(super) command: fn(&Software, &Settings, &Path, &Path) -> Command,
    /// An address: the socket's directory, the database, the password.
    pub(super) url: fn(&Path, &str, Option<&str>) -> String,
    /// Makes the database of an address.
    pub(super) create: fn(String) -> Creating,
}

/// A running server, or one that was stopped and waits for [`restart`](Self::restart). Killed on drop.
#[derive(Debug)]
pub struct Server {
    product: &'static Product,
    software: &'static Software,
    settings: Settings,
    socket: TempDir,
    data: TempDir,
    log: Arc<Mutex<VecDeque<String>>>,
    child: Mutex<Option<Child>>,
    databases: AtomicU32,
}

impl Server {
    /// Makes a new PostgreSQL cluster and starts a server on it; returns once it takes connections.
    ///
    /// # Panics
    /// With the server's log, when there is no PostgreSQL or it does not start within a minute.
    pub fn postgres(settings: Settings) -> Self {
        Self::start(&super::postgres::POSTGRES, settings)
    }

    /// The same of MariaDB, or of MySQL where that stands in its place.
    ///
    /// # Panics
    /// As [`postgres`](Self::postgres).
    pub fn mariadb(settings: Settings) -> Self {
        match super::on_mysql() {
            true => Self::start(&super::mysql::MYSQL, settings),
            false => Self::start(&super::mariadb::MARIADB, settings),
        }
    }

    fn start(product: &'static Product, settings: Settings) -> Self {
        let software = (product.software)().unwrap_or_else(|missing| panic!("{missing}"));
        let socket = tether::directory("daybook-s-");
        software.hand_over(socket.path());
        let data = (product.data_directory)(software, settings.durability);
        (product.fill)(software, data.path(), settings.password.as_deref());
        let server = Self {
            product,
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
        (self.product.url)(self.socket.path(), database, password)
    }

    /// As [`url`](Self::url), through a socket in another directory.
    pub(crate) fn url_through(&self, socket: &TempDir, database: &str) -> String {
        (self.product.url)(socket.path(), database, self.settings.password.as_deref())
    }

    /// The socket file, for a program that stands in front of the server.
    pub fn socket_file(&self) -> PathBuf {
        self.socket.path().join(self.product.socket_file)
    }

    /// What stands in front of it speaks its protocol, over a socket of that name.
    pub(crate) fn wire(&self) -> (Wire, &'static str) {
        (self.product.wire, self.product.socket_file)
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
        let (name, url, create) = (name.to_owned(), self.url(name), self.product.create);
        // On a thread of its own, since the caller may be a task, where no second runtime may block.
        let created = thread::scope(|scope| {
            let task = || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("start a runtime").block_on(create(url.clone()))
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
            self.crash(&mut child);
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
        let (data, socket) = (self.data.path(), self.socket.path());
        let mut command = (self.product.command)(self.software, &self.settings, data, socket);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = tether::spawn(command).expect("start a server");
        let stderr = child.stderr.take().expect("standard error is piped");
        match follow(stderr, self.product.ready, Arc::clone(&self.log)).recv_timeout(START_BOUND) {
            Ok(()) => child,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                self.crash(&mut child);
                panic!("the server did not start:\n{}", self.log());
            }
        }
    }

    /// Ends the process and waits until it is gone: its socket and data are free afterwards.
    fn crash(&self, child: &mut Child) {
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, self.product.crash);
        }
        let _ = child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop_immediate();
    }
}

/// Keeps reading the server's log; the receiver hears of the first line that says it is ready.
fn follow(
    stderr: ChildStderr,
    ready_line: &'static str,
    log: Arc<Mutex<VecDeque<String>>>,
) -> mpsc::Receiver<()> {
    let (ready, started) = mpsc::sync_channel(1);
    let mut ready: Option<SyncSender<()>> = Some(ready);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let is_ready = line.contains(ready_line);
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
