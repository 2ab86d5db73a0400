//! The statements that carry out a set, and those that follow where complements are kept. On PostgreSQL one for all its
//! rows, whose values are arrays, or are copied; on MariaDB see `statement_mariadb`. Pure.

use std::fmt::Write as _;

use journal_core::codec::cells;
use journal_core::codec::payload::key_text;
use journal_core::model::{Column, Name, Table, Type, Value};
use journal_core::sql::{CopyRows, Dialect, List, Param, quote};
use smallvec::SmallVec;

use super::asks::{self, Question};
use super::values::cell;
use super::{complement, statement_mariadb, text};
use crate::ledger::LedgerError;
use crate::ledger::sets::{Action, Set, SetRow};

/// A statement of a set's.
pub(super) struct Statement {
    pub(super) table: Name,
    pub(super) text: String,
    pub(super) values: Values,
    pub(super) rows: Rows,
}

/// The rows that a statement is about.
pub(super) enum Rows {
    /// So many of the table, and each is touched.
    Each(usize),
    /// Some of the table.
    Some,
    /// None of the table, but what is kept beside it.
    Beside,
}

pub(super) enum Values {
    Bound(Vec<Param>),
    Copied(CopyRows),
}

/// What may be kept beside rows of the ledger. Where nothing is, nothing needs to be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Beside {
    /// Complements.
    pub(super) complements: bool,
    /// Notes of ask codes.
    pub(super) notes: bool,
}

/// The statements for a set of a table that is asked these questions, in order. From so many new rows on they are copied.
/// What they keep beside the ledger is known to those that follow.
pub(super) fn statements(
    dialect: Dialect,
    set: &Set<'_>,
    questions: &[Question],
    copied_from: usize,
    beside: &mut Beside,
) -> Result<SmallVec<[Statement; 1]>, LedgerError> {
    let mut all = SmallVec::new();
    let table = || Param::from(set.table.name.as_ref());
    match dialect {
        Dialect::MariaDb => all.extend(statement_mariadb::statements(set)?),
        Dialect::Sqlite | Dialect::Postgres => all.push(of_rows(set, copied_from)?),
    }
    if beside.complements && matches!(set.action, Action::Insert | Action::Delete) {
        let keys = set.rows.iter().map(|row| key_text(&row.key)).collect();
        all.push(of_lists(dialect, set.table, text::drop_complements(dialect), table(), vec![keys]));
    }
    let begun = set.rows.iter().filter_map(|row| {
        let complement = row.complement.filter(|complement| !complement.is_empty())?;
        Some((key_text(&row.key), cells::write(complement)))
    });
    let (keys, kept): (Vec<String>, Vec<String>) = begun.unzip();
    if !keys.is_empty() {
        keys.iter().try_for_each(|key| complement::check_key(dialect, &set.table.name, key))?;
        all.push(of_lists(dialect, set.table, text::keep_complements(dialect), table(), vec![keys, kept]));
        beside.complements = true;
    }
    for question in questions {
        all.extend(asks::statements(dialect, set, question, &mut beside.notes));
    }
    Ok(all)
}

/// A statement on what is kept beside rows of a table: its lists are arrays, or one JSON text of as many lists.
pub(super) fn of_lists(
    dialect: Dialect,
    table: &Table,
    text: &str,
    first: Param,
    lists: Vec<Vec<String>>,
) -> Statement {
    let mut params = vec![first];
    match dialect {
        Dialect::MariaDb => params.push(statement_mariadb::rows_of(&lists).into()),
        Dialect::Sqlite | Dialect::Postgres => {
            params.extend(lists.into_iter().map(|list| Param::List(list.into())));
        }
    }
    Statement {
        table: table.name.clone(),
        text: text.to_owned(),
        values: Values::Bound(params),
        rows: Rows::Beside,
    }
}

fn of_rows(set: &Set<'_>, copied_from: usize) -> Result<Statement, LedgerError> {
    let (table, rows) = (set.table, set.rows.len());
    let (text, values) = if set.action == Action::Insert && rows >= copied_from {
        let columns: Vec<String> = table.columns.iter().map(|column| quote(&column.name)).collect();
        let text = format!("COPY {} ({}) FROM STDIN", quote(&table.name), columns.join(", "));
        (text, Values::Copied(copied(table, &set.rows)?))
    } else {
        let (text, params) = statement(table, &set.action, &set.rows)?;
        (text, Values::Bound(params))
    };
    let rows = if set.action.touches_each() { Rows::Each(rows) } else { Rows::Some };
    Ok(Statement { table: table.name.clone(), text, values, rows })
}

fn copied(table: &Table, rows: &[SetRow<'_>]) -> Result<CopyRows, LedgerError> {
    let mut copied = CopyRows::default();
    for row in rows {
        copied.row(table.columns.iter().map(|column| {
            let (key, value) = value(row, &column.name);
            cell(Dialect::Postgres, column, value).map_err(|misfit| misfit.at(table, key))
        }))?;
    }
    Ok(copied)
}

/// A statement in the making: its arrays, one a column of what it reads as `s`.
#[derive(Debug, Default)]
struct Arrays {
    sources: Vec<String>,
    params: Vec<Param>,
}

impl Arrays {
    /// Adds an array; the name of its column.
    fn add<'v>(
        &mut self,
        table: &Table,
        column: &Column,
        values: impl Iterator<Item = (&'v [Value], &'v Value)>,
    ) -> Result<String, LedgerError> {
        let cells = values.map(|(key, value)| {
            cell(Dialect::Postgres, column, value).map_err(|misfit| misfit.at(table, key))
        });
        self.params.push(Param::List(List::of(cells)?));
        self.sources.push(array(column.ty, self.params.len()));
        Ok(format!("s.v{}", self.params.len()))
    }

    /// The rows of all arrays, under the name `s`.
    fn source(&self) -> String {
        let names: Vec<String> = (1..=self.params.len()).map(|number| format!("v{number}")).collect();
        format!("unnest({}) AS s({})", self.sources.join(", "), names.join(", "))
    }
}

/// An array parameter as values of the type. What has no parameter of its own comes as text.
fn array(ty: Type, number: usize) -> String {
    match ty {
        Type::Bool => format!("${number}::boolean[]"),
        Type::Int => format!("${number}::bigint[]"),
        Type::Float => format!("${number}::double precision[]"),
        Type::Text { .. } => format!("${number}::text[]"),
        Type::Bytes => format!("${number}::bytea[]"),
        Type::Uuid => format!("${number}::uuid[]"),
        Type::Decimal { .. } => format!("${number}::text[]::numeric[]"),
        Type::Date => format!("${number}::text[]::date[]"),
        Type::Time => format!("${number}::text[]::time[]"),
        Type::Timestamp => format!("${number}::text[]::timestamptz[]"),
        Type::Json => format!("${number}::text[]::json[]"),
    }
}

/// The statement for a set on PostgreSQL, and what it binds.
fn statement(
    table: &Table,
    action: &Action,
    rows: &[SetRow<'_>],
) -> Result<(String, Vec<Param>), LedgerError> {
    let mut arrays = Arrays::default();
    let name = quote(&table.name);
    let text = match action {
        Action::Insert | Action::Upsert { .. } => {
            let mut columns = Vec::new();
            for column in &table.columns {
                arrays.add(table, column, rows.iter().map(|row| value(row, &column.name)))?;
                columns.push(quote(&column.name));
            }
            let insert =
                format!("INSERT INTO {name} ({}) SELECT * FROM {}", columns.join(", "), arrays.source());
            match action {
                Action::Upsert { sets } => insert + &text::on_conflict(table, sets),
                _ => insert,
            }
        }
        Action::Update { sets, adds } => {
            let mut condition = by_key(&mut arrays, table, rows)?;
            let mut changes = Vec::new();
            for column in sets.iter().filter_map(|name| table.column(name)) {
                let set = arrays.add(table, column, rows.iter().map(|row| value(row, &column.name)))?;
                changes.push(format!("{} = {set}", quote(&column.name)));
            }
            for column in adds.iter().filter_map(|name| table.column(name)) {
                // Every row of the set adds to these columns.
                let sums = || rows.iter().filter_map(|row| Some((&row.key[..], row.sums.get(&column.name)?)));
                let total = arrays.add(table, column, sums().map(|(key, sum)| (key, &sum.total)))?;
                let spread = arrays.add(table, column, sums().map(|(key, sum)| (key, &sum.spread)))?;
                let column_name = quote(&column.name);
                changes.push(format!("{column_name} = t.{column_name} + {total}"));
                let _ = write!(condition, " AND {}", room(column, &spread));
            }
            format!(
                "UPDATE {name} AS t SET {} FROM {} WHERE {condition}",
                changes.join(", "),
                arrays.source()
            )
        }
        Action::Delete => {
            let condition = by_key(&mut arrays, table, rows)?;
            format!("DELETE FROM {name} AS t USING {} WHERE {condition}", arrays.source())
        }
    };
    Ok((text, arrays.params))
}

pub(super) fn value<'r>(row: &'r SetRow<'_>, name: &Name) -> (&'r [Value], &'r Value) {
    (&row.key, row.cells.get(name).unwrap_or(&Value::Null))
}

fn by_key(arrays: &mut Arrays, table: &Table, rows: &[SetRow<'_>]) -> Result<String, LedgerError> {
    let mut conditions = Vec::new();
    for (at, column) in table.key.iter().filter_map(|name| table.column(name)).enumerate() {
        let value = arrays.add(table, column, rows.iter().map(|row| (&row.key[..], &row.key[at])))?;
        conditions.push(format!("t.{} = {value}", quote(&column.name)));
    }
    Ok(conditions.join(" AND "))
}

/// That a column can go as far as the spread, either way; not so where it is NULL.
fn room(column: &Column, spread: &str) -> String {
    let name = quote(&column.name);
    match column.ty {
        Type::Decimal { precision, scale } => {
            let digits = usize::from(precision - scale);
            format!("abs(t.{name}) + {spread} < '1{}'::numeric", "0".repeat(digits))
        }
        _ => format!(
            "t.{name} BETWEEN '-9223372036854775808'::bigint + {spread} AND 9223372036854775807 - {spread}"
        ),
    }
}
