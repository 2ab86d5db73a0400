//! Rows of a ledger, held so that each can be brought with the rows it refers to. Pure; `site` fills it.

use std::collections::{BTreeMap, BTreeSet};

use journal_core::model::schema::Parent;
use journal_core::model::{Name, Row, Schema, SchemaVersion, Table, Value};
use schema_mappers::{Feed, MapError, MappedRow, Registry};

/// A row's place: its table and the values of its key.
pub(super) type Place = (Name, Vec<Value>);

/// Some rows of a ledger at one version.
#[derive(Debug, Clone)]
pub(super) struct Sample<'s> {
    schema: &'s Schema,
    rows: BTreeMap<Place, MappedRow>,
}

impl<'s> Sample<'s> {
    pub(super) fn new(schema: &'s Schema) -> Self {
        Self { schema, rows: BTreeMap::new() }
    }

    /// Takes a row in. One without a whole key, which no ledger has, is left out.
    pub(super) fn add(&mut self, row: MappedRow) {
        if let Some(place) = place(self.schema, &row) {
            self.rows.insert(place, row);
        }
    }

    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// All rows in chunks of about `size`, each with the rows that its own refer to, as far as they are here.
    pub(super) fn chunks(&self, size: usize) -> Vec<Vec<MappedRow>> {
        let places: Vec<&Place> = self.rows.keys().collect();
        let chunk = |places: &[&Place]| {
            let mut taken = BTreeSet::new();
            for place in places {
                self.collect(place, &mut taken);
            }
            taken.into_iter().filter_map(|place| self.rows.get(place).cloned()).collect()
        };
        places.chunks(size).map(chunk).collect()
    }

    /// The row of a key with all rows that it refers to, over any distance. `None` where one of them is not here.
    pub(super) fn with_parents(&self, table: &Name, key: &Row) -> Option<Vec<MappedRow>> {
        let place = (table.clone(), self.schema.tables.get(table)?.key_values(key)?);
        let (place, _) = self.rows.get_key_value(&place)?;
        self.whole(place)
    }

    /// All rows that a new row refers to, over any distance. `None` where one of them is not here.
    pub(super) fn parents_of(&self, table: &Name, row: &Row) -> Option<Vec<MappedRow>> {
        let mut all = BTreeMap::new();
        for place in parents(self.schema.tables.get(table)?, row) {
            let (place, _) = self.rows.get_key_value(&place)?;
            for parent in self.whole(place)? {
                let key = self.schema.tables.get(&parent.table)?.key_values(&parent.row)?;
                all.insert((parent.table.clone(), key), parent);
            }
        }
        Some(all.into_values().collect())
    }

    fn whole(&self, place: &'_ Place) -> Option<Vec<MappedRow>> {
        let mut taken = BTreeSet::new();
        let (place, _) = self.rows.get_key_value(place)?;
        let complete = self.collect(place, &mut taken);
        complete.then(|| taken.into_iter().filter_map(|place| self.rows.get(place).cloned()).collect())
    }

    /// Collects a row and those it refers to; whether all are here.
    fn collect<'t>(&'t self, place: &Place, taken: &mut BTreeSet<&'t Place>) -> bool {
        let mut complete = true;
        let mut open = vec![place.clone()];
        while let Some(place) = open.pop() {
            let Some((place, row)) = self.rows.get_key_value(&place) else {
                complete = false;
                continue;
            };
            if taken.insert(place) {
                open.extend(
                    self.schema.tables.get(&place.0).into_iter().flat_map(|table| parents(table, &row.row)),
                );
            }
        }
        complete
    }

    /// The rows as they are at another version, one root with its members at a time; those that have no form there are
    /// left out.
    pub(super) fn at<'o>(
        &self,
        registry: &'o Registry,
        from: SchemaVersion,
        to: SchemaVersion,
    ) -> Result<Sample<'o>, MapError> {
        let mut there = Sample::new(registry.ledger(to)?);
        for feed in registry.feeds(from, to)? {
            for group in self.groups(&feed) {
                for row in registry.map_rows(from, to, group).unwrap_or_default() {
                    there.add(row);
                }
            }
        }
        Ok(there)
    }

    /// The rows of a feed, by root.
    fn groups(&self, feed: &Feed) -> Vec<Vec<MappedRow>> {
        let mut groups: BTreeMap<Vec<Value>, Vec<MappedRow>> = BTreeMap::new();
        for source in std::iter::once(&feed.root).chain(&feed.members) {
            for ((table, _), row) in &self.rows {
                let root: Option<Vec<Value>> =
                    source.columns.iter().map(|column| row.row.get(column).cloned()).collect();
                if *table == source.table
                    && let Some(root) = root
                {
                    groups.entry(root).or_default().push(row.clone());
                }
            }
        }
        groups.into_values().collect()
    }
}

/// A row's place; `None` without a whole key.
pub(super) fn place(schema: &Schema, row: &MappedRow) -> Option<Place> {
    Some((row.table.clone(), schema.tables.get(&row.table)?.key_values(&row.row)?))
}

/// The places that a row refers to.
pub(super) fn parents(table: &Table, row: &Row) -> Vec<Place> {
    let parent = |parent: &Parent| {
        let values =
            parent.columns.iter().map(|column| row.get(column).filter(|value| !value.is_null()).cloned());
        Some((parent.table.clone(), values.collect::<Option<Vec<Value>>>()?))
    };
    table.parents.iter().filter_map(parent).collect()
}

#[cfg(test)]
mod tests {
    use schema_mappers::{SchemaSet, VersionSource};

    use super::*;

    const SCHEMA: &str = "[table.person]\nkey = [\"id\"]\nparents = [{ columns = [\"boss\"], table = \"person\" }]\n\
        [table.person.columns]\nid = \"int\"\nboss = { type = \"int\", null = true }\n";

    fn set() -> SchemaSet {
        let source = VersionSource::new(SchemaVersion(1), [("schema.toml", SCHEMA)]);
        SchemaSet::from_sources(vec![source]).unwrap()
    }

    fn cells(id: i64, boss: Option<i64>) -> Row {
        Row::new().with("id", id).with("boss", boss.map_or(Value::Null, Value::from))
    }

    fn ids(rows: Option<Vec<MappedRow>>) -> Option<Vec<Value>> {
        rows.map(|rows| rows.iter().filter_map(|row| row.row.get("id").cloned()).collect())
    }

    #[test]
    fn a_row_comes_with_all_it_refers_to_or_not_at_all() {
        let set = set();
        let mut sample = Sample::new(set.newest().schema());
        // 1 is boss of 2, 2 of 3; 4 and 5 are bosses of one another; the boss of 6 is not here.
        for (id, boss) in [(1, None), (2, Some(1)), (3, Some(2)), (4, Some(5)), (5, Some(4)), (6, Some(9))] {
            sample.add(MappedRow { table: "person".into(), row: cells(id, boss), complement: Row::new() });
        }
        let person = Name::from("person");
        let with = |id: i64| ids(sample.with_parents(&person, &Row::new().with("id", id)));
        let some = |ids: &[i64]| Some(ids.iter().map(|id| Value::from(*id)).collect::<Vec<_>>());
        assert_eq!(with(3), some(&[1, 2, 3]));
        assert_eq!(with(4), some(&[4, 5]));
        assert_eq!((with(6), with(7)), (None, None));
        let parents = |boss| ids(sample.parents_of(&person, &cells(8, boss)));
        assert_eq!((parents(Some(2)), parents(None)), (some(&[1, 2]), some(&[])));
        assert_eq!((parents(Some(6)), parents(Some(9))), (None, None));
        let chunks: Vec<usize> = sample.chunks(2).iter().map(Vec::len).collect();
        assert_eq!(chunks, [2, 5, 3], "each with the rows that its own refer to, as far as they are here");
    }
}
