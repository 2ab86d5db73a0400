//! Reads `mapping.toml`: the operations that lead from the version before to this one, and checks that they lead
//! exactly there.

use journal_core::model::{Column, Name, Schema, Table};

use super::draft::Drafts;
use super::reader::{Fields, Node};
use super::source::MAPPING_FILE;
use super::tables::{Places, Read};
use crate::error::SetError;
use crate::ops::tables::{self, Tied};
use crate::ops::{Arguments, constraints};
use crate::step::Step;

/// Reads the mapping's text (none: nothing changes) and checks it against the newer version.
pub(super) fn read(older: &Schema, newer: &Read, text: Option<&str>) -> Result<Step, SetError> {
    let mut drafts = Drafts::new(older, newer.schema.version);
    if let Some(text) = text {
        let file: Name = format!("{}/{MAPPING_FILE}", newer.schema.version).into();
        let root = super::reader::read(&file, text)?;
        let mut fields = Fields::new(&root, "the file")?;
        for node in fields.optional("map").map(|map| map.list("map")).transpose()?.unwrap_or_default() {
            apply(&mut drafts, newer, node)?;
        }
        fields.finish("[[map]]")?;
    }
    for table in drafts.tables() {
        compare(table, newer)?;
    }
    if let Some(table) = newer.schema.tables.keys().find(|name| drafts.table(name).is_none()) {
        let message = format!(
            "table {table} is new in version {}, but the mapping leads to {} only; add a create_table, or a rename_table \
             from what it was",
            newer.schema.version,
            drafts.names()
        );
        return Err(newer.places.fault(table, "", message));
    }
    drafts.finish(older, &newer.schema)
}

fn apply(drafts: &mut Drafts, newer: &Read, node: &Node) -> Result<(), SetError> {
    let mut fields = Fields::new(node, "an operation")?;
    let operation = fields.required("op")?.text("op")?;
    let mut fields = Fields::new(node, operation)?;
    fields.required("op")?;
    if let Some(tied) = tables::read(operation, &mut fields, drafts, newer)? {
        fields.finish("those that docs/schema-sets.md lists for it")?;
        return tied.map_or(Ok(()), |Tied { structure, tables }| drafts.tie(structure, tables, node));
    }
    let (name, table) = drafts.existing(&mut fields, "table")?;
    let mut arguments = Arguments { fields, version: newer.schema.version, table };
    let read = crate::ops::read(operation, &mut arguments)?;
    arguments.fields.finish("those that docs/schema-sets.md lists for it")?;
    drafts.change(&name, arguments.table, read, node)
}

/// The mapping leads to the columns that the newer version declares, and to its key.
fn compare(expected: &Table, newer: &Read) -> Result<(), SetError> {
    let (version, places) = (newer.schema.version, &newer.places);
    let name = &expected.name;
    let Some(declared) = newer.schema.tables.get(name) else {
        let message = format!(
            "the mapping leads to a table {name}, which version {version} does not declare; declare it, or add a \
             drop_table or rename_table"
        );
        return Err(SetError { file: places_file(places), line: 0, message });
    };
    for column in &declared.columns {
        if let Some(difference) = difference(expected.column(&column.name), column) {
            let message = format!("version {version} declares {name}.{}{difference}", column.name);
            return Err(places.fault(name, &column.name, message));
        }
    }
    if let Some(extra) = expected.columns.iter().find(|column| declared.column(&column.name).is_none()) {
        let message = format!(
            "the mapping leads to a column {name}.{}, which version {version} does not declare; add a drop_column or \
             rename_column, or declare it",
            extra.name
        );
        return Err(places.fault(name, "", message));
    }
    if declared.key != expected.key {
        let message = format!(
            "version {version} declares the key of {name} as {}, but the mapping leads to {}; a key can be renamed, \
             not changed",
            declared.key.join(", "),
            expected.key.join(", ")
        );
        return Err(places.fault(name, ".key", message));
    }
    if let Some((part, difference)) = constraints::difference(expected, declared) {
        return Err(places.fault(name, part, format!("version {version} declares for {name} {difference}")));
    }
    Ok(())
}

/// What differs between the column to which the mapping leads, if to any, and the declared one.
fn difference(expected: Option<&Column>, declared: &Column) -> Option<String> {
    let null = |nullable: bool| if nullable { "null = true" } else { "not null" };
    match expected {
        None => Some(
            ", but the mapping does not lead to it; add an operation such as add_column, or take the column out"
                .to_owned(),
        ),
        Some(expected) if expected.ty != declared.ty => Some(format!(
            " as {}, but the mapping leads to {}; add a change_type, or declare that type",
            declared.ty, expected.ty
        )),
        Some(expected) if expected.nullable != declared.nullable => Some(format!(
            " as {}, but the mapping leads to {}; add a require_column or allow_null, or declare it so",
            null(declared.nullable),
            null(expected.nullable)
        )),
        Some(_) => None,
    }
}

fn places_file(places: &Places) -> String {
    places.fault(&"".into(), "", "").file
}
