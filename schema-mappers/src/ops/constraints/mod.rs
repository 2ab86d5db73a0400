//! What a table demands of its rows and how it finds them: unique keys, references, checks, indexes. The operations here
//! lead from the demands of one version to those of the next and leave every row as it is.

mod check;
mod index;
mod reference;
mod unique;

use journal_core::model::schema::Index;
use journal_core::model::{Name, Row, Table};

use super::{Arguments, Lineage, Operation};
use crate::ddl::Dialect;
use crate::ddl::views::ViewColumns;
use crate::error::{CannotMap, SetError};
use crate::expr;
use crate::image::Image;

/// The names of the operations, for messages.
pub(super) const KNOWN: &str =
    "add_unique, drop_unique, add_reference, drop_reference, add_check, drop_check, add_index, drop_index";

/// An operation that changes no row.
#[derive(Debug)]
struct RowsStay;

impl Operation for RowsStay {
    fn up(&self, _: &mut Image, _: &mut Row) -> Result<(), CannotMap> {
        Ok(())
    }

    fn down(&self, _: &mut Image, _: &mut Row) -> Result<(), CannotMap> {
        Ok(())
    }

    fn down_sql(&self, _: &mut ViewColumns, _: Dialect) {}

    fn lineage(&self) -> Lineage {
        Lineage::default()
    }
}

/// Reads the operation of that name, if it is one of these.
pub(super) fn read(
    name: &str,
    arguments: &mut Arguments<'_>,
) -> Option<Result<Box<dyn Operation>, SetError>> {
    let read = match name {
        "add_unique" => unique::add(arguments),
        "drop_unique" => unique::drop(arguments),
        "add_reference" => reference::add(arguments),
        "drop_reference" => reference::drop(arguments),
        "add_check" => check::add(arguments),
        "drop_check" => check::drop(arguments),
        "add_index" => index::add(arguments),
        "drop_index" => index::drop(arguments),
        _ => return None,
    };
    Some(read.map(|()| Box::new(RowsStay) as Box<dyn Operation>))
}

/// A column has another name from here on.
pub(super) fn rename_column(table: &mut Table, from: &Name, to: &Name) {
    let lists = table.unique.iter_mut();
    let lists = lists.chain(table.parents.iter_mut().map(|parent| &mut parent.columns));
    let lists = lists.chain(table.indexes.iter_mut().map(|index| &mut index.columns));
    for name in lists.flatten().filter(|name| *name == from) {
        *name = to.clone();
    }
    let conditions = table.indexes.iter_mut().filter_map(|index| index.condition.as_mut());
    for text in conditions.chain(table.checks.iter_mut().map(|check| &mut check.that)) {
        *text = expr::renamed(text, from, to);
    }
}

/// What of the table's constraints names a column that is about to go, and the operation that takes it away.
pub(super) fn user_of(table: &Table, column: &Name) -> Option<String> {
    let list = |columns: &[Name]| columns.join(", ");
    let unique = table.unique.iter().find(|unique| unique.contains(column));
    if let Some(unique) = unique {
        return Some(format!("the unique key ({}); put a drop_unique before", list(unique)));
    }
    let parent = table.parents.iter().find(|parent| parent.columns.contains(column));
    if let Some(parent) = parent {
        let columns = list(&parent.columns);
        return Some(format!("the reference ({columns}) to {}; put a drop_reference before", parent.table));
    }
    let check = table.checks.iter().find(|check| expr::names(&check.that, column));
    if let Some(check) = check {
        return Some(format!("the check {}; put a drop_check before", check.name));
    }
    let named = |index: &&Index| {
        index.columns.contains(column)
            || index.condition.as_ref().is_some_and(|condition| expr::names(condition, column))
    };
    let index = table.indexes.iter().find(named)?;
    Some(format!("the index {}; put a drop_index before", index.name))
}

/// How the constraints that a mapping leads to differ from the declared ones: the part of the table at fault and the
/// message.
pub(crate) fn difference(expected: &Table, declared: &Table) -> Option<(&'static str, String)> {
    let found = unique::difference(expected, declared).map(|message| (".unique", message));
    let found =
        found.or_else(|| reference::difference(expected, declared).map(|message| (".parents", message)));
    let found = found.or_else(|| check::difference(expected, declared).map(|message| (".checks", message)));
    found.or_else(|| index::difference(expected, declared).map(|message| (".indexes", message)))
}

/// The first thing that only one of two lists has: `declared, true` or `expected, false`.
fn only_one<'t, T: PartialEq>(expected: &'t [T], declared: &'t [T]) -> Option<(&'t T, bool)> {
    let more = declared.iter().find(|thing| !expected.contains(thing)).map(|thing| (thing, true));
    more.or_else(|| expected.iter().find(|thing| !declared.contains(thing)).map(|thing| (thing, false)))
}

impl Arguments<'_> {
    /// A list of columns that exist.
    fn columns(&mut self, key: &str) -> Result<Vec<Name>, SetError> {
        let names = self.fields.required(key)?.texts(key)?;
        for name in &names {
            self.existing(name)?;
        }
        Ok(names)
    }
}
