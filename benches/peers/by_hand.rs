//! What somebody would write by hand who has the final changes and a SQLite file: prepared inserts and updates, a thousand
//! transactions in one of the database's, and no journal.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use journal_core::model::{Change, Name, Op, Row, Schema, Table, Type, Value, time};
use journal_core::sql::{Access, Conn, Dialect, Param};
use schema_mappers::{SchemaSet, ddl};

/// Transactions of the journal in one of the database.
const TOGETHER: usize = 1_000;

/// A statement, the same text for all changes of a kind.
type Statement = (String, Vec<Param>);

/// A file with the tables of version 1 and nothing else.
#[derive(Debug)]
pub(crate) struct ByHand {
    conn: Conn,
    schema: Schema,
    /// The rows that changes add to, as they stand: a statement writes the final value.
    sums: HashMap<(Name, Row), Row>,
}

impl ByHand {
    /// Opened as Daybook opens its own: with a log written ahead, and a flush a commit.
    pub(crate) async fn create(url: &str, set: &SchemaSet, schema: &Schema) -> Result<Self> {
        let version = set.version(schema.version).context("the set has the version")?;
        let address = url.parse().context("read the address of a file")?;
        let mut conn = Conn::open(&address, Access::Create, "bench").await?;
        for statement in ddl::create_tables(version, Dialect::Sqlite) {
            conn.lend().ddl(&statement).await?;
        }
        Ok(Self { conn, schema: schema.clone(), sums: HashMap::new() })
    }

    /// Writes transactions; how long the database took, without what is reckoned before each of its transactions.
    pub(crate) async fn write(
        &mut self,
        transactions: impl Iterator<Item = Vec<Change>>,
    ) -> Result<Duration> {
        let mut transactions = transactions.peekable();
        let mut took = Duration::ZERO;
        while transactions.peek().is_some() {
            let mut statements = Vec::new();
            for change in transactions.by_ref().take(TOGETHER).flatten() {
                statements.push(self.statement(change)?);
            }
            let began = Instant::now();
            self.conn.begin().await?;
            for (text, params) in statements {
                let rows = self.conn.lend().execute(&text, params).await?;
                if rows != 1 {
                    bail!("{text} touched {rows} rows");
                }
            }
            self.conn.commit().await?;
            took += began.elapsed();
        }
        Ok(took)
    }

    fn statement(&mut self, change: Change) -> Result<Statement> {
        let table = self.schema.tables.get(&change.entity).context("the table of a change")?;
        match change.op {
            Op::Insert => {
                if let Some(key) = table.key_row(&change.cells).filter(|_| &*table.name == "stats") {
                    self.sums.insert((table.name.clone(), key), change.cells.clone());
                }
                insert(table, &change.cells)
            }
            Op::Update => update(table, &change.cells, &change.key),
            Op::Add => {
                let place = (table.name.clone(), change.key);
                let row = self.sums.get_mut(&place).context("a row that is added to")?;
                let set = added(row, &change.cells)?;
                row.extend(set.clone());
                update(table, &set, &place.1)
            }
            op => bail!("the history has no {op}"),
        }
    }
}

/// The final values of what is added to.
fn added(row: &Row, deltas: &Row) -> Result<Row> {
    let sum = |(name, delta): (&Name, &Value)| {
        let sum = match (row.get(name), delta) {
            (Some(Value::Int(have)), Value::Int(delta)) => Value::Int(have + delta),
            (Some(Value::Decimal(have)), Value::Decimal(delta)) => Value::Decimal(have.plus(delta)),
            other => bail!("{name} cannot be added to: {other:?}"),
        };
        Ok((name.clone(), sum))
    };
    deltas.iter().map(sum).collect()
}

fn insert(table: &Table, row: &Row) -> Result<Statement> {
    let places: Vec<String> = (1..=row.len()).map(|number| format!("${number}")).collect();
    let text =
        format!("INSERT INTO {} ({}) VALUES ({})", table.name, names(row).join(", "), places.join(", "));
    Ok((text, params(table, row)?))
}

fn update(table: &Table, set: &Row, key: &Row) -> Result<Statement> {
    let pairs = |row: &Row, after: usize| -> Vec<String> {
        (after + 1..).zip(names(row)).map(|(number, name)| format!("{name} = ${number}")).collect()
    };
    let (sets, keys) = (pairs(set, 0).join(", "), pairs(key, set.len()).join(" AND "));
    let mut all = params(table, set)?;
    all.extend(params(table, key)?);
    Ok((format!("UPDATE {} SET {sets} WHERE {keys}", table.name), all))
}

fn names(row: &Row) -> Vec<&str> {
    row.names().map(|name| &**name).collect()
}

fn params(table: &Table, row: &Row) -> Result<Vec<Param>> {
    row.iter().map(|(name, value)| param(table, name, value)).collect()
}

/// As a ledger in SQLite holds it, so that both files end with the same rows.
fn param(table: &Table, name: &str, value: &Value) -> Result<Param> {
    let column = table.column(name).context("the column of a cell")?;
    Ok(match (value, column.ty) {
        (Value::Null, Type::Bool | Type::Int) => Param::I64(None),
        (Value::Null, _) => Param::Text(None),
        (Value::Bool(value), _) => i64::from(*value).into(),
        (Value::Int(value), _) => (*value).into(),
        (Value::Text(value), _) => value.as_str().into(),
        (Value::Timestamp(micros), _) => time::timestamp_text(*micros).into(),
        (Value::Decimal(value), Type::Decimal { scale, .. }) => {
            value.to_scale(usize::from(scale)).context("a decimal of its column")?.into()
        }
        (other, _) => bail!("the history has no {}", other.kind()),
    })
}
