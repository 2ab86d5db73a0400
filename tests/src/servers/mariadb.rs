//! MariaDB as a private server.
//!
//! Its databases compare text without regard to case unless told otherwise, as users' databases do: bytewise order must
//! then come from our own DDL.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::Signal;
use sqlx::migrate::MigrateDatabase;
use tempfile::TempDir;

use super::cluster::{self, USER};
use super::server::{Durability, Product, Settings};
use super::software::Software;
use crate::proxy;

/// The socket's name; MariaDB prescribes none.
pub(super) const SOCKET_FILE: &str = "mariadb.sock";

/// What the server carries out at each start, beside its data.
pub(super) const FIRST_STATEMENTS: &str = "daybook-init.sql";

pub(super) static MARIADB: Product = Product {
    wire: proxy::MARIADB,
    software: Software::mariadb,
    ready: "ready for connections",
    crash: Signal::KILL,
    socket_file: SOCKET_FILE,
    data_directory: |software, durability| cluster::data_directory(software, durability, "daybook-mydata-"),
    fill,
    command,
    url,
    create: |url| Box::pin(async move { sqlx::MySql::create_database(&url).await }),
};

/// For any server: no port, no settings of this machine's, and room for the largest entry in one statement.
const ALWAYS: &[&str] = &[
    "skip-networking",
    "skip-ssl",
    "skip-name-resolve",
    "max-connections=200",
    "max-allowed-packet=64M",
    "innodb-buffer-pool-size=64M",
    "innodb-log-file-size=64M",
    // Many servers at once would use up what the kernel has of it.
    "innodb-use-native-aio=0",
    "character-set-server=utf8mb4",
    "collation-server=utf8mb4_general_ci",
];

/// For a server that promises nothing across a power loss: a killed process loses no page cache, so tests of
/// kills stay honest. It flushes for all that it knows, since Daybook refuses an origin that does not.
const FAST: &[&str] = &["innodb-flush-method=nosync", "innodb-doublewrite=0"];

fn fill(software: &Software, data: &Path, password: Option<&str>) {
    cluster::copy(software, template(software), data);
    let password = password.unwrap_or_default();
    // A statement a line, each repeated at every start.
    let statements = format!(
        "CREATE USER IF NOT EXISTS {USER}@localhost;\n\
         GRANT ALL ON *.* TO {USER}@localhost WITH GRANT OPTION;\n\
         SET PASSWORD FOR {USER}@localhost = PASSWORD('{password}');\n"
    );
    fs::write(data.join(FIRST_STATEMENTS), statements).expect("write the first statements");
}

fn template(software: &Software) -> &'static Path {
    static TEMPLATE: OnceLock<TempDir> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let directory = cluster::data_directory(software, Durability::Fast, "daybook-mydata-");
        let mut install = software.command("mariadb-install-db", "KILL");
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        install.args([
            "--innodb-log-file-size=64M",
            "--innodb-use-native-aio=0",
            "--innodb-flush-method=nosync",
        ]);
        install.arg(format!("--datadir={}", directory.path().display()));
        cluster::expect_success("mariadb-install-db", &mut install);
        directory
    });
    template.path()
}

fn command(software: &Software, settings: &Settings, data: &Path, socket: &Path) -> Command {
    let mut command = software.command("mariadbd", "KILL");
    command.arg("--no-defaults").arg(format!("--datadir={}", data.display()));
    command.arg(format!("--socket={}", socket.join(SOCKET_FILE).display()));
    // A server that starts clears away what looks like temporary tables where it keeps its own.
    command.arg(format!("--tmpdir={}", socket.display()));
    command.arg(format!("--pid-file={}", socket.join("mariadb.pid").display()));
    command.arg(format!("--init-file={}", data.join(FIRST_STATEMENTS).display()));
    let fast = match settings.durability {
        Durability::Fast => FAST,
        Durability::Real => &[],
    };
    let fixed = ALWAYS.iter().chain(fast).copied();
    command
        .args(fixed.chain(settings.options.iter().map(String::as_str)).map(|option| format!("--{option}")));
    command
}

fn url(socket: &Path, database: &str, password: Option<&str>) -> String {
    let password = password.map(|password| format!(":{password}")).unwrap_or_default();
    format!("mariadb://{USER}{password}@localhost/{database}?socket={}", socket.join(SOCKET_FILE).display())
}
