//! The case suite of the mappings: for every operation, variants of it as data (`mapping/cases`), each carried out up and
//! down, written at every version on every side, moved by a reshape, seen through views, rolled back and brought up again,
//! on SQLite and on PostgreSQL, through the real engine.

pub(crate) mod case;
mod generated;
mod judge;
pub(crate) mod runner;
pub(crate) mod world;

use journal_tests::tether;
use std::collections::BTreeMap;

use case::Case;
use judge::Report;
use world::Store;

/// Most cases that share a pair of sites. Sites take longer to make than cases to run, but a set of several hundred tables
/// is slow itself.
const TOGETHER_MAX: usize = 40;

/// The files of cases, one for each operation, by name; `MAPPING_CASES` names the only one to run.
fn files() -> Vec<(String, String)> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("it/mapping/cases");
    let files = std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap().path());
    let read = |path: std::path::PathBuf| {
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
    };
    let only = std::env::var("MAPPING_CASES").ok();
    let files = files.map(read).filter(|(name, _)| only.as_ref().is_none_or(|only| only == name));
    let mut files: Vec<(String, String)> = files.collect();
    files.sort();
    files
}

/// The cases of all files, by what they must have in common to run together: how many versions they have, whether they
/// lose something, and whether their writings are kept apart. With `CASES=split` in the environment, only those whose
/// operation or name says so.
fn cases() -> BTreeMap<(i64, bool, bool), Vec<Case>> {
    let mut all: BTreeMap<(i64, bool, bool), Vec<Case>> = BTreeMap::new();
    let mut count = 0;
    let only = std::env::var("CASES").ok();
    for (_, text) in files() {
        let cases = Case::file(&text, count);
        count += cases.len();
        let asked =
            |case: &Case| only.as_ref().is_none_or(|only| case.op.contains(only) || case.name.contains(only));
        cases
            .into_iter()
            .filter(asked)
            .for_each(|case| all.entry((case.newest(), case.lossy, case.apart)).or_default().push(case));
    }
    all
}

/// Runs cases together, since two sites take longer to make than a hundred cases to run; where that ends early, in
/// halves, so that the case at fault is named and hides no other.
async fn run_together(store: Store, cases: &[Case]) -> Option<Report> {
    let report = runner::run(store, cases).await?;
    if cases.len() == 1 || !report.ended_early {
        return Some(report);
    }
    let together = report.faults;
    let (left, right) = cases.split_at(cases.len() / 2);
    let mut report = Box::pin(run_together(store, left)).await?;
    report.take(Box::pin(run_together(store, right)).await?);
    if report.faults.is_empty() {
        report.faults.extend(together.into_iter().map(|fault| format!("only together: {fault}")));
    }
    Some(report)
}

async fn run_all(store: Store) -> Option<Report> {
    let mut report = Report::default();
    for ((newest, ..), cases) in cases() {
        for cases in cases.chunks(TOGETHER_MAX) {
            let started = std::time::Instant::now();
            report.take(run_together(store, cases).await?);
            println!("{store:?}: {} cases of {newest} versions in {:?}", cases.len(), started.elapsed());
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

#[test]
fn every_operation_that_is_documented_has_cases_and_there_are_enough() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema-sets.md");
    let page = std::fs::read_to_string(page).unwrap();
    let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
    let documented = headings.flat_map(|heading| heading.split(", ")).filter(|name| name.contains('_'));
    let cases: Vec<Case> = files().iter().flat_map(|(_, text)| Case::file(text, 0)).collect();
    let without: Vec<&str> = documented.filter(|name| !cases.iter().any(|case| case.op == *name)).collect();
    assert!(without.is_empty(), "no case of {without:?}");
    assert!(
        cases.len() >= 100,
        "{} variants, and each is carried out in nine ways on two stores",
        cases.len()
    );
}

#[tokio::test]
async fn a_case_is_read_from_a_directory_and_a_broken_promise_is_seen() {
    let directory = tether::directory("daybook-it-");
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
