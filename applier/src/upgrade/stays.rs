//! Which tables a reshape leaves where they stand: those that are the same at both versions, whose rows go as they are, and
//! that no reference ties to one that moves. Pure.

use std::collections::BTreeSet;

use journal_core::model::{Name, SchemaVersion};
use journal_core::sql::Dialect;
use schema_mappers::{MapError, Registry};

/// The tables that stay. A reference between a table that stays and one that moves would have to be pointed at another
/// table, which SQLite cannot do, and old tables that are set aside must not refer to rows that live on. So tables that
/// refer to one another stay together or move together. A version with DDL of its own makes all its tables.
pub(super) fn stays(
    registry: &Registry,
    from: SchemaVersion,
    to: SchemaVersion,
    dialect: Dialect,
) -> Result<BTreeSet<Name>, MapError> {
    let (source, target) = (registry.ledger(from)?, registry.ledger(to)?);
    let own_ddl = |version| registry.set().version(version).is_none_or(|known| known.ddl(dialect).is_some());
    if own_ddl(from) || own_ddl(to) {
        return Ok(BTreeSet::new());
    }
    let feeds =
        registry.feeds(from, to)?.into_iter().filter(|feed| feed.identity).map(|feed| feed.root.table);
    let same = |table: &Name| match (source.tables.get(table), target.tables.get(table)) {
        (Some(old), Some(new)) => old.has_form_of(new),
        _ => false,
    };
    let mut stays: BTreeSet<Name> = feeds.filter(same).collect();
    loop {
        let before = stays.len();
        for table in source.tables.values().chain(target.tables.values()) {
            for parent in &table.parents {
                if stays.contains(&table.name) != stays.contains(&parent.table) {
                    stays.remove(&table.name);
                    stays.remove(&parent.table);
                }
            }
        }
        if stays.len() == before {
            return Ok(stays);
        }
    }
}

#[cfg(test)]
mod tests {
    use schema_mappers::{RustMappers, SchemaSet, VersionSource};

    use super::*;

    /// `changed` changes; `child` refers to it, `grandchild` to that; `alone` and its child `other` have nothing to do
    /// with them.
    fn registry(own_ddl: Option<&str>) -> Registry {
        let table = |name: &str, parent: Option<&str>| {
            let parents = parent.map_or_else(String::new, |parent| {
                format!("parents = [{{ columns = [\"id\"], table = \"{parent}\" }}]\n")
            });
            format!("[table.{name}]\nkey = [\"id\"]\n{parents}[table.{name}.columns]\nid = \"int\"\n")
        };
        let rest = table("child", Some("changed"))
            + &table("grandchild", Some("child"))
            + &table("alone", None)
            + &table("other", Some("alone"));
        let first = table("changed", None) + &rest;
        let second = table("changed", None) + "more = { type = \"text\", null = true }\n" + &rest;
        let add = "[[map]]\nop = \"add_column\"\ntable = \"changed\"\ncolumn = \"more\"\ntype = \"text\"\nnull = true\n";
        let mut files = vec![("schema.toml", second.as_str()), ("mapping.toml", add)];
        files.extend(own_ddl.map(|text| ("ddl.postgres.sql", text)));
        let sources = vec![
            VersionSource::new(SchemaVersion(1), [("schema.toml", first.as_str())]),
            VersionSource::new(SchemaVersion(2), files),
        ];
        Registry::new(SchemaSet::from_sources(sources).unwrap(), RustMappers::none()).unwrap()
    }

    fn names(registry: &Registry, dialect: Dialect) -> Vec<String> {
        let up = stays(registry, SchemaVersion(1), SchemaVersion(2), dialect).unwrap();
        let down = stays(registry, SchemaVersion(2), SchemaVersion(1), dialect).unwrap();
        assert_eq!(up, down, "what stays on the way up stays on the way down");
        up.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_hangs_together_with_a_table_that_changes_moves_with_it() {
        assert_eq!(names(&registry(None), Dialect::Sqlite), ["alone", "other"]);
    }

    #[test]
    fn a_table_whose_changes_are_posted_otherwise_stays() {
        let first = "[table.t]\nkey = [\"id\"]\n[table.t.columns]\nid = \"int\"\n";
        let second = first.replace("key", "fold = false\nkey");
        let sources = [(1, first), (2, second.as_str())]
            .map(|(version, text)| VersionSource::new(SchemaVersion(version), [("schema.toml", text)]));
        let set = SchemaSet::from_sources(sources.to_vec()).unwrap();
        let registry = Registry::new(set, RustMappers::none()).unwrap();
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            assert_eq!(names(&registry, dialect), ["t"]);
        }
    }

    #[test]
    fn a_version_with_ddl_of_its_own_makes_all_its_tables() {
        let registry = registry(Some("CREATE TABLE alone (id bigint PRIMARY KEY);"));
        assert!(names(&registry, Dialect::Postgres).is_empty());
        assert_eq!(names(&registry, Dialect::Sqlite), ["alone", "other"]);
    }
}
