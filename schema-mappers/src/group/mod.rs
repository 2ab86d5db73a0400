//! Tables that a step ties together: one becomes two, two become one, a list becomes rows. Their rows go as a whole, a
//! root row with the rows of the members that hold its key. Never looks at a row that it was not given.

mod root;
pub(crate) mod rows;

use std::fmt;

use journal_core::model::Name;

use crate::ddl::relations::Relations;
use crate::error::CannotMap;
use crate::ops::Operation;
use crate::step::Direction;

pub(crate) use root::root_of;
pub(crate) use rows::GroupRow;

/// The part of a step that ties tables together.
#[derive(Debug)]
pub(crate) struct GroupStep {
    /// The tables in the older version.
    pub(crate) older: Vec<Name>,
    /// The tables in the newer version.
    pub(crate) newer: Vec<Name>,
    /// The one of the older tables whose key all others begin with.
    pub(crate) older_root: Name,
    /// The one of the newer tables.
    pub(crate) newer_root: Name,
    /// From older to newer.
    pub(crate) stages: Vec<Stage>,
}

/// One operation of a group.
#[derive(Debug)]
pub(crate) enum Stage {
    /// On the columns of one table.
    Columns {
        /// The table's name before it.
        older: Name,
        /// Its name after it.
        newer: Name,
        /// What is done.
        operation: Box<dyn Operation>,
    },
    /// On whole tables.
    Structure(Box<dyn Structure>),
}

/// An operation on the tables of a group.
///
/// It gets the rows of any number of roots, each with all its members, and leaves rows of tables it does not name alone.
/// Pure and total, as [`Operation`] is.
pub(crate) trait Structure: fmt::Debug + Send + Sync {
    /// Its tables in the older version, at its place in the mapping; the root first.
    fn older(&self) -> Vec<Name>;
    /// Its tables in the newer version, at its place in the mapping; the root first.
    fn newer(&self) -> Vec<Name>;
    /// To the newer version.
    fn up(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap>;
    /// To the older version.
    fn down(&self, rows: &mut Vec<GroupRow>) -> Result<(), CannotMap>;
    /// What becomes of a column of one of its tables.
    fn follow(&self, direction: Direction, table: &Name, column: &Name) -> Vec<Followed>;
    /// The complement cells of the root row that the way in this direction keeps.
    fn kept(&self, direction: Direction) -> Vec<Name>;
    /// Whether a write of a column that moves makes just the cells stale that the structure keeps. `false`: what it does to
    /// them is seen with the rows at hand only.
    fn settles(&self) -> bool {
        true
    }
    /// A table on the far side of this direction whose rows are there or not by what some columns hold: the table and
    /// those columns, of the near side's root.
    fn fragile(&self, direction: Direction) -> Option<(Name, Vec<Name>)>;
    /// Whether its table has another primary key on the other side.
    fn rekeys(&self) -> bool {
        false
    }
    /// The way down for views.
    fn down_sql(&self, relations: &mut Relations);
}

/// Where a column has gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Followed {
    pub(crate) table: Name,
    pub(crate) column: Name,
    /// Whether the row it stands in is the same row still.
    pub(crate) same_row: bool,
}

impl Followed {
    pub(crate) fn stays(table: &Name, column: &Name) -> Vec<Self> {
        vec![Self { table: table.clone(), column: column.clone(), same_row: true }]
    }

    pub(crate) fn moves(table: &Name, column: &Name) -> Vec<Self> {
        vec![Self { table: table.clone(), column: column.clone(), same_row: false }]
    }
}

impl GroupStep {
    /// Its tables where a change in this direction starts.
    pub(crate) fn leaving(&self, direction: Direction) -> &[Name] {
        match direction {
            Direction::Up => &self.older,
            Direction::Down => &self.newer,
        }
    }

    /// Its tables where a change in this direction arrives.
    pub(crate) fn arriving(&self, direction: Direction) -> &[Name] {
        match direction {
            Direction::Up => &self.newer,
            Direction::Down => &self.older,
        }
    }

    /// Its root where a change in this direction starts, and where it arrives.
    pub(crate) fn roots(&self, direction: Direction) -> (&Name, &Name) {
        match direction {
            Direction::Up => (&self.older_root, &self.newer_root),
            Direction::Down => (&self.newer_root, &self.older_root),
        }
    }

    /// Whether its root has another primary key on the other side, so that a row is named by other columns.
    pub(crate) fn rekeys(&self) -> bool {
        self.stages.iter().any(|stage| matches!(stage, Stage::Structure(structure) if structure.rekeys()))
    }

    /// The operations in the order of a direction.
    pub(crate) fn stages(&self, direction: Direction) -> Box<dyn Iterator<Item = &Stage> + '_> {
        match direction {
            Direction::Up => Box::new(self.stages.iter()),
            Direction::Down => Box::new(self.stages.iter().rev()),
        }
    }
}
