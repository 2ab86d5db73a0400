//! The queue: rows that hold an ask code, read from the ledger itself, so that a row leaves it with the write that fills it
//! in. Reads only.

use std::collections::VecDeque;

use journal_core::model::{Name, Value, time};
use journal_core::sql::DbUrl;

use crate::control::sql::now;
use crate::ledger::sql::SqlLedger;
use crate::ledger::sql::asks::{Holding, Question, questions};
use crate::ledger::{Ledger as _, LedgerError, LedgerReader as _};

/// Rows read at once.
const PAGE_ROWS: usize = 1000;

/// A question that the ledger's version asks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OpenAsk {
    /// What names it for ever, such as `2:phone.number`: the version that brought it, and the names there.
    pub ask: String,
    /// The version that brought it: no version below can be given up while rows wait and nobody waived it.
    pub version: i64,
    /// The table, as the ledger names it.
    pub table: Name,
    /// The column.
    pub column: Name,
    /// What to ask the user, where the set says it.
    pub question: Option<String>,
    /// Rows that wait.
    pub rows: u64,
    /// Since when it is asked here.
    pub since: String,
    /// Who gave it up.
    pub waived: Option<Waived>,
}

impl OpenAsk {
    /// Whether the version before the question cannot be given up yet.
    pub fn blocks(&self) -> bool {
        self.rows > 0 && self.waived.is_none()
    }
}

/// A question given up.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Waived {
    /// By whom.
    pub who: String,
    /// Why.
    pub why: String,
    /// When.
    pub since: String,
}

/// A row that waits.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AskedRow {
    /// Its table.
    pub table: Name,
    /// Its key as a JSON array.
    pub key: String,
    /// The column to fill in.
    pub column: Name,
    /// What to ask the user, where the set says it.
    pub question: Option<String>,
    /// Since when it holds the code at this site: the write that was posted, or the version's arrival.
    pub since: String,
    /// The same as an instant, microseconds.
    pub since_us: i64,
    /// How many seconds that is, by the database's clock.
    pub age_s: i64,
}

/// The questions of a ledger with some of the rows that wait.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Queue {
    /// Every question, also those for which no row waits.
    pub asks: Vec<OpenAsk>,
    /// Rows that wait, question by question, in the order of their keys; the first so many of each.
    pub rows: Vec<AskedRow>,
}

/// The questions of the site at `url`, each with how many rows wait, in one snapshot. Reads each column that is asked
/// for once.
pub async fn open(url: &DbUrl) -> Result<Vec<OpenAsk>, LedgerError> {
    list(url, None, 0).await.map(|queue| queue.asks)
}

/// The same over a ledger at hand, in its open transaction or snapshot.
pub async fn open_in(ledger: &mut SqlLedger) -> Result<Vec<OpenAsk>, LedgerError> {
    read(ledger, None, 0).await.map(|queue| queue.asks)
}

/// The questions of the site at `url`, of one table or all, each with its first `limit` rows that wait, in one snapshot.
pub async fn list(url: &DbUrl, table: Option<&str>, limit: usize) -> Result<Queue, LedgerError> {
    let mut ledger = SqlLedger::open_reader(url, "ask").await?;
    ledger.begin_snapshot().await?;
    let queue = read(&mut ledger, table, limit).await;
    let ended = ledger.end_snapshot().await;
    let queue = queue?;
    ended?;
    ledger.into_conn().close().await;
    Ok(queue)
}

async fn read(ledger: &mut SqlLedger, table: Option<&str>, limit: usize) -> Result<Queue, LedgerError> {
    let schema = ledger.schema().clone();
    let clock = format!("SELECT {}", now(ledger.conn().dialect()));
    let now = ledger.conn().fetch_one(&clock, Vec::new()).await?.i64(0)?;
    let (mut asks, mut rows) = (Vec::new(), Vec::new());
    for question in questions(ledger.conn(), &schema).await? {
        if table.is_some_and(|table| *table != *question.table) {
            continue;
        }
        let mut waiting = Waiting::new(&question);
        for _ in 0..limit {
            let Some(holding) = waiting.next(ledger).await? else { break };
            rows.push(row(&question, holding, now));
        }
        let count = count(ledger, &question).await?;
        asks.push(ask(question, count));
    }
    Ok(Queue { asks, rows })
}

/// How many rows wait. Only where something is kept can a code be a value, and rows must be looked at.
async fn count(ledger: &mut SqlLedger, question: &Question) -> Result<u64, LedgerError> {
    if question.kept.is_none() || !ledger.keeps_any(&question.table).await? {
        let schema = ledger.schema().clone();
        return match schema.tables.get(&question.table) {
            Some(table) => ledger.count_holding(table, question).await,
            None => Ok(0),
        };
    }
    let mut waiting = Waiting::new(question);
    let mut rows = 0;
    while waiting.next(ledger).await?.is_some() {
        rows += 1;
    }
    Ok(rows)
}

fn ask(question: Question, rows: u64) -> OpenAsk {
    let Question { id, version, table, column, question, since, waived, .. } = question;
    let waived = waived.map(|(who, why, since)| Waived { who, why, since: time::timestamp_text(since) });
    let since = time::timestamp_text(since);
    OpenAsk { ask: id, version, table, column: column.name, question, rows, since, waived }
}

fn row(question: &Question, holding: Holding, now: i64) -> AskedRow {
    let since_us = holding.since.unwrap_or(question.since).max(question.since);
    AskedRow {
        table: question.table.clone(),
        key: holding.key_text,
        column: question.column.name.clone(),
        question: question.question.clone(),
        since: time::timestamp_text(since_us),
        since_us,
        age_s: (now - since_us).max(0) / 1_000_000,
    }
}

/// The rows that wait for one question, page by page.
struct Waiting<'q> {
    question: &'q Question,
    page: VecDeque<Holding>,
    after: Option<Vec<Value>>,
    ended: bool,
}

impl<'q> Waiting<'q> {
    fn new(question: &'q Question) -> Self {
        Self { question, page: VecDeque::new(), after: None, ended: false }
    }

    async fn next(&mut self, ledger: &mut SqlLedger) -> Result<Option<Holding>, LedgerError> {
        while self.page.is_empty() && !self.ended {
            let schema = ledger.schema().clone();
            let Some(table) = schema.tables.get(&self.question.table) else { return Ok(None) };
            let page = ledger.holding(table, self.question, self.after.as_deref(), PAGE_ROWS).await?;
            self.ended = page.len() < PAGE_ROWS;
            self.after = page.last().map(|last| last.key.clone());
            // A value that an older version wrote as such is told from the code by what is kept of it.
            let waits = |holding: &Holding| match &self.question.kept {
                Some(cell) => !holding.complement.contains(cell),
                None => true,
            };
            self.page.extend(page.into_iter().filter(waits));
        }
        Ok(self.page.pop_front())
    }
}
