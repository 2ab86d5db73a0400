//! Fetching rows by value inside a posting transaction.

use journal_core::model::{Change, Row, Value};
use schema_mappers::MappedRow;

use super::Rig;
use super::material::{decimal, id, image, item, post, post_images, row};
use crate::ledger::{Ledger, LedgerChange};

/// A pair of table `pair`.
fn pair(a: &str, b: i64, v: Value) -> Change {
    Change::insert("pair", row([("a", a.into()), ("b", b.into()), ("v", v)]))
}

/// The values of one column of the rows that are found, in a transaction of its own.
async fn found<L: Ledger>(ledger: &mut L, table: &str, columns: Row, shown: &str) -> Vec<Value> {
    ledger.begin().await.expect("begin");
    let rows = ledger.fetch(&table.into(), &columns).await.expect("fetch");
    ledger.rollback().await.expect("roll back");
    let value = |row: MappedRow| {
        assert_eq!(&*row.table, table);
        row.row.get(shown).expect("a whole row").clone()
    };
    rows.into_iter().map(value).collect()
}

fn ints<const N: usize>(numbers: [i64; N]) -> Vec<Value> {
    numbers.map(Value::Int).to_vec()
}

/// Those whose key begins so, in the order of the whole key.
pub async fn rows_are_fetched_by_the_beginning_of_their_key<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let pairs = [("x", 3), ("y", 1), ("x", -1), ("x", 20), ("xx", 2), ("", 5)];
    post(&mut ledger, pairs.map(|(a, b)| pair(a, b, Value::Null))).await;
    let begins = |a: &str| row([("a", a.into())]);
    assert_eq!(found(&mut ledger, "pair", begins("x"), "b").await, ints([-1, 3, 20]));
    assert_eq!(found(&mut ledger, "pair", begins(""), "b").await, ints([5]));
    assert_eq!(found(&mut ledger, "pair", begins("z"), "b").await, ints([]));
    let whole = row([("a", "x".into()), ("b", 3.into())]);
    assert_eq!(found(&mut ledger, "pair", whole, "b").await, ints([3]));
    assert_eq!(
        found(&mut ledger, "pair", Row::new(), "b").await,
        ints([5, -1, 3, 20, 2, 1]),
        "no column is all rows"
    );
}

/// A unique key, a column without any, and NULL, which no unique key keeps apart.
pub async fn rows_are_fetched_by_any_columns_and_null_is_a_value<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let new = |nr, code: Value, price: &str| {
        Change::insert("item", item(nr, row([("code", code), ("price", decimal(price))])))
    };
    post(
        &mut ledger,
        [
            new(1, "a".into(), "1.50"),
            new(2, Value::Null, "1.5"),
            new(3, Value::Null, "2"),
            new(4, "b".into(), "1.50"),
        ],
    )
    .await;
    let by_code = |code: Value| row([("code", code)]);
    assert_eq!(found(&mut ledger, "item", by_code("b".into()), "id").await, ints([4]));
    assert_eq!(found(&mut ledger, "item", by_code("c".into()), "id").await, ints([]));
    assert_eq!(found(&mut ledger, "item", by_code(Value::Null), "id").await, ints([2, 3]));
    let by_price = row([("price", decimal("1.5"))]);
    assert_eq!(found(&mut ledger, "item", by_price.clone(), "id").await, ints([1, 2, 4]));
    let mut both = by_price;
    both.extend(by_code(Value::Null));
    assert_eq!(found(&mut ledger, "item", both, "id").await, ints([2]));
    let id_and_code = |code: &str| row([("id", 1.into()), ("code", code.into())]);
    assert_eq!(found(&mut ledger, "item", id_and_code("a"), "id").await, ints([1]));
    assert_eq!(found(&mut ledger, "item", id_and_code("b"), "id").await, ints([]));
}

/// A text that is too long for its column, or a number in a column of texts, stands in no row; that is no fault.
pub async fn a_value_that_no_column_holds_is_found_in_no_row<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    post(&mut ledger, [Change::insert("item", item(1, row([("code", "a".into())])))]).await;
    for value in ["far too long for it".into(), Value::Int(1)] {
        assert_eq!(found(&mut ledger, "item", row([("code", value)]), "id").await, ints([]));
    }
}

/// Also one that the same transaction gave it, with the complement.
pub async fn a_fetch_sees_what_its_own_transaction_did<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let keeping = |change: Change, colour: &str| -> LedgerChange {
        let mut image = image(change);
        image.complement.set = row([("2:colour", colour.into())]);
        image
    };
    let new = |nr| Change::insert("item", item(nr, Row::new()));
    post_images(&mut ledger, &[image(new(1)), keeping(new(2), "red")]).await;
    ledger.begin().await.expect("begin");
    let first = ledger.fetch(&"item".into(), &id(2)).await.expect("fetch");
    assert_eq!(first[0].complement, row([("2:colour", "red".into())]));
    let set = row([("note", "new".into())]);
    let update = keeping(Change::update("item", id(1), set), "blue");
    ledger.apply(&[update, image(Change::delete("item", id(2)))]).await.expect("apply");
    let changed = ledger.fetch(&"item".into(), &id(1)).await.expect("fetch");
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].row.get("note"), Some(&"new".into()));
    assert_eq!(changed[0].complement, row([("2:colour", "blue".into())]));
    assert_eq!(ledger.fetch(&"item".into(), &id(2)).await.expect("fetch"), []);
    ledger.commit().await.expect("commit");
}
