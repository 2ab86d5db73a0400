//! The views of every version against the mapper, on rows that nobody thought of: for each case random rows as a ledger of
//! the newest version holds them, born at any version, with what is kept of them.

use journal_tests::tether;
use std::collections::{BTreeMap, BTreeSet};

use applier::ledger::sql::SqlLedger;
use applier::ledger::{Ledger as _, LedgerReader as _};
use journal_core::model::{Change, Name, Schema, SchemaVersion, Value};
use journal_core::sql::{Access, Conn, DbUrl, Dialect, quote};
use journal_tests::servers;
use schema_mappers::laws::Laws;
use schema_mappers::{ComplementChange, Image, MappedRow, Registry, RustMappers, ddl};

use super::case::{Case, set_of};
use super::judge::text_of;
use super::world::Store;

/// Random rows for each case so many times.
const ROUNDS: u64 = 12;

/// How many rows were compared, by case.
type Compared = BTreeMap<String, usize>;

/// The rows of each table, told as text.
type Told = BTreeMap<Name, BTreeSet<String>>;

/// A ledger at the newest version of some cases, and a view for every version below.
struct Ledger {
    writer: SqlLedger,
    /// One for each version, since the same text means another view at each.
    readers: BTreeMap<SchemaVersion, SqlLedger>,
    registry: Registry,
    dialect: Dialect,
    _directory: tempfile::TempDir,
}

impl Ledger {
    async fn new(store: Store, cases: &[Case]) -> Option<Self> {
        let directory = tether::directory("daybook-it-");
        let url = match store {
            Store::Sqlite => format!("sqlite:{}", directory.path().join("views.db").display()),
            Store::Postgres => servers::postgres_or_skip()?.create_database().url,
            Store::MariaDb => servers::mariadb_or_skip()?.create_database().url,
        };
        let url: DbUrl = url.parse().expect("an address");
        let mut conn = Conn::open(&url, Access::Create, "views").await.expect("connect");
        applier::control::install::install(&mut conn).await.expect("the table of complements");
        let dialect = conn.dialect();
        let registry = Registry::new(set_of(cases), RustMappers::none()).expect("a covered set");
        let newest = registry.set().newest();
        let views = ddl::views(registry.set(), newest.number(), &url.place()).expect("a version");
        for statement in ddl::create_tables(newest, dialect).iter().chain(&views) {
            let done = conn.lend().script(statement).await;
            done.unwrap_or_else(|fault| panic!("{fault} in {statement}"));
        }
        let mut readers = BTreeMap::new();
        for version in registry.set().versions() {
            let mut conn = Conn::open(&url, Access::Read, "views").await.expect("connect");
            let path = match (dialect, url.place().views_of(version.number())) {
                (Dialect::Postgres, Some(views)) => format!("SET search_path = {views}"),
                (_, Some(views)) => format!("USE \"{views}\""),
                (_, None) => "SELECT 1".to_owned(),
            };
            conn.lend().script(&path).await.expect("set the path");
            let reader = SqlLedger::over(conn, version.schema().clone().into()).of_views();
            readers.insert(version.number(), reader);
        }
        let schema = registry.ledger(newest.number()).expect("a version").clone();
        let writer = SqlLedger::over(conn, schema.into());
        Some(Self { writer, readers, registry, dialect, _directory: directory })
    }

    async fn script(&mut self, statement: &str) {
        self.writer.conn().script(statement).await.expect("the statement runs");
    }

    /// Puts rows in, all or, where the store has no place for a value, none.
    async fn put(&mut self, rows: &[MappedRow]) -> bool {
        self.script("SAVEPOINT one").await;
        for table in ddl::tables_in_order(&self.writer.schema().clone()) {
            let own = rows.iter().filter(|row| row.table == table.name);
            let images: Vec<Image> = own
                .map(|row| Image {
                    change: Change::insert(row.table.clone(), row.row.clone()),
                    complement: ComplementChange { set: row.complement.clone(), clear: Vec::new() },
                    if_new: None,
                })
                .collect();
            if self.writer.apply(&images).await.is_err() {
                self.script("ROLLBACK TO one").await;
                return false;
            }
        }
        true
    }

    async fn clear(&mut self) {
        let tables: Vec<String> = ddl::tables_in_order(&self.writer.schema().clone())
            .into_iter()
            .rev()
            .map(|table| format!("DELETE FROM {};", quote(&table.name)))
            .collect();
        let complements = self.dialect.render("DELETE FROM {d}complement");
        // MariaDB ends no row that refers to itself while it looks at references.
        let (away, back) = match self.dialect {
            Dialect::MariaDb => ("SET foreign_key_checks = 0;", "; SET foreign_key_checks = 1"),
            Dialect::Sqlite | Dialect::Postgres => ("", ""),
        };
        self.script(&format!("{away} BEGIN; {} {complements}; COMMIT{back}", tables.concat())).await;
    }

    /// What a version's views show.
    async fn shown(&mut self, version: SchemaVersion) -> Told {
        let schema = self.registry.schema(version).expect("a version");
        let reader = self.readers.get_mut(&version).expect("a reader");
        let mut told = Told::new();
        for table in schema.tables.values() {
            let mut view = table.clone();
            if self.dialect == Dialect::Sqlite {
                view.name = format!("{}_v{version}", table.name).into();
            }
            let only = Schema { tables: [(view.name.clone(), view.clone())].into(), ..schema.clone() };
            let rows = reader.scan(&only, &view.name, None, 10_000).await;
            let rows = rows.unwrap_or_else(|fault| panic!("{} of version {version}: {fault}", table.name));
            let texts = rows.iter().map(|(row, _)| text_of(&table.name, row, ""));
            told.insert(table.name.clone(), texts.collect());
        }
        told
    }
}

/// A case by itself, from which its rows are drawn.
struct Source<'c> {
    case: &'c Case,
    registry: Registry,
    laws: Laws,
}

impl Source<'_> {
    /// What the mapper shows of rows at a version; `None` where it refuses one of them.
    fn mapped(&self, version: SchemaVersion, rows: &[MappedRow]) -> Option<Told> {
        let newest = self.registry.set().newest().number();
        let rows = self.registry.map_rows(newest, version, rows.to_vec()).ok()?;
        let schema = self.registry.schema(version).expect("a version");
        let mut told: Told = schema.tables.keys().map(|table| (table.clone(), BTreeSet::new())).collect();
        for row in rows {
            if let Some(texts) = told.get_mut(&row.table) {
                texts.insert(text_of(&row.table, &row.row, ""));
            }
        }
        Some(told)
    }
}

/// Holds the views of cases with equally many versions against the mapper. How many rows were compared, by case; or the
/// first difference. `spoil` is carried out before views are read.
async fn hold(store: Store, cases: &[Case], seed: u64, spoil: &str) -> Option<Result<Compared, String>> {
    let mut ledger = Ledger::new(store, cases).await?;
    let sources: Vec<Source<'_>> = cases
        .iter()
        .map(|case| {
            let set = set_of(std::slice::from_ref(case));
            let registry = Registry::new(set, RustMappers::none()).expect("a covered set");
            Source { case, laws: Laws::new(registry.clone()), registry }
        })
        .collect();
    let newest = ledger.registry.set().newest().number();
    let mut compared = Compared::new();
    for round in 0..ROUNDS {
        ledger.script("BEGIN").await;
        let mut drawn = Vec::new();
        for source in &sources {
            let rows = source.laws.sample(seed.wrapping_add(round), newest).expect("a version");
            let rows = if is_shown(store, &rows) && ledger.put(&rows).await { rows } else { Vec::new() };
            *compared.entry(format!("{}: {}", source.case.op, source.case.name)).or_default() += rows.len();
            drawn.push(rows);
        }
        for statement in [spoil, "COMMIT"].into_iter().filter(|statement| !statement.is_empty()) {
            ledger.script(statement).await;
        }
        for version in (1..=newest.0).map(SchemaVersion) {
            let shown = ledger.shown(version).await;
            for (source, rows) in sources.iter().zip(&drawn) {
                for (table, told) in source.mapped(version, rows).into_iter().flatten() {
                    if shown[&table] != told {
                        return Some(Err(format!(
                            "{store:?}, seed {seed}, round {round}: {}: {}: the view of {table} at version {version} \
                             shows {:#?}, the mapper {told:#?}, of {rows:#?}",
                            source.case.op, source.case.name, shown[&table]
                        )));
                    }
                }
            }
        }
        ledger.clear().await;
    }
    Some(Ok(compared))
}

/// MariaDB's views have no negative zero; where one is kept they show NULL.
fn is_shown(store: Store, rows: &[MappedRow]) -> bool {
    let zero = Value::Float(-0.0);
    store != Store::MariaDb || !rows.iter().any(|row| row.complement.iter().any(|(_, value)| *value == zero))
}

async fn hold_all(store: Store) {
    let seed =
        std::env::var("VIEW_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("{store:?}: VIEW_SEED={seed}");
    hold_each(store, super::cases().into_values(), seed).await;
}

async fn hold_each(store: Store, groups: impl Iterator<Item = Vec<Case>>, seed: u64) {
    for cases in groups {
        let Some(compared) = hold(store, &cases, seed, "").await else { return };
        for (case, rows) in compared.unwrap_or_else(|fault| panic!("{fault}")) {
            assert!(rows > 0, "{case}: no random row had a place");
        }
    }
}

#[tokio::test]
async fn views_show_what_the_mapper_says_of_random_rows_on_sqlite() {
    hold_all(Store::Sqlite).await;
}

#[tokio::test]
async fn views_show_what_the_mapper_says_of_random_rows_on_postgres() {
    hold_all(Store::Postgres).await;
}

#[tokio::test]
async fn views_show_what_the_mapper_says_of_random_rows_on_mariadb() {
    hold_all(Store::MariaDb).await;
}

/// The server found its own table on disk corrupted, where a view took the parts of a list out of one another.
#[tokio::test]
async fn a_list_that_is_kept_is_held_against_its_parts_without_a_table_on_disk_on_mariadb() {
    const SEED: u64 = 12_188_543_032_097_364_332;
    // It takes all that stands beside such a list.
    let with_lists = |cases: &Vec<Case>| cases.iter().any(|case| case.op == "rows_to_list");
    hold_each(Store::MariaDb, super::cases().into_values().filter(with_lists), SEED).await;
}

#[tokio::test]
async fn a_view_that_knows_nothing_of_what_is_kept_is_seen() {
    let mut cases = Case::file(include_str!("cases/drop_column.toml"), 0);
    cases.retain(|case| case.newest() == 2);
    let forget = "DELETE FROM daybook_complement";
    let fault = hold(Store::Sqlite, &cases, 1, forget).await.expect("SQLite").expect_err("a difference");
    assert!(fault.contains("at version 1 shows"), "{fault}");
}
