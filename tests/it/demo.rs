//! The main job on real input: the whole rental history, each store, judged by plain SQL against the source's own facts.

use applier::demo::{self, Options, Report};
use journal_core::sql::{Access, Conn, DbUrl, Dialect};
use journal_tests::servers;
use journal_tests::tether;

const FACTS: &str = include_str!("../../applier/assets/rental-history/facts.json");
const NAMES: &str = include_str!("../../applier/assets/rental-history/names.csv");

async fn play(urls: [String; 2]) -> (Report, [DbUrl; 2]) {
    let urls: [DbUrl; 2] = urls.map(|url| url.parse().unwrap());
    let directory = std::env::temp_dir();
    let options = Options { urls: urls.clone(), directory, transactions: None };
    let report = demo::run(options, &mut |_, _| {}).await.unwrap();
    eprintln!("{}", report.table());
    (report, urls)
}

async fn judge((report, urls): (Report, [DbUrl; 2])) {
    assert!(report.is_good(), "{}", report.table());
    assert_eq!((report.transactions, report.entries), (49_555, 88_026));
    assert_eq!(report.ask_queue, 599);
    assert_eq!(report.sites[0].digest, report.sites[1].digest);
    assert!(report.sites.iter().all(|site| site.schema_version == 2 && site.posted == 49_555));
    let facts: serde_json::Value = serde_json::from_str(FACTS).unwrap();
    for url in &urls {
        let mut conn = Conn::open(url, Access::Read, "judge").await.unwrap();
        judge_ledger(&mut conn, &facts).await;
        judge_names(&mut conn).await;
    }
}

async fn judge_ledger(conn: &mut Conn, facts: &serde_json::Value) {
    for (table, rows) in facts["rows"].as_object().unwrap() {
        let table = if table == "addr" { "address" } else { table };
        assert_eq!(
            number(conn, &format!("SELECT count(*) FROM {table}")).await,
            rows.as_i64().unwrap(),
            "{table}"
        );
    }
    let open = "SELECT count(*) FROM rental WHERE returned_at IS NULL";
    assert_eq!(number(conn, open).await, facts["open_rentals"].as_i64().unwrap());
    let asked = "SELECT count(*) FROM phone WHERE number = '?'";
    assert_eq!(number(conn, asked).await, facts["customers_without_phone"].as_i64().unwrap());
    let online = "SELECT count(*) FROM rental WHERE channel = 'online'";
    assert!(number(conn, online).await > 0, "what only version 2 can say survived at both sites");
    for store in ["1", "2"] {
        let text = if conn.dialect() == Dialect::MariaDb { "char" } else { "text" };
        let sql = format!(
            "SELECT CAST(revenue AS {text}), nr_of_rentals, nr_of_users FROM stats WHERE store_id = {store}"
        );
        let row = conn.lend().fetch_one(&sql, vec![]).await.unwrap();
        let revenue = facts["revenue"][store].as_str().unwrap();
        assert_eq!(row.text(0).unwrap(), format!("{revenue}00"), "to the cent, in the wider type");
        assert_eq!(row.i64(1).unwrap(), facts["nr_of_rentals"][store].as_i64().unwrap());
        assert_eq!(row.i64(2).unwrap(), facts["nr_of_users"][store].as_i64().unwrap());
    }
}

async fn judge_names(conn: &mut Conn) {
    let rows = conn
        .lend()
        .fetch("SELECT customer_id, first_name, last_name FROM name ORDER BY 1", vec![])
        .await
        .unwrap();
    let told: Vec<String> = rows
        .iter()
        .map(|row| format!("{},{},{}", row.i64(0).unwrap(), row.text(1).unwrap(), row.text(2).unwrap()))
        .collect();
    let mut known: Vec<&str> = NAMES.lines().skip(1).collect();
    known.sort_by_key(|line| line.split(',').next().unwrap().parse::<i64>().unwrap());
    assert_eq!(told, known);
}

async fn number(conn: &mut Conn, sql: &str) -> i64 {
    conn.lend().fetch_one(sql, vec![]).await.unwrap().i64(0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_on_two_sqlite_files() {
    let directory = tether::directory("daybook-it-");
    let url = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    judge(play([url("a.db"), url("b.db")]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_on_two_postgresql_servers() {
    let Some((a, b)) = servers::two_postgres_or_skip() else { return };
    judge(play([a.create_database().url, b.create_database().url]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_with_a_sqlite_and_a_postgresql_site() {
    let Some(server) = servers::postgres_or_skip() else { return };
    let directory = tether::directory("daybook-it-");
    let file = format!("sqlite:{}", directory.path().join("a.db").display());
    judge(play([file, server.create_database().url]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_on_two_mariadb_servers() {
    let Some((a, b)) = servers::two_mariadb_or_skip() else { return };
    judge(play([a.create_database().url, b.create_database().url]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_with_a_mariadb_and_a_postgresql_site() {
    let (Some(a), Some(b)) = (servers::mariadb_or_skip(), servers::postgres_or_skip()) else { return };
    judge(play([a.create_database().url, b.create_database().url]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_with_a_sqlite_and_a_mariadb_site() {
    let Some(server) = servers::mariadb_or_skip() else { return };
    let directory = tether::directory("daybook-it-");
    let file = format!("sqlite:{}", directory.path().join("a.db").display());
    judge(play([file, server.create_database().url]).await).await;
}
