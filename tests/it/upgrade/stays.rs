//! Tables that are the same at both versions are left where they stand, with what is kept of their rows; rights on tables
//! and views are there again after the switch.

use applier::control::ControlStore as _;
use journal_core::model::{Change, SchemaVersion};
use journal_tests::rig::{Rig, drain, row};
use journal_tests::servers::{mariadb_or_skip, postgres_or_skip, two_postgres_or_skip};
use schema_mappers::{SchemaSet, VersionSource};

use super::Busy;
use crate::shop::Shop;

/// Version 2 drops a column of `alone`, version 3 changes `other` only.
fn set() -> SchemaSet {
    let table = |name: &str, columns: &str| {
        format!("[table.{name}]\nkey = [\"id\"]\n[table.{name}.columns]\nid = \"int\"\n{columns}")
    };
    let note = "note = { type = \"text\", null = true }\n";
    let schemas = [
        table("alone", note) + &table("other", ""),
        table("alone", "") + &table("other", ""),
        table("alone", "") + &table("other", note),
    ];
    let drop = "[[map]]\nop = \"drop_column\"\ntable = \"alone\"\ncolumn = \"note\"\n";
    let add =
        "[[map]]\nop = \"add_column\"\ntable = \"other\"\ncolumn = \"note\"\ntype = \"text\"\nnull = true\n";
    let mappings = [None, Some(drop), Some(add)];
    let sources = (1..).zip(schemas.iter().zip(mappings)).map(|(number, (schema, mapping))| {
        let mut files = vec![("schema.toml", schema.as_str())];
        files.extend(mapping.map(|text| ("mapping.toml", text)));
        VersionSource::new(SchemaVersion(number), files)
    });
    SchemaSet::from_sources(sources.collect()).unwrap()
}

#[tokio::test]
async fn a_table_that_does_not_change_is_not_touched_and_what_is_kept_of_it_stays() {
    let mut rigs = vec![("sqlite", Rig::sqlite(&["a"], set()).await)];
    if let Some(server) = postgres_or_skip() {
        rigs.push(("postgres", Rig::at(&[("a", server.create_database().url)], set()).await));
    }
    if let Some(server) = mariadb_or_skip() {
        rigs.push(("mariadb", Rig::at(&[("a", server.create_database().url)], set()).await));
    }
    for (store, rig) in rigs {
        let alone = row([("id", 1.into()), ("note", "kept".into())]);
        let other = row([("id", 7.into())]);
        rig.append("a", 1, &[Change::insert("alone", alone), Change::insert("other", other)]).await;
        drain(&mut rig.poster("a").await).await.unwrap();
        rig.control("a").await.pause("dba", "release").await.unwrap();
        crate::reshape::apply(&rig, "a", 2).await.unwrap();
        let place = match store {
            "sqlite" => "SELECT rootpage FROM sqlite_master WHERE name = 'alone'",
            "mariadb" => {
                "SELECT CAST(table_id AS SIGNED) FROM information_schema./*M! innodb_sys_tables */ /*!80017 innodb_tables */ \
                 WHERE name = concat(database(), '/alone')"
            }
            _ => "SELECT CAST(to_regclass('alone')::oid AS bigint)",
        };
        let before = rig.number("a", place).await;
        let report = crate::reshape::apply(&rig, "a", 3).await.unwrap();
        let moved: Vec<&str> = report.tables.iter().map(|moved| moved.table.as_ref()).collect();
        assert_eq!(moved, ["other"], "{store}");
        assert_eq!(rig.number("a", place).await, before, "{store}: the table is another one");
        assert!(report.statements.iter().any(|text| text.contains("the rows of alone stay")), "{store}");
        crate::reshape::apply(&rig, "a", 1).await.unwrap();
        let note = rig.row("a", "SELECT note FROM alone WHERE id = 1", vec![]).await.text(0).unwrap();
        assert_eq!(note, "kept", "{store}");
    }
}

#[tokio::test]
async fn rights_of_readers_hold_after_the_switch() {
    let Some((a, b)) = two_postgres_or_skip() else { return };
    let busy = Busy::new(Shop::on_servers(a, b), 1);
    let role = format!("reader_{}", std::process::id());
    let grant = format!(
        "CREATE ROLE {role}; GRANT USAGE ON SCHEMA v1 TO {role}; GRANT SELECT ON v1.film TO {role} WITH GRANT OPTION; \
         GRANT SELECT ON film TO {role}"
    );
    busy.shop.vandalise("a", &grant).await;
    busy.shop.done(&["upgrade", "--to", "2", "--first", "a"]);
    for (object, right, has) in [
        ("v1.film", "SELECT", 1),
        ("v1.film", "SELECT WITH GRANT OPTION", 1),
        ("film", "SELECT", 1),
        ("v1.film", "INSERT", 0),
        ("v1.name", "SELECT", 0),
    ] {
        let query = format!(
            "SELECT CAST(CAST(has_table_privilege('{role}', '{object}', '{right}') AS int) AS bigint)"
        );
        assert_eq!(busy.shop.number("a", &query).await, has, "{right} on {object}");
    }
    busy.shop.vandalise("a", &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    busy.end();
}
