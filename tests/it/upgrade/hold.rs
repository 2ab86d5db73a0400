//! An upgrade that its operator holds: by a step, by a file, by a program; and one that a long reader holds.

use journal_core::sql::{Access, Conn};
use journal_tests::servers::two_postgres_or_skip;

use super::{Busy, plain_shops};
use crate::shop::{BOUND, SITES, Shop, expect_done};

#[tokio::test]
async fn it_stops_before_the_step_that_was_named_and_goes_on_when_told() {
    let busy = Busy::new(Shop::sqlite(), 1);
    let stopped = busy.shop.report(&["upgrade", "--to", "2", "--pause-before", "switch"]);
    assert_eq!((&stopped["finished"], &stopped["stopped_at"]), (&false.into(), &"a".into()), "{stopped}");
    let status = busy.shop.report(&["upgrade", "status"]);
    assert_eq!(status["sites"][0]["upgrade"]["step"], "switch", "{status}");
    assert_eq!(status["sites"][1]["upgrade"]["step"], "waiting", "{status}");
    assert_eq!(busy.shop.number("a", "SELECT ledger_version FROM {d}site").await, 1);
    // It stops at the next site as well.
    let stopped = busy.shop.report(&["upgrade", "resume", "--pause-before", "switch"]);
    assert_eq!(
        (&stopped["stopped_at"], &stopped["stopped_before"]),
        (&"b".into(), &"switch".into()),
        "{stopped}"
    );
    let done = busy.shop.report(&["upgrade", "resume"]);
    assert_eq!(done["finished"], true, "{done}");
    let refused = busy.shop.refused(1, &["upgrade", "--to", "2"]);
    assert!(refused.contains("D0454"), "{refused}");
    busy.end();
}

/// The next command found nobody at the site at that moment, and refused to begin.
#[tokio::test]
async fn a_service_that_opens_afresh_behind_a_switch_holds_its_site_all_the_time() {
    let mut busy = Busy::new(Shop::sqlite(), 1);
    let fence = "SELECT fence FROM {d}lease";
    let before = busy.shop.number("a", fence).await;
    let watch = "CREATE TABLE given_up (fence INTEGER); \
                 CREATE TRIGGER giving_up AFTER UPDATE OF holder ON daybook_lease WHEN NEW.holder = '' \
                 BEGIN INSERT INTO given_up VALUES (NEW.fence); END";
    busy.shop.vandalise("a", watch).await;
    busy.shop.done(&["upgrade", "--to", "2"]);
    busy.write();
    busy.shop.settle();
    assert!(busy.shop.number("a", fence).await > before, "it opened afresh");
    assert_eq!(busy.shop.number("a", "SELECT count(*) FROM given_up").await, 0);
    busy.end();
}

#[tokio::test]
async fn it_holds_before_the_switch_for_as_long_as_a_file_is_there() {
    let busy = Busy::new(Shop::sqlite(), 1);
    let flag = busy.shop.file("hold", "");
    let mut upgrade = busy.shop.command(&["upgrade", "--to", "2", "--postpone-flag-file", "hold"]).spawn();
    upgrade.wait_for_line("a: held before the switch", BOUND);
    assert_eq!(busy.shop.number("a", "SELECT ledger_version FROM {d}site").await, 1);
    std::fs::remove_file(flag).unwrap();
    expect_done("upgrade", &upgrade.wait(BOUND));
    assert_eq!(busy.shop.number("b", "SELECT ledger_version FROM {d}site").await, 2);
    busy.end();
}

#[tokio::test]
async fn hooks_are_told_what_happens_and_one_that_says_no_stops_it() {
    let busy = Busy::new(Shop::sqlite(), 1);
    let log = "echo $DAYBOOK_WHEN $DAYBOOK_GROUP $DAYBOOK_SITE $DAYBOOK_STEP $DAYBOOK_DIRECTION \
               $DAYBOOK_FROM $DAYBOOK_TO >> hooks.log";
    let no = format!("{log}; test $DAYBOOK_STEP != views || {{ echo not yet >&2; exit 7; }}");
    let refused = busy.shop.refused(1, &["upgrade", "--to", "2", "--before", &no, "--after", log]);
    assert!(refused.contains("D0456") && refused.contains("not yet"), "{refused}");
    let status = busy.shop.report(&["upgrade", "status"]);
    let standing = &status["sites"][0]["upgrade"];
    assert_eq!(standing["step"], "views", "{status}");
    assert!(standing["trouble"].as_str().unwrap().contains("not yet"), "{status}");
    busy.shop.done(&["upgrade", "resume", "--before", log, "--after", log]);
    let path = busy.shop.file("told", "").with_file_name("hooks.log");
    let told = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "before shop a waiting forward 1 2", "{told}");
    assert_eq!(lines[1], "after shop a waiting forward 1 2", "{told}");
    let views: Vec<&&str> = lines.iter().filter(|line| line.contains(" a views ")).collect();
    assert_eq!(
        views,
        [
            &"before shop a views forward 1 2",
            &"before shop a views forward 1 2",
            &"after shop a views forward 1 2"
        ]
    );
    assert_eq!(lines.last(), Some(&"after shop b verify forward 1 2"), "{told}");
    busy.end();
}

#[tokio::test]
async fn a_long_reader_holds_the_switch_up_and_no_other_reader_waits_for_it() {
    let Some((a, b)) = two_postgres_or_skip() else { return };
    let busy = Busy::new(Shop::on_servers(a, b), 1);
    let mut reader = Conn::open(&busy.shop.url("a"), Access::Read, "monthly report").await.unwrap();
    reader.begin_snapshot().await.unwrap();
    reader.lend().fetch("SELECT count(*) FROM v1.film", vec![]).await.unwrap();
    let start = ["upgrade", "--to", "2", "--lock-timeout", "100ms", "--lock-within", "2s"];
    let upgrade = busy.shop.command(&start).spawn();
    // Others read on meanwhile, none for long.
    let mut slowest = std::time::Duration::ZERO;
    let mut looks = 0;
    let mut other = busy.shop.reader("a").await;
    let at_switch = "SELECT count(*) FROM {d}upgrade WHERE trouble <> ''";
    while other.lend().fetch_one(at_switch, vec![]).await.unwrap().i64(0).unwrap() == 0 {
        let began = std::time::Instant::now();
        other.lend().fetch("SELECT count(*) FROM v1.film", vec![]).await.unwrap();
        slowest = slowest.max(began.elapsed());
        looks += 1;
    }
    let ended = upgrade.wait(BOUND);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("D0453") && ended.stderr.contains("monthly report"), "{ended:?}");
    assert!(looks > 10 && slowest < std::time::Duration::from_secs(1), "{looks} looks, {slowest:?}");
    reader.rollback().await.unwrap();
    reader.close().await;
    busy.shop.done(&["upgrade", "resume"]);
    for site in SITES {
        assert_eq!(busy.shop.number(site, "SELECT ledger_version FROM {d}site").await, 2, "{site}");
    }
    busy.end();
}

#[tokio::test]
async fn somebody_who_resumes_the_site_in_the_middle_costs_time_and_nothing_else() {
    for (store, shop) in plain_shops() {
        let mut busy = Busy::new(shop, 2);
        busy.write();
        busy.shop.done(&["upgrade", "--to", "2", "--pause-before", "switch"]);
        busy.shop.done(&["resume", "a"]);
        busy.write();
        busy.shop.settle();
        let done = busy.shop.report(&["upgrade", "resume"]);
        assert_eq!(done["finished"], true, "{store}: {done}");
        busy.is_right_at(2, "resumed").await;
        busy.end();
    }
}

#[tokio::test]
async fn a_plan_tells_every_step_and_changes_nothing() {
    for (store, shop) in plain_shops() {
        let busy = Busy::new(shop, 1);
        let plan = busy.shop.report(&["upgrade", "plan", "--to", "2", "--first", "b"]);
        let first = &plan["sites"][0];
        assert_eq!(first["site"], "b", "{store}: {plan}");
        assert!(first["rows"].as_u64().unwrap() > 1000, "{store}: {plan}");
        let steps: Vec<&str> =
            first["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
        let told = "preflight leave drain pause expand move switch views resume catch_up verify contract";
        assert_eq!(steps.join(" "), told, "{store}");
        let text = busy.shop.done(&["upgrade", "--to", "2", "--dry-run"]);
        for words in ["CREATE TABLE \"address\"", "-- switch (expand); lock: ", "DROP TABLE", "goes to"] {
            assert!(text.contains(words), "{store}: {words} in {text}");
        }
        assert!(!text.contains("{d}"), "{store}: {text}");
        let began = busy.shop.report(&["upgrade", "status"]);
        assert!(began["sites"][0]["upgrade"].is_null(), "{store}: {began}");
        busy.end();
    }
}
