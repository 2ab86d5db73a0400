//! Identifiers and literals in SQL text: the one place where they are written. Both come out of schema sets only;
//! no byte from a journal ever gets here.

use journal_core::model::{Type, Value};
pub(crate) use journal_core::sql::quote as ident;

use super::Dialect;

/// A list of identifiers.
pub(crate) fn idents<N: AsRef<str>>(names: &[N]) -> String {
    names.iter().map(|name| ident(name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// A text literal.
pub(crate) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A value as the dialect stores one of this type.
pub(crate) fn literal(value: &Value, ty: Type, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => postgres_literal(value, ty),
        Dialect::Sqlite => sqlite_literal(value, ty),
        Dialect::MariaDb => mariadb_literal(value, ty),
    }
}

/// Cast, so that a number is exact and a moment one whatever stands beside it.
fn mariadb_literal(value: &Value, ty: Type) -> String {
    let cast = |content: String| format!("CAST({content} AS {})", super::mariadb::cast_name(ty));
    match value {
        Value::Null if matches!(ty, Type::Text { .. } | Type::Uuid | Type::Json) => "NULL".to_owned(),
        Value::Null => cast("NULL".to_owned()),
        Value::Bool(value) => i32::from(*value).to_string(),
        Value::Int(number) => number.to_string(),
        // It has neither NaN nor infinities.
        Value::Float(number) if !number.is_finite() => cast("NULL".to_owned()),
        Value::Float(number) => cast(text(&format!("{number:?}"))),
        Value::Bytes(bytes) => format!("X'{}'", hex(bytes)),
        Value::Text(content) | Value::Json(content) => text(content),
        Value::Uuid(id) => text(&id.to_string()),
        Value::Timestamp(_) => cast(text(value.to_string().trim_end_matches('Z'))),
        Value::Decimal(_) | Value::Date(_) | Value::Time(_) => cast(text(&value.to_string())),
    }
}

/// Whether two expressions hold the same, NULL being the same as NULL.
pub(crate) fn same(left: &str, right: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite | Dialect::Postgres => format!("{left} IS NOT DISTINCT FROM {right}"),
        Dialect::MariaDb => format!("{left} <=> {right}"),
    }
}

/// Whether two expressions hold something else, NULL being the same as NULL.
pub(crate) fn differs(left: &str, right: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite | Dialect::Postgres => format!("{left} IS DISTINCT FROM {right}"),
        Dialect::MariaDb => format!("NOT ({left} <=> {right})"),
    }
}

/// How many characters a text has.
pub(crate) fn length(text: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite | Dialect::Postgres => format!("length({text})"),
        // Its `length` counts bytes.
        Dialect::MariaDb => format!("char_length({text})"),
    }
}

/// Cast from text, so that the literal has the column's type whatever its looks.
fn postgres_literal(value: &Value, ty: Type) -> String {
    let ty = super::postgres::type_name(ty);
    match value {
        Value::Null => format!("CAST(NULL AS {ty})"),
        Value::Bytes(bytes) => format!("CAST('\\x{}' AS {ty})", hex(bytes)),
        other => format!("CAST({} AS {ty})", text(&other.to_string())),
    }
}

fn sqlite_literal(value: &Value, ty: Type) -> String {
    match (value, ty) {
        (Value::Null, _) => "NULL".to_owned(),
        (Value::Bool(value), _) => i32::from(*value).to_string(),
        (Value::Int(number), _) => number.to_string(),
        // SQLite has no literal for infinity but a number too large, and none for NaN, which it stores as NULL.
        (Value::Float(number), _) if number.is_nan() => "NULL".to_owned(),
        (Value::Float(number), _) if number.is_infinite() => {
            if *number > 0.0 { "9e999" } else { "-9e999" }.to_owned()
        }
        (Value::Float(number), _) => format!("{number:?}"),
        (Value::Bytes(bytes), _) => format!("X'{}'", hex(bytes)),
        (Value::Decimal(decimal), Type::Decimal { scale, .. }) => {
            text(&decimal.to_scale(scale.into()).unwrap_or_else(|| decimal.to_string()))
        }
        (other, _) => text(&other.to_string()),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_in_names_and_texts_are_doubled() {
        assert_eq!(ident("a\"b"), "\"a\"\"b\"");
        assert_eq!(text("it's"), "'it''s'");
        assert_eq!(idents(&["a", "b"]), "\"a\", \"b\"");
    }

    #[test]
    fn literals_have_the_stored_form_of_their_type() {
        let money = Type::Decimal { precision: 9, scale: 2 };
        let one = Value::Decimal("1.5".parse().unwrap());
        assert_eq!(literal(&one, money, Dialect::Sqlite), "'1.50'");
        assert_eq!(literal(&one, money, Dialect::Postgres), "CAST('1.5' AS numeric(9,2))");
        assert_eq!(literal(&Value::from(true), Type::Bool, Dialect::Sqlite), "1");
        assert_eq!(literal(&Value::from(true), Type::Bool, Dialect::Postgres), "CAST('true' AS boolean)");
        assert_eq!(literal(&Value::from(vec![1, 255]), Type::Bytes, Dialect::Sqlite), "X'01ff'");
        assert_eq!(
            literal(&Value::from(vec![1, 255]), Type::Bytes, Dialect::Postgres),
            "CAST('\\x01ff' AS bytea)"
        );
        assert_eq!(literal(&one, money, Dialect::MariaDb), "CAST('1.5' AS DECIMAL(9,2))");
        assert_eq!(literal(&Value::from(true), Type::Bool, Dialect::MariaDb), "1");
        assert_eq!(
            literal(&Value::Timestamp(1), Type::Timestamp, Dialect::MariaDb),
            "CAST('1970-01-01T00:00:00.000001' AS DATETIME(6))"
        );
        assert_eq!(literal(&Value::from(f64::NAN), Type::Float, Dialect::MariaDb), "CAST(NULL AS DOUBLE)");
        assert_eq!(literal(&Value::Null, Type::Int, Dialect::Postgres), "CAST(NULL AS bigint)");
        assert_eq!(literal(&Value::from(1.0), Type::Float, Dialect::Sqlite), "1.0");
    }
}
