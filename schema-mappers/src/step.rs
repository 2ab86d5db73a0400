//! The way between two neighbouring versions: for each table the declared operations, in order.

use std::collections::BTreeMap;

use journal_core::model::{Name, Op, Row, Table};

use crate::error::CannotMap;
use crate::group::GroupStep;
use crate::image::Image;
use crate::ops::Operation;

/// Which way a change goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the newer version.
    Up,
    /// To the older version.
    Down,
}

/// One table's part of a step.
#[derive(Debug)]
pub(crate) struct TableStep {
    /// Its name in the older version.
    pub(crate) older: Name,
    /// Its name in the newer version.
    pub(crate) newer: Name,
    /// From older to newer.
    pub(crate) operations: Vec<Box<dyn Operation>>,
}

/// A whole step.
#[derive(Debug)]
pub(crate) struct Step {
    tables: Vec<TableStep>,
    groups: Vec<GroupStep>,
    older: BTreeMap<Name, usize>,
    newer: BTreeMap<Name, usize>,
    dropped: Vec<Table>,
}

impl Step {
    /// `dropped` are the tables that the newer version keeps without having them, under the names and with the columns
    /// they have there.
    pub(crate) fn new(tables: Vec<TableStep>, groups: Vec<GroupStep>, dropped: Vec<Table>) -> Self {
        let (older, newer) = (BTreeMap::new(), BTreeMap::new());
        let mut step = Self { tables: Vec::new(), groups, older, newer, dropped };
        tables.into_iter().for_each(|table| step.push(table));
        step
    }

    fn push(&mut self, table: TableStep) {
        self.older.insert(table.older.clone(), self.tables.len());
        self.newer.insert(table.newer.clone(), self.tables.len());
        self.tables.push(table);
    }

    /// Lets a table pass that neither version has, and that both keep for others.
    pub(crate) fn pass(&mut self, name: &Name) {
        self.push(TableStep { older: name.clone(), newer: name.clone(), operations: Vec::new() });
    }

    /// The tables that end with this step and are kept from here on.
    pub(crate) fn dropped(&self) -> &[Table] {
        &self.dropped
    }

    /// The part of the table that has this name in the older version.
    pub(crate) fn by_older(&self, name: &str) -> Option<&TableStep> {
        self.older.get(name).map(|at| &self.tables[*at])
    }

    /// The part of the table that has this name in the newer version.
    pub(crate) fn by_newer(&self, name: &str) -> Option<&TableStep> {
        self.newer.get(name).map(|at| &self.tables[*at])
    }

    /// The groups of tables that are tied together.
    pub(crate) fn groups(&self) -> &[GroupStep] {
        &self.groups
    }

    /// The group that a table is of where a change in this direction starts.
    pub(crate) fn group(&self, direction: Direction, name: &str) -> Option<&GroupStep> {
        let has = |group: &&GroupStep| group.leaving(direction).iter().any(|table| table.as_ref() == name);
        self.groups.iter().find(has)
    }

    /// The parts of all tables that are tied to no other.
    pub(crate) fn tables(&self) -> &[TableStep] {
        &self.tables
    }

    /// The part of the table from which a change in this direction starts.
    pub(crate) fn leaving(&self, direction: Direction, name: &str) -> Option<&TableStep> {
        match direction {
            Direction::Up => self.by_older(name),
            Direction::Down => self.by_newer(name),
        }
    }
}

impl TableStep {
    /// The table's name where a change in this direction arrives.
    pub(crate) fn arriving(&self, direction: Direction) -> &Name {
        match direction {
            Direction::Up => &self.newer,
            Direction::Down => &self.older,
        }
    }

    /// Carries an image through the declared operations. An upsert goes as what it does to a new row and what it does
    /// to one that stands there, since defaults belong only into the first.
    pub(crate) fn carry(
        &self,
        direction: Direction,
        image: Image,
        given: &mut Row,
    ) -> Result<Image, CannotMap> {
        let mut image = self.carry_columns(direction, image, given)?;
        if self.older != self.newer {
            // A table that begins or ends here has no operation that says so.
            image.change.entity = self.arriving(direction).clone();
        }
        Ok(image)
    }

    fn carry_columns(&self, direction: Direction, image: Image, given: &mut Row) -> Result<Image, CannotMap> {
        if self.operations.is_empty() {
            return Ok(image);
        }
        if image.change.op != Op::Upsert {
            return self.carry_plain(direction, image, given);
        }
        let (insert, update) = image.open_upsert();
        let insert = self.carry_plain(direction, insert, &mut given.clone())?;
        let update = self.carry_plain(direction, update, given)?;
        Ok(Image::close_upsert(insert, update))
    }

    fn carry_plain(
        &self,
        direction: Direction,
        mut image: Image,
        given: &mut Row,
    ) -> Result<Image, CannotMap> {
        match direction {
            Direction::Up => {
                self.operations.iter().try_for_each(|operation| operation.up(&mut image, given))?
            }
            Direction::Down => {
                self.operations.iter().rev().try_for_each(|operation| operation.down(&mut image, given))?;
            }
        }
        Ok(image)
    }
}
