//! Tables that a ledger keeps though its version does not have them: those that a later version creates, and those that an
//! earlier one had. So what is written at a version is at home in every ledger of the group, whatever its version.

use std::collections::BTreeMap;

use journal_core::model::{Name, Schema, SchemaVersion, Table};

use crate::set::Version;

/// The name under which a table lives on where it is not declared: `version` is the newer one of the step that creates
/// or drops it.
pub(crate) fn name(version: SchemaVersion, table: &str) -> Name {
    format!("kept_{version}_{table}").into()
}

/// Whether a table of this name is kept for other versions. No table of a set has such a name.
pub fn is_kept(name: &str) -> bool {
    name.strip_prefix("kept_").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// Gives each version the tables its ledger keeps, and lets them pass the steps between.
pub(crate) fn fill(versions: &mut [Version]) {
    let mut ledgers: Vec<Schema> = versions.iter().map(|version| version.schema().clone()).collect();
    let mut passing: Vec<Vec<Name>> = vec![Vec::new(); versions.len()];
    for at in 1..versions.len() {
        let Some(step) = versions[at].step() else { continue };
        let created =
            step.tables().iter().filter(|table| is_kept(&table.older) && table.older != table.newer);
        for table in created {
            let Some(mut below) = versions[at].schema().tables.get(&table.newer).cloned() else { continue };
            below.name = table.older.clone();
            for under in (0..at).rev() {
                below.parents = parents(versions, under + 1, under, &below, &ledgers);
                ledgers[under].tables.insert(below.name.clone(), below.clone());
                passing[under].push(below.name.clone());
            }
        }
        for dropped in step.dropped() {
            let mut above = dropped.clone();
            above.parents.retain(|parent| ledgers[at].tables.contains_key(&parent.table));
            for over in at..versions.len() {
                if over > at {
                    above.parents = parents(versions, over - 1, over, &above, &ledgers);
                    passing[over].push(above.name.clone());
                }
                ledgers[over].tables.insert(above.name.clone(), above.clone());
            }
        }
    }
    for ((version, ledger), passing) in versions.iter_mut().zip(ledgers).zip(passing) {
        version.set_ledger(ledger);
        if let Some(step) = version.step_mut() {
            passing.iter().for_each(|name| step.pass(name));
        }
    }
}

/// The references that a kept table still has at the neighbouring version: those whose parent stands there with a key of
/// the same types. What the others refer to has another form there.
fn parents(
    versions: &[Version],
    from: usize,
    to: usize,
    table: &Table,
    ledgers: &[Schema],
) -> Vec<journal_core::model::Parent> {
    let Some(step) = versions[from.max(to)].step() else { return Vec::new() };
    let names: BTreeMap<&Name, &Name> = step
        .tables()
        .iter()
        .map(|table| (&table.older, &table.newer))
        .chain(step.groups().iter().map(|group| (&group.older_root, &group.newer_root)))
        .map(|(older, newer)| if from < to { (older, newer) } else { (newer, older) })
        .collect();
    let carried = table.parents.iter().filter_map(|parent| {
        let name = match is_kept(&parent.table) {
            true => &parent.table,
            false => *names.get(&parent.table)?,
        };
        let other = ledgers[to].tables.get(name)?;
        let types = |table: &Table, columns: &[Name]| -> Vec<_> {
            columns.iter().map(|column| table.column(column).map(|column| column.ty)).collect()
        };
        let same = types(table, &parent.columns) == types(other, &other.key);
        same.then(|| journal_core::model::Parent { columns: parent.columns.clone(), table: name.clone() })
    });
    carried.collect()
}
