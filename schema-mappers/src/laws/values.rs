//! Values worth trying: the edges of every type, and what the set itself names (defaults, ask codes, separators),
//! since mappings turn where those stand.

use std::collections::BTreeSet;

use journal_core::model::{Decimal, Row, Table, Type, Value};
use serde_json::Value as Json;
use uuid::Uuid;

use super::dice::Dice;
use crate::set::SchemaSet;

/// Keys of a mapping whose texts are names and not values.
const NAMES: [&str; 9] = ["op", "table", "tables", "column", "columns", "to", "into", "type", "key"];
/// Texts near the edges that operations have: blanks, separators, numbers and how they may be spelt.
const TEXTS: [&str; 34] = [
    "",
    " ",
    "A",
    "A B",
    "A B C",
    "CHER ",
    " X",
    "  ",
    "?",
    "007",
    "7",
    "7.50",
    "-0",
    "+5",
    "0",
    "1",
    "true",
    "f",
    "none",
    "Ä ö",
    ",",
    "A,B,C",
    "12",
    "-3.25",
    "a,",
    "o'clock",
    "2024-02-29",
    "2024-10-27 02:30:00",
    "2024-03-31T02:30:00",
    "2024-10-27T00:30:00.000000Z",
    "12:34:56",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "[1, 2]",
    "{\"a\": \"B\"}",
];
const INTS: [i64; 14] =
    [-1, 0, 1, 2, 7, 12, 99, 100_000, -32_768, 2_147_483_648, 1 << 53, (1 << 53) + 1, i64::MAX, i64::MIN];
const FLOATS: [f64; 9] = [0.0, -0.0, 1.0, 0.1, -2.5, 7.0, 1e300, 9_007_199_254_740_993.0, f64::MIN_POSITIVE];
/// 0001-01-01, days around 1970, 2024-02-29, 9999-12-31.
const DATES: [i32; 6] = [-719_162, -1, 0, 1, 19_782, 2_932_896];
const TIMES: [i64; 5] = [0, 1, 3_600_000_000, 45_296_000_000, 86_399_999_999];
/// The ends of the years 0001 and 9999, around 1970, midnights, and both sides of clock changes in Europe in 2024.
const TIMESTAMPS: [i64; 10] = [
    -62_135_596_800_000_000,
    -1,
    0,
    1,
    1_709_164_800_000_000,
    1_711_846_800_000_000,
    1_711_850_400_000_000,
    1_729_989_000_000_000,
    1_729_992_600_000_000,
    253_402_300_799_999_999,
];
const JSONS: [&str; 9] =
    ["[1]", "{}", "[]", "null", "\"A\"", "[1, 2]", "{\"a\":\"B\"}", "{\"a\": 1, \"b\": null}", "7"];

/// What to draw from.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    /// What the mappings of the set name.
    named: Vec<Json>,
    /// Short texts among them, between which columns may be cut or joined.
    separators: Vec<String>,
}

impl Values {
    /// What the set at hand makes worth trying.
    pub(super) fn of(set: &SchemaSet) -> Self {
        let mut found = BTreeSet::new();
        for version in set.versions() {
            for text in version.source().files.iter().filter(|(name, _)| name.ends_with(".toml")) {
                // The set was loaded, so its texts parse.
                let parsed: toml::Table = text.1.parse().unwrap_or_default();
                parsed.iter().for_each(|(key, value)| collect(key, value, &mut found));
            }
        }
        let named: Vec<Json> = found.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        let short =
            |json: &Json| json.as_str().filter(|text| (1..=2).contains(&text.len())).map(str::to_owned);
        Self { separators: named.iter().filter_map(short).collect(), named }
    }

    /// A whole row of random cells.
    pub(super) fn row(&self, dice: &mut Dice, table: &Table) -> Row {
        let cell = |column: &journal_core::model::Column| {
            (column.name.clone(), self.value(dice, column.ty, column.nullable))
        };
        table.columns.iter().map(cell).collect()
    }

    /// A value that a column of the type holds.
    pub(super) fn value(&self, dice: &mut Dice, ty: Type, nullable: bool) -> Value {
        if nullable && dice.percent(25) {
            return Value::Null;
        }
        // Short types (`text(1)`) refuse most of what is drawn; the plain value always fits.
        let drawn = (0..20).find_map(|_| self.draw(dice, ty).filter(|value| ty.holds(value)));
        drawn.unwrap_or_else(|| plain(ty))
    }

    fn draw(&self, dice: &mut Dice, ty: Type) -> Option<Value> {
        if dice.percent(25) {
            return dice
                .pick(&self.named)
                .and_then(|json| ty.read_json(json))
                .filter(|value| !value.is_null());
        }
        Some(match ty {
            Type::Bool => dice.percent(50).into(),
            Type::Int if dice.percent(40) => dice.between(-1000, 1000).into(),
            Type::Int => (*dice.pick(&INTS)?).into(),
            Type::Decimal { precision, scale } => decimal(dice, precision, scale)?.into(),
            Type::Float => (*dice.pick(&FLOATS)?).into(),
            Type::Text { max } => self.text(dice, max)?.into(),
            Type::Bytes => {
                (0..dice.below(4)).map(|_| dice.bits().to_le_bytes()[0]).collect::<Vec<u8>>().into()
            }
            Type::Date => Value::Date(*dice.pick(&DATES)?),
            Type::Time => Value::Time(*dice.pick(&TIMES)?),
            Type::Timestamp if dice.percent(30) => {
                Value::Timestamp(dice.between(0, 2_000_000_000).checked_mul(1_000_000)?)
            }
            Type::Timestamp => Value::Timestamp(*dice.pick(&TIMESTAMPS)?),
            Type::Uuid => Uuid::from_u64_pair(dice.bits() % 3, dice.bits() % 5).into(),
            Type::Json => Value::Json((*dice.pick(&JSONS)?).to_owned()),
        })
    }

    fn text(&self, dice: &mut Dice, max: Option<u32>) -> Option<String> {
        let one = |dice: &mut Dice| dice.pick(&TEXTS).map(|text| (*text).to_owned());
        match (dice.below(10), max) {
            // As long as the column allows, in characters of two bytes.
            (0, Some(max @ ..=64)) => Some("é".repeat(max as usize)),
            (1 | 2, _) if !self.separators.is_empty() => {
                let (left, right) = (one(dice)?, one(dice)?);
                Some(format!("{left}{}{right}", dice.pick(&self.separators)?))
            }
            (3, _) => Some(format!("T{}", dice.below(1000))),
            (4 | 5, _) => Some(dice.between(-20, 1000).to_string()),
            _ => one(dice),
        }
    }
}

/// The texts and numbers below a key, as JSON texts (which have an order).
fn collect(key: &str, value: &toml::Value, found: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(key, value)| collect(key, value, found)),
        toml::Value::Array(items) => items.iter().for_each(|item| collect(key, item, found)),
        toml::Value::String(text) if !NAMES.contains(&key) => {
            found.insert(Json::from(text.as_str()).to_string());
            // In an expression the literals stand between quotes.
            let literals = text.split('\'').skip(1).step_by(2);
            found.extend(literals.map(|literal| Json::from(literal).to_string()));
        }
        toml::Value::Integer(number) => {
            found.insert(number.to_string());
        }
        toml::Value::Float(number) => {
            found.extend(serde_json::Number::from_f64(*number).map(|number| number.to_string()));
        }
        toml::Value::Boolean(flag) => {
            found.insert(flag.to_string());
        }
        toml::Value::String(_) | toml::Value::Datetime(_) => {}
    }
}

fn decimal(dice: &mut Dice, precision: u16, scale: u16) -> Option<Decimal> {
    let digits = |dice: &mut Dice, count: usize| -> String {
        let nines = dice.percent(15);
        (0..count).map(|_| if nines { '9' } else { char::from(b"0123456789"[dice.below(10)]) }).collect()
    };
    let whole = usize::from(precision - scale).min(20);
    let whole = if dice.percent(20) { whole } else { dice.below(whole + 1).min(4) };
    let behind = dice.below(usize::from(scale) + 1);
    let sign = if dice.percent(25) { "-" } else { "" };
    let (whole, behind) = (digits(dice, whole), digits(dice, behind));
    format!("{sign}0{whole}.{behind}0").parse().ok()
}

/// A value that every type of its kind holds.
fn plain(ty: Type) -> Value {
    match ty {
        Type::Bool => false.into(),
        Type::Int => 0.into(),
        Type::Decimal { .. } => Decimal::from(0).into(),
        Type::Float => 0.0.into(),
        Type::Text { .. } => "".into(),
        Type::Bytes => Vec::new().into(),
        Type::Date => Value::Date(0),
        Type::Time => Value::Time(0),
        Type::Timestamp => Value::Timestamp(0),
        Type::Uuid => Uuid::nil().into(),
        Type::Json => Value::Json("{}".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_gets_values_it_holds() {
        let values = Values::default();
        let mut dice = Dice::new(3);
        let types = [
            "bool",
            "int",
            "decimal(1,0)",
            "decimal(2,2)",
            "decimal(40,10)",
            "float",
            "text",
            "text(1)",
            "bytes",
            "date",
            "time",
            "timestamp",
            "uuid",
            "json",
        ];
        for ty in types.map(|ty| ty.parse::<Type>().unwrap()) {
            let drawn: BTreeSet<Value> = (0..300).map(|_| values.value(&mut dice, ty, true)).collect();
            assert!(drawn.contains(&Value::Null) && drawn.len() > 2, "{ty}: {drawn:?}");
            assert!(drawn.iter().all(|value| value.is_null() || ty.holds(value)), "{ty}: {drawn:?}");
        }
    }
}
