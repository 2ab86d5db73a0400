//! `split_column`: a text column of the older side is two on the newer one.

use journal_core::model::{Column, Row, Type};

use super::joined::{At, End, Joined};
use super::{Arguments, Lineage, Operation, joined_sql};
use crate::complement::cell;
use crate::ddl::Dialect;
use crate::ddl::views::ViewColumns;
use crate::error::{CannotMap, SetError};
use crate::image::Image;

#[derive(Debug)]
struct SplitColumn(Joined);

pub(super) fn read(arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    let whole = arguments.plain_column("column")?;
    text_only(arguments, &whole)?;
    let node = arguments.fields.required("into")?;
    let into = node.texts("into")?;
    let [left, right] = into.as_slice() else {
        return Err(node.fault("into names two columns, such as [\"first_name\", \"last_name\"]"));
    };
    arguments.take_out(&whole.name)?;
    let mut part = |name: &str| {
        let name = arguments.free(name).map_err(|message| node.fault(message))?;
        arguments.table.columns.push(Column { name: name.clone(), ..whole.clone() });
        Ok(End { cell: cell(arguments.version, &name), column: name, ty: whole.ty })
    };
    let (left, right) = (part(left)?, part(right)?);
    let whole = End { cell: cell(arguments.version, &whole.name), column: whole.name, ty: whole.ty };
    let (separator, at) = separator(arguments)?;
    Ok(Box::new(SplitColumn(Joined { whole, left, right, separator, at })))
}

/// The separator and where it counts, as `split_column` and `merge_columns` give them.
pub(super) fn separator(arguments: &mut Arguments<'_>) -> Result<(String, At), SetError> {
    let node = arguments.fields.required("separator")?;
    let separator = node.text("separator")?.to_owned();
    if separator.is_empty() || separator.contains('\0') {
        return Err(node.fault("separator must not be empty; it tells where the text is cut"));
    }
    let node = arguments.fields.required("at")?;
    let at = match node.text("at")? {
        "first" => At::First,
        "last" => At::Last,
        _ => {
            return Err(
                node.fault("at is \"first\" or \"last\": the separator at which a text with several is cut")
            );
        }
    };
    if at == At::Last && separator.chars().count() > 1 {
        return Err(node
            .fault("at = \"last\" needs a separator of one character; views could not cut by a longer one"));
    }
    Ok((separator, at))
}

pub(super) fn text_only(arguments: &Arguments<'_>, column: &Column) -> Result<(), SetError> {
    if matches!(column.ty, Type::Text { .. }) {
        return Ok(());
    }
    Err(arguments
        .fields
        .fault(format!("column {} is {}; only text can be cut and joined", column.name, column.ty)))
}

impl Operation for SplitColumn {
    fn up(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        self.0.apart(image, given)
    }

    fn down(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        self.0.together(image, given)
    }

    fn down_sql(&self, columns: &mut ViewColumns, dialect: Dialect) {
        joined_sql::together(&self.0, columns, dialect);
    }

    fn lineage(&self) -> Lineage {
        Lineage {
            older: vec![self.0.whole.column.clone()],
            newer: self.0.part_columns(),
            kept_up: vec![self.0.whole.cell.clone()],
            kept_down: self.0.part_cells(),
        }
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Change, Row, Value};

    use super::super::testing::{Pair, fault, row};

    const OLDER: &str = "id = \"int\"\nname = \"text\"";
    const NEWER: &str = "id = \"int\"\nfirst = \"text\"\nlast = \"text\"";

    fn mapping(at: &str) -> String {
        format!(
            "op = \"split_column\"\ntable = \"t\"\ncolumn = \"name\"\ninto = [\"first\", \"last\"]\nseparator = \" \"\nat = \"{at}\""
        )
    }

    fn pair(at: &str) -> Pair {
        Pair::new(OLDER, NEWER, &mapping(at))
    }

    fn name(name: &str) -> Change {
        Change::insert("t", row(&[("id", 1.into()), ("name", name.into())]))
    }

    fn names(first: &str, last: &str) -> Change {
        Change::insert("t", row(&[("id", 1.into()), ("first", first.into()), ("last", last.into())]))
    }

    #[test]
    fn a_name_is_cut_at_the_chosen_blank() {
        assert_eq!(pair("last").up(name("MARY ANN SMITH")).change, names("MARY ANN", "SMITH"));
        assert_eq!(pair("first").up(name("MARY ANN SMITH")).change, names("MARY", "ANN SMITH"));
        assert_eq!(pair("last").up(name("CHER")).change, names("CHER", ""));
        assert_eq!(pair("last").down(names("CHER", "")).change, name("CHER"));
        pair("last").holds_its_laws();
        pair("first").holds_its_laws();
    }

    #[test]
    fn what_would_not_come_back_is_kept_and_nothing_else() {
        let pair = pair("last");
        assert!(pair.up(name("MARY SMITH")).complement.is_empty());
        assert_eq!(pair.up(name("CHER ")).complement.set, row(&[("2:name", "CHER ".into())]));
        assert!(pair.down(names("MARY ANN", "SMITH")).complement.is_empty());
        let van = pair.down(names("ANNA", "VAN DER BERG"));
        assert_eq!(van.change, name("ANNA VAN DER BERG"));
        assert_eq!(van.complement.set, row(&[("2:first", "ANNA".into()), ("2:last", "VAN DER BERG".into())]));
    }

    #[test]
    fn kept_parts_count_only_while_they_make_up_the_whole() {
        let pair = pair("last");
        let kept = row(&[("2:first", "ANNA".into()), ("2:last", "VAN DER BERG".into())]);
        let up = |text: &str| pair.row_up(row(&[("id", 1.into()), ("name", text.into())]), kept.clone());
        assert_eq!(up("ANNA VAN DER BERG").row, names("ANNA", "VAN DER BERG").cells);
        let stale = up("ANNA VAN BERG");
        assert_eq!(stale.row, names("ANNA VAN", "BERG").cells);
        assert_eq!(stale.complement, Row::new());
    }

    #[test]
    fn a_write_below_ends_what_was_kept_of_the_parts() {
        let change = Change::update("t", row(&[("id", 1.into())]), row(&[("name", "X Y".into())]));
        let same = pair("last").same_version(1, change);
        assert_eq!(same.complement.clear, ["2:first".into(), "2:last".into()]);
    }

    #[test]
    fn one_part_alone_goes_down_with_the_row_it_meets() {
        let half = Change::update("t", row(&[("id", 1.into())]), row(&[("first", "X".into())]));
        let stands = row(&[("id", 1.into()), ("name", "MARY SMITH".into())]);
        let images = pair("last").meets(false, &half, stands).expect("a way");
        assert_eq!(images[0].change.cells, row(&[("name", "X SMITH".into())]));
    }

    #[test]
    fn a_null_is_null_on_both_sides() {
        let pair = Pair::new(
            "id = \"int\"\nname = { type = \"text\", null = true }",
            "id = \"int\"\nfirst = { type = \"text\", null = true }\nlast = { type = \"text\", null = true }",
            &mapping("last"),
        );
        let up = pair.up(Change::insert("t", row(&[("id", 1.into()), ("name", Value::Null)])));
        assert_eq!(up.change.cells, row(&[("id", 1.into()), ("first", Value::Null), ("last", Value::Null)]));
        let down = pair.down(Change::insert("t", row(&[("id", 1.into()), ("last", "X".into())])));
        assert_eq!(down.change, name("X"));
        assert_eq!(down.complement.set, row(&[("2:first", Value::Null), ("2:last", "X".into())]));
        pair.holds_its_laws();
    }

    #[test]
    fn bad_splits_are_refused_where_they_stand() {
        let error = fault(OLDER, NEWER, &mapping("middle"));
        assert_eq!(error.line, 7);
        assert!(error.message.contains("at is \"first\" or \"last\""), "{error}");
        let error = fault(OLDER, NEWER, &mapping("last").replace("\" \"", "\", \""));
        assert!(error.message.contains("a separator of one character"), "{error}");
        let error = fault("id = \"int\"\nname = \"int\"", NEWER, &mapping("last"));
        assert!(error.message.contains("only text can be cut"), "{error}");
    }
}
