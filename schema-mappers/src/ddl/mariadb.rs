//! Tables for MariaDB and MySQL. Each is one statement, keys and indexes included, since a statement that changes tables
//! commits by itself: a crash leaves a whole table or none. Text compares by bytes, blanks at the end included.
//!
//! A column of an index has a bounded length there. Texts and bytes without bound, or with a wider one, get what room the
//! index has, and longer values are refused where they are written ([`held`]): a VARCHAR would cut blanks off in silence.

use std::collections::BTreeMap;

use journal_core::model::schema::Index;
use journal_core::model::{Column, Name, Schema, Table, Type};
use journal_core::sql::BYTEWISE;

use super::quote::{hex, ident, idents, text};
use super::{Dialect, ObjectNames, indexed};

/// What an index may have of bytes, with some to spare of InnoDB's 3072.
const INDEX_BYTES_MAX: usize = 3000;
/// Bytes that a character may take.
const CHAR_BYTES: usize = 4;
/// Longer texts outside keys do not stand in the row but beside it, as those without bound do.
const SHORT_TEXT_MAX: u32 = 255;
/// The columns of bounded length of a row share 65,535 bytes.
const ROW_BYTES_MAX: usize = 60_000;
/// Characters that an index which is no key has of a longer text. Its rows are looked up, not told apart, by them.
const PREFIX_CHARS_MAX: usize = 191;
/// Most decimal digits, and most of them behind the point.
const DIGITS_MAX: u16 = 65;
const SCALE_MAX: u16 = 38;

/// What CAST calls a type.
pub(crate) fn cast_name(ty: Type) -> String {
    match ty {
        Type::Bool | Type::Int => "SIGNED".to_owned(),
        Type::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
        Type::Float => "DOUBLE".to_owned(),
        Type::Text { .. } | Type::Uuid | Type::Json => "CHAR".to_owned(),
        Type::Bytes => "BINARY".to_owned(),
        Type::Date => "DATE".to_owned(),
        Type::Time => "TIME(6)".to_owned(),
        Type::Timestamp => "DATETIME(6)".to_owned(),
    }
}

/// An instant as this program writes it.
pub(crate) fn timestamp_text(e: &str) -> String {
    moment(e, "%Y-%m-%dT%H:%i:%s.%fZ")
}

/// A day or an instant in a form.
pub(crate) fn moment(e: &str, form: &str) -> String {
    format!("date_format({e}, '{form}')")
}

/// The text's own collation for an expression that comes with another.
pub(crate) fn collated(e: &str) -> String {
    format!("({e} COLLATE {BYTEWISE})")
}

/// Any value as a text. Views keep the character set of a CAST and forget its collation.
pub(crate) fn cast_text(e: &str) -> String {
    collated(&format!("CAST({e} AS CHAR)"))
}

/// Whether a text is of a form. MySQL looks for none in what is always NULL, which is no text to it, unless a text is joined to it.
pub(crate) fn is_of_form(e: &str, form: &str) -> String {
    format!("({e} || '') REGEXP '{form}'")
}

/// A text literal in a table's definition. MySQL keeps that in a form of its own, and each session reads it by its own mode: a
/// backslash would be two to one of them and one to the other, and texts would compare without regard to case.
pub(crate) fn lasting_text(text: &str) -> String {
    collated(&format!("CONVERT(X'{}' USING utf8mb4)", hex(text.as_bytes())))
}

/// What stands at a path of a JSON text, no NULL of JSON, as a text. MySQL's `json_value` would cut it off.
pub(crate) fn json_at(json: &str, path: &str) -> String {
    format!(
        "/*M! json_value({json}, {path}) */ \
         /*!80017 (json_unquote(json_extract({json}, {path})) COLLATE utf8mb4_0900_bin) */"
    )
}

/// A text as JSON has it here. The server's own function writes the letters of some control characters' numbers large.
pub(crate) fn json_text(e: &str) -> String {
    let large: Vec<char> = [0x0b, 0x0e, 0x0f].into_iter().chain(0x1a..=0x1f_u8).map(char::from).collect();
    let set: String = large.iter().collect();
    // The backslashes and quotes first; what is put in for a character is not looked at again.
    let mut written = format!("replace(replace({e}, '\\', '\\\\'), '\"', '\\\"')");
    for (character, name) in [('\u{8}', 'b'), ('\t', 't'), ('\n', 'n'), ('\u{c}', 'f'), ('\r', 'r')] {
        written = format!("replace({written}, {}, '\\{name}')", text(&character.to_string()));
    }
    for number in (1..0x20_u8).filter(|number| !matches!(number, 8 | 9 | 10 | 12 | 13)) {
        let character = text(&char::from(number).to_string());
        written = format!("replace({written}, {character}, '\\u{number:04x}')");
    }
    let quoted = collated(&format!("json_quote({e})"));
    format!(
        "CASE WHEN {e} REGEXP {} THEN '\"' || {written} || '\"' ELSE {quoted} END",
        text(&format!("[{set}]"))
    )
}

/// Why a column cannot be in a table, if it cannot.
pub(super) fn refusal(column: &Column) -> Option<String> {
    match column.ty {
        Type::Decimal { precision, scale } if precision > DIGITS_MAX || scale > SCALE_MAX => Some(format!(
            "column {} is {}; MariaDB holds decimals of at most {DIGITS_MAX} digits, {SCALE_MAX} of them behind the point",
            column.name, column.ty
        )),
        _ => None,
    }
}

/// The schema with its types as narrow as the tables hold them: texts in keys have a bound.
pub(super) fn held(schema: &Schema) -> Schema {
    let mut held = schema.clone();
    for table in held.tables.values_mut() {
        let widths = key_widths(table);
        for column in &mut table.columns {
            if let (Type::Text { max }, Some(width)) = (column.ty, widths.get(&column.name)) {
                let room = u32::try_from(width / CHAR_BYTES).unwrap_or(u32::MAX);
                column.ty = Type::Text { max: Some(max.map_or(room, |max| max.min(room))) };
            }
        }
    }
    held
}

pub(super) fn create_table(schema: &Schema, table: &Table, names: &mut ObjectNames) -> Vec<String> {
    let types = ColumnTypes::of(table);
    let mut lines: Vec<String> = table.columns.iter().map(|column| types.line(column)).collect();
    let mut name = |columns: &[Name], kind: &str| ident(&names.name(table, columns, kind));
    lines.push(format!("PRIMARY KEY ({})", idents(&table.key)));
    for unique in &table.unique {
        lines.push(format!("UNIQUE KEY {} ({})", name(unique, "unique"), idents(unique)));
    }
    for parent in indexed(table) {
        lines.push(format!("KEY {} ({})", name(&parent.columns, "index"), idents(&parent.columns)));
    }
    for index in &table.indexes {
        let own = std::slice::from_ref(&index.name);
        lines.extend(index_lines(table, index, &types, &name(own, "index"), &name(own, "when")));
    }
    for parent in &table.parents {
        let key = schema.tables.get(&parent.table).map(|parent| idents(&parent.key)).unwrap_or_default();
        lines.push(format!(
            "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({key})",
            name(&parent.columns, "fk"),
            idents(&parent.columns),
            ident(&parent.table)
        ));
    }
    for check in &table.checks {
        let name = name(std::slice::from_ref(&check.name), "check");
        lines.push(super::check(table, check, &name, Dialect::MariaDb));
    }
    vec![format!(
        "CREATE TABLE {} (\n  {}\n) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={BYTEWISE}",
        ident(&table.name),
        lines.join(",\n  ")
    )]
}

/// An index. There is none of some rows only: one that tells rows apart has a column of its own, which is NULL in all
/// others; one that does not takes all rows in.
fn index_lines(table: &Table, index: &Index, types: &ColumnTypes, name: &str, when: &str) -> Vec<String> {
    let (Some(condition), true, [first, rest @ ..]) =
        (&index.condition, index.unique, index.columns.as_slice())
    else {
        return match index.unique {
            true => vec![format!("UNIQUE KEY {name} ({})", idents(&index.columns))],
            false => vec![format!("KEY {name} ({})", types.prefixes(table, &index.columns).join(", "))],
        };
    };
    let ty = table.column(first).map(|column| types.name(column)).unwrap_or_default();
    let condition = super::condition(table, condition, Dialect::MariaDb);
    let columns: Vec<String> =
        std::iter::once(when.to_owned()).chain(rest.iter().map(|name| ident(name))).collect();
    vec![
        format!("{when} {ty} AS (CASE WHEN {condition} THEN {} END) STORED INVISIBLE", ident(first)),
        format!("UNIQUE KEY {name} ({})", columns.join(", ")),
    ]
}

/// The bytes that each column of a key or a reference has in its index, the narrowest of all it is in.
fn key_widths(table: &Table) -> BTreeMap<Name, usize> {
    let unique_indexes = table.indexes.iter().filter(|index| index.unique).map(|index| &index.columns);
    let references = table.parents.iter().map(|parent| &parent.columns);
    let keys = std::iter::once(&table.key).chain(&table.unique).chain(unique_indexes).chain(references);
    let mut widths: BTreeMap<Name, usize> = BTreeMap::new();
    for columns in keys {
        let mut wanted: Vec<(usize, &Name)> = columns
            .iter()
            .filter_map(|name| table.column(name))
            .map(|column| (bytes_wanted(column.ty), &column.name))
            .collect();
        // The modest are served first; the others share what is left.
        wanted.sort();
        let mut room = INDEX_BYTES_MAX;
        let count = wanted.len();
        for (at, (wants, name)) in wanted.into_iter().enumerate() {
            let given = wants.min(room / (count - at));
            room -= given;
            let width = widths.entry(name.clone()).or_insert(given);
            *width = given.min(*width);
        }
    }
    widths
}

fn bytes_wanted(ty: Type) -> usize {
    match ty {
        Type::Bool => 1,
        Type::Int | Type::Float | Type::Date | Type::Time | Type::Timestamp => 8,
        Type::Decimal { .. } => 32,
        Type::Uuid => 36 * CHAR_BYTES,
        Type::Text { max: Some(max) } => (max.max(1) as usize).saturating_mul(CHAR_BYTES),
        Type::Text { max: None } | Type::Bytes | Type::Json => usize::MAX,
    }
}

/// How the columns of a table are stored.
struct ColumnTypes {
    keyed: BTreeMap<Name, usize>,
    /// Columns outside keys whose texts stand in the row.
    short: Vec<Name>,
}

impl ColumnTypes {
    fn of(table: &Table) -> Self {
        let keyed = key_widths(table);
        let mut room = ROW_BYTES_MAX.saturating_sub(keyed.values().sum());
        let mut short = Vec::new();
        for column in table.columns.iter().filter(|column| !keyed.contains_key(&column.name)) {
            let wanted = bytes_wanted(column.ty);
            let is_short =
                !matches!(column.ty, Type::Text { max } if max.is_none_or(|max| max > SHORT_TEXT_MAX));
            if is_short && wanted <= room {
                room -= wanted;
                short.push(column.name.clone());
            }
        }
        Self { keyed, short }
    }

    fn line(&self, column: &Column) -> String {
        let null = if column.nullable { " NULL" } else { " NOT NULL" };
        format!("{} {}{null}", ident(&column.name), self.name(column))
    }

    fn name(&self, column: &Column) -> String {
        let keyed = self.keyed.get(&column.name).copied();
        match (column.ty, keyed) {
            (Type::Bool, _) => "BOOLEAN".to_owned(),
            (Type::Int, _) => "BIGINT".to_owned(),
            (Type::Uuid, _) => "CHAR(36)".to_owned(),
            (Type::Text { max: Some(max) }, None) if self.short.contains(&column.name) => {
                format!("VARCHAR({})", max.max(1))
            }
            (Type::Text { .. } | Type::Json, Some(width)) => format!("VARCHAR({})", width / CHAR_BYTES),
            (Type::Text { .. } | Type::Json, None) => "LONGTEXT".to_owned(),
            (Type::Bytes, Some(width)) => format!("VARBINARY({width})"),
            (Type::Bytes, None) => "LONGBLOB".to_owned(),
            (Type::Decimal { .. } | Type::Float | Type::Date | Type::Time | Type::Timestamp, _) => {
                cast_name(column.ty)
            }
        }
    }

    /// Columns of an index that need not hold them whole.
    fn prefixes(&self, table: &Table, columns: &[Name]) -> Vec<String> {
        let most = PREFIX_CHARS_MAX.min(INDEX_BYTES_MAX / CHAR_BYTES / columns.len().max(1));
        let part = |name: &Name| {
            let long = table.column(name).is_some_and(|column| {
                matches!(column.ty, Type::Text { .. } | Type::Bytes | Type::Json)
                    && bytes_wanted(column.ty) > most * CHAR_BYTES
            });
            if long { format!("{}({most})", ident(name)) } else { ident(name) }
        };
        columns.iter().map(part).collect()
    }
}
