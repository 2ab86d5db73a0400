//! Tables that only one of two versions has.

use journal_core::model::{Change, Value};
use journal_tests::rig::row;

use super::Story;

const GUEST: &str = r#"
[table.guest]
key = ["id"]
[table.guest.columns]
id = "int"
name = "text"
"#;

const BOTH: &str = r#"
[table.guest]
key = ["id"]
[table.guest.columns]
id = "int"
name = "text"

[table.visit]
key = ["guest_id", "day"]
unique = [["code"]]
parents = [{ columns = ["guest_id"], table = "guest" }]
[table.visit.columns]
guest_id = "int"
day = "int"
code = { type = "text", null = true }
stays = "int"
"#;

fn guest(id: i64, name: &str) -> Change {
    Change::insert("guest", row([("id", id.into()), ("name", name.into())]))
}

fn key(guest: i64, day: i64) -> journal_core::model::Row {
    row([("guest_id", guest.into()), ("day", day.into())])
}

fn visit(guest: i64, day: i64, code: Option<&str>) -> Change {
    let mut cells = key(guest, day);
    cells.extend(row([("code", code.into()), ("stays", 1.into())]));
    Change::insert("visit", cells)
}

/// Every kind of change of a visit.
fn visits(version: i64) -> Vec<(&'static str, i64, Vec<Change>)> {
    let code = |code: &str| row([("code", Value::from(code))]);
    let stays = |stays: i64| row([("stays", stays.into())]);
    let mut whole = key(1, 3);
    whole.extend(code("c"));
    whole.extend(stays(5));
    vec![
        ("a", version, vec![visit(1, 1, Some("a")), visit(1, 2, None)]),
        ("b", version, vec![visit(2, 1, Some("b"))]),
        ("b", version, vec![Change::update("visit", key(1, 1), code("x")).expecting(code("a"))]),
        ("a", version, vec![Change::add("visit", key(2, 1), stays(4))]),
        ("a", version, vec![Change::upsert("visit", whole.clone())]),
        ("b", version, vec![Change::upsert("visit", whole)]),
        ("a", version, vec![Change::update("visit", key(1, 2), row([("day", 9.into())]))]),
        ("b", version, vec![Change::delete("visit", key(1, 1))]),
        ("a", 1, vec![Change::update("guest", row([("id", 2.into())]), row([("name", "BOB".into())]))]),
        (
            "a",
            version,
            vec![Change::delete("visit", key(2, 1)), Change::delete("guest", row([("id", 2.into())]))],
        ),
    ]
}

fn created() -> Story {
    Story {
        schemas: [GUEST, BOTH],
        mapping: "[[map]]\nop = \"create_table\"\ntable = \"visit\"\n",
        before: vec![vec![guest(1, "ANN"), guest(2, "BEN")]],
        writes: visits(2),
    }
}

#[tokio::test]
async fn a_table_of_the_newer_version_is_written_and_kept_at_both_sites() {
    created().holds().await;
}

#[tokio::test]
async fn a_table_of_the_older_version_is_written_and_kept_at_both_sites() {
    let before =
        vec![vec![guest(1, "ANN"), guest(2, "BEN")], vec![visit(1, 7, Some("old")), visit(1, 8, None)]];
    let mapping = "[[map]]\nop = \"drop_table\"\ntable = \"visit\"\n";
    Story { schemas: [BOTH, GUEST], mapping, before, writes: visits(1) }.holds().await;
}
