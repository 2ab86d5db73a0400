//! Which operations of a mapping have to do with some tables and columns, with their lines. Reads the mapping's text
//! again, since loaded operations no longer know where they stood.

use journal_core::model::{Name, SchemaVersion};
use toml::de::{DeTable, DeValue};

use super::report::Suspect;
use crate::set::SchemaSet;

/// The operations of the step to version `newer`: those that name one of the columns if there are any, else those that
/// name one of the tables, else all.
pub(super) fn suspects(
    set: &SchemaSet,
    newer: SchemaVersion,
    tables: &[Name],
    columns: &[Name],
) -> Vec<Suspect> {
    let operations = operations(set, newer).unwrap_or_default();
    let naming = |names: &[Name]| -> Vec<&Operation> {
        let named =
            |operation: &&Operation| names.iter().any(|name| operation.words.contains(&name.to_string()));
        operations.iter().filter(named).collect()
    };
    let both: Vec<&Operation> = naming(columns);
    let found =
        [both, naming(tables), operations.iter().collect()].into_iter().find(|found| !found.is_empty());
    found.unwrap_or_default().into_iter().map(|operation| operation.suspect.clone()).collect()
}

struct Operation {
    suspect: Suspect,
    /// Every word of its texts, names among them.
    words: Vec<String>,
}

fn operations(set: &SchemaSet, newer: SchemaVersion) -> Option<Vec<Operation>> {
    let text = set.version(newer)?.source().files.get("mapping.toml")?;
    let document = DeTable::parse(text).ok()?;
    let list = document.get_ref().get("map")?.get_ref().as_array()?;
    let operations = list.iter().filter_map(|item| {
        let op = item.get_ref().as_table()?.get("op")?.get_ref().as_str()?.to_owned();
        // A table under its own header begins behind it.
        let before = &text[..item.span().start];
        let line = before.matches('\n').count() + 1;
        let mut words = Vec::new();
        collect(item.get_ref(), &mut words);
        Some(Operation { suspect: Suspect { file: format!("{newer}/mapping.toml"), line, op }, words })
    });
    Some(operations.collect())
}

fn collect(value: &DeValue<'_>, words: &mut Vec<String>) {
    match value {
        DeValue::String(text) => {
            let word = |part: &str| (!part.is_empty()).then(|| part.to_owned());
            let parts = text.split(|part: char| !part.is_ascii_alphanumeric() && part != '_');
            words.extend(parts.filter_map(word));
        }
        DeValue::Array(items) => items.iter().for_each(|item| collect(item.get_ref(), words)),
        DeValue::Table(table) => {
            for (key, value) in table.iter() {
                words.push(key.get_ref().to_string());
                collect(value.get_ref(), words);
            }
        }
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}
