//! Rows: named cells in one order.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use thin_vec::ThinVec;

use super::names::find;
use super::stored_name::StoredName;
use super::value::Value;

/// Cells that are looked through one by one.
const FEW: usize = 8;

/// The name of an entity (table) or a column.
pub type Name = Arc<str>;

/// Named cells, sorted by name, each name at most once. A cell that is not there is *absent*: it says nothing about the
/// column, where `Value::Null` says NULL.
///
/// One pointer wide: a change has several, most of them empty, and is handed on by value from step to step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Row(ThinVec<(Name, Value)>);

impl Row {
    /// No cells.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a cell, replacing what stood under that name.
    pub fn set(&mut self, name: impl Into<Name>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        // Most rows are built in the order of their names.
        if self.0.last().is_none_or(|(last, _)| *last < name) {
            self.0.push((name, value));
            return;
        }
        match self.0.binary_search_by(|(have, _)| have.as_ref().cmp(&name)) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (name, value)),
        }
    }

    /// The same, for building in one expression.
    #[must_use]
    pub fn with(mut self, name: impl Into<Name>, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// The cell of that name; `None` when absent.
    pub fn get(&self, name: &str) -> Option<&Value> {
        if self.0.len() <= FEW {
            return find(self.names(), name).map(|at| &self.0[at].1);
        }
        self.0.binary_search_by(|(have, _)| have.as_ref().cmp(name)).ok().map(|at| &self.0[at].1)
    }

    /// Takes a cell out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.0.binary_search_by(|(have, _)| have.as_ref().cmp(name)).ok().map(|at| self.0.remove(at).1)
    }

    /// Whether a cell of that name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The cells in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Name, &Value)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The names in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &Name> + Clone {
        self.0.iter().map(|(name, _)| name)
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Name, Value)> for Row {
    fn from_iter<I: IntoIterator<Item = (Name, Value)>>(cells: I) -> Self {
        let cells = cells.into_iter();
        let mut row = Self(ThinVec::with_capacity(cells.size_hint().0));
        row.extend(cells);
        row
    }
}

impl Extend<(Name, Value)> for Row {
    fn extend<I: IntoIterator<Item = (Name, Value)>>(&mut self, cells: I) {
        for (name, value) in cells {
            self.set(name, value);
        }
    }
}

/// Room that is made for cells before they are read: a stored count is not yet to be trusted.
const ROOM: usize = 256;

/// Stored cells that are not in the order of their names, or name one twice, are refused: one row would have two byte forms.
impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Cells;
        impl<'de> Visitor<'de> for Cells {
            type Value = Row;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("named cells")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut stored: A) -> Result<Row, A::Error> {
                let mut cells: ThinVec<(Name, Value)> =
                    ThinVec::with_capacity(stored.size_hint().unwrap_or(0).min(ROOM));
                while let Some((StoredName(name), value)) = stored.next_element()? {
                    if cells.last().is_some_and(|(last, _)| *last >= name) {
                        return Err(A::Error::custom("the cells are not in the one order of their names"));
                    }
                    cells.push((name, value));
                }
                Ok(Row(cells))
            }
        }
        deserializer.deserialize_seq(Cells)
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl IntoIterator for Row {
    type Item = (Name, Value);
    type IntoIter = thin_vec::IntoIter<(Name, Value)>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
