//! Statements on a borrowed connection: written once as a template, run on any database.

use sqlx::{AssertSqlSafe, MySqlConnection, PgConnection, SqliteConnection};

use super::Answer;
use super::arguments;
use super::dialect::Dialect;
use super::error::{Constraint, SqlClass, SqlError};
use super::mariadb;
use super::param::{Inner, Param, Record};
use super::placeholders;

/// A borrowed connection: what statements run on. Made from a [`super::Conn`] or from an application's own sqlx connection.
#[derive(Debug)]
pub enum ConnRef<'c> {
    /// SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// PostgreSQL.
    Postgres(&'c mut PgConnection),
    /// MariaDB. An application's own session needs no setting that it does not want itself.
    MariaDb(&'c mut MySqlConnection),
}

/// One row to insert unless one with its key is there.
#[derive(Debug, Clone, Copy)]
pub struct NewRow {
    /// The INSERT of one row (a template), into a table with no other unique key than this one.
    pub insert: &'static str,
    /// The key's columns in parentheses; empty where the table has one key.
    pub key: &'static str,
}

impl ConnRef<'_> {
    /// Which SQL it speaks.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
            Self::MariaDb(_) => Dialect::MariaDb,
        }
    }

    /// Lends it on.
    pub fn lend(&mut self) -> ConnRef<'_> {
        match self {
            Self::Sqlite(conn) => ConnRef::Sqlite(conn),
            Self::Postgres(conn) => ConnRef::Postgres(conn),
            Self::MariaDb(conn) => ConnRef::MariaDb(conn),
        }
    }

    /// Runs one statement (a template, see [`Dialect::render`]) and returns how many rows it touched (MariaDB: an UPDATE's
    /// WHERE matched). The statement is prepared once per connection and text.
    pub fn execute<'a>(&'a mut self, template: &'a str, params: Vec<Param>) -> Answer<'a, u64> {
        Box::pin(async move {
            let done = match self {
                Self::Sqlite(conn) => {
                    let sql = AssertSqlSafe(placeholders::sqlite(template));
                    let query = sqlx::query_with(sql, arguments::sqlite(params)?);
                    query.execute(&mut **conn).await?.rows_affected()
                }
                Self::Postgres(conn) => {
                    let sql = AssertSqlSafe(Dialect::Postgres.render(template));
                    let query = sqlx::query_with(sql, arguments::postgres(params)?);
                    query.execute(&mut **conn).await?.rows_affected()
                }
                Self::MariaDb(conn) => mariadb::execute(conn, template, params).await?.0,
            };
            Ok(done)
        })
    }

    /// MariaDB: runs one statement; rows matched, and the number that it left by `LAST_INSERT_ID(number)`, so that an UPDATE
    /// tells what it wrote without a second look.
    pub async fn execute_for_number(
        &mut self,
        template: &str,
        params: Vec<Param>,
    ) -> Result<(u64, i64), SqlError> {
        let Self::MariaDb(conn) = self else { return Err(no_number()) };
        let (rows, left) = mariadb::execute(conn, template, params).await?;
        Ok((rows, number(left)?))
    }

    /// MariaDB: runs statements as [`Self::script`] does, and gives what [`Self::execute_for_number`] gives: the rows of all
    /// of them, the number of the last.
    pub(crate) async fn script_for_number(&mut self, template: &str) -> Result<(u64, i64), SqlError> {
        let Self::MariaDb(conn) = self else { return Err(no_number()) };
        let sql = AssertSqlSafe(Dialect::MariaDb.render(template));
        let done = sqlx::raw_sql(sql).execute(&mut **conn).await?;
        Ok((done.rows_affected(), number(done.last_insert_id())?))
    }

    /// Inserts a row unless one with its key is there; how many it wrote. Whatever is there stays as it is, and the
    /// transaction goes on.
    pub async fn insert_new(&mut self, row: NewRow, params: Vec<Param>) -> Result<u64, SqlError> {
        match self.dialect() {
            Dialect::Sqlite | Dialect::Postgres => {
                let template = format!("{} ON CONFLICT {} DO NOTHING", row.insert, row.key);
                self.execute(&template, params).await
            }
            // It knows no such clause: IGNORE would hide other errors as well. An error takes back its statement alone.
            Dialect::MariaDb => match self.execute(row.insert, params).await {
                Err(error) if error.class == SqlClass::Constraint(Constraint::Unique) => Ok(0),
                written => written,
            },
        }
    }

    /// Runs one query (a template) and returns all its rows. Bound the result in the statement.
    pub fn fetch<'a>(&'a mut self, template: &'a str, params: Vec<Param>) -> Answer<'a, Vec<Record>> {
        Box::pin(async move {
            let records = match self {
                Self::Sqlite(conn) => {
                    let sql = AssertSqlSafe(placeholders::sqlite(template));
                    let query = sqlx::query_with(sql, arguments::sqlite(params)?);
                    let rows = query.fetch_all(&mut **conn).await?;
                    rows.into_iter().map(|row| Record(Inner::Sqlite(row))).collect()
                }
                Self::Postgres(conn) => {
                    let sql = AssertSqlSafe(Dialect::Postgres.render(template));
                    let query = sqlx::query_with(sql, arguments::postgres(params)?);
                    let rows = query.fetch_all(&mut **conn).await?;
                    rows.into_iter().map(|row| Record(Inner::Postgres(row))).collect()
                }
                Self::MariaDb(conn) => {
                    let rows = mariadb::fetch(conn, template, params).await?;
                    rows.into_iter().map(|row| Record(Inner::MariaDb(row))).collect()
                }
            };
            Ok(records)
        })
    }

    /// The first row of a query, if any.
    pub async fn fetch_optional(
        &mut self,
        template: &str,
        params: Vec<Param>,
    ) -> Result<Option<Record>, SqlError> {
        Ok(self.fetch(template, params).await?.into_iter().next())
    }

    /// The one row of a query; none is an error.
    pub async fn fetch_one(&mut self, template: &str, params: Vec<Param>) -> Result<Record, SqlError> {
        let record = self.fetch_optional(template, params).await?;
        record.ok_or_else(|| SqlError::new(SqlClass::Schema, "a row that must be there is not"))
    }

    /// Runs statements without parameters (a template), several divided by semicolons, unprepared.
    pub async fn script(&mut self, template: &str) -> Result<(), SqlError> {
        let sql = self.dialect().render(template);
        self.ddl(&sql).await
    }

    /// Runs statements as they stand, several divided by semicolons, unprepared: DDL out of a schema set, whose literals
    /// may hold anything.
    pub fn ddl<'a>(&'a mut self, sql: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let sql = AssertSqlSafe(sql.to_owned());
            match self {
                Self::Sqlite(conn) => sqlx::raw_sql(sql).execute(&mut **conn).await.map(|_| ()),
                Self::Postgres(conn) => sqlx::raw_sql(sql).execute(&mut **conn).await.map(|_| ()),
                Self::MariaDb(conn) => sqlx::raw_sql(sql).execute(&mut **conn).await.map(|_| ()),
            }
            .map_err(SqlError::from)
        })
    }
}

impl<'c> From<&'c mut SqliteConnection> for ConnRef<'c> {
    fn from(conn: &'c mut SqliteConnection) -> Self {
        Self::Sqlite(conn)
    }
}

impl<'c> From<&'c mut PgConnection> for ConnRef<'c> {
    fn from(conn: &'c mut PgConnection) -> Self {
        Self::Postgres(conn)
    }
}

impl<'c> From<&'c mut MySqlConnection> for ConnRef<'c> {
    fn from(conn: &'c mut MySqlConnection) -> Self {
        Self::MariaDb(conn)
    }
}

fn no_number() -> SqlError {
    SqlError::new(SqlClass::Data, "only MariaDB answers with a number")
}

fn number(left: u64) -> Result<i64, SqlError> {
    i64::try_from(left).map_err(|_| SqlError::new(SqlClass::Data, "a number beyond 64 bits"))
}
