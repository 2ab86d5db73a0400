//! What the crates' manifests must say: dependencies one way, shared versions, shared lints.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

/// The crates of this workspace that each crate's own code may depend on. Development dependencies may also
/// name the crate itself, to turn on its test features.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("journal-core", &[]),
    ("schema-mappers", &["journal-core"]),
    ("applier", &["journal-core", "schema-mappers"]),
    ("journal-tests", &["journal-core", "schema-mappers", "applier"]),
    ("journal-sim", &["journal-core", "schema-mappers", "applier"]),
    ("journal-benches", &["journal-core", "schema-mappers", "applier", "journal-tests"]),
];

/// Manifests with a number of faults, for the test of these rules.
pub(super) const PLANTED: &[(&str, &str, usize)] = &[
    ("journal-core", "[dependencies]\nserde.workspace = true\n[lints]\nworkspace = true", 0),
    ("journal-core", "[dependencies]\napplier.workspace = true\n[lints]\nworkspace = true", 1),
    ("applier", "[dev-dependencies]\njournal-tests.workspace = true\n[lints]\nworkspace = true", 1),
    ("applier", "[dependencies]\nserde = \"1\"\n[lints]\nworkspace = true", 1),
    ("applier", "[dependencies]\nserde.workspace = true", 1),
    ("newcomer", "[lints]\nworkspace = true", 1),
];

/// A crate's manifest.
#[derive(Debug)]
pub(super) struct Manifest {
    name: String,
    table: Table,
}

/// The manifests of all members of the workspace.
pub(super) fn members(root: &Path) -> Vec<Manifest> {
    let read = |path: &Path| fs::read_to_string(path.join("Cargo.toml")).unwrap().parse::<Table>().unwrap();
    let workspace = read(root);
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let manifest = |member: &Value| {
        let table = read(&root.join(member.as_str().unwrap()));
        Manifest { name: table["package"]["name"].as_str().unwrap().to_owned(), table }
    };
    members.iter().map(manifest).collect()
}

/// A manifest that exists only in a test of these rules.
pub(super) fn planted(name: &str, text: &str) -> Manifest {
    Manifest { name: name.to_owned(), table: text.parse().unwrap() }
}

/// What is wrong with a manifest.
pub(super) fn faults(manifest: &Manifest) -> Vec<String> {
    let Manifest { name, table } = manifest;
    let Some((_, allowed)) = MAY_DEPEND_ON.iter().find(|(crate_name, _)| crate_name == name) else {
        return vec![format!("{name}: say in tidy what it may depend on")];
    };
    let mut faults = Vec::new();
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let dependencies = table.get(section).and_then(Value::as_table).into_iter().flatten();
        for (dependency, how) in dependencies {
            let own = dependency == name && section == "dev-dependencies";
            let ours = MAY_DEPEND_ON.iter().any(|(crate_name, _)| crate_name == dependency);
            if ours && !own && !allowed.contains(&dependency.as_str()) {
                faults.push(format!("{name}: may not depend on {dependency}"));
            }
            if !own && how.get("workspace").and_then(Value::as_bool) != Some(true) {
                faults.push(format!("{name}: takes {dependency} from [workspace.dependencies]"));
            }
        }
    }
    let lints = table.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool);
    if lints != Some(true) {
        faults.push(format!("{name}: takes the lints of the workspace"));
    }
    faults
}
