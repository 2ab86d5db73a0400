//! Numbers, and texts that are numbers, as SQL expressions of another type.

use journal_core::model::Type;

use super::{sql, sql_number_mariadb};
use crate::ddl::Dialect;

/// Among whole numbers, decimals and texts.
pub(super) fn convert(expression: &str, from: Type, to: Type, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => postgres(expression, from, to),
        Dialect::Sqlite => sqlite(expression, from, to),
        Dialect::MariaDb => sql_number_mariadb::convert(expression, from, to),
    }
}

/// Between floats and numbers.
pub(super) fn convert_float(e: &str, from: Type, to: Type, dialect: Dialect) -> String {
    const MOST: &str = "9007199254740992";
    match (from, to, dialect) {
        (_, _, Dialect::MariaDb) => sql_number_mariadb::convert_float(e, from, to, MOST),
        (Type::Int, _, _) => {
            let ty = if dialect == Dialect::Sqlite { "REAL" } else { "double precision" };
            format!("CASE WHEN {e} BETWEEN -{MOST} AND {MOST} THEN CAST({e} AS {ty}) END")
        }
        (Type::Decimal { .. }, _, Dialect::Sqlite) => format!("CAST({e} AS REAL)"),
        (Type::Decimal { .. }, _, Dialect::Postgres) => format!("CAST({e} AS double precision)"),
        (_, Type::Int, Dialect::Sqlite) => format!(
            "CASE WHEN {e} BETWEEN -{MOST}.0 AND {MOST}.0 AND CAST(CAST({e} AS INTEGER) AS REAL) = {e} \
             THEN CAST({e} AS INTEGER) END"
        ),
        (_, Type::Int, Dialect::Postgres) => format!(
            "CASE WHEN {e} BETWEEN -{MOST} AND {MOST} AND {e} = trunc({e}) THEN CAST({e} AS bigint) END"
        ),
        (_, Type::Decimal { precision, scale }, Dialect::Sqlite) => {
            let bound = power_of_ten(precision - scale);
            let text = format!("printf('%.{scale}f', {e})");
            let zero = if scale == 0 { "0".to_owned() } else { format!("0.{}", "0".repeat(scale.into())) };
            format!(
                "CASE WHEN {e} = 0 THEN '{zero}' WHEN abs({e}) < {bound}.0 AND CAST({text} AS REAL) = {e} THEN {text} END"
            )
        }
        (_, Type::Decimal { precision, scale }, Dialect::Postgres) => {
            let number = postgres_decimal(&format!("CAST(CAST({e} AS text) AS numeric)"), precision, scale);
            format!("CASE WHEN abs({e}) < 1e300 THEN {number} END")
        }
        _ => "NULL".to_owned(),
    }
}

/// A stored decimal of at most 18 digits with fewer digits behind the point.
pub(super) fn sqlite_rounded(e: &str, scale: u16, to: Type, half_up: bool) -> String {
    let wanted = match to {
        Type::Decimal { scale, .. } => scale,
        _ => 0,
    };
    let (units, cut) = (format!("CAST(replace({e}, '.', '') AS INTEGER)"), scale - wanted);
    let power = power_of_ten(cut);
    let rounded = match half_up {
        false => format!("({units} / {power})"),
        true => {
            let half = format!("5{}", "0".repeat(usize::from(cut) - 1));
            format!("(({units} + CASE WHEN {units} < 0 THEN -{half} ELSE {half} END) / {power})")
        }
    };
    match to {
        Type::Decimal { precision, scale: 0 } => {
            let most = "9".repeat(precision.into());
            format!("CASE WHEN {rounded} BETWEEN -{most} AND {most} THEN CAST({rounded} AS TEXT) END")
        }
        Type::Decimal { precision, scale } => {
            let (most, power) = ("9".repeat(precision.into()), power_of_ten(scale));
            format!(
                "CASE WHEN {rounded} BETWEEN -{most} AND {most} THEN \
                 CASE WHEN {rounded} < 0 THEN '-' ELSE '' END || (abs({rounded}) / {power}) || '.' || \
                 substr('{power}' || (abs({rounded}) % {power}), -{scale}) END"
            )
        }
        _ => rounded,
    }
}

/// Longer texts are no decimals of the journal either.
pub(super) const DIGITS_MAX: usize = 1000;

pub(super) fn power_of_ten(exponent: u16) -> String {
    format!("1{}", "0".repeat(exponent.into()))
}

fn postgres(e: &str, from: Type, to: Type) -> String {
    let fits = |text: String, max| sql::fitting(text, max, Dialect::Postgres);
    match (from, to) {
        (Type::Text { max }, Type::Text { max: wanted }) => {
            let wanted = wanted.filter(|wanted| max.is_none_or(|max| max > *wanted));
            fits(e.to_owned(), wanted)
        }
        (Type::Int, Type::Text { max }) => fits(format!("CAST({e} AS text)"), max),
        // Without trailing zeros, as decimals are written everywhere in the journal.
        (Type::Decimal { .. }, Type::Text { max }) => fits(format!("CAST(trim_scale({e}) AS text)"), max),
        (Type::Int | Type::Decimal { .. }, Type::Decimal { precision, scale }) => {
            postgres_decimal(e, precision, scale)
        }
        (Type::Decimal { .. }, Type::Int) => postgres_int(e),
        (Type::Text { .. }, Type::Int) => {
            let number = format!("CAST({e} AS numeric)");
            format!(
                "CASE WHEN length({e}) <= {DIGITS_MAX} AND {e} ~ '^[+-]?[0-9]+$' THEN {} END",
                postgres_int(&number)
            )
        }
        (Type::Text { .. }, Type::Decimal { precision, scale }) => {
            let number = postgres_decimal(&format!("CAST({e} AS numeric)"), precision, scale);
            format!(
                "CASE WHEN length({e}) <= {DIGITS_MAX} AND {e} ~ '^[+-]?[0-9]+([.][0-9]+)?$' THEN {number} END"
            )
        }
        _ => e.to_owned(),
    }
}

fn postgres_decimal(e: &str, precision: u16, scale: u16) -> String {
    let bound = power_of_ten(precision - scale);
    // As numeric, because the smallest bigint has no absolute value among bigints.
    let e = format!("CAST({e} AS numeric)");
    format!(
        "CASE WHEN {e} = round({e}, {scale}) AND abs({e}) < CAST('{bound}' AS numeric) \
         THEN CAST({e} AS numeric({precision},{scale})) END"
    )
}

fn postgres_int(e: &str) -> String {
    format!(
        "CASE WHEN {e} = trunc({e}) AND {e} BETWEEN {} AND {} THEN CAST({e} AS bigint) END",
        i64::MIN,
        i64::MAX
    )
}

fn sqlite(e: &str, from: Type, to: Type) -> String {
    let fits = |text: String, max| sql::fitting(text, max, Dialect::Sqlite);
    match (from, to) {
        (Type::Text { max }, Type::Text { max: wanted }) => {
            let wanted = wanted.filter(|wanted| max.is_none_or(|max| max > *wanted));
            fits(e.to_owned(), wanted)
        }
        (Type::Int, Type::Text { max }) => fits(format!("CAST({e} AS TEXT)"), max),
        (Type::Decimal { scale: 0, .. }, Type::Text { max }) => fits(e.to_owned(), max),
        (Type::Decimal { .. }, Type::Text { max }) => fits(format!("rtrim(rtrim({e}, '0'), '.')"), max),
        (Type::Int, Type::Decimal { precision, scale }) => {
            sqlite_scaled(&format!("CAST({e} AS TEXT)"), 0, precision, scale)
        }
        (Type::Decimal { scale, .. }, Type::Decimal { precision, scale: wanted }) => {
            sqlite_scaled(e, scale, precision, wanted)
        }
        (Type::Decimal { scale, .. }, Type::Int) => sqlite_int(&sqlite_scaled(e, scale, 1000, 0)),
        (Type::Text { .. }, Type::Int) => {
            let number = sqlite_plain(e, 0);
            format!("CASE WHEN instr({e}, '.') = 0 THEN {} END", sqlite_int(&number))
        }
        (Type::Text { .. }, Type::Decimal { precision, scale }) => {
            sqlite_scaled(&sqlite_plain(e, scale), scale, precision, scale)
        }
        _ => e.to_owned(),
    }
}

/// A stored decimal of one scale as one of another: zeros are added, or cut where there is nothing but zeros.
fn sqlite_scaled(e: &str, scale: u16, precision: u16, wanted: u16) -> String {
    let zeros = "0".repeat(scale.abs_diff(wanted).into());
    let (fits, text) = match scale.cmp(&wanted) {
        std::cmp::Ordering::Equal => (String::new(), e.to_owned()),
        std::cmp::Ordering::Less if scale == 0 => (String::new(), format!("{e} || '.{zeros}'")),
        std::cmp::Ordering::Less => (String::new(), format!("{e} || '{zeros}'")),
        std::cmp::Ordering::Greater => {
            let cut = scale - wanted;
            let length = cut + u16::from(wanted == 0);
            (
                format!("substr({e}, -{cut}) = '{zeros}' AND "),
                format!("substr({e}, 1, length({e}) - {length})"),
            )
        }
    };
    let behind = scale + u16::from(scale > 0);
    format!("CASE WHEN {fits}length(ltrim({e}, '-0')) - {behind} <= {} THEN {text} END", precision - wanted)
}

/// A stored whole number as an integer. SQLite's cast stops at what it cannot read and at its limits, so the way back
/// must give the same text.
fn sqlite_int(e: &str) -> String {
    format!("CASE WHEN CAST(CAST({e} AS INTEGER) AS TEXT) = {e} THEN CAST({e} AS INTEGER) END")
}

/// Any spelling of a decimal (+1, 007, 2.50) as it would be stored at this scale; NULL for what is no number or has
/// more digits behind the point.
fn sqlite_plain(e: &str, scale: u16) -> String {
    let digits = format!("ltrim({e}, '+-')");
    let point = format!("instr({digits}, '.')");
    let whole = format!("CASE {point} WHEN 0 THEN {digits} ELSE substr({digits}, 1, {point} - 1) END");
    let fraction = format!("CASE {point} WHEN 0 THEN '' ELSE substr({digits}, {point} + 1) END");
    let zeros = "0".repeat(scale.into());
    let start = scale + 1;
    let behind = if scale == 0 {
        "''".to_owned()
    } else {
        format!("'.' || substr(({fraction}) || '{zeros}', 1, {scale})")
    };
    let sign =
        format!("CASE WHEN substr({e}, 1, 1) = '-' AND ltrim({digits}, '0.') <> '' THEN '-' ELSE '' END");
    let head = format!("CASE ltrim(({whole}), '0') WHEN '' THEN '0' ELSE ltrim(({whole}), '0') END");
    format!(
        "CASE WHEN length({e}) - length({digits}) <= 1 AND ({whole}) <> '' AND ({whole}) NOT GLOB '*[^0-9]*' \
         AND ({fraction}) NOT GLOB '*[^0-9]*' AND ({point} = 0 OR ({fraction}) <> '') \
         AND rtrim(substr(({fraction}), {start}), '0') = '' \
         THEN ({sign}) || ({head}) || ({behind}) END"
    )
}
