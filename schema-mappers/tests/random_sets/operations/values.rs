//! Random types, and values of them as TOML writes them.

use schema_mappers::laws::Dice;

const TYPES: [&str; 14] = [
    "bool",
    "int",
    "int",
    "decimal(6,2)",
    "decimal(14,4)",
    "float",
    "text",
    "text",
    "text(12)",
    "bytes",
    "date",
    "time",
    "timestamp",
    "uuid",
];

/// Any type.
pub(crate) fn ty(dice: &mut Dice) -> String {
    dice.pick(&TYPES).map_or("text", |ty| *ty).to_owned()
}

/// A type that a key may have.
pub(crate) fn key_ty(dice: &mut Dice) -> String {
    let types = ["int", "int", "int", "text", "text(12)", "date", "uuid"];
    dice.pick(&types).map_or("int", |ty| *ty).to_owned()
}

/// A value of the type, also of a narrower one of its kind.
pub(crate) fn literal(dice: &mut Dice, ty: &str) -> String {
    let some = |dice: &mut Dice, texts: &[&str]| {
        let text = dice.pick(texts).map_or("", |text| *text);
        format!("\"{text}\"")
    };
    match ty.split('(').next().unwrap_or(ty) {
        "bool" => dice.percent(50).to_string(),
        "int" => dice.between(-3, 3).to_string(),
        "decimal" => some(dice, &["0", "7.5", "-1.25", "99"]),
        "float" => "1.5".to_owned(),
        "bytes" => some(dice, &["\\\\x", "\\\\x00ff"]),
        "date" => some(dice, &["1970-01-01", "2024-02-29"]),
        "time" => some(dice, &["00:00:00", "12:34:56.789"]),
        "timestamp" => some(dice, &["1970-01-01T00:00:00Z", "2024-10-27T00:30:00Z"]),
        "uuid" => some(dice, &["00000000-0000-0000-0000-000000000000"]),
        "json" => "[1]".to_owned(),
        _ => some(dice, &["", "?", "none", "A B", "7", "a,b"]),
    }
}

/// Whether the type is a text.
pub(crate) fn is_text(ty: &str) -> bool {
    ty.starts_with("text")
}
