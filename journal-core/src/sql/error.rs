//! Driver errors sorted by what to do about them (`testing.md`'s outcome classes, in `docs/architecture.md`).

use std::fmt;

/// Which kind of constraint a statement broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Constraint {
    /// Primary key or unique key.
    Unique,
    /// A reference without its parent, or a parent that is still referred to.
    ForeignKey,
    /// NULL where none may stand.
    NotNull,
    /// A CHECK constraint.
    Check,
    /// What a trigger or function of the application raises, by whatever code.
    Raised,
}

/// What an error means for the work that met it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqlClass {
    /// Definite no, and it will stay no: the data breaks a constraint.
    Constraint(Constraint),
    /// Definite no, and it will stay no: a value or a statement the database cannot take.
    Data,
    /// Definite no for now: deadlock, lock wait, busy, out of resources. The same work again may succeed.
    Transient,
    /// No room left. Nothing is lost; the same work again succeeds once there is room.
    Full,
    /// The connection is gone; whether a COMMIT on its way happened is unknown.
    Lost,
    /// No way in: wrong password, no such database, file or right.
    Refused,
    /// The store itself is damaged or cannot be trusted (I/O error, corruption). Stop.
    Broken,
    /// The server's settings would lose or bend what is written there. Nothing is written until they are changed.
    Unsafe,
    /// A mismatch between Daybook and what stands in the database, such as a missing table of its own.
    Schema,
}

/// MariaDB's numbers for a value that is too large, too long, cut off or none of the type, or that nothing can be divided by.
const MISFITTING: [&str; 9] = ["1264", "1265", "1292", "1365", "1366", "1367", "1406", "1411", "1690"];

/// An error of a SQL database: its class, its code and its message. Never holds a password; bound values are not part
/// of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// What to do about it.
    pub class: SqlClass,
    /// The database's code: an SQLSTATE, SQLite's extended result code, or MariaDB's error number.
    pub code: String,
    /// The constraint's or the table's name, where the database tells.
    pub object: Option<String>,
    /// The database's message.
    pub message: String,
}

impl SqlError {
    /// An error found on this side of the driver.
    pub fn new(class: SqlClass, message: impl Into<String>) -> Self {
        Self { class, code: String::new(), object: None, message: message.into() }
    }

    /// Whether it speaks of the values themselves: what is refused so was taken by no earlier try either, whatever became
    /// of its answer, and no other site takes it. All else may be about the server, or the moment.
    pub fn is_of_content(&self) -> bool {
        match self.class {
            // Something stands there under the key: it may be what an earlier try has left. And what a trigger says may be
            // about the moment.
            SqlClass::Constraint(Constraint::Unique | Constraint::Raised) => false,
            SqlClass::Constraint(_) => true,
            // Without a code, it was found on this side. And how deep a statement may go is a setting.
            SqlClass::Data => self.code.is_empty() || (self.has_no_place() && self.code != "54001"),
            SqlClass::Transient
            | SqlClass::Full
            | SqlClass::Lost
            | SqlClass::Refused
            | SqlClass::Broken
            | SqlClass::Unsafe
            | SqlClass::Schema => false,
        }
    }

    /// Whether a value has no place where it was to go: PostgreSQL's class 22 and what is beyond its limits, SQLite's "too
    /// big", "datatype mismatch" and the datatype check of STRICT tables, MariaDB's own numbers.
    pub fn has_no_place(&self) -> bool {
        self.is_beyond_limits()
            || (self.code.len() == 5 && self.code.starts_with("22"))
            || matches!(self.code.as_str(), "18" | "20" | "3091")
            || MISFITTING.contains(&self.code.as_str())
    }

    /// Whether it is of PostgreSQL's class for what is larger than it can take: a key longer than an index's page has room
    /// for, JSON deeper than its parser goes. Its messages tell the limit and no value.
    pub fn is_beyond_limits(&self) -> bool {
        self.code.len() == 5 && self.code.starts_with("54")
    }

    /// Whether it is more than the server takes at once, as it is set now. An earlier try may have met another setting.
    pub fn is_too_large(&self) -> bool {
        self.code == super::mariadb::TOO_LARGE
    }

    /// Whether the work may be tried again as it is.
    pub fn is_transient(&self) -> bool {
        match self.class {
            SqlClass::Transient | SqlClass::Full | SqlClass::Lost => true,
            SqlClass::Constraint(_)
            | SqlClass::Data
            | SqlClass::Refused
            | SqlClass::Broken
            | SqlClass::Unsafe
            | SqlClass::Schema => false,
        }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.code.is_empty() {
            write!(f, " ({})", self.code)?;
        }
        match self.class {
            SqlClass::Full => f.write_str("; nothing is lost, make room and it goes on"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for SqlError {}

impl From<sqlx::Error> for SqlError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => from_database(error.as_ref()),
            sqlx::Error::Io(error) => {
                let class = match error.kind() {
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => SqlClass::Refused,
                    std::io::ErrorKind::StorageFull => SqlClass::Full,
                    _ => SqlClass::Lost,
                };
                Self::new(class, format!("connection: {error}"))
            }
            error @ (sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)) => Self::new(SqlClass::Lost, error.to_string()),
            error @ (sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::TypeNotFound { .. }) => Self::new(SqlClass::Schema, error.to_string()),
            error @ sqlx::Error::Configuration(_) => Self::new(SqlClass::Refused, error.to_string()),
            error => Self::new(SqlClass::Data, error.to_string()),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for SqlError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(error)
            | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => Self::from(error),
            error => Self::new(SqlClass::Schema, error.to_string()),
        }
    }
}

fn from_database(error: &dyn sqlx::error::DatabaseError) -> SqlError {
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return super::mariadb::from_database(error);
    }
    let code = error.code().unwrap_or_default().into_owned();
    let postgres = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some();
    let class = if postgres { postgres_class(&code) } else { sqlite_class(&code, error.message()) };
    let object = error.constraint().or_else(|| error.table()).map(str::to_owned);
    SqlError { class, code, object, message: error.message().to_owned() }
}

fn postgres_class(state: &str) -> SqlClass {
    match state {
        "23505" | "23P01" => SqlClass::Constraint(Constraint::Unique),
        "23503" | "23001" => SqlClass::Constraint(Constraint::ForeignKey),
        "23502" => SqlClass::Constraint(Constraint::NotNull),
        "23514" => SqlClass::Constraint(Constraint::Check),
        "40001" | "40P01" | "55P03" | "55006" | "57014" => SqlClass::Transient,
        // A standby, or a server that was told to write nothing: it may be promoted, or told otherwise.
        "25006" => SqlClass::Transient,
        "53100" => SqlClass::Full,
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P02" | "25P03" | "25P04" => SqlClass::Lost,
        "40003" => SqlClass::Lost,
        "3D000" | "42501" => SqlClass::Refused,
        "42P01" | "3F000" | "42703" | "42883" => SqlClass::Schema,
        "44000" => SqlClass::Constraint(Constraint::Check),
        _ => match state.get(..2).unwrap_or_default() {
            "40" | "53" => SqlClass::Transient,
            "08" => SqlClass::Lost,
            "28" => SqlClass::Refused,
            "58" | "XX" => SqlClass::Broken,
            // A value that has no place.
            "22" | "54" => SqlClass::Data,
            // About the statement, the session, its transaction or the server: no rule of the application says these.
            "" | "0A" | "0B" | "0L" | "0P" | "24" | "25" | "26" | "2B" | "2D" | "34" | "3B" | "3D" | "3F"
            | "42" | "55" | "57" | "72" | "F0" | "HV" => SqlClass::Data,
            _ => SqlClass::Constraint(Constraint::Raised),
        },
    }
}

fn sqlite_class(code: &str, said: &str) -> SqlClass {
    let code: i64 = code.parse().unwrap_or(0);
    match code {
        1555 | 2067 | 2579 => return SqlClass::Constraint(Constraint::Unique),
        // Some actions of a reference are carried out by triggers of SQLite's own.
        1811 if said != "FOREIGN KEY constraint failed" => return SqlClass::Constraint(Constraint::Raised),
        787 | 1811 => return SqlClass::Constraint(Constraint::ForeignKey),
        1299 => return SqlClass::Constraint(Constraint::NotNull),
        275 => return SqlClass::Constraint(Constraint::Check),
        _ => {}
    }
    // The low byte is the primary result code.
    match code & 0xff {
        5 | 6 | 7 | 9 | 15 | 17 => SqlClass::Transient,
        13 => SqlClass::Full,
        3 | 8 | 14 | 23 => SqlClass::Refused,
        10 | 11 | 26 => SqlClass::Broken,
        1 => SqlClass::Schema,
        _ => SqlClass::Data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: SqlClass, code: &str) -> SqlError {
        SqlError { code: code.to_owned(), ..SqlError::new(class, "no") }
    }

    /// They were taken for a fault of the data.
    #[test]
    fn a_server_that_takes_no_writes_or_ends_a_session_is_no_fault_of_the_data() {
        assert_eq!(postgres_class("25006"), SqlClass::Transient);
        for ended in ["57P04", "25P04"] {
            assert_eq!(postgres_class(ended), SqlClass::Lost, "{ended}");
        }
    }

    #[test]
    fn only_what_speaks_of_the_values_is_of_the_content() {
        for state in ["22001", "22021", "54000"] {
            assert!(error(postgres_class(state), state).is_of_content(), "{state}");
        }
        // "Not now", a view that takes no rows or a database that takes nobody; read only; what stands there already.
        for state in ["55000", "25006", "42601", "57P04", "23505", "57014", "54001"] {
            assert!(!error(postgres_class(state), state).is_of_content(), "{state}");
        }
        for code in ["18", "20", "3091"] {
            assert!(error(sqlite_class(code, ""), code).is_of_content(), "{code}");
        }
        assert!(!error(sqlite_class("10", ""), "10").is_of_content());
        assert!(error(SqlClass::Data, "1406").is_of_content());
        assert!(
            !error(SqlClass::Data, "1105").is_of_content(),
            "MariaDB's error without a number of its own"
        );
        assert!(SqlError::new(SqlClass::Data, "found on this side").is_of_content());
        assert!(!error(SqlClass::Data, "1153").is_of_content(), "the server may be set otherwise");
        assert!(error(SqlClass::Constraint(Constraint::Check), "23514").is_of_content());
        assert!(!error(postgres_class("P0001"), "P0001").is_of_content(), "it may be about the moment");
    }

    #[test]
    fn what_a_trigger_raises_is_told_from_a_wrong_statement() {
        let raised = SqlClass::Constraint(Constraint::Raised);
        for state in ["P0001", "P0004", "MY001", "45000", "23000", "21000", "38000"] {
            assert_eq!(postgres_class(state), raised, "{state}");
        }
        for state in ["42601", "0A000", "55000", "25001", "26000", ""] {
            assert_eq!(postgres_class(state), SqlClass::Data, "{state}");
        }
        assert_eq!(sqlite_class("1811", "stock is short"), raised);
        let reference = SqlClass::Constraint(Constraint::ForeignKey);
        assert_eq!(sqlite_class("1811", "FOREIGN KEY constraint failed"), reference);
    }
}
