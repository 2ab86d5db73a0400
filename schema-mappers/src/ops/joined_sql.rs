//! Joining and cutting texts as SQL expressions, to the same rules as `joined`.

use super::joined::{At, Joined};
use crate::ddl::Dialect;
use crate::ddl::quote::{same, text};
use crate::ddl::views::ViewColumns;

/// One expression of two; the whole that is kept, where it is cut into just these two.
pub(super) fn together(joined: &Joined, columns: &mut ViewColumns, dialect: Dialect) {
    let (left, right) = (columns.take(&joined.left.column), columns.take(&joined.right.column));
    let kept = columns.kept(&joined.whole.cell, joined.whole.ty);
    let (kept_left, kept_right) = cut(joined, &kept.value, dialect);
    let plain = join(joined, &left, &right);
    let expression = format!(
        "CASE WHEN {} AND {} AND {} THEN {} ELSE {plain} END",
        kept.there,
        same(&kept_left, &left, dialect),
        same(&kept_right, &right, dialect),
        kept.value
    );
    columns.set(&joined.whole.column, expression);
}

/// Two expressions of one; the parts that are kept, where they join to just this one. With [`At::Last`] the separator is
/// one character; the loader sees to it.
pub(super) fn apart(joined: &Joined, columns: &mut ViewColumns, dialect: Dialect) {
    let whole = columns.take(&joined.whole.column);
    let kept_left = columns.kept(&joined.left.cell, joined.left.ty);
    let kept_right = columns.kept(&joined.right.cell, joined.right.ty);
    let again = join(joined, &kept_left.value, &kept_right.value);
    let valid = format!("{} AND {} AND {}", kept_left.there, kept_right.there, same(&again, &whole, dialect));
    let (left, right) = cut(joined, &whole, dialect);
    let either = |kept: String, plain: String| format!("CASE WHEN {valid} THEN {kept} ELSE {plain} END");
    columns.set(&joined.left.column, either(kept_left.value, left));
    columns.set(&joined.right.column, either(kept_right.value, right));
}

fn join(joined: &Joined, left: &str, right: &str) -> String {
    let separator = text(&joined.separator);
    format!(
        "CASE WHEN {left} IS NULL AND {right} IS NULL THEN NULL \
         WHEN coalesce({right}, '') = '' THEN coalesce({left}, '') \
         WHEN coalesce({left}, '') = '' THEN {right} \
         ELSE {left} || {separator} || {right} END"
    )
}

fn cut(joined: &Joined, whole: &str, dialect: Dialect) -> (String, String) {
    let separator = text(&joined.separator);
    let length = joined.separator.chars().count();
    let (found, left, right) = match (dialect, joined.at) {
        (Dialect::Sqlite | Dialect::MariaDb, At::First) => {
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
        (Dialect::MariaDb, At::Last) => {
            let back = format!("instr(reverse({whole}), {separator})");
            let left = format!("left({whole}, char_length({whole}) - {back})");
            let right = format!("substr({whole}, char_length({whole}) - {back} + 2)");
            (back, left, right)
        }
        (Dialect::Postgres, At::Last) => {
            let back = format!("strpos(reverse({whole}), {separator})");
            let left = format!("left({whole}, length({whole}) - {back})");
            let right = format!("substr({whole}, length({whole}) - {back} + 2)");
            (back, left, right)
        }
    };
    (
        format!("CASE WHEN {found} = 0 THEN {whole} ELSE {left} END"),
        format!("CASE WHEN {found} = 0 THEN '' ELSE {right} END"),
    )
}
