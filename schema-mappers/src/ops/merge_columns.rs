//! `merge_columns`: two text columns of the older side are one on the newer one.

use journal_core::model::{Column, Row, Type};

use super::joined::{End, Joined};
use super::split_column::{separator, text_only};
use super::{Arguments, Lineage, Operation, joined_sql};
use crate::complement::cell;
use crate::ddl::Dialect;
use crate::ddl::views::ViewColumns;
use crate::error::{CannotMap, SetError};
use crate::image::Image;

#[derive(Debug)]
struct MergeColumns(Joined);

pub(super) fn read(arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    let node = arguments.fields.required("columns")?;
    let columns = node.texts("columns")?;
    let [left, right] = columns.as_slice() else {
        return Err(node.fault("columns names two columns, such as [\"first_name\", \"last_name\"]"));
    };
    if left == right {
        return Err(node.fault("columns names the same column twice"));
    }
    let (left, right) = (arguments.existing(left)?, arguments.existing(right)?);
    for part in [&left, &right] {
        arguments.not_key(&part.name)?;
        text_only(arguments, part)?;
        arguments.take_out(&part.name)?;
    }
    let name = arguments.new_column("into")?;
    let ty = arguments.ty("type")?.unwrap_or(Type::Text { max: None });
    let whole = Column { name, ty, nullable: left.nullable && right.nullable };
    text_only(arguments, &whole)?;
    arguments.table.columns.push(whole.clone());
    let (separator, at) = separator(arguments)?;
    let end = |column: Column| End {
        cell: cell(arguments.version, &column.name),
        column: column.name,
        ty: column.ty,
    };
    Ok(Box::new(MergeColumns(Joined {
        whole: end(whole),
        left: end(left),
        right: end(right),
        separator,
        at,
    })))
}

impl Operation for MergeColumns {
    fn up(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        self.0.together(image, given)
    }

    fn down(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        self.0.apart(image, given)
    }

    fn down_sql(&self, columns: &mut ViewColumns, dialect: Dialect) {
        joined_sql::apart(&self.0, columns, dialect);
    }

    fn lineage(&self) -> Lineage {
        Lineage {
            older: self.0.part_columns(),
            newer: vec![self.0.whole.column.clone()],
            kept_up: self.0.part_cells(),
            kept_down: vec![self.0.whole.cell.clone()],
        }
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::Change;

    use super::super::testing::{Pair, fault, row};

    const OLDER: &str = "id = \"int\"\nlast = \"text(9)\"\nfirst = { type = \"text\", null = true }";

    fn mapping(at: &str) -> String {
        format!(
            "op = \"merge_columns\"\ntable = \"t\"\ncolumns = [\"last\", \"first\"]\ninto = \"name\"\nseparator = \",\"\nat = \"{at}\""
        )
    }

    fn pair(at: &str) -> Pair {
        Pair::new(OLDER, "id = \"int\"\nname = \"text\"", &mapping(at))
    }

    #[test]
    fn two_columns_become_one_and_two_again() {
        let pair = pair("first");
        let two =
            Change::insert("t", row(&[("id", 1.into()), ("last", "SMITH".into()), ("first", "MARY".into())]));
        let one = Change::insert("t", row(&[("id", 1.into()), ("name", "SMITH,MARY".into())]));
        assert_eq!(pair.up(two.clone()).change, one);
        assert_eq!(pair.down(one).change, two);
        assert_eq!(pair.together(1), [["first", "last"]]);
        pair.holds_its_laws();
        super::tests::pair("last").holds_its_laws();
    }

    #[test]
    fn parts_that_do_not_fit_are_not_cut_short() {
        let long = Change::insert("t", row(&[("id", 1.into()), ("name", "A-NAME-TOO-LONG,X".into())]));
        let fault = pair("first").down_fault(long);
        assert!(fault.contains("t.name: its parts do not fit last text(9) and first text"), "{fault}");
    }

    #[test]
    fn half_an_update_or_expectation_goes_up_with_the_row_it_meets() {
        let key = row(&[("id", 1.into())]);
        let stands = || row(&[("id", 1.into()), ("name", "X,Y".into())]);
        let half = Change::update("t", key.clone(), row(&[("last", "Z".into())]));
        let images = pair("first").meets(true, &half, stands()).expect("a way");
        assert_eq!(images[0].change.cells, row(&[("name", "Z,Y".into())]));
        let relying = half.expecting(row(&[("first", "W".into())]));
        let fault = pair("first").meets(true, &relying, stands()).expect_err("another first name");
        assert!(fault.to_string().contains("does not hold the old first"), "{fault}");
    }

    #[test]
    fn the_same_column_cannot_be_merged_with_itself() {
        let twice = mapping("first").replace("[\"last\", \"first\"]", "[\"last\", \"last\"]");
        let error = fault(OLDER, "id = \"int\"\nname = \"text\"", &twice);
        assert!(error.message.contains("the same column twice"), "{error}");
    }
}
