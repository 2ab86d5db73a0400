//! Wrong inputs, each with its exact message and exit code.

use super::{Desk, fails, film};

#[test]
fn a_site_that_the_configuration_does_not_have_is_a_fault_of_the_command_line() {
    let desk = Desk::initialised();
    for arguments in [
        &["pause", "z"][..],
        &["audit", "z"],
        &["append", "--site", "z", "--file", "-"],
        &["run", "--site", "z"],
    ] {
        desk.fails(arguments, 2, "error D0306: no site z in daybook.toml; it has a, b");
    }
}

#[test]
fn a_configuration_that_cannot_be_used_is_told_with_its_place() {
    let desk = Desk::bare();
    desk.fails(
        &["--config", "none.toml", "status"],
        1,
        "error D0301: read none.toml\n  because: No such file or directory (os error 2)",
    );
    desk.write("bad.toml", "group = 'g'\nschema = 's'\nsites = 3\n");
    desk.fails(
        &["--config", "bad.toml", "status"],
        1,
        "error D0302: bad.toml: line 3: invalid type: integer `3`, expected a map",
    );
    desk.write("bad.toml", "group = 'g'\nschema = 's'\n[sites.a]\nurl = 'oracle://root:hunter2@h/d'\n");
    desk.fails(
        &["--config", "bad.toml", "status"],
        1,
        "error D0303: bad.toml: sites.a.url: not a database address (its scheme is none of sqlite, postgres and mariadb): sqlite:PATH, postgres://USER@HOST/DATABASE or mariadb://USER@HOST/DATABASE",
    );
}

#[test]
fn a_site_that_is_not_initialised_says_what_to_do() {
    let desk = Desk::bare();
    std::fs::write(desk.directory.path().join("a.db"), "").unwrap();
    let stderr = desk.daybook(&["pause", "a"]).run().stderr;
    assert!(stderr.starts_with("error D0405: reach site a\n"), "{stderr}");
    assert!(stderr.ends_with("a.db holds no journal yet; `daybook init` makes one\n"), "{stderr}");
}

#[test]
fn a_database_of_another_site_is_refused() {
    let desk = Desk::initialised();
    let config = std::fs::read_to_string(desk.directory.path().join("daybook.toml")).unwrap();
    desk.write(
        "swapped.toml",
        &config.replace("a.db", "x.db").replace("b.db", "a.db").replace("x.db", "b.db"),
    );
    let stderr = desk.daybook(&["--config", "swapped.toml", "pause", "a"]).run().stderr;
    assert!(stderr.starts_with("error D0304: "), "{stderr}");
    assert!(
        stderr.contains("is the database of site b of group \"shop\", and swapped.toml gives it to a"),
        "{stderr}"
    );
}

#[track_caller]
fn refused(line: &str, expected: &str) {
    let desk = Desk::initialised();
    desk.write("in.ndjson", &(film(1, "A") + line + "\n" + &film(2, "B")));
    let report = desk.fails(
        &["append", "--site", "a", "--file", "in.ndjson", "--run-id", "r"],
        1,
        &format!(
            "error D0501: in.ndjson:2: {expected}; the line before it is appended; once it is corrected, append the \
             whole again with --run-id r"
        ),
    );
    assert_eq!(report, "a: 1 appended, 0 there already, last transaction a/1/1\n");
    // Nothing of the bad line or of those after it is there: the next number is the second.
    let next = desk
        .daybook(&["append", "--site", "a", "--file", "-", "--json", "--run-id", "n"])
        .stdin(film(3, "C"))
        .run();
    let next: serde_json::Value = serde_json::from_str(&next.stdout).unwrap();
    assert_eq!(next["last"], "a/1/2");
    // Corrected, the whole goes in, and the first line not twice.
    desk.write("in.ndjson", &(film(1, "A") + &film(2, "B")));
    let whole = desk.json(&["append", "--site", "a", "--file", "in.ndjson", "--run-id", "r"]);
    assert_eq!((&whole["appended"], &whole["repeated"]), (&1.into(), &1.into()));
}

#[test]
fn a_malformed_line_stops_the_append_at_its_place() {
    refused("{\"entries\":[", "not JSON: EOF while parsing a list at column 12");
    refused("{\"entries\":[]}", "a transaction needs at least one change");
}

#[test]
fn an_unknown_table_or_column_is_named() {
    refused(
        r#"{"entries":[{"op":"insert","table":"nope","row":{}}]}"#,
        "schema version 1 has no table or operation \"nope\"",
    );
    refused(
        r#"{"entries":[{"op":"update","table":"film","key":{"film_id":1},"set":{"nope":1}}]}"#,
        "\"film\" has no column \"nope\" in schema version 1",
    );
}

#[test]
fn a_value_of_another_type_is_named() {
    refused(
        r#"{"entries":[{"op":"update","table":"film","key":{"film_id":1},"set":{"minutes":"long"}}]}"#,
        "column film.minutes is int; \"long\" is no such value",
    );
}

#[test]
fn an_input_that_is_not_there_appends_nothing() {
    let desk = Desk::initialised();
    desk.fails(
        &["append", "--site", "a", "--file", "none.ndjson"],
        1,
        "error D0502: read none.ndjson\n  because: No such file or directory (os error 2)",
    );
}

#[test]
fn a_version_that_is_not_released_is_refused() {
    let desk = Desk::initialised();
    desk.fails(
        &["append", "--site", "a", "--file", "-", "--at-version", "9", "--run-id", "r"],
        1,
        "error D0504: open the journal of a\n  because: schema version 9 is not released at site a; released are 1, 2",
    );
}

#[test]
fn a_wait_that_takes_too_long_says_what_is_missing_and_why() {
    let desk = Desk::initialised();
    assert_eq!(
        desk.daybook(&["append", "--site", "a", "--file", "-"]).stdin(film(1, "A")).run().code,
        Some(0)
    );
    desk.fails(
        &["wait", "b", "--all", "--timeout", "100ms"],
        4,
        "error D0602: b is not there yet: a/1 is posted to 0 of 1; no service posts at b; start one with `daybook run`",
    );
    desk.done(&["pause", "b", "--reason", "index"]);
    let late = desk.daybook(&["wait", "b", "--until", "a/1/1", "--timeout", "100ms"]).run();
    assert_eq!(late.code, Some(4));
    assert!(late.stderr.contains("; b is paused by tester"), "{}", late.stderr);
    assert!(late.stderr.ends_with(": index\n"), "{}", late.stderr);
    let undecided = desk.daybook(&[
        "append",
        "--site",
        "a",
        "--file",
        "-",
        "--wait",
        "applied",
        "--timeout",
        "100ms",
        "--run-id",
        "u",
    ]);
    fails(
        &undecided.stdin(film(2, "B")),
        4,
        "error D0602: line 1 (a/1/2) is not decided after 100ms; is the service running?",
    );
}

#[test]
fn a_reshape_of_a_site_that_is_not_paused_is_refused() {
    let desk = Desk::initialised();
    desk.fails(
        &["schema", "apply", "a", "--to", "2"],
        1,
        "error D0601: reshape a\n  because: the site is not paused; pause it, so that nothing is posted meanwhile",
    );
    let stderr = desk.daybook(&["schema", "apply", "a", "--to", "7"]).run().stderr;
    assert!(stderr.starts_with("error D0504: ") && stderr.contains("versions 1 to 2, and no 7"), "{stderr}");
}

#[test]
fn an_altered_journal_is_found_and_named() {
    let desk = Desk::initialised();
    let service = desk.serve();
    let append = desk.daybook(&["append", "--site", "a", "--file", "-", "--wait", "applied"]);
    assert_eq!(append.stdin(film(1, "A") + &film(2, "B")).run().code, Some(0));
    service.terminate();
    service.wait(super::BOUND);
    alter(&desk, "UPDATE daybook_journal SET author = 'somebody else' WHERE trans_nr = 2");
    let ended = desk.daybook(&["audit", "a"]).run();
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.starts_with("error D0605: a/1 seal "), "{}", ended.stderr);
    assert!(ended.stderr.contains(" transaction a/1/2: "), "{}", ended.stderr);
    let replay = desk.daybook(&["replay", "--site", "a", "--into", "sqlite:r.db"]).run();
    assert_eq!(replay.code, Some(3), "{}", replay.stderr);
}

/// What somebody with access to the file can do.
fn alter(desk: &Desk, sql: &'static str) {
    use sqlx::Connection as _;
    let file = desk.directory.path().join("a.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
        let mut conn = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        assert_eq!(sqlx::query(sql).execute(&mut conn).await.unwrap().rows_affected(), 1);
        conn.close().await.unwrap();
    });
}

#[test]
fn a_replay_goes_into_an_empty_database_only() {
    let desk = Desk::initialised();
    let stderr = desk.daybook(&["replay", "--site", "a", "--into", "sqlite:b.db"]).run().stderr;
    assert!(stderr.starts_with("error D0607: replay the journal of a\n"), "{stderr}");
    let password = "postgres://app:hunter2@h/d";
    let ended = desk.daybook(&["replay", "--site", "a", "--into", password]).run();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.starts_with("error D0305: --into: ") && !ended.stderr.contains("hunter2"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_site_that_does_not_answer_is_a_row_of_the_status() {
    let desk = Desk::initialised();
    std::fs::remove_file(desk.directory.path().join("b.db")).unwrap();
    let ended = desk.daybook(&["status", "--json"]).run();
    assert_eq!(ended.code, Some(1));
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (&report["sites"][0]["reachable"], &report["sites"][1]["reachable"]),
        (&true.into(), &false.into())
    );
    assert_eq!(report["sites"][1]["error"]["code"], "D0401");
    let error: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!(error["error"]["code"], "D0608");
    let text = desk.daybook(&["status"]).run().stdout;
    assert!(text.lines().next().unwrap().chars().count() <= 80, "{text}");
    assert!(text.contains("unreachable"), "{text}");
}

#[test]
fn an_argument_that_means_nothing_is_told_as_json_too() {
    let desk = Desk::bare();
    let ended = desk.daybook(&["--json", "pause"]).run();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    let error: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!(error["error"]["code"], "D0309");
}
