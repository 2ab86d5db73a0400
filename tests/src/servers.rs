//! Private database servers for tests: started when first asked for, one database per test, gone with the process.
//!
//! A test asks with [`postgres_or_skip`] or [`mariadb_or_skip`] and returns early on `None`.
//! `REQUIRE_SERVERS=pg,mariadb` makes absence a failure, which is how the test command runs. With `MARIADB_TESTS_ON=mysql`
//! whatever asks for MariaDB gets MySQL, which the list then calls `mysql`.

mod cluster;
mod mariadb;
mod mysql;
mod postgres;
mod server;
mod software;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

pub use server::{Database, Durability, Server, Settings};
pub use software::Software;

/// What to do about missing servers, in the words of the report.
const INSTALL_POSTGRES: &str = "install postgresql, for instance with `apt-get install postgresql`";
const INSTALL_MARIADB: &str = "install mariadb-server, for instance with `apt-get install mariadb-server`";
const INSTALL_MYSQL: &str = "on Debian tests/get-mysql unpacks it into a directory of its own";

/// The first shared server, or `None` with one line on standard error when PostgreSQL is not installed.
///
/// # Panics
/// When it is absent though `REQUIRE_SERVERS` names `pg`, or when it does not start.
pub fn postgres_or_skip() -> Option<&'static Server> {
    postgres_installed().then(shared_postgres)
}

/// Both shared servers, under the conditions of [`postgres_or_skip`].
///
/// # Panics
/// As [`postgres_or_skip`].
pub fn two_postgres_or_skip() -> Option<(&'static Server, &'static Server)> {
    postgres_installed().then(|| (shared_postgres(), shared_postgres_b()))
}

/// A server of the test's own, for tests that stop it or need its settings.
///
/// # Panics
/// As [`postgres_or_skip`].
pub fn own_postgres_or_skip(settings: Settings) -> Option<Server> {
    postgres_installed().then(|| Server::postgres(settings))
}

/// The server that the tests of one binary share. No test may stop it; each makes a database of its own.
///
/// # Panics
/// When PostgreSQL is not installed or does not start.
pub fn shared_postgres() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::postgres(Settings::default()))
}

/// A second shared server, for groups whose sites must not share one.
///
/// # Panics
/// As [`shared_postgres`].
pub fn shared_postgres_b() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::postgres(Settings::default()))
}

/// As [`postgres_or_skip`], for MariaDB; `REQUIRE_SERVERS` calls it `mariadb`.
///
/// # Panics
/// As [`postgres_or_skip`].
pub fn mariadb_or_skip() -> Option<&'static Server> {
    mariadb_installed().then(shared_mariadb)
}

/// As [`two_postgres_or_skip`], for MariaDB.
///
/// # Panics
/// As [`postgres_or_skip`].
pub fn two_mariadb_or_skip() -> Option<(&'static Server, &'static Server)> {
    mariadb_installed().then(|| (shared_mariadb(), shared_mariadb_b()))
}

/// As [`own_postgres_or_skip`], for MariaDB.
///
/// # Panics
/// As [`postgres_or_skip`].
pub fn own_mariadb_or_skip(settings: Settings) -> Option<Server> {
    mariadb_installed().then(|| Server::mariadb(settings))
}

/// The MariaDB server that the tests of one binary share. No test may stop it; each makes a database of its own.
///
/// # Panics
/// When MariaDB is not installed or does not start.
pub fn shared_mariadb() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::mariadb(Settings::default()))
}

/// A second one, for groups whose sites must not share one.
///
/// # Panics
/// As [`shared_mariadb`].
pub fn shared_mariadb_b() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::mariadb(Settings::default()))
}

/// Whether tests of PostgreSQL can run; says once that they do not.
fn postgres_installed() -> bool {
    installed(Software::postgres(), ("pg", "postgresql"), INSTALL_POSTGRES)
}

fn mariadb_installed() -> bool {
    match on_mysql() {
        true => installed(Software::mysql(), ("mysql", "mysql"), INSTALL_MYSQL),
        false => installed(Software::mariadb(), ("mariadb", "mariadb"), INSTALL_MARIADB),
    }
}

/// Whether the tests of MariaDB are to run on MySQL: with `MARIADB_TESTS_ON=mysql`.
pub fn on_mysql() -> bool {
    std::env::var("MARIADB_TESTS_ON").is_ok_and(|product| product == "mysql")
}

/// The name is what `REQUIRE_SERVERS` calls the server, then what the report does.
fn installed(
    found: Result<&'static Software, &'static str>,
    (name, shown): (&str, &str),
    advice: &str,
) -> bool {
    match found {
        Ok(_) => true,
        Err(missing) if required(name) => panic!("REQUIRE_SERVERS names {name}, but {missing} ({advice})"),
        Err(missing) => {
            not_run(shown, &format!("{missing}; {advice}"));
            false
        }
    }
}

/// Whether `REQUIRE_SERVERS`, a list with commas, names `server`.
pub fn required(server: &str) -> bool {
    std::env::var("REQUIRE_SERVERS").is_ok_and(|list| list.split(',').any(|name| name.trim() == server))
}

/// Says, once per process, that tests which need `what` do not run. Past the test harness, which would
/// swallow the line because a skipped test counts as passed.
pub fn not_run(what: &str, why: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let first = SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned());
    if first {
        let _ = writeln!(std::io::stderr(), "not run: {what} ({why})");
    }
}
