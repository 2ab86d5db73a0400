//! Exact decimals in text form.

use std::fmt;
use std::str::FromStr;

use bigdecimal::BigDecimal;
use serde::{Deserialize, Serialize};

/// More digits than any store holds exactly; a longer text is refused before it is worked on.
const DIGITS_MAX: usize = 1000;

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
        Self::canonical(&(self.number() + other.number()).to_plain_string())
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
        Self(format!("{sign}{whole}{point}{fraction}"))
    }
}

impl FromStr for Decimal {
    type Err = InvalidDecimal;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || InvalidDecimal(text.chars().take(64).collect());
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if unsigned.len() > DIGITS_MAX || !digits(whole) || !digits(fraction) {
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
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.number().cmp(&other.number())
    }
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
