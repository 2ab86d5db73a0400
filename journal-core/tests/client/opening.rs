//! Opening: the right site, a released version, or a clear no.

use journal_core::client::{Journal, OpenError};
use journal_core::model::{Row, SchemaVersion, SiteName};

use super::shop::{Shop, item};

async fn refusal(opened: Result<Journal, OpenError>) -> String {
    opened.err().map_or_else(|| "opened".to_owned(), |error| error.to_string())
}

#[tokio::test]
async fn a_journal_writes_the_version_asked_for_or_its_ledgers() {
    let shop = Shop::open("a", 0).await;
    assert_eq!(shop.journal().await.schema().version, SchemaVersion(1));
    let newer =
        Journal::builder(&shop.url, &shop.site).schema_version(SchemaVersion(2)).open().await.unwrap();
    let shelved = item(1).update("item", Row::new().with("id", 1), Row::new().with("shelf", "3b"));
    newer.append(&shelved).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let shop = Shop::open("a", 0).await;
    let other = Journal::open(&shop.url, &SiteName::new("b").unwrap()).await;
    assert!(refusal(other).await.ends_with("is the journal of site a, not of b"));
    let unreleased = Journal::builder(&shop.url, &shop.site).schema_version(SchemaVersion(9)).open().await;
    assert_eq!(refusal(unreleased).await, "schema version 9 is not released at site a; released are 1, 2");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    let absent = Journal::open(&format!("sqlite:{path}/none.db").parse().unwrap(), &shop.site).await;
    assert!(refusal(absent).await.starts_with("open the journal in sqlite:"));
    std::fs::write(directory.path().join("empty.db"), "").unwrap();
    let empty = Journal::open(&format!("sqlite:{path}/empty.db").parse().unwrap(), &shop.site).await;
    assert!(refusal(empty).await.ends_with("holds no journal yet; `daybook init` makes one"));
}
