//! Reads `mapping.toml`: the operations that lead from the version before to this one, and checks that they lead
//! exactly there.

use std::collections::{BTreeMap, BTreeSet};

use journal_core::model::{Column, Name, Schema, Table};

use super::reader::{Fields, Node};
use super::source::MAPPING_FILE;
use super::tables::{Places, Read};
use crate::error::SetError;
use crate::ops::{Arguments, Operation, constraints};
use crate::step::{Step, TableStep};

/// A table on its way from the older version to the newer one.
struct Draft {
    older: Name,
    table: Table,
    operations: Vec<Box<dyn Operation>>,
}

/// Reads the mapping's text (none: nothing changes) and checks it against the newer version.
pub(super) fn read(older: &Schema, newer: &Read, text: Option<&str>) -> Result<Step, SetError> {
    let mut drafts: BTreeMap<Name, Draft> = older
        .tables
        .values()
        .map(|table| {
            let draft = Draft { older: table.name.clone(), table: table.clone(), operations: Vec::new() };
            (table.name.clone(), draft)
        })
        .collect();
    if let Some(text) = text {
        let file: Name = format!("{}/{MAPPING_FILE}", newer.schema.version).into();
        let root = super::reader::read(&file, text)?;
        let mut fields = Fields::new(&root, "the file")?;
        for node in fields.optional("map").map(|map| map.list("map")).transpose()?.unwrap_or_default() {
            apply(&mut drafts, newer, node)?;
        }
        fields.finish("[[map]]")?;
    }
    for draft in drafts.values() {
        compare(&draft.table, newer)?;
    }
    if let Some(table) = newer.schema.tables.keys().find(|name| !drafts.contains_key(*name)) {
        let message = format!(
            "table {table} is new in version {}; the mapping leads to {}. This release maps tables one to one and \
             cannot create one between versions: declare it in version 1, or rename the table it was",
            newer.schema.version,
            drafts.keys().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
        );
        return Err(newer.places.fault(table, "", message));
    }
    let tables = drafts.into_values().map(|draft| TableStep {
        older: draft.older,
        newer: draft.table.name,
        operations: draft.operations,
    });
    Ok(Step::new(tables.collect()))
}

fn apply(drafts: &mut BTreeMap<Name, Draft>, newer: &Read, node: &Node) -> Result<(), SetError> {
    let mut fields = Fields::new(node, "an operation")?;
    let operation = fields.required("op")?.text("op")?;
    let table_node = fields.required("table")?;
    let name = table_node.text("table")?;
    let Some(mut draft) = drafts.remove(name) else {
        let known = drafts.keys().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
        return Err(table_node
            .fault(format!("at this place of the mapping there is no table {name:?}; there are {known}")));
    };
    let mut arguments = Arguments {
        fields: Fields::new(node, operation)?,
        version: newer.schema.version,
        table: draft.table,
    };
    for key in ["op", "table"] {
        arguments.fields.optional(key);
    }
    draft.operations.push(crate::ops::read(operation, &mut arguments)?);
    arguments.fields.finish("those that docs/schema-sets.md lists for it")?;
    check_cells(&draft.operations, &arguments.table, node)?;
    if drafts.contains_key(&arguments.table.name) {
        return Err(node.fault(format!(
            "there is a table {:?} already at this place of the mapping",
            arguments.table.name
        )));
    }
    draft.table = arguments.table;
    let renamed = draft.table.name.clone();
    for parent in drafts.values_mut().chain([&mut draft]).flat_map(|other| &mut other.table.parents) {
        if parent.table.as_ref() == name {
            parent.table = renamed.clone();
        }
    }
    drafts.insert(draft.table.name.clone(), draft);
    Ok(())
}

/// Two operations of one step must not keep different things under one name.
fn check_cells(operations: &[Box<dyn Operation>], table: &Table, node: &Node) -> Result<(), SetError> {
    let (mut up, mut down) = (BTreeSet::new(), BTreeSet::new());
    for operation in operations {
        let lineage = operation.lineage();
        let twice = lineage.kept_up.into_iter().find(|cell| !up.insert(cell.clone()));
        let twice = twice.or_else(|| lineage.kept_down.into_iter().find(|cell| !down.insert(cell.clone())));
        if let Some((_, column)) = twice.as_deref().and_then(|cell| cell.split_once(':')) {
            return Err(node.fault(format!(
                "two operations of this version would keep what they drop of {}.{column} under one name; \
                 put the second one into a version of its own",
                table.name
            )));
        }
    }
    Ok(())
}

/// The mapping leads to the columns that the newer version declares, and to its key.
fn compare(expected: &Table, newer: &Read) -> Result<(), SetError> {
    let (version, places) = (newer.schema.version, &newer.places);
    let name = &expected.name;
    let Some(declared) = newer.schema.tables.get(name) else {
        let message = format!(
            "the mapping leads to a table {name}, which version {version} does not declare; declare it, or rename it \
             with rename_table. This release cannot drop a table between versions"
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
