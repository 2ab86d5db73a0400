//! Data directories: `initdb` runs once per process and way of logging in, everything after is a copy.
//!
//! Databases sort text by a linguistic collation where the server has ICU, since users' databases do and
//! bytewise order must then come from our own DDL.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

use super::server::Durability;
use super::software::Software;
use crate::tether;

/// The superuser of every test server.
pub(super) const USER: &str = "daybook";

/// Fills `data`, an empty directory of the server's user, with a new cluster.
///
/// # Panics
/// When `initdb` or the copy fails.
pub(super) fn create(software: &Software, data: &Path, password: Option<&str>) {
    match password {
        Some(password) => initialise(software, data, Some(password)),
        None => copy(software, template(software), data),
    }
}

/// Fills `data` with what is in a template.
pub(super) fn copy(software: &Software, template: &Path, data: &Path) {
    // As the server's user, so that what is written belongs to it.
    let mut copy = software.command_of(Path::new("cp"), "KILL");
    copy.arg("-a").arg(template.join(".")).arg(data);
    expect_success("copy the template", &mut copy);
}

/// A directory for a server's data: on the disk of `/tmp` if it promises something.
pub(super) fn data_directory(software: &Software, durability: Durability, prefix: &str) -> TempDir {
    let directory = match durability {
        Durability::Fast => tether::directory(prefix),
        Durability::Real => tether::directory_in(Path::new("/tmp"), prefix),
    };
    software.hand_over(directory.path());
    directory
}

fn template(software: &Software) -> &'static Path {
    static TEMPLATE: OnceLock<TempDir> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let directory = data_directory(software, Durability::Fast, "daybook-pgdata-");
        initialise(software, directory.path(), None);
        directory
    });
    template.path()
}

/// Runs `initdb`, first with ICU, then without for servers that are built so or are older than version 15.
fn initialise(software: &Software, data: &Path, password: Option<&str>) {
    let icu: &[&str] = &["--locale=C", "--locale-provider=icu", "--icu-locale=en-US"];
    let plain: &[&str] = &["--locale=C"];
    let password_file = password.map(|password| {
        let directory = tether::directory("daybook-pw-");
        fs::write(directory.path().join("password"), password).expect("write the password file");
        software.hand_over(directory.path());
        directory
    });
    let run = |locale: &[&str]| {
        let mut initdb = software.command("initdb", "KILL");
        initdb.args(["--no-sync", "--encoding=UTF8", "--username", USER]).args(locale).arg("-D").arg(data);
        match &password_file {
            Some(directory) => {
                initdb.arg("--auth=scram-sha-256").arg("--pwfile").arg(directory.path().join("password"));
            }
            None => {
                initdb.arg("--auth=trust");
            }
        }
        initdb
    };
    // A failed `initdb` leaves its directory empty, so the second try starts afresh.
    if !output_of(&mut run(icu)).status.success() {
        expect_success("initdb", &mut run(plain));
    }
}

fn output_of(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("run {command:?}: {error}"))
}

pub(super) fn expect_success(what: &str, command: &mut Command) {
    let output = output_of(command);
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}
