//! A schema set: all versions of an application's schema and the ways between them, loaded and checked as a whole.
//!
//! Read from a directory or from the texts that a database keeps of it, by the same code. What is loaded is sound:
//! later parts never meet a mapping that does not fit its tables.

pub(crate) mod check;
pub(crate) mod draft;
mod mapping;
pub(crate) mod reader;
mod source;
pub(crate) mod tables;

use std::path::Path;

use journal_core::model::{Name, Schema, SchemaVersion, Value};

pub use source::VersionSource;

use crate::ddl::Dialect;
use crate::error::SetError;
use crate::family;
use crate::kept;
use crate::lineage;
use crate::loss::Loss;
use crate::step::Step;

/// One version of a loaded set.
#[derive(Debug)]
pub struct Version {
    source: VersionSource,
    hash: String,
    schema: Schema,
    ledger: Schema,
    step: Option<Step>,
}

impl Version {
    /// Which version.
    pub fn number(&self) -> SchemaVersion {
        self.source.version
    }

    /// Its tables and operations. The groups of columns that belong together are filled for all mappings of the set.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// What a ledger at the version holds: its tables, and those that only other versions have.
    pub fn ledger(&self) -> &Schema {
        &self.ledger
    }

    /// The text of its files, to be stored where the version is used.
    pub fn source(&self) -> &VersionSource {
        &self.source
    }

    /// [`VersionSource::hash`] of its text.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The file that replaces the generated DDL of a dialect, if there is one.
    pub fn ddl(&self, dialect: Dialect) -> Option<&str> {
        self.source.text(match dialect {
            Dialect::Sqlite => source::SQLITE_FILE,
            Dialect::Postgres => source::POSTGRES_FILE,
            Dialect::MariaDb => source::MARIADB_FILE,
        })
    }

    /// The way from the version before; none for version 1.
    pub(crate) fn step(&self) -> Option<&Step> {
        self.step.as_ref()
    }
}

/// A column in which an ask code may stand, for the queue of rows that wait for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Names the question for ever, whatever its table and column are called later: `2:phone.number`, by the version that
    /// brought it and the names at that place of its mapping (the table's older one).
    pub id: String,
    /// The version that brought it.
    pub since: SchemaVersion,
    /// The table.
    pub table: Name,
    /// The column.
    pub column: Name,
    /// The code: a row that holds it there has not been filled in yet.
    pub code: Value,
    /// What to ask the user, where the set says it.
    pub question: Option<String>,
    /// The complement cell that, where it is kept, tells a row which was given the code as a value of its own at an older
    /// version: it does not wait.
    pub kept: Option<Name>,
}

/// All versions, from 1 without a gap.
#[derive(Debug)]
pub struct SchemaSet {
    versions: Vec<Version>,
}

impl SchemaSet {
    /// Loads and checks a directory.
    ///
    /// # Errors
    /// The first fault found, with file and line and what would be right.
    pub fn load(directory: &Path) -> Result<Self, SetError> {
        Self::from_sources(VersionSource::read_directory(directory)?)
    }

    /// Loads and checks the texts of versions, as a database keeps them. In any order; from version 1 without a gap.
    ///
    /// # Errors
    /// The first fault found, with file and line and what would be right.
    pub fn from_sources(mut sources: Vec<VersionSource>) -> Result<Self, SetError> {
        sources.sort_by_key(|source| source.version);
        if sources.is_empty() {
            return Err(whole(SchemaVersion(1), "is missing; a schema set has at least a version 1"));
        }
        let mut versions: Vec<Version> = Vec::with_capacity(sources.len());
        let mut expected = SchemaVersion(1);
        for source in sources {
            if source.version != expected {
                return Err(whole(
                    expected,
                    format!(
                        "is missing or there twice; the versions go from 1 without a gap, and {} is next",
                        source.version
                    ),
                ));
            }
            versions.push(load_version(versions.last(), source)?);
            expected = expected.next();
        }
        lineage::fill_together(&mut versions);
        kept::fill(&mut versions);
        family::check(&versions)?;
        Ok(Self { versions })
    }

    /// The versions in order.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// One version; `None` when the set does not have it.
    pub fn version(&self, version: SchemaVersion) -> Option<&Version> {
        let at = usize::try_from(version.0.checked_sub(1)?).ok()?;
        self.versions.get(at)
    }

    /// What the step that leads to a version gives up for good, by its own word: `lossy` in its mapping.
    pub fn losses(&self, version: SchemaVersion) -> Vec<&Loss> {
        let step = self.version(version).and_then(Version::step);
        let tables = step.into_iter().flat_map(Step::tables);
        tables.flat_map(|table| &table.operations).filter_map(|operation| operation.loss()).collect()
    }

    /// The last version.
    pub fn newest(&self) -> &Version {
        // Loading refuses a set without versions.
        &self.versions[self.versions.len() - 1]
    }

    /// The columns of a version in which ask codes may stand, from whichever step they came. `None` when the set does
    /// not have the version. A code whose column was cut, joined or dropped since is not followed any further.
    pub fn asks(&self, version: SchemaVersion) -> Option<Vec<Ask>> {
        self.version(version)?;
        Some(lineage::asks(self, version))
    }
}

impl Version {
    pub(crate) fn schema_mut(&mut self) -> &mut Schema {
        &mut self.schema
    }

    pub(crate) fn set_ledger(&mut self, ledger: Schema) {
        self.ledger = ledger;
    }

    pub(crate) fn step_mut(&mut self) -> Option<&mut Step> {
        self.step.as_mut()
    }
}

fn load_version(before: Option<&Version>, source: VersionSource) -> Result<Version, SetError> {
    let version = source.version;
    let Some(text) = source.text(source::SCHEMA_FILE) else {
        return Err(whole(version, format!("has no {}", source::SCHEMA_FILE)));
    };
    let read = tables::read(version, text)?;
    check::check(&read.schema, &read.places)?;
    let mapping = source.text(source::MAPPING_FILE);
    let step = match before {
        Some(before) => Some(mapping::read(&before.schema, &read, mapping)?),
        None if mapping.is_some() => {
            return Err(whole(
                version,
                format!("has a {}, but no version comes before it", source::MAPPING_FILE),
            ));
        }
        None => None,
    };
    Ok(Version { hash: source.hash(), source, ledger: read.schema.clone(), schema: read.schema, step })
}

fn whole(version: SchemaVersion, message: impl std::fmt::Display) -> SetError {
    SetError { file: format!("{version}/"), line: 0, message: format!("version {version} {message}") }
}

#[cfg(test)]
mod tests;
