//! References between tables while rows move: off during the move, checked once at its end. In SQLite they are off for
//! the connection; in PostgreSQL they are constraints that go and come back.

use journal_core::model::Name;
use journal_core::sql::{Dialect, SqlClass, SqlError, quote};

use super::reshape::ReshapeError;
use crate::ledger::Ledger as _;
use crate::ledger::sql::SqlLedger;

const POSTGRES_REFERENCES: &str = "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint \
     WHERE contype = 'f' AND conrelid = to_regclass($1) ORDER BY conname";

/// A foreign key that is taken off while rows move: they come in the order of keys, which for a table that refers to
/// itself is not that of parents, and one check of all is quicker than one a row.
pub(super) struct Reference {
    table: Name,
    name: String,
    definition: String,
}

/// Takes every reference of the new tables off, where rows that move would be checked one by one.
pub(super) async fn take_off(ledger: &mut SqlLedger) -> Result<Vec<Reference>, SqlError> {
    let mut taken = Vec::new();
    if ledger.conn().dialect() == Dialect::Sqlite {
        return Ok(taken);
    }
    let tables: Vec<Name> = ledger.schema().tables.keys().cloned().collect();
    for table in tables {
        let found = ledger.conn().fetch(POSTGRES_REFERENCES, vec![quote(&table).into()]).await?;
        for record in found {
            let reference =
                Reference { table: table.clone(), name: record.text(0)?, definition: record.text(1)? };
            let drop = format!("ALTER TABLE {} DROP CONSTRAINT {}", quote(&table), quote(&reference.name));
            ledger.conn().ddl(&drop).await?;
            taken.push(reference);
        }
    }
    Ok(taken)
}

/// Puts references back, which checks all rows at once.
pub(super) async fn put_back(ledger: &mut SqlLedger, references: &[Reference]) -> Result<(), ReshapeError> {
    for Reference { table, name, definition } in references {
        let add = format!("ALTER TABLE {} ADD CONSTRAINT {} {definition}", quote(table), quote(name));
        ledger.conn().ddl(&add).await.map_err(|error| match error.class {
            SqlClass::Constraint(_) => {
                let parent = definition.split("REFERENCES ").nth(1).unwrap_or(definition).to_owned();
                ReshapeError::Orphan { table: table.to_string(), parent }
            }
            _ => error.into(),
        })?;
    }
    Ok(())
}

/// Checks all references of the database.
pub(super) async fn check(ledger: &mut SqlLedger) -> Result<(), ReshapeError> {
    if ledger.conn().dialect() == Dialect::Postgres {
        return Ok(()); // Checked when they were put back.
    }
    match ledger.conn().fetch_optional("PRAGMA foreign_key_check", Vec::new()).await? {
        None => Ok(()),
        Some(record) => Err(ReshapeError::Orphan { table: record.text(0)?, parent: record.text(2)? }),
    }
}
