//! `add_reference` and `drop_reference`: columns that refer to the primary key of a parent, from here on or no more.

use journal_core::model::{Parent, Table};

use super::super::Arguments;
use super::only_one;
use crate::error::SetError;

pub(super) fn add(arguments: &mut Arguments<'_>) -> Result<(), SetError> {
    let parent = read(arguments)?;
    if arguments.table.parents.contains(&parent) {
        return Err(arguments.fields.fault(format!("{} is there already", told(&parent))));
    }
    // Whether the parent is there, and its key fits, is checked in the version that the mapping leads to.
    arguments.table.parents.push(parent);
    Ok(())
}

pub(super) fn drop(arguments: &mut Arguments<'_>) -> Result<(), SetError> {
    let parent = read(arguments)?;
    let before = arguments.table.parents.len();
    arguments.table.parents.retain(|known| *known != parent);
    if arguments.table.parents.len() == before {
        let known: Vec<String> = arguments.table.parents.iter().map(told).collect();
        return Err(arguments.fields.fault(format!(
            "{} does not have {}; it has {}",
            arguments.table.name,
            told(&parent),
            if known.is_empty() { "no reference".to_owned() } else { known.join(", ") }
        )));
    }
    Ok(())
}

fn read(arguments: &mut Arguments<'_>) -> Result<Parent, SetError> {
    let columns = arguments.columns("columns")?;
    let table = arguments.fields.required("parent")?.text("parent")?.into();
    Ok(Parent { columns, table })
}

fn told(parent: &Parent) -> String {
    format!("the reference ({}) to {}", parent.columns.join(", "), parent.table)
}

pub(super) fn difference(expected: &Table, declared: &Table) -> Option<String> {
    let (parent, declared) = only_one(&expected.parents, &declared.parents)?;
    let told = told(parent);
    Some(match declared {
        true => format!("{told}, but the mapping does not lead to it; add an add_reference"),
        false => format!("nothing of {told}, but the mapping leads to it; add a drop_reference"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Pair, set_of};

    const FREE: &str = "[table.t]\nkey = [\"id\"]\n[table.t.columns]\nid = \"int\"\nup = \"int\"\n\
                        [table.above]\nkey = [\"id\"]\n[table.above.columns]\nid = \"int\"\n";
    const ADD: &str =
        "[[map]]\nop = \"add_reference\"\ntable = \"t\"\ncolumns = [\"up\"]\nparent = \"above\"\n";

    fn bound() -> String {
        FREE.replacen(
            "[table.t.columns]",
            "parents = [{ columns = [\"up\"], table = \"above\" }]\n[table.t.columns]",
            1,
        )
    }

    #[test]
    fn a_reference_comes_and_goes_and_rows_stay() {
        Pair::of(set_of(&[(FREE, ""), (&bound(), ADD)]).expect("a good set")).holds_its_laws();
        let drop = ADD.replace("add_", "drop_");
        Pair::of(set_of(&[(&bound(), ""), (FREE, &drop)]).expect("a good set")).holds_its_laws();
    }

    #[test]
    fn a_reference_follows_the_names_of_its_table_and_column() {
        let newer = bound().replace("\"above\"", "\"over\"").replace("table.above", "table.over");
        let newer = newer.replace("up = ", "over_id = ").replace("\"up\"", "\"over_id\"");
        let renames = "[[map]]\nop = \"rename_table\"\ntable = \"above\"\nto = \"over\"\n\
                       [[map]]\nop = \"rename_column\"\ntable = \"t\"\ncolumn = \"up\"\nto = \"over_id\"\n";
        set_of(&[(&bound(), ""), (&newer, renames)]).expect("a good set");
    }

    #[test]
    fn references_that_the_mapping_does_not_lead_to_are_refused() {
        let more = set_of(&[(FREE, ""), (&bound(), "")]).expect_err("a difference");
        assert_eq!((more.file.as_str(), more.line), ("2/schema.toml", 3), "{more}");
        assert!(more.message.contains("for t the reference (up) to above, but the mapping"), "{more}");
        let less = set_of(&[(&bound(), ""), (FREE, "")]).expect_err("a difference");
        assert!(less.message.contains("add a drop_reference"), "{less}");
        let none = set_of(&[(FREE, ""), (FREE, &ADD.replace("add_", "drop_"))]).expect_err("not there");
        assert!(
            none.message.contains("t does not have the reference (up) to above; it has no reference"),
            "{none}"
        );
    }
}
