//! decode(encode(x)) = x, for random changes. A failure prints the smallest case it found.

use journal_core::codec::{json, payload};
use journal_core::model::{Change, Codec, Op, Row, Type, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use super::zoo;

/// A value of a type, in the form in which both codecs keep it.
fn value(ty: Type) -> BoxedStrategy<Value> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::Int => any::<i64>().prop_map(Value::Int).boxed(),
        Type::Decimal { .. } => (any::<i64>(), 0..10_u32)
            .prop_map(|(digits, scale)| {
                let divisor = 10_u64.pow(scale);
                let (whole, rest) = (digits.unsigned_abs() / divisor, digits.unsigned_abs() % divisor);
                let sign = if digits < 0 { "-" } else { "" };
                let text = format!("{sign}{whole}.{rest:0width$}0", width = usize::try_from(scale).unwrap());
                Value::Decimal(text.parse().unwrap())
            })
            .boxed(),
        Type::Float => any::<f64>()
            .prop_filter("JSON has finite numbers only", |f| f.is_finite())
            .prop_map(Value::Float)
            .boxed(),
        Type::Text { max: None } => "[^\\x00]{0,40}".prop_map(Value::Text).boxed(),
        Type::Text { max: Some(_) } => "[^\\x00]{0,5}".prop_map(Value::Text).boxed(),
        Type::Bytes => vec(any::<u8>(), 0..50).prop_map(Value::Bytes).boxed(),
        Type::Date => (-719_162..=2_932_896_i32).prop_map(Value::Date).boxed(),
        Type::Time => (0..86_400_000_000_i64).prop_map(Value::Time).boxed(),
        Type::Timestamp => {
            (-62_135_596_800_000_000..=253_402_300_799_999_999_i64).prop_map(Value::Timestamp).boxed()
        }
        Type::Uuid => any::<u128>().prop_map(|bits| Value::Uuid(Uuid::from_u128(bits))).boxed(),
        Type::Json => vec(any::<i32>(), 0..4)
            .prop_map(|numbers| Value::Json(serde_json::json!({ "n": numbers, "t": "é" }).to_string()))
            .boxed(),
    }
}

/// Any of the columns, each absent, NULL or a value.
fn row() -> impl Strategy<Value = Row> {
    let cell = |(name, ty): (&'static str, Type)| {
        let present = prop_oneof![1 => Just(Value::Null), 4 => value(ty)];
        proptest::option::of(present).prop_map(move |value| value.map(|value| (name.into(), value)))
    };
    zoo::TYPES.map(cell).to_vec().prop_map(|cells| cells.into_iter().flatten().collect())
}

fn change() -> impl Strategy<Value = Change> {
    let ops = [Op::Insert, Op::Update, Op::Upsert, Op::Delete, Op::Add, Op::Call];
    (0..ops.len(), any::<i64>(), row(), row()).prop_map(move |(op, id, cells, expect)| {
        let key = Row::new().with("int", id);
        match ops[op] {
            Op::Insert => Change::insert("zoo", cells),
            Op::Upsert => Change::upsert("zoo", cells),
            Op::Update => Change::update("zoo", key, cells).expecting(expect),
            Op::Delete => Change::delete("zoo", key).expecting(expect),
            Op::Add => Change::add("zoo", key, cells),
            Op::Call => Change::call("feed", cells),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn a_change_reads_back_from_either_codec(change in change()) {
        for codec in [Codec::Bincode, Codec::Json] {
            let entry = payload::encode(&change, 1, codec, &zoo::schema()).unwrap();
            prop_assert_eq!(payload::decode(&entry, &zoo::schema()), Ok(change.clone()), "codec {}", codec.id());
            let again = payload::encode(&change, 1, codec, &zoo::schema()).unwrap();
            prop_assert_eq!(again, entry, "one change has one form");
        }
    }

    #[test]
    fn a_row_reads_back_from_its_bytes(row in row()) {
        let bytes = payload::encode_row(&row).unwrap();
        prop_assert_eq!(payload::decode_row(&bytes), Ok(row));
    }

    #[test]
    fn every_value_reads_back_from_json(cells in row()) {
        for (name, value) in cells.iter() {
            let (_, ty) = zoo::TYPES.iter().find(|(column, _)| *column == name.as_ref()).unwrap();
            prop_assert_eq!(ty.read_json(&json::value_to_json(value)), Some(value.clone()), "{}", name);
        }
    }

    #[test]
    fn codec_1_keeps_what_json_cannot(float in any::<f64>(), text in any::<String>()) {
        let row = Row::new().with("float", float).with("text", text.clone()).with("json", Value::Json(text));
        let bytes = payload::encode_row(&row).unwrap();
        prop_assert_eq!(payload::decode_row(&bytes), Ok(row));
    }
}
