//! Names as they are read from a journal: few, and repeated from entry to entry.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::row::Name;

/// Names that were met, each kept once.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<Name, RandomState>);

impl Names {
    /// The name of that text.
    pub(crate) fn of(&mut self, text: &str) -> Name {
        if let Some(name) = self.0.get(text) {
            return name.clone();
        }
        let name = Name::from(text);
        self.0.insert(name.clone());
        name
    }
}
