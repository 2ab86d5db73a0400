//! What MariaDB needs of the seam beyond a driver's call: the settings of a session, errors by number, addresses,
//! migrations that no transaction holds together.

mod address;
mod check;
mod error;
mod migrate;
mod session;

pub(super) use address::Address;
pub(super) use check::check;
pub(super) use error::from_database;
pub(super) use migrate::run as migrate;
pub(super) use session::{BEGIN, BEGIN_SNAPSHOT, END_SNAPSHOT, open};

use std::sync::Arc;

use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::{AssertSqlSafe, MySqlConnection, Row as _};

use super::error::{SqlClass, SqlError};
use super::param::Param;
use super::placeholders;

/// Bytes of a statement's values from which on the server is asked what it takes. Below what any server takes by default.
const SURELY_TAKEN: usize = 1024 * 1024;
/// What a statement is around its values: its header, and a few bytes for each.
const AROUND_A_VALUE: usize = 16;

/// Runs one prepared statement (a template): rows matched, and the number that it left by `LAST_INSERT_ID(number)`.
pub(super) async fn execute(
    conn: &mut MySqlConnection,
    template: &str,
    params: Vec<Param>,
) -> Result<(u64, u64), SqlError> {
    let (sql, arguments) = prepare(conn, template, params).await?;
    let done = sqlx::query_with(AssertSqlSafe(sql), arguments).execute(conn).await?;
    Ok((done.rows_affected(), done.last_insert_id()))
}

/// Runs one prepared query (a template).
pub(super) async fn fetch(
    conn: &mut MySqlConnection,
    template: &str,
    params: Vec<Param>,
) -> Result<Vec<MySqlRow>, SqlError> {
    let (sql, arguments) = prepare(conn, template, params).await?;
    Ok(sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(conn).await?)
}

async fn prepare(
    conn: &mut MySqlConnection,
    template: &str,
    params: Vec<Param>,
) -> Result<(Arc<str>, MySqlArguments), SqlError> {
    let statement = placeholders::mariadb(template);
    let params = statement.arrange(params)?;
    refuse_what_no_double_holds(&params)?;
    refuse_what_no_packet_holds(conn, &params).await?;
    Ok((statement.sql(), super::arguments::mariadb(params)?))
}

/// The number of the error "out of range for column".
const OUT_OF_RANGE: &str = "1264";
/// The number of the error "got a packet bigger than max_allowed_packet".
pub(super) const TOO_LARGE: &str = "1153";

/// A NaN would become 0 or NULL, -0.0 would lose its sign.
fn refuse_what_no_double_holds(params: &[Param]) -> Result<(), SqlError> {
    let unfit = |param: &&Param| matches!(param, Param::F64(Some(value)) if !value.is_finite() || (*value == 0.0 && value.is_sign_negative()));
    match params.iter().find(unfit) {
        None => Ok(()),
        Some(_) => {
            let message = "MariaDB and MySQL hold no NaN, no infinity and no -0.0";
            Err(SqlError { code: OUT_OF_RANGE.to_owned(), ..SqlError::new(SqlClass::Data, message) })
        }
    }
}

/// A statement larger than the server takes is cut off without an answer, which would read as a lost connection and be
/// tried again for ever.
async fn refuse_what_no_packet_holds(conn: &mut MySqlConnection, params: &[Param]) -> Result<(), SqlError> {
    let bytes: usize = params.iter().map(|param| param.bytes_len() + AROUND_A_VALUE).sum();
    if bytes < SURELY_TAKEN {
        return Ok(());
    }
    let row = sqlx::query("SELECT CAST(@@max_allowed_packet AS SIGNED)").fetch_one(conn).await?;
    let most: i64 = row.try_get(0)?;
    if usize::try_from(most).is_ok_and(|most| bytes < most) {
        return Ok(());
    }
    let message = format!(
        "a statement of {bytes} bytes is more than the server takes (max_allowed_packet is {most}): raise it there"
    );
    Err(SqlError { code: TOO_LARGE.to_owned(), ..SqlError::new(SqlClass::Data, message) })
}
