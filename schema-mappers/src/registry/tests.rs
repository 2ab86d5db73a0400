//! The registry over chains of versions, with mappers in Rust, and at its edges.

use journal_core::model::{Change, Op, Row, SchemaVersion, Value};

use crate::ops::testing::{Pair, row, set_of};
use crate::{
    CallMapper, CannotMap, Image, MapError, MappedRow, Mapper, MeetError, Place, Plan, Refusal, Registry,
    RegistryError, RustMappers, SchemaSet, Selector,
};

const V1: &str = r#"
[table.person]
key = ["id"]
[table.person.columns]
id = "int"
name = "text"
town = "text"
visits = "int"
note = { type = "text", null = true }
"#;

const V2: &str = r#"
[table.customer]
key = ["nr"]
[table.customer.columns]
nr = "int"
first = "text"
last = "text"
town = { type = "text", null = true }
visits = "decimal(20,2)"
note = "text"
"#;

const V2_MAPPING: &str = r#"
map = [
    { op = "rename_table", table = "person", to = "customer" },
    { op = "rename_column", table = "customer", column = "id", to = "nr" },
    { op = "split_column", table = "customer", column = "name", into = ["first", "last"], separator = " ", at = "last" },
    { op = "allow_null", table = "customer", column = "town", default = "none" },
    { op = "change_type", table = "customer", column = "visits", to = "decimal(20,2)" },
    { op = "require_column", table = "customer", column = "note", ask = "?" },
]
"#;

const V3: &str = r#"
[table.customer]
key = ["nr"]
[table.customer.columns]
nr = "int"
given = "text"
place = "text"
visits = "text"
remark = "text"
level = "int"
"#;

const V3_MAPPING: &str = r#"
map = [
    { op = "rename_column", table = "customer", column = "first", to = "given" },
    { op = "rename_column", table = "customer", column = "note", to = "remark" },
    { op = "merge_columns", table = "customer", columns = ["town", "last"], into = "place", separator = ",", at = "first" },
    { op = "change_type", table = "customer", column = "visits", to = "text" },
    { op = "add_column", table = "customer", column = "level", type = "int", ask = 0 },
]
"#;

const V4: &str = r#"
[table.customer]
key = ["nr"]
[table.customer.columns]
nr = "int"
given = "text"
place = "text"
remark = "text"
level = "text"
"#;

const V4_MAPPING: &str = r#"
map = [
    { op = "drop_column", table = "customer", column = "visits", default = "0" },
    { op = "change_type", table = "customer", column = "level", to = "text" },
]
"#;

fn chain() -> SchemaSet {
    set_of(&[(V1, ""), (V2, V2_MAPPING), (V3, V3_MAPPING), (V4, V4_MAPPING)]).expect("a good set")
}

fn registry() -> Registry {
    Registry::new(chain(), RustMappers::none()).expect("a covered set")
}

fn only(registry: &Registry, from: i64, to: i64, change: Change) -> Image {
    let mapped = registry
        .map(SchemaVersion(from), SchemaVersion(to), change)
        .expect("a way")
        .images()
        .expect("no row needed");
    assert_eq!(mapped.len(), 1);
    mapped.into_iter().next().expect("one image")
}

fn mary() -> Row {
    row(&[("id", 1.into()), ("name", "MARY SMITH".into()), ("town", "Rome".into()), ("visits", 3.into())])
}

#[test]
fn chains_of_steps_hold_the_laws_both_ways() {
    for length in 2..=4 {
        let versions = [(V1, ""), (V2, V2_MAPPING), (V3, V3_MAPPING), (V4, V4_MAPPING)];
        Pair::of(set_of(&versions[..length]).expect("a good set")).holds_its_laws();
    }
}

#[test]
fn a_change_goes_through_every_step_on_its_way() {
    let up = only(&registry(), 1, 4, Change::insert("person", mary()));
    assert_eq!(up.change.entity.as_ref(), "customer");
    let expected = row(&[
        ("nr", 1.into()),
        ("given", "MARY".into()),
        ("place", "Rome,SMITH".into()),
        ("remark", "?".into()),
        ("level", "0".into()),
    ]);
    assert_eq!(up.change.cells, expected);
    assert_eq!(up.complement.set, row(&[("4:visits", "3".into())]));
    let down = only(&registry(), 4, 1, Change::delete("customer", row(&[("nr", 1.into())])));
    assert_eq!(down.change, Change::delete("person", row(&[("id", 1.into())])));
}

#[test]
fn between_equal_versions_the_change_comes_back_as_it_is() {
    let change = Change::insert("person", mary());
    assert_eq!(only(&registry(), 1, 1, change.clone()), Image::new(change));
}

#[test]
fn columns_that_any_version_reads_as_one_belong_together_in_all() {
    let set = chain();
    let groups = |version: i64, table: &str| {
        let schema = set.version(SchemaVersion(version)).expect("a version").schema();
        schema.tables[table].together.iter().map(|group| group.join("+")).collect::<Vec<_>>()
    };
    assert_eq!(groups(1, "person"), ["name+town"]);
    assert_eq!(groups(2, "customer"), ["first+last+town"]);
    assert_eq!(groups(3, "customer"), ["given+place"]);
    assert_eq!(groups(4, "customer"), ["given+place"]);
}

#[test]
fn a_part_of_a_column_meets_its_row_also_once_the_other_part_is_gone() {
    let older = "[table.t]\nkey = [\"id\"]\n[table.t.columns]\nid = \"int\"\nname = \"text\"";
    let parts = older.replace("name = \"text\"", "first = \"text\"\nlast = \"text\"");
    let last = older.replace("name", "last");
    let split = "map = [{ op = \"split_column\", table = \"t\", column = \"name\", into = [\"first\", \"last\"], separator = \" \", at = \"last\" }]";
    let drop = "map = [{ op = \"drop_column\", table = \"t\", column = \"first\", default = \"\" }]";
    let set = set_of(&[(older, ""), (&parts, split), (&last, drop)]).expect("a good set");
    let registry = Registry::new(set, RustMappers::none()).expect("a covered set");
    let (three, one) = (SchemaVersion(3), SchemaVersion(1));
    let update = Change::update("t", row(&[("id", 1.into())]), row(&[("last", "SMITH".into())]));
    // What the first name is stands in the older ledger's row only.
    let plan = registry.map(three, one, update.clone()).expect("a plan");
    let Plan::Meets(meeting) = plan else { panic!("{plan:?}") };
    let selector = Selector { table: "t".into(), columns: row(&[("id", 1.into())]) };
    assert_eq!((&meeting.change, meeting.selectors), (&update, vec![selector]));
    let stands = MappedRow {
        table: "t".into(),
        row: row(&[("id", 1.into()), ("name", "ANN LEE".into())]),
        complement: Row::new(),
    };
    let images = registry.map_with(three, one, &update, &[stands]).expect("a way");
    let expected = Change::update("t", row(&[("id", 1.into())]), row(&[("name", "ANN SMITH".into())]));
    assert_eq!(images, [Image::new(expected)]);
    let missing = registry.map_with(three, one, &update, &[]).expect_err("no row");
    assert!(matches!(missing, MeetError::Refused { refusal: Refusal::MissingRow, .. }), "{missing}");
}

#[test]
fn ask_codes_are_followed_to_the_version_at_hand() {
    let asks = |version: i64| {
        let asks = chain().asks(SchemaVersion(version))?;
        Some(asks.into_iter().map(|ask| (ask.id, ask.table, ask.column, ask.code)).collect::<Vec<_>>())
    };
    let ask = |id: &str, column: &str, code: Value| (id.to_owned(), "customer".into(), column.into(), code);
    let note = |column: &str| ask("2:person.note", column, "?".into());
    assert_eq!(asks(1), Some(vec![]));
    assert_eq!(asks(2), Some(vec![note("note")]));
    assert_eq!(asks(3), Some(vec![note("remark"), ask("3:customer.level", "level", 0.into())]));
    assert_eq!(asks(4), Some(vec![note("remark"), ask("3:customer.level", "level", "0".into())]));
    assert_eq!(asks(5), None);
}

#[test]
fn an_unknown_version_is_told_from_a_change_that_cannot_be_mapped() {
    let registry = registry();
    let from = |version: i64, change: Change| registry.map(SchemaVersion(version), SchemaVersion(2), change);
    let unknown = from(9, Change::insert("person", mary()));
    assert_eq!(
        unknown,
        Err(MapError::UnknownVersion { version: SchemaVersion(9), newest: SchemaVersion(4) })
    );
    for version in [0, -1, i64::MIN, i64::MAX] {
        assert!(matches!(
            from(version, Change::delete("person", Row::new())),
            Err(MapError::UnknownVersion { .. })
        ));
    }
    let table = from(1, Change::insert("customer", mary()));
    assert_eq!(table, Err(MapError::UnknownTable { version: SchemaVersion(1), table: "customer".into() }));
    let call = from(1, Change::call("visit", Row::new()));
    assert!(matches!(call, Err(MapError::UnknownOperation { .. })));
    assert!(
        registry.covers(SchemaVersion(1), SchemaVersion(4))
            && registry.covers(SchemaVersion(4), SchemaVersion(2))
    );
    assert!(!registry.covers(SchemaVersion(1), SchemaVersion(5)));
}

#[test]
fn what_cannot_be_mapped_names_the_column_and_the_versions() {
    let half = Change::update("customer", row(&[("nr", 1.into())]), row(&[("visits", "many".into())]));
    let fault = registry().map(SchemaVersion(3), SchemaVersion(1), half).expect_err("no number");
    assert_eq!(
        fault.to_string(),
        "cannot map from schema version 3 to 1: customer.visits: \"many\" has no exact form as decimal(20,2)"
    );
}

/// Doubles visits on the way up.
#[derive(Debug)]
struct Doubling;

impl Doubling {
    fn scale(mut image: Image, by: impl Fn(i64) -> Option<i64>) -> Result<Vec<Image>, CannotMap> {
        if let Some(Value::Int(visits)) = image.change.cells.get("visits") {
            let scaled = by(*visits).ok_or_else(|| CannotMap::change(&image.change.entity, "odd visits"))?;
            image.change.cells.set("visits", scaled);
        }
        Ok(vec![image])
    }
}

impl Mapper for Doubling {
    fn up(&self, image: Image, _: &mut Row) -> Result<Vec<Image>, CannotMap> {
        Self::scale(image, |visits| visits.checked_mul(2))
    }

    fn down(&self, image: Image, _: &mut Row) -> Result<Vec<Image>, CannotMap> {
        Self::scale(image, |visits| (visits % 2 == 0).then_some(visits / 2))
    }
}

fn visits(entity: &str, visits: i64) -> Change {
    Change::insert(entity, row(&[("id", 1.into()), ("visits", visits.into())]))
}

fn two_tables() -> SchemaSet {
    let older = "[table.guest]\nkey = [\"id\"]\n[table.guest.columns]\nid = \"int\"\nvisits = \"int\"\n";
    let newer = older.replace("guest", "visitor");
    set_of(&[(older, ""), (&newer, "[[map]]\nop = \"rename_table\"\ntable = \"guest\"\nto = \"visitor\"\n")])
        .expect("a good set")
}

#[test]
fn a_mapper_in_rust_works_after_the_declared_operations_or_before_them_on_the_way_down() {
    let mappers = RustMappers::none().with(SchemaVersion(2), "visitor", Place::After, Doubling);
    let registry = Registry::new(two_tables(), mappers).expect("a covered set");
    assert_eq!(only(&registry, 1, 2, visits("guest", 3)).change, visits("visitor", 6));
    assert_eq!(only(&registry, 2, 1, visits("visitor", 6)).change, visits("guest", 3));
    let odd = registry.map(SchemaVersion(2), SchemaVersion(1), visits("visitor", 5)).expect_err("odd");
    assert!(odd.to_string().contains("odd visits"), "{odd}");
    let rows =
        registry.map_row(SchemaVersion(1), SchemaVersion(2), "guest", visits("guest", 2).cells, Row::new());
    assert_eq!(rows.expect("a way")[0].row, visits("visitor", 4).cells);
}

/// Forgets to rename the table, in place of the declared operation that would have.
#[test]
fn what_a_mapper_in_rust_gives_is_checked_against_the_version() {
    let mappers = RustMappers::none().with(SchemaVersion(2), "visitor", Place::Instead, Doubling);
    let registry = Registry::new(two_tables(), mappers).expect("a covered set");
    let fault =
        registry.map(SchemaVersion(1), SchemaVersion(2), visits("guest", 3)).expect_err("no such table");
    assert!(fault.to_string().contains("its mapper gave a change that does not fit"), "{fault}");
}

#[test]
fn a_mapper_without_a_place_is_refused() {
    let with = |version, table: &str| {
        let mappers = RustMappers::none().with(SchemaVersion(version), table, Place::After, Doubling);
        Registry::new(two_tables(), mappers).map(|_| ())
    };
    assert!(matches!(with(1, "guest"), Err(RegistryError::UnknownStep { .. })));
    assert!(matches!(with(3, "guest"), Err(RegistryError::UnknownStep { .. })));
    assert!(matches!(with(2, "guest"), Err(RegistryError::UnknownTable { .. })));
    assert_eq!(with(2, "visitor"), Ok(()));
}

/// A visit of a guest: the guest if new, and one more visit.
#[derive(Debug)]
struct Visit;

impl CallMapper for Visit {
    fn expand(&self, arguments: &Row) -> Result<Vec<Change>, CannotMap> {
        let id = arguments.get("guest").cloned().unwrap_or(Value::Null);
        let key = Row::new().with("id", id);
        Ok(vec![
            Change::upsert("guest", key.clone().with("visits", 0)),
            Change::add("guest", key, row(&[("visits", 1.into())])),
        ])
    }
}

fn calls(operation: &str) -> SchemaSet {
    let older = "[table.guest]\nkey = [\"id\"]\n[table.guest.columns]\nid = \"int\"\nvisits = \"int\"\n";
    let newer = older.replace("visits", "times");
    let mapping = "[[map]]\nop = \"rename_column\"\ntable = \"guest\"\ncolumn = \"visits\"\nto = \"times\"\n";
    let with_call = format!("{older}[operation.{operation}.arguments]\nguest = \"int\"\n");
    set_of(&[(&with_call, ""), (&newer, mapping)]).expect("a good set")
}

#[test]
fn a_call_becomes_changes_of_its_version_which_then_go_on() {
    let mappers = RustMappers::none().with_call(SchemaVersion(1), "visit", Visit);
    let registry = Registry::new(calls("visit"), mappers).expect("a covered set");
    let call = Change::call("visit", row(&[("guest", 7.into())]));
    let mapped = registry
        .map(SchemaVersion(1), SchemaVersion(2), call.clone())
        .expect("a way")
        .images()
        .expect("no row needed");
    let ops: Vec<Op> = mapped.iter().map(|image| image.change.op).collect();
    assert_eq!(ops, [Op::Upsert, Op::Add]);
    assert_eq!(mapped.iter().nth(1).expect("the add").change.cells, row(&[("times", 1.into())]));
    assert_eq!(
        registry
            .map(SchemaVersion(1), SchemaVersion(1), call)
            .expect("a way")
            .images()
            .expect("no row needed")
            .len(),
        2
    );
    let bad = registry.map(SchemaVersion(1), SchemaVersion(2), Change::call("visit", Row::new()));
    assert!(bad.expect_err("a null key").to_string().contains("its mapper gave a change that does not fit"));
}

#[test]
fn every_operation_has_a_mapper_and_every_call_mapper_an_operation() {
    let uncovered = Registry::new(calls("visit"), RustMappers::none()).map(|_| ());
    assert!(matches!(uncovered, Err(RegistryError::UncoveredOperation { .. })));
    let mappers = RustMappers::none().with_call(SchemaVersion(2), "visit", Visit);
    assert!(matches!(Registry::new(calls("visit"), mappers), Err(RegistryError::UnknownOperation { .. })));
}

/// Found by random sets: the default of a dropped column has no form at version 1, which only new rows need.
#[test]
fn an_upsert_of_a_row_that_stands_goes_where_its_new_row_could_not() {
    let table =
        |columns: &str| format!("[table.t]\nkey = [\"id\"]\n[table.t.columns]\nid = \"int\"\n{columns}\n");
    let (first, second) = (table("a = \"int\"\nb = \"int\""), table("a = \"decimal(9,2)\"\nb = \"int\""));
    let (change, end) = (
        "map = [{ op = \"change_type\", table = \"t\", column = \"a\", to = \"decimal(9,2)\" }]",
        "map = [{ op = \"drop_column\", table = \"t\", column = \"a\", default = \"7.5\" }]",
    );
    let third = table("b = \"int\"");
    let set = set_of(&[(&first, ""), (&second, change), (&third, end)]).expect("a good set");
    let registry = Registry::new(set, RustMappers::none()).expect("a covered set");
    let upsert = Change::upsert("t", row(&[("id", 1.into()), ("b", 2.into())]));
    let (three, one) = (SchemaVersion(3), SchemaVersion(1));
    assert!(matches!(registry.map(three, one, upsert.clone()), Ok(Plan::Meets(_))));
    let stands = row(&[("id", 1.into()), ("a", 5.into()), ("b", 1.into())]);
    let found = [MappedRow { table: "t".into(), row: stands, complement: Row::new() }];
    let images = registry.map_with(three, one, &upsert, &found).expect("a way");
    assert_eq!(images[0].change.cells, row(&[("b", 2.into())]));
    let fault = registry.map_with(three, one, &upsert, &[]).expect_err("no way for a new row");
    assert!(fault.to_string().contains("\"7.5\" has no exact form as int"), "{fault}");
}
