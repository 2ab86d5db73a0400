//! Ask codes as changes pass: notes, in the change's own transaction, since when a row holds a code. What waits is told by
//! the ledger's rows alone; these notes give only its age. Tables in which nothing is asked pay nothing.

mod holding;
mod notes;

use std::collections::BTreeMap;
use std::sync::Arc;

use journal_core::model::{Change, Column, Name, Op, Row, Schema, Value};
use journal_core::sql::{ConnRef, Dialect, Param, SqlError};

use super::SqlLedger;
use super::apply::Work;
use crate::control::sql::now;
use crate::ledger::{LedgerChange, LedgerError};

pub(crate) use holding::Holding;
pub(super) use notes::{statements, told};

const QUESTIONS: &str = "SELECT q.ask, q.version, q.entity, q.column_name, q.code, q.question, q.kept, q.since, \
     w.who, w.why, w.since FROM {d}ask q LEFT JOIN {d}ask_waiver w ON w.ask = q.ask WHERE q.closed = 0 \
     ORDER BY q.version, q.ask";
const ANY_NOTE: &str = "SELECT 1 FROM {d}ask_row LIMIT 1";
const NEW_NOTE: &str = "INSERT INTO {d}ask_row (ask, row_key, since) VALUES ($1, $2, {now})";
/// Characters of a key in a note on MariaDB. A longer one has none: its row counts from the question's beginning.
const NOTED_KEY_MAX: usize = 500;
const FORGET: &str = "DELETE FROM {d}ask_row WHERE ask = $1 AND row_key = $2";
const MOVE: &str = "UPDATE {d}ask_row SET row_key = $3 WHERE ask = $1 AND row_key = $2";

/// Whether a database holds a note under a key.
pub(crate) fn is_noted(dialect: Dialect, key: &str) -> bool {
    dialect != Dialect::MariaDb || key.chars().count() <= NOTED_KEY_MAX
}

/// A question that the ledger's version asks, as it stands beside the ledger.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    /// What names it for ever.
    pub(crate) id: String,
    /// The version that brought it.
    pub(crate) version: i64,
    /// The table, as the ledger names it.
    pub(crate) table: Name,
    /// The column.
    pub(crate) column: Column,
    /// The code.
    pub(crate) code: Value,
    /// What to ask the user.
    pub(crate) question: Option<String>,
    /// The complement cell that tells a value from the code.
    pub(crate) kept: Option<Name>,
    /// Since when it is asked here, microseconds.
    pub(crate) since: i64,
    /// Who gave it up, why, and when.
    pub(crate) waived: Option<(String, String, i64)>,
}

/// The open questions of a ledger at `schema`, in the order in which versions brought them. One that is about no column
/// of the ledger is passed over: the queue is for people, and posting must not stop for it.
pub(crate) async fn questions(mut conn: ConnRef<'_>, schema: &Schema) -> Result<Vec<Question>, LedgerError> {
    let mut all = Vec::new();
    for record in conn.fetch(QUESTIONS, Vec::new()).await? {
        let (id, table, column) = (record.text(0)?, record.text(2)?, record.text(3)?);
        let known = schema.tables.get(table.as_str()).and_then(|table| table.column(&column));
        let code = record.text(4)?;
        let read = known.cloned().and_then(|column| {
            let json = serde_json::from_str(&code).ok()?;
            let code = column.ty.read_json(&json)?;
            Some((column, code))
        });
        let Some((column, code)) = read else {
            tracing::warn!(question = %id, "it is about no column of the ledger");
            continue;
        };
        let waived = match record.opt_text(8)? {
            Some(who) => Some((who, record.text(9)?, record.i64(10)?)),
            None => None,
        };
        let (version, since) = (record.i64(1)?, record.i64(7)?);
        let (question, kept) = (record.opt_text(5)?, record.opt_text(6)?.map(Name::from));
        all.push(Question { id, version, table: table.into(), column, code, question, kept, since, waived });
    }
    Ok(all)
}

/// What the ledger's tables are asked, for the changes that pass. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Asks {
    tables: Arc<BTreeMap<Name, Arc<[Question]>>>,
    /// Whether any row has a note; without, none needs to be taken out.
    pub(super) noted: bool,
}

impl Asks {
    pub(super) async fn load(mut conn: ConnRef<'_>, schema: &Schema) -> Result<Self, LedgerError> {
        let mut tables: BTreeMap<Name, Vec<Question>> = BTreeMap::new();
        for question in questions(conn.lend(), schema).await? {
            tables.entry(question.table.clone()).or_default().push(question);
        }
        let noted = conn.fetch_optional(ANY_NOTE, Vec::new()).await?.is_some();
        let tables = tables.into_iter().map(|(table, all)| (table, all.into())).collect();
        Ok(Self { tables: Arc::new(tables), noted })
    }

    pub(super) fn of(&self, table: &Name) -> Option<Arc<[Question]>> {
        self.tables.get(table).cloned()
    }

    /// Whether what a change makes of a note depends on the row that stands there by then.
    pub(super) fn depend_on_the_row(&self, image: &LedgerChange) -> bool {
        let Some(questions) = self.tables.get(&image.change.entity) else { return false };
        let new = image.if_new.as_ref().map(|new| &new.row);
        let depends =
            |asked: &Question| says(&image.change, new, &asked.column.name, &asked.code) == Says::Depends;
        questions.iter().any(depends)
    }
}

/// What a change says of a column that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// Nothing: the cell stays.
    Nothing,
    /// The row holds the code afterwards, or does not, whatever was there.
    Holds(bool),
    /// It depends on the row that stands there.
    Depends,
}

fn says(change: &Change, new: Option<&Row>, column: &Name, code: &Value) -> Says {
    let cell = change.cells.get(column);
    match change.op {
        Op::Insert => Says::Holds(cell == Some(code)),
        Op::Delete => Says::Holds(false),
        // One that held it already holds it since then.
        Op::Update if cell == Some(code) => Says::Depends,
        Op::Update if cell.is_some() => Says::Holds(false),
        Op::Upsert if cell.is_some() || new.is_some_and(|row| row.contains(column)) => Says::Depends,
        Op::Add if cell.is_some() => Says::Depends,
        Op::Update | Op::Upsert | Op::Add | Op::Call => Says::Nothing,
    }
}

impl SqlLedger {
    /// Carries a change out on a table with questions, and notes what becomes of them.
    pub(super) async fn apply_noting(
        &mut self,
        work: &Work<'_>,
        questions: &[Question],
    ) -> Result<(), LedgerError> {
        let image = work.image;
        let new = image.if_new.as_ref().map(|new| &new.row);
        let mut told = Vec::with_capacity(questions.len());
        for question in questions {
            let says = says(&image.change, new, &question.column.name, &question.code);
            let held = says == Says::Depends && self.holds(work, question).await?;
            told.push((question, says, held));
        }
        self.carry_out(work).await?;
        let after = Work { key: work.key_after(), ..*work };
        for (question, says, held) in told {
            self.move_note(question, work, &after).await?;
            let holds = match says {
                Says::Nothing => continue,
                Says::Holds(holds) => holds,
                Says::Depends => self.holds(&after, question).await?,
            };
            match (held, holds) {
                (true, true) => {}
                (false, true) => self.note(question, &after.key_text()).await?,
                (_, false) => self.forget(question, &after.key_text()).await?,
            }
        }
        Ok(())
    }

    async fn holds(&mut self, work: &Work<'_>, question: &Question) -> Result<bool, LedgerError> {
        let code = Row::new().with(question.column.name.clone(), question.code.clone());
        self.finds(work, &code).await
    }

    pub(super) async fn note(&mut self, question: &Question, key: &str) -> Result<(), SqlError> {
        if !is_noted(self.dialect(), key) {
            return Ok(());
        }
        let again = match self.dialect() {
            Dialect::Sqlite | Dialect::Postgres => {
                "ON CONFLICT (ask, row_key) DO UPDATE SET since = excluded.since"
            }
            Dialect::MariaDb => "ON DUPLICATE KEY UPDATE since = VALUES(since)",
        };
        let template = format!("{NEW_NOTE} {again}").replace("{now}", now(self.dialect()));
        self.conn.lend().execute(&template, vec![question.id.as_str().into(), key.into()]).await?;
        self.asks.noted = true;
        Ok(())
    }

    pub(super) async fn forget(&mut self, question: &Question, key: &str) -> Result<(), SqlError> {
        if self.asks.noted {
            let params = vec![question.id.as_str().into(), key.into()];
            self.conn.lend().execute(FORGET, params).await?;
        }
        Ok(())
    }

    async fn move_note(
        &mut self,
        question: &Question,
        from: &Work<'_>,
        to: &Work<'_>,
    ) -> Result<(), SqlError> {
        if self.asks.noted && from.key != to.key {
            let (from, to) = (from.key_text(), to.key_text());
            self.forget(question, &to).await?;
            if !is_noted(self.dialect(), &to) {
                return self.forget(question, &from).await;
            }
            let params = vec![question.id.as_str().into(), from.into(), Param::from(to)];
            self.conn.lend().execute(MOVE, params).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_change_says_of_a_code_is_seen_without_the_row_where_it_can_be() {
        let (column, code) = (Name::from("size"), Value::from(-1));
        let row = |value: i64| Row::new().with("size", value);
        let key = || Row::new().with("id", 1);
        let say = |change: Change, new: Option<&Row>| says(&change, new, &column, &code);
        assert_eq!(say(Change::insert("t", row(-1)), None), Says::Holds(true));
        assert_eq!(say(Change::insert("t", row(7)), None), Says::Holds(false));
        assert_eq!(say(Change::insert("t", key()), None), Says::Holds(false));
        assert_eq!(say(Change::delete("t", key()), None), Says::Holds(false));
        assert_eq!(say(Change::update("t", key(), row(7)), None), Says::Holds(false));
        assert_eq!(say(Change::update("t", key(), row(-1)), None), Says::Depends);
        assert_eq!(say(Change::update("t", key(), key()), None), Says::Nothing);
        assert_eq!(say(Change::upsert("t", key()), Some(&row(-1))), Says::Depends);
        assert_eq!(say(Change::upsert("t", key()), None), Says::Nothing);
        assert_eq!(say(Change::add("t", key(), row(8)), None), Says::Depends);
    }
}
