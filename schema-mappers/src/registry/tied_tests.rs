//! Tables that are tied together, as the registry tells of them: what goes together, what meets, what is touched.

use journal_core::model::{Change, Row, SchemaVersion};

use crate::ops::testing::{row, set_of};
use crate::{Feed, MappedRow, MeetError, Plan, Refusal, Registry, Root, RustMappers, Source};

const ONE: &str = "[table.person]\nkey = [\"id\"]\n[table.person.columns]\nid = \"int\"\nstreet = { type = \"text\", null = true }\n\
                   [table.shop]\nkey = [\"id\"]\n[table.shop.columns]\nid = \"int\"\n";
const TWO: &str = "[table.person]\nkey = [\"id\"]\n[table.person.columns]\nid = \"int\"\n\
                   [table.address]\nkey = [\"p\"]\nparents = [{ columns = [\"p\"], table = \"person\" }]\n\
                   [table.address.columns]\np = \"int\"\nstreet = { type = \"text\", null = true }\n\
                   [table.shop]\nkey = [\"id\"]\n[table.shop.columns]\nid = \"int\"\n\
                   [table.visit]\nkey = [\"id\"]\n[table.visit.columns]\nid = \"int\"\n";
const MAPPING: &str = "[[map]]\nop = \"split_table\"\ntable = \"person\"\ninto = \"address\"\nkey = [\"p\"]\ncolumns = [\"street\"]\n\
                       [[map]]\nop = \"create_table\"\ntable = \"visit\"\n";
const THREE_MAPPING: &str = "[[map]]\nop = \"rename_table\"\ntable = \"person\"\nto = \"human\"\n\
                             [[map]]\nop = \"rename_column\"\ntable = \"human\"\ncolumn = \"id\"\nto = \"nr\"\n";

fn registry() -> Registry {
    let three = TWO.replace("table.person", "table.human").replace("table = \"person\"", "table = \"human\"");
    let three =
        three.replacen("key = [\"id\"]", "key = [\"nr\"]", 1).replacen("id = \"int\"", "nr = \"int\"", 1);
    let set = set_of(&[(ONE, ""), (TWO, MAPPING), (&three, THREE_MAPPING)]).expect("a good set");
    Registry::new(set, RustMappers::none()).expect("a covered set")
}

fn version(version: i64) -> SchemaVersion {
    SchemaVersion(version)
}

fn source(table: &str, columns: &[&str]) -> Source {
    Source { table: table.into(), columns: columns.iter().map(|column| (*column).into()).collect() }
}

#[test]
fn a_feed_names_the_tables_that_go_together_and_those_that_stay_as_they_are() {
    let feeds = registry().feeds(version(2), version(1)).expect("a way");
    let person = Feed {
        root: source("person", &["id"]),
        members: vec![source("address", &["p"])],
        targets: vec!["person".into()],
        identity: false,
    };
    assert!(feeds.contains(&person), "{feeds:?}");
    let alone = |feeds: &[Feed], table: &str| {
        feeds
            .iter()
            .find(|feed| feed.root.table.as_ref() == table)
            .map(|feed| (feed.members.len(), feed.identity))
    };
    assert_eq!(alone(&feeds, "shop"), Some((0, true)));
    assert_eq!(alone(&feeds, "visit"), Some((0, false)), "it gets the name under which it is kept");
    // On a way on which nothing is tied, each table goes alone.
    let feeds = registry().feeds(version(3), version(2)).expect("a way");
    assert_eq!((alone(&feeds, "human"), alone(&feeds, "address")), (Some((0, false)), Some((0, true))));
}

#[test]
fn changes_of_one_root_touch_it_whatever_version_they_are_written_at() {
    let registry = registry();
    let key = |name: &str| row(&[(name, 7.into())]);
    let street = row(&[("street", "A".into())]);
    let root = Root { table: "person".into(), key: key("id"), form: None };
    let written = [
        (1, Change::update("person", key("id"), street.clone())),
        (2, Change::update("address", key("p"), street.clone())),
        (3, Change::delete("address", key("p"))),
        (3, Change::delete("human", key("nr"))),
        (3, Change::insert("human", key("nr"))),
    ];
    for (at, change) in written {
        assert_eq!(registry.roots(version(at), &change), std::slice::from_ref(&root), "{change:?}");
    }
    assert_eq!(registry.roots(version(1), &Change::delete("shop", key("id"))), []);
    let moved = Change::update("address", key("p"), row(&[("p", 8.into())]));
    assert_eq!(registry.roots(version(2), &moved).len(), 2, "the root it leaves and the one it goes to");
}

#[test]
fn a_change_that_meets_rows_is_refused_as_a_ledger_of_its_version_would() {
    let registry = registry();
    let person = |complement: Row| MappedRow {
        table: "person".into(),
        row: row(&[("id", 7.into()), ("street", "A".into())]),
        complement,
    };
    let refused =
        |change: &Change, found: &[MappedRow]| match registry.map_with(version(2), version(1), change, found)
        {
            Err(MeetError::Refused { refusal, .. }) => refusal,
            other => panic!("{other:?}"),
        };
    let key = row(&[("p", 7.into())]);
    let insert = Change::insert("address", key.clone());
    assert_eq!(refused(&insert, &[person(Row::new())]), Refusal::DuplicateKey);
    assert_eq!(refused(&insert, &[]), Refusal::MissingParent);
    assert_eq!(refused(&Change::delete("address", key.clone()), &[]), Refusal::MissingRow);
    let human = Change::delete("person", row(&[("id", 7.into())]));
    assert_eq!(refused(&human, &[person(Row::new())]), Refusal::StillReferenced);
    let relying = Change::delete("address", key).expecting(row(&[("street", "B".into())]));
    assert_eq!(refused(&relying, &[person(Row::new())]), Refusal::UnexpectedRow);
    assert!(matches!(registry.map(version(2), version(1), insert), Ok(Plan::Meets(_))));
}
