//! Addresses of databases. Holds secrets; shows none.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::dialect::Dialect;
use super::mariadb::Address;
use super::place::Place;

/// The address of one database: `sqlite:PATH` `postgres://USER@HOST/DATABASE` (a socket: `?host=/directory`)
/// or `mariadb://USER@HOST/DATABASE` (a socket: `?socket=/file`; MySQL as well, also as `mysql://`).
/// `Display` and `Debug` leave the password out.
#[derive(Clone)]
pub struct DbUrl {
    pub(super) target: Target,
}

#[derive(Clone)]
pub(super) enum Target {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
    MariaDb(Address),
}

/// A text that is no address of a database Daybook knows. Does not repeat the text: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a database address ({0}): sqlite:PATH, postgres://USER@HOST/DATABASE or mariadb://USER@HOST/DATABASE"
)]
pub struct InvalidUrl(&'static str);

impl DbUrl {
    /// Which SQL the database speaks.
    pub fn dialect(&self) -> Dialect {
        match self.target {
            Target::Sqlite(_) => Dialect::Sqlite,
            Target::Postgres(_) => Dialect::Postgres,
            Target::MariaDb(_) => Dialect::MariaDb,
        }
    }

    /// What the text of statements there depends on.
    pub fn place(&self) -> Place {
        match &self.target {
            Target::Sqlite(_) => Place::sqlite(),
            Target::Postgres(_) => Place::postgres(),
            Target::MariaDb(address) => Place::mariadb(address.options.get_database().unwrap_or_default()),
        }
    }

    /// The same address with that password; SQLite has none and ignores it.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.target = match self.target {
            Target::Sqlite(path) => Target::Sqlite(path),
            Target::Postgres(options) => Target::Postgres(Box::new(options.password(password))),
            Target::MariaDb(address) => Target::MariaDb(address.with_password(password)),
        };
        self
    }

    /// The file of a SQLite database.
    pub fn sqlite_path(&self) -> Option<&std::path::Path> {
        match &self.target {
            Target::Sqlite(path) => Some(path),
            Target::Postgres(_) | Target::MariaDb(_) => None,
        }
    }
}

impl FromStr for DbUrl {
    type Err = InvalidUrl;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let options: PgConnectOptions =
                text.parse().map_err(|_| InvalidUrl("its parts cannot be read"))?;
            return Ok(Self { target: Target::Postgres(Box::new(options)) });
        }
        if text.starts_with("mariadb://") || text.starts_with("mysql://") {
            return Ok(Self { target: Target::MariaDb(Address::read(text).map_err(InvalidUrl)?) });
        }
        if !text.starts_with("sqlite:") {
            return Err(InvalidUrl("its scheme is none of sqlite, postgres and mariadb"));
        }
        let options: SqliteConnectOptions =
            text.parse().map_err(|_| InvalidUrl("its path cannot be read"))?;
        let path = options.get_filename().to_path_buf();
        if text.contains(":memory:") || path.as_os_str().is_empty() {
            return Err(InvalidUrl("a journal needs a file"));
        }
        Ok(Self { target: Target::Sqlite(path) })
    }
}

impl fmt::Display for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Target::Postgres(options) => {
                let database = options.get_database().unwrap_or_default();
                write!(f, "postgres://{}@", options.get_username())?;
                match options.get_socket() {
                    Some(socket) => write!(f, "localhost/{database}?host={}", socket.display())?,
                    None => write!(f, "{}:{}/{database}", options.get_host(), options.get_port())?,
                }
                Ok(())
            }
            Target::MariaDb(address) => address.fmt(f),
        }
    }
}

impl fmt::Debug for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DbUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_an_address_shows_its_password() {
        let url: DbUrl = "postgres://app:s3cret@db.example:5433/shop".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://app@db.example:5433/shop");
        assert!(!format!("{url:?}").contains("s3cret"));
        let socket: DbUrl = "postgres://app@localhost/shop?host=/run/pg".parse().unwrap();
        assert_eq!(socket.to_string(), "postgres://app@localhost/shop?host=/run/pg");
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for text in
            ["", "mysql://root:hunter2@h", "oracle://root:hunter2@h/db", "sqlite::memory:", "/tmp/x.db"]
        {
            let error = text.parse::<DbUrl>().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
