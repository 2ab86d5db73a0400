//! The proxy cuts where it says: what the server did and what the client heard part company at that point.

use journal_core::sql::{Access, Conn, SqlError};
use journal_tests::proxy::{Cut, Proxy};
use journal_tests::servers::{Server, mariadb_or_skip, postgres_or_skip};
use sqlx::{Connection, PgConnection};

/// The servers there are, each with a statement that waits until other sessions are done with the table.
fn servers() -> impl Iterator<Item = (&'static Server, &'static str)> {
    let postgres = postgres_or_skip().map(|server| (server, "LOCK TABLE written"));
    let mariadb = mariadb_or_skip().map(|server| (server, "SELECT id FROM written FOR UPDATE"));
    postgres.into_iter().chain(mariadb)
}

async fn open(url: &str) -> Conn {
    Conn::open(&url.parse().unwrap(), Access::Write, "test").await.unwrap()
}

/// A table to commit into, once through the proxy with `cut` armed; gives what the client heard and what is there.
async fn commit_through(server: &Server, wait: &str, cut: Cut) -> (Result<(), SqlError>, Vec<i64>) {
    let database = server.create_database();
    let mut direct = open(&database.url).await;
    direct.lend().ddl("CREATE TABLE written (id bigint PRIMARY KEY)").await.unwrap();
    let proxy = Proxy::start(server);
    let mut cut_off = open(&proxy.url(server, &database.name)).await;
    proxy.cut_at_commit(cut, 1);
    for id in [1_i64, 2] {
        cut_off.begin().await.unwrap();
        cut_off.lend().execute("INSERT INTO written VALUES ($1)", vec![id.into()]).await.unwrap();
        let heard = cut_off.commit().await;
        if id == 1 {
            heard.unwrap();
            continue;
        }
        proxy.cuts_made(1).await;
        // The session may still be rolling back; the lock waits for it.
        direct.begin().await.unwrap();
        direct.lend().script(wait).await.unwrap();
        let rows = direct.lend().fetch("SELECT id FROM written ORDER BY id", vec![]).await.unwrap();
        assert_eq!(proxy.commits_seen(), 2);
        return (heard, rows.iter().map(|row| row.i64(0).unwrap()).collect());
    }
    unreachable!("the second round returns")
}

#[tokio::test]
async fn a_commit_that_never_left_is_rolled_back() {
    for (server, wait) in servers() {
        let (heard, rows) = commit_through(server, wait, Cut::BeforeCommit).await;
        assert!(heard.is_err());
        assert_eq!(rows, [1]);
    }
}

#[tokio::test]
async fn a_commit_with_a_lost_reply_is_there() {
    for (server, wait) in servers() {
        for cut in [Cut::ReplyLost, Cut::ReplyHalved] {
            let (heard, rows) = commit_through(server, wait, cut).await;
            assert!(heard.is_err(), "{cut:?}");
            assert_eq!(rows, [1, 2], "{cut:?}");
        }
    }
}

#[tokio::test]
async fn a_prepared_commit_is_cut_as_well() {
    let Some(server) = postgres_or_skip() else { return };
    let database = server.create_database();
    let proxy = Proxy::start(server);
    let mut connection = PgConnection::connect(&proxy.url(server, &database.name)).await.unwrap();
    proxy.cut_at_commit(Cut::ReplyLost, 0);
    sqlx::query("BEGIN").execute(&mut connection).await.unwrap();
    sqlx::query("CREATE TABLE written (id bigint)").execute(&mut connection).await.unwrap();
    sqlx::query("COMMIT").execute(&mut connection).await.unwrap_err();
    proxy.cuts_made(1).await;
    let mut direct = PgConnection::connect(&database.url).await.unwrap();
    let rows: Vec<i64> = sqlx::query_scalar("SELECT id FROM written").fetch_all(&mut direct).await.unwrap();
    assert_eq!(rows, [0_i64; 0]);
}

#[tokio::test]
async fn a_closed_proxy_looks_like_a_server_that_is_gone() {
    for (server, _) in servers() {
        let database = server.create_database();
        let proxy = Proxy::start(server);
        let url = proxy.url(server, &database.name);
        let mut conn = open(&url).await;
        proxy.close();
        assert!(conn.lend().script("SELECT 1").await.is_err());
        assert!(Conn::open(&url.parse().unwrap(), Access::Write, "test").await.is_err());
        proxy.open();
        open(&url).await;
    }
}
