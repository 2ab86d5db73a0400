//! The command is killed at each of its stages, while what it copies changes, and asked again.

use super::house::Store::{MariaDb, Postgres, Sqlite};
use super::house::{BOUND, House, Store, changes, lines};

/// Where it is killed: just when it begins with a stage.
const STAGES: [&str; 6] = [
    "c: tables",
    "c: journal",
    "c: rows of member",
    "c: rows of visit",
    "c: checkpoints",
    "c: rows of visit",
];

async fn killed([a, c]: [Store; 2]) {
    let what = format!("{c:?} from {a:?}");
    let Some(house) = House::new(&[("a", a), ("c", c)]) else { return };
    house.configure(&["a"]);
    house.done(&["init", "--at", "2"]);
    let service = house.serve(&[]);
    for round in 0..4 {
        house.append("a", &lines(round));
    }
    house.settle(&["a"]);
    let add = ["site", "add", "c", "--from", "a"];
    let mut whole = false;
    for (round, stage) in (4..).zip(STAGES) {
        house.configure(&["a", "c"]);
        let mut adding = house.command(&add).spawn();
        let came = adding.line_or_end(stage, BOUND).is_some();
        let ended = adding.kill();
        if !came {
            assert!(ended.stdout.contains("is a member of the group already"), "{what}, {stage}: {ended:?}");
        }
        // Its last commit may have been under way when the signal came, and be seen only later.
        let resumed = house.command(&["resume", "c"]).run();
        if !came || resumed.code == Some(0) {
            whole = true;
            break;
        }
        // The first one may not have made the tables yet.
        let refused = round == 4 || resumed.stderr.starts_with("error D0460");
        assert!(refused, "{what}, {stage}: {resumed:?}");
        house.configure(&["a"]);
        house.append("a", &changes(round - 4));
        house.append("a", &lines(round));
        house.settle(&["a"]);
    }
    house.configure(&["a", "c"]);
    // Its service may run: it posts nothing before the site is whole. What is appended there is durable, and waits.
    let of_c = house.serve(&["c"]);
    house.append("c", &lines(60));
    let status = house.report(&["status", "--site", "c"]);
    let status = &status["sites"][0]["status"];
    if status["desired"] == "paused" {
        assert!(!whole, "{what}: {status}");
        assert_eq!(status["why"], "being added from a", "{what}: {status}");
        assert_eq!(
            (&status["own"]["unsealed"], &status["own"]["seal_nr"]),
            (&42.into(), &0.into()),
            "{status}"
        );
    }
    let report = house.report(&add);
    assert!(!whole || report["already"] == true, "{what}: {report}");
    let service = house.relieve(service);
    of_c.terminate();
    house.settle(&["a", "c"]);
    house.is_lawful(&["a", "c"], "cut");
    assert_eq!(house.report(&add)["already"], true, "{what}");
    house.append("c", &lines(50));
    house.settle(&["a", "c"]);
    house.is_lawful(&["a", "c"], "after");
    service.terminate();
}

#[tokio::test]
async fn an_add_that_was_killed_goes_on_from_mariadb_to_postgresql() {
    killed([MariaDb, Postgres]).await;
}

#[tokio::test]
async fn an_add_that_was_killed_goes_on_from_postgresql_to_sqlite() {
    killed([Postgres, Sqlite]).await;
}

#[tokio::test]
async fn an_add_that_was_killed_goes_on_from_sqlite_to_mariadb() {
    killed([Sqlite, MariaDb]).await;
}
