//! The address at which an application of one schema version reads: the one setting that it changes from version to
//! version. On PostgreSQL the connection's search path leads to the version's views, so the application's statements
//! stay as they are; on MariaDB the address names the database that holds the version's views; in SQLite the views have
//! names that end in the version.

use std::fmt;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use super::dialect::Dialect;
use super::url::{DbUrl, Target};
use crate::model::SchemaVersion;

/// Where an application of one version reads. `Display` and `Debug` leave the password out.
#[derive(Clone)]
pub struct ReadUrl {
    url: DbUrl,
    version: SchemaVersion,
}

impl DbUrl {
    /// The address for reading this database at a version.
    pub fn reading(&self, version: SchemaVersion) -> ReadUrl {
        ReadUrl { url: self.clone(), version }
    }
}

impl ReadUrl {
    /// The database itself.
    pub fn database(&self) -> &DbUrl {
        &self.url
    }

    /// The version.
    pub fn version(&self) -> SchemaVersion {
        self.version
    }

    /// PostgreSQL: the schema that holds the version's views, to which [`Self::address`] sets the search path.
    pub fn search_path(&self) -> Option<String> {
        (self.url.dialect() == Dialect::Postgres).then(|| format!("v{}", self.version))
    }

    /// MariaDB: the database that holds the version's views, which [`Self::address`] names.
    pub fn view_database(&self) -> Option<String> {
        match &self.url.target {
            Target::MariaDb(address) => {
                let own = address.options.get_database()?;
                Some(format!("{own}_v{}", self.version))
            }
            Target::Sqlite(_) | Target::Postgres(_) => None,
        }
    }

    /// SQLite: what the name of each view ends with.
    pub fn suffix(&self) -> Option<String> {
        (self.url.dialect() == Dialect::Sqlite).then(|| format!("_v{}", self.version))
    }

    /// The whole address, with the password if there is one: for the driver, never for people. What PostgreSQL's own
    /// library does not know of is left out.
    pub fn address(&self) -> String {
        match &self.url.target {
            Target::Sqlite(_) => self.url.to_string(),
            Target::Postgres(options) => self.postgres(options, true),
            Target::MariaDb(address) => address.of_database(&format!("_v{}", self.version), true),
        }
    }

    fn postgres(&self, options: &PgConnectOptions, with_password: bool) -> String {
        let mut url = options.to_url_lossy();
        if !with_password && url.set_password(None).is_err() {
            return self.url.to_string();
        }
        let own = |name: &str, value: &str| match name {
            "statement-cache-capacity" => false,
            "sslmode" => value != "prefer",
            _ => true,
        };
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, value)| own(name, value))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let path = format!("-csearch_path=v{}", self.version);
        let setting = match options.get_options() {
            Some(before) => format!("{before} {path}"),
            None => path,
        };
        url.set_query(None);
        url.query_pairs_mut().extend_pairs(pairs).append_pair("options", &setting);
        // A form's way to write a space; addresses of databases know only the other.
        url.as_str().replace('+', "%20")
    }
}

impl fmt::Display for ReadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.url.target {
            Target::Sqlite(_) => self.url.fmt(f),
            Target::Postgres(options) => f.write_str(&self.postgres(options, false)),
            Target::MariaDb(address) => {
                f.write_str(&address.of_database(&format!("_v{}", self.version), false))
            }
        }
    }
}

impl fmt::Debug for ReadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(url: &str) -> ReadUrl {
        url.parse::<DbUrl>().unwrap().reading(SchemaVersion(2))
    }

    #[test]
    fn postgres_gets_a_search_path_and_sqlite_a_suffix() {
        let url = reading("postgres://app:s3cret@db.example:5433/shop?sslmode=require");
        let shown = "postgres://app@db.example:5433/shop?sslmode=require&options=-csearch_path%3Dv2";
        assert_eq!(url.to_string(), shown);
        assert!(!format!("{url:?}").contains("s3cret"));
        assert_eq!(url.address(), shown.replace("app@", "app:s3cret@"));
        assert_eq!((url.search_path().as_deref(), url.suffix()), (Some("v2"), None));
        let url = reading("mariadb://app:s3cret@db/shop?socket=/run/m.sock");
        assert_eq!(url.to_string(), "mariadb://app@db/shop_v2?socket=/run/m.sock");
        assert_eq!(url.address(), "mariadb://app:s3cret@db/shop_v2?socket=/run/m.sock");
        assert_eq!((url.search_path(), url.suffix()), (None, None));
        assert_eq!(url.view_database().as_deref(), Some("shop_v2"));
        let url = reading("sqlite:/var/lib/shop/till.db");
        assert_eq!(url.to_string(), "sqlite:/var/lib/shop/till.db");
        assert_eq!((url.search_path(), url.suffix().as_deref()), (None, Some("_v2")));
    }

    #[test]
    fn settings_that_are_there_stay() {
        let url = reading("postgres://app@db/shop?options=-c%20statement_timeout%3D5s");
        let tail = "?options=-c%20statement_timeout%3D5s%20-csearch_path%3Dv2";
        assert!(url.to_string().ends_with(tail), "{url}");
        assert!(url.address().parse::<DbUrl>().is_ok());
    }

    #[test]
    fn a_socket_stays_one() {
        let url = reading("postgres://app@localhost/shop?host=/run/pg");
        let again: DbUrl = url.address().parse().unwrap();
        assert_eq!(again.to_string(), "postgres://app@localhost/shop?host=/run/pg");
    }
}
