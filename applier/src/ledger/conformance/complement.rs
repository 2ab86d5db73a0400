//! Complements: beside their rows, through all of their lives.

use journal_core::model::{Change, Row, Value};
use schema_mappers::NewRow;

use super::Rig;
use super::material::{all, id, image, item, post, post_images, row};
use crate::ledger::{Ledger, LedgerChange, LedgerReader};

fn keeping(change: Change, set: Row) -> LedgerChange {
    let mut image = image(change);
    image.complement.set = set;
    image
}

fn colour(colour: &str) -> Row {
    row([("2:colour", colour.into())])
}

/// The complements of the items.
async fn complements<L: Ledger + LedgerReader>(ledger: &mut L) -> Vec<Row> {
    all(ledger, "item").await.into_iter().map(|(_, complement)| complement).collect()
}

/// A row that is born again under the same key does not inherit.
pub async fn a_complement_lives_and_ends_with_its_row<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let new = |nr| Change::insert("item", item(nr, Row::new()));
    post_images(
        &mut ledger,
        &[keeping(new(1), colour("red")), image(new(2)), keeping(new(3), colour("blue"))],
    )
    .await;
    assert_eq!(complements(&mut ledger).await, [colour("red"), Row::new(), colour("blue")]);
    post(&mut ledger, [Change::delete("item", id(1)), new(1)]).await;
    // Also through a handle that never saw it being written.
    let mut other = rig.ledger().await;
    post(&mut other, [Change::delete("item", id(3)), new(3)]).await;
    assert_eq!(complements(&mut other).await, [Row::new(), Row::new(), Row::new()]);
}

/// Cells that an update does not mention stay.
pub async fn a_complement_is_merged_and_cleared_by_updates<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let both = colour("red").with("2:size", Value::Null);
    post_images(&mut ledger, &[keeping(Change::insert("item", item(1, Row::new())), both)]).await;
    let set = row([("stock", 1.into())]);
    let mut update = keeping(Change::update("item", id(1), set.clone()), row([("3:shape", "round".into())]));
    update.complement.clear.push("2:colour".into());
    update.complement.clear.push("2:never there".into());
    post_images(&mut ledger, &[update]).await;
    let merged = row([("2:size", Value::Null), ("3:shape", "round".into())]);
    assert_eq!(complements(&mut ledger).await, std::slice::from_ref(&merged));
    post(&mut ledger, [Change::update("item", id(1), set.clone()), Change::add("item", id(1), set)]).await;
    assert_eq!(complements(&mut ledger).await, [merged]);
    let mut clear = image(Change::update("item", id(1), row([("stock", 2.into())])));
    clear.complement.clear = vec!["2:size".into(), "3:shape".into()];
    post_images(&mut ledger, &[clear]).await;
    assert_eq!(complements(&mut ledger).await, [Row::new()]);
}

/// And is changed on the way.
pub async fn a_complement_moves_with_the_key_of_its_row<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let new = |nr| Change::insert("item", item(nr, Row::new()));
    post_images(&mut ledger, &[keeping(new(1), colour("red")), image(new(2)), image(new(3))]).await;
    let shape = row([("3:shape", "round".into())]);
    post_images(&mut ledger, &[keeping(Change::update("item", id(1), id(9)), shape.clone())]).await;
    let mut moved = colour("red");
    moved.extend(shape);
    assert_eq!(complements(&mut ledger).await, [Row::new(), Row::new(), moved]);
    post(&mut ledger, [new(1)]).await;
    assert_eq!(complements(&mut ledger).await[0], Row::new());
}

/// Whether it inserted or updated.
pub async fn an_upsert_keeps_the_complement_of_what_it_did<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let upsert = |nr| Change::upsert("item", item(nr, Row::new()));
    post_images(&mut ledger, &[keeping(upsert(1), colour("red")), image(upsert(2))]).await;
    post_images(&mut ledger, &[image(upsert(1)), keeping(upsert(2), colour("blue"))]).await;
    assert_eq!(complements(&mut ledger).await, [colour("red"), colour("blue")]);
    let mut either = keeping(upsert(2), colour("of the one that stood"));
    either.if_new = Some(NewRow { row: item(2, Row::new()), complement: colour("of the new one") });
    let mut new = either.clone();
    (new.change, new.if_new) = (upsert(3), new.if_new.map(|new| NewRow { row: item(3, Row::new()), ..new }));
    post_images(&mut ledger, &[either, new]).await;
    let expected = [colour("red"), colour("of the one that stood"), colour("of the new one")];
    assert_eq!(complements(&mut ledger).await, expected);
}

/// An update of columns that only the complement holds has no cells.
pub async fn a_complement_may_change_alone<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    post(&mut ledger, [Change::insert("item", item(1, Row::new()))]).await;
    post_images(&mut ledger, &[keeping(Change::update("item", id(1), Row::new()), colour("red"))]).await;
    assert_eq!(complements(&mut ledger).await, [colour("red")]);
    assert_eq!(complements(&mut rig.ledger().await).await, [colour("red")]);
}
