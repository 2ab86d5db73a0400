//! Exact decimals in text form.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use bigdecimal::BigDecimal;
use serde::{Deserialize, Serialize};

/// As long as the text of a value gets that a column holds, with all places that the column has: 1000 digits, the point,
/// and a zero before it. A longer one is refused before it is worked on.
const TEXT_MAX: usize = 1002;

/// As many digits, the point included, are added without making room for any number.
const SMALL_DIGITS_MAX: usize = 36;

/// An exact decimal number. Kept in one canonical text (no exponent, no plus sign, no trailing zeros behind the
/// point, no `-0`), so that equal numbers are equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Decimal(String);

/// A text that is not a plain decimal number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a decimal number such as -12.50")]
pub struct InvalidDecimal(pub String);

impl Decimal {
    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Digits behind the point in the canonical text.
    pub fn scale(&self) -> usize {
        self.0.split_once('.').map_or(0, |(_, fraction)| fraction.len())
    }

    /// Digits before the point, leading zero not counted.
    pub fn integer_digits(&self) -> usize {
        let whole = self.0.split('.').next().unwrap_or_default().trim_start_matches('-');
        whole.trim_start_matches('0').len()
    }

    /// The text with exactly `scale` digits behind the point; `None` when that would drop a digit.
    pub fn to_scale(&self, scale: usize) -> Option<String> {
        let missing = scale.checked_sub(self.scale())?;
        let mut text = self.0.clone();
        if scale > 0 && !text.contains('.') {
            text.push('.');
        }
        text.extend(std::iter::repeat_n('0', missing));
        Some(text)
    }

    /// The exact sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let small = self.small().zip(other.small()).and_then(|(one, other)| sum_of_small(one, other));
        small.unwrap_or_else(|| Self::canonical(&(self.number() + other.number()).to_plain_string()))
    }

    /// All digits as one number, and how many of them stand behind the point; `None` when they are more than it holds.
    fn small(&self) -> Option<(i128, usize)> {
        let (sign, digits) = self.0.strip_prefix('-').map_or((1, self.0.as_str()), |digits| (-1, digits));
        if digits.len() > SMALL_DIGITS_MAX {
            return None;
        }
        let digits = digits.bytes().filter(|byte| *byte != b'.');
        Some((sign * digits.fold(0, |number, byte| number * 10 + i128::from(byte - b'0')), self.scale()))
    }

    fn number(&self) -> BigDecimal {
        // The text was checked when the value was made, so it parses; zero is never reached.
        BigDecimal::from_str(&self.0).unwrap_or_default()
    }

    fn canonical(plain: &str) -> Self {
        let (negative, digits) = match plain.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, plain),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        let zero = whole == "0" && fraction.is_empty();
        let sign = if negative && !zero { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        let parts = [sign, whole, point, fraction];
        let mut text = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| text.push_str(part));
        Self(text)
    }
}

/// The exact sum, where there is room for it.
fn sum_of_small((one, scale): (i128, usize), (other, other_scale): (i128, usize)) -> Option<Decimal> {
    let widest = scale.max(other_scale);
    let at_widest = |number: i128, scale: usize| {
        number.checked_mul(10_i128.checked_pow(u32::try_from(widest - scale).ok()?)?)
    };
    let sum = at_widest(one, scale)?.checked_add(at_widest(other, other_scale)?)?;
    let mut text = format!("{:0width$}", sum.unsigned_abs(), width = widest + 1);
    text.insert(text.len() - widest, '.');
    if sum < 0 {
        text.insert(0, '-');
    }
    Some(Decimal::canonical(&text))
}

impl FromStr for Decimal {
    type Err = InvalidDecimal;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || InvalidDecimal(text.chars().take(64).collect());
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if unsigned.len() > TEXT_MAX || !digits(whole) || !digits(fraction) {
            return Err(bad());
        }
        Ok(Self::canonical(text.strip_prefix('+').unwrap_or(text)))
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

impl TryFrom<String> for Decimal {
    type Error = InvalidDecimal;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Decimal> for String {
    fn from(decimal: Decimal) -> Self {
        decimal.0
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0.strip_prefix('-'), other.0.strip_prefix('-')) {
            (None, None) => cmp_magnitudes(&self.0, &other.0),
            (Some(mine), Some(theirs)) => cmp_magnitudes(theirs, mine),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
        }
    }
}

/// Of two canonical texts without a sign. No number is made of them: rows are compared far more often than added to.
fn cmp_magnitudes(one: &str, other: &str) -> Ordering {
    let (whole, fraction) = one.split_once('.').unwrap_or((one, ""));
    let (other_whole, other_fraction) = other.split_once('.').unwrap_or((other, ""));
    let by_whole = whole.len().cmp(&other_whole.len()).then_with(|| whole.cmp(other_whole));
    by_whole.then_with(|| fraction.cmp(other_fraction))
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_equal_bytes() {
        for (text, canonical) in [
            ("2.990", "2.99"),
            ("+1", "1"),
            ("-0.00", "0"),
            ("007.10", "7.1"),
            ("0.5", "0.5"),
            ("-3", "-3"),
            ("100", "100"),
        ] {
            assert_eq!(text.parse::<Decimal>().unwrap().as_str(), canonical);
        }
        for bad in ["", ".", "1.", ".5", "1e3", "NaN", "1,5", "--1", " 1"] {
            assert!(bad.parse::<Decimal>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn the_widest_decimals_are_read_as_columns_write_them() {
        use crate::model::{Type, Value};
        for (scale, text) in [
            (0, "9".repeat(1000)),
            (500, format!("-{}.{}", "9".repeat(500), "9".repeat(499))),
            (1000, format!("-0.{}1", "0".repeat(998))),
        ] {
            let decimal: Decimal = text.parse().unwrap();
            let column = Type::Decimal { precision: 1000, scale };
            assert!(column.holds(&Value::Decimal(decimal.clone())), "{text}");
            let written = decimal.to_scale(scale.into()).unwrap();
            assert_eq!(written.parse(), Ok(decimal), "{text}");
        }
        assert!("9".repeat(1003).parse::<Decimal>().is_err());
    }

    #[test]
    fn decimals_are_in_the_order_of_their_numbers() {
        let ascending = [
            "-1000", "-100.5", "-100", "-99.99", "-10", "-9.5", "-9.45", "-0.1", "-0.09", "0", "0.09", "0.1",
            "0.11", "0.5", "1", "1.01", "1.1", "9", "9.45", "9.5", "10", "99.99", "100", "100.5", "1000",
        ];
        let decimals = ascending.map(|text| text.parse::<Decimal>().unwrap());
        for (at, one) in decimals.iter().enumerate() {
            for (place, other) in decimals.iter().enumerate() {
                assert_eq!(one.cmp(other), at.cmp(&place), "{one} and {other}");
                assert_eq!(one.cmp(other), one.number().cmp(&other.number()), "{one} and {other}");
            }
        }
    }

    #[test]
    fn small_sums_are_those_of_the_numbers() {
        let nines = "9".repeat(SMALL_DIGITS_MAX);
        let texts = [
            "0",
            "1",
            "-1",
            "0.01",
            "-0.01",
            "9.99",
            "-10",
            "100.5",
            "-99.999999",
            "123456789012345678901234567890",
            "0.00000000000000000000000000000000001",
            "-0.0000000000000000001",
            nines.as_str(),
        ];
        let decimals = texts.map(|text| text.parse::<Decimal>().unwrap());
        for one in &decimals {
            for other in &decimals {
                let sum = Decimal::canonical(&(one.number() + other.number()).to_plain_string());
                assert_eq!(one.plus(other), sum, "{one} and {other}");
            }
        }
    }

    #[test]
    fn sums_are_exact_and_scales_never_round() {
        let sum = "0.1".parse::<Decimal>().unwrap().plus(&"0.2".parse().unwrap());
        assert_eq!(sum.as_str(), "0.3");
        assert_eq!(sum.to_scale(2).as_deref(), Some("0.30"));
        assert_eq!("1.239".parse::<Decimal>().unwrap().to_scale(2), None);
        assert_eq!(Decimal::from(5).to_scale(2).as_deref(), Some("5.00"));
        assert_eq!(
            "99999999999999999999999999999999999.99"
                .parse::<Decimal>()
                .unwrap()
                .plus(&"0.01".parse().unwrap())
                .as_str(),
            "100000000000000000000000000000000000"
        );
    }
}
