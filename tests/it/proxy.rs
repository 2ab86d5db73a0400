//! The proxy cuts where it says: what the server did and what the client heard part company at that point.

use journal_tests::proxy::{Cut, Proxy};
use journal_tests::servers::{Server, postgres_or_skip};
use sqlx::{Connection, PgConnection};

/// A table to commit into, once through the proxy with `cut` armed; gives what the client heard and what is there.
async fn commit_through(server: &Server, cut: Cut) -> (sqlx::Result<()>, Vec<i64>) {
    let database = server.create_database();
    let mut direct = PgConnection::connect(&database.url).await.unwrap();
    sqlx::query("CREATE TABLE written (id bigint)").execute(&mut direct).await.unwrap();
    let proxy = Proxy::start(server);
    let mut cut_off = PgConnection::connect(&proxy.url(server, &database.name)).await.unwrap();
    proxy.cut_at_commit(cut, 1);
    for id in [1_i64, 2] {
        let mut transaction = cut_off.begin().await.unwrap();
        sqlx::query("INSERT INTO written VALUES ($1)").bind(id).execute(&mut *transaction).await.unwrap();
        let heard = transaction.commit().await;
        if id == 1 {
            heard.unwrap();
            continue;
        }
        proxy.cuts_made(1).await;
        // The session may still be rolling back; the lock waits for it.
        let mut check = direct.begin().await.unwrap();
        sqlx::query("LOCK TABLE written").execute(&mut *check).await.unwrap();
        let rows =
            sqlx::query_scalar("SELECT id FROM written ORDER BY id").fetch_all(&mut *check).await.unwrap();
        assert_eq!(proxy.commits_seen(), 2);
        return (heard, rows);
    }
    unreachable!("the second round returns")
}

#[tokio::test]
async fn a_commit_that_never_left_is_rolled_back() {
    let Some(server) = postgres_or_skip() else { return };
    let (heard, rows) = commit_through(server, Cut::BeforeCommit).await;
    assert!(heard.is_err());
    assert_eq!(rows, [1]);
}

#[tokio::test]
async fn a_commit_with_a_lost_reply_is_there() {
    let Some(server) = postgres_or_skip() else { return };
    for cut in [Cut::ReplyLost, Cut::ReplyHalved] {
        let (heard, rows) = commit_through(server, cut).await;
        assert!(heard.is_err(), "{cut:?}");
        assert_eq!(rows, [1, 2], "{cut:?}");
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
    let Some(server) = postgres_or_skip() else { return };
    let database = server.create_database();
    let proxy = Proxy::start(server);
    let url = proxy.url(server, &database.name);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    proxy.close();
    assert!(connection.ping().await.is_err());
    assert!(PgConnection::connect(&url).await.is_err());
    proxy.open();
    PgConnection::connect(&url).await.unwrap();
}
