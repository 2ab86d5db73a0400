//! Joining and cutting texts as SQL expressions, to the same rules as `joined`.

use super::joined::{At, Joined};
use crate::ddl::Dialect;
use crate::ddl::quote::text;
use crate::ddl::views::ViewColumns;

/// One expression of two.
pub(super) fn together(joined: &Joined, columns: &mut ViewColumns) {
    let (left, right) = (columns.take(&joined.left.column), columns.take(&joined.right.column));
    let separator = text(&joined.separator);
    let expression = format!(
        "CASE WHEN {left} IS NULL AND {right} IS NULL THEN NULL \
         WHEN coalesce({right}, '') = '' THEN coalesce({left}, '') \
         WHEN coalesce({left}, '') = '' THEN {right} \
         ELSE {left} || {separator} || {right} END"
    );
    columns.set(&joined.whole.column, expression);
}

/// Two expressions of one. With [`At::Last`] the separator is one character; the loader sees to it.
pub(super) fn apart(joined: &Joined, columns: &mut ViewColumns, dialect: Dialect) {
    let whole = columns.take(&joined.whole.column);
    let separator = text(&joined.separator);
    let length = joined.separator.chars().count();
    let (found, left, right) = match (dialect, joined.at) {
        (Dialect::Sqlite, At::First) => {
            let at = format!("instr({whole}, {separator})");
            let left = format!("substr({whole}, 1, {at} - 1)");
            let right = format!("substr({whole}, {at} + {length})");
            (at, left, right)
        }
        (Dialect::Postgres, At::First) => {
            let at = format!("strpos({whole}, {separator})");
            let left = format!("left({whole}, {at} - 1)");
            let right = format!("substr({whole}, {at} + {length})");
            (at, left, right)
        }
        (Dialect::Sqlite, At::Last) => {
            // All that is no separator trimmed from the end leaves the text up to and with the last one.
            let head = format!("rtrim({whole}, replace({whole}, {separator}, ''))");
            let left = format!("substr({head}, 1, length({head}) - 1)");
            let right = format!("substr({whole}, length({head}) + 1)");
            (format!("length({head})"), left, right)
        }
        (Dialect::Postgres, At::Last) => {
            let back = format!("strpos(reverse({whole}), {separator})");
            let left = format!("left({whole}, length({whole}) - {back})");
            let right = format!("substr({whole}, length({whole}) - {back} + 2)");
            (back, left, right)
        }
    };
    columns.set(&joined.left.column, format!("CASE WHEN {found} = 0 THEN {whole} ELSE {left} END"));
    columns.set(&joined.right.column, format!("CASE WHEN {found} = 0 THEN '' ELSE {right} END"));
}
