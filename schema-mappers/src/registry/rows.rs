//! Whole rows of a ledger at another version: for reshapes, comparisons, and changes that meet rows.

use journal_core::model::{Change, Row, SchemaVersion, Value};

use super::Registry;
use crate::error::MapError;
use crate::image::Image;
use crate::mapped::MappedRow;
use crate::set::Version;
use crate::step::{Direction, Step};

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
        self.ledger(from)?;
        self.ledger(to)?;
        // Whatever is tied together on the way goes step by step; the rest row by row.
        if self.inner.way(from, to).any(|(newer, _)| self.groups(newer)) {
            let mut rows = rows;
            for (newer, direction) in self.inner.way(from, to) {
                rows = self.rows_through(newer, direction, rows)?;
            }
            return Ok(rows);
        }
        let mut out = Vec::with_capacity(rows.len());
        for MappedRow { table, row, complement } in rows {
            out.extend(self.map_row(from, to, &table, row, complement)?);
        }
        Ok(out)
    }

    fn groups(&self, newer: SchemaVersion) -> bool {
        let step = self.inner.set.version(newer).and_then(Version::step);
        step.is_some_and(|step| !step.groups().is_empty())
    }

    /// Rows through one step.
    fn rows_through(
        &self,
        newer: SchemaVersion,
        direction: Direction,
        rows: Vec<MappedRow>,
    ) -> Result<Vec<MappedRow>, MapError> {
        let below = SchemaVersion(newer.0 - 1);
        let (from, to) = if direction == Direction::Up { (below, newer) } else { (newer, below) };
        let step = self.inner.set.version(newer).and_then(Version::step);
        let mut tied: Vec<Vec<MappedRow>> = Vec::new();
        let groups = step.map(Step::groups).unwrap_or_default();
        tied.resize_with(groups.len(), Vec::new);
        let mut out = Vec::with_capacity(rows.len());
        for row in rows {
            match groups.iter().position(|group| group.leaving(direction).contains(&row.table)) {
                Some(at) => tied[at].push(row),
                None => out.extend(self.map_row(from, to, &row.table, row.row, row.complement)?),
            }
        }
        for (group, rows) in groups.iter().zip(tied) {
            let rows = group.carry_rows(direction, rows);
            let rows = rows.map_err(|reason| MapError::CannotMap { from, to, reason })?;
            out.extend(rows.into_iter().map(|row| self.filled(to, row)).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(out)
    }

    /// A row with NULL in each column that nothing was said about.
    fn filled(&self, version: SchemaVersion, mut row: MappedRow) -> Result<MappedRow, MapError> {
        let table = self.ledger(version)?.tables.get(&row.table);
        for column in table.into_iter().flat_map(|table| &table.columns) {
            if !row.row.contains(&column.name) {
                row.row.set(column.name.clone(), Value::Null);
            }
        }
        Ok(row)
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
        let source = self.ledger(from)?;
        self.ledger(to)?;
        if !source.tables.contains_key(table) {
            return Err(MapError::UnknownTable { version: from, table: table.into() });
        }
        let mut given = complement;
        let images = self.inner.carry(from, to, Image::new(Change::insert(table, row)), &mut given)?;
        let rows = images.into_iter().map(|image| {
            let mut complement = std::mem::take(&mut given);
            image.complement.apply(&mut complement);
            self.filled(to, MappedRow { table: image.change.entity, row: image.change.cells, complement })
        });
        rows.collect()
    }
}
