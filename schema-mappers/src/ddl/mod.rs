//! SQL text out of a schema set: the tables of a version and the views through which older versions read them.
//! Writes text only; running it is the applier's affair.

pub(crate) mod kept;
pub(crate) mod mariadb;
pub(crate) mod order;
mod postgres;
pub(crate) mod quote;
pub(crate) mod relations;
mod sqlite;
pub(crate) mod views;

use journal_core::model::schema::{Check, Index};
use journal_core::model::{Name, Parent, Schema, SchemaVersion, Table};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::expr::Expression;
pub use crate::kept::is_kept;
use crate::set::{SchemaSet, Version};

pub use journal_core::sql::{Dialect, Place};

/// The statements that create the tables of a ledger at a version, parents before children, with their keys and indexes:
/// the version's own, and those it keeps for other versions. Names are unqualified. Where the version has a file
/// `ddl.sqlite.sql`, `ddl.postgres.sql` or `ddl.mariadb.sql`, its text stands there for the version's own as one element, with however many
/// statements it has: run it without preparing.
pub fn create_tables(version: &Version, dialect: Dialect) -> Vec<String> {
    create_tables_but(version, dialect, &BTreeSet::new())
}

/// The same without some of the generated tables, which stand already.
pub fn create_tables_but(version: &Version, dialect: Dialect, stand: &BTreeSet<Name>) -> Vec<String> {
    let mut statements = Vec::new();
    let own = version.ddl(dialect);
    statements.extend(own.map(str::to_owned));
    for (table, create) in created(version, dialect) {
        if !stand.contains(&table) && (own.is_none() || is_kept(&table)) {
            statements.extend(create);
        }
    }
    statements
}

/// The statements that create each table that a ledger at this version keeps for other versions only, parents first. They
/// are among [`create_tables`]; a ledger that was made before those versions were known lacks them.
pub fn create_kept_tables(version: &Version, dialect: Dialect) -> Vec<(Name, Vec<String>)> {
    created(version, dialect).into_iter().filter(|(table, _)| is_kept(table)).collect()
}

fn created(version: &Version, dialect: Dialect) -> Vec<(Name, Vec<String>)> {
    let schema = version.ledger();
    let create = match dialect {
        Dialect::Sqlite => sqlite::create_table,
        Dialect::Postgres => postgres::create_table,
        Dialect::MariaDb => mariadb::create_table,
    };
    let mut names = ObjectNames::new(version);
    let tables = tables_in_order(schema).into_iter();
    tables.map(|table| (table.name.clone(), create(schema, table, &mut names))).collect()
}

/// The statements that create, on a ledger at `ledger_version`, the views of every version up to it; in their order.
/// PostgreSQL: schema `v1` and so on, with the tables' names of that version; MariaDB: the same in databases beside the
/// ledger's own, `shop_v1` beside `shop`; SQLite: `name_v1`. The views of the ledger's own version read its tables, all
/// others those of the version above. `None` when the set lacks the version.
///
/// A view shows what the mapper says of the row and its complement, which it looks up where an operation keeps something:
/// the table of complements must be there. A value that the older type cannot hold exactly, which the mapper refuses,
/// shows as NULL, never rounded.
pub fn views(set: &SchemaSet, ledger_version: SchemaVersion, place: &Place) -> Option<Vec<String>> {
    views_over(set, ledger_version, place, &Sources::default())
}

/// The same over tables that stand under other names for a while.
pub fn views_over(
    set: &SchemaSet,
    ledger_version: SchemaVersion,
    place: &Place,
    sources: &Sources,
) -> Option<Vec<String>> {
    views::create(set, ledger_version, place, sources)
}

/// Under which names views find the tables of the ledger and that of complements: their own, unless told otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Tables that stand under another name.
    pub renamed: BTreeMap<Name, Name>,
    /// The template of the table of complements, where it is another one.
    pub complement: Option<&'static str>,
}

impl Sources {
    fn name<'n>(&'n self, table: &'n Name) -> &'n Name {
        self.renamed.get(table).unwrap_or(table)
    }

    fn complement(&self) -> &'static str {
        self.complement.unwrap_or("{d}complement")
    }
}

/// The statements that drop what [`views`] of the same arguments created, in their order. Views that are not there
/// are passed over; PostgreSQL's schemas and MariaDB's databases stay, since others may have put something into them.
pub fn drop_views(set: &SchemaSet, ledger_version: SchemaVersion, place: &Place) -> Option<Vec<String>> {
    views::drop(set, ledger_version, place)
}

/// The name under which a version's view of a table is read, quoted: `"v1"."name"`, `"shop_v1"."name"`, `"name_v1"`.
pub fn view_name(version: SchemaVersion, table: &str, place: &Place) -> String {
    match place.views_of(version) {
        Some(schema) => format!("{}.{}", quote::ident(&schema), quote::ident(table)),
        None => quote::ident(&format!("{table}_v{version}")),
    }
}

/// The schema with its types as narrow as the dialect's tables hold them. On MariaDB a text in a key has a bound: what is
/// longer has no place there.
pub fn held(schema: &Schema, dialect: Dialect) -> Cow<'_, Schema> {
    match dialect {
        Dialect::Sqlite | Dialect::Postgres => Cow::Borrowed(schema),
        Dialect::MariaDb => Cow::Owned(mariadb::held(schema)),
    }
}

/// Why a ledger of the dialect cannot have the tables of a version, if it cannot.
pub fn refusal(version: &Version, dialect: Dialect) -> Option<String> {
    if dialect != Dialect::MariaDb {
        return None;
    }
    version.ledger().tables.values().find_map(|table| {
        let refused = table.columns.iter().find_map(mariadb::refusal)?;
        Some(format!("version {}, table {}: {refused}", version.number(), table.name))
    })
}

/// The tables of a schema of a loaded set, each after all its parents (a table that is its own parent stands by
/// itself), and by name where parents leave it open. Inserts go in this order, deletes against it.
pub fn tables_in_order(schema: &Schema) -> Vec<&Table> {
    order::parents_first(schema)
}

/// The references that get an index: those whose columns no key, no unique key and no earlier reference begins with.
fn indexed(table: &Table) -> Vec<&Parent> {
    let keys = || std::iter::once(&table.key).chain(&table.unique);
    let mut indexed: Vec<&Parent> = Vec::new();
    for parent in &table.parents {
        let earlier = indexed.iter().map(|parent| &parent.columns);
        if !keys().chain(earlier).any(|columns| columns.starts_with(&parent.columns)) {
            indexed.push(parent);
        }
    }
    indexed
}

/// The statement that creates a declared index under the given name.
fn index(table: &Table, index: &Index, name: &str, dialect: Dialect) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    let condition =
        index.condition.as_ref().map(|text| format!(" WHERE {}", condition(table, text, dialect)));
    format!(
        "CREATE {unique}INDEX {} ON {} ({}){}",
        quote::ident(name),
        quote::ident(&table.name),
        quote::idents(&index.columns),
        condition.unwrap_or_default()
    )
}

/// The line that demands a declared check, under the given name in quotes.
fn check(table: &Table, check: &Check, name: &str, dialect: Dialect) -> String {
    format!("CONSTRAINT {name} CHECK {}", condition(table, &check.that, dialect))
}

/// A condition over a table's columns, in brackets. The loader has read it; should it not read here, no row fits.
fn condition(table: &Table, text: &str, dialect: Dialect) -> String {
    let read = Expression::condition(text, &table.columns);
    let sql = read.map(|condition| condition.sql_in_table(dialect, &|name| quote::ident(name)));
    format!("({})", sql.unwrap_or_else(|_| "1 = 0".to_owned()))
}

/// Generated names of constraints and indexes, each used once. They hold the version, because a reshape has the tables of
/// two versions side by side, and SQLite's indexes share one space of names.
#[derive(Debug)]
struct ObjectNames {
    version: SchemaVersion,
    used: BTreeSet<String>,
}

impl ObjectNames {
    /// PostgreSQL cuts longer names in silence.
    const BYTES_MAX: usize = 63;

    /// The version's views in SQLite share the space of names.
    fn new(version: &Version) -> Self {
        let number = version.number();
        let used = version.schema().tables.keys().map(|table| format!("{table}_v{number}")).collect();
        Self { version: number, used }
    }

    fn name(&mut self, table: &Table, columns: &[Name], kind: &str) -> String {
        let head = format!("{}_{}", table.name, columns.join("_"));
        let mut name = self.fitting(&head, &format!("_{kind}_v{}", self.version));
        // "a" with "b_c" and "a_b" with "c" read the same.
        let mut nr = 2;
        while self.used.contains(&name) {
            name = self.fitting(&head, &format!("_{kind}{nr}_v{}", self.version));
            nr += 1;
        }
        self.used.insert(name.clone());
        name
    }

    fn fitting(&self, head: &str, tail: &str) -> String {
        if head.len() + tail.len() <= Self::BYTES_MAX {
            return format!("{head}{tail}");
        }
        let hash: String =
            Sha256::digest(head.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        // Names are ASCII, so that any place is a good one to cut.
        format!("{}_{hash}{tail}", &head[..Self::BYTES_MAX - tail.len() - hash.len() - 1])
    }
}

#[cfg(test)]
mod tests;
