//! Parameters bound to a driver's statement.

use sqlx::Arguments as _;
use sqlx::mysql::MySqlArguments;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;

use super::error::{SqlClass, SqlError};
use super::param::{List, Param};

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
                    Param::List(list) => $list(&mut arguments, list),
                }
                .map_err(unbindable)?;
            }
            Ok(arguments)
        }
    };
}

type Bound = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn no_list<A>(_: &mut A, _: List) -> Bound {
    Err("only PostgreSQL has arrays".into())
}

fn list(arguments: &mut PgArguments, list: List) -> Bound {
    match list {
        List::Bool(list) => arguments.add(list),
        List::I64(list) => arguments.add(list),
        List::F64(list) => arguments.add(list),
        List::Text(list) => arguments.add(list),
        List::Bytes(list) => arguments.add(list),
        List::Uuid(list) => arguments.add(list),
    }
}

arguments!(sqlite, SqliteArguments, no_list);
arguments!(postgres, PgArguments, list);
arguments!(mariadb, MySqlArguments, no_list);
