//! Names and numbers that place a transaction: site, epoch, transaction number, seal number, clock.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of one database of a group: `[a-z][a-z0-9_]{0,15}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SiteName(Arc<str>);

/// A name that is not `[a-z][a-z0-9_]{0,15}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("site name {0:?} is not of the form [a-z][a-z0-9_]{{0,15}}")]
pub struct InvalidSiteName(pub String);

impl SiteName {
    /// Checks the form of the name.
    pub fn new(name: &str) -> Result<Self, InvalidSiteName> {
        let mut bytes = name.bytes();
        let head = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let tail = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if head && tail && name.len() <= 16 {
            Ok(Self(name.into()))
        } else {
            Err(InvalidSiteName(name.to_owned()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SiteName {
    type Error = InvalidSiteName;
    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<SiteName> for String {
    fn from(name: SiteName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl std::str::FromStr for SiteName {
    type Err = InvalidSiteName;
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// The number that follows this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// One life of a site, from 1. A restore or a clone starts a new one.
    Epoch
);
number!(
    /// A transaction's number within its origin: rising, from 1, holes are legal. 0 means "none yet".
    TransNr
);
number!(
    /// A seal's number within its origin: dense, from 1. 0 means "none yet".
    SealNr
);
number!(
    /// A reading of the hybrid logical clock, in microseconds since 1970 UTC: the wall clock or one more than
    /// anything seen, whichever is larger. Strictly rising within an origin.
    Hlc
);
number!(
    /// A version of the application's schema, from 1.
    SchemaVersion
);

/// Where a transaction began: a site in one of its lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The site.
    pub site: SiteName,
    /// Its life.
    pub epoch: Epoch,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.site, self.epoch)
    }
}

/// The identity of a transaction: `a/1/17` is the 17th number of site a's first life.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransactionId {
    /// Where it began.
    pub origin: Origin,
    /// Its number there.
    pub trans_nr: TransNr,
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.origin, self.trans_nr)
    }
}

/// A text that is not of the form `site/epoch/number`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a transaction of the form site/epoch/number, such as a/1/17")]
pub struct InvalidTransactionId(pub String);

impl std::str::FromStr for TransactionId {
    type Err = InvalidTransactionId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || InvalidTransactionId(text.to_owned());
        let mut parts = text.split('/');
        let (Some(site), Some(epoch), Some(nr), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        Ok(Self {
            origin: Origin {
                site: SiteName::new(site).map_err(|_| bad())?,
                epoch: Epoch(epoch.parse().map_err(|_| bad())?),
            },
            trans_nr: TransNr(nr.parse().map_err(|_| bad())?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn site_names_have_one_form() {
        for good in ["a", "b_2", "abcdefghijklmnop"] {
            assert_eq!(SiteName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "A", "2a", "a-b", "abcdefghijklmnopq", "ä"] {
            assert_eq!(SiteName::new(bad), Err(InvalidSiteName(bad.to_owned())));
        }
    }

    #[test]
    fn a_transaction_id_reads_back_from_its_text() {
        let id: TransactionId = "a/2/17".parse().unwrap();
        assert_eq!(id.to_string(), "a/2/17");
        assert!("a/2".parse::<TransactionId>().is_err());
        assert!("a/2/x".parse::<TransactionId>().is_err());
    }
}
