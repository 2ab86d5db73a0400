//! Versions in a database: the first tables of a site, the released versions on record, and the reshape of a ledger
//! from one version to another. Decides nothing about a row: mappings do, in `schema-mappers`.

pub mod install;
mod plan;
pub mod reshape;

use journal_core::sql::Dialect;

/// The same dialect in the words of the schema sets.
pub(crate) fn ddl_dialect(dialect: Dialect) -> schema_mappers::ddl::Dialect {
    match dialect {
        Dialect::Sqlite => schema_mappers::ddl::Dialect::Sqlite,
        Dialect::Postgres => schema_mappers::ddl::Dialect::Postgres,
    }
}
