//! Rows and mutations in the names and forms of a version: the reference's own idea of what each change of the schema
//! means. Uses none of the mappers' code.

use journal_core::model::{Change, Row, Value};

use crate::catalogue::{ASK, Evolution};
use crate::oracle::{Act, Cells, Col, Datum, Table, Write};

/// The table's name at a version.
pub(crate) fn table_name(table: Table, version: i64, evolution: Evolution) -> &'static str {
    match table {
        Table::Owner => "owner",
        Table::Item if version < evolution.table => "item",
        Table::Item => "article",
        Table::Tally => "tally",
    }
}

/// Cells in the names and forms of a version.
pub(crate) fn cells_at(cells: &Cells, version: i64, evolution: Evolution) -> Row {
    let mut row = Row::new();
    for (col, datum) in cells {
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

/// A mutation in the names and forms of a version.
pub(crate) fn change_at(write: &Write, version: i64, evolution: Evolution) -> Change {
    let table = table_name(write.key.0, version, evolution);
    let key = Row::new().with("id", write.key.1);
    let cells = cells_at(&write.cells, version, evolution);
    let expect = cells_at(&write.expect, version, evolution);
    match write.act {
        Act::Insert => Change::insert(table, cells.with("id", write.key.1)),
        Act::Upsert => Change::upsert(table, cells.with("id", write.key.1)),
        Act::Update => Change::update(table, key, cells).expecting(expect),
        Act::Add => Change::add(table, key, cells),
        Act::Delete => Change::delete(table, key).expecting(expect),
    }
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
