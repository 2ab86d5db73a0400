//! Every report is as `docs/json.md` tells it: what is documented is there, and nothing else at the top level.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Desk, film};

/// A documented field.
struct Field {
    path: String,
    optional: bool,
}

/// The fields of a section of the page.
fn documented(section: &str) -> Vec<Field> {
    let page = include_str!("../../../docs/json.md");
    let heading = |line: &str| {
        line.strip_prefix("## ").is_some_and(|title| title.split(", ").any(|name| name == section))
    };
    let rows =
        page.lines().skip_while(|line| !heading(line)).skip(1).take_while(|line| !line.starts_with("## "));
    let fields: Vec<Field> = rows
        .filter_map(|row| {
            let (path, rest) = row.strip_prefix("| `")?.split_once('`')?;
            Some(Field { path: path.to_owned(), optional: rest.starts_with(" ?") })
        })
        .collect();
    assert!(!fields.is_empty(), "docs/json.md has no section {section}");
    fields
}

/// The values at a path such as `sites[].status.own`; a branch that ends in an empty array or in null has none.
fn at<'v>(value: &'v Value, path: &str) -> Vec<Option<&'v Value>> {
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    let (name, each) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
    let Some(found) = value.get(name) else { return vec![None] };
    match rest {
        None => vec![Some(found)],
        Some(rest) if each => {
            found.as_array().into_iter().flatten().flat_map(|item| at(item, rest)).collect()
        }
        Some(_) if found.is_null() => Vec::new(),
        Some(rest) => at(found, rest),
    }
}

#[track_caller]
fn check(section: &str, report: &Value) {
    let fields = documented(section);
    for Field { path, optional } in &fields {
        // Below what is absent there is nothing to look for.
        let parent = path.split(['.', '[']).next().unwrap();
        let absent =
            fields.iter().any(|field| field.path == parent && field.optional) && report.get(parent).is_none();
        if !optional && !absent {
            assert!(at(report, path).iter().all(Option::is_some), "{section}: no {path} in {report}");
        }
    }
    let known: BTreeSet<&str> = fields.iter().map(|field| field.path.as_str()).collect();
    for name in report.as_object().unwrap().keys() {
        assert!(known.contains(name.as_str()), "{section}: {name} is not documented");
    }
}

#[test]
fn every_report_has_the_documented_fields_and_no_others() {
    let desk = Desk::bare();
    check("init", &desk.json(&["init"]));
    let service = desk.serve();
    let append = ["append", "--site", "a", "--file", "in.ndjson", "--wait", "applied"];
    desk.write("in.ndjson", &(film(1, "A") + &film(1, "B")));
    let rejected = desk.daybook(&[&append[..], &["--json"]].concat()).run();
    assert_eq!(rejected.code, Some(1));
    check("append", &serde_json::from_str(&rejected.stdout).unwrap());
    check("wait", &desk.json(&["wait", "b", "--all"]));
    check("wait", &desk.json(&["wait", "a", "--until", "a/1/2"]));
    check("verify", &desk.json(&["verify"]));
    check("pause", &desk.json(&["pause", "b", "--drain"]));
    check("status", &desk.json(&["status"]));
    check("schema apply", &desk.json(&["schema", "apply", "b", "--to", "2"]));
    check("resume", &desk.json(&["resume", "b"]));
    check("ready", &desk.json(&["ready", "a", "--version", "1"]));
    check("traffic", &desk.json(&["traffic", "a", "away", "--reason", "a look"]));
    check("schema url", &desk.json(&["schema", "url", "a", "--version", "1"]));
    check("ask list", &desk.json(&["ask", "list", "b"]));
    check("ask waive", &desk.json(&["ask", "waive", "b", "phone", "number", "--reason", "unknown"]));
    check("schema check", &desk.json(&["schema", "check", "--cases", "20", "--journal", "b"]));
    check("schema show", &desk.json(&["schema", "show", "2"]));
    check("quarantine list", &desk.json(&["quarantine", "list", "b"]));
    check("audit", &desk.json(&["audit", "b"]));
    check("rehearse", &desk.json(&["rehearse", "--site", "a", "--to", "2"]));
    check("upgrade plan", &desk.json(&["upgrade", "plan", "--to", "2"]));
    check("upgrade", &desk.json(&["upgrade", "--to", "2"]));
    check("upgrade status", &desk.json(&["upgrade", "status"]));
    let contract = ["upgrade", "contract", "--quiet", "0s", "--waive", "ask=none left"];
    check("upgrade contract", &desk.json(&contract));
    check("replay", &desk.json(&["replay", "--site", "b", "--into", "sqlite:r.db"]));
    desk.add_site("c");
    check("site add", &desk.json(&["site", "add", "c", "--from", "a", "--dry-run"]));
    check("site add", &desk.json(&["site", "add", "c", "--from", "a"]));
    check("site retire", &desk.json(&["site", "retire", "a"]));
    check("demo", &desk.json(&["demo", "--transactions", "2000"]));
    service.terminate();
    assert_eq!(service.wait(super::BOUND).code, Some(0));
}

#[test]
fn the_page_is_read_as_it_is_meant() {
    let fields = documented("resume");
    assert!(fields.iter().any(|field| field.path == "since_us" && !field.optional));
    let value = serde_json::json!({"a": [{"b": 1}, {}], "n": null});
    assert_eq!(at(&value, "a[].b"), [Some(&1.into()), None]);
    assert!(at(&value, "n.x").is_empty());
}
