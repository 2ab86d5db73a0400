//! A table of a version: its columns, its keys, what its rows must meet, and how they are posted.

use serde::{Deserialize, Serialize};

use super::Type;
use crate::model::names::{find, share};
use crate::model::row::{Name, Row};
use crate::model::value::Value;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: Name,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: Type,
    /// Whether it may be NULL.
    pub nullable: bool,
}

/// A reference from a table to its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The columns here; any NULL among them refers to nothing.
    pub columns: Vec<Name>,
    /// The table referred to, by its primary key, in the key's order.
    pub table: Name,
}

/// A condition that every row of a table meets. As in SQL, a condition that is NULL is met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name, once a table.
    pub name: Name,
    /// The condition in the expression language of schema sets, over the columns of the row.
    pub that: String,
}

/// An index that is no key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Its name, once a table.
    pub name: Name,
    /// Its columns, in order.
    pub columns: Vec<Name>,
    /// Whether no two of its rows have the same values; NULLs are distinct.
    pub unique: bool,
    /// Which rows are in it, in the expression language of schema sets; all rows without.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: Name,
    /// Its columns, in the order of the definition.
    pub columns: Vec<Column>,
    /// The primary key, in order.
    pub key: Vec<Name>,
    /// Unique keys besides; NULLs are distinct.
    pub unique: Vec<Vec<Name>>,
    /// References to parents.
    pub parents: Vec<Parent>,
    /// Conditions that its rows meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// Indexes beside those that keys have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Index>,
    /// Groups of columns that another version reads as one (a name in two parts). An update of some of them meets its row
    /// where it is posted at that version.
    pub together: Vec<Vec<Name>>,
    /// Whether several changes of one row may reach the ledger as one, of the same result. Of posting alone: see
    /// [`Table::has_form_of`].
    #[serde(default = "folds", skip_serializing_if = "is_folded")]
    pub fold: bool,
}

/// What a text that says nothing of it means: those of versions released before there was a choice say nothing.
fn folds() -> bool {
    true
}

fn is_folded(fold: &bool) -> bool {
    *fold
}

impl Table {
    /// A table that is folded, with these columns and this primary key and nothing else.
    pub fn new(name: impl Into<Name>, columns: Vec<Column>, key: Vec<Name>) -> Self {
        Self {
            name: name.into(),
            columns,
            key,
            unique: Vec::new(),
            parents: Vec::new(),
            checks: Vec::new(),
            indexes: Vec::new(),
            together: Vec::new(),
            fold: true,
        }
    }

    /// Whether two tables, of two versions as a rule, hold the same rows under the same conditions. How changes are
    /// posted to them may differ: no row has to move for that.
    pub fn has_form_of(&self, other: &Self) -> bool {
        let Self { name, columns, key, unique, parents, checks, indexes, together, fold: _ } = self;
        *name == other.name
            && *columns == other.columns
            && *key == other.key
            && *unique == other.unique
            && *parents == other.parents
            && *checks == other.checks
            && *indexes == other.indexes
            && *together == other.together
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        find(self.columns.iter().map(|column| &column.name), name).map(|at| &self.columns[at])
    }

    /// Gives its names the texts that they share with those of other schemas and of rows that are read.
    pub(super) fn share_names(&mut self) {
        let Self { name, columns, key, unique, parents, checks: _, indexes, together, fold: _ } = self;
        let parents =
            parents.iter_mut().flat_map(|parent| parent.columns.iter_mut().chain([&mut parent.table]));
        let mut names: Vec<&mut Name> = vec![name];
        names.extend(columns.iter_mut().map(|column| &mut column.name));
        names.extend(key.iter_mut().chain(parents));
        names.extend(unique.iter_mut().chain(together).flatten());
        names.extend(indexes.iter_mut().flat_map(|index| &mut index.columns));
        names.into_iter().for_each(share);
    }

    /// The values of the primary key, in the key's order, out of a row that holds them all.
    pub fn key_values(&self, row: &Row) -> Option<Vec<Value>> {
        self.key.iter().map(|name| row.get(name).cloned()).collect()
    }

    /// The key columns of a row that holds them all.
    pub fn key_row(&self, row: &Row) -> Option<Row> {
        self.key.iter().map(|name| Some((name.clone(), row.get(name)?.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let id = Column { name: "id".into(), ty: Type::Int, nullable: false };
        Table::new("stock", vec![id], vec!["id".into()])
    }

    #[test]
    fn the_text_of_a_table_that_may_be_folded_is_that_of_releases_before_there_was_a_choice() {
        let before = r#"{"name":"stock","columns":[{"name":"id","type":"int","nullable":false}],"key":["id"],"unique":[],"parents":[],"together":[]}"#;
        assert_eq!(serde_json::from_str::<Table>(before).expect("a table"), table());
        assert_eq!(serde_json::to_string(&table()).expect("a text"), before);
    }

    #[test]
    fn a_table_that_is_not_folded_says_so_and_has_the_form_of_one_that_is() {
        let each = Table { fold: false, ..table() };
        let text = serde_json::to_string(&each).expect("a text");
        assert!(text.ends_with(r#","fold":false}"#), "{text}");
        assert_eq!(serde_json::from_str::<Table>(&text).expect("a table"), each);
        assert!(each != table() && each.has_form_of(&table()));
        assert!(!each.has_form_of(&Table { unique: vec![vec!["id".into()]], ..table() }));
    }
}
