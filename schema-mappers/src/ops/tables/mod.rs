//! Operations on whole tables, one a file: those that begin or end a table, and those that tie several into a group.

mod beside;
mod beside_sql;
mod change_key;
mod create_table;
mod drop_table;
mod list_to_rows;
mod listed;
mod listed_sql;
mod merge_tables;
mod move_column;
mod rows_to_list;
mod split_table;

use journal_core::model::{SchemaVersion, Table};

use crate::error::SetError;
use crate::group::Structure;
use crate::kept;
use crate::set::check::NAME_CHARS_MAX;
use crate::set::draft::Drafts;
use crate::set::reader::Fields;
use crate::set::tables::Read;

/// The names of the operations, for messages.
pub(super) const KNOWN: &str = "create_table, drop_table, split_table, merge_tables, \
    list_to_rows, rows_to_list, move_column, change_key";

/// An operation that ties tables together, and the tables that stand where those that it takes stood.
#[derive(Debug)]
pub(crate) struct Tied {
    pub(crate) structure: Box<dyn Structure>,
    pub(crate) tables: Vec<Table>,
}

/// Reads the operation of that name. `None`: it is none of these; `Some(None)`: it ties nothing together and has been
/// applied to the tables as they stand so far.
pub(crate) fn read(
    name: &str,
    fields: &mut Fields<'_>,
    drafts: &mut Drafts,
    newer: &Read,
) -> Result<Option<Option<Tied>>, SetError> {
    let tied = match name {
        "create_table" => create_table::read(fields, drafts, newer).map(|()| None)?,
        "drop_table" => drop_table::read(fields, drafts, newer.schema.version).map(|()| None)?,
        "split_table" => Some(split_table::read(fields, drafts, newer)?),
        "merge_tables" => Some(merge_tables::read(fields, drafts, newer.schema.version)?),
        "list_to_rows" => Some(list_to_rows::read(fields, drafts, newer)?),
        "rows_to_list" => Some(rows_to_list::read(fields, drafts, newer.schema.version)?),
        "move_column" => Some(move_column::read(fields, drafts, newer.schema.version)?),
        "change_key" => Some(change_key::read(fields, drafts)?),
        _ => return Ok(None),
    };
    Ok(Some(tied))
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
