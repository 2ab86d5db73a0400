//! `add_unique` and `drop_unique`: a list of columns of which no two rows have the same values, from here on or no more.

use journal_core::model::{Name, Table};

use super::super::Arguments;
use super::only_one;
use crate::error::SetError;

pub(super) fn add(arguments: &mut Arguments<'_>) -> Result<(), SetError> {
    let columns = arguments.columns("columns")?;
    if arguments.table.unique.contains(&columns) {
        return Err(arguments.fields.fault(format!("({}) is a unique key already", columns.join(", "))));
    }
    arguments.table.unique.push(columns);
    Ok(())
}

pub(super) fn drop(arguments: &mut Arguments<'_>) -> Result<(), SetError> {
    let columns = arguments.columns("columns")?;
    let before = arguments.table.unique.len();
    arguments.table.unique.retain(|unique| *unique != columns);
    if arguments.table.unique.len() == before {
        let known: Vec<String> = arguments.table.unique.iter().map(|unique| list(unique)).collect();
        return Err(arguments.fields.fault(format!(
            "{} has no unique key {}; it has {}",
            arguments.table.name,
            list(&columns),
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        )));
    }
    Ok(())
}

fn list(columns: &[Name]) -> String {
    format!("({})", columns.join(", "))
}

pub(super) fn difference(expected: &Table, declared: &Table) -> Option<String> {
    let (columns, declared) = only_one(&expected.unique, &declared.unique)?;
    let columns = list(columns);
    Some(match declared {
        true => format!("the unique key {columns}, but the mapping does not lead to it; add an add_unique"),
        false => format!("no unique key {columns}, but the mapping leads to it; add a drop_unique"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Pair, set_of};

    const PLAIN: &str =
        "[table.t]\nkey = [\"id\"]\n[table.t.columns]\nid = \"int\"\na = \"int\"\nb = \"text\"\n";
    const ADD: &str = "[[map]]\nop = \"add_unique\"\ntable = \"t\"\ncolumns = [\"a\", \"b\"]\n";

    fn unique(columns: &str) -> String {
        PLAIN.replace("[table.t.columns]", &format!("unique = [[{columns}]]\n[table.t.columns]"))
    }

    #[test]
    fn a_unique_key_comes_and_goes_and_rows_stay() {
        let keyed = unique("\"a\", \"b\"");
        Pair::of(set_of(&[(PLAIN, ""), (&keyed, ADD)]).expect("a good set")).holds_its_laws();
        let drop = ADD.replace("add_", "drop_");
        Pair::of(set_of(&[(&keyed, ""), (PLAIN, &drop)]).expect("a good set")).holds_its_laws();
    }

    #[test]
    fn a_unique_key_follows_the_name_of_its_column() {
        let newer = unique("\"c\"").replace("b = ", "c = ");
        let rename = "[[map]]\nop = \"rename_column\"\ntable = \"t\"\ncolumn = \"b\"\nto = \"c\"\n";
        set_of(&[(&unique("\"b\""), ""), (&newer, rename)]).expect("a good set");
    }

    #[test]
    fn unique_keys_that_the_mapping_does_not_lead_to_are_refused() {
        let keyed = unique("\"a\", \"b\"");
        let more = set_of(&[(PLAIN, ""), (&keyed, "")]).expect_err("a difference");
        assert_eq!((more.file.as_str(), more.line), ("2/schema.toml", 3), "{more}");
        assert!(more.message.contains("declares for t the unique key (a, b), but the mapping"), "{more}");
        let less = set_of(&[(&keyed, ""), (PLAIN, "")]).expect_err("a difference");
        assert!(less.message.contains("add a drop_unique"), "{less}");
        let twice = set_of(&[(&keyed, ""), (&keyed, ADD)]).expect_err("there already");
        assert!(twice.message.contains("(a, b) is a unique key already"), "{twice}");
        let none = set_of(&[(PLAIN, ""), (PLAIN, &ADD.replace("add_", "drop_"))]).expect_err("not there");
        assert!(none.message.contains("t has no unique key (a, b); it has none"), "{none}");
    }

    #[test]
    fn a_column_of_a_unique_key_cannot_be_dropped_from_under_it() {
        let newer = PLAIN.replace("b = \"text\"\n", "");
        let drop = "[[map]]\nop = \"drop_column\"\ntable = \"t\"\ncolumn = \"b\"\ndefault = \"\"\n";
        let error = set_of(&[(&unique("\"b\""), ""), (&newer, drop)]).expect_err("in use");
        assert!(error.message.contains("b is of the unique key (b); put a drop_unique before"), "{error}");
        let unkeyed = "[[map]]\nop = \"drop_unique\"\ntable = \"t\"\ncolumns = [\"b\"]\n".to_owned() + drop;
        set_of(&[(&unique("\"b\""), ""), (&newer, &unkeyed)]).expect("a good set");
    }
}
