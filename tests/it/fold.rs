//! A table with `fold = false`: a trigger at each site sees every change of a row, also where they came in one batch.

use applier::control::ControlStore as _;
use applier::upgrade::reshape::{Mode, ReshapeOrder, reshape};
use journal_core::model::{Change, SchemaVersion};
use journal_core::sql::Dialect;
use journal_tests::rig::{Rig, row};
use journal_tests::servers;
use schema_mappers::{SchemaSet, VersionSource};

/// Changes that each transaction makes of each row.
const ADDS: i64 = 4;
/// Transactions of a batch.
const TRANSACTIONS: i64 = 5;

/// Two tables of one form; from version 2 on, `account` asks for each change.
fn set() -> SchemaSet {
    let table = |name: &str, more: &str| {
        format!(
            "[table.{name}]\nkey = [\"id\"]\n{more}[table.{name}.columns]\nid = \"int\"\nbalance = \"int\"\n"
        )
    };
    let text = |of_account: &str| table("account", of_account) + &table("total", "");
    let sources = [(1, text("")), (2, text("fold = false\n"))];
    let source = |(version, text): (i64, String)| {
        VersionSource::new(SchemaVersion(version), [("schema.toml", text.as_str())])
    };
    SchemaSet::from_sources(sources.map(source).to_vec()).unwrap()
}

/// Over SQLite and over two PostgreSQL servers, with triggers that note each update.
async fn rigs() -> Vec<(&'static str, Rig)> {
    let mut rigs = vec![("sqlite", Rig::sqlite(&["a", "b"], set()).await)];
    if let Some((a, b)) = servers::two_postgres_or_skip() {
        let pair = [("a", a.create_database().url), ("b", b.create_database().url)];
        rigs.push(("postgres", Rig::at(&pair, set()).await));
    }
    for (_, rig) in &rigs {
        for site in ["a", "b"] {
            rig.execute(site, "CREATE TABLE seen (what text, balance bigint)").await;
            for table in ["account", "total"] {
                rig.execute(site, &trigger(rig.url(site).dialect(), table)).await;
            }
        }
    }
    rigs
}

fn trigger(dialect: Dialect, table: &str) -> String {
    let note = format!("INSERT INTO seen VALUES ('{table}', NEW.balance);");
    match dialect {
        Dialect::Sqlite => {
            format!("CREATE TRIGGER note_{table} AFTER UPDATE ON {table} BEGIN {note} END")
        }
        Dialect::MariaDb => {
            format!("CREATE TRIGGER note_{table} AFTER UPDATE ON {table} FOR EACH ROW {note}")
        }
        Dialect::Postgres => format!(
            "CREATE FUNCTION note_{table}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {note} RETURN NULL; END$$; \
             CREATE TRIGGER note_{table} AFTER UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION note_{table}()"
        ),
    }
}

/// A transaction that begins an account and a total, and adds to each; more that add to them.
async fn write(rig: &Rig, id: i64, version: i64) {
    let begin = |table: &str| Change::insert(table, row([("id", id.into()), ("balance", 0.into())]));
    let add = |table: &str| Change::add(table, row([("id", id.into())]), row([("balance", 1.into())]));
    let adds = || (0..ADDS).flat_map(|_| ["account", "total"].map(add));
    let first: Vec<Change> = ["account", "total"].map(begin).into_iter().chain(adds()).collect();
    rig.append("a", version, &first).await;
    for _ in 1..TRANSACTIONS {
        rig.append("a", version, &adds().collect::<Vec<_>>()).await;
    }
    let mut posters = [("a", rig.poster("a").await), ("b", rig.poster("b").await)];
    rig.settle(&mut posters).await;
}

/// Updates that the triggers of a site saw of a table, and whether they came one step after the other.
async fn seen(rig: &Rig, site: &str, table: &str) -> (i64, bool) {
    let count = rig.number(site, &format!("SELECT count(*) FROM seen WHERE what = '{table}'")).await;
    let steps = "SELECT coalesce(max(balance), 0) FROM seen WHERE what";
    let last = rig.number(site, &format!("{steps} = '{table}'")).await;
    let values = format!("SELECT count(DISTINCT balance) FROM seen WHERE what = '{table}'");
    (count, count == last && rig.number(site, &values).await == count)
}

#[tokio::test]
async fn a_trigger_sees_each_change_of_a_table_that_is_not_folded_and_the_table_does_not_move_for_it() {
    for (store, rig) in rigs().await {
        write(&rig, 1, 1).await;
        for site in ["a", "b"] {
            let (count, _) = seen(&rig, site, "account").await;
            assert!(count < ADDS * TRANSACTIONS, "{store} {site}: version 1 folds, {count} were seen");
            rig.control(site).await.pause("dba", "release").await.unwrap();
            let (who, why) = ("dba".to_owned(), "release".to_owned());
            let order = ReshapeOrder { to: SchemaVersion(2), mode: Mode::CarryOut, who, why };
            reshape(rig.url(site), &rig.registry, &order, &mut applier::audit::unwatched).await.unwrap();
            rig.control(site).await.resume("dba", "released").await.unwrap();
            rig.execute(site, "DELETE FROM seen").await;
        }
        // The triggers are still there: a reshape that made the tables anew would have taken them away.
        write(&rig, 2, 2).await;
        for site in ["a", "b"] {
            assert_eq!(seen(&rig, site, "account").await, (ADDS * TRANSACTIONS, true), "{store} {site}");
            let (count, _) = seen(&rig, site, "total").await;
            assert!(count < ADDS * TRANSACTIONS, "{store} {site}: total is folded, {count} were seen");
            let sum = rig.number(site, "SELECT CAST(sum(balance) AS bigint) FROM account").await;
            assert_eq!(sum, 2 * ADDS * TRANSACTIONS, "{store} {site}");
        }
    }
}
