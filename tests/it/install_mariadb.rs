//! A site's first tables on MariaDB, where each statement commits by itself: what a crash left half made is made anew, and
//! nothing of anybody else's is touched.

use applier::upgrade::install::{InstallError, install};
use journal_core::model::{Epoch, Origin, SchemaVersion, SiteName};
use journal_core::sql::{Access, Conn, DbUrl};
use journal_core::store::sql::Site;
use journal_tests::servers::mariadb_or_skip;
use schema_mappers::{SchemaSet, VersionSource};

const SHOP: &str =
    "[table.shop]\nkey = [\"id\"]\n[table.shop.columns]\nid = \"int\"\nfee = \"decimal(9,2)\"\n";
const ITEM: &str = "[table.item]\nkey = [\"id\"]\nparents = [{ columns = [\"shop\"], table = \"shop\" }]\n\
                    [table.item.columns]\nid = \"int\"\nshop = \"int\"\n";

fn set(tables: &str) -> SchemaSet {
    SchemaSet::from_sources(vec![VersionSource::new(SchemaVersion(1), [("schema.toml", tables)])]).unwrap()
}

fn site() -> Site {
    Site {
        origin: Origin { site: SiteName::new("a").unwrap(), epoch: Epoch(1) },
        group: "test".to_owned(),
        stripe: 0,
        ledger_version: SchemaVersion(1),
    }
}

async fn count(url: &DbUrl, what: &str) -> i64 {
    let mut conn = Conn::open(url, Access::Read, "test").await.unwrap();
    conn.lend().fetch_one(&format!("SELECT count(*) FROM {what}"), vec![]).await.unwrap().i64(0).unwrap()
}

async fn script(url: &DbUrl, text: &str) {
    Conn::open(url, Access::Write, "test").await.unwrap().lend().script(text).await.unwrap();
}

#[tokio::test]
async fn a_site_is_made_once_and_again_after_a_crash_between_its_tables() {
    let Some(server) = mariadb_or_skip() else { return };
    let (set, site) = (set(&format!("{SHOP}{ITEM}")), site());
    let url: DbUrl = server.create_database().url.parse().unwrap();
    let views = url.place().views_of(SchemaVersion(1)).unwrap();
    assert!(install(&url, &site, &set, "dba").await.unwrap().created);
    assert!(!install(&url, &site, &set, "dba").await.unwrap().created);
    assert_eq!(count(&url, &format!("\"{views}\".\"item\"")).await, 0);
    // As a crash leaves it: one table missing, one view made, and no version on record.
    script(
        &url,
        &format!("DROP TABLE item; DROP VIEW \"{views}\".\"item\"; UPDATE {{d}}site SET ledger_version = 0"),
    )
    .await;
    assert!(install(&url, &site, &set, "dba").await.unwrap().created);
    assert_eq!(count(&url, &format!("\"{views}\".\"item\" JOIN \"{views}\".\"shop\"")).await, 0);
    assert_eq!(count(&url, "{d}action WHERE what = 'begin to install version 1'").await, 1);
}

#[tokio::test]
async fn a_table_of_somebody_elses_stops_the_installation_and_stays() {
    let Some(server) = mariadb_or_skip() else { return };
    let url: DbUrl = server.create_database().url.parse().unwrap();
    script(&url, "CREATE TABLE item (n INT); INSERT INTO item VALUES (7)").await;
    for _ in 0..2 {
        let refused = install(&url, &site(), &set(&format!("{SHOP}{ITEM}")), "dba").await.unwrap_err();
        assert!(refused.to_string().contains("a table item is there already"), "{refused}");
    }
    assert_eq!(count(&url, "item WHERE n = 7").await, 1);
}

#[tokio::test]
async fn what_the_server_cannot_hold_is_refused_before_anything_is_made() {
    let Some(server) = mariadb_or_skip() else { return };
    let url: DbUrl = server.create_database().url.parse().unwrap();
    let wide = set(&SHOP.replace("decimal(9,2)", "decimal(66,2)"));
    let refused = install(&url, &site(), &wide, "dba").await.unwrap_err();
    let InstallError::Unfit { detail } = &refused else { panic!("{refused}") };
    assert!(detail.contains("column fee is decimal(66,2)"), "{detail}");
    assert_eq!(count(&url, "{d}schema_version").await, 0);
}
