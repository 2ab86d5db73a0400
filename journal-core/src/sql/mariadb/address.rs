//! Addresses of MariaDB databases: `mariadb://USER:PASSWORD@HOST:PORT/DATABASE?SETTING=…`, and `mysql://` likewise.
//!
//! Kept as they were written, part by part: the driver's own way back to a text loses names with unusual characters.

use sqlx::mysql::MySqlConnectOptions;

/// The parts of an address, as written: percent signs stand for themselves. Shows no password.
#[derive(Clone)]
pub(in crate::sql) struct Address {
    pub(in crate::sql) options: Box<MySqlConnectOptions>,
    user: String,
    password: Option<String>,
    /// With the port, if there is one.
    host: String,
    database: String,
    settings: Option<String>,
}

impl Address {
    /// Reads an address; else what is wrong with it.
    pub(in crate::sql) fn read(text: &str) -> Result<Self, &'static str> {
        const UNREADABLE: &str = "its parts cannot be read";
        let options: MySqlConnectOptions = text.parse().map_err(|_| UNREADABLE)?;
        let (_, rest) = text.split_once("://").ok_or(UNREADABLE)?;
        let (rest, settings) = match rest.split_once('?') {
            Some((rest, settings)) => (rest, Some(settings.to_owned())),
            None => (rest, None),
        };
        let (authority, database) = rest.split_once('/').ok_or("it names no database")?;
        if database.is_empty() || options.get_database().is_none() {
            return Err("it names no database");
        }
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match user.split_once(':') {
            Some((user, password)) => (user, Some(password.to_owned())),
            None => (user, None),
        };
        Ok(Self {
            options: Box::new(options),
            user: user.to_owned(),
            password,
            host: host.to_owned(),
            database: database.to_owned(),
            settings,
        })
    }

    pub(in crate::sql) fn with_password(self, password: &str) -> Self {
        let written = password.bytes().map(|byte| match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        });
        let password_written = Some(written.collect());
        Self { options: Box::new(self.options.password(password)), password: password_written, ..self }
    }

    /// The whole of it for another database on the same server, with the password only if asked for.
    pub(in crate::sql) fn of_database(&self, suffix: &str, with_password: bool) -> String {
        let settings = self.settings.as_deref().map(|settings| format!("?{settings}")).unwrap_or_default();
        let password = self.password.as_deref().filter(|_| with_password);
        let password = password.map(|password| format!(":{password}")).unwrap_or_default();
        format!("mariadb://{}{suffix}{settings}", self.place(&password))
    }

    fn place(&self, password: &str) -> String {
        let at = if self.user.is_empty() { "" } else { "@" };
        format!("{}{password}{at}{}/{}", self.user, self.host, self.database)
    }
}

/// Without settings, of which one may be a secret, but for the socket, which is part of the place.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mariadb://{}", self.place(""))?;
        match self.options.get_socket() {
            Some(socket) => write!(f, "?socket={}", socket.display()),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_shows_the_password_unless_asked() {
        let address = Address::read("mysql://a%40b:s3%3Acret@[::1]:3307/shop?ssl-mode=REQUIRED").unwrap();
        assert_eq!(address.to_string(), "mariadb://a%40b@[::1]:3307/shop");
        assert!(!format!("{address:?}").contains("cret"));
        assert_eq!(address.options.get_username(), "a@b");
        assert_eq!(address.of_database("_v2", false), "mariadb://a%40b@[::1]:3307/shop_v2?ssl-mode=REQUIRED");
        assert_eq!(
            address.of_database("_v2", true),
            "mariadb://a%40b:s3%3Acret@[::1]:3307/shop_v2?ssl-mode=REQUIRED"
        );
    }

    #[test]
    fn a_password_given_apart_reads_back_as_it_was() {
        let address = Address::read("mariadb://app@db/shop").unwrap().with_password("a:b@c/d?é %");
        let again = Address::read(&address.of_database("", true)).unwrap();
        assert_eq!(again.password, address.password);
        assert_eq!(again.to_string(), "mariadb://app@db/shop");
    }

    #[test]
    fn a_socket_is_part_of_the_place() {
        let address = Address::read("mariadb://root@localhost/shop?socket=/run/m.sock").unwrap();
        assert_eq!(address.to_string(), "mariadb://root@localhost/shop?socket=/run/m.sock");
        assert_eq!(Address::read(&address.to_string()).unwrap().to_string(), address.to_string());
    }

    #[test]
    fn an_address_without_a_database_is_refused() {
        for text in
            ["mariadb://root@localhost", "mariadb://root@localhost/", "mariadb://root@localhost?socket=/s/m"]
        {
            assert!(Address::read(text).is_err(), "{text}");
        }
    }
}
