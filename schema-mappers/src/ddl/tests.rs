//! The text of tables and views, as a DBA would read it.

use journal_core::model::SchemaVersion;

use super::{Dialect, Place, create_tables, drop_views, tables_in_order, view_name, views};
use crate::ops::testing::set_of;
use crate::{SchemaSet, VersionSource};

const V1: &str = r#"
[table.child]
key = ["code", "nr"]
unique = [["label"]]
parents = [
    { columns = ["code"], table = "parent" },
    { columns = ["other"], table = "parent" },
]
[table.child.columns]
code = "text(8)"
nr = "int"
other = { type = "text(8)", null = true }
label = "text"
price = "decimal(9,2)"
seen = { type = "timestamp", null = true }

[table.parent]
key = ["code"]
[table.parent.columns]
code = "text(8)"
flag = "bool"
"#;

fn child(v1: &str) -> SchemaSet {
    set_of(&[(v1, "")]).expect("a good set")
}

#[test]
fn sqlite_tables_are_strict_and_come_parents_first() {
    let statements = create_tables(child(V1).newest(), Dialect::Sqlite);
    assert_eq!(
        statements,
        [
            "CREATE TABLE \"parent\" (\n  \"code\" TEXT NOT NULL,\n  \"flag\" INTEGER NOT NULL,\n  \
             PRIMARY KEY (\"code\")\n) STRICT",
            "CREATE TABLE \"child\" (\n  \"code\" TEXT NOT NULL,\n  \"nr\" INTEGER NOT NULL,\n  \"other\" TEXT,\n  \
             \"label\" TEXT NOT NULL,\n  \"price\" TEXT NOT NULL,\n  \"seen\" TEXT,\n  \
             PRIMARY KEY (\"code\", \"nr\"),\n  UNIQUE (\"label\"),\n  \
             FOREIGN KEY (\"code\") REFERENCES \"parent\" (\"code\"),\n  \
             FOREIGN KEY (\"other\") REFERENCES \"parent\" (\"code\")\n) STRICT",
            "CREATE INDEX \"child_other_index_v1\" ON \"child\" (\"other\")",
        ]
    );
}

#[test]
fn postgres_tables_name_their_constraints_and_compare_keys_by_bytes() {
    let statements = create_tables(child(V1).newest(), Dialect::Postgres);
    assert_eq!(
        statements,
        [
            "CREATE TABLE \"parent\" (\n  \"code\" varchar(8) COLLATE \"C\" NOT NULL,\n  \"flag\" boolean NOT NULL,\n  \
             CONSTRAINT \"parent_code_key_v1\" PRIMARY KEY (\"code\")\n)",
            "CREATE TABLE \"child\" (\n  \"code\" varchar(8) COLLATE \"C\" NOT NULL,\n  \"nr\" bigint NOT NULL,\n  \
             \"other\" varchar(8) COLLATE \"C\",\n  \"label\" text COLLATE \"C\" NOT NULL,\n  \
             \"price\" numeric(9,2) NOT NULL,\n  \"seen\" timestamptz,\n  \
             CONSTRAINT \"child_code_nr_key_v1\" PRIMARY KEY (\"code\", \"nr\"),\n  \
             CONSTRAINT \"child_label_unique_v1\" UNIQUE (\"label\"),\n  \
             CONSTRAINT \"child_code_fk_v1\" FOREIGN KEY (\"code\") REFERENCES \"parent\" (\"code\") NOT DEFERRABLE,\n  \
             CONSTRAINT \"child_other_fk_v1\" FOREIGN KEY (\"other\") REFERENCES \"parent\" (\"code\") NOT DEFERRABLE\n)",
            "CREATE INDEX \"child_other_index_v1\" ON \"child\" (\"other\")",
        ]
    );
}

#[test]
fn mariadb_tables_are_one_statement_each_and_bound_the_texts_of_keys() {
    let statements = create_tables(child(V1).newest(), Dialect::MariaDb);
    let end = ") ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=/*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */";
    assert_eq!(
        statements,
        [
            format!(
                "CREATE TABLE \"parent\" (\n  \"code\" VARCHAR(8) NOT NULL,\n  \"flag\" BOOLEAN NOT NULL,\n  \
                 PRIMARY KEY (\"code\")\n{end}"
            ),
            format!(
                "CREATE TABLE \"child\" (\n  \"code\" VARCHAR(8) NOT NULL,\n  \"nr\" BIGINT NOT NULL,\n  \
                 \"other\" VARCHAR(8) NULL,\n  \"label\" VARCHAR(750) NOT NULL,\n  \
                 \"price\" DECIMAL(9,2) NOT NULL,\n  \"seen\" DATETIME(6) NULL,\n  \
                 PRIMARY KEY (\"code\", \"nr\"),\n  UNIQUE KEY \"child_label_unique_v1\" (\"label\"),\n  \
                 KEY \"child_other_index_v1\" (\"other\"),\n  \
                 CONSTRAINT \"child_code_fk_v1\" FOREIGN KEY (\"code\") REFERENCES \"parent\" (\"code\"),\n  \
                 CONSTRAINT \"child_other_fk_v1\" FOREIGN KEY (\"other\") REFERENCES \"parent\" (\"code\")\n{end}"
            ),
        ]
    );
}

#[test]
fn mariadb_texts_in_keys_share_the_room_of_an_index_and_others_are_long() {
    let text = "[table.t]\nkey = [\"a\", \"b\", \"n\"]\nindexes = [{ name = \"i\", columns = [\"c\", \"n\"] }]\n\
                [table.t.columns]\na = \"text\"\nb = \"text(100)\"\nn = \"int\"\nc = \"text\"\nd = \"text(300)\"\n\
                e = \"text(255)\"\nf = \"bytes\"\ng = \"json\"\nh = \"uuid\"\n";
    let set = child(text);
    let created = create_tables(set.newest(), Dialect::MariaDb).join("\n");
    for line in [
        "\"a\" VARCHAR(648) NOT NULL",
        "\"b\" VARCHAR(100) NOT NULL",
        "\"c\" LONGTEXT NOT NULL",
        "\"d\" LONGTEXT NOT NULL",
        "\"e\" VARCHAR(255) NOT NULL",
        "\"f\" LONGBLOB NOT NULL",
        "\"g\" LONGTEXT NOT NULL",
        "\"h\" CHAR(36) NOT NULL",
        "KEY \"t_i_index_v1\" (\"c\"(191), \"n\")",
    ] {
        assert!(created.contains(line), "{line} in {created}");
    }
    let held = super::held(set.newest().schema(), Dialect::MariaDb);
    let ty = |column: &str| held.tables["t"].column(column).expect("a column").ty.to_string();
    assert_eq!(["a", "b", "c"].map(ty), ["text(648)", "text(100)", "text"]);
    assert_eq!(*super::held(set.newest().schema(), Dialect::Postgres), *set.newest().schema());
}

#[test]
fn a_decimal_that_mariadb_cannot_hold_is_refused() {
    let set = |ty: &str| {
        child(&format!("[table.t]\nkey = [\"id\"]\n[table.t.columns]\nid = \"int\"\nx = \"{ty}\"\n"))
    };
    for ty in ["decimal(66,2)", "decimal(60,39)"] {
        let refused = super::refusal(set(ty).newest(), Dialect::MariaDb).expect("a refusal");
        assert!(refused.starts_with(&format!("version 1, table t: column x is {ty};")), "{refused}");
        assert_eq!(super::refusal(set(ty).newest(), Dialect::Postgres), None);
    }
    assert_eq!(super::refusal(set("decimal(65,38)").newest(), Dialect::MariaDb), None);
}

#[test]
fn a_versions_own_file_replaces_the_generated_statements() {
    let files = [("schema.toml", V1), ("ddl.sqlite.sql", "-- Mine.\nCREATE TABLE parent (code TEXT);")];
    let set = SchemaSet::from_sources(vec![VersionSource::new(SchemaVersion(1), files)]).expect("a good set");
    assert_eq!(create_tables(set.newest(), Dialect::Sqlite), ["-- Mine.\nCREATE TABLE parent (code TEXT);"]);
    assert_eq!(create_tables(set.newest(), Dialect::Postgres).len(), 3);
}

#[test]
fn every_table_comes_after_its_parents_and_may_be_its_own() {
    let text = "[table.a]\nkey = [\"id\"]\nparents = [{ columns = [\"z\"], table = \"z\" }, { columns = [\"up\"], table = \"a\" }]\n\
                [table.a.columns]\nid = \"int\"\nz = \"int\"\nup = { type = \"int\", null = true }\n\
                [table.z]\nkey = [\"id\"]\nparents = [{ columns = [\"m\"], table = \"m\" }]\n[table.z.columns]\nid = \"int\"\nm = \"int\"\n\
                [table.m]\nkey = [\"id\"]\n[table.m.columns]\nid = \"int\"";
    let set = child(text);
    let order: Vec<&str> =
        tables_in_order(set.newest().schema()).iter().map(|table| table.name.as_ref()).collect();
    assert_eq!(order, ["m", "z", "a"]);
}

#[test]
fn generated_names_stay_within_what_postgres_keeps_and_differ() {
    let (table, column) = ("t".repeat(51), "c".repeat(50));
    let text = format!(
        "[table.{table}]\nkey = [\"id\"]\nunique = [[\"{column}a\"], [\"{column}b\"]]\n[table.{table}.columns]\nid = \"int\"\n\
         {column}a = \"int\"\n{column}b = \"int\""
    );
    let statements = create_tables(child(&text).newest(), Dialect::Postgres).join("\n");
    let names: Vec<&str> = statements
        .lines()
        .filter_map(|line| line.trim().strip_prefix("CONSTRAINT \"")?.split('"').next())
        .collect();
    assert_eq!(names.len(), 3);
    assert!(names.iter().all(|name| name.len() <= 63), "{names:?}");
    assert_ne!(names[1], names[2]);
}

#[test]
fn generated_names_are_used_once_where_they_would_read_the_same() {
    let text = "[table.a]\nkey = [\"id\"]\nunique = [[\"b_c\"]]\n[table.a.columns]\nid = \"int\"\nb_c = \"int\"\n\
                [table.a_b]\nkey = [\"c\"]\nunique = [[\"c\"]]\n\
                parents = [{ columns = [\"d\"], table = \"a\" }, { columns = [\"d\"], table = \"a\" }]\n\
                [table.a_b.columns]\nc = \"int\"\nd = \"int\"\nb_c = \"int\"";
    let statements = create_tables(child(text).newest(), Dialect::Postgres).join("\n");
    for name in ["a_b_c_unique_v1", "a_b_c_unique2_v1", "a_b_d_fk_v1", "a_b_d_fk2_v1"] {
        assert_eq!(statements.matches(&format!("\"{name}\"")).count(), 1, "{name} in {statements}");
    }
    assert_eq!(
        statements.matches("CREATE INDEX").count(),
        1,
        "one index serves both references: {statements}"
    );
}

const OLD: &str = "[table.name]\nkey = [\"id\"]\n[table.name.columns]\nid = \"int\"\nfull = \"text\"\nfax = \"text\"\n\
                   phone = { type = \"text\", null = true }\n";
const NEW: &str = "[table.person]\nkey = [\"nr\"]\n[table.person.columns]\nnr = \"int\"\nfirst = \"text\"\nlast = \"text\"\n\
                   phone = \"text\"\nlevel = \"int\"\n";
const MAPPING: &str = r#"
map = [
    { op = "rename_table", table = "name", to = "person" },
    { op = "rename_column", table = "person", column = "id", to = "nr" },
    { op = "split_column", table = "person", column = "full", into = ["first", "last"], separator = " ", at = "last" },
    { op = "drop_column", table = "person", column = "fax", default = "it's gone" },
    { op = "require_column", table = "person", column = "phone", ask = "?" },
    { op = "add_column", table = "person", column = "level", type = "int", default = 1 },
]
"#;

fn persons() -> SchemaSet {
    set_of(&[(OLD, ""), (NEW, MAPPING)]).expect("a good set")
}

#[test]
fn the_ledgers_own_version_reads_its_tables() {
    let created = views(&persons(), SchemaVersion(1), &Place::sqlite()).expect("a version");
    assert_eq!(
        created,
        ["CREATE VIEW \"name_v1\" AS SELECT \"id\", \"full\", \"fax\", \"phone\" FROM \"name\""]
    );
    assert_eq!(views(&persons(), SchemaVersion(3), &Place::sqlite()), None);
    assert_eq!(drop_views(&persons(), SchemaVersion(3), &Place::sqlite()), None);
}

#[test]
fn older_versions_read_the_views_of_the_version_above() {
    let older = "[table.name]\nkey = [\"id\"]\n[table.name.columns]\nid = \"int\"\nphone = \"text\"\n";
    let newer = "[table.person]\nkey = [\"nr\"]\n[table.person.columns]\nnr = \"int\"\nphone = \"text\"\nlevel = \"int\"\n";
    let mapping = "map = [\n{ op = \"rename_table\", table = \"name\", to = \"person\" },\n\
                   { op = \"rename_column\", table = \"person\", column = \"id\", to = \"nr\" },\n\
                   { op = \"add_column\", table = \"person\", column = \"level\", type = \"int\", default = 1 },\n]";
    let set = set_of(&[(older, ""), (newer, mapping)]).expect("a good set");
    let created = views(&set, SchemaVersion(2), &Place::postgres()).expect("a version");
    assert_eq!(
        created,
        [
            "CREATE SCHEMA IF NOT EXISTS \"v2\"",
            "CREATE VIEW \"v2\".\"person\" AS SELECT \"nr\", \"phone\", \"level\" FROM \"person\"",
            "CREATE SCHEMA IF NOT EXISTS \"v1\"",
            "CREATE VIEW \"v1\".\"name\" AS SELECT \"nr\" AS \"id\", \"phone\" FROM \"v2\".\"person\"",
        ]
    );
    let sqlite = views(&set, SchemaVersion(2), &Place::sqlite()).expect("a version");
    assert_eq!(sqlite[1], "CREATE VIEW \"name_v1\" AS SELECT \"nr\" AS \"id\", \"phone\" FROM \"person_v2\"");
    let mariadb = views(&set, SchemaVersion(2), &Place::mariadb("shop")).expect("a version");
    assert_eq!(
        mariadb[1..],
        [
            "CREATE VIEW \"shop_v2\".\"person\" AS SELECT \"nr\", \"phone\", \"level\" FROM \"person\"",
            "CREATE SCHEMA IF NOT EXISTS \"shop_v1\"",
            "CREATE VIEW \"shop_v1\".\"name\" AS SELECT \"nr\" AS \"id\", \"phone\" FROM \"shop_v2\".\"person\"",
        ]
    );
}

#[test]
fn a_version_of_which_something_is_kept_reads_it_beside_the_ledgers_table() {
    for (place, complement, key) in [
        (Place::sqlite(), "daybook_complement", "'[' || CAST(t.\"nr\" AS text) || ']'"),
        (Place::postgres(), "daybook.complement", "'[' || CAST(t.\"nr\" AS text) || ']'"),
        (
            Place::mariadb("shop"),
            "daybook_complement",
            "'[' || (CAST(t.\"nr\" AS CHAR) COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */) || ']'",
        ),
    ] {
        let created = views(&persons(), SchemaVersion(2), &place).expect("a version");
        let view = created.last().expect("a view");
        let source = format!(
            "FROM (SELECT t.\"nr\", t.\"first\", t.\"last\", t.\"phone\", t.\"level\", c.cells AS daybook_kept \
             FROM \"person\" AS t LEFT JOIN {complement} AS c ON c.entity = 'person' AND c.row_key = {key}) AS \"v2\""
        );
        assert!(view.ends_with(&source), "{view}");
    }
}

#[test]
fn what_is_kept_several_versions_up_comes_down_through_all_of_them() {
    let schema =
        |columns: &str| format!("[table.t]\nkey = [\"id\"]\n[table.t.columns]\nid = \"int\"\n{columns}");
    let (first, second, third) =
        (schema("a = \"text\"\nb = \"int\"\n"), schema("b = \"int\"\n"), schema("c = \"int\"\n"));
    let drop = "[[map]]\nop = \"drop_column\"\ntable = \"t\"\ncolumn = \"a\"\ndefault = \"\"\n";
    let rename = "[[map]]\nop = \"rename_column\"\ntable = \"t\"\ncolumn = \"b\"\nto = \"c\"\n";
    let set = set_of(&[(&first, ""), (&second, drop), (&third, rename)]).expect("a good set");
    let created = views(&set, SchemaVersion(3), &Place::sqlite()).expect("a version");
    assert_eq!(created[1], "CREATE VIEW \"t_v2\" AS SELECT \"id\", \"c\" AS \"b\" FROM \"t_v3\"");
    assert_eq!(
        created[2],
        "CREATE VIEW \"t_v1\" AS SELECT \"id\", \
         CASE WHEN (json_type(\"daybook_kept\", '$.\"2:a\"') IS NOT NULL) \
         THEN json_extract(\"daybook_kept\", '$.\"2:a\".text') ELSE '' END AS \"a\", \"b\" \
         FROM (SELECT \"id\", \"c\" AS \"b\", daybook_kept \
         FROM (SELECT t.\"id\", t.\"c\", c.cells AS daybook_kept FROM \"t\" AS t LEFT JOIN daybook_complement AS c \
         ON c.entity = 't' AND c.row_key = '[' || CAST(t.\"id\" AS text) || ']') AS \"v3\") AS \"v2\""
    );
}

#[test]
fn views_go_the_other_way_round_than_they_came() {
    let dropped = |place| drop_views(&persons(), SchemaVersion(2), &place).expect("a version");
    assert_eq!(
        dropped(Place::sqlite()),
        ["DROP VIEW IF EXISTS \"name_v1\"", "DROP VIEW IF EXISTS \"person_v2\""]
    );
    assert_eq!(
        dropped(Place::postgres()),
        ["DROP VIEW IF EXISTS \"v1\".\"name\"", "DROP VIEW IF EXISTS \"v2\".\"person\""]
    );
    assert_eq!(view_name(SchemaVersion(1), "name", &Place::sqlite()), "\"name_v1\"");
    assert_eq!(view_name(SchemaVersion(1), "name", &Place::postgres()), "\"v1\".\"name\"");
    assert_eq!(view_name(SchemaVersion(1), "name", &Place::mariadb("shop")), "\"shop_v1\".\"name\"");
}

#[test]
fn declared_indexes_are_created_after_their_table() {
    let text = V1.replace(
        "unique = [[\"label\"]]",
        "indexes = [{ name = \"by_seen\", columns = [\"seen\", \"label\"] }]",
    );
    for (dialect, collate) in [(Dialect::Sqlite, ""), (Dialect::Postgres, " COLLATE \"C\"")] {
        let statements = create_tables(child(&text).newest(), dialect);
        let last = "CREATE INDEX \"child_by_seen_index_v1\" ON \"child\" (\"seen\", \"label\")";
        assert_eq!(statements.last().map(String::as_str), Some(last));
        let label = if dialect == Dialect::Sqlite { "TEXT" } else { "text" };
        assert!(statements[1].contains(&format!("\"label\" {label}{collate} NOT NULL")), "{statements:?}");
    }
}

#[test]
fn checks_and_the_conditions_of_indexes_are_written_for_each_store() {
    let text = V1.replace(
        "unique = [[\"label\"]]",
        "checks = [{ name = \"price_is_paid\", that = \"price >= 0.5 or label <> 'x'\" }]\n\
         indexes = [{ name = \"unseen\", columns = [\"nr\"], unique = true, where = \"seen is null\" }]",
    );
    for (dialect, price) in [
        (Dialect::Sqlite, "(CAST(replace(\"price\", '.', '') AS INTEGER) >= 50)"),
        (Dialect::Postgres, "(\"price\" >= 0.50)"),
    ] {
        let statements = create_tables(child(&text).newest(), dialect);
        let x = if dialect == Dialect::Sqlite { "'x'" } else { "CAST('x' AS text)" };
        let check =
            format!("CONSTRAINT \"child_price_is_paid_check_v1\" CHECK (({price} OR (\"label\" <> {x})))");
        assert!(statements[1].contains(&check), "{check} in {}", statements[1]);
        let index =
            "CREATE UNIQUE INDEX \"child_unseen_index_v1\" ON \"child\" (\"nr\") WHERE ((\"seen\" IS NULL))";
        assert_eq!(statements.last().map(String::as_str), Some(index));
    }
    // One statement makes a table; the rows that an index leaves out are NULL in a column of its own.
    let statements = create_tables(child(&text).newest(), Dialect::MariaDb);
    for line in [
        "CONSTRAINT \"child_price_is_paid_check_v1\" CHECK (((\"price\" >= 0.50) OR (\"label\" <> (CONVERT(X'78' USING utf8mb4) \
         COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */))))",
        "\"child_unseen_when_v1\" BIGINT AS (CASE WHEN ((\"seen\" IS NULL)) THEN \"nr\" END) STORED INVISIBLE",
        "UNIQUE KEY \"child_unseen_index_v1\" (\"child_unseen_when_v1\")",
    ] {
        assert!(statements[1].contains(line), "{line} in {}", statements[1]);
    }
}
