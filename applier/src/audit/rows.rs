//! The rows of a ledger as they are at a version, table by table, in the order of their keys. Rows are streamed; only a
//! mapping that changes the order of keys makes this sort, and then within a bound.

use std::collections::{BTreeMap, VecDeque};

use journal_core::codec::payload::key_text;
use journal_core::model::{Name, Row, Schema, SchemaVersion, Value};
use schema_mappers::{Feed, MapError, MappedRow, Registry};

use crate::ledger::groups::{Group, Groups, table_of, whole_key};
use crate::ledger::{LedgerError, LedgerReader};

/// Most rows of a ledger that are sorted in memory, where a mapping changes the order of keys: some hundreds of
/// megabytes at usual row sizes. A larger ledger is compared at its own version, after both sites have it.
pub const SORTED_ROWS_MAX: usize = 1_000_000;

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
    /// How the ledger's rows go to `to`, as far as the ledger has the tables.
    feeds: Vec<Feed>,
    sorted: Option<BTreeMap<Name, BTreeMap<Vec<Value>, Row>>>,
    unmapped: Vec<Unmapped>,
    unmapped_count: u64,
}

/// A place in one table.
#[derive(Debug)]
pub(crate) struct Cursor {
    table: Name,
    /// The feed's place among the ledger's, and the walk through it; `None` before the first row.
    walk: Option<(usize, Groups)>,
    page: VecDeque<Keyed>,
    last: Option<Vec<Value>>,
    ended: bool,
}

impl Cursor {
    pub(crate) fn new(table: &Name) -> Self {
        Self { table: table.clone(), walk: None, page: VecDeque::new(), last: None, ended: false }
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
        let mut feeds = registry.feeds(from, to)?;
        // Tables that are kept for a version come with its release, which a site may not have yet.
        feeds.retain_mut(|feed| {
            feed.members.retain(|member| reader.has(&member.table));
            reader.has(&feed.root.table)
        });
        Ok(Self { reader, registry, from, to, feeds, sorted: None, unmapped: Vec::new(), unmapped_count: 0 })
    }

    /// The version the ledger stands at.
    pub(crate) fn stands_at(&self) -> SchemaVersion {
        self.from
    }

    /// The tables of a ledger at the version asked for.
    pub(crate) fn schema(&self) -> Result<&'r Schema, RowsError> {
        Ok(self.registry.ledger(self.to)?)
    }

    /// Whether a table is only kept there for other versions. An empty one is as good as none, so that it makes no
    /// difference between sites of which only one knows those versions.
    pub(crate) fn is_kept(&self, table: &Name) -> Result<bool, RowsError> {
        Ok(!self.registry.schema(self.to)?.tables.contains_key(table))
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

    /// Reads and maps the next rows that belong together, those of one root.
    async fn turn_page(&mut self, cursor: &mut Cursor) -> Result<(), RowsError> {
        let (schema, target) = (self.registry.ledger(self.from)?, self.registry.ledger(self.to)?);
        let (place, groups) = match &mut cursor.walk {
            Some((place, groups)) => (*place, groups),
            walk => {
                let Some(place) = self.feeds.iter().position(|feed| feed.targets.contains(&cursor.table))
                else {
                    cursor.ended = true;
                    return Ok(());
                };
                let (place, groups) = walk.insert((place, Groups::new(&self.feeds[place], None)));
                (*place, groups)
            }
        };
        let Some(group) = groups.next(self.reader, schema).await? else {
            cursor.ended = true;
            return Ok(());
        };
        let unordered = || RowsError::Unordered { table: cursor.table.clone() };
        let mut rows = Vec::new();
        // What has no image is noted once, however many tables the rows go to.
        let noted = self.feeds[place].targets.first() != Some(&cursor.table);
        for mapped in self.carry(place, group, noted)? {
            if mapped.table == cursor.table {
                rows.push((whole_key(table_of(target, &mapped.table)?, &mapped.row)?, mapped.row));
            } else if !self.feeds[place].targets.contains(&mapped.table) {
                return Err(unordered());
            }
        }
        rows.sort_by(|(key, _), (other, _)| key.cmp(other));
        for (key, row) in rows {
            if cursor.last.as_ref().is_some_and(|last| *last >= key) {
                return Err(unordered());
            }
            cursor.last = Some(key.clone());
            cursor.page.push_back((key, row));
        }
        Ok(())
    }

    /// Reads, maps and sorts everything, up to [`SORTED_ROWS_MAX`] rows. For ledgers whose mapping changes the order of
    /// keys, or makes rows of several feeds of one.
    pub(crate) async fn sort(&mut self) -> Result<(), RowsError> {
        let (schema, target) = (self.registry.ledger(self.from)?, self.registry.ledger(self.to)?);
        (self.unmapped, self.unmapped_count) = (Vec::new(), 0);
        let mut sorted: BTreeMap<Name, BTreeMap<Vec<Value>, Row>> = BTreeMap::new();
        let mut count: usize = 0;
        for place in 0..self.feeds.len() {
            let mut groups = Groups::new(&self.feeds[place], None);
            while let Some(group) = groups.next(self.reader, schema).await? {
                for MappedRow { table, row, .. } in self.carry(place, group, false)? {
                    let key = whole_key(table_of(target, &table)?, &row)?;
                    if sorted.entry(table.clone()).or_default().insert(key.clone(), row).is_some() {
                        let reason = "another row has the same key there".to_owned();
                        self.note_unmapped(Unmapped { table, key: key_text(&key), reason });
                    }
                    count += 1;
                }
                if count > SORTED_ROWS_MAX {
                    return Err(RowsError::TooManyToSort { to: self.to });
                }
            }
        }
        self.sorted = Some(sorted);
        Ok(())
    }

    /// The rows of a root at the version asked for. Rows without an image are noted, by their root, and left out.
    fn carry(&mut self, place: usize, group: Group, noted: bool) -> Result<Vec<MappedRow>, RowsError> {
        match self.registry.map_rows(self.from, self.to, group.rows) {
            Ok(rows) => Ok(rows),
            Err(MapError::CannotMap { reason, .. }) => {
                let (table, key) = (self.feeds[place].root.table.clone(), key_text(&group.key));
                if !noted {
                    self.note_unmapped(Unmapped { table, key, reason: reason.to_string() });
                }
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
