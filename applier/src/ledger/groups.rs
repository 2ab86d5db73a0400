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
        Self { lanes: tables.map(|source| lane(&source.table)).collect(), root_key: feed.root.columns.len() }
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
                let Some((_, row, complement)) =
                    lane.page.pop_front_if(|(found, ..)| found.starts_with(&key))
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

#[cfg(test)]
mod tests {
    use journal_core::model::Change;
    use schema_mappers::Source;

    use super::*;
    use crate::ledger::conformance::{memory_rig, schema};
    use crate::ledger::{Ledger, LedgerChange};

    /// Table `by_text` as the root of `pair`, whose key begins with a text.
    fn feed() -> Feed {
        let source = |table: &str, column: &str| Source { table: table.into(), columns: vec![column.into()] };
        let (root, members) = (source("by_text", "k"), vec![source("pair", "a")]);
        Feed { root, members, targets: Vec::new(), identity: false }
    }

    async fn walk(pairs: &[(&str, i64)], after: Option<&str>) -> Vec<(String, usize)> {
        let (site, schema) = (memory_rig("a").0, schema());
        let mut ledger = site.ledger();
        let roots = ["", "a", "c", "d"].map(|k| Change::insert("by_text", Row::new().with("k", k)));
        let member = |(a, b): &(&str, i64)| Change::insert("pair", Row::new().with("a", *a).with("b", *b));
        let changes: Vec<LedgerChange> =
            roots.into_iter().chain(pairs.iter().map(member)).map(LedgerChange::new).collect();
        ledger.begin().await.unwrap();
        ledger.apply(&changes).await.unwrap();
        ledger.commit().await.unwrap();
        let after = after.map(|key| vec![Value::from(key)]);
        let mut groups = Groups::new(&feed(), after.as_deref());
        let mut found = Vec::new();
        while let Some(Group { key, rows }) = groups.next(&mut ledger, &schema).await.unwrap() {
            let [Value::Text(key)] = key.as_slice() else { panic!("{key:?}") };
            let of_root = |row: &&MappedRow| {
                let column = if row.table.as_ref() == "pair" { "a" } else { "k" };
                row.row.get(column) == Some(&Value::Text(key.clone()))
            };
            assert_eq!(rows.iter().filter(of_root).count(), rows.len(), "{key:?} has rows of another root");
            found.push((key.clone(), rows.len()));
        }
        found
    }

    fn told(found: &[(String, usize)]) -> Vec<(&str, usize)> {
        found.iter().map(|(key, rows)| (key.as_str(), *rows)).collect()
    }

    #[tokio::test]
    async fn members_come_with_their_root_and_also_without() {
        let pairs = [("a", 1), ("a", 2), ("b", 1), ("d", 1), ("da", 9)];
        let all = [("", 1), ("a", 3), ("b", 1), ("c", 1), ("d", 2), ("da", 1)];
        assert_eq!(told(&walk(&pairs, None).await), all);
        assert_eq!(told(&walk(&pairs, Some("a")).await), all[2..]);
        assert_eq!(told(&walk(&pairs, Some("d")).await), all[5..]);
    }

    #[tokio::test]
    async fn a_root_may_have_more_members_than_a_page() {
        let many: Vec<(&str, i64)> = (0..2500).map(|nr| ("a", nr)).chain([("c", 1)]).collect();
        assert_eq!(told(&walk(&many, None).await), [("", 1), ("a", 2501), ("c", 2), ("d", 1)]);
    }
}
