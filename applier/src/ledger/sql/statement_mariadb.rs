//! The statements that carry out a set on MariaDB. New rows are listed; rows that end are named by their keys in a list; rows
//! that change come as one JSON text beside which the table is looked up, since that has a type for each column whatever its
//! first row holds, and a text that is the same for any number of rows. Pure.

use journal_core::model::{Column, Table, Type, Value};
use journal_core::sql::{BYTEWISE, Cell, Dialect, Param, quote};
use serde_json::Value as Json;

use super::statement::{Rows, Statement, Values, value};
use super::values::{bind, cell, placeholder};
use crate::ledger::LedgerError;
use crate::ledger::sets::{Action, Set, SetRow};

/// How many rows a statement lists, the most first: few sizes, so that the texts repeat and stay prepared.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];
/// Parameters of a statement, below the 65,535 that the server takes.
const PARAMS_MAX: usize = 60_000;
/// Bytes of a statement, but for a row that is larger: far below what servers take by default, 16 MiB.
const BYTES_MAX: usize = 1024 * 1024;

pub(super) fn statements(set: &Set<'_>) -> Result<Vec<Statement>, LedgerError> {
    match &set.action {
        Action::Insert => inserts(set),
        Action::Update { .. } => updates(set),
        Action::Delete => deletes(set),
        // Each stands alone here: see `together::stands_alone`.
        Action::Upsert { .. } => Err(LedgerError::Damaged("MariaDB upserts no sets".to_owned())),
    }
}

fn statement(set: &Set<'_>, text: String, params: Vec<Param>, rows: usize) -> Statement {
    Statement { table: set.table.name.clone(), text, values: Values::Bound(params), rows: Rows::Each(rows) }
}

fn inserts(set: &Set<'_>) -> Result<Vec<Statement>, LedgerError> {
    let table = set.table;
    let names: Vec<String> = table.columns.iter().map(|column| quote(&column.name)).collect();
    let head = format!("INSERT INTO {} ({}) VALUES ", quote(&table.name), names.join(", "));
    let mut rows = Vec::with_capacity(set.rows.len());
    for row in &set.rows {
        let cells = table.columns.iter().map(|column| (column, value(row, &column.name).1));
        rows.push(bound(table, row, cells)?);
    }
    let columns: Vec<&Column> = table.columns.iter().collect();
    Ok(listed(set, &head, "", &columns, rows))
}

fn deletes(set: &Set<'_>) -> Result<Vec<Statement>, LedgerError> {
    let table = set.table;
    let columns = key_columns(table);
    let key: Vec<String> = columns.iter().map(|column| quote(&column.name)).collect();
    let head = format!("DELETE FROM {} WHERE ({}) IN (", quote(&table.name), key.join(", "));
    let mut rows = Vec::with_capacity(set.rows.len());
    for row in &set.rows {
        rows.push(bound(table, row, columns.iter().copied().zip(&row.key))?);
    }
    Ok(listed(set, &head, ")", &columns, rows))
}

/// Statements that list rows between a head and a tail.
fn listed(
    set: &Set<'_>,
    head: &str,
    tail: &str,
    columns: &[&Column],
    rows: Vec<Vec<Param>>,
) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let most = (PARAMS_MAX / columns.len().max(1)).min(rows.len());
        let size = SIZES.into_iter().find(|size| *size <= most).unwrap_or(1);
        let (mut params, mut taken, mut bytes) = (Vec::with_capacity(size * columns.len()), 0, 0);
        while let Some(row) = rows.next_if(|row| taken == 0 || bytes + row_bytes(row) <= BYTES_MAX) {
            bytes += row_bytes(&row);
            params.extend(row);
            taken += 1;
            if taken == size {
                break;
            }
        }
        let lists: Vec<String> = (0..taken).map(|row| placeholders(columns, row * columns.len())).collect();
        statements.push(statement(set, format!("{head}{}{tail}", lists.join(", ")), params, taken));
    }
    statements
}

fn row_bytes(row: &[Param]) -> usize {
    row.iter().map(Param::bytes_len).sum()
}

fn placeholders(columns: &[&Column], before: usize) -> String {
    let places: Vec<String> = columns
        .iter()
        .zip(before + 1..)
        .map(|(column, number)| placeholder(Dialect::MariaDb, column.ty, number))
        .collect();
    format!("({})", places.join(", "))
}

fn bound<'v>(
    table: &Table,
    row: &SetRow<'_>,
    cells: impl Iterator<Item = (&'v Column, &'v Value)>,
) -> Result<Vec<Param>, LedgerError> {
    let bound = cells.map(|(column, value)| bind(Dialect::MariaDb, column, value));
    bound.collect::<Result<_, _>>().map_err(|misfit| misfit.at(table, &row.key))
}

fn key_columns(table: &Table) -> Vec<&Column> {
    table.key.iter().filter_map(|name| table.column(name)).collect()
}

/// The columns of the JSON text, one after the other, with what a statement does with each.
#[derive(Default)]
struct Source<'t> {
    columns: Vec<(&'t Column, Part)>,
    declared: Vec<String>,
}

/// What a cell of the JSON text is.
#[derive(Clone, Copy)]
enum Part {
    Key(usize),
    Value,
    Total,
    Spread,
}

impl<'t> Source<'t> {
    /// Adds a column; the expression that reads it.
    fn add(&mut self, column: &'t Column, part: Part) -> String {
        let at = self.columns.len();
        let ty = match (column.ty, part) {
            // Its ends are reckoned beyond 64 bits.
            (Type::Int, Part::Spread) => "DECIMAL(20,0)".to_owned(),
            (ty, _) => declared(ty),
        };
        self.declared.push(format!("c{at} {ty} PATH '$[{at}]'"));
        self.columns.push((column, part));
        match column.ty {
            Type::Bytes => format!("unhex(s.c{at})"),
            _ => format!("s.c{at}"),
        }
    }

    /// A row as a JSON array.
    fn row(&self, table: &Table, row: &SetRow<'_>) -> Result<String, LedgerError> {
        let cells = self.columns.iter().map(|(column, part)| {
            let value = match part {
                Part::Key(at) => row.key.get(*at),
                Part::Value => row.cells.get(&column.name),
                Part::Total => row.sums.get(&column.name).map(|sum| &sum.total),
                Part::Spread => row.sums.get(&column.name).map(|sum| &sum.spread),
            };
            cell(Dialect::MariaDb, column, value.unwrap_or(&Value::Null)).map(json)
        });
        let cells: Vec<Json> =
            cells.collect::<Result<_, _>>().map_err(|misfit| misfit.at(table, &row.key))?;
        Ok(Json::Array(cells).to_string())
    }
}

/// How a column of the JSON text is declared. Its values fit: nothing here would say no to one that does not.
fn declared(ty: Type) -> String {
    match ty {
        Type::Bool | Type::Int => "BIGINT".to_owned(),
        Type::Float => "DOUBLE".to_owned(),
        Type::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
        Type::Date => "DATE".to_owned(),
        Type::Time => "TIME(6)".to_owned(),
        Type::Timestamp => "DATETIME(6)".to_owned(),
        Type::Text { .. } | Type::Bytes | Type::Uuid | Type::Json => {
            format!("LONGTEXT CHARACTER SET utf8mb4 COLLATE {BYTEWISE}")
        }
    }
}

/// A cell as JSON: numbers with a point and moments as texts, bytes as hex digits.
fn json(cell: Cell<'_>) -> Json {
    match cell {
        Cell::Bool(value) => value.map_or(Json::Null, Json::from),
        Cell::I64(value) => value.map_or(Json::Null, Json::from),
        Cell::F64(value) => value.map_or(Json::Null, |value| format!("{value:e}").into()),
        Cell::Text(value) => value.map_or(Json::Null, Json::from),
        Cell::Uuid(value) => value.map_or(Json::Null, |value| value.to_string().into()),
        Cell::Bytes(value) => value.map_or(Json::Null, |bytes| {
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
        }),
    }
}

/// Lists of one length, as a JSON array of rows.
pub(super) fn rows_of(lists: &[Vec<String>]) -> String {
    let rows = lists.first().map_or(0, Vec::len);
    let row = |at: usize| -> Json { lists.iter().map(|list| list[at].as_str()).collect() };
    Json::Array((0..rows).map(row).collect()).to_string()
}

fn updates(set: &Set<'_>) -> Result<Vec<Statement>, LedgerError> {
    let Action::Update { sets, adds } = &set.action else { return Ok(Vec::new()) };
    let table = set.table;
    let mut source = Source::default();
    let mut conditions: Vec<String> = key_columns(table)
        .into_iter()
        .enumerate()
        .map(|(at, column)| format!("t.{} = {}", quote(&column.name), source.add(column, Part::Key(at))))
        .collect();
    let mut changes = Vec::new();
    for column in sets.iter().filter_map(|name| table.column(name)) {
        changes.push(format!("t.{} = {}", quote(&column.name), source.add(column, Part::Value)));
    }
    for column in adds.iter().filter_map(|name| table.column(name)) {
        let name = quote(&column.name);
        changes.push(format!("t.{name} = t.{name} + {}", source.add(column, Part::Total)));
        conditions.push(room(column, &source.add(column, Part::Spread)));
    }
    let text = format!(
        "UPDATE json_table($1, '$[*]' COLUMNS ({})) AS s STRAIGHT_JOIN {} AS t ON {} SET {}",
        source.declared.join(", "),
        quote(&table.name),
        conditions.join(" AND "),
        changes.join(", ")
    );
    let mut statements = Vec::new();
    let (mut json, mut rows) = (String::new(), 0);
    for row in &set.rows {
        let next = source.row(table, row)?;
        if rows > 0 && json.len() + next.len() > BYTES_MAX {
            let params = vec![format!("[{json}]").into()];
            statements.push(statement(set, text.clone(), params, std::mem::take(&mut rows)));
            json.clear();
        }
        if rows > 0 {
            json.push(',');
        }
        json.push_str(&next);
        rows += 1;
    }
    if rows > 0 {
        statements.push(statement(set, text, vec![format!("[{json}]").into()], rows));
    }
    Ok(statements)
}

/// That a column can go as far as the spread, either way; not so where it is NULL.
fn room(column: &Column, spread: &str) -> String {
    let name = quote(&column.name);
    match column.ty {
        Type::Decimal { precision, scale } => {
            let digits = usize::from(precision - scale);
            format!("abs(t.{name}) + {spread} < 1{}", "0".repeat(digits))
        }
        _ => format!(
            "CAST(t.{name} AS DECIMAL(20,0)) BETWEEN -9223372036854775808 + {spread} AND 9223372036854775807 - {spread}"
        ),
    }
}
