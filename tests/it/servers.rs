//! The private servers do what the other tests take for granted.

use journal_core::sql::{Access, Conn, DbUrl};
use journal_tests::servers::{
    Durability, Server, Settings, mariadb_or_skip, own_mariadb_or_skip, own_postgres_or_skip,
    postgres_or_skip, two_mariadb_or_skip, two_postgres_or_skip,
};
use sqlx::{Connection, PgConnection, Row};

async fn open(url: &str) -> Conn {
    Conn::open(&url.parse().unwrap(), Access::Write, "test").await.unwrap()
}

async fn text(url: &str, query: &str) -> String {
    open(url).await.lend().fetch_one(query, vec![]).await.unwrap().text(0).unwrap()
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

#[tokio::test]
async fn a_url_connects_to_the_database_it_names() {
    let Some(server) = postgres_or_skip() else { return };
    let database = server.create_database();
    let mut connection = connect(&database.url).await;
    let row = sqlx::query("SELECT current_database()::text, current_user::text, inet_server_addr()::text")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>(0), database.name);
    assert_eq!(row.get::<String, _>(1), "daybook");
    assert_eq!(row.get::<Option<String>, _>(2), None, "no server listens on a port");
}

#[tokio::test]
async fn the_two_shared_servers_are_two() {
    let Some((a, b)) = two_postgres_or_skip() else { return };
    let mut identifiers = Vec::new();
    for server in [a, b] {
        let mut connection = connect(&server.create_database().url).await;
        let started: String = sqlx::query_scalar("SELECT pg_postmaster_start_time()::text")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        identifiers.push((server.url("x"), started));
    }
    assert_ne!(identifiers[0], identifiers[1]);
}

#[tokio::test]
async fn databases_have_names_of_their_own() {
    let Some(server) = postgres_or_skip() else { return };
    let (first, second) = (server.create_database(), server.create_database());
    assert_ne!(first.name, second.name);
    sqlx::query("CREATE TABLE only_here (id bigint)").execute(&mut connect(&first.url).await).await.unwrap();
    let missing = sqlx::query("SELECT id FROM only_here").fetch_all(&mut connect(&second.url).await).await;
    assert!(missing.is_err());
}

#[tokio::test]
async fn a_committed_row_survives_a_crash_of_a_server_of_either_durability() {
    for durability in [Durability::Fast, Durability::Real] {
        let settings = Settings { durability, ..Settings::default() };
        let Some(server) = own_postgres_or_skip(settings) else { return };
        let database = server.create_database();
        let mut connection = connect(&database.url).await;
        sqlx::query("CREATE TABLE kept (id bigint)").execute(&mut connection).await.unwrap();
        sqlx::query("INSERT INTO kept VALUES (7)").execute(&mut connection).await.unwrap();
        server.stop_immediate();
        assert!(PgConnection::connect(&database.url).await.is_err(), "a stopped server takes no connection");
        server.restart();
        let rows: Vec<i64> = sqlx::query_scalar("SELECT id FROM kept")
            .fetch_all(&mut connect(&database.url).await)
            .await
            .unwrap();
        assert_eq!(rows, [7]);
        assert!(server.log().contains("automatic recovery in progress"), "the stop was not a clean one");
    }
}

#[tokio::test]
async fn a_server_with_a_password_takes_no_other() {
    let settings = Settings { password: Some("open-sesame".into()), ..Settings::default() };
    assert!(!format!("{settings:?}").contains("sesame"));
    let Some(server) = own_postgres_or_skip(settings) else { return };
    let database = server.create_database();
    connect(&database.url).await;
    for wrong in [Some("open-barley"), None] {
        let url = server.url_with_password(&database.name, wrong);
        let error = PgConnection::connect(&url).await.unwrap_err();
        assert!(!error.to_string().contains("sesame"));
    }
}

#[tokio::test]
async fn settings_reach_the_server() {
    let settings = Settings { options: vec!["work_mem=7MB".into()], ..Settings::default() };
    let Some(server) = own_postgres_or_skip(settings) else { return };
    let mut connection = connect(&server.create_database().url).await;
    let shown: String = sqlx::query_scalar("SHOW work_mem").fetch_one(&mut connection).await.unwrap();
    assert_eq!(shown, "7MB");
}

#[tokio::test]
async fn a_mariadb_url_connects_to_the_database_it_names_and_the_two_are_two() {
    let Some((a, b)) = two_mariadb_or_skip() else { return };
    let (first, second) = (a.create_database(), a.create_database());
    assert_ne!(first.name, second.name);
    assert_eq!(text(&first.url, "SELECT DATABASE()").await, first.name);
    assert_eq!(text(&first.url, "SELECT CURRENT_USER()").await, "daybook@localhost");
    assert_eq!(text(&first.url, "SELECT IF(@@skip_networking, 'no port', 'a port')").await, "no port");
    open(&first.url).await.lend().ddl("CREATE TABLE only_here (id bigint)").await.unwrap();
    assert!(open(&second.url).await.lend().fetch("SELECT id FROM only_here", vec![]).await.is_err());
    let socket = "SELECT @@socket";
    assert_ne!(text(&first.url, socket).await, text(&b.create_database().url, socket).await);
}

#[tokio::test]
async fn a_row_committed_in_mariadb_survives_a_crash_of_a_server_of_either_durability() {
    for durability in [Durability::Fast, Durability::Real] {
        let settings = Settings { durability, ..Settings::default() };
        let Some(server) = own_mariadb_or_skip(settings) else { return };
        let database = server.create_database();
        let made = "CREATE TABLE kept (id bigint); INSERT INTO kept VALUES (7)";
        open(&database.url).await.lend().ddl(made).await.unwrap();
        server.stop_immediate();
        let url: DbUrl = database.url.parse().unwrap();
        assert!(
            Conn::open(&url, Access::Write, "test").await.is_err(),
            "a stopped server takes no connection"
        );
        server.restart();
        assert_eq!(text(&database.url, "SELECT CAST(id AS CHAR) FROM kept").await, "7");
        assert!(
            server.log().contains("Starting crash recovery"),
            "the stop was not a clean one: {}",
            server.log()
        );
    }
}

#[tokio::test]
async fn a_mariadb_server_takes_no_other_password_and_the_settings_it_is_given() {
    let settings = Settings {
        password: Some("open-sesame".into()),
        options: vec!["sort-buffer-size=7M".into()],
        ..Settings::default()
    };
    let Some(server) = own_mariadb_or_skip(settings) else { return };
    let database = server.create_database();
    assert_eq!(text(&database.url, "SELECT CAST(@@sort_buffer_size AS CHAR)").await, "7340032");
    for wrong in [Some("open-barley"), None] {
        let url: DbUrl = server.url_with_password(&database.name, wrong).parse().unwrap();
        let error = Conn::open(&url, Access::Write, "test").await.unwrap_err();
        assert!(!error.to_string().contains("sesame"), "{error}");
    }
}

/// Servers that start while others run leave their temporary tables alone.
#[tokio::test]
async fn a_mariadb_server_that_starts_disturbs_no_other() {
    let Some(server) = mariadb_or_skip() else { return };
    let url = server.create_database().url;
    assert_ne!(text(&url, "SELECT @@tmpdir").await, "/tmp");
    let other: Option<Server> = own_mariadb_or_skip(Settings::default());
    assert_ne!(
        text(&url, "SELECT @@tmpdir").await,
        text(&other.unwrap().create_database().url, "SELECT @@tmpdir").await
    );
}
