//! What `schema check` tells, for programs and for people.

use journal_core::model::{SchemaVersion, SiteName};
use serde::Serialize;

use crate::cli::output::table;
use crate::laws::Lost;

#[derive(Debug, Serialize)]
pub(super) struct Checked {
    pub(super) directory: String,
    pub(super) versions: Vec<Listed>,
    /// Ways between two versions, all of which are covered.
    pub(super) ways: usize,
    pub(super) losses: Vec<Lost>,
    pub(super) seed: u64,
    pub(super) made_up: Tried,
    pub(super) site: Option<SiteTried>,
    pub(super) views: Vec<ViewsTried>,
    pub(super) breaks: Vec<Broken>,
}

#[derive(Debug, Serialize)]
pub(super) struct Listed {
    pub(super) version: SchemaVersion,
    pub(super) hash: String,
    pub(super) tables: usize,
    pub(super) asks: usize,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Tried {
    pub(super) cases: u64,
    pub(super) rows: u64,
    pub(super) changes: u64,
    pub(super) refused: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct SiteTried {
    pub(super) site: SiteName,
    pub(super) at: SchemaVersion,
    pub(super) rows: u64,
    pub(super) changes: u64,
    pub(super) passed_over: u64,
    pub(super) refused: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct ViewsTried {
    pub(super) dialect: String,
    pub(super) at: SchemaVersion,
    pub(super) rows: u64,
    pub(super) views: u64,
    pub(super) refused: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Broken {
    /// `made up`, `site a`, or `views in SQLite`.
    pub(super) on: String,
    pub(super) law: String,
    pub(super) from: SchemaVersion,
    pub(super) to: SchemaVersion,
    pub(super) case: Option<u64>,
    /// Operations that may be to blame, as `2/mapping.toml:7: split_column`.
    pub(super) places: Vec<String>,
    pub(super) text: String,
}

impl Checked {
    pub(super) fn text(&self) -> String {
        let rows = self.versions.iter().map(|listed| {
            let (tables, asks) = (listed.tables.to_string(), listed.asks.to_string());
            vec![listed.version.to_string(), tables, asks, listed.hash.clone()]
        });
        let mut text = table(&["version", "tables", "ask columns", "hash"], rows);
        text.push_str(&format!("{} ways between versions, all covered\n", self.ways));
        for Lost { version, table, columns, operation, reason, place } in &self.losses {
            text.push_str(&format!(
                "version {version} loses {table}.{} by {operation} at {place}: {reason}\n",
                columns.join(", ")
            ));
        }
        let Tried { cases, rows, changes, refused } = &self.made_up;
        if *cases > 0 {
            text.push_str(&format!(
                "{cases} cases made up from seed {}: {rows} rows and {changes} changes tried, {refused} refused with a reason\n",
                self.seed
            ));
        }
        if let Some(SiteTried { site, at, rows, changes, passed_over, refused }) = &self.site {
            text.push_str(&format!(
                "{rows} rows and {changes} changes of {site} at version {at} tried, {refused} times refused with a reason; \
                 {passed_over} changes passed over\n"
            ));
        }
        for ViewsTried { dialect, at, rows, views, .. } in &self.views {
            text.push_str(&format!(
                "{views} views of {dialect} ledgers at version {at} held against the mapper, {rows} rows\n"
            ));
        }
        for broken in &self.breaks {
            text.push_str(&format!("{}, {}", broken.on, broken.text));
        }
        if self.breaks.is_empty() && self.made_up.cases > 0 {
            text.push_str("every law holds\n");
        }
        text
    }
}
