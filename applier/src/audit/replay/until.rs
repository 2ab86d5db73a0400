//! Where a replay ends.

use std::str::FromStr;

use journal_core::model::{Origin, SealNr, TransactionId, time};

/// The end of a replay, as `a/1/17` (a seal) or `2005-07-01T00:00:00Z` (a time, by the origins' clocks).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// Everything up to that seal in canonical order, itself included: also other origins' seals that are placed before.
    Seal(Origin, SealNr),
    /// Everything sealed at or before that instant, microseconds since 1970 UTC.
    Time(i64),
}

/// A text that is neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a seal such as a/1/17 nor a time such as 2005-07-01T00:00:00Z")]
pub struct InvalidUntil(pub String);

impl FromStr for Until {
    type Err = InvalidUntil;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(TransactionId { origin, trans_nr }) = text.parse() {
            return Ok(Self::Seal(origin, SealNr(trans_nr.0)));
        }
        time::parse_timestamp(text).map(Self::Time).ok_or_else(|| InvalidUntil(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_seal_or_a_time() {
        let Ok(Until::Seal(origin, seal_nr)) = "a/2/17".parse() else { panic!("no seal") };
        assert_eq!((origin.to_string(), seal_nr), ("a/2".to_owned(), SealNr(17)));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Until::Time(1_000_000)));
        for bad in ["", "17", "a/2", "2005-07-01", "2005-07-01T00:00:00"] {
            assert_eq!(bad.parse::<Until>(), Err(InvalidUntil(bad.to_owned())));
        }
    }
}
