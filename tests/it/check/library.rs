//! A set whose second version cuts a table in two, turns a list into rows and asks a question: what is tried and rehearsed
//! must know of rows that go together.

use applier::asks;
use applier::audit::unwatched;
use applier::laws::{self, views};
use applier::rehearse::{Plan, rehearse};
use applier::scratch::Scratch;
use journal_core::model::{Change, SchemaVersion, Value};
use journal_tests::rig::{Rig, drain, row};
use journal_tests::servers;
use schema_mappers::{SchemaSet, VersionSource};

use crate::club::empty_database;

const SCHEMA_1: &str = r#"
[table.person]
key = ["id"]
[table.person.columns]
id = "int"
name = "text"
street = "text"
town = { type = "text", null = true }
tags = { type = "text", null = true }
phone = { type = "text", null = true }

[table.loan]
key = ["nr"]
parents = [{ columns = ["person"], table = "person" }]
[table.loan.columns]
nr = "int"
person = "int"
"#;

const SCHEMA_2: &str = r#"
[table.person]
key = ["id"]
[table.person.columns]
id = "int"
name = "text"
phone = "text"

[table.address]
key = ["person_id"]
parents = [{ columns = ["person_id"], table = "person" }]
[table.address.columns]
person_id = "int"
street = "text"
town = { type = "text", null = true }

[table.tag]
key = ["person_id", "nr"]
parents = [{ columns = ["person_id"], table = "person" }]
[table.tag.columns]
person_id = "int"
nr = "int"
tag = "text"

[table.loan]
key = ["nr"]
parents = [{ columns = ["person"], table = "person" }]
[table.loan.columns]
nr = "int"
person = "int"
"#;

const MAPPING_2: &str = r#"
[[map]]
op = "split_table"
table = "person"
into = "address"
key = ["person_id"]
columns = ["street", "town"]
default = { street = "" }

[[map]]
op = "list_to_rows"
table = "person"
column = "tags"
into = "tag"
key = ["person_id"]
value = "tag"
position = "nr"
separator = ","

[[map]]
op = "require_column"
table = "person"
column = "phone"
ask = "?"
question = "Which number can we call?"
"#;

fn set() -> SchemaSet {
    let sources = vec![
        VersionSource::new(SchemaVersion(1), [("schema.toml", SCHEMA_1)]),
        VersionSource::new(SchemaVersion(2), [("schema.toml", SCHEMA_2), ("mapping.toml", MAPPING_2)]),
    ];
    SchemaSet::from_sources(sources).unwrap()
}

async fn rigs() -> Vec<(&'static str, Rig)> {
    let mut rigs = vec![("sqlite", Rig::sqlite(&["a"], set()).await)];
    if let Some(server) = servers::postgres_or_skip() {
        rigs.push(("postgres", Rig::at(&[("a", server.create_database().url)], set()).await));
    }
    rigs
}

fn person(id: i64, street: &str, tags: Option<&str>, phone: Option<&str>) -> Change {
    let text = |value: Option<&str>| value.map_or(Value::Null, Value::from);
    let cells = [
        ("id", id.into()),
        ("name", "ANN".into()),
        ("street", street.into()),
        ("town", Value::Null),
        ("tags", text(tags)),
        ("phone", text(phone)),
    ];
    Change::insert("person", row(cells))
}

/// Six people in a seal each, two of them without a number, and loans; one moves, one gets another list.
async fn lived(rig: &Rig) {
    let mut poster = rig.poster("a").await;
    let moved = Change::update("person", row([("id", 1.into())]), row([("street", "High Street".into())]));
    let listed = Change::update("person", row([("id", 2.into())]), row([("tags", "new,old".into())]));
    let lives: Vec<Vec<Change>> = vec![
        vec![person(1, "Low Street", Some("a,b"), None)],
        vec![person(2, "", None, Some("555")), person(3, "Hill", Some(" a, ,b"), None)],
        vec![Change::insert("loan", row([("nr", 7.into()), ("person", 2.into())]))],
        vec![person(4, "Hill", Some("x"), Some("1")), moved],
        vec![listed, Change::delete("loan", row([("nr", 7.into())]))],
        vec![person(5, "Dale", Some(""), Some("2"))],
    ];
    for changes in &lives {
        rig.append("a", 1, changes).await;
        drain(&mut poster).await.unwrap();
    }
    assert_eq!(poster.done().rejected, 0);
}

#[tokio::test]
async fn rows_that_go_together_are_tried_on_sites_and_views() {
    for (store, rig) in rigs().await {
        lived(&rig).await;
        let tried = laws::site(rig.url("a"), &rig.registry, 100, &mut unwatched).await.unwrap();
        assert!(tried.report.holds(), "{store}: {}", tried.report.breaks[0]);
        assert_eq!((tried.rows, tried.changes, tried.passed_over), (5, 8, 1), "{store}");
        let (url, _directory) = empty_database(store);
        for at in (1..=2).map(SchemaVersion) {
            let scratch = Scratch::claim(&url).await.unwrap();
            let viewed = views(&scratch, &rig.registry, at, (3, 40), &mut unwatched).await.unwrap();
            assert!(viewed.breaks.is_empty(), "{store} at {at}: {}", viewed.breaks[0]);
            assert!(viewed.rows >= 40, "{store} at {at}: {viewed:?}");
            scratch.remove().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_rehearsal_moves_rows_that_go_together_and_tells_what_will_be_asked() {
    for (store, rig) in rigs().await {
        lived(&rig).await;
        let (url, _directory) = empty_database(store);
        let scratch = Scratch::claim(&url).await.unwrap();
        let since = Some("a/1/3".parse().unwrap());
        let plan = Plan { to: SchemaVersion(2), since, until: None, who: "dba".to_owned() };
        let report = rehearse(rig.url("a"), &scratch, &rig.registry, &plan, &mut |_, _| ()).await.unwrap();
        assert!(report.is_good(), "{store}: {report:?}");
        let (moved, tail) = (report.moved.unwrap(), report.tail.unwrap());
        assert_eq!((report.copied, tail.posted), (3, 3), "{store}");
        assert_eq!((moved.asks[0].table.as_ref(), moved.asks[0].rows), ("person", 2), "{store}");
        // The copy is a site at version 2: its queue is the one that will be.
        let queue = asks::list(&url, None, 10).await.unwrap();
        let told: Vec<(&str, Option<&str>)> =
            queue.rows.iter().map(|row| (row.key.as_str(), row.question.as_deref())).collect();
        let question = Some("Which number can we call?");
        assert_eq!(told, [("[1]", question), ("[3]", question)], "{store}");
        scratch.remove().await.unwrap();
    }
}
