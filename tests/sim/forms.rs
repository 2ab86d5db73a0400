//! Rows and mutations in the names and forms of a version: the reference's own idea of what each change of the schema
//! means. Uses none of the mappers' code.

use journal_core::model::{Change, Row, Value};

use crate::catalogue::{ASK, Evolution};
use crate::oracle::{Act, Cells, Col, Datum, Table, Write};

/// The names of the tables in which a row stands at a version, parents first.
pub(crate) fn table_names(table: Table, version: i64, evolution: Evolution) -> &'static [&'static str] {
    match table {
        Table::Owner if version < evolution.part => &["owner"],
        Table::Owner => &["owner", "contact"],
        Table::Item if version < evolution.table => &["item"],
        Table::Item => &["article"],
        Table::Tally => &["tally"],
        Table::Note if version >= evolution.note => &["note"],
        Table::Note if evolution.note == 2 => &["kept_2_note"],
        Table::Note => &["kept_3_note"],
    }
}

/// In which of its row's tables a column stands.
fn place(col: Col, version: i64, evolution: Evolution) -> usize {
    usize::from(col == Col::Phone && version >= evolution.part)
}

/// Those cells that stand in one of their row's tables, in the names and forms of a version.
pub(crate) fn cells_at(cells: &Cells, at: usize, version: i64, evolution: Evolution) -> Row {
    let mut row = Row::new();
    for (col, datum) in cells.iter().filter(|(col, _)| place(**col, version, evolution) == at) {
        match col {
            Col::Name if version < evolution.split => row.set("name", whole(datum)),
            Col::Name => {
                let (first, last) = parts(datum);
                row.set("first", first);
                row.set("last", last);
            }
            Col::Code => row.set("code", plain(datum)),
            Col::Phone if version >= evolution.require && *datum == Datum::Null => row.set("phone", ASK),
            Col::Phone => row.set("phone", plain(datum)),
            Col::Owner => row.set("owner_id", plain(datum)),
            Col::Label => row.set(if version < evolution.rename { "label" } else { "title" }, plain(datum)),
            Col::Words => row.set("words", plain(datum)),
            Col::Fax if version < evolution.drop => row.set("fax", plain(datum)),
            Col::Colour if version >= evolution.add => row.set("colour", plain(datum)),
            Col::Fax | Col::Colour => {}
            Col::Price => row.set("price", decimal(datum, 4)),
            Col::Total => row.set("total", plain(datum)),
            Col::Big => row.set("big", decimal(datum, 2)),
        }
    }
    row
}

/// A mutation in the names and forms of a version: one change for each table it touches.
pub(crate) fn changes_at(write: &Write, version: i64, evolution: Evolution) -> Vec<Change> {
    let tables = table_names(write.key.0, version, evolution);
    let key = || Row::new().with("id", write.key.1);
    let changes = tables.iter().enumerate().filter_map(|(at, table)| {
        let cells = cells_at(&write.cells, at, version, evolution);
        let expect = cells_at(&write.expect, at, version, evolution);
        let untouched = cells.is_empty() && expect.is_empty() && tables.len() > 1;
        match write.act {
            Act::Insert => Some(Change::insert(*table, cells.with("id", write.key.1))),
            Act::Upsert => Some(Change::upsert(*table, cells.with("id", write.key.1))),
            Act::Update | Act::Add if untouched => None,
            Act::Update => Some(Change::update(*table, key(), cells).expecting(expect)),
            Act::Add => Some(Change::add(*table, key(), cells)),
            Act::Delete => Some(Change::delete(*table, key()).expecting(expect)),
        }
    });
    let mut changes: Vec<Change> = changes.collect();
    if write.act == Act::Delete {
        changes.reverse();
    }
    changes
}

fn plain(datum: &Datum) -> Value {
    match datum {
        Datum::Null => Value::Null,
        Datum::Number(number) => i64::try_from(*number).expect("a 64-bit number").into(),
        Datum::Text(text) => text.as_str().into(),
        Datum::Parts(..) => unreachable!("only names have parts"),
    }
}

fn decimal(datum: &Datum, scale: u32) -> Value {
    let Datum::Number(number) = datum else { return Value::Null };
    let unit = 10_i128.pow(scale);
    let (sign, whole, rest) = (if *number < 0 { "-" } else { "" }, number.abs() / unit, number.abs() % unit);
    let digits = usize::try_from(scale).expect("a few digits");
    Value::Decimal(format!("{sign}{whole}.{rest:0digits$}").parse().expect("a decimal"))
}

fn whole(name: &Datum) -> String {
    match name {
        Datum::Text(whole) => whole.clone(),
        Datum::Parts(first, last) if first.is_empty() || last.is_empty() => format!("{first}{last}"),
        Datum::Parts(first, last) => format!("{first} {last}"),
        Datum::Null | Datum::Number(_) => unreachable!("names are text"),
    }
}

fn parts(name: &Datum) -> (&str, &str) {
    match name {
        Datum::Text(whole) => whole.rsplit_once(' ').unwrap_or((whole, "")),
        Datum::Parts(first, last) => (first, last),
        Datum::Null | Datum::Number(_) => unreachable!("names are text"),
    }
}
