//! The rows of a ledger that go to another version together: those of one root row with its members', in the order of the
//! root's key. A merge of tables whose keys all begin with the root's; holds a page of each table and one group, never a
//! table. Maps nothing itself.

use std::collections::VecDeque;

use journal_core::model::{Name, Row, Schema, Table, Value};
use schema_mappers::{Feed, MappedRow};

use super::{LedgerError, LedgerReader};

/// Rows read at once: enough to make a round trip's cost small, few enough to hold a page of large rows of each table.
const PAGE_ROWS: usize = 1000;

/// A walk through the tables of one feed.
#[derive(Debug)]
pub(crate) struct Groups {
    /// The root first.
    lanes: Vec<Lane>,
    /// How many columns the root's key has.
    root_key: usize,
}

/// One table on the walk.
#[derive(Debug)]
struct Lane {
    table: Name,
    page: VecDeque<(Vec<Value>, Row, Row)>,
    /// Where the next page begins.
    after: Option<Vec<Value>>,
    ended: bool,
}

/// The rows of one root row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// The root's key, in the ledger's terms.
    pub(crate) key: Vec<Value>,
    /// The root row, then its members' rows, each table in the order of its key. A member whose root is not there comes
    /// without.
    pub(crate) rows: Vec<MappedRow>,
}

impl Groups {
    /// Begins at the first root row, or after the root with that key.
    pub(crate) fn new(feed: &Feed, after: Option<&[Value]>) -> Self {
        let lane = |table: &Name| Lane {
            table: table.clone(),
            page: VecDeque::new(),
            after: after.map(<[Value]>::to_vec),
            ended: false,
        };
        let tables = std::iter::once(&feed.root).chain(&feed.members);
        Self {
            lanes: tables.map(|source| lane(&source.table)).collect(),
            root_key: feed.root.columns.len(),
        }
    }

    /// The next group. All reads of a walk see one state, or one that nothing else changes. `schema` is the ledger's.
    pub(crate) async fn next<R: LedgerReader>(
        &mut self,
        reader: &mut R,
        schema: &Schema,
    ) -> Result<Option<Group>, LedgerError> {
        for lane in &mut self.lanes {
            lane.fill(reader, schema).await?;
        }
        let heads = self.lanes.iter().filter_map(|lane| lane.page.front());
        let first = heads.filter_map(|(key, ..)| key.get(..self.root_key)).min();
        let Some(key) = first.map(<[Value]>::to_vec) else { return Ok(None) };
        let mut rows = Vec::new();
        for lane in &mut self.lanes {
            loop {
                lane.fill(reader, schema).await?;
                let Some((_, row, complement)) = lane.page.pop_front_if(|(found, ..)| found.starts_with(&key))
                else {
                    break;
                };
                rows.push(MappedRow { table: lane.table.clone(), row, complement });
            }
        }
        Ok(Some(Group { key, rows }))
    }
}

impl Lane {
    /// Reads the next page once the last one is used up.
    async fn fill<R: LedgerReader>(&mut self, reader: &mut R, schema: &Schema) -> Result<(), LedgerError> {
        if self.ended || !self.page.is_empty() {
            return Ok(());
        }
        let table = table_of(schema, &self.table)?;
        let page = reader.scan(schema, &self.table, self.after.as_deref(), PAGE_ROWS).await?;
        self.ended = page.len() < PAGE_ROWS;
        for (row, complement) in page {
            self.page.push_back((whole_key(table, &row)?, row, complement));
        }
        if let Some((last, ..)) = self.page.back() {
            self.after = Some(last.clone());
        }
        Ok(())
    }
}

/// A table that the ledger's version must have.
pub(crate) fn table_of<'s>(schema: &'s Schema, table: &Name) -> Result<&'s Table, LedgerError> {
    let missing = || LedgerError::Damaged(format!("schema version {} has no table {table}", schema.version));
    schema.tables.get(table).ok_or_else(missing)
}

/// The key of a row, which a row of a ledger has.
pub(crate) fn whole_key(table: &Table, row: &Row) -> Result<Vec<Value>, LedgerError> {
    let missing = || LedgerError::Damaged(format!("a row of {} has no whole key", table.name));
    table.key_values(row).ok_or_else(missing)
}
