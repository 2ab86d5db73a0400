//! The expression language of schema sets: small, typed, total and pure. An expression is computed here and written
//! as SQL, and both give the same value in every store; what could not is not in the language.
//!
//! What has no value (a number too large, a text that is no number in a `cast`) is NULL in SQL. Here it is NULL as well,
//! and a fault beside it, so that a mapping can refuse what a view can only leave empty.

mod eval;
mod node;
mod parse;
mod sql;
#[cfg(test)]
mod tests;
mod tree;
mod typing;

use journal_core::model::{Column, Name, Row, Type, Value};

use crate::ddl::Dialect;

/// SQL text of one expression beyond this is for a mapper in Rust: each look at a bound writes its part again.
const SQL_BYTES_MAX: usize = 64 * 1024;

/// An expression that fits its columns. It is pure and total, and costs at most 64 KiB of SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    tree: tree::Tree,
    node: node::Node,
    ty: Type,
}

impl Expression {
    /// Reads an expression over columns.
    ///
    /// # Errors
    /// What does not fit, and what would.
    pub fn read(text: &str, columns: &[Column]) -> Result<Self, String> {
        let tree = parse::parse(text)?;
        let node = typing::typed(&tree, columns)?;
        let ty = node.kind.ty();
        Self { tree, node, ty }.written()
    }

    /// Reads an expression whose value goes into a column of a type: exactly, else it is NULL and a fault.
    ///
    /// # Errors
    /// What does not fit, and what would.
    pub fn read_for(text: &str, columns: &[Column], ty: Type) -> Result<Self, String> {
        let read = Self::read(text, columns)?;
        let node = typing::assigned(read.node, ty)?;
        Self { tree: read.tree, node, ty }.written()
    }

    /// Reads a condition over columns.
    ///
    /// # Errors
    /// What does not fit, and what would.
    pub fn condition(text: &str, columns: &[Column]) -> Result<Self, String> {
        let read = Self::read(text, columns)?;
        match read.node.kind {
            node::Kind::Bool => Ok(read),
            other => Err(format!("the expression is {}, where a condition is wanted", other.told())),
        }
    }

    /// It can be written within bounds.
    fn written(self) -> Result<Self, String> {
        let bytes = [Dialect::Sqlite, Dialect::Postgres, Dialect::MariaDb].map(|dialect| {
            let column = |name: &Name| crate::ddl::quote::ident(name);
            self.sql(dialect, &column).len()
        });
        match bytes.into_iter().max() {
            Some(bytes) if bytes > SQL_BYTES_MAX => Err(format!(
                "the expression takes {bytes} bytes of SQL, more than {SQL_BYTES_MAX}; cast its numbers to fewer \
                 digits, or write a mapper in Rust"
            )),
            _ => Ok(self),
        }
    }

    /// The columns it reads, once each, in their order.
    pub fn columns(&self) -> Vec<Name> {
        let mut columns = self.tree.columns();
        columns.sort();
        columns.dedup();
        columns
    }

    /// Its value for a row (a column that is not there is NULL), and the first fault on the way to it.
    pub fn evaluate(&self, row: &Row) -> (Value, Option<String>) {
        eval::evaluate(&self.node, self.ty, row)
    }

    /// Its SQL, with that of its columns as they are stored.
    pub fn sql(&self, dialect: Dialect, column: &dyn Fn(&Name) -> String) -> String {
        sql::sql(&self.node, self.ty, dialect, column)
    }

    /// The same as a part of a table's definition: of a check or a generated column.
    pub fn sql_in_table(&self, dialect: Dialect, column: &dyn Fn(&Name) -> String) -> String {
        sql::sql_in_table(&self.node, self.ty, dialect, column)
    }
}

/// The one text of all that are written otherwise but mean the same; the text itself where it is no expression.
pub(crate) fn canonical(text: &str) -> String {
    parse::parse(text).map_or_else(|_| text.to_owned(), |tree| tree.to_string())
}

/// The same expression with another name for a column.
pub(crate) fn renamed(text: &str, from: &Name, to: &Name) -> String {
    parse::parse(text).map_or_else(|_| text.to_owned(), |tree| tree.renamed(from, to).to_string())
}

/// Whether an expression names a column.
pub(crate) fn names(text: &str, column: &Name) -> bool {
    parse::parse(text).is_ok_and(|tree| tree.columns().contains(column))
}
