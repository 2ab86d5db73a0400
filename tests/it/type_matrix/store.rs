//! The stores, on servers that are set up against every value: in other zones, with other forms of dates and numbers,
//! and on MariaDB with a character set and a collation that could not hold half of the texts.

use journal_tests::servers::{Server, Settings, own_mariadb_or_skip, own_postgres_or_skip};
use journal_tests::tether;
use tempfile::TempDir;

const ON_POSTGRES: &[&str] = &[
    "timezone=America/St_Johns",
    "datestyle=German,DMY",
    "intervalstyle=sql_standard",
    "bytea_output=escape",
    "extra_float_digits=-15",
];
const ON_MARIADB: &[&str] = &[
    "default-time-zone=-05:00",
    "character-set-server=latin1",
    "collation-server=latin1_swedish_ci",
    "sql-mode=",
    "innodb-strict-mode=0",
    "div-precision-increment=0",
];

/// In the order of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Store {
    Sqlite,
    Postgres,
    MariaDb,
}

impl Store {
    pub(super) const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::MariaDb];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
        }
    }

    /// The name of a site there.
    pub(super) fn site(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::MariaDb => "mariadb",
        }
    }

    /// Takes a session to another zone, as an application's or a DBA's may be.
    pub(super) fn elsewhere(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("SET TimeZone = 'Asia/Kathmandu'"),
            Self::MariaDb => Some("SET time_zone = '+05:45'"),
        }
    }
}

/// A server of each kind, and a directory of files.
pub(super) struct Places {
    files: TempDir,
    postgres: Server,
    mariadb: Server,
}

impl Places {
    /// `None` where a server is not installed.
    pub(super) fn start() -> Option<Self> {
        let settings = |options: &[&str]| Settings {
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            ..Settings::default()
        };
        let postgres = own_postgres_or_skip(settings(ON_POSTGRES))?;
        let mariadb = own_mariadb_or_skip(settings(ON_MARIADB))?;
        Some(Self { files: tether::directory("daybook-types-"), postgres, mariadb })
    }

    /// The address of a new database.
    pub(super) fn database(&self, store: Store, name: &str) -> String {
        match store {
            Store::Sqlite => format!("sqlite:{}", self.files.path().join(format!("{name}.db")).display()),
            Store::Postgres => self.postgres.create_named(name).url,
            Store::MariaDb => self.mariadb.create_named(name).url,
        }
    }
}
