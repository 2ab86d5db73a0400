//! Carrying out a batch by sets: one statement for all rows of a table that are changed alike. On PostgreSQL its values
//! are arrays, or copied; on SQLite they are listed (`listed`).

use std::fmt::Write as _;

use journal_core::codec::cells;
use journal_core::codec::payload::key_text;
use journal_core::model::{Column, Name, Row, Table, Type, Value};
use journal_core::sql::{CopyRows, Dialect, Param, quote};
use smallvec::SmallVec;

use super::values::bind;
use super::{SqlLedger, fault, text};
use crate::ledger::sets::{self, Action, Set, SetRow, Step};
use crate::ledger::{Fault, LedgerChange, LedgerError};

/// New rows from which on a COPY is quicker than a statement with arrays: it takes a round trip more.
pub(super) const MANY_ROWS: usize = 64;

impl SqlLedger {
    pub(super) async fn carry_out_together(&mut self, changes: &[&LedgerChange]) -> Result<(), LedgerError> {
        let schema = self.schema.clone();
        let asked = |table: &Name| self.asks.of(table).is_some();
        let steps = sets::plan(&schema, &self.rules, changes, asked)?;
        for step in &steps {
            match step {
                Step::One(change) => self.apply_one(&schema, change).await?,
                Step::Set(set) => self.apply_set(set).await?,
            }
        }
        Ok(())
    }

    async fn apply_set(&mut self, set: &Set<'_>) -> Result<(), LedgerError> {
        if self.dialect() == Dialect::Sqlite {
            let done = self.apply_listed(set).await?;
            expect_rows(done, set.rows.len(), &set.table.name)?;
        } else {
            self.send(Statement::of(set, self.copied_from)?).await?;
        }
        match set.action {
            Action::Insert => self.begin_complements(set.table, &set.rows).await,
            Action::Update { .. } => Ok(()),
            Action::Delete => self.end_complements(set.table, &set.rows).await,
        }
    }

    /// Sends a statement, and sees that it touched as many rows as it is about.
    pub(super) async fn send(&mut self, statement: Statement) -> Result<(), LedgerError> {
        let Statement { table, text, values, rows } = statement;
        let mut conn = self.conn.lend();
        let done = match values {
            Values::Bound(params) => conn.execute(&text, params).await,
            Values::Copied(rows) => conn.copy_rows(&text, &rows).await,
        };
        expect_rows(done.map_err(|error| fault::of_set(error, &table))?, rows, &table)
    }

    async fn begin_complements(&mut self, table: &Table, rows: &[SetRow<'_>]) -> Result<(), LedgerError> {
        if self.dialect() == Dialect::Sqlite {
            for row in rows {
                self.begin_complement(&table.name, &row.key, row.complement.unwrap_or(&Row::new())).await?;
            }
            return Ok(());
        }
        self.end_complements(table, rows).await?;
        let kept = rows.iter().filter_map(|row| {
            let complement = row.complement.filter(|complement| !complement.is_empty())?;
            Some((Param::from(key_text(&row.key)), Param::from(cells::write(complement))))
        });
        let (keys, kept): (Vec<Param>, Vec<Param>) = kept.unzip();
        if keys.is_empty() {
            return Ok(());
        }
        let params = vec![table.name.as_ref().into(), Param::List(keys), Param::List(kept)];
        self.conn.lend().execute(text::KEEP_COMPLEMENTS, params).await?;
        self.complemented = true;
        Ok(())
    }

    async fn end_complements(&mut self, table: &Table, rows: &[SetRow<'_>]) -> Result<(), LedgerError> {
        if self.complemented && self.dialect() == Dialect::Sqlite {
            for row in rows {
                self.end_complement(&table.name, &row.key).await?;
            }
        } else if self.complemented {
            let keys = rows.iter().map(|row| key_text(&row.key).into()).collect();
            let params = vec![table.name.as_ref().into(), Param::List(keys)];
            self.conn.lend().execute(text::DROP_COMPLEMENTS, params).await?;
        }
        Ok(())
    }
}

fn expect_rows(done: u64, expected: usize, table: &Name) -> Result<(), LedgerError> {
    if usize::try_from(done) == Ok(expected) {
        return Ok(());
    }
    let detail = format!("{table}: of {expected} rows, {done} were there and had room");
    Err(LedgerError::Fault { fault: Fault::MissingRow, detail })
}

/// What carries out a set on PostgreSQL.
pub(super) struct Statement {
    table: Name,
    text: String,
    values: Values,
    /// How many it is to touch.
    rows: usize,
}

enum Values {
    Bound(Vec<Param>),
    Copied(CopyRows),
}

impl Statement {
    /// The statement for a set. From so many new rows on it is a COPY.
    pub(super) fn of(set: &Set<'_>, copied_from: usize) -> Result<Self, LedgerError> {
        let (table, rows) = (set.table, set.rows.len());
        let (text, values) = if set.action == Action::Insert && rows >= copied_from {
            let columns: Vec<String> = table.columns.iter().map(|column| quote(&column.name)).collect();
            let text = format!("COPY {} ({}) FROM STDIN", quote(&table.name), columns.join(", "));
            (text, Values::Copied(copied(table, &set.rows)?))
        } else {
            let (text, params) = statement(table, &set.action, &set.rows)?;
            (text, Values::Bound(params))
        };
        Ok(Self { table: table.name.clone(), text, values, rows })
    }
}

fn copied(table: &Table, rows: &[SetRow<'_>]) -> Result<CopyRows, LedgerError> {
    let mut copied = CopyRows::default();
    for row in rows {
        let bound = table.columns.iter().map(|column| {
            let (key, value) = cell(row, &column.name);
            bind(Dialect::Postgres, column, value).map_err(|misfit| misfit.at(table, key))
        });
        let bound: SmallVec<[Param; 8]> = bound.collect::<Result<_, _>>()?;
        copied.row(bound.into_iter())?;
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
        let bound = values.map(|(key, value)| {
            bind(Dialect::Postgres, column, value).map_err(|misfit| misfit.at(table, key))
        });
        self.params.push(Param::List(bound.collect::<Result<_, _>>()?));
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
pub(in crate::ledger) fn statement(
    table: &Table,
    action: &Action,
    rows: &[SetRow<'_>],
) -> Result<(String, Vec<Param>), LedgerError> {
    let mut arrays = Arrays::default();
    let name = quote(&table.name);
    let text = match action {
        Action::Insert => {
            let mut columns = Vec::new();
            for column in &table.columns {
                let cell = |row| cell(row, &column.name);
                arrays.add(table, column, rows.iter().map(cell))?;
                columns.push(quote(&column.name));
            }
            format!("INSERT INTO {name} ({}) SELECT * FROM {}", columns.join(", "), arrays.source())
        }
        Action::Update { sets, adds } => {
            let mut condition = by_key(&mut arrays, table, rows)?;
            let mut changes = Vec::new();
            for column in sets.iter().filter_map(|name| table.column(name)) {
                let value = arrays.add(table, column, rows.iter().map(|row| cell(row, &column.name)))?;
                changes.push(format!("{} = {value}", quote(&column.name)));
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

fn cell<'r>(row: &'r SetRow<'_>, name: &Name) -> (&'r [Value], &'r Value) {
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
