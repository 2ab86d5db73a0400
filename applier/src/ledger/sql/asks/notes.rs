//! What becomes of the notes of a set's rows: statements after the set's own. A change that has to see its row to tell is in
//! no set.

use journal_core::codec::payload::key_text;
use journal_core::sql::{Dialect, Param};

use super::{Question, is_noted};
use crate::control::sql::now;
use crate::ledger::sets::{Action, Set};
use crate::ledger::sql::statement::{Statement, of_lists};

/// The rows of a set that hold a code afterwards, and those that do not; their keys, as JSON arrays.
#[derive(Debug, Default)]
pub(in crate::ledger::sql) struct Told {
    pub(in crate::ledger::sql) holding: Vec<String>,
    pub(in crate::ledger::sql) others: Vec<String>,
}

/// What a set tells of a column that is asked for; nothing where it leaves the column as it is.
pub(in crate::ledger::sql) fn told(set: &Set<'_>, question: &Question) -> Told {
    let column = &question.column.name;
    match &set.action {
        Action::Update { sets, .. } | Action::Upsert { sets } if !sets.contains(column) => {
            return Told::default();
        }
        _ => {}
    }
    let mut told = Told::default();
    for row in &set.rows {
        let holds = set.action == Action::Insert && row.cells.get(column) == Some(&question.code);
        let keys = if holds { &mut told.holding } else { &mut told.others };
        keys.push(key_text(&row.key));
    }
    told
}

/// The statements, on PostgreSQL and MariaDB. `noted` says whether any row has a note.
pub(in crate::ledger::sql) fn statements(
    dialect: Dialect,
    set: &Set<'_>,
    question: &Question,
    noted: &mut bool,
) -> impl Iterator<Item = Statement> {
    let Told { mut holding, others } = told(set, question);
    holding.retain(|key| is_noted(dialect, key));
    let lists = |keys: Vec<String>, text: String| {
        let ask = Param::from(question.id.as_str());
        (!keys.is_empty()).then(|| of_lists(dialect, set.table, &text, ask, vec![keys]))
    };
    let forget = if *noted { lists(others, forget_all(dialect)) } else { None };
    *noted |= !holding.is_empty();
    forget.into_iter().chain(lists(holding, note_all(dialect)))
}

fn note_all(dialect: Dialect) -> String {
    let now = now(dialect);
    match dialect {
        Dialect::Sqlite | Dialect::Postgres => format!(
            "INSERT INTO {{d}}ask_row (ask, row_key, since) SELECT $1, s.row_key, {now} \
             FROM unnest($2::text[]) AS s(row_key) ON CONFLICT (ask, row_key) DO UPDATE SET since = excluded.since"
        ),
        Dialect::MariaDb => format!(
            "INSERT INTO {{d}}ask_row (ask, row_key, since) SELECT $1, s.row_key, {now} \
             FROM json_table($2, '$[*]' COLUMNS (row_key LONGTEXT CHARACTER SET utf8mb4 COLLATE {{bytewise}} \
             PATH '$[0]')) AS s ON DUPLICATE KEY UPDATE since = VALUES(since)"
        ),
    }
}

fn forget_all(dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite | Dialect::Postgres => {
            "DELETE FROM {d}ask_row WHERE ask = $1 AND row_key = ANY($2::text[])".to_owned()
        }
        Dialect::MariaDb => {
            "DELETE n FROM json_table($2, '$[*]' COLUMNS (row_key LONGTEXT CHARACTER SET utf8mb4 \
             COLLATE {bytewise} PATH '$[0]')) AS s STRAIGHT_JOIN {d}ask_row AS n \
             ON n.ask = $1 AND n.row_key = s.row_key"
                .to_owned()
        }
    }
}
