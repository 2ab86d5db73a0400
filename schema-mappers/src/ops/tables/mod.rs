//! Operations on whole tables, one a file: those that begin or end a table, and those that tie several into a group.

mod create_table;
mod drop_table;

use journal_core::model::SchemaVersion;

use crate::error::SetError;
use crate::kept;
use crate::set::check::NAME_CHARS_MAX;
use crate::set::draft::Drafts;
use crate::set::reader::Fields;
use crate::set::tables::Read;

/// The names of the operations, for messages.
pub(super) const KNOWN: &str = "create_table, drop_table";

/// Reads the operation of that name and applies it to the tables as they stand so far. `false`: it is none of these.
pub(crate) fn read(
    name: &str,
    fields: &mut Fields<'_>,
    drafts: &mut Drafts,
    newer: &Read,
) -> Result<bool, SetError> {
    match name {
        "create_table" => create_table::read(fields, drafts, newer)?,
        "drop_table" => drop_table::read(fields, drafts, newer.schema.version)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// The name under which ledgers keep the table must be one that every store takes.
fn check_kept_name(version: SchemaVersion, table: &str) -> Result<(), String> {
    let kept = kept::name(version, table);
    if kept.len() <= NAME_CHARS_MAX {
        return Ok(());
    }
    let most = NAME_CHARS_MAX + table.len() - kept.len();
    Err(format!(
        "other versions' ledgers keep table {table:?} as {kept:?}, which is too long; give it at most {most} characters"
    ))
}
