//! Names as they are read from stored bytes: few, and repeated in every row, so that each thread keeps those it met.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer, Error, Visitor};

use super::row::Name;

/// More than a schema has columns. Bytes that name more, which only a forger writes, are read a little slower.
const KNOWN_MAX: usize = 4096;

thread_local! {
    static KNOWN: RefCell<HashSet<Name>> = RefCell::new(HashSet::new());
}

/// A name that shares its text with all others of the thread that are alike.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StoredName(pub(super) Name);

impl StoredName {
    fn of(text: &str) -> Self {
        KNOWN.with_borrow_mut(|known| {
            if let Some(name) = known.get(text) {
                return Self(name.clone());
            }
            let name = Name::from(text);
            if known.len() < KNOWN_MAX {
                known.insert(name.clone());
            }
            Self(name)
        })
    }
}

impl<'de> serde::Deserialize<'de> for StoredName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = StoredName;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<StoredName, E> {
                Ok(StoredName::of(text))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_alike_share_one_text() {
        let (first, second) = (StoredName::of("id"), StoredName::of("id"));
        assert!(std::ptr::eq(&*first.0, &*second.0));
        assert_eq!(StoredName::of("").0.as_ref(), "");
    }

    #[test]
    fn no_more_are_kept_than_a_schema_may_have() {
        for text in (0..KNOWN_MAX + 2).map(|nr| nr.to_string()) {
            assert_eq!(*StoredName::of(&text).0, text);
        }
        assert!(KNOWN.with_borrow(HashSet::len) <= KNOWN_MAX);
    }
}
