//! The rental history: 49,555 real transactions, in the binary, so that the demo needs nothing else. Source and licence:
//! `assets/rental-history/NOTICE.md`.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};

use journal_core::model::SchemaVersion;
use schema_mappers::VersionSource;

const HISTORY: &[u8] = include_bytes!("../../assets/rental-history/history.ndjson.gz");
const NAMES: &str = include_str!("../../assets/rental-history/names.csv");

/// The files of the history's schema set, as `(version, file, text)`.
const SCHEMA: [(i64, &str, &str); 3] = [
    (1, "schema.toml", include_str!("../../assets/rental-history/schema/1/schema.toml")),
    (2, "schema.toml", include_str!("../../assets/rental-history/schema/2/schema.toml")),
    (2, "mapping.toml", include_str!("../../assets/rental-history/schema/2/mapping.toml")),
];

/// The history's transactions, one line of NDJSON each, oldest first.
pub fn lines() -> std::io::Result<Vec<String>> {
    BufReader::new(flate2::read::GzDecoder::new(HISTORY)).lines().collect()
}

/// Each customer's first and last name: what a person of version 2 of the application types into its two fields.
pub fn names() -> HashMap<i64, (String, String)> {
    let mut names = HashMap::new();
    for line in NAMES.lines().skip(1) {
        let mut fields = line.split(',');
        if let (Some(id), Some(first), Some(last)) = (fields.next(), fields.next(), fields.next())
            && let Ok(id) = id.parse()
        {
            names.insert(id, (first.to_owned(), last.to_owned()));
        }
    }
    names
}

/// The history's schema set, as a database keeps it.
pub fn sources() -> Vec<VersionSource> {
    let version = |number: i64| {
        let files = SCHEMA.iter().filter(move |(version, _, _)| *version == number);
        VersionSource::new(SchemaVersion(number), files.map(|(_, file, text)| (*file, *text)))
    };
    vec![version(1), version(2)]
}
