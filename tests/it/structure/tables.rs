//! Tables that only one of two versions has.

use applier::engine::poster::Turn;
use applier::upgrade::install::release_versions;
use journal_core::model::{Change, Value};
use journal_core::sql::{Access, Conn};
use journal_tests::rig::{Rig, drain, row};
use schema_mappers::{Registry, RustMappers, SchemaSet};

use super::{Story, digest_of, equal, move_to, posters, taken};

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

async fn release(rig: &Rig, site: &str, set: &SchemaSet) {
    let mut conn = Conn::open(rig.url(site), Access::Write, "test").await.unwrap();
    conn.begin().await.unwrap();
    release_versions(conn.lend(), set).await.unwrap();
    conn.commit().await.unwrap();
    conn.close().await;
}

/// Sites are compared while only one of them knows the version, and writes of it wait until the other does.
#[tokio::test]
async fn a_release_gives_a_ledger_that_stands_the_tables_it_keeps() {
    let story = created();
    for (store, mut rig) in story.rigs(1).await {
        rig.append("a", 1, &story.before[0]).await;
        let mut old = posters(&rig).await;
        rig.settle(&mut old).await;
        let before = digest_of(&rig, "a", 1).await;
        rig.registry = Registry::new(story.set(2), RustMappers::none()).unwrap();
        release(&rig, "b", rig.registry.set()).await;
        move_to(&rig, "b", 2).await;
        equal(&rig, store).await;
        rig.append("b", 2, &[visit(1, 1, Some("a"))]).await;
        drain(&mut rig.poster("b").await).await.unwrap();
        rig.ship("b", "a").await;
        let waiting = old[0].1.turn().await.unwrap();
        assert!(
            matches!(&waiting, Turn::Waiting(why) if why.contains("schema version 2")),
            "{store}: {waiting:?}"
        );
        assert_eq!(digest_of(&rig, "a", 1).await, before, "{store}");
        drop(old);
        for _again in 0..2 {
            release(&rig, "a", rig.registry.set()).await;
            assert_eq!(digest_of(&rig, "a", 1).await, before, "{store}: an empty table is as good as none");
        }
        let mut new = posters(&rig).await;
        rig.settle(&mut new).await;
        taken(&rig, store).await;
        equal(&rig, store).await;
        assert_eq!(rig.number("a", "SELECT count(*) FROM kept_2_visit").await, 1, "{store}");
        assert_ne!(digest_of(&rig, "a", 1).await, before, "{store}");
    }
}
