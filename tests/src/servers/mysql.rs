//! MySQL as a private server, in MariaDB's place: whatever a test asks of MariaDB it then gets from MySQL.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::Signal;
use tempfile::TempDir;

use super::cluster::{self, USER};
use super::mariadb::{FIRST_STATEMENTS, MARIADB, SOCKET_FILE};
use super::server::{Durability, Product, Settings};
use super::software::Software;

pub(super) static MYSQL: Product = Product {
    wire: MARIADB.wire,
    software: Software::mysql,
    ready: "ready for connections",
    crash: Signal::KILL,
    socket_file: SOCKET_FILE,
    data_directory: MARIADB.data_directory,
    fill,
    command,
    url: MARIADB.url,
    create: MARIADB.create,
};

/// As for MariaDB.
const ALWAYS: &[&str] = &[
    "skip-networking",
    "mysqlx=OFF",
    "skip-name-resolve",
    "skip-log-bin",
    "secure-file-priv=NULL",
    // As MariaDB has it.
    "group-concat-max-len=1048576",
    "max-connections=200",
    "max-allowed-packet=64M",
    "innodb-buffer-pool-size=64M",
    "innodb-redo-log-capacity=64M",
    "innodb-use-native-aio=0",
    // The tables of all tests at once: a view whose table has left the cache needs to be prepared anew (1615).
    "table-open-cache=16000",
    "table-definition-cache=16000",
    // Its notes tell whether it recovered.
    "log-error-verbosity=3",
    "character-set-server=utf8mb4",
    "collation-server=utf8mb4_general_ci",
];

/// As for MariaDB.
const FAST: &[&str] = &["innodb-flush-method=nosync", "innodb-doublewrite=OFF"];

fn fill(software: &Software, data: &Path, password: Option<&str>) {
    cluster::copy(software, template(software), data);
    let password = password.unwrap_or_default();
    // A statement a line, each repeated at every start.
    let statements = format!(
        "CREATE USER IF NOT EXISTS {USER}@localhost;\n\
         GRANT ALL ON *.* TO {USER}@localhost WITH GRANT OPTION;\n\
         ALTER USER {USER}@localhost IDENTIFIED BY '{password}';\n"
    );
    fs::write(data.join(FIRST_STATEMENTS), statements).expect("write the first statements");
}

fn template(software: &Software) -> &'static Path {
    static TEMPLATE: OnceLock<TempDir> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let directory = cluster::data_directory(software, Durability::Fast, "daybook-mydata-");
        let mut install = software.command("mysqld", "KILL");
        install.args(["--no-defaults", "--initialize-insecure"]);
        install.args(ALWAYS.iter().chain(FAST).map(|option| format!("--{option}")));
        install.arg(format!("--datadir={}", directory.path().display()));
        cluster::expect_success("mysqld --initialize-insecure", &mut install);
        // Servers that are one another's peers must not have the same.
        fs::remove_file(directory.path().join("auto.cnf")).expect("take the server's own id away");
        directory
    });
    template.path()
}

fn command(software: &Software, settings: &Settings, data: &Path, socket: &Path) -> Command {
    let mut command = software.command("mysqld", "KILL");
    command.arg("--no-defaults").arg(format!("--datadir={}", data.display()));
    command.arg(format!("--socket={}", socket.join(SOCKET_FILE).display()));
    command.arg(format!("--tmpdir={}", socket.display()));
    if settings.password.is_none() {
        // No encryption: a proxy reads along. The driver gives a password only to a server that encrypts.
        command.arg("--tls-version=");
    }
    command.arg(format!("--pid-file={}", socket.join("mysql.pid").display()));
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
