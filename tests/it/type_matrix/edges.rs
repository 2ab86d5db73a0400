//! The values at the edges of each type, and just beyond.

use journal_core::model::transaction::PAYLOAD_BYTES_MAX;
use journal_core::model::{Decimal, Value, time};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use super::kinds::Edge;

const DAY_MICROS: i64 = 86_400_000_000;
/// A megabyte.
const LARGE: usize = 1024 * 1024;

pub(super) fn bools() -> Vec<Edge> {
    [true, false].map(|value| Edge::new(value.to_string(), value)).into()
}

pub(super) fn ints() -> Vec<Edge> {
    [i64::MIN, -1, 0, 1, i64::MAX].map(|value| Edge::new(value.to_string(), value)).into()
}

/// Shown as written, but for the long ones.
fn numbers<const N: usize>(numbers: [(&str, String); N]) -> Vec<Edge> {
    let edge = |(shown, text): (&str, String)| {
        let shown = if shown.is_empty() { text.clone() } else { shown.to_owned() };
        Edge::new(shown, text.parse::<Decimal>().unwrap())
    };
    numbers.map(edge).into()
}

pub(super) fn whole_numbers() -> Vec<Edge> {
    numbers([
        ("", "0".to_owned()),
        ("", u64::MAX.to_string()),
        ("", format!("-{}", u64::MAX)),
        ("", "9".repeat(20)),
        ("0.5", "0.5".to_owned()),
        ("21 digits", "9".repeat(21)),
    ])
}

pub(super) fn decimals() -> Vec<Edge> {
    let (before, behind) = ("9".repeat(35), "9".repeat(30));
    numbers([
        ("", "0".to_owned()),
        ("", "0.1".to_owned()),
        ("", "-0.5".to_owned()),
        ("12.50", "12.50".to_owned()),
        ("the smallest, 30 places behind the point", format!("0.{}1", "0".repeat(29))),
        ("the largest, 65 digits", format!("{before}.{behind}")),
        ("the lowest, 65 digits", format!("-{before}.{behind}")),
        ("1 and 34 zeros", format!("1{}", "0".repeat(34))),
        ("1 and 35 zeros", format!("1{}", "0".repeat(35))),
        ("31 places behind the point", format!("0.{}1", "0".repeat(30))),
    ])
}

pub(super) fn fractions() -> Vec<Edge> {
    numbers([
        ("30 digits 9", format!("0.{}", "9".repeat(30))),
        ("the smallest below zero", format!("-0.{}1", "0".repeat(29))),
        ("1", "1".to_owned()),
    ])
}

pub(super) fn wide_decimals() -> Vec<Edge> {
    let digits = "9".repeat(500);
    numbers([
        ("the largest, 1000 digits", format!("{digits}.{digits}")),
        ("the lowest, 1000 digits", format!("-{digits}.{digits}")),
        ("999 digits, the last one zero", format!("{digits}.{}", &digits[1..])),
        ("the smallest", format!("0.{}1", "0".repeat(499))),
    ])
}

pub(super) fn floats() -> Vec<Edge> {
    let floats = [
        ("0.0", 0.0),
        ("-0.0", -0.0),
        ("0.1", 0.1),
        ("-1.5", -1.5),
        ("9007199254740993, read as 9007199254740992", 9_007_199_254_740_993.0),
        ("1.7976931348623157e308, the largest", f64::MAX),
        ("-1.7976931348623157e308, the lowest", f64::MIN),
        ("2.2250738585072014e-308, the smallest normal one", f64::MIN_POSITIVE),
        ("5e-324, the smallest", 5e-324),
        ("NaN", f64::NAN),
        ("infinity", f64::INFINITY),
        ("-infinity", f64::NEG_INFINITY),
    ];
    floats.map(|(shown, value)| Edge::new(shown, value)).into()
}

/// Letters and digits that no compression makes shorter by much; the same in each run.
fn noise(length: usize) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    (0..length).map(|_| char::from(rng.sample(rand::distr::Alphanumeric))).collect()
}

pub(super) fn texts() -> Vec<Edge> {
    let controls: String = (1..32).chain([127]).map(char::from).collect();
    let named = [
        ("empty", String::new()),
        ("a blank", " ".to_owned()),
        ("`a`", "a".to_owned()),
        ("`A`", "A".to_owned()),
        ("`a` and a blank", "a ".to_owned()),
        ("`a` and two blanks", "a  ".to_owned()),
        ("`a` and a tab", "a\t".to_owned()),
        ("`a` and a line's end", "a\n".to_owned()),
        ("`é`, one character", "\u{e9}".to_owned()),
        ("`é`, a letter and an accent", "e\u{301}".to_owned()),
        ("`ß`", "ß".to_owned()),
        ("`ss`", "ss".to_owned()),
        ("`İ` and `ı`", "İı".to_owned()),
        ("`😀`, 4 bytes of UTF-8", "😀".to_owned()),
        ("U+10FFFF, the last character", "\u{10ffff}".to_owned()),
        ("U+FEFF, a byte order mark", "\u{feff}".to_owned()),
        ("all control characters but NUL", controls),
        ("quotes, backslashes, `$1`, `?`, `{d}`, `%s`", "'\"`\\ $1 ? {d} %s --".to_owned()),
        ("`NULL`", "NULL".to_owned()),
        ("`\\N`", "\\N".to_owned()),
        ("`0`", "0".to_owned()),
        ("`\\x41`", "\\x41".to_owned()),
        ("2,600 letters and digits", noise(2600)),
        ("751 characters", "x".repeat(751)),
        ("3,000 letters and digits", noise(3000)),
        ("a megabyte, one letter", "x".repeat(LARGE)),
        ("NUL between `a` and `b`", "a\0b".to_owned()),
    ];
    let large = [
        Edge::large("a megabyte, 4-byte characters", "😀".repeat(LARGE / 4)),
        Edge::large("16 megabytes, more than an entry takes", "x".repeat(PAYLOAD_BYTES_MAX)),
    ];
    named.map(|(shown, text)| Edge::new(shown, text)).into_iter().chain(large).collect()
}

pub(super) fn short_texts() -> Vec<Edge> {
    let named = [
        ("empty", ""),
        ("`ab` and a blank", "ab "),
        ("three blanks", "   "),
        ("`äöü`", "äöü"),
        ("`😀😀😀`", "😀😀😀"),
        ("four characters", "abcd"),
        ("`abc` and a blank", "abc "),
    ];
    named.map(|(shown, text)| Edge::new(shown, text)).into()
}

pub(super) fn bytes() -> Vec<Edge> {
    let named: [(&str, Vec<u8>); 8] = [
        ("empty", vec![]),
        ("one zero", vec![0]),
        ("two zeros", vec![0, 0]),
        ("0x41", b"A".to_vec()),
        ("0x61", b"a".to_vec()),
        ("0x6120, a blank at its end", b"a ".to_vec()),
        ("all 256", (0..=255).collect()),
        ("3,001 bytes", noise(3001).into_bytes()),
    ];
    let megabyte: Vec<u8> = (0..LARGE).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let large = [Edge::large("a megabyte", megabyte)];
    named.map(|(shown, bytes)| Edge::new(shown, bytes)).into_iter().chain(large).collect()
}

pub(super) fn dates() -> Vec<Edge> {
    let day = |text: &str| time::parse_date(text).unwrap();
    let edge = |text: &str| Edge::new(text, Value::Date(day(text)));
    let mut edges: Vec<Edge> =
        ["0001-01-01", "1582-10-10", "1969-12-31", "2000-02-29", "9999-12-31"].map(edge).into();
    edges.push(Edge::new("the day before 0001-01-01", Value::Date(day("0001-01-01") - 1)));
    edges.push(Edge::new("the day after 9999-12-31", Value::Date(day("9999-12-31") + 1)));
    edges
}

pub(super) fn times() -> Vec<Edge> {
    let edge = |text: &str| Edge::new(text, Value::Time(time::parse_time(text).unwrap()));
    let mut edges: Vec<Edge> =
        ["00:00:00", "00:00:00.000001", "12:34:56.789", "23:59:59.999999"].map(edge).into();
    edges.push(Edge::new("24:00:00", Value::Time(DAY_MICROS)));
    edges.push(Edge::new("a microsecond before midnight of the day before", Value::Time(-1)));
    edges
}

pub(super) fn timestamps() -> Vec<Edge> {
    let instant = |text: &str| time::parse_timestamp(text).unwrap();
    let edge = |text: &str| Edge::new(text, Value::Timestamp(instant(text)));
    let texts = [
        "0001-01-01T00:00:00Z",
        "1582-10-10T00:00:00Z",
        "1883-11-18T17:00:00Z",
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00Z",
        "2005-05-24T22:53:30.000001Z",
        // An hour that the clocks of the servers' zones never show, and one that they show twice.
        "2026-03-08T05:45:00Z",
        "2026-03-08T02:45:00Z",
        "2026-11-01T04:15:00Z",
        "2026-11-01T01:15:00Z",
        "2038-01-19T03:14:08Z",
        "9999-12-31T23:59:59.999999Z",
    ];
    let mut edges: Vec<Edge> = texts.map(edge).into();
    let (first, last) = (instant("0001-01-01T00:00:00Z"), instant("9999-12-31T23:59:59.999999Z"));
    edges.push(Edge::new("a microsecond before year 0001", Value::Timestamp(first - 1)));
    edges.push(Edge::new("a microsecond after year 9999", Value::Timestamp(last + 1)));
    edges
}

pub(super) fn uuids() -> Vec<Edge> {
    let edge = |text: &str| Edge::new(text, text.parse::<Uuid>().unwrap());
    [
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "0e37df36-f698-11e6-8dd4-cb9ced3df976",
        "00112233-4455-6677-8899-aabbccddeeff",
    ]
    .map(edge)
    .into()
}

pub(super) fn jsons() -> Vec<Edge> {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let named = [
        ("`null`, which is not NULL", "null".to_owned()),
        ("`\"\"`", "\"\"".to_owned()),
        ("`{}`", "{}".to_owned()),
        ("blanks and lines between its parts", " { \"b\" : 1,\n\t\"a\" : [ ] } ".to_owned()),
        ("`{\"a\":1,\"a\":2}`, a key twice", "{\"a\":1,\"a\":2}".to_owned()),
        (
            "`12345678901234567890.12345678901234567890`",
            "12345678901234567890.12345678901234567890".to_owned(),
        ),
        ("`1e400`, more than a float holds", "1e400".to_owned()),
        ("`[1,1.0,1E0,-0,-0.0]`", "[1,1.0,1E0,-0,-0.0]".to_owned()),
        ("`\"\\u00e9\\/é\"`, escapes", "\"\\u00e9\\/é\"".to_owned()),
        ("`\"😀\"` and its escapes", "[\"😀\",\"\\ud83d\\ude00\"]".to_owned()),
        ("`\"\\u0000\"`, NUL as an escape", "\"\\u0000\"".to_owned()),
        ("`\"\\ud800\"`, half a pair", "\"\\ud800\"".to_owned()),
        ("100 levels deep", nested(100)),
        ("1,000 levels deep", nested(1000)),
        ("100,000 levels deep", nested(100_000)),
        ("a megabyte", format!("\"{}\"", "x".repeat(LARGE))),
        ("`{`, which is no JSON", "{".to_owned()),
        ("NUL itself in a text", "\"\0\"".to_owned()),
    ];
    named.map(|(shown, text)| Edge::new(shown, Value::Json(text))).into()
}
