//! The statements of a reshape, in their order, as pure text: what a dry run shows is what is run.

use journal_core::model::{Schema, SchemaVersion, Table};
use journal_core::sql::{Dialect, quote};
use schema_mappers::ddl::{self, tables_in_order};
use schema_mappers::{MapError, Registry};

/// Stands before the name of a table that is set aside. Leaves table names of 51 bytes within PostgreSQL's 63.
const OLD: &str = "daybook_old_";

/// A reshape's statements, by phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Drops the views, renames the tables and what hangs on their names.
    pub(super) set_aside: Vec<String>,
    /// Creates the new version's tables, empty.
    pub(super) create: Vec<String>,
    /// Drops the tables set aside, children first.
    pub(super) drop_old: Vec<String>,
    /// Creates the views of the new version and all below.
    pub(super) views: Vec<String>,
    /// The old version's tables under the names they have while they are set aside, parents first, each after its
    /// plain name.
    pub(super) old: Vec<(Table, Table)>,
}

/// Plans the way from one version to another.
pub(super) fn plan(
    registry: &Registry,
    from: SchemaVersion,
    to: SchemaVersion,
    dialect: Dialect,
) -> Result<Plan, MapError> {
    let (source, _) = (registry.ledger(from)?, registry.ledger(to)?);
    let set = registry.set();
    let old: Vec<(Table, Table)> =
        tables_in_order(source).into_iter().map(|table| (table.clone(), aside(table))).collect();
    let mut set_aside = ddl::drop_views(set, from, dialect).unwrap_or_default();
    if dialect == Dialect::Postgres {
        set_aside.push(format!("CREATE SCHEMA {OLD_SCHEMA}"));
    }
    for (table, old) in &old {
        set_aside.push(format!("ALTER TABLE {} RENAME TO {}", quote(&table.name), quote(&old.name)));
        if dialect == Dialect::Postgres {
            // Its indexes and constraints go along, so that the new ones may have their names.
            set_aside.push(format!("ALTER TABLE {} SET SCHEMA {OLD_SCHEMA}", quote(&old.name)));
        }
    }
    let moved = list(old.iter().map(|(table, _)| &table.name));
    let complement = dialect.render("{d}complement");
    set_aside.push(format!("UPDATE {complement} SET entity = '{OLD}' || entity WHERE entity IN ({moved})"));
    if dialect == Dialect::Postgres {
        set_aside.push(format!(
            "SELECT set_config('search_path', current_setting('search_path') || ', {OLD_SCHEMA}', true)"
        ));
    }
    let moved = list(old.iter().map(|(_, old)| &old.name));
    let mut drop_old = vec![format!("DELETE FROM {complement} WHERE entity IN ({moved})")];
    drop_old.extend(old.iter().rev().map(|(_, old)| format!("DROP TABLE {}", quote(&old.name))));
    if dialect == Dialect::Postgres {
        drop_old.push(format!("DROP SCHEMA {OLD_SCHEMA}"));
    }
    Ok(Plan {
        set_aside,
        create: set.version(to).map(|version| ddl::create_tables(version, dialect)).unwrap_or_default(),
        drop_old,
        views: ddl::views(set, to, dialect).unwrap_or_default(),
        old,
    })
}

/// PostgreSQL's schema for tables set aside.
const OLD_SCHEMA: &str = "daybook_old";

/// A table under the name it has while it is set aside. Only its rows are read, so its parents stay as they were.
fn aside(table: &Table) -> Table {
    Table { name: format!("{OLD}{}", table.name).into(), ..table.clone() }
}

/// Table names as text literals; set names hold no quotes.
fn list<'n>(names: impl Iterator<Item = &'n journal_core::model::Name>) -> String {
    names.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

impl Plan {
    /// The schema under which the old rows are read.
    pub(super) fn old_schema(&self, version: SchemaVersion) -> Schema {
        let tables = self.old.iter().map(|(_, old)| (old.name.clone(), old.clone())).collect();
        Schema { version, tables, operations: std::collections::BTreeMap::new() }
    }

    /// Everything in order, for people: where rows are moved stands a comment.
    pub(super) fn statements(&self, dialect: Dialect, from: SchemaVersion, to: SchemaVersion) -> Vec<String> {
        let rendered = |statement: &String| dialect.render(statement);
        let mut all: Vec<String> = self.set_aside.iter().chain(&self.create).map(rendered).collect();
        for (table, old) in &self.old {
            all.push(format!(
                "-- the rows of {} (once {}) go through the mapping from version {from} to {to}",
                quote(&old.name),
                quote(&table.name)
            ));
        }
        all.extend(self.drop_old.iter().chain(&self.views).map(rendered));
        all.push(format!("{} = {to}", dialect.render("UPDATE {d}site SET ledger_version")));
        all
    }
}

#[cfg(test)]
mod tests {
    use schema_mappers::{RustMappers, SchemaSet, VersionSource};

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

    fn planned(dialect: Dialect) -> Vec<String> {
        let (from, to) = (SchemaVersion(1), SchemaVersion(2));
        plan(&registry(), from, to, dialect).unwrap().statements(dialect, from, to)
    }

    #[test]
    fn old_tables_are_aside_before_new_ones_come_and_go_children_first() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let all = planned(dialect);
            let at = |words: &str| {
                all.iter()
                    .position(|statement| statement.contains(words))
                    .unwrap_or_else(|| panic!("no {words} in {all:?}"))
            };
            let order = [
                "DROP VIEW",
                "ALTER TABLE \"above\" RENAME TO \"daybook_old_above\"",
                "ALTER TABLE \"below\" RENAME TO \"daybook_old_below\"",
                "SET entity = 'daybook_old_'",
                "CREATE TABLE \"above\"",
                "CREATE TABLE \"beneath\"",
                "-- the rows of \"daybook_old_below\"",
                "DROP TABLE \"daybook_old_below\"",
                "DROP TABLE \"daybook_old_above\"",
                "CREATE VIEW",
                "ledger_version = 2",
            ];
            assert!(order.map(at).is_sorted(), "{dialect}: {all:#?}");
        }
    }

    #[test]
    fn only_postgres_needs_a_place_for_the_names_of_old_indexes() {
        let has =
            |dialect| planned(dialect).iter().any(|statement| statement.contains("SET SCHEMA daybook_old"));
        assert_eq!((has(Dialect::Sqlite), has(Dialect::Postgres)), (false, true));
    }

    #[test]
    fn a_version_that_is_not_in_the_set_has_no_plan() {
        let unknown = plan(&registry(), SchemaVersion(2), SchemaVersion(3), Dialect::Sqlite);
        assert!(matches!(unknown, Err(MapError::UnknownVersion { .. })));
    }
}
