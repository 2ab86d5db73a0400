//! What a check of the laws found, as data: for a program to judge and a person to read.

use std::collections::BTreeMap;
use std::fmt;

use journal_core::model::{Change, Row, SchemaVersion};

use crate::mapped::MappedRow;

/// Breaks kept in a report; a set that breaks a law once breaks it often, and the first few tell why.
pub const BREAKS_MAX: usize = 20;

/// A law that every way between two versions keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Law {
    /// Rows carried to the other version and back are the rows and complements that they were.
    Back,
    /// Going through several versions at once is going step by step.
    Steps,
    /// A change that is mapped and then posted gives what the rows give that are mapped after the change was posted.
    Square,
    /// What comes out fits its version: known tables and columns, types, NULLs.
    Fits,
    /// Every row and change has an image or a clear refusal; no mapping panics.
    Total,
    /// The views of an older version show what the mapper says. Tried by those who have a database.
    Views,
}

impl Law {
    /// What the law says, for people.
    pub fn says(self) -> &'static str {
        match self {
            Self::Back => "mapped there and back, rows and what is kept of them are as they were",
            Self::Steps => "several versions at once are the same as step by step",
            Self::Square => {
                "mapping a change and posting it gives what posting it and mapping the rows gives"
            }
            Self::Fits => "what is mapped fits the schema of the version it is mapped to",
            Self::Views => "views show what the mapper says of the ledger's rows",
            Self::Total => "each row and change is mapped or refused with a reason; nothing panics",
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Back => "back",
            Self::Steps => "steps",
            Self::Square => "square",
            Self::Fits => "fits",
            Self::Total => "total",
            Self::Views => "views",
        })
    }
}

/// An operation of a mapping that may have to do with a break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// The file, as `2/mapping.toml`.
    pub file: String,
    /// The line at which the operation begins.
    pub line: usize,
    /// Its name, as `split_column`.
    pub op: String,
}

/// A broken law: the smallest case found in which it breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// Which law.
    pub law: Law,
    /// What [`Laws::case`](super::Laws::case) replays it with; `None` for rows that a caller brought.
    pub seed: Option<u64>,
    /// The version mapped from: that of the change, where there is one.
    pub from: SchemaVersion,
    /// The version mapped to.
    pub to: SchemaVersion,
    /// The rows at version `from`, before the change.
    pub rows: Vec<MappedRow>,
    /// The change, written at version `from`.
    pub change: Option<Change>,
    /// What the law asks for, where the two differ: rows, or why there are none.
    pub expected: Outcome,
    /// What came out, where the two differ.
    pub found: Outcome,
    /// Operations of the step that breaks it, those first that name the table and a column at fault. Empty where no
    /// declared operation is concerned.
    pub suspects: Vec<Suspect>,
}

/// Rows, or the reason why there are none.
pub type Outcome = Result<Vec<MappedRow>, String>;

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "from version {} to {}: broken law {}: {}",
            self.from,
            self.to,
            self.law,
            self.law.says()
        )?;
        for suspect in &self.suspects {
            writeln!(f, "  at       {}:{}: {}", suspect.file, suspect.line, suspect.op)?;
        }
        outcome(f, "rows", &Ok(self.rows.clone()))?;
        if let Some(change) = &self.change {
            write!(f, "  change   {} {}", change.op, change.entity)?;
            for (what, row) in [("of", &change.key), ("with", &change.cells), ("expecting", &change.expect)] {
                if !row.is_empty() {
                    write!(f, " {what} {}", cells(row))?;
                }
            }
            writeln!(f)?;
        }
        outcome(f, "expected", &self.expected)?;
        outcome(f, "found", &self.found)?;
        match self.seed {
            Some(seed) => writeln!(f, "  seed     {seed}"),
            None => Ok(()),
        }
    }
}

fn outcome(f: &mut fmt::Formatter<'_>, what: &str, outcome: &Outcome) -> fmt::Result {
    match outcome {
        Err(reason) => writeln!(f, "  {what:8} {reason}"),
        Ok(rows) if rows.is_empty() => writeln!(f, "  {what:8} no rows"),
        Ok(rows) => rows.iter().try_for_each(|MappedRow { table, row, complement }| {
            write!(f, "  {what:8} {table} {}", cells(row))?;
            if !complement.is_empty() {
                write!(f, " keeping {}", cells(complement))?;
            }
            writeln!(f)
        }),
    }
}

fn cells(row: &Row) -> String {
    let cell = |(name, value): (&journal_core::model::Name, &journal_core::model::Value)| match value.kind() {
        "null" | "bool" | "int" | "decimal" | "float" => format!("{name}={value}"),
        kind => format!("{name}={kind} {:?}", value.to_string()),
    };
    format!("({})", row.iter().map(cell).collect::<Vec<_>>().join(", "))
}

/// How often the way between two versions was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Rows that were carried.
    pub rows: u64,
    /// Changes that were mapped and posted.
    pub changes: u64,
    /// Rows and changes that the mapping refused: they have no exact form at the other version.
    pub refused: u64,
}

/// What was tried and what was found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Cases in all.
    pub cases: u64,
    /// By version from and to.
    pub tried: BTreeMap<(SchemaVersion, SchemaVersion), Tally>,
    /// The breaks, at most [`BREAKS_MAX`].
    pub breaks: Vec<Break>,
}

impl Report {
    /// Whether every law held.
    pub fn holds(&self) -> bool {
        self.breaks.is_empty()
    }

    /// Takes in what another report says.
    pub fn absorb(&mut self, other: Self) {
        self.cases += other.cases;
        for (versions, tally) in other.tried {
            let mine = self.tried.entry(versions).or_default();
            mine.rows += tally.rows;
            mine.changes += tally.changes;
            mine.refused += tally.refused;
        }
        self.breaks.extend(other.breaks);
        self.breaks.truncate(BREAKS_MAX);
    }
}
