//! The tables of one version as plain data, and their `schema.toml`. Knows nothing of operations.

use std::fmt::Write;

/// A column. Its type as `schema.toml` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) ty: String,
    pub(crate) nullable: bool,
}

/// A reference to a table's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) columns: Vec<String>,
    pub(crate) table: String,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) key: Vec<String>,
    pub(crate) unique: Vec<Vec<String>>,
    pub(crate) parents: Vec<Parent>,
    /// Names and columns.
    pub(crate) indexes: Vec<(String, Vec<String>)>,
    /// Names, conditions, and the column each is about.
    pub(crate) checks: Vec<(String, String, String)>,
    /// Columns of which an operation of the step at hand keeps something; one version keeps no two things under one name.
    pub(crate) kept: Vec<String>,
    /// Columns to whose values some step did something.
    pub(crate) touched: Vec<String>,
    /// Whether its rows are the parts of a list. Operations on those come back into the list, one at a time: see `groups`.
    pub(crate) listed: bool,
    /// Whether some step has cut it in two, or made rows of a list of it, or it is what came of that. A set does that once
    /// to a table, and may put it together again.
    pub(crate) tied: bool,
    /// Whether some step gave it another primary key: the one before stays unique, so that every version finds its rows.
    pub(crate) rekeyed: bool,
    /// Whether the step at hand made a key unique: it becomes the primary key in a later one at the earliest.
    pub(crate) adds_unique: bool,
    /// Whether the step at hand creates it: it is then as the newer version declares it, and no operation follows.
    pub(crate) fresh: bool,
}

/// One version, and how many names have been given in all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Design {
    pub(crate) tables: Vec<Table>,
    /// How many names version 1 knows: what has a later one is not in every version.
    pub(crate) first: usize,
    named: usize,
}

impl Design {
    /// A name that no version has had.
    pub(crate) fn name(&mut self, kind: &str) -> String {
        self.named += 1;
        format!("{kind}{}", self.named)
    }

    /// Ends version 1.
    pub(crate) fn begin(mut self) -> Self {
        self.first = self.named;
        self
    }

    /// Whether every version has a column, under whatever name: version 1 does, under this one.
    pub(crate) fn is_old(&self, column: &str) -> bool {
        column[1..].parse::<usize>().is_ok_and(|nr| nr <= self.first)
    }

    /// Gives a table another name, wherever it is named.
    pub(crate) fn rename_table(&mut self, from: &str, to: &str) {
        for table in &mut self.tables {
            for name in table.parents.iter_mut().map(|parent| &mut parent.table).chain([&mut table.name]) {
                if name == from {
                    to.clone_into(name);
                }
            }
        }
    }

    /// The text of `schema.toml`.
    pub(crate) fn schema(&self) -> String {
        self.tables.iter().map(Table::text).collect()
    }
}

impl Table {
    /// The column of that name.
    pub(crate) fn column(&mut self, name: &str) -> Option<&mut Column> {
        self.columns.iter_mut().find(|column| column.name == name)
    }

    /// Whether a key, a unique key, a parent or an index names the column.
    pub(crate) fn is_bound(&self, column: &str) -> bool {
        let named = |names: &[String]| names.iter().any(|name| name == column);
        named(&self.key)
            || self.unique.iter().any(|columns| named(columns))
            || self.parents.iter().any(|parent| named(&parent.columns))
            || self.indexes.iter().any(|(_, columns)| named(columns))
            || self.checks.iter().any(|(_, _, about)| about == column)
    }

    /// Gives a column another name, wherever it is named.
    pub(crate) fn rename_column(&mut self, from: &str, to: &str) {
        let lists = self.unique.iter_mut().chain(self.indexes.iter_mut().map(|(_, columns)| columns));
        let lists = lists.chain(self.parents.iter_mut().map(|parent| &mut parent.columns));
        for (_, condition, about) in self.checks.iter_mut().filter(|(_, _, about)| about == from) {
            *condition = condition.replace(from, to);
            to.clone_into(about);
        }
        let names = lists.chain([&mut self.key]).flatten();
        for name in names.chain(self.columns.iter_mut().map(|column| &mut column.name)) {
            if name == from {
                to.clone_into(name);
            }
        }
    }

    fn text(&self) -> String {
        let lists = self.unique.iter().map(|columns| list(columns)).collect::<Vec<_>>().join(", ");
        let parents = self.parents.iter().map(|Parent { columns, table }| {
            format!("{{ columns = {}, table = \"{table}\" }}", list(columns))
        });
        let indexes = self
            .indexes
            .iter()
            .map(|(name, columns)| format!("{{ name = \"{name}\", columns = {} }}", list(columns)));
        let checks =
            self.checks.iter().map(|(name, that, _)| format!("{{ name = \"{name}\", that = \"{that}\" }}"));
        let mut text = format!("[table.{}]\nkey = {}\n", self.name, list(&self.key));
        for (what, items) in [
            ("unique", lists),
            ("parents", parents.collect::<Vec<_>>().join(", ")),
            ("checks", checks.collect::<Vec<_>>().join(", ")),
            ("indexes", indexes.collect::<Vec<_>>().join(", ")),
        ] {
            if !items.is_empty() {
                let _ = writeln!(text, "{what} = [{items}]");
            }
        }
        let _ = writeln!(text, "[table.{}.columns]", self.name);
        for Column { name, ty, nullable } in &self.columns {
            let _ = match nullable {
                true => writeln!(text, "{name} = {{ type = \"{ty}\", null = true }}"),
                false => writeln!(text, "{name} = \"{ty}\""),
            };
        }
        text
    }
}

/// A list of texts in TOML.
pub(crate) fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    format!("[{}]", quoted.join(", "))
}
