//! The way of an operator: init, run, append, pause, reshape, resume, wait, verify, replay, audit.

use super::{BOUND, Desk, fails, film};

#[test]
fn a_group_is_made_used_reshaped_and_audited_by_commands_alone() {
    let desk = Desk::initialised();
    let service = desk.serve();
    desk.write("films.ndjson", &(film(1, "ACADEMY DINOSAUR") + &film(2, "ACE GOLDFINGER")));
    let report = desk.json(&["append", "--site", "a", "--file", "films.ndjson", "--wait", "applied"]);
    assert_eq!(
        (&report["appended"], &report["applied"], &report["rejected"]),
        (&2.into(), &2.into(), &0.into())
    );
    desk.done(&["wait", "b", "--all", "--timeout", "60s"]);
    assert!(desk.done(&["verify"]).starts_with("a and b are equal at schema version 1\n"));

    let paused = desk.done(&["pause", "b", "--drain", "--reason", "version 2"]);
    assert!(paused.starts_with("b is paused (generation 2) by tester"), "{paused}");
    assert!(paused.ends_with(": version 2\n"), "{paused}");
    assert_eq!(desk.json(&["schema", "apply", "b", "--to", "2", "--dry-run"])["changed"], false);
    assert_eq!(desk.json(&["schema", "apply", "b", "--to", "2"])["rows"], 2);
    assert_eq!(desk.done(&["schema", "apply", "b", "--to", "2"]), "b stands at schema version 2 already\n");
    desk.write("more.ndjson", &film(3, "ADAPTATION HOLES"));
    desk.done(&["append", "--site", "a", "--file", "more.ndjson"]);
    let last = desk.json(&["append", "--site", "a", "--file", "more.ndjson"]);
    assert_eq!((&last["appended"], &last["repeated"]), (&0.into(), &1.into()));
    desk.done(&["resume", "b"]);
    desk.done(&["wait", "b", "--all", "--timeout", "60s"]);
    let until = last["last"].as_str().unwrap();
    assert_eq!(desk.json(&["wait", "b", "--until", until])["transaction"]["state"], "applied");

    assert!(desk.done(&["verify", "b", "a"]).starts_with("a and b are equal at schema version 2\n"));
    let replay = desk.json(&["replay", "--site", "b", "--into", "sqlite:replay.db"]);
    assert_eq!((&replay["posted"], &replay["equal"]), (&3.into(), &true.into()));
    assert!(desk.done(&["audit", "a"]).starts_with("the journal of a/1 is sound\n"));

    service.terminate();
    let ended = service.wait(BOUND);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "daybook: serving a, b\n"));
}

#[test]
fn init_writes_a_configuration_once_and_adds_what_is_missing() {
    let desk = Desk::bare();
    std::fs::remove_file(desk.directory.path().join("daybook.toml")).unwrap();
    let schema = desk.directory.path().join("schema/1");
    std::fs::create_dir_all(&schema).unwrap();
    let tables =
        "[table.t]\nkey = ['id']\n[table.t.columns]\nid = 'int'\nx = { type = 'text', null = true }\n";
    std::fs::write(schema.join("schema.toml"), tables).unwrap();
    let init = [
        "init",
        "--group",
        "shop",
        "--schema",
        "schema",
        "--site",
        "a=sqlite:a.db",
        "--site",
        "b=sqlite:b.db",
    ];
    let dry = [&init[..], &["--dry-run"]].concat();
    assert!(desk.done(&dry).contains("CREATE TABLE \"t\""));
    assert!(!desk.directory.path().join("a.db").exists());
    assert!(desk.done(&init).starts_with("wrote daybook.toml\n"));
    let again = desk.json(&init);
    assert_eq!((&again["config_written"], &again["sites"][0]["created"]), (&false.into(), &false.into()));
    // A version that was written since is put on record everywhere; the ledgers stay where they are.
    let second = desk.directory.path().join("schema/2");
    std::fs::create_dir_all(&second).unwrap();
    std::fs::write(second.join("schema.toml"), tables.replace("x =", "y =")).unwrap();
    std::fs::write(
        second.join("mapping.toml"),
        "[[map]]\nop = 'rename_column'\ntable = 't'\ncolumn = 'x'\nto = 'y'\n",
    )
    .unwrap();
    let grown = desk.json(&["init"]);
    assert_eq!(grown["sites"][1]["released"], serde_json::json!([2]));
    assert_eq!(grown["sites"][1]["ledger_version"], 1);
}

#[test]
fn a_pipe_that_broke_is_resumed_with_its_run_id() {
    let desk = Desk::initialised();
    let append = ["append", "--site", "a", "--file", "-", "--json"];
    let first = desk.daybook(&append).stdin(film(1, "A") + &film(2, "B")).run();
    let first: serde_json::Value = serde_json::from_str(&first.stdout).unwrap();
    let run_id = first["run_id"].as_str().unwrap();
    let again = [&append[..], &["--run-id", run_id]].concat();
    let again = desk.daybook(&again).stdin(film(1, "A") + &film(2, "B") + &film(3, "C")).run();
    let again: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((&again["appended"], &again["repeated"]), (&1.into(), &2.into()));
    let told = desk.daybook(&append[..5]).stdin(film(4, "D")).run().stderr;
    assert!(told.starts_with("daybook: to resume a broken pipe, repeat with --run-id "), "{told}");
}

#[test]
fn a_rejection_is_told_with_its_line_and_its_reason() {
    let desk = Desk::initialised();
    let _service = desk.serve();
    let append =
        desk.daybook(&["append", "--site", "a", "--file", "-", "--wait", "applied", "--run-id", "x"]);
    let report = fails(
        &append.stdin(film(1, "A") + &film(1, "B")),
        1,
        "error D0505: 1 of 2 transactions were rejected",
    );
    assert_eq!(
        report,
        "a: 2 appended, 0 there already, last transaction a/1/2; 1 applied, 1 rejected\n\
         line 2, a/1/2: D0201: film [1]: a row of that primary or unique key is there already (film.film_id)\n"
    );
    assert_eq!(desk.json(&["wait", "a", "--until", "a/1/2"])["transaction"]["code"], "D0201");
}

#[test]
fn what_a_peer_cannot_take_is_listed_and_left_out_on_request() {
    let desk = Desk::initialised();
    let _service = desk.serve();
    // Both sites write the same key before either knows of the other: each holds the other's.
    desk.done(&["pause", "a"]);
    desk.done(&["pause", "b"]);
    for site in ["a", "b"] {
        let append = desk.daybook(&["append", "--site", site, "--file", "-"]).stdin(film(1, site));
        assert_eq!(append.run().code, Some(0));
    }
    desk.done(&["resume", "a"]);
    desk.done(&["wait", "a", "--until", "a/1/1", "--timeout", "60s"]);
    desk.done(&["resume", "b"]);
    desk.done(&["wait", "a", "--all", "--timeout", "60s"]);
    desk.done(&["wait", "b", "--all", "--timeout", "60s"]);
    let held: Vec<serde_json::Value> = ["a", "b"]
        .iter()
        .flat_map(|site| desk.json(&["quarantine", "list", site])["quarantined"].as_array().unwrap().clone())
        .collect();
    assert!(!held.is_empty());
    let verdict = desk.daybook(&["verify", "--timeout", "20s"]).run();
    assert_eq!(verdict.code, Some(3), "{}", verdict.stderr);
    assert_eq!(verdict.stderr, "error D0604: the ledgers of a and b differ\n");
    let id = held[0]["transaction"].as_str().unwrap();
    let at = if id.starts_with('a') { "b" } else { "a" };
    let asked = desk.json(&["quarantine", "discard", at, id, "--reason", "the other one counts"]);
    assert_eq!(asked["asked"], "discard");
    desk.done(&["wait", at, "--until", id, "--timeout", "60s"]);
}

#[test]
fn a_set_and_the_day_of_an_upgrade_are_tried_before_it() {
    let desk = Desk::initialised();
    let service = desk.serve();
    desk.write("films.ndjson", &(film(1, "ACADEMY DINOSAUR") + &film(2, "ACE GOLDFINGER")));
    desk.done(&["append", "--site", "a", "--file", "films.ndjson", "--wait", "applied"]);
    let checked = desk.done(&["schema", "check", "--cases", "30", "--journal", "a"]);
    assert!(
        checked.contains("2 ways between versions, all covered\n30 cases made up from seed 1: "),
        "{checked}"
    );
    assert!(checked.contains("\n2 rows and 2 changes of a at version 1 tried, "), "{checked}");
    assert!(checked.ends_with("every law holds\n"), "{checked}");
    let again = desk.done(&["schema", "check", "--cases", "30", "--journal", "a"]);
    assert_eq!(checked, again, "the same seed makes the same cases");

    let rehearsed = desk.done(&["rehearse", "--site", "a", "--to", "2", "--scratch", "copies"]);
    assert!(rehearsed.starts_with("a/1 from schema version 1 to 2, rehearsed on SQLite in "), "{rehearsed}");
    let copies = desk.directory.path().join("copies");
    assert_eq!(std::fs::read_dir(&copies).unwrap().count(), 0, "the copy is taken away");
    let kept = desk.json(&["rehearse", "--site", "a", "--to", "2", "--scratch", "copies", "--keep"]);
    assert_eq!((&kept["kept"], &kept["same_kind"]), (&true.into(), &true.into()));
    assert!(copies.join("rehearsal-a.db").exists());
    refused(&desk, &["rehearse", "--site", "a", "--to", "2", "--scratch", "copies"], 1, "D0607");
    refused(&desk, &["rehearse", "--site", "a", "--to", "1"], 1, "D0482");
    refused(&desk, &["rehearse", "--site", "a", "--to", "9"], 2, "D0504");
    refused(&desk, &["ask", "waive", "a", "phone", "number", "--reason", "gone"], 1, "D0480");
    assert_eq!(desk.done(&["ask", "list", "a"]), "a: nothing is asked\n");
    service.terminate();
    assert_eq!(service.wait(BOUND).code, Some(0));
}

/// Runs a command that must end with an exit code and an error code.
#[track_caller]
fn refused(desk: &Desk, arguments: &[&str], exit: i32, code: &str) {
    let ended = desk.daybook(arguments).run();
    let starts = ended.stderr.starts_with(&format!("error {code}: "));
    assert_eq!((ended.code, starts), (Some(exit), true), "{arguments:?}: {}", ended.stderr);
}
