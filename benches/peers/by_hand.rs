//! What somebody would write by hand who has the final changes and a SQLite file: prepared inserts and updates, a thousand
//! transactions in one of the database's, and no journal.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use journal_core::model::{Change, Name, Op, Row, Schema, Table, Type, Value, time};
use journal_core::sql::{Access, Conn, DbUrl, Dialect, Param};
use schema_mappers::{SchemaSet, ddl};

/// Transactions of the journal in one of the database.
const TOGETHER: usize = 1_000;

/// A statement, the same text for all changes of a kind.
type Statement = (String, Vec<Param>);

/// The statements of a transaction in one text, which is prepared once for all transactions of a kind: the library hands
/// each call to another thread, and a call for each statement would take longer than what SQLite does.
#[derive(Debug, Default)]
struct Call {
    text: String,
    params: Vec<Param>,
    /// Each statement touches one.
    rows: u64,
}

/// A file with the tables of version 1 and nothing else.
#[derive(Debug)]
pub(crate) struct ByHand {
    address: DbUrl,
    schema: Schema,
    /// The rows that changes add to, as they stand: a statement writes the final value.
    sums: HashMap<(Name, Row), Row>,
}

impl ByHand {
    pub(crate) async fn create(url: &str, set: &SchemaSet, schema: &Schema) -> Result<Self> {
        let version = set.version(schema.version).context("the set has the version")?;
        let address: DbUrl = url.parse().context("read the address of a file")?;
        let mut conn = Conn::open(&address, Access::Create, "bench").await?;
        for statement in ddl::create_tables(version, Dialect::Sqlite) {
            conn.lend().ddl(&statement).await?;
        }
        conn.close().await;
        Ok(Self { address, schema: schema.clone(), sums: HashMap::new() })
    }

    /// Writes transactions; how long the database took, without what is reckoned before each of its transactions.
    pub(crate) fn write(
        &mut self,
        transactions: impl Iterator<Item = Vec<Change>> + Send,
    ) -> Result<Duration> {
        let task = || {
            on_one_core()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(self.write_all(transactions))
        };
        let ended = std::thread::scope(|scope| scope.spawn(task).join());
        ended.unwrap_or_else(|_| bail!("the thread that writes failed"))
    }

    /// On a connection that is opened as Daybook opens its own: with a log written ahead, and a flush a commit.
    async fn write_all(&mut self, transactions: impl Iterator<Item = Vec<Change>>) -> Result<Duration> {
        let mut conn = Conn::open(&self.address, Access::Write, "bench").await?;
        let mut transactions = transactions.peekable();
        let mut took = Duration::ZERO;
        while transactions.peek().is_some() {
            let next = transactions.by_ref().take(TOGETHER);
            let calls = next.map(|changes| self.call(changes)).collect::<Result<Vec<Call>>>()?;
            let began = Instant::now();
            conn.begin().await?;
            for Call { text, params, rows } in calls {
                let touched = conn.lend().execute(&text, params).await?;
                ensure!(touched == rows, "{text} touched {touched} rows");
            }
            conn.commit().await?;
            took += began.elapsed();
        }
        conn.close().await;
        Ok(took)
    }

    fn call(&mut self, changes: Vec<Change>) -> Result<Call> {
        let mut call = Call::default();
        for change in changes {
            let (text, params) = self.statement(change)?;
            call.text.push_str(&text);
            call.text.push(';');
            call.params.extend(params);
            call.rows += 1;
        }
        Ok(call)
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

/// Keeps this thread, and the thread that the library will start for it, on one core: across cores each call would wait for
/// a core to wake up, now and then and not always, for longer than SQLite works.
#[cfg(target_os = "linux")]
fn on_one_core() -> Result<()> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let allowed = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    let first = (0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core)).context("a core")?;
    one.set(first);
    Ok(sched_setaffinity(None, &one)?)
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as on Linux")]
fn on_one_core() -> Result<()> {
    Ok(())
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
    let places = vec!["?"; row.len()].join(", ");
    let columns: Vec<&str> = names(row).collect();
    let text = format!("INSERT INTO {} ({}) VALUES ({places})", table.name, columns.join(", "));
    Ok((text, params(table, row)?))
}

fn update(table: &Table, set: &Row, key: &Row) -> Result<Statement> {
    let pairs = |row: &Row| names(row).map(|name| format!("{name} = ?")).collect::<Vec<_>>();
    let text =
        format!("UPDATE {} SET {} WHERE {}", table.name, pairs(set).join(", "), pairs(key).join(" AND "));
    let mut all = params(table, set)?;
    all.extend(params(table, key)?);
    Ok((text, all))
}

fn names(row: &Row) -> impl Iterator<Item = &str> {
    row.names().map(|name| &**name)
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
