//! What does not fit the schema or the limits is told before anything is sent.

use journal_core::client::{AppendFailure, Transaction};
use journal_core::model::transaction::{ENTRIES_MAX, PAYLOAD_BYTES_MAX};
use journal_core::model::{Row, Value};

use super::shop::{Shop, item};

fn key(id: i64) -> Row {
    Row::new().with("id", id)
}

#[tokio::test]
async fn every_operation_is_appended() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    let transaction = item(1)
        .author("till 3")
        .upsert(
            "item",
            key(2)
                .with("name", "pear")
                .with("price", "2.50".parse::<journal_core::model::Decimal>().unwrap()),
        )
        .update("item", key(1), Row::new().with("name", "apple"))
        .update_expecting("item", key(1), Row::new().with("name", "fig"), Row::new().with("name", "apple"))
        .add("item", key(1), Row::new().with("sold", 3))
        .call("restock", Row::new().with("item", 2))
        .delete("item", key(1))
        .delete_expecting("item", key(2), Row::new().with("sold", Value::Null));
    assert_eq!(transaction.changes().len(), 8);
    journal.append(&transaction).await.unwrap();
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_the_reason() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    let named = |name: &str| key(1).with("name", name);
    let new = Transaction::new;
    let cases = [
        (new(), "at least one change"),
        (item(1).author("a".repeat(201)), "author's name must have 1 to 200 bytes"),
        (item(1).author("a\0b"), "no NUL"),
        (
            item(1).insert("itm", key(2)),
            "change 2 does not fit the schema: schema version 1 has no table \"itm\"; it has item",
        ),
        (new().insert("item", named("x").with("colour", "red")), "has no column \"colour\""),
        (new().insert("item", named("x").with("shelf", "3b")), "has no column \"shelf\" in schema version 1"),
        (new().insert("item", key(1)), "lacks a value for \"name\""),
        (new().insert("item", key(1).with("name", Value::Null)), "may not be NULL"),
        (new().insert("item", named(&"x".repeat(21))), "cannot hold the text"),
        (new().insert("item", key(1).with("name", 5)), "is text(20); it cannot hold the int"),
        (
            new().insert(
                "item",
                named("x").with("price", "1.005".parse::<journal_core::model::Decimal>().unwrap()),
            ),
            "cannot hold the decimal \"1.005\" exactly",
        ),
        (new().update("item", Row::new(), Row::new().with("sold", 1)), "lacks a value for \"id\""),
        (new().update("item", key(1), Row::new()), "changes nothing"),
        (
            new().update("item", key(1).with("name", "x"), Row::new().with("sold", 1)),
            "not of the primary key",
        ),
        (new().add("item", key(1), Row::new().with("name", "x")), "deltas can only be added"),
        (new().call("reorder", Row::new()), "no operation \"reorder\""),
        (
            new().insert("item", named("x").with("picture", vec![0; PAYLOAD_BYTES_MAX + 1])),
            "more than the 16777216 an entry may have",
        ),
    ];
    for (transaction, reason) in cases {
        let failure = journal.append(&transaction).await.unwrap_err();
        assert!(matches!(failure, AppendFailure::Invalid(_)), "{failure:?}");
        assert!(failure.to_string().contains(reason), "{failure} should say {reason}");
    }
    assert_eq!(shop.appended().await, []);
}

#[tokio::test]
async fn a_transaction_of_too_many_changes_is_refused_and_the_largest_allowed_is_taken() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    let sold = |count: usize| {
        let mut transaction = Transaction::new();
        for _ in 0..count {
            transaction = transaction.add("item", key(1), Row::new().with("sold", 1));
        }
        transaction
    };
    let failure = journal.append(&sold(ENTRIES_MAX + 1)).await.unwrap_err();
    assert!(failure.to_string().contains("100001 changes, more than 100000"), "{failure}");
    journal.append(&sold(ENTRIES_MAX)).await.unwrap();
    assert_eq!(shop.appended().await.len(), 1);
}
