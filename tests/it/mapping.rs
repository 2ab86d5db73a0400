//! The case suite of the mappings: for every operation, variants of it as data (`mapping/cases`), each carried out up and
//! down, written at every version on every side, moved by a reshape, seen through views, rolled back and brought up again,
//! on SQLite and on PostgreSQL, through the real engine.

pub(crate) mod case;
mod judge;
pub(crate) mod runner;
pub(crate) mod world;

use case::Case;
use judge::Report;
use world::Store;

/// The files of cases, one for each operation, by name.
fn files() -> Vec<(String, String)> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("it/mapping/cases");
    let files = std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap().path());
    let read = |path: std::path::PathBuf| {
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
    };
    let mut files: Vec<(String, String)> = files.map(read).collect();
    files.sort();
    files
}

async fn run_all(store: Store) -> Option<Report> {
    let mut report = Report::default();
    for (name, text) in files() {
        let cases = Case::file(&text);
        let newest: std::collections::BTreeSet<i64> = cases.iter().map(Case::newest).collect();
        for newest in newest {
            let same: Vec<Case> = cases.iter().filter(|case| case.newest() == newest).cloned().collect();
            let started = std::time::Instant::now();
            report.take(runner::run(store, &same).await?);
            println!(
                "{store:?} {name}: {} cases of {newest} versions in {:?}",
                same.len(),
                started.elapsed()
            );
        }
    }
    Some(report)
}

async fn hold(store: Store) {
    let Some(report) = run_all(store).await else { return };
    println!("{store:?}\n{}", report.table());
    assert!(report.faults.is_empty(), "{} faults\n{}", report.faults.len(), report.faults.join("\n"));
}

#[tokio::test]
async fn every_case_holds_on_sqlite() {
    hold(Store::Sqlite).await;
}

#[tokio::test]
async fn every_case_holds_on_postgres() {
    hold(Store::Postgres).await;
}

#[tokio::test]
async fn a_case_is_read_from_a_directory_and_a_broken_promise_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let columns = |more: &str| format!("[table.t]\nkey = [\"id\"]\n[table.t.columns]\nid = \"int\"\n{more}");
    let drop = "[[map]]\nop = \"drop_column\"\ntable = \"t\"\ncolumn = \"fax\"\ndefault = \"\"\n";
    for (name, text) in [
        ("1/schema.toml", columns("fax = \"text\"\n")),
        ("2/schema.toml", columns("")),
        ("2/mapping.toml", drop.to_owned()),
        ("write.1.txt", "insert {\"id\":@,\"fax\":\"1\"}\n".to_owned()),
        ("write.2.txt", "insert {\"id\":@}\n".to_owned()),
        // Not so: version 1 sees the default of what version 2 wrote.
        ("see.2.at.1.txt", "{\"id\":@,\"fax\":\"2\"}\n".to_owned()),
    ] {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let case = Case::directory(directory.path(), "a set of files", "drop_column");
    let report = runner::run(Store::Sqlite, &[case]).await.unwrap();
    assert_eq!(report.faults.len(), 1, "{:?}", report.faults);
    assert!(report.faults[0].contains("expected: t fax=\"2\""), "{}", report.faults[0]);
    assert!(report.total() > 20, "{}", report.table());
}
