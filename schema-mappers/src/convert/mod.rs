//! Exact conversion of values between types. What has no exact image has none at all.

pub(crate) mod round;
pub(crate) mod sql;
mod sql_moment;
mod sql_moment_mariadb;
mod sql_number;
mod sql_number_mariadb;

use journal_core::model::{Decimal, Type, Value, time};

/// Decimals of at most so many digits and floats tell each other apart.
const FLOAT_DIGITS: u16 = 15;
/// Whole numbers up to here are floats without loss.
const FLOAT_WHOLE_MAX: i64 = 1 << 53;

/// Whether values of one type can, as a rule, become values of the other.
pub(crate) fn possible(from: Type, to: Type) -> bool {
    use Type::{Bool, Date, Decimal, Float, Int, Json, Text, Time, Timestamp, Uuid};
    match (from, to) {
        (Int | Decimal { .. } | Text { .. }, Int | Decimal { .. } | Text { .. })
        | (Bool, Int | Text { .. })
        | (Int | Text { .. }, Bool)
        | (Date, Timestamp | Text { .. })
        | (Timestamp, Date | Text { .. })
        | (Text { .. }, Date | Time | Timestamp | Uuid | Json)
        | (Time | Uuid | Json, Text { .. })
        | (Int, Float)
        | (Float, Int) => true,
        (Decimal { precision, .. }, Float) | (Float, Decimal { precision, .. }) => precision <= FLOAT_DIGITS,
        (from, to) => from == to,
    }
}

/// Whether the way there and back can lose how a value was written ("007" becomes 7), so that it must be kept.
pub(crate) fn loses_spelling(from: Type, to: Type) -> bool {
    match (from, to) {
        (Type::Text { .. }, Type::Text { .. } | Type::Bool | Type::Date | Type::Json) => false,
        (Type::Text { .. }, _) => true,
        // There are two zeros among floats.
        (Type::Float, to) => to != Type::Float,
        _ => false,
    }
}

/// The same value in another type; `None` when that type does not hold it exactly. NULL stays NULL.
pub(crate) fn convert(value: &Value, to: Type) -> Option<Value> {
    let converted = match (value, to) {
        (Value::Null, _) => return Some(Value::Null),
        (Value::Text(text), to) => read(text, to)?,
        (Value::Float(_), Type::Text { .. }) | (Value::Bytes(_), Type::Text { .. }) => return None,
        // Each type but those has one text.
        (value, Type::Text { .. }) => Value::Text(value.to_string()),
        (Value::Int(number), Type::Decimal { .. }) => Value::Decimal(Decimal::from(*number)),
        (Value::Decimal(number), Type::Int) => Value::Int(number.as_str().parse().ok()?),
        (Value::Bool(value), Type::Int) => Value::Int((*value).into()),
        (Value::Int(0), Type::Bool) => Value::Bool(false),
        (Value::Int(1), Type::Bool) => Value::Bool(true),
        (Value::Date(days), Type::Timestamp) => Value::Timestamp(i64::from(*days).checked_mul(DAY_MICROS)?),
        (Value::Timestamp(micros), Type::Date) if micros % DAY_MICROS == 0 => {
            Value::Date(i32::try_from(micros / DAY_MICROS).ok()?)
        }
        (Value::Int(number), Type::Float) if number.abs_diff(0) <= FLOAT_WHOLE_MAX.abs_diff(0) => {
            Value::Float(number.to_string().parse().ok()?)
        }
        (Value::Float(number), Type::Int) => {
            let whole: i64 = format!("{number}").parse().ok().or((*number == 0.0).then_some(0))?;
            (whole.abs_diff(0) <= FLOAT_WHOLE_MAX.abs_diff(0)).then_some(Value::Int(whole))?
        }
        (Value::Decimal(number), Type::Float) => Value::Float(number.as_str().parse().ok()?),
        // The shortest digits that mean this float and no other.
        (Value::Float(number), Type::Decimal { .. }) => Value::Decimal(format!("{number}").parse().ok()?),
        (other, _) => other.clone(),
    };
    to.holds(&converted).then_some(converted)
}

/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;

/// A text as a value of a type. Dates and times are taken as this program writes them, without the fraction where it is
/// zero; others spell them otherwise, and which day 3/4 is, nobody can tell.
fn read(text: &str, to: Type) -> Option<Value> {
    let value = match to {
        Type::Int => Value::Int(text.parse().ok()?),
        Type::Decimal { .. } => Value::Decimal(text.parse().ok()?),
        Type::Bool => Value::Bool(text.parse().ok()?),
        Type::Date => Value::Date(time::parse_date(text)?),
        Type::Time => Value::Time(time::parse_time(text)?),
        Type::Timestamp => Value::Timestamp(time::parse_timestamp(text)?),
        Type::Uuid if text.len() == 36 => Value::Uuid(text.parse().ok()?),
        Type::Json => return Some(Value::Json(text.to_owned())),
        Type::Text { .. } => return Some(Value::Text(text.to_owned())),
        Type::Uuid | Type::Float | Type::Bytes => return None,
    };
    let written = value.to_string();
    let plain = match to {
        Type::Date => text == written,
        Type::Time | Type::Timestamp => text == written || written.replace(".000000", "") == text,
        _ => true,
    };
    plain.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    #[test]
    fn only_exact_images_are_given() {
        let money = Type::Decimal { precision: 5, scale: 2 };
        let text = Type::Text { max: Some(3) };
        assert_eq!(convert(&"002.50".into(), money), Some(decimal("2.5")));
        assert_eq!(convert(&decimal("2.505"), money), None);
        assert_eq!(convert(&decimal("1000"), money), None);
        assert_eq!(convert(&7.into(), money), Some(decimal("7")));
        assert_eq!(convert(&decimal("7.00"), Type::Int), Some(7.into()));
        assert_eq!(convert(&decimal("7.5"), Type::Int), None);
        assert_eq!(convert(&"seven".into(), Type::Int), None);
        assert_eq!(convert(&1000.into(), text), None);
        assert_eq!(convert(&"abcd".into(), text), None);
        assert_eq!(convert(&Value::Null, Type::Int), Some(Value::Null));
        assert_eq!(convert(&true.into(), Type::Int), Some(1.into()));
        assert_eq!(convert(&2.into(), Type::Bool), None);
    }

    #[test]
    fn floats_are_numbers_only_where_they_say_so_exactly() {
        let money = Type::Decimal { precision: 9, scale: 2 };
        assert_eq!(convert(&0.1.into(), money), Some(decimal("0.1")));
        assert_eq!(convert(&(0.1 + 0.2).into(), money), None);
        assert_eq!(convert(&f64::NAN.into(), money), None);
        assert_eq!(convert(&decimal("0.3"), Type::Float), Some(0.3.into()));
        assert_eq!(convert(&7.0.into(), Type::Int), Some(7.into()));
        assert_eq!(convert(&(-0.0).into(), Type::Int), Some(0.into()));
        assert_eq!(convert(&1e300.into(), Type::Int), None);
        assert_eq!(convert(&((1_i64 << 53) + 1).into(), Type::Float), None);
    }

    #[test]
    fn dates_and_times_are_read_as_they_are_written() {
        let text = |value: &str| Value::from(value);
        assert_eq!(convert(&text("1970-01-02"), Type::Date), Some(Value::Date(1)));
        assert_eq!(convert(&text("1970-1-2"), Type::Date), None);
        assert_eq!(convert(&text("2023-02-30"), Type::Date), None);
        assert_eq!(convert(&text("00:00:01"), Type::Time), Some(Value::Time(1_000_000)));
        assert_eq!(
            convert(&text("1970-01-01T00:00:01Z"), Type::Timestamp),
            Some(Value::Timestamp(1_000_000))
        );
        assert_eq!(convert(&text("1970-01-01 00:00:01+00"), Type::Timestamp), None);
        assert_eq!(convert(&Value::Timestamp(DAY_MICROS), Type::Date), Some(Value::Date(1)));
        assert_eq!(convert(&Value::Timestamp(1), Type::Date), None);
        assert_eq!(convert(&Value::Date(-1), Type::Text { max: None }), Some(text("1969-12-31")));
        assert_eq!(convert(&text("[1"), Type::Json), None);
    }
}
