//! The statements that bring a ledger's tables from one version to another, as pure text in their order: what a plan
//! shows is what is run. New tables are made beside the old ones, filled there, and then change places with them.

use std::collections::{BTreeMap, BTreeSet};

use journal_core::model::{Name, Schema, SchemaVersion, Table};
use journal_core::sql::{Dialect, Place, quote};
use schema_mappers::ddl::{self, Sources, tables_in_order};
use schema_mappers::{MapError, Registry, SchemaSet};

use super::stand_ins::StandIns;
use super::stays::stays;

/// Stands before the name of a new table that is being filled. Leaves table names of 51 bytes within PostgreSQL's 63.
pub(super) const NEW: &str = "daybook_new_";
/// Stands before the name of an old table that was set aside.
pub(super) const OLD: &str = "daybook_old_";
/// PostgreSQL's schemas for the two; indexes and constraints live there under the names of their own version.
pub(super) const NEW_SCHEMA: &str = "daybook_new";
pub(super) const OLD_SCHEMA: &str = "daybook_old";

/// What the text depends on besides the schema set: how a database stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ground {
    pub(super) place: Place,
    /// PostgreSQL: the schema of the ledger's tables, quoted. Elsewhere empty.
    pub(super) home: String,
    /// MariaDB: the collation that the database's tables have unless told otherwise. Elsewhere empty.
    pub(super) collation: String,
    /// The columns of the table of complements, from the bracket on. SQLite only.
    pub(super) complement_columns: String,
    /// The oldest version that has views here: older ones were contracted.
    pub(super) views_from: SchemaVersion,
}

impl Ground {
    /// MariaDB: the database in which the tables of a version are made. Rights to the databases of views cover it too.
    pub(super) fn making(&self) -> String {
        format!("{}_v_daybook", self.place.database())
    }
}

/// The way of a ledger's tables from one version to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    ground: Ground,
    to: SchemaVersion,
    /// The old tables, parents first.
    pub(super) old: Vec<Table>,
    /// The new tables under their own names, parents first.
    pub(super) new: Vec<Table>,
    /// Tables that are the same at both versions and are not touched.
    pub(super) stays: BTreeSet<Name>,
    created: Vec<String>,
    views_gone: Vec<String>,
    views_new: Vec<String>,
    /// MariaDB: the switch.
    stand_ins: Option<StandIns>,
}

impl Layout {
    pub(super) fn new(
        registry: &Registry,
        from: SchemaVersion,
        to: SchemaVersion,
        ground: Ground,
    ) -> Result<Self, MapError> {
        let (source, target) = (registry.ledger(from)?, registry.ledger(to)?);
        let (set, dialect) = (registry.set(), ground.place.dialect());
        let stays = stays(registry, from, to, dialect)?;
        let moving = |table: &&Table| !stays.contains(&table.name);
        let created = set.version(to).map(|version| ddl::create_tables_but(version, dialect, &stays));
        let old: Vec<Table> = tables_in_order(source).into_iter().filter(moving).cloned().collect();
        let new: Vec<Table> = tables_in_order(target).into_iter().filter(moving).cloned().collect();
        let stand_ins =
            (dialect == Dialect::MariaDb).then(|| StandIns::new(set, (from, to), (&old, &new), &ground));
        Ok(Self {
            old,
            new,
            stand_ins,
            created: created.unwrap_or_default(),
            views_gone: ddl::drop_views(set, from, &ground.place).unwrap_or_default(),
            views_new: views(set, to, &ground, &Sources::default()),
            stays,
            to,
            ground,
        })
    }

    /// The new tables under the names they have while they are filled.
    pub(super) fn staged(&self) -> Schema {
        let staged = self.new.iter().map(|table| {
            let name = staged_name(&table.name);
            (name.clone(), Table { name, ..table.clone() })
        });
        Schema { version: self.to, tables: staged.collect(), operations: BTreeMap::new() }
    }

    /// PostgreSQL: the schema of the ledger's tables, quoted.
    pub(super) fn home(&self) -> &str {
        &self.ground.home
    }

    /// The oldest version that has views here.
    pub(super) fn views_from(&self) -> SchemaVersion {
        self.ground.views_from
    }

    /// MariaDB: the statements of the switch by stages.
    pub(super) fn stand_ins(&self) -> Option<&StandIns> {
        self.stand_ins.as_ref()
    }

    /// MariaDB: the database in which the new tables are made.
    pub(super) fn making(&self) -> String {
        self.ground.making()
    }

    /// PostgreSQL: a table of the ledger with its schema.
    pub(super) fn at_home(&self, table: &Name) -> String {
        format!("{}.{}", self.ground.home, quote(table))
    }

    /// Makes the new tables, empty, beside the old ones. Readers notice nothing.
    pub(super) fn expand(&self) -> Vec<String> {
        let mut all = Vec::new();
        match self.ground.place.dialect() {
            Dialect::Postgres => {
                all.push(format!("CREATE SCHEMA {NEW_SCHEMA}"));
                all.push(format!(
                    "SELECT set_config('search_path', '{NEW_SCHEMA}, ' || current_setting('search_path'), true)"
                ));
                all.extend(self.created.iter().cloned());
                all.extend(self.new.iter().map(|table| {
                    let (name, staged) = (quote(&table.name), quote(&staged_name(&table.name)));
                    format!("ALTER TABLE {NEW_SCHEMA}.{name} RENAME TO {staged}")
                }));
                all.push("CREATE TABLE {d}complement_new (LIKE {d}complement INCLUDING ALL)".to_owned());
            }
            Dialect::MariaDb => all.extend(self.expand_apart()),
            Dialect::Sqlite => {
                // A version's own DDL makes its tables under their plain names, so the old ones step aside for it.
                all.extend(self.old.iter().map(|table| rename(&table.name, &aside_name(&table.name))));
                all.extend(self.created.iter().cloned());
                all.extend(self.new.iter().map(|table| rename(&table.name, &staged_name(&table.name))));
                all.extend(self.old.iter().map(|table| rename(&aside_name(&table.name), &table.name)));
                all.push(format!("CREATE TABLE {{d}}complement_new {}", self.ground.complement_columns));
            }
        }
        if !self.stays.is_empty() {
            let names: Vec<String> = self.stays.iter().map(|name| format!("'{name}'")).collect();
            all.push(format!(
                "INSERT INTO {{d}}complement_new SELECT * FROM {{d}}complement WHERE entity IN ({})",
                names.join(", ")
            ));
        }
        all
    }

    /// MariaDB: a version's own DDL makes its tables under their plain names, so they are made in a database of their own.
    /// The databases of views come now, so that a right that lacks for them shows before the switch begins.
    fn expand_apart(&self) -> Vec<String> {
        let (home, making) = (quote(self.ground.place.database()), quote(&self.making()));
        let schemas = self.views_new.iter().filter(|text| text.starts_with("CREATE SCHEMA"));
        let mut all: Vec<String> = schemas.cloned().collect();
        all.push(format!("CREATE DATABASE {making} COLLATE {}", self.ground.collation));
        all.push(format!("USE {making}"));
        all.extend(self.created.iter().cloned());
        all.push(format!("USE {home}"));
        let moves = self
            .new
            .iter()
            .map(|table| format!("{making}.{} TO {}", quote(&table.name), quote(&staged_name(&table.name))));
        let moves: Vec<String> = moves.collect();
        if !moves.is_empty() {
            all.push(format!("RENAME TABLE {}", moves.join(", ")));
        }
        all.push(format!("DROP DATABASE {making}"));
        all.push("CREATE TABLE {d}complement_new LIKE {d}complement".to_owned());
        all
    }

    /// PostgreSQL: everything that the switch changes, views before what they read, as readers take it.
    pub(super) fn locked(&self) -> Vec<String> {
        // Views of older versions come first in the list, and read those of newer ones.
        let views = self.views_gone.iter().filter_map(|drop| drop.rsplit(' ').next()).map(str::to_owned);
        let tables = self.old.iter().map(|table| self.at_home(&table.name));
        views.chain(tables).chain(["daybook.complement".to_owned()]).collect()
    }

    /// Puts the new tables in the place of the old ones, with the views over them. Changes names only.
    pub(super) fn switch(&self) -> Vec<String> {
        if let Some(stand_ins) = &self.stand_ins {
            return stand_ins.all();
        }
        let mut all = self.views_gone.clone();
        let home = &self.ground.home;
        match self.ground.place.dialect() {
            Dialect::Postgres => {
                all.push(format!("CREATE SCHEMA {OLD_SCHEMA}"));
                for table in &self.old {
                    let (name, aside) = (quote(&table.name), quote(&aside_name(&table.name)));
                    all.push(format!("ALTER TABLE {home}.{name} RENAME TO {aside}"));
                    all.push(format!("ALTER TABLE {home}.{aside} SET SCHEMA {OLD_SCHEMA}"));
                }
                for table in &self.new {
                    let (name, staged) = (quote(&table.name), quote(&staged_name(&table.name)));
                    all.push(format!("ALTER TABLE {NEW_SCHEMA}.{staged} RENAME TO {name}"));
                    all.push(format!("ALTER TABLE {NEW_SCHEMA}.{name} SET SCHEMA {home}"));
                }
                all.push("ALTER TABLE {d}complement RENAME TO complement_old".to_owned());
                all.push("ALTER TABLE {d}complement_new RENAME TO complement".to_owned());
                all.push(format!("DROP SCHEMA {NEW_SCHEMA}"));
            }
            _ => {
                all.extend(self.old.iter().map(|table| rename(&table.name, &aside_name(&table.name))));
                all.extend(self.new.iter().map(|table| rename(&staged_name(&table.name), &table.name)));
                all.push("ALTER TABLE {d}complement RENAME TO {d}complement_old".to_owned());
                all.push("ALTER TABLE {d}complement_new RENAME TO {d}complement".to_owned());
            }
        }
        all.extend(self.views_new.iter().cloned());
        all
    }

    /// Drops what the switch set aside, children first.
    pub(super) fn drop_old(&self) -> Vec<String> {
        let postgres = self.ground.place.dialect() == Dialect::Postgres;
        let place = if postgres { format!("{OLD_SCHEMA}.") } else { String::new() };
        let names = self.old.iter().rev().map(|table| quote(&aside_name(&table.name)));
        let mut all: Vec<String> = names.map(|name| format!("DROP TABLE {place}{name}")).collect();
        all.push("DROP TABLE {d}complement_old".to_owned());
        if postgres {
            all.push(format!("DROP SCHEMA {OLD_SCHEMA}"));
        }
        all
    }

    /// How the rows of the old tables go, as remarks among the statements.
    pub(super) fn moves(&self, from: SchemaVersion) -> Vec<String> {
        let moved = |table: &Table| {
            format!("-- the rows of {} go through the mapping from version {from} to {}", table.name, self.to)
        };
        let stays = self.stays.iter().map(|table| format!("-- the rows of {table} stay where they are"));
        self.old.iter().map(moved).chain(stays).collect()
    }

    /// Everything in order, for people.
    pub(super) fn statements(&self, from: SchemaVersion) -> Vec<String> {
        let mut all = self.expand();
        all.extend(self.moves(from));
        all.extend(self.switch());
        all.push(format!("UPDATE {{d}}site SET ledger_version = {}", self.to));
        all.extend(self.drop_old());
        self.rendered(all)
    }

    /// Statements as the database gets them.
    pub(super) fn rendered(&self, statements: Vec<String>) -> Vec<String> {
        statements.iter().map(|statement| rendered(self.ground.place.dialect(), statement)).collect()
    }
}

/// The views of a ledger at a version, without those of versions that were contracted.
pub(super) fn views(
    set: &SchemaSet,
    version: SchemaVersion,
    ground: &Ground,
    sources: &Sources,
) -> Vec<String> {
    let older = set.versions().iter().filter(|older| older.number() < ground.views_from);
    let gone: Vec<String> = older
        .flat_map(|older| {
            let number = older.number();
            let names = older.schema().tables.keys();
            names.map(move |table| format!("CREATE VIEW {} ", ddl::view_name(number, table, &ground.place)))
        })
        .collect();
    let all = ddl::views_over(set, version, &ground.place, sources).unwrap_or_default();
    all.into_iter().filter(|text| !gone.iter().any(|gone| text.starts_with(gone))).collect()
}

/// A statement with the names of Daybook's own tables in. Literals of a schema set may hold any text, so only
/// statements of this file are templates: those on the table of complements and the site.
pub(super) fn rendered(dialect: Dialect, statement: &str) -> String {
    let own = ["CREATE TABLE {d}", "ALTER TABLE {d}", "DROP TABLE {d}", "UPDATE {d}", "INSERT INTO {d}"];
    match own.iter().any(|words| statement.starts_with(words)) {
        true => dialect.render(statement),
        false => statement.to_owned(),
    }
}

/// A new table's name while it is filled.
pub(super) fn staged_name(table: &Name) -> Name {
    format!("{NEW}{table}").into()
}

pub(super) fn aside_name(table: &Name) -> Name {
    format!("{OLD}{table}").into()
}

fn rename(from: &Name, to: &Name) -> String {
    format!("ALTER TABLE {} RENAME TO {}", quote(from), quote(to))
}

#[cfg(test)]
mod tests {
    use schema_mappers::{RustMappers, VersionSource};

    use super::*;

    fn registry() -> Registry {
        let child = "[table.%]\nkey = [\"id\"]\nparents = [{ columns = [\"id\"], table = \"above\" }]\n[table.%.columns]\nid = \"int\"\n";
        let above = "[table.above]\nkey = [\"id\"]\n[table.above.columns]\nid = \"int\"\n";
        let schema = |name: &str| format!("{}\n{above}", child.replace('%', name));
        let rename = "[[map]]\nop = \"rename_table\"\ntable = \"below\"\nto = \"beneath\"\n";
        let (first, second) = (schema("below"), schema("beneath"));
        let sources = vec![
            VersionSource::new(SchemaVersion(1), [("schema.toml", first.as_str())]),
            VersionSource::new(
                SchemaVersion(2),
                [("schema.toml", second.as_str()), ("mapping.toml", rename)],
            ),
        ];
        Registry::new(SchemaSet::from_sources(sources).unwrap(), RustMappers::none()).unwrap()
    }

    fn layout(dialect: Dialect) -> Layout {
        let (home, place) = match dialect {
            Dialect::Postgres => ("public".to_owned(), Place::postgres()),
            _ => (String::new(), Place::sqlite()),
        };
        let complement_columns = "(entity TEXT)".to_owned();
        let (collation, views_from) = (String::new(), SchemaVersion(1));
        let ground = Ground { place, home, collation, complement_columns, views_from };
        Layout::new(&registry(), SchemaVersion(1), SchemaVersion(2), ground).unwrap()
    }

    #[test]
    fn new_tables_are_made_and_filled_before_old_ones_step_aside_and_go_children_first() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let all = layout(dialect).statements(SchemaVersion(1));
            let after = |start: usize, words: &str| {
                let found = all[start..].iter().position(|statement| statement.contains(words));
                start + found.unwrap_or_else(|| panic!("{dialect}: no {words} from {start} on in {all:#?}"))
            };
            let order = [
                "CREATE TABLE \"above\"",
                "CREATE TABLE \"beneath\"",
                "\"above\" RENAME TO \"daybook_new_above\"",
                "-- the rows of below",
                "DROP VIEW",
                "\"above\" RENAME TO \"daybook_old_above\"",
                "\"below\" RENAME TO \"daybook_old_below\"",
                "\"daybook_new_beneath\" RENAME TO \"beneath\"",
                "CREATE VIEW",
                "ledger_version = 2",
                "\"daybook_old_below\"",
                "\"daybook_old_above\"",
            ];
            order.iter().fold(0, |start, words| after(start, words));
        }
    }

    #[test]
    fn until_the_switch_no_statement_takes_anything_from_readers() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let expand = layout(dialect).expand();
            assert!(!expand.iter().any(|statement| statement.starts_with("DROP")), "{expand:?}");
            let touched =
                |table: &str| expand.iter().filter(|text| text.contains(&format!("\"{table}\""))).count();
            // In SQLite a table steps aside and back in one transaction.
            let most = if dialect == Dialect::Sqlite { 2 } else { 0 };
            assert_eq!(touched("below"), most, "{expand:?}");
        }
    }

    #[test]
    fn views_are_locked_before_what_they_read() {
        let locked = layout(Dialect::Postgres).locked();
        let at = |name: &str| locked.iter().position(|locked| locked == name).unwrap();
        assert!(at("\"v1\".\"below\"") < at("public.\"below\""), "{locked:?}");
    }

    #[test]
    fn a_version_that_is_not_in_the_set_has_no_layout() {
        let ground = layout(Dialect::Sqlite).ground;
        let unknown = Layout::new(&registry(), SchemaVersion(2), SchemaVersion(3), ground);
        assert!(matches!(unknown, Err(MapError::UnknownVersion { .. })));
    }
}
