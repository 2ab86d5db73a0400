//! What stands at a site in the end, read through the ledger's reader, and held against what was written.

use std::collections::BTreeMap;

use applier::ledger::sql::SqlLedger;
use applier::ledger::{Ledger as _, LedgerReader as _};
use journal_core::model::{Row, TransNr, Type, Value};
use journal_tests::rig::Rig;

use super::kinds::Kind;
use super::passage::{Case, Fate, ORIGIN, Probe, value};
use super::store::Store;

/// A detail as long as this was cut off, and may not say what is wrong.
const DETAIL_CHARS_MAX: usize = 500;
/// More rows than any table here has.
const ROWS_MAX: usize = 10_000;
const REJECTED: &str = "SELECT trans_nr, code, detail FROM {d}rejection WHERE origin = $1";
/// What a store calls the type of the column `v` of a table.
const COLUMN_IN_SQLITE: &str = "SELECT type FROM pragma_table_info($1) WHERE name = 'v'";
const COLUMN_IN_POSTGRES: &str = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute \
     WHERE attrelid = CAST($1 AS regclass) AND attname = 'v'";
/// MySQL gives whole numbers no width, which says nothing anyway.
const COLUMN_IN_MARIADB: &str = "SELECT replace(column_type, '(20)', '') FROM information_schema.columns WHERE table_schema = database() \
     AND table_name = $1 AND column_name = 'v'";

/// What a site has.
pub(super) struct Found {
    /// For panics.
    place: String,
    /// Rows by table.
    tables: BTreeMap<String, Vec<Row>>,
    /// Codes of the transactions that the site refused, at the origin by rejection, at a peer by quarantine.
    pub(super) refused: BTreeMap<TransNr, String>,
    /// What the store calls the type of the values, by table.
    pub(super) columns: BTreeMap<String, String>,
}

impl Found {
    pub(super) async fn read(rig: &Rig, site: &str, store: Store, kinds: &[Kind]) -> Self {
        let mut ledger = SqlLedger::open(rig.url(site), "test").await.unwrap();
        let mut refused = BTreeMap::new();
        if site == ORIGIN {
            for row in ledger.conn().fetch(REJECTED, vec![ORIGIN.into()]).await.unwrap() {
                is_whole(&row.text(2).unwrap());
                refused.insert(TransNr(row.i64(0).unwrap()), row.text(1).unwrap());
            }
        } else {
            for (transaction, _) in ledger.quarantined().await.unwrap() {
                is_whole(&transaction.detail);
                refused.insert(transaction.id.trans_nr, transaction.fault.code().to_owned());
            }
        }
        let place = format!("{site} on {}", store.name());
        let (mut tables, mut columns) = (BTreeMap::new(), BTreeMap::new());
        for table in kinds.iter().flat_map(tables_of) {
            tables.insert(table.clone(), rows(&mut ledger, &table).await);
            columns.insert(table.clone(), column(&mut ledger, store, &table).await);
        }
        let found = Self { place, tables, refused, columns };
        found.is_the_same_elsewhere(&mut ledger, store, kinds).await;
        found
    }

    /// Moments do not depend on the zone of the session that reads them.
    async fn is_the_same_elsewhere(&self, ledger: &mut SqlLedger, store: Store, kinds: &[Kind]) {
        let Some(elsewhere) = store.elsewhere() else { return };
        ledger.conn().script(elsewhere).await.unwrap();
        let moments = |kind: &&Kind| matches!(kind.ty, Type::Date | Type::Time | Type::Timestamp);
        for table in kinds.iter().filter(moments).flat_map(tables_of) {
            assert_eq!(rows(ledger, &table).await, self.tables[&table], "{table} of {}", self.place);
        }
    }

    /// What became of each case. `refused` tells of a transaction that left nothing here. All that was done with a
    /// value in one place, by insert and by update, came to the same.
    pub(super) fn fates(
        &self,
        kinds: &[Kind],
        probes: &[Probe],
        refused: impl Fn(TransNr) -> Option<Fate>,
    ) -> BTreeMap<Case, Fate> {
        let mut fates = BTreeMap::new();
        let mut standing: BTreeMap<&str, usize> = BTreeMap::new();
        for probe in probes {
            let fate = match probe.nr {
                None => Fate::NotAppended,
                Some(nr) => refused(nr).unwrap_or_else(|| {
                    *standing.entry(&probe.table).or_default() += 1;
                    self.expect(probe, value(kinds, probe.case));
                    Fate::Kept
                }),
            };
            let before = fates.entry(probe.case).or_insert_with(|| fate.clone());
            let shown = &kinds[probe.case.0].edges[probe.case.1].shown;
            assert_eq!(*before, fate, "{shown} in {} of {}", probe.table, self.place);
        }
        self.expect_no_more(kinds, &standing);
        fates
    }

    /// That the value of a probe stands where it was written, byte for byte.
    fn expect(&self, probe: &Probe, written: &Value) {
        let is_it = |row: &&Row| match probe.id {
            Some(id) => row.get("id") == Some(&Value::Int(id)),
            None => row.get("v") == Some(written) && row.get("found") == Some(&Value::Bool(true)),
        };
        let row = self.tables[&probe.table].iter().find(is_it);
        let read = row.and_then(|row| row.get("v"));
        let canonical = |value: &Value| {
            let mut bytes = Vec::new();
            value.write_canonical(&mut bytes);
            bytes
        };
        let same = read.is_some_and(|read| canonical(read) == canonical(written));
        let short = |value: Option<&Value>| format!("{value:?}").chars().take(200).collect::<String>();
        assert!(
            same,
            "{} of {}: {} was written, and {} is read",
            probe.table,
            self.place,
            short(Some(written)),
            short(read)
        );
    }

    /// That what was refused left nothing. Rows without a value that were there before an update stay.
    fn expect_no_more(&self, kinds: &[Kind], standing: &BTreeMap<&str, usize>) {
        for kind in kinds {
            for table in tables_of(kind) {
                let rows = &self.tables[&table];
                let empty = |row: &&Row| row.get("v") == Some(&Value::Null);
                let empty = if table == kind.value_table() { rows.iter().filter(empty).count() } else { 0 };
                // Two rows hold the NULL that is written as a value.
                let written = standing.get(table.as_str()).copied().unwrap_or_default();
                let nulls = if table == kind.value_table() { 2 } else { 0 };
                assert_eq!(rows.len() - empty, written - nulls, "rows of {table} of {}", self.place);
            }
        }
    }
}

/// What is wrong stands at a detail's end.
fn is_whole(detail: &str) {
    assert!(detail.chars().count() < DETAIL_CHARS_MAX, "a detail is cut off: {detail}");
}

fn tables_of(kind: &Kind) -> impl Iterator<Item = String> {
    [Some(kind.value_table()), kind.key_table(), kind.unique_table()].into_iter().flatten()
}

async fn rows(ledger: &mut SqlLedger, table: &str) -> Vec<Row> {
    let schema = ledger.schema().clone();
    let rows = ledger.scan(&schema, &table.into(), None, ROWS_MAX).await;
    rows.unwrap_or_else(|error| panic!("{table}: {error}")).into_iter().map(|(row, _)| row).collect()
}

async fn column(ledger: &mut SqlLedger, store: Store, table: &str) -> String {
    let query = match store {
        Store::Sqlite => COLUMN_IN_SQLITE,
        Store::Postgres => COLUMN_IN_POSTGRES,
        Store::MariaDb => COLUMN_IN_MARIADB,
    };
    ledger.conn().fetch_one(query, vec![table.into()]).await.unwrap().text(0).unwrap()
}
