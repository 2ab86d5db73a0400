//! The type matrix: every type of column with the values at its edges, from every store to every store. A value is read
//! back as it was written, or is refused with a code, where it is written or where it arrives; none is bent. What was
//! measured is `docs/types.md`.

mod edges;
mod kinds;
mod lines;
mod page;
mod passage;
mod reading;
mod store;

use std::path::Path;

use journal_core::model::SchemaVersion;

use page::{Measured, page};
use passage::{pass, set};
use store::{Places, Store};

/// Set, the page is written and not compared.
const WRITE: &str = "DAYBOOK_WRITE_PAGES";

#[tokio::test]
async fn every_value_is_kept_by_every_store_or_refused_by_name_as_the_page_of_types_says() {
    let Some(places) = Places::start() else { return };
    let (kinds, wide) = (kinds::all(), kinds::wide());
    let two = [Store::Sqlite, Store::Postgres];
    let from = |origin| pass(&places, &kinds, origin, &Store::ALL);
    let wide_from = |origin| pass(&places, &wide, origin, &two);
    // Side by side: servers and this process wait for one another.
    let (a, b, c, d, e) = tokio::join!(
        from(Store::Sqlite),
        from(Store::Postgres),
        from(Store::MariaDb),
        wide_from(Store::Sqlite),
        wide_from(Store::Postgres)
    );
    let (everywhere, beside) = ([a, b, c], [d, e]);
    let lists =
        [Measured { kinds: &kinds, passages: &everywhere }, Measured { kinds: &wide, passages: &beside }];
    let set = set(&kinds);
    let schema = set.version(SchemaVersion(1)).unwrap().schema();
    is_as_written(&page(&lists, &lines::section(&kinds, schema)));
}

/// Compares the page of types with what it has to be, or writes it.
fn is_as_written(measured: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/types.md");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&file, measured).unwrap();
        return;
    }
    let page = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = measured.lines().zip(page.lines()).find(|(measured, page)| measured != page);
    assert!(
        measured == page,
        "docs/types.md is not what was measured; they differ in {differs:?} (measured, page). If what was measured is \
         right, {WRITE}=1 cargo test --test it type_matrix writes the page anew"
    );
}
