//! The text of a schema version: its files as they stand in a directory or in a database, and the hash that holds them
//! to what was released.

use std::collections::BTreeMap;
use std::path::Path;

use journal_core::model::SchemaVersion;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::SetError;

/// The tables of a version.
pub(crate) const SCHEMA_FILE: &str = "schema.toml";
/// The mapping from the version before.
pub(crate) const MAPPING_FILE: &str = "mapping.toml";
/// Statements for SQLite in place of the generated ones.
pub(crate) const SQLITE_FILE: &str = "ddl.sqlite.sql";
/// Statements for PostgreSQL in place of the generated ones.
pub(crate) const POSTGRES_FILE: &str = "ddl.postgres.sql";
/// Statements for MariaDB in place of the generated ones.
pub(crate) const MARIADB_FILE: &str = "ddl.mariadb.sql";

const FILES: [&str; 5] = [SCHEMA_FILE, MAPPING_FILE, SQLITE_FILE, POSTGRES_FILE, MARIADB_FILE];
/// A file of a schema set is written by hand; a larger one is something else that got there by mistake.
const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The files of one version, by name. Stored in the database as they are, and read back by the same code as a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionSource {
    /// Which version.
    pub version: SchemaVersion,
    /// Text by file name, such as `schema.toml`.
    pub files: BTreeMap<String, String>,
}

impl VersionSource {
    /// A version out of texts at hand, as an application that carries its schema set inside has them.
    pub fn new<'a>(version: SchemaVersion, files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files = files.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        Self { version, files }
    }

    /// SHA-256 over names and texts of all files, as 64 hex digits. Two sources of one version with the same hash are
    /// the same text; a released version must never change its hash.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, text) in &self.files {
            for part in [name.as_bytes(), text.as_bytes()] {
                hasher.update((part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads all versions of a directory: its folders `1`, `2` and so on, in order. Files beside the folders, hidden
    /// files, and a `README.md` in a version are left alone; anything else unknown is an error, since a misspelt file
    /// name would otherwise leave a mapping out in silence.
    pub fn read_directory(directory: &Path) -> Result<Vec<Self>, SetError> {
        let mut sources = Vec::new();
        for entry in list(directory)? {
            let path = directory.join(&entry);
            if !path.is_dir() || entry.starts_with('.') {
                continue;
            }
            let version = version_of(&entry).ok_or_else(|| {
                whole(&path, "a folder of a schema set is named by its version: 1, 2, 3 and so on")
            })?;
            sources.push(Self { version, files: read_version(&path)? });
        }
        sources.sort_by_key(|source| source.version);
        match sources.is_empty() {
            true => Err(whole(
                directory,
                "no schema version here; a schema set has a folder 1 with a schema.toml",
            )),
            false => Ok(sources),
        }
    }

    pub(crate) fn text(&self, file: &str) -> Option<&str> {
        self.files.get(file).map(String::as_str)
    }
}

fn version_of(folder: &str) -> Option<SchemaVersion> {
    let number: i64 = folder.parse().ok()?;
    (number > 0 && number.to_string() == folder).then_some(SchemaVersion(number))
}

fn read_version(folder: &Path) -> Result<BTreeMap<String, String>, SetError> {
    let mut files = BTreeMap::new();
    for name in list(folder)? {
        if name.starts_with('.') || name == "README.md" {
            continue;
        }
        let path = folder.join(&name);
        if !FILES.contains(&name.as_str()) {
            return Err(whole(&path, format!("unknown file; a version has {}", FILES.join(", "))));
        }
        let bytes = std::fs::read(&path).map_err(|error| whole(&path, format!("cannot be read: {error}")))?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(whole(
                &path,
                format!("has {} bytes; at most {FILE_BYTES_MAX} are read", bytes.len()),
            ));
        }
        let text = String::from_utf8(bytes).map_err(|_| whole(&path, "is not UTF-8 text"))?;
        files.insert(name, text);
    }
    Ok(files)
}

fn list(directory: &Path) -> Result<Vec<String>, SetError> {
    let cannot = |error: std::io::Error| whole(directory, format!("cannot be listed: {error}"));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        let name =
            name.into_string().map_err(|name| whole(&directory.join(name), "has a name that is no UTF-8"))?;
        names.push(name);
    }
    names.sort();
    Ok(names)
}

fn whole(path: &Path, message: impl Into<String>) -> SetError {
    SetError { file: path.display().to_string(), line: 0, message: message.into() }
}
