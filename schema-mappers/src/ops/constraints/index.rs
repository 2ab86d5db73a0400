//! `add_index` and `drop_index`: an index by its name, from here on or no more.

use journal_core::model::{Table, schema::Index};

use super::super::Arguments;
use super::only_one;
use crate::error::SetError;
use crate::expr::Expression;
use crate::set::tables;

pub(super) fn add(arguments: &mut Arguments<'_>) -> Result<(), SetError> {
    let index = tables::index(&mut arguments.fields)?;
    for column in &index.columns {
        arguments.existing(column)?;
    }
    if let Some(condition) = &index.condition {
        let columns = &arguments.table.columns;
        Expression::condition(condition, columns).map_err(|fault| arguments.fields.fault(fault))?;
    }
    if arguments.table.indexes.iter().any(|known| known.name == index.name) {
        return Err(arguments.fields.fault(format!("there is an index {} already", index.name)));
    }
    arguments.table.indexes.push(index);
    Ok(())
}

pub(super) fn drop(arguments: &mut Arguments<'_>) -> Result<(), SetError> {
    let node = arguments.fields.required("name")?;
    let name = node.text("name")?;
    let before = arguments.table.indexes.len();
    arguments.table.indexes.retain(|index| index.name.as_ref() != name);
    if arguments.table.indexes.len() == before {
        return Err(node.fault(format!("{} has no index {name:?}", arguments.table.name)));
    }
    Ok(())
}

pub(super) fn difference(expected: &Table, declared: &Table) -> Option<String> {
    let (index, declared) = only_one(&expected.indexes, &declared.indexes)?;
    let Index { name, .. } = index;
    Some(match declared {
        true => format!("the index {name} as it is, but the mapping does not lead to it; add an add_index"),
        false => format!("no such index {name} as the mapping leads to; add a drop_index"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Pair, set_of};

    const PLAIN: &str =
        "[table.t]\nkey = [\"id\"]\n[table.t.columns]\nid = \"int\"\na = \"int\"\nb = \"text\"\n";
    const ADD: &str =
        "[[map]]\nop = \"add_index\"\ntable = \"t\"\nname = \"by_a\"\ncolumns = [\"a\", \"b\"]\n";
    const DROP: &str = "[[map]]\nop = \"drop_index\"\ntable = \"t\"\nname = \"by_a\"\n";

    fn indexed(columns: &str) -> String {
        let indexes = format!("indexes = [{{ name = \"by_a\", columns = [{columns}] }}]\n[table.t.columns]");
        PLAIN.replace("[table.t.columns]", &indexes)
    }

    #[test]
    fn an_index_comes_and_goes_and_rows_stay() {
        let newer = indexed("\"a\", \"b\"");
        Pair::of(set_of(&[(PLAIN, ""), (&newer, ADD)]).expect("a good set")).holds_its_laws();
        Pair::of(set_of(&[(&newer, ""), (PLAIN, DROP)]).expect("a good set")).holds_its_laws();
    }

    #[test]
    fn indexes_that_the_mapping_does_not_lead_to_are_refused() {
        let more = set_of(&[(PLAIN, ""), (&indexed("\"a\", \"b\""), "")]).expect_err("a difference");
        assert_eq!((more.file.as_str(), more.line), ("2/schema.toml", 3), "{more}");
        assert!(more.message.contains("for t the index by_a as it is, but the mapping"), "{more}");
        let other = set_of(&[(PLAIN, ""), (&indexed("\"b\""), ADD)]).expect_err("another index");
        assert!(other.message.contains("the index by_a as it is"), "{other}");
        let less = set_of(&[(&indexed("\"a\""), ""), (PLAIN, "")]).expect_err("a difference");
        assert!(less.message.contains("add a drop_index"), "{less}");
        let none = set_of(&[(PLAIN, ""), (PLAIN, DROP)]).expect_err("not there");
        assert!(none.message.contains("t has no index \"by_a\""), "{none}");
    }
}
