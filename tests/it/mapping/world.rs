//! Two real sites for some cases that share a set: a stays at version 1 while b goes to the newest version and back.
//! Writes, reshapes and reads; judges nothing.

use std::collections::BTreeMap;

use applier::audit::cut::{Party, Patience, Pausing};
use applier::audit::diff::{VerifyReport, verify};
use applier::audit::unwatched;
use applier::control::ControlStore as _;
use applier::ledger::LedgerReader as _;
use applier::ledger::sql::SqlLedger;
use applier::upgrade::reshape::{Mode, ReshapeOrder, reshape};
use journal_core::journal::JournalStore as _;
use journal_core::model::{Change, Name, Row, Schema, SchemaVersion, SiteName, TransNr};
use journal_core::sql::{Access, Conn, Dialect};
use journal_tests::rig::Rig;
use journal_tests::servers;
use schema_mappers::{MappedRow, Registry, SchemaSet};

/// The databases that a suite runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Postgres,
    MariaDb,
}

/// The rows of each table.
pub(super) type Tables = BTreeMap<Name, Vec<Row>>;

/// What was refused: at a site, of which origin and number, and why.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) site: &'static str,
    pub(super) origin: String,
    pub(super) trans_nr: TransNr,
    pub(super) why: String,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) rig: Rig,
    pub(super) newest: i64,
}

impl World {
    /// Both sites at version 1; `None` where the store's server is not installed.
    pub(super) async fn new(store: Store, set: SchemaSet) -> Option<Self> {
        let newest = set.newest().number().0;
        let rig = match store {
            Store::Sqlite => Rig::sqlite(&["a", "b"], set).await,
            Store::Postgres => {
                let server = servers::postgres_or_skip()?;
                let pair = [("a", server.create_database().url), ("b", server.create_database().url)];
                Rig::at(&pair, set).await
            }
            Store::MariaDb => {
                let server = servers::mariadb_or_skip()?;
                let pair = [("a", server.create_database().url), ("b", server.create_database().url)];
                Rig::at(&pair, set).await
            }
        };
        Some(Self { rig, newest })
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.rig.registry
    }

    pub(super) fn schema(&self, version: i64) -> &Schema {
        self.registry().schema(SchemaVersion(version)).expect("a version")
    }

    /// Appends each change as a transaction of its own; their numbers.
    pub(super) async fn append(&self, site: &str, version: i64, changes: &[Change]) -> Vec<TransNr> {
        if changes.is_empty() {
            return Vec::new();
        }
        let batch: Vec<_> = changes
            .iter()
            .map(|change| self.rig.transaction(version, std::slice::from_ref(change)))
            .collect();
        let appended = self.rig.journal(site).await.append(&batch).await.expect("append");
        appended.into_iter().map(|appended| appended.trans_nr).collect()
    }

    /// Posts and ships everything.
    pub(super) async fn settle(&self) {
        let mut posters = vec![("a", self.rig.poster("a").await), ("b", self.rig.poster("b").await)];
        self.rig.settle(&mut posters).await;
    }

    /// Takes a site to a version, paused meanwhile.
    pub(super) async fn reshape(&self, site: &str, to: i64) -> Result<(), String> {
        self.rig.control(site).await.pause("dba", "case").await.expect("pause");
        let order = ReshapeOrder {
            to: SchemaVersion(to),
            mode: Mode::CarryOut,
            who: "dba".to_owned(),
            why: "case".to_owned(),
        };
        let done = reshape(self.rig.url(site), self.registry(), &order, &mut unwatched).await;
        self.rig.control(site).await.resume("dba", "case").await.expect("resume");
        match done {
            Ok(_) => Ok(()),
            Err(error) => {
                use std::error::Error as _;
                let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
                Err(format!("site {site} to version {to}: {error}{cause}"))
            }
        }
    }

    /// Everything in a site's ledger, with complements.
    pub(super) async fn ledger(&self, site: &str, version: i64) -> Vec<MappedRow> {
        let mut ledger = SqlLedger::open_reader(self.rig.url(site), "case").await.expect("open the ledger");
        let schema = self.registry().ledger(SchemaVersion(version)).expect("a version");
        let mut all = Vec::new();
        for table in schema.tables.keys() {
            let rows = ledger.scan(schema, table, None, 10_000).await.expect("scan");
            let kept = |(row, complement)| MappedRow { table: table.clone(), row, complement };
            all.extend(rows.into_iter().map(kept));
        }
        all
    }

    /// The rows of a ledger as the mapper shows them to applications of another version.
    pub(super) fn mapped(&self, from: i64, to: i64, rows: Vec<MappedRow>) -> Result<Tables, String> {
        let rows = self.registry().map_rows(SchemaVersion(from), SchemaVersion(to), rows);
        let mut tables = Tables::new();
        for mapped in rows.map_err(|error| error.to_string())? {
            if self.schema(to).tables.contains_key(&mapped.table) {
                tables.entry(mapped.table).or_default().push(mapped.row);
            }
        }
        Ok(tables)
    }

    /// The rows that a version's views show at a site.
    pub(super) async fn viewed(&self, site: &str, version: i64) -> Result<Tables, String> {
        let mut conn = Conn::open(self.rig.url(site), Access::Read, "case").await.expect("connect");
        let mut schema = self.schema(version).clone();
        match conn.dialect() {
            Dialect::Postgres => {
                let path = format!("SET search_path = v{version}");
                conn.lend().script(&path).await.expect("set the path");
            }
            Dialect::MariaDb => {
                let views = conn.place().views_of(SchemaVersion(version)).expect("a database");
                conn.lend().script(&format!("USE \"{views}\"")).await.expect("use the views' database");
            }
            Dialect::Sqlite => {
                let tables = std::mem::take(&mut schema.tables).into_values().map(|mut table| {
                    table.name = format!("{}_v{version}", table.name).into();
                    (table.name.clone(), table)
                });
                schema.tables = tables.collect();
            }
        }
        let mut reader = SqlLedger::over(conn, schema.clone().into()).of_views();
        let mut tables = Tables::new();
        for table in schema.tables.keys() {
            let rows = reader.scan(&schema, table, None, 10_000).await;
            let rows =
                rows.map_err(|error| format!("view {table} of version {version} at {site}: {error}"))?;
            let name = table.strip_suffix(&format!("_v{version}")).unwrap_or(table);
            tables.insert(name.into(), rows.into_iter().map(|(row, _)| row).collect());
        }
        Ok(tables)
    }

    /// Compares both sites as `daybook verify` does.
    pub(super) async fn verify(&self) -> Result<VerifyReport, String> {
        let mut ledger_a = SqlLedger::open_reader(self.rig.url("a"), "verify").await.expect("open a");
        let mut ledger_b = SqlLedger::open_reader(self.rig.url("b"), "verify").await.expect("open b");
        let (mut control_a, mut control_b) = (self.rig.control("a").await, self.rig.control("b").await);
        let site = |name: &str| SiteName::new(name).expect("a name");
        let a = Party { site: site("a"), ledger: &mut ledger_a, control: &mut control_a };
        let b = Party { site: site("b"), ledger: &mut ledger_b, control: &mut control_b };
        let patience =
            Patience { within: std::time::Duration::ZERO, pausing: Pausing::Never, who: "case".to_owned() };
        let report = verify(a, b, self.registry(), &patience, 20, &mut unwatched).await;
        report.map_err(|error| format!("verify: {error:?}"))
    }

    /// Every rejection and every transaction in quarantine.
    pub(super) async fn refusals(&self) -> Vec<Refusal> {
        let mut all = Vec::new();
        for site in ["a", "b"] {
            let mut conn = Conn::open(self.rig.url(site), Access::Read, "case").await.expect("connect");
            for (query, what) in [
                ("SELECT origin, trans_nr, code, detail FROM {d}rejection WHERE origin = $1", "rejected"),
                (
                    "SELECT origin, trans_nr, code, detail FROM {d}quarantine WHERE origin <> $1",
                    "in quarantine",
                ),
            ] {
                for record in conn.lend().fetch(query, vec![site.into()]).await.expect("read") {
                    let code = record.text(2).expect("a code");
                    all.push(Refusal {
                        site,
                        origin: record.text(0).expect("an origin"),
                        trans_nr: TransNr(record.i64(1).expect("a number")),
                        why: format!("{what}: {code} {}", record.text(3).expect("a detail")),
                    });
                }
            }
        }
        all
    }
}
