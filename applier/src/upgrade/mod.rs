//! Versions in a database: the first tables of a site, the released versions on record, and the reshape of a ledger
//! from one version to another. Decides nothing about a row: mappings do, in `schema-mappers`.

pub mod install;
pub mod machine;
mod plan;
mod readable;
mod references;
pub mod reshape;
