//! The root of some tables: the one that all others refer to, directly or not, by the beginning of their keys.

use journal_core::model::{Name, Table};

/// The root of a group's tables in one version.
///
/// # Errors
/// Which table has no place, and what would give it one.
pub(crate) fn root_of(tables: &[&Table]) -> Result<Name, String> {
    let above = |table: &Table| {
        let parents = table.parents.iter().filter(|parent| parent.table != table.name);
        let mut parents = parents.filter(|parent| table.key.starts_with(&parent.columns));
        parents.find(|parent| tables.iter().any(|other| other.name == parent.table)).cloned()
    };
    let heads: Vec<&&Table> = tables.iter().filter(|table| above(table).is_none()).collect();
    match heads.as_slice() {
        [root] => Ok(root.name.clone()),
        heads => {
            let names: Vec<&str> = heads.iter().map(|table| table.name.as_ref()).collect();
            Err(format!(
                "{} belong together here, so all but one must refer to it, or to one another, by the first columns of their \
                 keys: give the key of each member those columns and add the reference to its parents",
                names.join(" and ")
            ))
        }
    }
}
