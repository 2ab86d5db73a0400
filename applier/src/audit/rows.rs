//! The rows of a ledger as they are at a version, table by table, in the order of their keys. Rows are streamed; only a
//! mapping that changes the order of keys makes this sort, and then within a bound.

use std::collections::{BTreeMap, VecDeque};

use journal_core::codec::payload::key_text;
use journal_core::model::{Change, Name, Row, Schema, SchemaVersion, Table, Value};
use schema_mappers::{MapError, Registry};

use crate::ledger::{LedgerError, LedgerReader};

/// Most rows of a ledger that are sorted in memory, where a mapping changes the order of keys: some hundreds of
/// megabytes at usual row sizes. A larger ledger is compared at its own version, after both sites have it.
pub const SORTED_ROWS_MAX: usize = 1_000_000;

/// Rows read at once: enough to make a round trip's cost small, few enough to hold two pages of large rows.
const PAGE_ROWS: usize = 1000;

/// Most unmappable rows kept by name; all are counted.
const UNMAPPED_MAX: usize = 100;

/// Why rows could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum RowsError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Unknown(#[from] MapError),
    #[error("{} {} has no image at schema version {to}: {}", .row.table, .row.key, .row.reason)]
    Unmappable { to: SchemaVersion, row: Unmapped },
    #[error(
        "the mapping to schema version {to} changes the order of keys, and the ledger has more than {SORTED_ROWS_MAX} rows to sort; bring the sites to one version and ask again"
    )]
    TooManyToSort { to: SchemaVersion },
    /// Met while streaming; whoever streams sorts then, and never shows it.
    #[error("rows of {table} come out of the order of their keys")]
    Unordered { table: Name },
}

/// A row of the ledger that has no image at the version asked for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Unmapped {
    /// Its table, as the ledger names it.
    pub table: Name,
    /// Its key as a JSON array.
    pub key: String,
    /// Why.
    pub reason: String,
}

/// A row with its key, in the key's order.
pub(crate) type Keyed = (Vec<Value>, Row);

/// One ledger, seen at a version.
#[derive(Debug)]
pub(crate) struct Rows<'r, R> {
    reader: &'r mut R,
    registry: &'r Registry,
    from: SchemaVersion,
    to: SchemaVersion,
    /// For each table at `to`, the one of the ledger that its rows come from; `None` where they are not one to one, so
    /// that rows can only be sorted.
    feeds: Option<BTreeMap<Name, Name>>,
    sorted: Option<BTreeMap<Name, BTreeMap<Vec<Value>, Row>>>,
    unmapped: Vec<Unmapped>,
    unmapped_count: u64,
}

/// A place in one table.
#[derive(Debug)]
pub(crate) struct Cursor {
    table: Name,
    page: VecDeque<Keyed>,
    /// The key, as the ledger has it, after which the next page begins.
    after: Option<Vec<Value>>,
    last: Option<Vec<Value>>,
    ended: bool,
}

impl Cursor {
    pub(crate) fn new(table: &Name) -> Self {
        Self { table: table.clone(), page: VecDeque::new(), after: None, last: None, ended: false }
    }
}

impl<'r, R: LedgerReader> Rows<'r, R> {
    /// Looks at a ledger, inside a snapshot that its owner began. `to` is `None` for the ledger's own version.
    pub(crate) async fn open(
        reader: &'r mut R,
        registry: &'r Registry,
        to: Option<SchemaVersion>,
    ) -> Result<Self, RowsError> {
        let from = reader.version().await?;
        let to = to.unwrap_or(from);
        let source = registry.schema(from)?;
        registry.schema(to)?;
        let mut feeds = BTreeMap::new();
        let mut one_to_one = true;
        for table in source.tables.keys() {
            let target = if from == to { Some(table.clone()) } else { target_of(registry, from, to, table) };
            one_to_one &= target.is_some_and(|target| feeds.insert(target, table.clone()).is_none());
        }
        let feeds = one_to_one.then_some(feeds);
        Ok(Self { reader, registry, from, to, feeds, sorted: None, unmapped: Vec::new(), unmapped_count: 0 })
    }

    /// The version the ledger stands at.
    pub(crate) fn stands_at(&self) -> SchemaVersion {
        self.from
    }

    /// The tables at the version asked for.
    pub(crate) fn schema(&self) -> Result<&'r Schema, RowsError> {
        Ok(self.registry.schema(self.to)?)
    }

    /// The rows without an image so far: how many, and the first of them.
    pub(crate) fn unmapped(&self) -> (u64, &[Unmapped]) {
        (self.unmapped_count, &self.unmapped)
    }

    /// An error when any row had no image.
    pub(crate) fn all_mapped(&self) -> Result<(), RowsError> {
        match self.unmapped.first() {
            None => Ok(()),
            Some(row) => Err(RowsError::Unmappable { to: self.to, row: row.clone() }),
        }
    }

    /// The next row of a table in the order of keys. [`RowsError::Unordered`] asks the caller to [`sort`](Self::sort)
    /// and to begin again.
    pub(crate) async fn next(&mut self, cursor: &mut Cursor) -> Result<Option<Keyed>, RowsError> {
        if let Some(sorted) = &mut self.sorted {
            return Ok(sorted.get_mut(&cursor.table).and_then(BTreeMap::pop_first));
        }
        while cursor.page.is_empty() && !cursor.ended {
            self.turn_page(cursor).await?;
        }
        Ok(cursor.page.pop_front())
    }

    async fn turn_page(&mut self, cursor: &mut Cursor) -> Result<(), RowsError> {
        let (schema, target) = (self.registry.schema(self.from)?, self.registry.schema(self.to)?);
        let unordered = || RowsError::Unordered { table: cursor.table.clone() };
        let feed = self.feeds.as_ref().ok_or_else(unordered)?.get(&cursor.table).cloned();
        let Some(feed) = feed else {
            cursor.ended = true;
            return Ok(());
        };
        let page = self.reader.scan(schema, &feed, cursor.after.as_deref(), PAGE_ROWS).await?;
        match page.last() {
            Some((row, _)) => cursor.after = Some(whole_key(table_of(schema, &feed)?, row)?),
            None => cursor.ended = true,
        }
        for (row, complement) in page {
            for (name, row) in self.carry(&feed, row, complement)? {
                let key = whole_key(table_of(target, &name)?, &row)?;
                if name != cursor.table || cursor.last.as_ref().is_some_and(|last| *last >= key) {
                    return Err(RowsError::Unordered { table: cursor.table.clone() });
                }
                cursor.last = Some(key.clone());
                cursor.page.push_back((key, row));
            }
        }
        Ok(())
    }

    /// Reads, maps and sorts everything, up to [`SORTED_ROWS_MAX`] rows. For ledgers whose mapping changes the order of
    /// keys, or makes rows of several tables of one.
    pub(crate) async fn sort(&mut self) -> Result<(), RowsError> {
        let (schema, target) = (self.registry.schema(self.from)?, self.registry.schema(self.to)?);
        (self.unmapped, self.unmapped_count) = (Vec::new(), 0);
        let mut sorted: BTreeMap<Name, BTreeMap<Vec<Value>, Row>> = BTreeMap::new();
        let mut count: usize = 0;
        for (feed, table) in &schema.tables {
            let mut after: Option<Vec<Value>> = None;
            loop {
                let page = self.reader.scan(schema, feed, after.as_deref(), PAGE_ROWS).await?;
                let Some((last, _)) = page.last() else { break };
                after = Some(whole_key(table, last)?);
                for (row, complement) in page {
                    for (name, row) in self.carry(feed, row, complement)? {
                        let key = whole_key(table_of(target, &name)?, &row)?;
                        if sorted.entry(name.clone()).or_default().insert(key.clone(), row).is_some() {
                            let reason = "another row has the same key there".to_owned();
                            self.note_unmapped(Unmapped { table: name, key: key_text(&key), reason });
                        }
                        count += 1;
                    }
                }
                if count > SORTED_ROWS_MAX {
                    return Err(RowsError::TooManyToSort { to: self.to });
                }
            }
        }
        self.sorted = Some(sorted);
        Ok(())
    }

    /// A row at the version asked for, with its table there. A row without an image is noted and left out.
    fn carry(&mut self, feed: &Name, row: Row, complement: Row) -> Result<Vec<(Name, Row)>, RowsError> {
        if self.from == self.to {
            return Ok(vec![(feed.clone(), row)]);
        }
        let key = whole_key(table_of(self.registry.schema(self.from)?, feed)?, &row)?;
        match self.registry.map_row(self.from, self.to, feed, row, complement) {
            Ok(rows) => Ok(rows.into_iter().map(|mapped| (mapped.table, mapped.row)).collect()),
            Err(MapError::CannotMap { reason, .. }) => {
                let reason = reason.to_string();
                self.note_unmapped(Unmapped { table: feed.clone(), key: key_text(&key), reason });
                Ok(Vec::new())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn note_unmapped(&mut self, row: Unmapped) {
        self.unmapped_count += 1;
        if self.unmapped.len() < UNMAPPED_MAX {
            self.unmapped.push(row);
        }
    }
}

/// The table that rows of a ledger's table belong to at another version: that of an update which says nothing. `None`
/// where a mapper in Rust has no answer to that; its rows are sorted then.
fn target_of(registry: &Registry, from: SchemaVersion, to: SchemaVersion, table: &Name) -> Option<Name> {
    let probe = Change::update(table.clone(), Row::new(), Row::new());
    let mut images = registry.map(from, to, probe).ok()?.images()?.into_iter();
    let image = images.next()?;
    images.next().is_none().then_some(image.change.entity)
}

fn table_of<'s>(schema: &'s Schema, table: &Name) -> Result<&'s Table, RowsError> {
    schema.tables.get(table).ok_or_else(|| {
        LedgerError::Damaged(format!("schema version {} has no table {table}", schema.version)).into()
    })
}

fn whole_key(table: &Table, row: &Row) -> Result<Vec<Value>, RowsError> {
    let key = table.key_values(row);
    key.ok_or_else(|| LedgerError::Damaged(format!("a row of {} has no whole key", table.name)).into())
}
