//! What the loader takes and what it refuses, each fault at its place and with what would be right.

use journal_core::model::{SchemaVersion, Type};

use super::{SchemaSet, Version, VersionSource};
use crate::SetError;
use crate::ddl::Dialect;
use crate::ops::testing::set_of;

const GOOD: &str = r#"[table.town]
key = ["town_id"]
unique = [["label"]]
[table.town.columns]
town_id = "int"
label = "text(40)"

[table.person]
key = ["person_id"]
parents = [
    { columns = ["town_id"], table = "town" },
    { columns = ["boss_id"], table = "person" },
]
[table.person.columns]
person_id = "int"
town_id = "int"
boss_id = { type = "int", null = true }
wage = "decimal(9,2)"
"#;

#[track_caller]
fn refuses(schema: &str, line: usize, message: &str) {
    let error = set_of(&[(schema, "")]).expect_err("a fault");
    assert!(error.message.contains(message), "{error}");
    assert_eq!((error.file.as_str(), error.line), ("1/schema.toml", line), "{error}");
}

/// The good schema with one piece of text replaced.
fn with(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    GOOD.replace(from, to)
}

#[test]
fn a_good_schema_is_read_as_it_is_written() {
    let set = set_of(&[(GOOD, "")]).expect("a good set");
    let schema = set.newest().schema();
    let person = &schema.tables["person"];
    let names: Vec<&str> = person.columns.iter().map(|column| column.name.as_ref()).collect();
    assert_eq!(names, ["person_id", "town_id", "boss_id", "wage"], "in the order of the file");
    assert_eq!(person.column("wage").map(|column| column.ty), Some(Type::Decimal { precision: 9, scale: 2 }));
    assert!(person.column("boss_id").is_some_and(|column| column.nullable));
    assert_eq!(person.parents.len(), 2);
    assert_eq!(schema.tables["town"].unique, [["label".into()]]);
}

#[test]
fn a_table_may_ask_for_each_change_in_any_version_and_its_mapping_says_nothing_of_it() {
    let each = with("unique = [[\"label\"]]", "unique = [[\"label\"]]\nfold = false");
    let folded = each.replace("fold = false", "fold = true");
    let set = set_of(&[(GOOD, ""), (&each, ""), (&folded, "")]).expect("a good set");
    let fold = |version: &Version| ["town", "person"].map(|table| version.schema().tables[table].fold);
    let folds: Vec<[bool; 2]> = set.versions().iter().map(fold).collect();
    assert_eq!(folds, [[true, true], [false, true], [true, true]]);
    for wrong in ["\"no\"", "0", "[]"] {
        let text = each.replace("fold = false", &format!("fold = {wrong}"));
        refuses(&text, 4, "fold of table town must be true or false");
    }
}

#[test]
fn faults_of_form_are_told_with_their_line() {
    refuses("# Nothing.", 1, "no table here; write one as [table.NAME]");
    refuses("[table.town\nkey = 1", 1, "");
    refuses(&with("key = [\"town_id\"]\n", ""), 1, "table town: \"key\" is missing");
    refuses(&with("key = [\"town_id\"]", "key = \"town_id\""), 2, "key must be a list in brackets");
    refuses(&with("key = [\"town_id\"]", "key = []"), 2, "key must not be empty");
    refuses(
        &with("unique = ", "uniqe = "),
        3,
        "unknown key \"uniqe\"; known are columns, key, unique, parents, checks, indexes, fold",
    );
    refuses(&with("label = \"text(40)\"", "label = \"txt\""), 6, "\"txt\" is no type: one of bool, int");
    refuses(&with("label = \"text(40)\"", "label = 40"), 6, "column label must be a table");
    refuses(&with("null = true", "nul = true"), 17, "unknown key \"nul\"; known are type, null");
    refuses(&with("null = true", "null = \"yes\""), 17, "null must be true or false");
    refuses(&with("wage = ", "person_id = "), 18, "duplicate key");
    refuses(&format!("{GOOD}\n[tables.x]"), 20, "unknown key \"tables\"; known are table, operation");
}

#[test]
fn names_must_work_in_every_store() {
    for bad in ["Town", "2town", "to-wn", "", "a_name_that_is_longer_than_fifty_one_characters_is_x"] {
        let text = format!("[table.t]\nkey = [\"id\"]\n[table.t.columns]\nid = \"int\"\n\"{bad}\" = \"int\"");
        refuses(&text, 5, "is no name: at most 51 of a-z, 0-9 and _");
    }
    let named = |name: &str| format!("[table.{name}]\nkey = [\"id\"]\n[table.{name}.columns]\nid = \"int\"");
    refuses(&named("daybook_x"), 1, "begins with \"daybook\", which is taken");
    refuses(&named("pg_x"), 1, "begins with \"pg_\"");
    refuses(&named("rental_v1"), 1, "ends as a version's view does");
    assert!(set_of(&[(&named("rental_vip"), "")]).is_ok());
    refuses(&with("wage = ", "ctid = "), 18, "is PostgreSQL's own");
}

#[test]
fn keys_must_exist_differ_and_be_of_a_type_with_one_order() {
    refuses(
        &with("key = [\"town_id\"]", "key = [\"id\"]"),
        2,
        "table town has no column \"id\"; it has town_id, label",
    );
    refuses(&with("key = [\"town_id\"]", "key = [\"town_id\", \"town_id\"]"), 2, "named twice");
    refuses(&with("key = [\"person_id\"]", "key = [\"boss_id\"]"), 17, "key column boss_id may not be null");
    refuses(
        &with("key = [\"person_id\"]", "key = [\"wage\"]"),
        18,
        "wage is decimal(9,2), which has no one order",
    );
    refuses(&with("unique = [[\"label\"]]", "unique = [[\"name\"]]"), 3, "has no column \"name\"");
    refuses(&with("label = \"text(40)\"", "label = \"json\""), 6, "label is json, which has no one order");
}

#[test]
fn parents_must_exist_match_in_type_and_have_an_order() {
    let parent = "{ columns = [\"town_id\"], table = \"town\" }";
    refuses(
        &with(parent, "{ columns = [\"town_id\"], table = \"city\" }"),
        10,
        "no table \"city\" to be a parent; there are person, town",
    );
    refuses(
        &with(parent, "{ columns = [\"wage\"], table = \"town\" }"),
        10,
        "wage is decimal(9,2), but town.town_id, to which it refers, is int",
    );
    refuses(
        &with(parent, "{ columns = [\"town_id\", \"wage\"], table = \"town\" }"),
        10,
        "2 columns refer to town, whose key has 1: town_id",
    );
    refuses(&with(parent, "{ columns = [\"no\"], table = \"town\" }"), 10, "has no column \"no\"");
    let circle =
        with("unique = [[\"label\"]]", "parents = [{ columns = [\"town_id\"], table = \"person\" }]");
    refuses(&circle, 10, "table person is in a circle of parents");
}

#[track_caller]
fn refuses_step(newer: &str, mapping: &str, file: &str, line: usize, message: &str) {
    let error = set_of(&[(GOOD, ""), (newer, mapping)]).expect_err("a fault");
    assert!(error.message.contains(message), "{error}");
    assert_eq!((error.file.as_str(), error.line), (file, line), "{error}");
}

#[test]
fn the_mapping_must_lead_exactly_to_the_newer_version() {
    let schema = "2/schema.toml";
    let added = format!("{GOOD}age = \"int\"\n");
    refuses_step(
        &added,
        "",
        schema,
        19,
        "declares person.age, but the mapping does not lead to it; add an operation",
    );
    let removed = with("wage = \"decimal(9,2)\"\n", "");
    refuses_step(
        &removed,
        "",
        schema,
        8,
        "leads to a column person.wage, which version 2 does not declare; add a drop_column",
    );
    let other_type = with("decimal(9,2)", "decimal(9,3)");
    refuses_step(
        &other_type,
        "",
        schema,
        18,
        "declares person.wage as decimal(9,3), but the mapping leads to decimal(9,2); add a change_type",
    );
    let other_null = with("label = \"text(40)\"", "label = { type = \"text(40)\", null = true }");
    refuses_step(
        &other_null,
        "",
        schema,
        6,
        "declares town.label as null = true, but the mapping leads to not null; add a require_column or allow_null",
    );
    let other_key = with("key = [\"person_id\"]", "key = [\"town_id\"]")
        .replace("    { columns = [\"boss_id\"], table = \"person\" },\n", "");
    refuses_step(
        &other_key,
        "",
        schema,
        9,
        "declares the key of person as town_id, but the mapping leads to person_id",
    );
    let more = format!("{GOOD}\n[table.dog]\nkey = [\"id\"]\n[table.dog.columns]\nid = \"int\"");
    refuses_step(&more, "", schema, 20, "table dog is new in version 2");
    let fewer =
        "[table.town]\nkey = [\"town_id\"]\n[table.town.columns]\ntown_id = \"int\"\nlabel = \"text(40)\"";
    refuses_step(
        fewer,
        "",
        schema,
        0,
        "the mapping leads to a table person, which version 2 does not declare",
    );
}

#[test]
fn constraints_may_differ_between_versions_when_the_mapping_says_so() {
    let free = with("unique = [[\"label\"]]\n", "")
        .replace("    { columns = [\"town_id\"], table = \"town\" },\n", "");
    let mapping = "[[map]]\nop = \"drop_unique\"\ntable = \"town\"\ncolumns = [\"label\"]\n\
                   [[map]]\nop = \"drop_reference\"\ntable = \"person\"\ncolumns = [\"town_id\"]\nparent = \"town\"";
    let set = set_of(&[(GOOD, ""), (&free, mapping)]).expect("a good set");
    assert!(set.newest().schema().tables["town"].unique.is_empty());
}

#[test]
fn faults_of_a_mapping_are_told_with_their_line() {
    let mapping = "2/mapping.toml";
    let one = |text: &str| format!("# Why.\n\n[[map]]\n{text}\n");
    refuses_step(GOOD, &one("table = \"town\""), mapping, 3, "\"op\" is missing");
    refuses_step(GOOD, &one("op = \"rename_table\""), mapping, 3, "\"table\" is missing");
    refuses_step(
        GOOD,
        &one("op = \"explode\"\ntable = \"town\""),
        mapping,
        3,
        "no operation \"explode\"; known are rename_table",
    );
    refuses_step(
        GOOD,
        &one("op = \"rename_table\"\ntable = \"city\"\nto = \"x\""),
        mapping,
        5,
        "there is no table \"city\"; there are person, town",
    );
    refuses_step(
        GOOD,
        &one("op = \"rename_table\"\ntable = \"town\"\nto = \"x_v1\""),
        mapping,
        6,
        "ends as a version's view does",
    );
    refuses_step(
        GOOD,
        &one("op = \"drop_column\"\ntable = \"person\"\ncolumn = \"wage\"\ndefault = \"0.00\"\nforce = true"),
        mapping,
        8,
        "unknown key \"force\"",
    );
    refuses_step(
        GOOD,
        &one("op = \"drop_column\"\ntable = \"person\"\ncolumn = \"wage\"\ndefault = \"0.001\""),
        mapping,
        7,
        "no value that a decimal(9,2) column holds exactly",
    );
    refuses_step(GOOD, "[map]\nop = 1", mapping, 1, "map must be a list");
    refuses_step(GOOD, "version = 2", mapping, 1, "unknown key \"version\"; known are [[map]]");
    let alone = set_of(&[(GOOD, &one("op = \"rename_table\""))]).expect_err("nothing before version 1");
    assert!(alone.message.contains("has a mapping.toml, but no version comes before it"), "{alone}");
}

#[test]
fn two_things_kept_under_one_name_need_two_versions() {
    let mapping = "map = [\n\
        { op = \"drop_reference\", table = \"person\", columns = [\"boss_id\"], parent = \"person\" },\n\
        { op = \"drop_column\", table = \"person\", column = \"wage\", default = \"0.00\" },\n\
        { op = \"rename_column\", table = \"person\", column = \"boss_id\", to = \"wage\" },\n\
        { op = \"drop_column\", table = \"person\", column = \"wage\" },\n]";
    refuses_step(GOOD, mapping, "2/mapping.toml", 5, "keep what they drop of person.wage under one name");
}

/// Found by random sets: going down, the one took the other's cell out of what is kept.
#[test]
fn what_is_kept_on_the_way_up_and_on_the_way_down_needs_two_names_as_well() {
    let column = "id = \"int\"\nv = { type = \"text\", null = true }";
    let both = "op = \"require_column\"\ntable = \"t\"\ncolumn = \"v\"\nask = \"?\"\n\
                [[map]]\nop = \"allow_null\"\ntable = \"t\"\ncolumn = \"v\"\ndefault = \"?\"";
    let error = crate::ops::testing::fault(column, column, both);
    assert_eq!(error.line, 6);
    assert!(error.message.contains("keep what they drop of t.v under one name"), "{error}");
}

#[test]
fn versions_go_from_one_without_a_gap() {
    let source = |version| VersionSource::new(SchemaVersion(version), [("schema.toml", GOOD)]);
    let load =
        |versions: &[i64]| SchemaSet::from_sources(versions.iter().map(|version| source(*version)).collect());
    assert!(load(&[2, 1, 3]).is_ok(), "in any order");
    for (versions, missing) in [(&[][..], 1), (&[2], 1), (&[1, 3], 2), (&[1, 1], 2)] {
        let error = load(versions).expect_err("a gap");
        assert!(error.message.contains(&format!("version {missing} is missing")), "{error}");
    }
    let empty =
        SchemaSet::from_sources(vec![VersionSource::new(SchemaVersion(1), [])]).expect_err("no schema");
    assert_eq!(empty.to_string(), "1/: version 1 has no schema.toml");
}

#[test]
fn the_hash_holds_a_version_to_its_text() {
    let source = |files: &[(&'static str, &'static str)]| {
        VersionSource::new(SchemaVersion(1), files.iter().copied()).hash()
    };
    let hash = source(&[("schema.toml", "a"), ("mapping.toml", "b")]);
    assert_eq!(hash.len(), 64);
    assert_eq!(hash, source(&[("mapping.toml", "b"), ("schema.toml", "a")]));
    for other in [
        source(&[("schema.toml", "a"), ("mapping.toml", "b ")]),
        source(&[("schema.toml", "ab"), ("mapping.toml", "")]),
        source(&[("schema.toml", "a"), ("ddl.sqlite.sql", "b")]),
        source(&[("schema.toml", "a")]),
    ] {
        assert_ne!(hash, other);
    }
    let set = SchemaSet::from_sources(vec![VersionSource::new(SchemaVersion(1), [("schema.toml", GOOD)])]);
    assert_eq!(set.expect("a good set").newest().hash(), source(&[("schema.toml", GOOD)]));
}

/// A directory that is gone with the test.
struct Directory(std::path::PathBuf);

impl Directory {
    fn with(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("schema-set-{}-{name}", std::process::id()));
        for (file, text) in files {
            let file = path.join(file);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            std::fs::write(file, text).expect("a file");
        }
        Self(path)
    }

    fn fault(&self) -> SetError {
        SchemaSet::load(&self.0).expect_err("a fault")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What stays behind in a temporary directory does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_directory_and_its_stored_texts_are_one_set() {
    let files = [
        ("README.md", "Not of the set."),
        (".git/config", ""),
        ("1/schema.toml", GOOD),
        ("1/README.md", "Not of the set either."),
        ("1/.schema.toml.swp", ""),
        ("2/schema.toml", GOOD),
        ("2/ddl.sqlite.sql", "CREATE TABLE town (town_id INTEGER PRIMARY KEY);"),
    ];
    let directory = Directory::with("whole", &files);
    let loaded = SchemaSet::load(&directory.0).expect("a good set");
    let stored: Vec<VersionSource> =
        loaded.versions().iter().map(|version| version.source().clone()).collect();
    assert_eq!(stored[0].files.len(), 1);
    let json = serde_json::to_string(&stored).expect("text");
    let again = SchemaSet::from_sources(serde_json::from_str(&json).expect("sources")).expect("a good set");
    for (one, other) in loaded.versions().iter().zip(again.versions()) {
        assert_eq!((one.hash(), one.schema()), (other.hash(), other.schema()));
    }
    assert_eq!(again.newest().ddl(Dialect::Sqlite), Some(files[6].1));
    assert_eq!(again.newest().ddl(Dialect::Postgres), None);
}

#[test]
fn a_directory_with_something_else_in_it_is_refused() {
    let fault =
        |name: &str, file: &str| Directory::with(name, &[("1/schema.toml", GOOD), (file, "")]).fault();
    let unknown = fault("unknown", "1/mappings.toml");
    assert!(
        unknown.file.ends_with("1/mappings.toml") && unknown.message.contains("unknown file"),
        "{unknown}"
    );
    assert!(fault("word", "next/schema.toml").message.contains("named by its version"));
    assert!(fault("padded", "02/schema.toml").message.contains("named by its version"));
    assert!(
        Directory::with("empty", &[("notes.txt", "")]).fault().message.contains("no schema version here")
    );
    assert!(
        Directory(std::env::temp_dir().join("no-such-schema-set"))
            .fault()
            .message
            .contains("cannot be listed")
    );
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_damaged_text_is_a_set_or_a_fault_and_never_a_panic(
        edits in proptest::collection::vec((0..2usize, proptest::prelude::any::<usize>(), "[\\[\\]{}=\",.a-z0-9 \n\\PC]{0,6}"), 1..4),
    ) {
        let mapping = "[[map]]\nop = \"split_column\"\ntable = \"town\"\ncolumn = \"label\"\ninto = [\"a\", \"b\"]\n\
                       separator = \" \"\nat = \"last\"\n[[map]]\nop = \"change_type\"\ntable = \"person\"\n\
                       column = \"wage\"\nto = \"text\"\n";
        let mut texts = [GOOD.to_owned(), mapping.to_owned()];
        for (which, at, edit) in edits {
            let text = &mut texts[which];
            let start = text.floor_char_boundary(at % (text.len() + 1));
            let end = text.ceil_char_boundary((start + edit.len() / 2).min(text.len()));
            text.replace_range(start..end, &edit);
        }
        let newer = GOOD.replace("label = ", "a = \"text(40)\"\nb = ").replace("decimal(9,2)", "text");
        let newer = newer.replace("unique = [[\"label\"]]\n", "");
        if let Err(fault) = set_of(&[(&texts[0], ""), (&newer, &texts[1])]) {
            proptest::prop_assert!(!fault.message.is_empty() && !fault.file.is_empty());
        }
    }
}
