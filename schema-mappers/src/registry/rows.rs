//! Whole rows of a ledger at another version: for reshapes, comparisons, and changes that meet rows.

use journal_core::model::{Change, Row, SchemaVersion, Value};

use super::Registry;
use crate::error::MapError;
use crate::image::Image;
use crate::mapped::MappedRow;

impl Registry {
    /// Whole rows of a ledger at version `from`, with their complements, as they are at another version. Rows that belong
    /// together (a root row and its members, see [`Registry::feeds`]) must be given together; rows of several roots may
    /// be. Cells of steps that are not on the way are passed on.
    ///
    /// # Errors
    /// See [`MapError`].
    pub fn map_rows(
        &self,
        from: SchemaVersion,
        to: SchemaVersion,
        rows: Vec<MappedRow>,
    ) -> Result<Vec<MappedRow>, MapError> {
        if from == to {
            return Ok(rows);
        }
        let mut out = Vec::with_capacity(rows.len());
        for MappedRow { table, row, complement } in rows {
            out.extend(self.map_row(from, to, &table, row, complement)?);
        }
        Ok(out)
    }

    /// One row whose table belongs to no other on the way. One row, unless a mapper in Rust makes more or fewer of it.
    ///
    /// # Errors
    /// See [`MapError`].
    pub fn map_row(
        &self,
        from: SchemaVersion,
        to: SchemaVersion,
        table: &str,
        row: Row,
        complement: Row,
    ) -> Result<Vec<MappedRow>, MapError> {
        let (source, target) = (self.ledger(from)?, self.ledger(to)?);
        if !source.tables.contains_key(table) {
            return Err(MapError::UnknownTable { version: from, table: table.into() });
        }
        let mut given = complement;
        let images = self.inner.carry(from, to, Image::new(Change::insert(table, row)), &mut given)?;
        let rows = images.into_iter().map(|image| {
            let mut complement = std::mem::take(&mut given);
            image.complement.apply(&mut complement);
            let mut row = image.change.cells;
            let table = target.tables.get(&image.change.entity);
            for column in table.into_iter().flat_map(|table| &table.columns) {
                if !row.contains(&column.name) {
                    row.set(column.name.clone(), Value::Null);
                }
            }
            MappedRow { table: image.change.entity, row, complement }
        });
        Ok(rows.collect())
    }
}
