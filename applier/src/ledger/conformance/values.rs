//! Values of every type through a ledger and back, at their edges.

use journal_core::model::{Change, Name, Row, Value, time};
use uuid::Uuid;

use super::Rig;
use super::material::{all, decimal, expect_fault, id, post, row, type_of};
use crate::ledger::{Fault, Ledger, LedgerChange, LedgerReader};

/// Columns of the table `every`, each with values at the edges of its type.
fn edges() -> Vec<(&'static str, Vec<Value>)> {
    let strange =
        ["", " ", "trailing blanks  ", "it's \"quoted\" \\ $1 {d} ?", "😀 äöü 漢字", "a\nb\tc", "NULL", "0"];
    let texts = |texts: &[&str]| texts.iter().map(|text| Value::from(*text)).collect::<Vec<_>>();
    let decimals = |texts: &[&str]| texts.iter().map(|text| decimal(text)).collect::<Vec<_>>();
    let instants = [
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00Z",
        "2005-05-24T22:53:30.000001Z",
        "9999-12-31T23:59:59.999999Z",
    ];
    let times = ["00:00:00", "22:53:30.5", "23:59:59.999999"];
    let days = ["0001-01-01", "1969-12-31", "2024-02-29", "9999-12-31"];
    let jsons = ["{\"b\" : 1,  \"a\": [1.0, 1e3, null]}", "null", "\"\"", "12345678901234567890.5", "[ ]"];
    vec![
        ("a_bool", vec![Value::Bool(true), Value::Bool(false)]),
        ("a_int", [i64::MIN, -1, 0, 1, i64::MAX].map(Value::Int).to_vec()),
        (
            "a_decimal",
            decimals(&[
                "0",
                "0.0000000001",
                "-0.5",
                "9999999999999999999999999999.9999999999",
                "-9999999999999999999999999999.9999999999",
                "1234567890.12",
            ]),
        ),
        ("a_whole", decimals(&["0", "-99999", "99999", "100"])),
        (
            "a_float",
            [
                0.0,
                0.1,
                -1.5,
                f64::MIN_POSITIVE,
                f64::MAX,
                f64::MIN,
                f64::EPSILON,
                5e-324,
                f64::INFINITY,
                f64::NEG_INFINITY,
                -0.0,
                f64::NAN,
                9_007_199_254_740_993.0,
            ]
            .map(Value::Float)
            .to_vec(),
        ),
        ("a_text", texts(&strange)),
        ("a_short", texts(&["", "äöü", "😀😀😀", "ab "])),
        ("a_bytes", vec![Value::Bytes(vec![]), Value::Bytes((0..=255).collect()), Value::Bytes(vec![0, 0])]),
        ("a_date", days.map(|text| Value::Date(time::parse_date(text).expect("a day"))).to_vec()),
        ("a_time", times.map(|text| Value::Time(time::parse_time(text).expect("a time"))).to_vec()),
        (
            "a_timestamp",
            instants.map(|text| Value::Timestamp(time::parse_timestamp(text).expect("an instant"))).to_vec(),
        ),
        (
            "a_uuid",
            vec![
                Value::Uuid(Uuid::nil()),
                Value::Uuid(Uuid::max()),
                Value::Uuid(Uuid::from_u128(0x0123_4567_89ab_cdef)),
            ],
        ),
        ("a_json", jsons.map(|text| Value::Json(text.to_owned())).to_vec()),
    ]
}

/// Whether the rig's database has an exact place for the value.
fn has_place<R: Rig>(rig: &R, column: &str, value: &Value) -> bool {
    !rig.without_place().iter().any(|(other, without)| *other == column && without == value)
}

/// Above all ids that are given by counting edges.
const MANY: i64 = 1_000;

/// Written by insert, by update, and together with many; NULL too.
pub async fn values_of_every_type_come_back_as_they_were<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let (mut expected, mut rows, mut updates) = (Vec::new(), Vec::new(), Vec::new());
    for (column, values) in edges() {
        let kept = values.into_iter().filter(|value| has_place(rig, column, value));
        for value in kept.chain([Value::Null]) {
            assert!(value.is_null() || type_of("every", column).holds(&value), "{column} {value:?}");
            let at = i64::try_from(expected.len()).expect("a few");
            let whole = id(at).with(column, value.clone());
            let set = row([(column, value.clone())]);
            post(
                &mut ledger,
                match at % 2 {
                    0 => vec![Change::insert("every", whole)],
                    _ => vec![Change::insert("every", id(at)), Change::update("every", id(at), set.clone())],
                },
            )
            .await;
            let beside = at + MANY;
            rows.push(LedgerChange::new(Change::insert("every", id(beside).with(column, value.clone()))));
            rows.push(LedgerChange::new(Change::insert("every", id(beside + MANY))));
            updates.push(LedgerChange::new(Change::update("every", id(beside + MANY), set)));
            expected.push((column, value));
        }
    }
    ledger.begin().await.expect("begin");
    for many in [rows, updates] {
        ledger.apply_together(&many.iter().collect::<Vec<_>>()).await.expect("apply together");
    }
    ledger.commit().await.expect("commit");
    let expected = [&expected[..]; 3].concat();
    let found = all(&mut rig.ledger().await, "every").await;
    assert_eq!(found.len(), expected.len());
    for ((row, _), (column, value)) in found.iter().zip(expected) {
        assert_eq!(row.get(column), Some(&value), "column {column}");
        let (mut written, mut read) = (Vec::new(), Vec::new());
        value.write_canonical(&mut written);
        row.get(column).expect("just compared").write_canonical(&mut read);
        assert_eq!(written, read, "column {column} has other bytes");
    }
}

/// A database that cannot hold one says so.
pub async fn values_without_an_exact_place_are_refused_and_never_altered<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    post(&mut ledger, [Change::insert("every", id(1))]).await;
    for (column, value) in rig.without_place() {
        let set = row([(column, value.clone())]);
        expect_fault(&mut ledger, Change::update("every", id(1), set.clone()), Fault::OutOfRange).await;
        let whole = id(2).with(column, value);
        expect_fault(&mut ledger, Change::insert("every", whole), Fault::OutOfRange).await;
    }
    for (column, value) in [
        ("a_decimal", decimal("0.00000000001")),
        ("a_whole", decimal("0.5")),
        ("a_whole", decimal("100000")),
        ("a_short", "😀😀😀😀".into()),
        ("a_date", Value::Date(i32::MAX)),
        ("a_time", Value::Time(86_400_000_000)),
        ("a_timestamp", Value::Timestamp(i64::MIN)),
        ("a_json", Value::Json("{".to_owned())),
    ] {
        expect_fault(&mut ledger, Change::update("every", id(1), row([(column, value)])), Fault::OutOfRange)
            .await;
    }
}

/// An expected value is met by itself and by no other of its type.
pub async fn every_type_is_expected_exactly<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    post(&mut ledger, [Change::insert("every", id(1))]).await;
    let mut stands = Row::new();
    for (column, values) in edges() {
        let values: Vec<Value> = values.into_iter().filter(|value| has_place(rig, column, value)).collect();
        for value in &values {
            let before = stands.get(column).cloned().unwrap_or(Value::Null);
            let set = row([(column, value.clone())]);
            let update = |expect: Value| {
                Change::update("every", id(1), set.clone()).expecting(row([(column, expect)]))
            };
            post(&mut ledger, [update(before)]).await;
            stands.set(column, value.clone());
            for other in values.iter().chain([&Value::Null]).filter(|other| *other != value) {
                expect_fault(&mut ledger, update(other.clone()), Fault::UnexpectedRow).await;
            }
        }
    }
}

/// In the values' own order, the same in every store, with and without a beginning.
pub async fn rows_come_in_the_order_of_their_keys_page_by_page<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let schema = ledger.schema().clone();
    let texts = ["", " ", "A", "B", "Z", "a", "aa", "b", "z", "Ä", "ä", "é", "😀", "a b", "a-b", "ab", "_"];
    let mut keys: Vec<(&str, Vec<Value>)> = edges()
        .into_iter()
        .filter(|(column, _)| {
            type_of("every", column).may_be_key() && !matches!(*column, "a_text" | "a_short")
        })
        .map(|(column, values)| (column.trim_start_matches("a_"), values))
        .collect();
    keys.push(("text", texts.map(Value::from).to_vec()));
    for (ty, mut values) in keys {
        let table = Name::from(format!("by_{ty}"));
        let insert = |value: &Value| Change::insert(table.clone(), row([("k", value.clone())]));
        post(&mut ledger, values.iter().rev().map(insert)).await;
        values.sort();
        let mut found: Vec<Value> = Vec::new();
        ledger.begin_snapshot().await.expect("begin a snapshot");
        loop {
            let after = found.last().cloned().map(|last| vec![last]);
            let page = ledger.scan(&schema, &table, after.as_deref(), 3).await.expect("scan");
            assert!(page.len() <= 3);
            found.extend(page.iter().filter_map(|(row, _)| row.get("k").cloned()));
            if page.is_empty() {
                break;
            }
        }
        ledger.end_snapshot().await.expect("end a snapshot");
        assert_eq!(found, values, "keys of type {ty}");
    }
    let pair = |a: &str, b: i64| row([("a", a.into()), ("b", b.into())]);
    post(
        &mut ledger,
        [("b", 1), ("a", 2), ("a", -1), ("a", 10)].map(|(a, b)| Change::insert("pair", pair(a, b))),
    )
    .await;
    let after = [Value::from("a"), Value::from(2)];
    let page = ledger.scan(&schema, &"pair".into(), Some(&after), 9).await.expect("scan");
    let found: Vec<Row> = page
        .into_iter()
        .map(|(row, _)| row.into_iter().filter(|(name, _)| name.as_ref() != "v").collect())
        .collect();
    assert_eq!(found, [pair("a", 10), pair("b", 1)]);
}

/// A beginning of a key stands for all rows that have it, however many columns the key has.
pub async fn a_page_may_come_after_all_rows_whose_key_begins_so<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let schema = ledger.schema().clone();
    let pair = |a: &str, b: i64| row([("a", a.into()), ("b", b.into())]);
    let pairs = [("b", 1), ("a", 2), ("a", -1), ("ab", 10), ("", 1)];
    post(&mut ledger, pairs.map(|(a, b)| Change::insert("pair", pair(a, b)))).await;
    for (after, first) in [("", Some("a")), ("a", Some("ab")), ("ab", Some("b")), ("b", None)] {
        let page = ledger.scan(&schema, &"pair".into(), Some(&[after.into()]), 1).await.expect("scan");
        let found = page.first().and_then(|(row, _)| row.get("a").cloned());
        assert_eq!(found, first.map(Value::from), "after {after:?}");
    }
}
