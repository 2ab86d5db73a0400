//! What each operation does to the rows.

use journal_core::model::{Change, Row, Value};
use schema_mappers::NewRow;

use super::Rig;
use super::material::{all, cells, decimal, expect_fault, id, image, item, post, post_images, row};
use crate::ledger::Fault;

/// A column that an insert does not name is NULL, and says so when read.
pub async fn an_insert_writes_the_whole_row_with_null_in_absent_cells<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    post(&mut ledger, [Change::insert("item", item(1, Row::new()))]).await;
    let (row, complement) = all(&mut ledger, "item").await.remove(0);
    assert_eq!(row.len(), 7, "every column has a cell: {row:?}");
    assert_eq!((row.get("id"), row.get("title")), (Some(&Value::Int(1)), Some(&"thing".into())));
    assert_eq!((row.get("shop"), row.get("price")), (Some(&Value::Null), Some(&Value::Null)));
    assert!(complement.is_empty());
}

/// Cells an update does not name stay as they are; NULL is a value to set.
pub async fn an_update_sets_what_it_names_and_leaves_the_rest<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let full = row([("code", "c1".into()), ("price", decimal("2.50")), ("stock", 3.into())]);
    post(
        &mut ledger,
        [Change::insert("item", item(1, full.clone())), Change::insert("item", item(2, Row::new()))],
    )
    .await;
    let set = row([("price", decimal("3")), ("code", Value::Null)]);
    post(&mut ledger, [Change::update("item", id(1), set)]).await;
    let expected = item(1, row([("price", decimal("3.00")), ("stock", 3.into())]));
    assert_eq!(cells(&mut ledger, "item").await, [expected, item(2, Row::new())]);
}

/// It changes nothing, and is a fault where the row is not there.
pub async fn an_update_without_cells_asks_only_that_the_row_stands<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    post(&mut ledger, [Change::insert("item", item(1, Row::new()))]).await;
    post(&mut ledger, [Change::update("item", id(1), Row::new())]).await;
    assert_eq!(cells(&mut ledger, "item").await, [item(1, Row::new())]);
    expect_fault(&mut ledger, Change::update("item", id(2), Row::new()), Fault::MissingRow).await;
    let relying = Change::update("item", id(1), Row::new()).expecting(row([("stock", 1.into())]));
    expect_fault(&mut ledger, relying, Fault::UnexpectedRow).await;
}

/// Key columns may be set; the rest of the row goes with them.
pub async fn an_update_may_move_the_row_to_another_key<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let pair = |a: &str, b: i64| row([("a", a.into()), ("b", b.into())]);
    post(&mut ledger, [Change::insert("pair", pair("x", 1).with("v", "kept"))]).await;
    post(&mut ledger, [Change::update("pair", pair("x", 1), row([("b", 2.into())]))]).await;
    assert_eq!(cells(&mut ledger, "pair").await, [pair("x", 2).with("v", "kept")]);
    post(&mut ledger, [Change::insert("pair", pair("x", 1))]).await;
    expect_fault(
        &mut ledger,
        Change::update("pair", pair("x", 2), row([("b", 1.into())])),
        Fault::DuplicateKey,
    )
    .await;
}

/// One row goes.
pub async fn a_delete_ends_its_row_and_no_other<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    post(&mut ledger, (1..4).map(|nr| Change::insert("item", item(nr, Row::new())))).await;
    post(&mut ledger, [Change::delete("item", id(2))]).await;
    assert_eq!(cells(&mut ledger, "item").await, [item(1, Row::new()), item(3, Row::new())]);
}

/// A new row, or the named cells of the one that stands.
pub async fn an_upsert_inserts_or_updates<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let first = item(1, row([("code", "c".into()), ("stock", 1.into())]));
    post(&mut ledger, [Change::upsert("item", first)]).await;
    let second = item(1, row([("stock", 2.into())])).with("title", "other");
    post(&mut ledger, [Change::upsert("item", second)]).await;
    let expected = item(1, row([("code", "c".into()), ("stock", 2.into())])).with("title", "other");
    assert_eq!(cells(&mut ledger, "item").await, [expected]);
}

/// Where the row stands there is nothing to set.
pub async fn an_upsert_of_a_key_alone_leaves_what_stands<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let key = row([("a", "x".into()), ("b", 1.into())]);
    post(&mut ledger, [Change::insert("pair", key.clone().with("v", "kept"))]).await;
    post(
        &mut ledger,
        [Change::upsert("pair", key.clone()), Change::upsert("pair", key.clone().with("b", 2))],
    )
    .await;
    assert_eq!(cells(&mut ledger, "pair").await, [key.clone().with("v", "kept"), key.with("b", 2)]);
}

/// What `if_new` says goes into new rows only, what the change says only into those that stand.
pub async fn an_upsert_may_have_a_row_of_its_own_for_new_ones<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let mut upsert = image(Change::upsert("item", item(1, row([("stock", 5.into())]))));
    let new = item(1, row([("stock", 5.into()), ("note", "filled in".into())]));
    upsert.if_new = Some(NewRow { row: new.clone(), complement: Row::new() });
    post_images(&mut ledger, std::slice::from_ref(&upsert)).await;
    assert_eq!(cells(&mut ledger, "item").await, std::slice::from_ref(&new));
    post(
        &mut ledger,
        [Change::update("item", id(1), row([("note", "by hand".into()), ("stock", 9.into())]))],
    )
    .await;
    post_images(&mut ledger, std::slice::from_ref(&upsert)).await;
    assert_eq!(cells(&mut ledger, "item").await, [new.with("note", "by hand")]);
    // Nothing to set where it stands.
    upsert.change.cells = id(1);
    post_images(&mut ledger, &[upsert]).await;
}

/// Whole numbers and decimals, several at once, upwards and downwards.
pub async fn deltas_are_added_exactly<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let start = row([("price", decimal("0.10")), ("stock", 9_007_199_254_740_993i64.into())]);
    post(&mut ledger, [Change::insert("item", item(1, start))]).await;
    let add = |price: &str, stock: i64| {
        Change::add("item", id(1), row([("price", decimal(price)), ("stock", stock.into())]))
    };
    post(&mut ledger, [add("0.20", 2), add("-1", -1), add("99999.99", 0)]).await;
    let found = cells(&mut ledger, "item").await.remove(0);
    assert_eq!(found.get("price"), Some(&decimal("99999.29")));
    assert_eq!(found.get("stock"), Some(&Value::Int(9_007_199_254_740_994)));
}

/// The largest and the smallest number can be reached by sums, and a step further is a fault.
pub async fn deltas_reach_the_ends_of_the_range_and_not_beyond<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let start = row([("price", decimal("-99999999.98")), ("stock", (i64::MAX - 1).into())]);
    post(&mut ledger, [Change::insert("item", item(1, start))]).await;
    let ends = row([("price", decimal("-0.01")), ("stock", 1.into())]);
    post(&mut ledger, [Change::add("item", id(1), ends.clone())]).await;
    for (name, step) in [("stock", 1.into()), ("price", decimal("-0.01"))] {
        expect_fault(&mut ledger, Change::add("item", id(1), row([(name, step)])), Fault::OutOfRange).await;
    }
    let back = row([("stock", i64::MIN.into())]);
    post(&mut ledger, [Change::add("item", id(1), back)]).await;
    let found = cells(&mut ledger, "item").await.remove(0);
    assert_eq!(found.get("stock"), Some(&Value::Int(-1)));
    assert_eq!(found.get("price"), Some(&decimal("-99999999.99")));
    let down = row([("stock", (i64::MIN + 1).into())]);
    post(&mut ledger, [Change::add("item", id(1), down)]).await;
    expect_fault(&mut ledger, Change::add("item", id(1), row([("stock", (-1).into())])), Fault::OutOfRange)
        .await;
}

/// NULL is expected as a value is; key and other columns alike.
pub async fn expected_values_are_compared_exactly_and_null_is_a_value<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let cells_of = row([("price", decimal("1.5")), ("note", "n ".into())]);
    post(&mut ledger, [Change::insert("item", item(1, cells_of.clone()))]).await;
    let relying =
        |expect: Row| Change::update("item", id(1), row([("title", "new".into())])).expecting(expect);
    post(&mut ledger, [relying(cells_of.with("stock", Value::Null).with("id", 1))]).await;
    for (name, wrong) in [
        ("price", decimal("1.51")),
        ("note", "n".into()),
        ("note", Value::Null),
        ("stock", 0.into()),
        ("title", "NEW".into()),
        ("title", Value::Null),
    ] {
        expect_fault(&mut ledger, relying(row([(name, wrong)])), Fault::UnexpectedRow).await;
    }
    let end = Change::delete("item", id(1)).expecting(row([("title", "new".into()), ("code", Value::Null)]));
    post(&mut ledger, [end]).await;
    assert!(cells(&mut ledger, "item").await.is_empty());
}

/// At its birth, and at its end.
pub async fn a_row_may_be_its_own_parent<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let staff = |nr: i64, boss: i64| Change::insert("staff", id(nr).with("boss", boss));
    post(&mut ledger, [staff(1, 1), staff(2, 1)]).await;
    expect_fault(&mut ledger, Change::delete("staff", id(1)), Fault::StillReferenced).await;
    post(&mut ledger, [Change::delete("staff", id(2)), Change::delete("staff", id(1))]).await;
    assert!(cells(&mut ledger, "staff").await.is_empty());
}

/// Later changes of one call see what earlier ones did.
pub async fn a_change_of_many_rows_is_carried_out_in_order<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let shop = row([("id", 1.into()), ("name", "one".into())]);
    post(
        &mut ledger,
        [
            Change::insert("shop", shop.clone()),
            Change::insert("item", item(1, row([("shop", 1.into())]))),
            Change::delete("item", id(1)),
            Change::delete("shop", id(1)),
            Change::insert("shop", shop.clone()),
        ],
    )
    .await;
    assert_eq!(cells(&mut ledger, "shop").await, [shop]);
    assert!(cells(&mut ledger, "item").await.is_empty());
}
