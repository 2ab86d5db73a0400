//! Names as they are read from stored bytes: few, and repeated in every row, so that each thread keeps those it met, and
//! which one came after which.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use foldhash::fast::RandomState;
use serde::de::{Deserializer, Error, Visitor};

use super::names::shared;
use super::row::Name;

/// More than a schema has columns. Bytes that name more, which only a forger writes, are read a little slower.
const KNOWN_MAX: usize = 4096;

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// The names a thread has met.
#[derive(Default)]
struct Known {
    names: Vec<Name>,
    places: HashMap<Name, usize, RandomState>,
    /// For each name the one that came after it the last time: rows of a table name their columns in one order.
    after: Vec<usize>,
    last: usize,
}

impl Known {
    fn name(&mut self, text: &str) -> Name {
        let guess = self.after.get(self.last).copied().unwrap_or(0);
        if let Some(name) = self.names.get(guess).filter(|name| name.as_ref() == text) {
            self.last = guess;
            return name.clone();
        }
        let Some(place) = self.place(text) else { return Name::from(text) };
        if let Some(after) = self.after.get_mut(self.last) {
            *after = place;
        }
        self.last = place;
        self.names[place].clone()
    }

    /// Where a name stands; `None` when it is new and there is no room.
    fn place(&mut self, text: &str) -> Option<usize> {
        if let Some(place) = self.places.get(text) {
            return Some(*place);
        }
        let place = self.names.len();
        if place >= KNOWN_MAX {
            return None;
        }
        let name = shared(text);
        self.names.push(name.clone());
        self.places.insert(name, place);
        self.after.push(0);
        Some(place)
    }
}

/// A name that shares its text with all others of the thread that are alike, and with a schema's that was loaded before.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StoredName(pub(super) Name);

impl StoredName {
    fn of(text: &str) -> Self {
        KNOWN.with_borrow_mut(|known| Self(known.name(text)))
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
        assert_eq!(KNOWN.with_borrow(|known| known.names.len()), KNOWN_MAX);
    }

    #[test]
    fn a_name_is_the_one_that_was_read_whatever_came_before() {
        for text in ["a", "b", "c", "a", "b", "c", "b", "b", "a", "c", "d", "a"] {
            assert_eq!(*StoredName::of(text).0, *text);
        }
    }
}
