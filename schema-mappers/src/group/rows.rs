//! Rows on their way through a group: column operations row by row, structures on all of them.

use journal_core::model::{Change, Name, Op, Row, Value};

use super::{GroupStep, Stage};
use crate::error::CannotMap;
use crate::image::Image;
use crate::mapped::MappedRow;
use crate::ops::Operation;
use crate::step::Direction;

/// A row within a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupRow {
    pub(crate) table: Name,
    pub(crate) row: Row,
    /// What was kept of it before this step; each operation takes out what is its own.
    pub(crate) given: Row,
    /// What this step keeps of it.
    pub(crate) kept: Row,
}

impl GroupRow {
    pub(crate) fn new(table: Name, row: Row) -> Self {
        Self { table, row, given: Row::new(), kept: Row::new() }
    }

    /// Takes a column out; one that nothing was said about is NULL.
    pub(crate) fn take(&mut self, column: &Name) -> Value {
        self.row.remove(column).unwrap_or(Value::Null)
    }

    /// Takes all kept cells out, those from before and those of this step.
    pub(crate) fn take_cells(&mut self) -> Row {
        let mut cells = std::mem::take(&mut self.given);
        cells.extend(std::mem::take(&mut self.kept));
        cells
    }

    /// Keeps another row's cells, under a prefix.
    pub(crate) fn wrap(&mut self, prefix: &str, cells: Row) {
        self.kept.extend(cells.iter().map(|(name, value)| (format!("{prefix}{name}").into(), value.clone())));
    }

    /// Takes out what was kept under a prefix, under its own names.
    pub(crate) fn unwrap_cells(&mut self, prefix: &str) -> Row {
        let found = self
            .given
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.into(), value.clone())));
        let found: Row = found.collect();
        found.names().for_each(|name| drop(self.given.remove(&format!("{prefix}{name}"))));
        found
    }
}

impl GroupStep {
    /// Rows of the group at the other version. All members of each root must be there.
    pub(crate) fn carry_rows(
        &self,
        direction: Direction,
        rows: Vec<MappedRow>,
    ) -> Result<Vec<MappedRow>, CannotMap> {
        let given = |MappedRow { table, row, complement }| GroupRow {
            given: complement,
            ..GroupRow::new(table, row)
        };
        let mut rows: Vec<GroupRow> = rows.into_iter().map(given).collect();
        for stage in self.stages(direction) {
            match (stage, direction) {
                (Stage::Structure(structure), Direction::Up) => structure.up(&mut rows)?,
                (Stage::Structure(structure), Direction::Down) => structure.down(&mut rows)?,
                (Stage::Columns { older, newer, operation }, _) => {
                    let leaving = if direction == Direction::Up { older } else { newer };
                    let own = rows.iter_mut().filter(|row| row.table == *leaving);
                    for row in own {
                        carry_row(operation.as_ref(), direction, row)?;
                    }
                }
            }
        }
        let whole = |mut row: GroupRow| {
            let complement = row.take_cells();
            MappedRow { table: row.table, row: row.row, complement }
        };
        Ok(rows.into_iter().map(whole).collect())
    }

    /// The columns that name a root row on the other side, out of an image whose `key` names it on this one.
    pub(crate) fn carry_key(&self, direction: Direction, mut image: Image) -> Result<Image, CannotMap> {
        for stage in self.stages(direction) {
            match stage {
                // A structure leaves the columns that name a root.
                Stage::Structure(_) => {}
                Stage::Columns { older, newer, operation } => match direction {
                    Direction::Up if image.change.entity == *older => {
                        operation.up(&mut image, &mut Row::new())?
                    }
                    Direction::Down if image.change.entity == *newer => {
                        operation.down(&mut image, &mut Row::new())?
                    }
                    Direction::Up | Direction::Down => {}
                },
            }
        }
        Ok(image)
    }

    /// The insert of a root row, with which no other row can be at hand yet.
    pub(crate) fn carry_insert(&self, direction: Direction, image: Image) -> Result<Vec<Image>, CannotMap> {
        let entity = image.change.entity.clone();
        if image.change.op != Op::Insert || entity != *self.roots(direction).0 {
            let reason = "it is tied to other tables on the way, whose rows it meets";
            return Err(CannotMap { needs_row: true, ..CannotMap::change(&entity, reason) });
        }
        let row = MappedRow { table: entity, row: image.change.cells, complement: image.complement.set };
        let mut rows = self.carry_rows(direction, vec![row])?;
        // Parents first: the tables are in that order.
        let place = |row: &MappedRow| self.arriving(direction).iter().position(|table| *table == row.table);
        rows.sort_by_key(place);
        let images = rows.into_iter().map(|row| {
            let mut image = Image::new(Change::insert(row.table, row.row));
            image.complement.set = row.complement;
            image
        });
        Ok(images.collect())
    }
}

fn carry_row(operation: &dyn Operation, direction: Direction, row: &mut GroupRow) -> Result<(), CannotMap> {
    let mut image = Image::new(Change::insert(row.table.clone(), std::mem::take(&mut row.row)));
    match direction {
        Direction::Up => operation.up(&mut image, &mut row.given)?,
        Direction::Down => operation.down(&mut image, &mut row.given)?,
    }
    image.complement.apply(&mut row.kept);
    row.table = image.change.entity;
    row.row = image.change.cells;
    Ok(())
}
