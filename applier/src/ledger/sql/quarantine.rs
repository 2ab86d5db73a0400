//! The quarantine table: transactions put aside and how that ended.

use journal_core::model::{SealNr, TransNr, TransactionId};
use journal_core::sql::{ConnRef, Constraint, Param, Record, SqlClass, SqlError};

use super::posted::{origin_params, read_origin};
use super::{SqlLedger, text};
use crate::control::sql::now;
use crate::ledger::{Asked, Fault, LedgerError, Quarantined, Release};

fn id_params(id: &TransactionId) -> Vec<Param> {
    let mut params = origin_params(&id.origin);
    params.push(id.trans_nr.0.into());
    params
}

/// Why a transaction is held, as parameters.
fn reason_params(transaction: &Quarantined) -> [Param; 3] {
    let Quarantined { fault, detail, depends_on, .. } = transaction;
    let depends_on = depends_on.as_ref().map(ToString::to_string);
    [fault.code().into(), detail.as_str().into(), Param::Text(depends_on)]
}

impl SqlLedger {
    pub(super) async fn quarantine_in(&mut self, transaction: &Quarantined) -> Result<(), LedgerError> {
        let mut params = id_params(&transaction.id);
        params.push(transaction.seal_nr.0.into());
        params.extend(reason_params(transaction));
        match self.execute_now(text::QUARANTINE, params).await {
            Ok(_) => Ok(()),
            Err(error) if error.class == SqlClass::Constraint(Constraint::Unique) => {
                let id = &transaction.id;
                Err(LedgerError::Damaged(format!("{id} was in quarantine before; that cannot begin again")))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn hold_again_in(
        &mut self,
        transaction: &Quarantined,
        asked: Asked,
    ) -> Result<bool, LedgerError> {
        let mut params = id_params(&transaction.id);
        params.extend(reason_params(transaction));
        params.push(asked.state().into());
        Ok(self.execute_now(text::HOLD_AGAIN, params).await? == 1)
    }

    pub(super) async fn release_in(
        &mut self,
        id: &TransactionId,
        asked: Asked,
        outcome: Release,
    ) -> Result<bool, LedgerError> {
        let state = match outcome {
            Release::Posted => "posted",
            Release::Discarded => "discarded",
        };
        let mut params = id_params(id);
        params.extend([asked.state().into(), state.into()]);
        Ok(self.conn.lend().execute(text::RELEASE, params).await? == 1)
    }

    async fn execute_now(&mut self, template: &str, params: Vec<Param>) -> Result<u64, SqlError> {
        let template = template.replace("{now}", now(self.dialect()));
        self.conn.lend().execute(&template, params).await
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
    let asked = Asked::from_state(&record.text(7)?).ok_or_else(|| damaged("an unknown state"))?;
    let transaction = Quarantined {
        id: TransactionId { origin, trans_nr: TransNr(record.i64(2)?) },
        seal_nr: SealNr(record.i64(3)?),
        fault,
        detail: record.text(5)?,
        depends_on: depends_on.map_err(|_| damaged("an unreadable transaction it depends on"))?,
    };
    Ok((transaction, asked))
}
