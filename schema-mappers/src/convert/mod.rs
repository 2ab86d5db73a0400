//! Exact conversion of values between types. What has no exact image has none at all.

pub(crate) mod sql;

use journal_core::model::{Decimal, Type, Value};

/// Whether values of one type can, as a rule, become values of the other.
pub(crate) fn possible(from: Type, to: Type) -> bool {
    let convertible = |ty: Type| matches!(ty, Type::Int | Type::Decimal { .. } | Type::Text { .. });
    convertible(from) && convertible(to)
}

/// Whether the way there and back can lose how a value was written ("007" becomes 7), so that it must be kept.
pub(crate) fn loses_spelling(from: Type, to: Type) -> bool {
    matches!(from, Type::Text { .. }) && !matches!(to, Type::Text { .. })
}

/// The same value in another type; `None` when that type does not hold it exactly. NULL stays NULL.
pub(crate) fn convert(value: &Value, to: Type) -> Option<Value> {
    let converted = match (value, to) {
        (Value::Null, _) => return Some(Value::Null),
        (Value::Int(number), Type::Decimal { .. }) => Value::Decimal(Decimal::from(*number)),
        (Value::Int(number), Type::Text { .. }) => Value::Text(number.to_string()),
        (Value::Decimal(number), Type::Int) => Value::Int(number.as_str().parse().ok()?),
        (Value::Decimal(number), Type::Text { .. }) => Value::Text(number.to_string()),
        (Value::Text(text), Type::Int) => Value::Int(text.parse().ok()?),
        (Value::Text(text), Type::Decimal { .. }) => Value::Decimal(text.parse().ok()?),
        (other, _) => other.clone(),
    };
    to.holds(&converted).then_some(converted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_images_are_given() {
        let money = Type::Decimal { precision: 5, scale: 2 };
        let text = Type::Text { max: Some(3) };
        let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
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
        assert_eq!(convert(&true.into(), Type::Int), None);
    }
}
