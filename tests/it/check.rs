//! The laws of mapping on a site's own rows and changes, and on the views of real databases.

mod library;

use applier::audit::unwatched;
use applier::laws::{self, views};
use applier::scratch::Scratch;
use journal_core::model::{Change, Row, SchemaVersion};
use journal_tests::rig::{Rig, drain, row};
use schema_mappers::laws::Law;
use schema_mappers::{CannotMap, Image, Mapper, Place, Registry, RustMappers};

use crate::club::{empty_database, member, money, phone, renamed, rigs, set};

/// Members and phones of all kinds, appended and posted at site a in both versions.
async fn lived(rig: &Rig) {
    let changes: &[&[Change]] = &[
        &[member(1, "MARY ANN SMITH", None), phone(1, None)],
        &[member(2, "CHER ", Some(1)), phone(2, Some("555"))],
        &[renamed(1, "ANN"), member(3, "", Some(2)), member(4, "IGGY POP", None)],
    ];
    for changes in changes {
        rig.append("a", 1, changes).await;
    }
    let fee = Change::update("member", row([("id", 3.into())]), row([("fee", money("1.5000"))]));
    let gone = Change::delete("contact", row([("member_id", 2.into())]));
    rig.append("a", 2, &[fee, gone]).await;
    let mut poster = rig.poster("a").await;
    drain(&mut poster).await.unwrap();
    assert_eq!(poster.done().rejected, 0);
}

#[tokio::test]
async fn the_laws_hold_on_the_rows_and_changes_of_a_site() {
    for (store, rig) in rigs().await {
        lived(&rig).await;
        let tried = laws::site(rig.url("a"), &rig.registry, 100, &mut unwatched).await.unwrap();
        assert!(tried.report.holds(), "{store}: {:?}", tried.report.breaks);
        assert_eq!((tried.at, tried.rows), (SchemaVersion(1), 5), "{store}");
        // The one that is passed over deletes a phone that is not there any more.
        assert_eq!((tried.changes, tried.passed_over), (8, 1), "{store}");
    }
}

/// Drops the last name on the way up, and keeps nothing of it.
#[derive(Debug)]
struct Forgetful;

impl Mapper for Forgetful {
    fn up(&self, mut image: Image, _: &mut Row) -> Result<Vec<Image>, CannotMap> {
        if image.change.cells.contains("last_name") {
            image.change.cells.set("last_name", "");
        }
        Ok(vec![image])
    }

    fn down(&self, image: Image, _: &mut Row) -> Result<Vec<Image>, CannotMap> {
        Ok(vec![image])
    }
}

#[tokio::test]
async fn a_mapper_that_loses_something_is_found_on_the_rows_of_a_site() {
    for (store, rig) in rigs().await {
        lived(&rig).await;
        let mappers = RustMappers::none().with(SchemaVersion(2), "member", Place::After, Forgetful);
        let forgetful = Registry::new(set(3), mappers).unwrap();
        let tried = laws::site(rig.url("a"), &forgetful, 100, &mut unwatched).await.unwrap();
        let first = &tried.report.breaks.first().unwrap_or_else(|| panic!("{store}: nothing was found"));
        assert_eq!((first.law, first.from), (Law::Back, SchemaVersion(1)), "{store}: {first}");
        assert_eq!(first.rows.len(), 1, "{store}: the smallest case: {first}");
    }
}

#[tokio::test]
async fn views_show_what_the_mapper_says_at_every_version() {
    for (store, rig) in rigs().await {
        let (url, _directory) = empty_database(store);
        for at in (1..=3).map(SchemaVersion) {
            let scratch = Scratch::claim(&url).await.unwrap();
            let viewed = views(&scratch, &rig.registry, at, (7, 20), &mut unwatched).await.unwrap();
            assert_eq!(viewed.breaks, [], "{store} at {at}");
            assert!(viewed.rows >= 20 && viewed.views >= 20, "{store} at {at}: {viewed:?}");
            scratch.remove().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_view_that_says_otherwise_than_the_mapper_is_found() {
    for (store, _) in rigs().await {
        let (url, _directory) = empty_database(store);
        let scratch = Scratch::claim(&url).await.unwrap();
        let mappers = RustMappers::none().with(SchemaVersion(2), "member", Place::After, Turning);
        let turning = Registry::new(set(3), mappers).unwrap();
        let viewed = views(&scratch, &turning, SchemaVersion(2), (7, 50), &mut unwatched).await.unwrap();
        let first = &viewed.breaks.first().unwrap_or_else(|| panic!("{store}: nothing was found"));
        assert_eq!((first.law, first.to), (Law::Views, SchemaVersion(1)), "{store}: {first}");
        let places: Vec<(&str, &str)> =
            first.suspects.iter().map(|suspect| (suspect.file.as_str(), suspect.op.as_str())).collect();
        assert!(places.contains(&("2/mapping.toml", "split_column")), "{store}: {first}");
        scratch.remove().await.unwrap();
    }
}

/// Turns last names around above. Keeps every law, but views know nothing of it.
#[derive(Debug)]
struct Turning;

impl Turning {
    fn turned(mut image: Image) -> Vec<Image> {
        if let Some(journal_core::model::Value::Text(name)) = image.change.cells.get("last_name") {
            let turned: String = name.chars().rev().collect();
            image.change.cells.set("last_name", turned.as_str());
        }
        vec![image]
    }
}

impl Mapper for Turning {
    fn up(&self, image: Image, _: &mut Row) -> Result<Vec<Image>, CannotMap> {
        Ok(Self::turned(image))
    }

    fn down(&self, image: Image, _: &mut Row) -> Result<Vec<Image>, CannotMap> {
        Ok(Self::turned(image))
    }
}
