//! PostgreSQL as a private server.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use sqlx::migrate::MigrateDatabase;

use super::cluster::{self, USER};
use super::server::{Durability, Product, Settings};
use super::software::Software;
use crate::proxy;

pub(super) static POSTGRES: Product = Product {
    wire: proxy::POSTGRES,
    software: Software::postgres,
    ready: "database system is ready to accept connections",
    // Immediate shutdown: the server ends its sessions first.
    crash: Signal::QUIT,
    // The name that PostgreSQL gives to its socket on the default port.
    socket_file: ".s.PGSQL.5432",
    data_directory: |software, durability| cluster::data_directory(software, durability, "daybook-pgdata-"),
    fill: cluster::create,
    command,
    url,
    create: |url| Box::pin(async move { sqlx::Postgres::create_database(&url).await }),
};

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
const FAST: &[&str] = &[
    "fsync=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=256MB",
    // Hundreds of small databases, each soon done with.
    "autovacuum=off",
];

fn command(software: &Software, settings: &Settings, data: &Path, socket: &Path) -> Command {
    let mut command = software.command("postgres", "QUIT");
    command.arg("-D").arg(data).arg("-k").arg(socket);
    let fast = match settings.durability {
        Durability::Fast => FAST,
        Durability::Real => &[],
    };
    let fixed = ALWAYS.iter().chain(fast).copied();
    for option in fixed.chain(settings.options.iter().map(String::as_str)) {
        command.args(["-c", option]);
    }
    command
}

fn url(socket: &Path, database: &str, password: Option<&str>) -> String {
    let password = password.map(|password| format!(":{password}")).unwrap_or_default();
    format!("postgres://{USER}{password}@localhost/{database}?host={}", socket.display())
}
