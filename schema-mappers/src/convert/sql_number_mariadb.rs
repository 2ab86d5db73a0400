//! Numbers, and texts that are numbers, as MariaDB's expressions of another type. What does not fit is found before it is
//! cast: a cast goes to the nearest value in silence, and in a check of a table it fails the statement.

use journal_core::model::Type;

use super::sql::fitting;
use super::sql_number::{DIGITS_MAX, power_of_ten};
use crate::ddl::Dialect;
use crate::ddl::mariadb::{cast_name, cast_text, is_of_form};

/// The end of a text in a regular expression. A dollar sign also stands before a line's end there.
pub(super) const AT_END: &str = "(?!(?s:.))";

/// Among whole numbers, decimals and texts.
pub(super) fn convert(e: &str, from: Type, to: Type) -> String {
    let fits = |text: String, max| fitting(text, max, Dialect::MariaDb);
    match (from, to) {
        (Type::Text { max }, Type::Text { max: wanted }) => {
            fits(e.to_owned(), wanted.filter(|wanted| max.is_none_or(|max| max > *wanted)))
        }
        (Type::Int | Type::Decimal { scale: 0, .. }, Type::Text { max }) => fits(cast_text(e), max),
        // Without trailing zeros, as decimals are written everywhere in the journal.
        (Type::Decimal { .. }, Type::Text { max }) => {
            fits(format!("trim(TRAILING '.' FROM trim(TRAILING '0' FROM {}))", cast_text(e)), max)
        }
        (Type::Int | Type::Decimal { .. }, Type::Decimal { precision, scale }) => {
            decimal(&wide(e, from), precision, scale)
        }
        (Type::Decimal { .. }, Type::Int) => int(e),
        (Type::Text { .. }, Type::Int) => {
            // No text of more digits is cast.
            let form = format!("^[+-]?0*[0-9]{{1,19}}{AT_END}");
            written(e, &form, &int(&format!("CAST({e} AS DECIMAL(20,0))")))
        }
        (Type::Text { .. }, Type::Decimal { precision, scale }) => {
            let whole = match precision - scale {
                0 => "0+".to_owned(),
                digits => format!("0*[0-9]{{1,{digits}}}"),
            };
            let form = format!("^[+-]?{whole}([.](?=[0-9])[0-9]{{0,{scale}}}0*)?{AT_END}");
            written(e, &form, &format!("CAST({e} AS {})", cast_name(to)))
        }
        _ => e.to_owned(),
    }
}

/// A text of a form, of which a number is made.
fn written(e: &str, form: &str, number: &str) -> String {
    format!(
        "CASE WHEN char_length({e}) <= {DIGITS_MAX} THEN CASE WHEN {} THEN {number} END END",
        is_of_form(e, form)
    )
}

/// The smallest of the whole numbers of 64 bits has no absolute value among them.
fn wide(e: &str, from: Type) -> String {
    if from == Type::Int { format!("CAST({e} AS DECIMAL(20,0))") } else { e.to_owned() }
}

fn decimal(e: &str, precision: u16, scale: u16) -> String {
    let bound = power_of_ten(precision - scale);
    let ty = cast_name(Type::Decimal { precision, scale });
    format!("CASE WHEN {e} = truncate({e}, {scale}) AND abs({e}) < {bound} THEN CAST({e} AS {ty}) END")
}

fn int(e: &str) -> String {
    format!(
        "CASE WHEN {e} = truncate({e}, 0) AND {e} BETWEEN {} AND {} THEN CAST({e} AS SIGNED) END",
        i64::MIN,
        i64::MAX
    )
}

/// Between floats and numbers. `most` is the largest whole number up to which floats are whole numbers.
pub(super) fn convert_float(e: &str, from: Type, to: Type, most: &str) -> String {
    match (from, to) {
        (Type::Int, _) => format!("CASE WHEN {e} BETWEEN -{most} AND {most} THEN CAST({e} AS DOUBLE) END"),
        (Type::Decimal { .. }, _) => format!("CAST({e} AS DOUBLE)"),
        (_, Type::Int) => format!(
            "CASE WHEN {e} BETWEEN -{most} AND {most} AND {e} = truncate({e}, 0) THEN CAST({e} AS SIGNED) END"
        ),
        (_, Type::Decimal { precision, scale }) => {
            let bound = power_of_ten(precision - scale);
            let cast = format!("CAST({e} AS {})", cast_name(to));
            // At most 15 digits: the one decimal that reads as this float.
            format!(
                "CASE WHEN abs({e}) < {bound} THEN CASE WHEN CAST({cast} AS DOUBLE) = {e} THEN {cast} END END"
            )
        }
        _ => "NULL".to_owned(),
    }
}

/// A decimal with fewer digits behind the point.
pub(super) fn rounded(e: &str, wanted: u16, to: Type, half_up: bool) -> String {
    let act = if half_up { "round" } else { "truncate" };
    let rounded = format!("{act}({e}, {wanted})");
    match to {
        Type::Decimal { precision, scale } => decimal(&rounded, precision, scale),
        _ => int(&rounded),
    }
}
