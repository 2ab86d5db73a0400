//! A small schema set in three versions, for what the rental history does not have: a table that refers to itself,
//! columns that are all of a kind, and keys whose order a mapping changes.

use journal_core::model::{Change, Decimal, SchemaVersion, Value};
use journal_tests::rig::{Rig, row};
use journal_tests::servers;
use journal_tests::tether;
use schema_mappers::{SchemaSet, VersionSource};

const SCHEMA_1: &str = r#"
[table.member]
key = ["id"]
parents = [{ columns = ["boss"], table = "member" }]
[table.member.columns]
id = "int"
full_name = "text"
fee = "decimal(7,2)"
boss = { type = "int", null = true }

[table.phone]
key = ["member_id"]
parents = [{ columns = ["member_id"], table = "member" }]
[table.phone.columns]
member_id = "int"
number = { type = "text", null = true }
"#;

const SCHEMA_2: &str = r#"
[table.member]
key = ["id"]
parents = [{ columns = ["boss"], table = "member" }]
[table.member.columns]
id = "int"
first_name = "text"
last_name = "text"
fee = "decimal(9,4)"
boss = { type = "int", null = true }

[table.contact]
key = ["member_id"]
parents = [{ columns = ["member_id"], table = "member" }]
[table.contact.columns]
member_id = "int"
number = "text"
kind = "text"
"#;

const MAPPING_2: &str = r#"
[[map]]
op = "split_column"
table = "member"
column = "full_name"
into = ["first_name", "last_name"]
separator = " "
at = "last"

[[map]]
op = "change_type"
table = "member"
column = "fee"
to = "decimal(9,4)"

[[map]]
op = "rename_table"
table = "phone"
to = "contact"

[[map]]
op = "require_column"
table = "contact"
column = "number"
ask = "?"

[[map]]
op = "add_column"
table = "contact"
column = "kind"
type = "text"
default = "home"
"#;

const SCHEMA_3: &str = r#"
[table.member]
key = ["id"]
parents = [{ columns = ["boss"], table = "member" }]
[table.member.columns]
id = "text"
first_name = "text"
last_name = "text"
fee = "decimal(9,4)"
boss = { type = "text", null = true }

[table.contact]
key = ["member_id"]
parents = [{ columns = ["member_id"], table = "member" }]
[table.contact.columns]
member_id = "text"
number = "text"
kind = "text"
"#;

/// Ids become texts, in whose order 10 comes before 9.
const MAPPING_3: &str = r#"
[[map]]
op = "change_type"
table = "member"
column = "id"
to = "text"

[[map]]
op = "change_type"
table = "member"
column = "boss"
to = "text"

[[map]]
op = "change_type"
table = "contact"
column = "member_id"
to = "text"
"#;

/// The set up to a version.
pub(crate) fn set(newest: i64) -> SchemaSet {
    let versions: [(i64, &[(&str, &str)]); 3] = [
        (1, &[("schema.toml", SCHEMA_1)]),
        (2, &[("schema.toml", SCHEMA_2), ("mapping.toml", MAPPING_2)]),
        (3, &[("schema.toml", SCHEMA_3), ("mapping.toml", MAPPING_3)]),
    ];
    let sources = versions.into_iter().filter(|(version, _)| *version <= newest);
    let sources =
        sources.map(|(version, files)| VersionSource::new(SchemaVersion(version), files.iter().copied()));
    SchemaSet::from_sources(sources.collect()).unwrap()
}

/// Two sites, a and b, over SQLite, over two PostgreSQL servers, and over two MariaDB servers.
pub(crate) async fn rigs() -> Vec<(&'static str, Rig)> {
    let mut rigs = vec![("sqlite", Rig::sqlite(&["a", "b"], set(3)).await)];
    if let Some((a, b)) = servers::two_postgres_or_skip() {
        let pair = [("a", a.create_database().url), ("b", b.create_database().url)];
        rigs.push(("postgres", Rig::at(&pair, set(3)).await));
    }
    if let Some((a, b)) = servers::two_mariadb_or_skip() {
        let pair = [("a", a.create_database().url), ("b", b.create_database().url)];
        rigs.push(("mariadb", Rig::at(&pair, set(3)).await));
    }
    rigs
}

/// An address for an empty database of the same kind as a rig's, and what keeps it alive.
pub(crate) fn empty_database(store: &str) -> (journal_core::sql::DbUrl, tempfile::TempDir) {
    let directory = tether::directory("daybook-it-");
    let server = match store {
        "postgres" => servers::postgres_or_skip(),
        "mariadb" => servers::mariadb_or_skip(),
        _ => None,
    };
    let url = match server {
        Some(server) => server.create_database().url,
        None => format!("sqlite:{}", directory.path().join("empty.db").display()),
    };
    (url.parse().unwrap(), directory)
}

pub(crate) fn money(text: &str) -> Value {
    Value::Decimal(text.parse::<Decimal>().unwrap())
}

/// A new member at version 1.
pub(crate) fn member(id: i64, full_name: &str, boss: Option<i64>) -> Change {
    let cells = row([
        ("id", id.into()),
        ("full_name", full_name.into()),
        ("fee", money("9.50")),
        ("boss", boss.into()),
    ]);
    Change::insert("member", cells)
}

/// A new phone at version 1.
pub(crate) fn phone(id: i64, number: Option<&str>) -> Change {
    Change::insert("phone", row([("member_id", id.into()), ("number", number.into())]))
}

/// Another name for a member, at version 1.
pub(crate) fn renamed(id: i64, full_name: &str) -> Change {
    Change::update("member", row([("id", id.into())]), row([("full_name", full_name.into())]))
}
