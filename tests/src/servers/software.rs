//! Finds the database servers that are installed here, and the users they may run as.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::tether;

/// Where distributions put each major version of PostgreSQL in a directory of its own, outside `PATH`: Debian and Ubuntu,
/// the PostgreSQL project's RPMs, Homebrew.
const VERSIONED: &[(&str, &str, &str)] = &[
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
];

/// Where distributions put MariaDB's programs; the server is often outside of `PATH`.
const SYSTEM: &[&str] = &[
    "/usr/sbin",
    "/usr/bin",
    "/usr/libexec",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/local/mysql/bin",
    "/opt/homebrew/bin",
];

/// Where `tests/get-mysql` puts MySQL on machines whose packages have MariaDB in its place.
const MYSQL_BESIDE: &str = "/opt/daybook-tests/mysql";

/// The servers refuse to run as root, so root hands over to these users, which the distributions' packages make.
const POSTGRES_USER: &str = "postgres";
const MARIADB_USER: &str = "mysql";

/// An installed server.
#[derive(Clone, Debug)]
pub struct Software {
    programs: Vec<(&'static str, PathBuf)>,
    user: &'static str,
    as_root: bool,
}

impl Software {
    /// The PostgreSQL that is installed, looked up once: the version in `PATH`, else the newest in a distribution's
    /// directory.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn postgres() -> Result<&'static Self, &'static str> {
        static FOUND: OnceLock<Result<Software, String>> = OnceLock::new();
        let look = || {
            let in_path = tether::find_program("postgres")
                .and_then(|program| fs::canonicalize(program).ok())
                .and_then(|program| program.parent().map(Path::to_owned));
            let bin = in_path
                .into_iter()
                .chain(versioned())
                .find(|bin| bin.join("postgres").is_file() && bin.join("initdb").is_file())
                .ok_or("no `postgres` with its `initdb` was found")?;
            let programs = ["postgres", "initdb"].map(|name| (name, bin.join(name)));
            Self::with(programs.into(), POSTGRES_USER)
        };
        FOUND.get_or_init(look).as_ref().map_err(String::as_str)
    }

    /// The MariaDB that is installed, looked up once: in `PATH`, else in a distribution's directories.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn mariadb() -> Result<&'static Self, &'static str> {
        static FOUND: OnceLock<Result<Software, String>> = OnceLock::new();
        let look = || {
            let find = |name: &'static str| {
                let elsewhere =
                    || SYSTEM.iter().map(|place| Path::new(place).join(name)).find(|at| at.is_file());
                let program = tether::find_program(name).or_else(elsewhere);
                program.map(|program| (name, program)).ok_or_else(|| format!("no `{name}` was found"))
            };
            Self::with(vec![find("mariadbd")?, find("mariadb-install-db")?], MARIADB_USER)
        };
        FOUND.get_or_init(look).as_ref().map_err(String::as_str)
    }

    /// The MySQL that is installed, looked up once: in `PATH`, in a directory of its own, or in a distribution's, where it must
    /// not be MariaDB under the old name.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn mysql() -> Result<&'static Self, &'static str> {
        static FOUND: OnceLock<Result<Software, String>> = OnceLock::new();
        let look = || {
            let places = [MYSQL_BESIDE].iter().chain(SYSTEM).map(|place| Path::new(place).join("mysqld"));
            let found =
                tether::find_program("mysqld").into_iter().chain(places).find(|program| is_mysql(program));
            let program = found.ok_or("no `mysqld` of MySQL was found")?;
            Self::with(vec![("mysqld", program)], MARIADB_USER)
        };
        FOUND.get_or_init(look).as_ref().map_err(String::as_str)
    }

    fn with(programs: Vec<(&'static str, PathBuf)>, user: &'static str) -> Result<Self, String> {
        let as_root = rustix::process::geteuid().is_root();
        if as_root && tether::setpriv().is_none() {
            return Err("root needs `setpriv` (util-linux) to run the server as another user".into());
        }
        if as_root && !user_exists(user) {
            return Err(format!("there is no user `{user}` for root to run the server as"));
        }
        Ok(Self { programs, user, as_root })
    }

    /// A command for one of the server's programs, run as the user that may; dies by `signal` with this process.
    pub(super) fn command(&self, program: &str, signal: &str) -> Command {
        let found = self.programs.iter().find(|(name, _)| *name == program);
        self.command_of(&found.expect("one of those that were looked for").1, signal)
    }

    /// As [`Self::command`], for any program.
    pub(super) fn command_of(&self, program: &Path, signal: &str) -> Command {
        if !self.as_root {
            return tether::command(program, signal);
        }
        let mut command = Command::new(tether::setpriv().expect("checked when the software was found"));
        command.args(["--reuid", self.user, "--regid", self.user, "--clear-groups"]);
        command.args(["--pdeathsig", signal, "--"]).arg(program);
        // The caller's directory may be closed to that user, and the server wants to return to where it began.
        command.current_dir("/");
        command
    }

    /// Gives `directory` to the user that the server runs as.
    ///
    /// # Panics
    /// When that fails.
    pub(super) fn hand_over(&self, directory: &Path) {
        if self.as_root {
            let output = Command::new("chown").arg(format!("{}:", self.user)).arg(directory).output();
            let output = output.expect("run chown");
            assert!(output.status.success(), "chown: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// The `bin` directories of PostgreSQL, newest major version first.
fn versioned() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (root, prefix, bin) in VERSIONED {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(prefix)).map(str::parse::<u32>);
            if let Some(Ok(version)) = version {
                found.push((version, entry.path().join(bin)));
            }
        }
    }
    found.sort();
    found.into_iter().rev().map(|(_, bin)| bin).collect()
}

fn is_mysql(program: &Path) -> bool {
    let asked = Command::new(program).arg("--version").output();
    asked
        .is_ok_and(|told| told.status.success() && !String::from_utf8_lossy(&told.stdout).contains("MariaDB"))
}

fn user_exists(user: &str) -> bool {
    Command::new("id").args(["-u", user]).output().is_ok_and(|output| output.status.success())
}
