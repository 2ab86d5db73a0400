//! The record of questions beside a ledger: which are asked at its version, since when, which were given up by whom and
//! why. Changes with the ledger's version, in the same database transaction.

use std::collections::BTreeSet;

use journal_core::codec::json::value_to_json;
use journal_core::model::SchemaVersion;
use journal_core::sql::{Access, Conn, ConnRef, DbUrl, Param, SqlError};
use schema_mappers::{Ask, SchemaSet};

use crate::control::sql::{now, record_action};

const KNOWN: &str = "SELECT ask FROM {d}ask";
const ASK: &str = "INSERT INTO {d}ask (ask, entity, column_name, code, question, kept, version, since) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, {now})";
const ASK_AGAIN: &str = "UPDATE {d}ask SET entity = $2, column_name = $3, code = $4, question = $5, kept = $6 \
     WHERE ask = $1";
const END_NOTES: &str = "DELETE FROM {d}ask_row WHERE ask = $1";
const END_WAIVER: &str = "DELETE FROM {d}ask_waiver WHERE ask = $1";
const END: &str = "DELETE FROM {d}ask WHERE ask = $1";
const CLOSE_NOTES: &str =
    "DELETE FROM {d}ask_row WHERE ask IN (SELECT ask FROM {d}ask WHERE closed = 0 AND version <= $1)";
const CLOSE: &str = "UPDATE {d}ask SET closed = {now} WHERE closed = 0 AND version <= $1";
const FIND: &str =
    "SELECT ask FROM {d}ask WHERE closed = 0 AND entity = $1 AND column_name = $2 ORDER BY version, ask";
const WAIVE: &str = "INSERT INTO {d}ask_waiver (ask, who, why, since) VALUES ($1, $2, $3, {now})";
const WAIVE_AGAIN: &str = "UPDATE {d}ask_waiver SET who = $2, why = $3, since = {now} WHERE ask = $1";

/// Notes which questions a ledger's version asks, in the transaction that brings the ledger there. What was asked before
/// keeps its age; what the version does not ask any more ends, with its waiver. Needs no row: it is as quick on a large
/// ledger as on a small one. The same again changes nothing.
pub async fn arrive(mut conn: ConnRef<'_>, set: &SchemaSet, version: SchemaVersion) -> Result<(), SqlError> {
    let asks = set.asks(version).unwrap_or_default();
    let asked: BTreeSet<&str> = asks.iter().map(|ask| ask.id.as_str()).collect();
    for record in conn.fetch(KNOWN, Vec::new()).await? {
        let known = record.text(0)?;
        if !asked.contains(known.as_str()) {
            for template in [END_NOTES, END_WAIVER, END] {
                conn.execute(template, vec![known.as_str().into()]).await?;
            }
        }
    }
    for Ask { id, since, table, column, code, question, kept } in &asks {
        let params = vec![
            id.as_str().into(),
            table.as_ref().into(),
            column.as_ref().into(),
            value_to_json(code).to_string().into(),
            Param::Text(question.clone()),
            Param::Text(kept.as_ref().map(ToString::to_string)),
        ];
        change_or_insert(&mut conn, ASK_AGAIN, ASK, params, Some(since.0.into())).await?;
    }
    Ok(())
}

/// The one when the row is there, and else the other, with the same parameters and what a new row has besides. No
/// statement that every store has does both.
async fn change_or_insert(
    conn: &mut ConnRef<'_>,
    change: &str,
    insert: &str,
    mut params: Vec<Param>,
    besides: Option<Param>,
) -> Result<(), SqlError> {
    let now = now(conn.dialect());
    if conn.execute(&change.replace("{now}", now), params.clone()).await? == 0 {
        params.extend(besides);
        conn.execute(&insert.replace("{now}", now), params).await?;
    }
    Ok(())
}

/// Ends the questions that version `oldest` and those before it brought, when everything below `oldest` is given up: an
/// ask code is a value from then on. In the caller's transaction. How many ended.
pub async fn close(mut conn: ConnRef<'_>, oldest: SchemaVersion) -> Result<u64, SqlError> {
    conn.execute(CLOSE_NOTES, vec![oldest.0.into()]).await?;
    let template = CLOSE.replace("{now}", now(conn.dialect()));
    conn.execute(&template, vec![oldest.0.into()]).await
}

/// Who gives a question up, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Waiver {
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
}

/// Gives up the questions about a column: rows that hold the code keep it and are still listed, but nothing waits for
/// them. On record, with the action. Waived again, the later reason stands. `false` when nothing is asked of that column.
pub async fn waive(url: &DbUrl, table: &str, column: &str, waiver: &Waiver) -> Result<bool, SqlError> {
    let mut conn = Conn::open(url, Access::Write, "waive").await?;
    conn.begin().await?;
    let waived = waive_in(conn.lend(), table, column, waiver).await;
    match &waived {
        Ok(_) => conn.commit().await?,
        // A failed rollback changes nothing: the connection ends here.
        Err(_) => drop(conn.rollback().await),
    }
    conn.close().await;
    waived
}

async fn waive_in(
    mut conn: ConnRef<'_>,
    table: &str,
    column: &str,
    waiver: &Waiver,
) -> Result<bool, SqlError> {
    let found = conn.fetch(FIND, vec![table.into(), column.into()]).await?;
    for record in &found {
        let params = vec![record.text(0)?.into(), waiver.who.as_str().into(), waiver.why.as_str().into()];
        change_or_insert(&mut conn, WAIVE_AGAIN, WAIVE, params, None).await?;
    }
    if !found.is_empty() {
        record_action(conn, &waiver.who, &format!("waive ask {table}.{column}"), &waiver.why).await?;
    }
    Ok(!found.is_empty())
}
