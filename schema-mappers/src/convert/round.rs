//! Rounding, where a mapping asks for it: the nearest value of a narrower type.

use journal_core::model::{Decimal, Type, Value};

use super::{DAY_MICROS, convert, sql, sql_number, sql_number_mariadb};
use crate::ddl::Dialect;

/// How a value that does not fit is made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// Numbers: to the nearest, and a half away from zero.
    HalfUp,
    /// Numbers: digits are left out, towards zero.
    Down,
    /// Texts: the first characters. Timestamps: their day in UTC.
    Cut,
}

impl Round {
    /// By its name in a mapping, where it says something of these types.
    pub(crate) fn named(name: &str, from: Type, to: Type) -> Result<Self, String> {
        let number = |ty: Type| ty.is_number() || ty == Type::Float;
        let round = match name {
            "half_up" => Self::HalfUp,
            "down" => Self::Down,
            "cut" => Self::Cut,
            _ => return Err(format!("{name:?} is no rounding; there are half_up, down and cut")),
        };
        let fits = match round {
            Self::HalfUp | Self::Down => number(from) && to.is_number(),
            Self::Cut => matches!(
                (from, to),
                (Type::Text { .. }, Type::Text { max: Some(_) }) | (Type::Timestamp, Type::Date)
            ),
        };
        match fits {
            true => Ok(round),
            false => Err(format!(
                "{name} does not lead from {from} to {to}; half_up and down round numbers, cut shortens texts and leaves \
                 a timestamp its day"
            )),
        }
    }

    /// Whether [`Round::sql`] can say it.
    pub(crate) fn has_sql(self, from: Type, to: Type) -> bool {
        let short = |ty: Type| !matches!(ty, Type::Decimal { precision, .. } if precision > 18);
        self == Self::Cut || (from != Type::Float && short(from) && short(to))
    }

    /// The nearest value of the type; `None` where there is none.
    pub(crate) fn round(self, value: &Value, to: Type) -> Option<Value> {
        match (value, to) {
            (Value::Text(text), Type::Text { max: Some(max) }) => {
                Some(Value::Text(text.chars().take(max as usize).collect()))
            }
            (Value::Timestamp(micros), Type::Date) => {
                Some(Value::Date(i32::try_from(micros.div_euclid(DAY_MICROS)).ok()?))
            }
            (Value::Decimal(number), Type::Decimal { .. } | Type::Int) => self.number(number, to),
            (Value::Float(number), Type::Decimal { .. } | Type::Int) => {
                self.number(&format!("{number}").parse().ok()?, to)
            }
            _ => None,
        }
    }

    fn number(self, number: &Decimal, to: Type) -> Option<Value> {
        let scale = match to {
            Type::Decimal { scale, .. } => usize::from(scale),
            _ => 0,
        };
        let text = number.as_str();
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let cut = fraction.get(..scale.min(fraction.len()))?;
        let mut rounded: Decimal = format!("{whole}.{cut}0").parse().ok()?;
        let next = fraction.as_bytes().get(scale).copied();
        if self == Self::HalfUp && next.is_some_and(|digit| digit >= b'5') {
            let sign = if text.starts_with('-') { "-" } else { "" };
            let unit = match scale {
                0 => format!("{sign}1"),
                scale => format!("{sign}0.{}1", "0".repeat(scale - 1)),
            };
            rounded = rounded.plus(&unit.parse().ok()?);
        }
        convert(&Value::Decimal(rounded), to)
    }

    /// The same as SQL; NULL where there is no value.
    pub(crate) fn sql(self, e: &str, from: Type, to: Type, dialect: Dialect) -> String {
        match (from, to, dialect) {
            (Type::Text { .. }, Type::Text { max: Some(max) }, _) => format!("substr({e}, 1, {max})"),
            (Type::Timestamp, Type::Date, Dialect::Sqlite) => format!("substr({e}, 1, 10)"),
            (Type::Timestamp, Type::Date, Dialect::MariaDb) => format!("CAST({e} AS DATE)"),
            (Type::Timestamp, Type::Date, Dialect::Postgres) => {
                format!("CAST({e} AT TIME ZONE 'UTC' AS date)")
            }
            (Type::Decimal { scale, .. }, to, dialect) => {
                let wanted = match to {
                    Type::Decimal { scale, .. } => scale,
                    _ => 0,
                };
                if wanted >= scale {
                    return "NULL".to_owned();
                }
                let half_up = self == Self::HalfUp;
                match dialect {
                    Dialect::Sqlite => sql_number::sqlite_rounded(e, scale, to, half_up),
                    Dialect::MariaDb => sql_number_mariadb::rounded(e, wanted, to, half_up),
                    Dialect::Postgres => {
                        let act = if half_up { "round" } else { "trunc" };
                        sql::convert(&format!("{act}({e}, {wanted})"), from, to, dialect)
                    }
                }
            }
            _ => "NULL".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_as_they_say() {
        let money = Type::Decimal { precision: 4, scale: 2 };
        let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
        let rounds = |round: Round, from: &str, to: Option<&str>| {
            assert_eq!(round.round(&decimal(from), money), to.map(decimal), "{from}");
        };
        rounds(Round::HalfUp, "2.005", Some("2.01"));
        rounds(Round::HalfUp, "-2.005", Some("-2.01"));
        rounds(Round::HalfUp, "2.0049", Some("2"));
        rounds(Round::HalfUp, "-0.004", Some("0"));
        rounds(Round::HalfUp, "99.995", None);
        rounds(Round::Down, "-2.009", Some("-2"));
        rounds(Round::Down, "100.001", None);
        assert_eq!(Round::HalfUp.round(&decimal("-0.5"), Type::Int), Some((-1).into()));
        assert_eq!(Round::HalfUp.round(&(0.1 + 0.2).into(), money), Some(decimal("0.3")));
        assert_eq!(Round::Down.round(&f64::INFINITY.into(), money), None);
    }

    #[test]
    fn texts_and_timestamps_are_cut() {
        let short = Type::Text { max: Some(2) };
        assert_eq!(Round::Cut.round(&"äbc".into(), short), Some("äb".into()));
        assert_eq!(Round::Cut.round(&Value::Timestamp(-1), Type::Date), Some(Value::Date(-1)));
        assert!(Round::named("cut", Type::Int, Type::Int).is_err());
        assert!(Round::named("up", Type::Int, Type::Int).is_err());
    }
}
