//! The real schema changes under `examples/`: each is a set that loads and holds the laws, runs on two sites on both stores,
//! and stands in the index. What a change is about is told in its own folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use schema_mappers::laws::Laws;
use schema_mappers::{Registry, RustMappers, SchemaSet};

use crate::mapping::case::{Case, Expected, Lines};
use crate::mapping::runner;
use crate::mapping::world::Store;

/// Examples there are at least, out of so many applications.
const EXAMPLES_MIN: usize = 30;
const APPLICATIONS: [&str; 3] = ["mastodon", "redmine", "zulip"];
/// Random cases that the laws are tried with.
const CASES: u32 = 300;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples")
}

/// The folders of all examples, as `zulip/01-subdomain-renamed`.
fn examples() -> Vec<String> {
    let folders = |path: &Path| -> Vec<String> {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
        let folders = entries.filter(|entry| entry.path().is_dir());
        folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
    };
    let mut found = Vec::new();
    for application in APPLICATIONS {
        let own = folders(&root().join(application));
        found.extend(own.into_iter().map(|folder| format!("{application}/{folder}")));
    }
    found.sort();
    found
}

#[test]
fn there_are_enough_examples_and_the_index_lists_them_all() {
    let examples = examples();
    assert!(examples.len() >= EXAMPLES_MIN, "{} examples", examples.len());
    let index = fs::read_to_string(root().join("README.md")).unwrap();
    for example in &examples {
        assert!(index.contains(&format!("[{example}]({example}/README.md)")), "the index lacks {example}");
        let page = fs::read_to_string(root().join(example).join("README.md")).unwrap();
        for part in ["**What changed.**", "**Where.**", "**Downtime there.**", "**Here.**"] {
            assert!(page.contains(part), "{example}/README.md lacks {part}");
        }
    }
}

#[test]
fn every_example_holds_the_laws() {
    for example in examples() {
        let set =
            SchemaSet::load(&root().join(&example)).unwrap_or_else(|fault| panic!("{example}: {fault}"));
        let pairs = set.versions().len() * set.versions().len();
        let registry = Registry::new(set, RustMappers::none()).unwrap();
        let report = Laws::new(registry).generated(1, CASES);
        assert!(report.holds(), "{example}\n{}", report.breaks[0]);
        let tried = report.tried.values().filter(|tally| tally.rows > 0 && tally.changes > 0).count();
        assert_eq!(tried, pairs, "{example}: {:?}", report.tried);
    }
}

#[tokio::test]
async fn every_example_runs_on_two_sites_on_sqlite() {
    run(Store::Sqlite).await;
}

#[tokio::test]
async fn every_example_runs_on_two_sites_on_postgres() {
    run(Store::Postgres).await;
}

async fn run(store: Store) {
    let mut faults = Vec::new();
    for (names, case) in batches() {
        // `None`: the store is not installed.
        let Some(report) = runner::run(store, &[case]).await else { return };
        if !report.faults.is_empty() {
            faults.push(format!("among {}:\n{}", names.join(", "), report.faults.join("\n")));
        }
    }
    assert!(faults.is_empty(), "{store:?}\n{}", faults.join("\n"));
}

/// Examples whose tables do not meet, together as one case: a run costs the same for one and for many.
fn batches() -> Vec<(Vec<String>, Case)> {
    let mut batches: Vec<(Vec<String>, BTreeSet<String>, Case)> = Vec::new();
    for example in examples() {
        let path = root().join(&example);
        let case = Case::directory(&path, &example, "examples");
        let tables = tables(&path);
        let room = batches.iter_mut().find(|(_, taken, batch)| {
            batch.versions.len() == case.versions.len() && taken.is_disjoint(&tables)
        });
        match room {
            Some((names, taken, batch)) => {
                names.push(example);
                taken.extend(tables);
                join(batch, case);
            }
            None => batches.push((vec![example], tables, case)),
        }
    }
    batches.into_iter().map(|(names, _, case)| (names, case)).collect()
}

/// The names of an example's tables, at any version.
fn tables(path: &Path) -> BTreeSet<String> {
    let set = SchemaSet::load(path).unwrap();
    let tables = set.versions().iter().flat_map(|version| version.schema().tables.keys());
    tables.map(ToString::to_string).collect()
}

/// Adds a case to another one of as many versions.
fn join(to: &mut Case, case: Case) {
    for (mine, (schema, mapping)) in to.versions.iter_mut().zip(case.versions) {
        mine.0 += &format!("\n{schema}");
        mine.1 += &format!("\n{mapping}");
    }
    for (mine, lines) in [(&mut to.writes, case.writes), (&mut to.refused, case.refused)] {
        for Lines { written_at, lines } in lines {
            match mine.iter_mut().find(|known| known.written_at == written_at) {
                Some(known) => known.lines.extend(lines),
                None => mine.push(Lines { written_at, lines }),
            }
        }
    }
    let mut expected: BTreeMap<(i64, i64), Vec<String>> = BTreeMap::new();
    for Expected { written_at, seen_at, rows } in to.expected.drain(..).chain(case.expected) {
        expected.entry((written_at, seen_at)).or_default().extend(rows);
    }
    let told =
        |((written_at, seen_at), rows): ((i64, i64), Vec<String>)| Expected { written_at, seen_at, rows };
    to.expected = expected.into_iter().map(told).collect();
}
