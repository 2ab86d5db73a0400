//! `add_check` and `drop_check`: a condition that every row meets, from here on or no more.

use journal_core::model::{Table, schema::Check};

use super::super::Arguments;
use super::only_one;
use crate::error::SetError;
use crate::expr::Expression;
use crate::set::tables;

pub(super) fn add(arguments: &mut Arguments<'_>) -> Result<(), SetError> {
    let check = tables::check(&mut arguments.fields)?;
    let columns = &arguments.table.columns;
    Expression::condition(&check.that, columns).map_err(|fault| arguments.fields.fault(fault))?;
    if arguments.table.checks.iter().any(|known| known.name == check.name) {
        return Err(arguments.fields.fault(format!("there is a check {} already", check.name)));
    }
    arguments.table.checks.push(check);
    Ok(())
}

pub(super) fn drop(arguments: &mut Arguments<'_>) -> Result<(), SetError> {
    let node = arguments.fields.required("name")?;
    let name = node.text("name")?;
    let before = arguments.table.checks.len();
    arguments.table.checks.retain(|check| check.name.as_ref() != name);
    if arguments.table.checks.len() == before {
        return Err(node.fault(format!("{} has no check {name:?}", arguments.table.name)));
    }
    Ok(())
}

pub(super) fn difference(expected: &Table, declared: &Table) -> Option<String> {
    let (check, declared) = only_one(&expected.checks, &declared.checks)?;
    let Check { name, that } = check;
    Some(match declared {
        true => format!("the check {name}: {that}, but the mapping does not lead to it; add an add_check"),
        false => format!("no check {name}: {that}, but the mapping leads to it; add a drop_check"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Pair, set_of};

    const PLAIN: &str =
        "[table.t]\nkey = [\"id\"]\n[table.t.columns]\nid = \"int\"\nfee = \"decimal(9,2)\"\n";
    const ADD: &str =
        "[[map]]\nop = \"add_check\"\ntable = \"t\"\nname = \"fee_is_paid\"\nthat = \"fee > 0.50\"\n";
    const DROP: &str = "[[map]]\nop = \"drop_check\"\ntable = \"t\"\nname = \"fee_is_paid\"\n";

    fn checked(that: &str) -> String {
        let checks = format!("checks = [{{ name = \"fee_is_paid\", that = \"{that}\" }}]\n[table.t.columns]");
        PLAIN.replace("[table.t.columns]", &checks)
    }

    #[test]
    fn a_check_comes_and_goes_and_rows_stay() {
        // Written otherwise, it is the same.
        let newer = checked("(FEE > 0.50)");
        Pair::of(set_of(&[(PLAIN, ""), (&newer, ADD)]).expect("a good set")).holds_its_laws();
        Pair::of(set_of(&[(&newer, ""), (PLAIN, DROP)]).expect("a good set")).holds_its_laws();
    }

    #[test]
    fn a_check_follows_the_name_of_its_column() {
        let newer = checked("price > 0.50").replace("fee = ", "price = ");
        let rename = "[[map]]\nop = \"rename_column\"\ntable = \"t\"\ncolumn = \"fee\"\nto = \"price\"\n";
        set_of(&[(&checked("fee > 0.50"), ""), (&newer, rename)]).expect("a good set");
    }

    #[test]
    fn checks_that_the_mapping_does_not_lead_to_are_refused() {
        let more = set_of(&[(PLAIN, ""), (&checked("fee > 0.50"), "")]).expect_err("a difference");
        assert_eq!((more.file.as_str(), more.line), ("2/schema.toml", 3), "{more}");
        assert!(
            more.message.contains("for t the check fee_is_paid: (fee > 0.50), but the mapping"),
            "{more}"
        );
        let other = set_of(&[(PLAIN, ""), (&checked("fee > 1"), ADD)]).expect_err("another condition");
        assert!(other.message.contains("the check fee_is_paid: (fee > 1), but"), "{other}");
        let less = set_of(&[(&checked("fee > 0.50"), ""), (PLAIN, "")]).expect_err("a difference");
        assert!(less.message.contains("add a drop_check"), "{less}");
        let wrong = set_of(&[(&checked("fee + 1"), "")]).expect_err("no condition");
        assert!(wrong.message.contains("check fee_is_paid: the expression is decimal"), "{wrong}");
    }

    #[test]
    fn a_column_of_a_check_cannot_be_dropped_from_under_it() {
        let newer = PLAIN.replace("fee = \"decimal(9,2)\"\n", "");
        let drop = "[[map]]\nop = \"drop_column\"\ntable = \"t\"\ncolumn = \"fee\"\ndefault = \"0\"\n";
        let error = set_of(&[(&checked("fee > 0"), ""), (&newer, drop)]).expect_err("in use");
        assert!(
            error.message.contains("fee is of the check fee_is_paid; put a drop_check before"),
            "{error}"
        );
        set_of(&[(&checked("fee > 0"), ""), (&newer, &format!("{DROP}{drop}"))]).expect("a good set");
    }
}
