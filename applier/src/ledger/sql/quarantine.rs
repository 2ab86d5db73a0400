//! The quarantine table: transactions put aside and how that ended.

use journal_core::model::{SealNr, TransNr, TransactionId};
use journal_core::sql::{ConnRef, Constraint, Dialect, Param, Record, SqlClass, SqlError};

use super::{SqlLedger, origin_params, read_origin, text};
use crate::control::sql::now;
use crate::ledger::{Asked, Fault, LedgerError, Quarantined, Release};

fn id_params(id: &TransactionId) -> Vec<Param> {
    let mut params = origin_params(&id.origin);
    params.push(id.trans_nr.0.into());
    params
}

impl SqlLedger {
    pub(super) async fn quarantine_in(&mut self, transaction: &Quarantined) -> Result<(), LedgerError> {
        let Quarantined { id, seal_nr, fault, detail, depends_on } = transaction;
        let mut params = id_params(id);
        params.extend([
            seal_nr.0.into(),
            fault.code().into(),
            detail.as_str().into(),
            Param::Text(depends_on.as_ref().map(ToString::to_string)),
        ]);
        match self.hold(params).await? {
            1 => Ok(()),
            _ => {
                Err(LedgerError::Damaged(format!("the quarantine of {id} has ended; it cannot begin again")))
            }
        }
    }

    async fn hold(&mut self, params: Vec<Param>) -> Result<u64, SqlError> {
        let dialect = self.dialect();
        let template = |text: &str| text.replace("{now}", now(dialect));
        let mut conn = self.conn.lend();
        match dialect {
            Dialect::Sqlite | Dialect::Postgres => conn.execute(&template(text::QUARANTINE), params).await,
            Dialect::MariaDb => {
                if conn.execute(&template(text::QUARANTINE_AGAIN), params.clone()).await? == 1 {
                    return Ok(1);
                }
                match conn.execute(&template(text::QUARANTINE_NEW), params).await {
                    Err(error) if error.class == SqlClass::Constraint(Constraint::Unique) => Ok(0),
                    written => written,
                }
            }
        }
    }

    pub(super) async fn release_in(
        &mut self,
        id: &TransactionId,
        outcome: Release,
    ) -> Result<(), LedgerError> {
        let state = match outcome {
            Release::Posted => "posted",
            Release::Discarded => "discarded",
        };
        let mut params = id_params(id);
        params.push(state.into());
        match self.conn.lend().execute(text::RELEASE, params).await? {
            1 => Ok(()),
            _ => Err(LedgerError::Damaged(format!("{id} is not in quarantine"))),
        }
    }
}

/// What is in quarantine at a site, in the order of arrival, with what an operator asked for.
pub(crate) async fn load_quarantined(
    mut conn: ConnRef<'_>,
) -> Result<Vec<(Quarantined, Asked)>, LedgerError> {
    let records = conn.fetch(text::QUARANTINED, Vec::new()).await?;
    records.iter().map(read_quarantined).collect()
}

fn read_quarantined(record: &Record) -> Result<(Quarantined, Asked), LedgerError> {
    let damaged = |what: &str| LedgerError::Damaged(format!("a row of the quarantine has {what}"));
    let origin = read_origin(&record.text(0)?, record.i64(1)?)?;
    let fault = Fault::from_code(&record.text(4)?).ok_or_else(|| damaged("an unknown code"))?;
    let depends_on = record.opt_text(6)?.map(|id| id.parse()).transpose();
    let asked = match record.text(7)?.as_str() {
        "held" => Asked::Nothing,
        "retry" => Asked::Retry,
        "discard" => Asked::Discard,
        _ => return Err(damaged("an unknown state")),
    };
    let transaction = Quarantined {
        id: TransactionId { origin, trans_nr: TransNr(record.i64(2)?) },
        seal_nr: SealNr(record.i64(3)?),
        fault,
        detail: record.text(5)?,
        depends_on: depends_on.map_err(|_| damaged("an unreadable transaction it depends on"))?,
    };
    Ok((transaction, asked))
}
