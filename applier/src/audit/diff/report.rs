//! What a comparison of two sites says.

use std::collections::{BTreeMap, BTreeSet};

use journal_core::codec::json::value_to_json;
use journal_core::model::{Name, Row, SchemaVersion, SiteName, TransNr, Value};

use crate::audit::digest::LedgerDigest;
use crate::audit::rows::Unmapped;

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct VerifyReport {
    /// Whether every row stands at both sites with the same values.
    pub equal: bool,
    /// The version at which rows were compared: the higher of the two.
    pub version: SchemaVersion,
    /// The cut: for each origin the last transaction that both sites had posted.
    pub cut: BTreeMap<String, TransNr>,
    /// The first site.
    pub a: SideReport,
    /// The second.
    pub b: SideReport,
    /// Each table, in the order of names.
    pub tables: Vec<TableReport>,
    /// The first differing rows, as many as were asked for.
    pub differences: Vec<Difference>,
}

/// One site's side of a comparison.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SideReport {
    /// Which site.
    pub site: SiteName,
    /// The version its ledger stands at.
    pub schema_version: SchemaVersion,
    /// Transactions in quarantine there: their effect is missing by right until someone decides.
    pub quarantined: u64,
    /// The digest at the version compared. Over what has an image there: see `unmapped`.
    pub digest: LedgerDigest,
    /// Rows without an image at the version compared.
    pub unmapped: u64,
    /// The first of them.
    pub unmapped_rows: Vec<Unmapped>,
}

/// How a table compared.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct TableReport {
    /// Its name at the version compared.
    pub table: String,
    /// Rows equal at both sites.
    pub matched: u64,
    /// Rows at both sites with other values.
    pub different: u64,
    /// Rows that only the first site has: missing at the second.
    pub missing: u64,
    /// Rows that only the second site has: extra there.
    pub extra: u64,
}

/// A row that is not the same at both sites.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Difference {
    /// Its table at the version compared.
    pub table: Name,
    /// Its key as a JSON array.
    pub key: String,
    /// Where it stands.
    pub kind: Kind,
    /// The columns that differ; for a row that only one site has, all of them.
    pub columns: Vec<ColumnDifference>,
}

/// Where a differing row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// At both sites, with other values.
    Different,
    /// Only at the first.
    OnlyA,
    /// Only at the second.
    OnlyB,
}

/// A column of a differing row. `None` where the site has no such row.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ColumnDifference {
    /// Its name.
    pub column: Name,
    /// What the first site has.
    pub a: Option<serde_json::Value>,
    /// What the second site has.
    pub b: Option<serde_json::Value>,
}

/// The columns in which two rows differ.
pub(super) fn columns(a: Option<&Row>, b: Option<&Row>) -> Vec<ColumnDifference> {
    let names: BTreeSet<&Name> = a.into_iter().chain(b).flat_map(Row::names).collect();
    let value = |row: Option<&Row>, name: &Name| row.map(|row| row.get(name).cloned().unwrap_or(Value::Null));
    let pairs = names.into_iter().map(|name| (name, value(a, name), value(b, name)));
    pairs
        .filter(|(_, a, b)| a != b)
        .map(|(name, a, b)| ColumnDifference {
            column: name.clone(),
            a: a.as_ref().map(value_to_json),
            b: b.as_ref().map(value_to_json),
        })
        .collect()
}
