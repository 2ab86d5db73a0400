//! What expressions mean, and what is refused. That SQL says the same is shown on real databases, in
//! `tests/it/expressions.rs`.

use journal_core::model::{Column, Row, Type, Value};

use super::Expression;

fn columns() -> Vec<Column> {
    let column = |(name, ty): (&str, &str)| Column {
        name: name.into(),
        ty: ty.parse().expect("a type"),
        nullable: true,
    };
    let columns = [
        ("price", "decimal(9,2)"),
        ("rate", "decimal(4,3)"),
        ("huge", "decimal(30,2)"),
        ("count", "int"),
        ("label", "text"),
        ("code", "text(5)"),
        ("open", "bool"),
        ("day", "date"),
        ("ratio", "float"),
    ];
    columns.into_iter().map(column).collect()
}

fn row() -> Row {
    Row::new()
        .with("price", Value::Decimal("2.50".parse().unwrap()))
        .with("rate", Value::Decimal("0.125".parse().unwrap()))
        .with("count", 3)
        .with("label", " Ä b,C ")
        .with("code", "x-1")
        .with("open", true)
        .with("day", Value::Date(0))
}

#[track_caller]
fn gives(text: &str, expected: impl Into<Value>) {
    let expression = Expression::read(text, &columns()).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    assert_eq!(expression.evaluate(&row()), (expected.into(), None), "{text}");
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().unwrap())
}

#[test]
fn numbers_are_exact() {
    gives("price * count", decimal("7.5"));
    gives("price * rate", decimal("0.3125"));
    gives("price + rate - 1", decimal("1.625"));
    gives("-count * 2 + 1", -5);
    gives("price > 2.499 and price < 2.501", true);
    gives("huge is null", true);
    gives("count + null", Value::Null);
    gives("cast(price * 2 as int)", 5);
    gives("try_cast(price as int)", Value::Null);
    gives("try_cast('007' as int)", 7);
}

#[test]
fn texts_know_the_letters_of_ascii_and_count_characters() {
    gives("lower(label)", " Ä b,c ");
    gives("upper(trim(label))", "Ä B,C");
    gives("length(label)", 7);
    gives("substr(label, 2, 1) || substr(label, 5)", "Ä,C ");
    gives("replace(label, ' ', '')", "Äb,C");
    gives("split_part(label, ',', 2) || split_part(label, ',', 3)", "C ");
    gives("split_part(code, '-', 1)", "x");
    gives("cast(price as text) || '/' || cast(count as text)", "2.5/3");
    gives("label < 'Z' and code in ('a', 'x-1')", true);
}

#[test]
fn conditions_know_a_third_answer() {
    gives("huge is null and not (count is null)", true);
    gives("count = null", Value::Null);
    gives("false and count = null", false);
    gives("true or count = null", true);
    gives("not (count = null)", Value::Null);
    gives("case when count = null then 1 when open then 2 else 3 end", 2);
    gives("coalesce(null, price, 1)", decimal("2.5"));
    gives("day = date '1970-01-01'", true);
}

#[test]
fn what_has_no_value_is_null_and_a_fault() {
    let faults = |text: &str| {
        let expression = Expression::read(text, &columns()).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        expression.evaluate(&row().with("count", i64::MAX))
    };
    for text in ["count + 1", "-count - 2", "count * count", "cast(price as int)", "cast(label as int)"] {
        let (value, fault) = faults(text);
        assert!(value.is_null() && fault.is_some(), "{text}: {value}");
    }
    assert_eq!(
        faults("count > 1 or count + 1 = 2"),
        (true.into(), None),
        "what is not needed is not computed"
    );
    assert_eq!(faults("count"), (i64::MAX.into(), None));
}

#[test]
fn what_would_differ_between_stores_is_refused() {
    let refused = [
        ("huge + 1", "huge has 30 digits; at most 18"),
        ("rate * rate * rate * rate * rate * rate * rate", "more than 18"),
        ("ratio = ratio", "values of float are not compared"),
        ("label + 1", "label is text, where a number is wanted"),
        ("label || count", "count is int, where a text is wanted; cast it"),
        ("label = count", "text and int are not alike"),
        ("price and open", "where a condition is wanted"),
        ("no_such", "there is no column \"no_such\"; there are price"),
        ("random()", "there is no function \"random\""),
        ("substr(label, count)", "both written as digits"),
        ("split_part(label, ', ', 1)", "a separator of one character"),
        ("split_part(label, ',', 9)", "a number from 1 to 4"),
        ("cast(day as int)", "no exact way from date to int"),
        ("open < true", "conditions have no order"),
        ("1.2.3", "1.2.3 is no number"),
        ("date 'tomorrow'", "'tomorrow' is no date"),
    ];
    for (text, told) in refused {
        let fault = Expression::read(text, &columns()).expect_err(text);
        assert!(fault.contains(told), "{text}: {fault}");
    }
    let fault = Expression::condition("count", &columns()).expect_err("no condition");
    assert!(fault.contains("where a condition is wanted"), "{fault}");
}

#[test]
fn a_value_goes_into_its_column_exactly_or_not_at_all() {
    let money = Type::Decimal { precision: 5, scale: 1 };
    let into =
        |text: &str, ty| Expression::read_for(text, &columns(), ty).map(|found| found.evaluate(&row()));
    assert_eq!(into("price * 2", money), Ok((decimal("5"), None)));
    assert!(into("price + 0.01", money).unwrap().1.is_some(), "a digit would be lost");
    assert_eq!(into("count", money), Ok((decimal("3"), None)));
    assert_eq!(into("price * 2", Type::Int), Ok((5.into(), None)));
    assert!(into("label || 'x'", Type::Text { max: Some(7) }).unwrap().1.is_some(), "too long");
    assert!(into("label", Type::Int).is_err());
    assert_eq!(into("null", Type::Int), Ok((Value::Null, None)));
}
