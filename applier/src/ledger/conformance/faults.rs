//! Each fault with its exact code: the same one at every ledger.

use journal_core::model::{Change, Op, Row, Value};

use super::Rig;
use super::material::{cells, decimal, expect_fault, fault_of, id, image, item, post, row};
use crate::ledger::{Fault, Ledger, LedgerError};

/// D0201, by insert and by an update of the key.
pub async fn a_second_row_of_a_primary_key_is_a_duplicate<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    post(&mut ledger, [1, 2].map(|nr| Change::insert("item", item(nr, Row::new())))).await;
    expect_fault(&mut ledger, Change::insert("item", item(1, Row::new())), Fault::DuplicateKey).await;
    expect_fault(&mut ledger, Change::update("item", id(1), id(2)), Fault::DuplicateKey).await;
}

/// D0201, by insert, update and upsert; NULLs are distinct.
pub async fn a_second_row_of_a_unique_key_is_a_duplicate_and_nulls_are_not<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let code = |code: &str| row([("code", code.into())]);
    post(&mut ledger, [1, 2].map(|nr| Change::insert("item", item(nr, Row::new())))).await;
    post(
        &mut ledger,
        [Change::insert("item", item(3, code("c"))), Change::insert("item", item(4, code("C")))],
    )
    .await;
    for change in [
        Change::insert("item", item(5, code("c"))),
        Change::update("item", id(1), code("c")),
        Change::upsert("item", item(5, code("c"))),
        Change::upsert("item", item(1, code("c"))),
    ] {
        expect_fault(&mut ledger, change, Fault::DuplicateKey).await;
    }
    // A key that was given up is free.
    post(&mut ledger, [Change::update("item", id(3), code("d")), Change::update("item", id(1), code("c"))])
        .await;
}

/// D0202, by insert, update and upsert; NULL refers to nothing.
pub async fn a_row_without_its_parent_is_refused<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let shop = |nr: i64| row([("shop", nr.into())]);
    post(&mut ledger, [Change::insert("item", item(1, Row::new()))]).await;
    for change in [
        Change::insert("item", item(2, shop(7))),
        Change::update("item", id(1), shop(7)),
        Change::upsert("item", item(1, shop(7))),
        Change::update("item", id(1), shop(7).with("id", 3)),
    ] {
        expect_fault(&mut ledger, change, Fault::MissingParent).await;
    }
}

/// D0203, by delete and by a change of the key.
pub async fn a_row_that_is_referred_to_stays<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let shop = |nr: i64| Change::insert("shop", row([("id", nr.into()), ("name", "s".into())]));
    post(&mut ledger, [shop(1), shop(2), Change::insert("item", item(1, row([("shop", 1.into())])))]).await;
    expect_fault(&mut ledger, Change::delete("shop", id(1)), Fault::StillReferenced).await;
    expect_fault(&mut ledger, Change::update("shop", id(1), id(3)), Fault::StillReferenced).await;
    post(
        &mut ledger,
        [Change::delete("shop", id(2)), Change::update("item", id(1), row([("shop", Value::Null)]))],
    )
    .await;
    post(&mut ledger, [Change::update("shop", id(1), id(3)), Change::delete("shop", id(3))]).await;
}

/// D0204, by update, delete and add, also with expected values.
pub async fn a_change_of_a_row_that_is_not_there_is_refused<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    post(&mut ledger, [Change::insert("item", item(1, Row::new()))]).await;
    let expect = row([("title", "thing".into())]);
    for change in [
        Change::update("item", id(2), row([("stock", 1.into())])),
        Change::update("item", id(2), row([("stock", 1.into())])).expecting(expect.clone()),
        Change::delete("item", id(2)),
        Change::delete("item", id(2)).expecting(expect),
        Change::add("item", id(2), row([("stock", 1.into())])),
    ] {
        expect_fault(&mut ledger, change, Fault::MissingRow).await;
    }
}

/// D0205, by update and delete.
pub async fn an_unexpected_row_is_refused<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    post(&mut ledger, [Change::insert("item", item(1, Row::new()))]).await;
    let expect = row([("title", "another".into())]);
    let update = Change::update("item", id(1), row([("stock", 1.into())])).expecting(expect.clone());
    expect_fault(&mut ledger, update, Fault::UnexpectedRow).await;
    expect_fault(&mut ledger, Change::delete("item", id(1)).expecting(expect), Fault::UnexpectedRow).await;
}

/// D0206, for a NULL and for a cell that is absent from a new row.
pub async fn null_where_none_may_stand_is_refused<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    post(&mut ledger, [Change::insert("item", item(1, Row::new()))]).await;
    for change in [
        Change::insert("item", item(2, row([("title", Value::Null)]))),
        Change::insert("item", id(2)),
        Change::upsert("item", id(1)),
        Change::update("item", id(1), row([("title", Value::Null)])),
    ] {
        expect_fault(&mut ledger, change, Fault::NotNull).await;
    }
}

/// D0208: nothing is rounded, cut or wrapped.
pub async fn what_has_no_exact_place_is_refused<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    post(&mut ledger, [Change::insert("item", item(1, Row::new()))]).await;
    for (name, value) in [
        ("price", decimal("1.005")),
        ("price", decimal("100000000")),
        ("code", "ninechars".into()),
        ("code", "ninebytes ".into()),
        ("note", "a\0b".into()),
    ] {
        let set = row([(name, value)]);
        expect_fault(&mut ledger, Change::insert("item", item(2, set.clone())), Fault::OutOfRange).await;
        expect_fault(&mut ledger, Change::update("item", id(1), set), Fault::OutOfRange).await;
    }
}

/// D0208, for both kinds of numbers; the row stays as it was.
pub async fn a_sum_out_of_range_or_on_null_is_refused<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let start = item(1, row([("stock", i64::MAX.into())]));
    post(&mut ledger, [Change::insert("item", start.clone())]).await;
    for (name, delta) in [("stock", 1.into()), ("price", decimal("1")), ("price", decimal("0"))] {
        expect_fault(&mut ledger, Change::add("item", id(1), row([(name, delta)])), Fault::OutOfRange).await;
    }
    let both = row([("stock", (-1).into()), ("price", decimal("1"))]);
    expect_fault(&mut ledger, Change::add("item", id(1), both), Fault::OutOfRange).await;
    assert_eq!(cells(&mut ledger, "item").await, [start]);
}

/// D0210: what the schema version does not know.
pub async fn what_does_not_fit_the_schema_is_refused<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    post(&mut ledger, [Change::insert("item", item(1, Row::new()))]).await;
    let misplaced = Change { op: Op::Insert, ..Change::update("item", Row::new(), item(2, Row::new())) };
    for change in [
        Change::insert("nowhere", id(1)),
        Change::call("item", id(1)),
        Change::update("item", id(1), row([("colour", "red".into())])),
        Change::update("item", id(1), row([("stock", "three".into())])),
        Change::update("item", id(1), row([("title", 3.into())])),
        Change::update("item", Row::new(), row([("stock", 1.into())])),
        Change::update("item", id(1).with("title", "thing"), row([("stock", 1.into())])),
        Change::update("item", row([("id", Value::Null)]), row([("stock", 1.into())])),
        Change::delete("pair", row([("a", "x".into())])),
        Change::insert("item", row([("title", "thing".into())])),
        Change::add("item", id(1), row([("title", "x".into())])),
        Change::add("item", id(1), row([("stock", Value::Null)])),
        Change::add("item", id(1), row([("id", 1.into())])),
        misplaced.expecting(row([("stock", 1.into())])),
    ] {
        expect_fault(&mut ledger, change, Fault::Unfit).await;
    }
}

/// D0207, where the ledger has CHECKs.
pub async fn a_check_of_the_ledger_is_heard<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    post(&mut ledger, [Change::insert("checked", id(1).with("amount", 1))]).await;
    let changes = [
        Change::insert("checked", id(2).with("amount", -1)),
        Change::update("checked", id(1), row([("amount", (-1).into())])),
        Change::add("checked", id(1), row([("amount", (-2).into())])),
    ];
    for change in changes {
        if rig.checks() {
            expect_fault(&mut ledger, change, Fault::Check).await;
        } else {
            post(&mut ledger, [change]).await;
        }
    }
}

/// A detail is for people: it says where and what, in plain words.
pub async fn a_fault_names_table_and_key_and_holds_no_sql<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let pair = row([("a", "x\"y".into()), ("b", 2.into())]);
    post(&mut ledger, [Change::insert("pair", pair.clone()), Change::insert("item", item(1, Row::new()))])
        .await;
    let changes = [
        (Change::insert("pair", pair.clone()), "pair [\"x\\\"y\",2]: "),
        (Change::delete("item", id(77)), "item [77]: "),
        (Change::update("item", id(1), row([("title", Value::Null)])), "item [1]: column title"),
        (Change::update("item", id(1), row([("price", decimal("0.001"))])), "item [1]: column price"),
        (Change::update("item", id(1), row([("shop", 5.into())])), "item [1]: shop [5]"),
        (Change::delete("item", id(1)).expecting(row([("stock", 9.into())])), "item [1]: "),
    ];
    for (change, start) in changes {
        let (_, detail) = fault_of(&mut ledger, change).await;
        assert!(detail.starts_with(start), "{detail:?} does not start with {start:?}");
        for word in ["INSERT", "UPDATE", "DELETE", "SELECT", "WHERE", "$1"] {
            assert!(!detail.contains(word), "{detail:?} holds SQL");
        }
    }
}

/// Whatever the database did with the failed statement, the transaction as a whole is gone.
pub async fn a_transaction_with_a_fault_cannot_be_committed<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    ledger.begin().await.expect("begin");
    ledger.apply(&[image(Change::insert("item", item(1, Row::new())))]).await.expect("apply");
    let refused =
        ledger.apply(&[image(Change::delete("item", id(2))), image(Change::delete("item", id(1)))]).await;
    assert!(matches!(refused, Err(LedgerError::Fault { fault: Fault::MissingRow, .. })), "{refused:?}");
    assert!(ledger.commit().await.is_err(), "a part of a batch was committed");
    ledger.rollback().await.expect("roll back");
    assert!(cells(&mut ledger, "item").await.is_empty());
    post(&mut ledger, [Change::insert("item", item(3, Row::new()))]).await;
    assert_eq!(cells(&mut ledger, "item").await, [item(3, Row::new())]);
}
