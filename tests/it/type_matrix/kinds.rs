//! The types of columns with the values at their edges, in the order of the page.

use journal_core::model::{Type, Value};

use super::edges;

/// A type of column.
pub(super) struct Kind {
    /// Its tables begin with this.
    pub(super) name: &'static str,
    pub(super) ty: Type,
    /// What the page says of it before its table.
    pub(super) says: &'static str,
    pub(super) edges: Vec<Edge>,
}

/// A value to try.
pub(super) struct Edge {
    /// How the page shows it.
    pub(super) shown: String,
    pub(super) value: Value,
    /// Whether it is tried as a key as well.
    pub(super) in_key: bool,
}

impl Edge {
    pub(super) fn new(shown: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { shown: shown.into(), value: value.into(), in_key: true }
    }

    /// One that nobody takes for a key, and that takes its time.
    pub(super) fn large(shown: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { in_key: false, ..Self::new(shown, value) }
    }
}

impl Kind {
    fn new(name: &'static str, ty: &str, says: &'static str, edges: Vec<Edge>) -> Self {
        let null = Edge::new("NULL", Value::Null);
        Self { name, ty: ty.parse().unwrap(), says, edges: edges.into_iter().chain([null]).collect() }
    }

    /// Holds a value in each row.
    pub(super) fn value_table(&self) -> String {
        format!("{}_value", self.name)
    }

    /// Has the value for its key, where the type can be one.
    pub(super) fn key_table(&self) -> Option<String> {
        self.ty.may_be_key().then(|| format!("{}_key", self.name))
    }

    /// Holds each value once, likewise.
    pub(super) fn unique_table(&self) -> Option<String> {
        self.ty.may_be_key().then(|| format!("{}_unique", self.name))
    }

    /// Its tables in `schema.toml`.
    pub(super) fn schema(&self) -> String {
        let (name, ty) = (self.name, self.ty);
        let value = format!(
            "[table.{name}_value]\nkey = [\"id\"]\n[table.{name}_value.columns]\nid = \"int\"\n\
             v = {{ type = \"{ty}\", null = true }}\n"
        );
        if !ty.may_be_key() {
            return value;
        }
        value
            + &format!(
                "[table.{name}_key]\nkey = [\"v\"]\n[table.{name}_key.columns]\nv = \"{ty}\"\nfound = \"bool\"\n\
                 [table.{name}_unique]\nkey = [\"id\"]\nunique = [[\"v\"]]\n\
                 [table.{name}_unique.columns]\nid = \"int\"\nv = \"{ty}\"\n"
            )
    }
}

/// What every store has columns for.
pub(super) fn all() -> Vec<Kind> {
    vec![
        Kind::new("bool", "bool", "True or false.", edges::bools()),
        Kind::new(
            "int",
            "int",
            "64 bits with a sign. Numbers without a sign up to 18446744073709551615 need `decimal(20,0)`.",
            edges::ints(),
        ),
        Kind::new(
            "whole",
            "decimal(20,0)",
            "Exact, with room for whole numbers of 64 bits without a sign.",
            edges::whole_numbers(),
        ),
        Kind::new(
            "decimal",
            "decimal(65,30)",
            "Exact: so many digits, so many of them behind the point. Equal numbers are one value: 12.50 is 12.5.",
            edges::decimals(),
        ),
        Kind::new(
            "fraction",
            "decimal(30,30)",
            "Nothing but digits behind the point, as many as MySQL has; MariaDB has 38.",
            edges::fractions(),
        ),
        Kind::new(
            "float",
            "float",
            "64 bits. -0.0 and 0.0 are two values; every NaN is the same one.",
            edges::floats(),
        ),
        Kind::new(
            "text",
            "text",
            "Unicode without NUL, compared byte by byte. All that is kept in a key here stands side by side in one key \
             column, and in one unique column. An index bounds a key: on PostgreSQL to some 2,700 bytes, which it \
             compresses; on MariaDB to 750 characters, shared by the columns of the key.",
            edges::texts(),
        ),
        Kind::new(
            "short",
            "text(3)",
            "At most so many characters, however many bytes each takes. Nothing is cut, blanks neither.",
            edges::short_texts(),
        ),
        Kind::new(
            "bytes",
            "bytes",
            "Bytes; an entry has at most 16 megabytes. In a key there is room for some 2,700 on PostgreSQL, and for \
             3,000 on MariaDB, shared by its columns.",
            edges::bytes(),
        ),
        Kind::new("date", "date", "A day of the years 0001 to 9999. There is no zero date.", edges::dates()),
        Kind::new("time", "time", "A time of day in microseconds. There is no 24:00.", edges::times()),
        Kind::new(
            "timestamp",
            "timestamp",
            "An instant in microseconds, years 0001 to 9999 in UTC. No zone is kept, and none changes it: the servers \
             measured here stand in other zones, and so do some of the sessions that read.",
            edges::timestamps(),
        ),
        Kind::new("uuid", "uuid", "A UUID of any version.", edges::uuids()),
        Kind::new(
            "json",
            "json",
            "JSON as the text that was written, with its blanks, its order and its spelling of numbers.",
            edges::jsons(),
        ),
    ]
}

/// What MariaDB has no column for.
pub(super) fn wide() -> Vec<Kind> {
    vec![Kind::new(
        "wide",
        "decimal(1000,500)",
        "As wide as decimals get. A schema set with a decimal of more than 65 digits, or of more than 38 behind the \
         point, is refused at sites on MariaDB before anything is made there. MySQL refuses more than 30 behind the point.",
        edges::wide_decimals(),
    )]
}
