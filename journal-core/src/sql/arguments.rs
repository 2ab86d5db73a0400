//! Parameters bound to a driver's statement.

use sqlx::Arguments as _;
use sqlx::mysql::MySqlArguments;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;

use super::error::{SqlClass, SqlError};
use super::param::Param;

fn unbindable(error: Box<dyn std::error::Error + Send + Sync>) -> SqlError {
    SqlError::new(SqlClass::Data, error.to_string())
}

macro_rules! arguments {
    ($name:ident, $arguments:ty, $list:expr) => {
        pub(super) fn $name(params: Vec<Param>) -> Result<$arguments, SqlError> {
            let mut arguments = <$arguments>::default();
            for param in params {
                match param {
                    Param::Bool(value) => arguments.add(value),
                    Param::I64(value) => arguments.add(value),
                    Param::F64(value) => arguments.add(value),
                    Param::Text(value) => arguments.add(value),
                    Param::Bytes(value) => arguments.add(value),
                    Param::Uuid(value) => arguments.add(value),
                    Param::List(values) => $list(&mut arguments, values),
                }
                .map_err(unbindable)?;
            }
            Ok(arguments)
        }
    };
}

type Bound = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn no_list<A>(_: &mut A, _: Vec<Param>) -> Bound {
    Err("only PostgreSQL has arrays".into())
}

/// Adds an array of the kind of its first member.
fn list(arguments: &mut PgArguments, values: Vec<Param>) -> Bound {
    macro_rules! of {
        ($kind:ident) => {{
            let members = values.into_iter().map(|value| match value {
                Param::$kind(member) => Ok(member),
                _ => Err("an array of several kinds"),
            });
            arguments.add(members.collect::<Result<Vec<_>, _>>()?)
        }};
    }
    match values.first() {
        Some(Param::Bool(_)) => of!(Bool),
        Some(Param::I64(_)) => of!(I64),
        Some(Param::F64(_)) => of!(F64),
        Some(Param::Text(_)) => of!(Text),
        Some(Param::Bytes(_)) => of!(Bytes),
        Some(Param::Uuid(_)) => of!(Uuid),
        Some(Param::List(_)) | None => Err("an array of nothing, or of arrays".into()),
    }
}

arguments!(sqlite, SqliteArguments, no_list);
arguments!(postgres, PgArguments, list);
arguments!(mariadb, MySqlArguments, no_list);
