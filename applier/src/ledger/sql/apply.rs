//! Carrying out changes, one prepared statement a row. Each statement says how many rows it must touch; when it touched
//! another number, a look tells why.

use std::sync::Arc;

use journal_core::codec::payload::key_text;
use journal_core::model::{Change, Name, Op, Row, Schema, Table, Value};
use journal_core::sql::{Dialect, Param, SqlError};

use super::rows::key_params;
use super::text::Verb;
use super::values::{bind, read};
use super::{SqlLedger, fault, own_parent};
use crate::ledger::fit::{self, Misfit};
use crate::ledger::{Fault, LedgerChange, LedgerError};

/// A change with what is known of it: its table, its row's key, and the schema for the words of a fault.
pub(super) struct Work<'a> {
    pub(super) schema: &'a Schema,
    pub(super) table: &'a Table,
    pub(super) key: Vec<Value>,
    pub(super) image: &'a LedgerChange,
}

impl Work<'_> {
    fn change(&self) -> &Change {
        &self.image.change
    }

    fn fault(&self, fault: Fault, why: impl Into<String>) -> LedgerError {
        Misfit::new(fault, why).at(self.table, &self.key)
    }

    pub(super) fn refused(&self, error: SqlError) -> LedgerError {
        fault::of_change(error, self.schema, self.table, &self.key, self.change())
    }

    /// The key the row has once the change is made.
    pub(super) fn key_after(&self) -> Vec<Value> {
        let names = self.table.key.iter();
        let after =
            names.zip(&self.key).map(|(name, old)| self.change().cells.get(name).unwrap_or(old).clone());
        after.collect()
    }

    /// The key as a JSON array.
    pub(super) fn key_text(&self) -> String {
        key_text(&self.key)
    }

    /// The cells of an upsert outside the key: what it sets where the row stands.
    fn sets(&self) -> Row {
        let outside = |(name, _): &(&Name, &Value)| !self.table.key.contains(name);
        self.change()
            .cells
            .iter()
            .filter(outside)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

impl SqlLedger {
    /// Applies one change with its complement.
    pub(super) async fn apply_one(
        &mut self,
        schema: &Schema,
        image: &LedgerChange,
    ) -> Result<(), LedgerError> {
        let (table, key) = fit::check(schema, image)?;
        let work = Work { schema, table, key, image };
        match self.asks.of(&table.name) {
            None => self.carry_out(&work).await,
            Some(questions) => self.apply_noting(&work, &questions).await,
        }
    }

    /// Carries one change out, and what it does to its row's complement.
    pub(super) async fn carry_out(&mut self, work: &Work<'_>) -> Result<(), LedgerError> {
        let (table, image) = (work.table, work.image);
        match work.change().op {
            Op::Insert => {
                self.insert(work, &work.change().cells).await?;
                self.begin_complement(&table.name, &work.key, &image.complement.set).await
            }
            Op::Upsert => self.upsert(work).await,
            Op::Update => {
                let change = work.change();
                self.update(work, &change.cells).await?;
                let after = work.key_after();
                self.move_complement(&table.name, &work.key, &after).await?;
                self.change_complement(&table.name, &after, &image.complement).await
            }
            Op::Delete => {
                self.delete(work).await?;
                self.end_complement(&table.name, &work.key).await.map_err(Into::into)
            }
            Op::Add => {
                match self.dialect() {
                    Dialect::Postgres | Dialect::MariaDb => self.add_there(work).await?,
                    Dialect::Sqlite => self.add_here(work).await?,
                }
                self.change_complement(&table.name, &work.key, &image.complement).await
            }
            Op::Call => Err(work.fault(Fault::Unfit, "a call is no change of a row")),
        }
    }

    async fn insert(&mut self, work: &Work<'_>, row: &Row) -> Result<(), LedgerError> {
        let text = self.texts.get(Verb::Insert, work.table, no_names(), no_names());
        let params = self.row_params(work, row)?;
        self.write(work, &text, params).await?;
        Ok(())
    }

    async fn upsert(&mut self, work: &Work<'_>) -> Result<(), LedgerError> {
        let (table, image) = (work.table, work.image);
        let sets = work.sets();
        let Some(new) = &image.if_new else {
            match self.dialect() {
                Dialect::Sqlite | Dialect::Postgres => {
                    let text = self.texts.get(Verb::Upsert, table, sets.names(), no_names());
                    let params = self.row_params(work, &work.change().cells)?;
                    self.write(work, &text, params).await?;
                }
                // Its own upsert takes the row of any unique key for the one that is meant.
                Dialect::MariaDb => {
                    if !self.touch(work, &sets, &Row::new()).await? {
                        self.insert(work, &work.change().cells).await?;
                    }
                }
            }
            return self.change_complement(&table.name, &work.key, &image.complement).await;
        };
        // Two things to do, by whether the row stands: the posting transaction is the only writer, so looking first
        // is safe.
        if self.touch(work, &sets, &Row::new()).await? {
            return self.change_complement(&table.name, &work.key, &image.complement).await;
        }
        self.insert(work, &new.row).await?;
        self.begin_complement(&table.name, &work.key, &new.complement).await
    }

    async fn update(&mut self, work: &Work<'_>, cells: &Row) -> Result<(), LedgerError> {
        if self.touch(work, cells, &work.change().expect).await? {
            return Ok(());
        }
        Err(self.why_untouched(work).await?)
    }

    async fn delete(&mut self, work: &Work<'_>) -> Result<(), LedgerError> {
        let expect = &work.change().expect;
        let text = self.texts.get(Verb::Delete, work.table, no_names(), expect.names());
        let params = self.params(work, &Row::new(), expect)?;
        if self.write(work, &text, params).await? == 1 {
            return Ok(());
        }
        Err(self.why_untouched(work).await?)
    }

    /// Sets the cells of the row, or only looks for it where there are none. Whether it is there as expected.
    async fn touch(&mut self, work: &Work<'_>, cells: &Row, expect: &Row) -> Result<bool, LedgerError> {
        if cells.is_empty() {
            return self.finds(work, expect).await;
        }
        let text = self.texts.get(Verb::Update, work.table, cells.names(), expect.names());
        let params = self.params(work, cells, expect)?;
        Ok(self.write(work, &text, params).await? == 1)
    }

    pub(super) async fn finds(&mut self, work: &Work<'_>, expect: &Row) -> Result<bool, LedgerError> {
        let text = self.texts.get(Verb::Find, work.table, no_names(), expect.names());
        let params = self.params(work, &Row::new(), expect)?;
        let found =
            self.conn.lend().fetch_optional(&text, params).await.map_err(|error| work.refused(error))?;
        Ok(found.is_some())
    }

    /// The fault of a change that touched no row.
    async fn why_untouched(&mut self, work: &Work<'_>) -> Result<LedgerError, LedgerError> {
        if work.change().expect.is_empty() || !self.finds(work, &Row::new()).await? {
            return Ok(work.fault(Fault::MissingRow, "the row is not there"));
        }
        let names: Vec<&str> = work.change().expect.names().map(AsRef::as_ref).collect();
        let why = format!("the row does not hold the expected values of {}", names.join(", "));
        Ok(work.fault(Fault::UnexpectedRow, why))
    }

    /// Adds in the database.
    async fn add_there(&mut self, work: &Work<'_>) -> Result<(), LedgerError> {
        let deltas = &work.change().cells;
        let text = self.texts.get(Verb::Add, work.table, deltas.names(), no_names());
        let params = self.params(work, deltas, &Row::new())?;
        if self.write(work, &text, params).await? == 1 {
            return Ok(());
        }
        if self.finds(work, &Row::new()).await? {
            Err(work.fault(Fault::OutOfRange, fit::DELTA_ON_NULL))
        } else {
            Err(work.fault(Fault::MissingRow, "the row is not there"))
        }
    }

    /// Adds here: SQLite knows no exact decimals, and its whole numbers turn into floats when they overflow. The
    /// transaction holds the one writer lock, so what was read still stands when the sum is written.
    async fn add_here(&mut self, work: &Work<'_>) -> Result<(), LedgerError> {
        let deltas = &work.change().cells;
        let text = self.texts.get(Verb::Read, work.table, deltas.names(), no_names());
        let params = self.params(work, &Row::new(), &Row::new())?;
        let found =
            self.conn.lend().fetch_optional(&text, params).await.map_err(|error| work.refused(error))?;
        let Some(record) = found else { return Err(work.fault(Fault::MissingRow, "the row is not there")) };
        let mut sums = Row::new();
        for (at, (name, delta)) in deltas.iter().enumerate() {
            let Some(column) = work.table.column(name) else { continue };
            let base = read(self.dialect(), column, &record, at).map_err(|error| work.refused(error))?;
            let sum =
                fit::sum(column.ty, name, &base, delta).map_err(|misfit| misfit.at(work.table, &work.key))?;
            sums.set(name.clone(), sum);
        }
        self.update(work, &sums).await
    }

    async fn write(
        &mut self,
        work: &Work<'_>,
        text: &Arc<str>,
        params: Vec<Param>,
    ) -> Result<u64, LedgerError> {
        if self.dialect() == Dialect::MariaDb && own_parent::may_be(work) {
            return self.write_own_parent(work, text, params).await;
        }
        self.conn.lend().execute(text, params).await.map_err(|error| work.refused(error))
    }

    /// Parameters in the order of the texts: cells, key, expected values.
    fn params(&self, work: &Work<'_>, cells: &Row, expect: &Row) -> Result<Vec<Param>, LedgerError> {
        let mut params = self.cell_params(work, cells)?;
        params.extend(key_params(self.dialect(), work.table, &work.key)?);
        params.extend(self.cell_params(work, expect)?);
        Ok(params)
    }

    fn cell_params(&self, work: &Work<'_>, cells: &Row) -> Result<Vec<Param>, LedgerError> {
        let known = cells.iter().filter_map(|(name, value)| Some((work.table.column(name)?, value)));
        let bound = known.map(|(column, value)| bind(self.dialect(), column, value));
        bound.collect::<Result<_, _>>().map_err(|misfit| misfit.at(work.table, &work.key))
    }

    /// Parameters of all columns in the table's order. An absent cell is NULL, not a default of the database's: each
    /// site would have its own.
    fn row_params(&self, work: &Work<'_>, row: &Row) -> Result<Vec<Param>, LedgerError> {
        let columns = work.table.columns.iter();
        let bound =
            columns.map(|column| bind(self.dialect(), column, row.get(&column.name).unwrap_or(&Value::Null)));
        bound.collect::<Result<_, _>>().map_err(|misfit| misfit.at(work.table, &work.key))
    }
}

fn no_names() -> std::iter::Empty<&'static Name> {
    std::iter::empty()
}
