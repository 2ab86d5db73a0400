//! The ask queue: rows wait since the version's arrival or since the write that was posted, leave with the write that
//! fills them in, and are waived on record.

mod together;

use applier::asks::{self, AskedRow, Waiver};
use applier::audit::unwatched;
use applier::control::ControlStore as _;
use applier::ledger::sql::SqlLedger;
use applier::upgrade::reshape::{Mode, ReshapeOrder, reshape};
use journal_core::model::{Change, SchemaVersion, Value};
use journal_core::sql::{Access, Conn};
use journal_tests::rig::{Rig, drain, row};

use crate::club::{member, phone, rigs};

async fn reshaped(rig: &Rig, to: i64) {
    rig.control("a").await.pause("dba", "release").await.unwrap();
    let order = ReshapeOrder {
        to: SchemaVersion(to),
        mode: Mode::CarryOut,
        who: "dba".to_owned(),
        why: "release".to_owned(),
    };
    reshape(rig.url("a"), &rig.registry, &order, &mut unwatched).await.unwrap();
    rig.control("a").await.resume("dba", "released").await.unwrap();
}

/// Two members without a number and one whose number was written as a question mark, then version 2.
async fn asked(rig: &Rig) {
    for (id, number) in [(1, None), (2, None), (3, Some("?"))] {
        rig.append("a", 1, &[member(id, "ANN SMITH", None), phone(id, number)]).await;
    }
    drain(&mut rig.poster("a").await).await.unwrap();
    reshaped(rig, 2).await;
}

async fn post(rig: &Rig, version: i64, changes: &[Change]) {
    rig.append("a", version, changes).await;
    let mut poster = rig.poster("a").await;
    drain(&mut poster).await.unwrap();
    assert_eq!(poster.done().rejected, 0);
}

async fn rows(rig: &Rig) -> Vec<AskedRow> {
    asks::list(rig.url("a"), None, 100).await.unwrap().rows
}

fn keys(rows: &[AskedRow]) -> Vec<&str> {
    rows.iter().map(|row| row.key.as_str()).collect()
}

/// Makes everything noted so far a second older, so that what comes is later without waiting for it.
async fn a_second_passes(rig: &Rig) {
    rig.execute("a", "UPDATE {d}ask SET since = since - 1000000").await;
    rig.execute("a", "UPDATE {d}ask_row SET since = since - 1000000").await;
}

fn number(id: i64, value: Value) -> Change {
    Change::update("contact", row([("member_id", id.into())]), row([("number", value)]))
}

#[tokio::test]
async fn rows_wait_since_the_version_came_and_leave_with_the_write_that_fills_them_in() {
    for (store, rig) in rigs().await {
        asked(&rig).await;
        let waiting = rows(&rig).await;
        assert_eq!(keys(&waiting), ["[1]", "[2]"], "{store}: a value that looks like the code is a value");
        let arrived = rig.number("a", "SELECT since FROM {d}ask").await;
        assert!(waiting.iter().all(|row| row.since_us == arrived), "{store}: {waiting:?}");
        post(&rig, 2, &[number(1, "555".into())]).await;
        assert_eq!(keys(&rows(&rig).await), ["[2]"], "{store}");
        let open = asks::open(rig.url("a")).await.unwrap();
        assert_eq!(open.len(), 1, "{store}");
        assert_eq!((open[0].ask.as_str(), open[0].rows, open[0].blocks()), ("2:phone.number", 1, true));
        post(&rig, 2, &[Change::delete("contact", row([("member_id", 2.into())]))]).await;
        let open = asks::open(rig.url("a")).await.unwrap();
        assert_eq!((open[0].rows, open[0].blocks()), (0, false), "{store}: {open:?}");
    }
}

#[tokio::test]
async fn a_row_that_comes_to_hold_the_code_by_a_write_waits_since_that_write() {
    for (store, rig) in rigs().await {
        asked(&rig).await;
        a_second_passes(&rig).await;
        let before = rig.number("a", "SELECT since FROM {d}ask").await;
        // An application of version 1 adds a row and takes a number out; another says again what stands there.
        post(&rig, 1, &[member(4, "BO", None), phone(4, None)]).await;
        let none = |id: i64| {
            Change::update("phone", row([("member_id", id.into())]), row([("number", Value::Null)]))
        };
        post(&rig, 1, &[none(2), none(3)]).await;
        let waiting = rows(&rig).await;
        assert_eq!(keys(&waiting), ["[1]", "[2]", "[3]", "[4]"], "{store}");
        let since: Vec<bool> = waiting.iter().map(|row| row.since_us > before).collect();
        assert!(!since[1], "{store}: it held the code before");
        assert_eq!((since[0], since[3]), (false, true), "{store}: {waiting:?}");
        // Filled in and emptied again: a new wait. Written again while it waits: the same wait.
        post(&rig, 2, &[number(1, "555".into())]).await;
        post(&rig, 2, &[number(1, "?".into())]).await;
        let again = rows(&rig).await[0].clone();
        assert!(again.since_us > before, "{store}: {again:?}");
        a_second_passes(&rig).await;
        post(&rig, 2, &[number(1, "?".into())]).await;
        assert_eq!(rows(&rig).await[0].since_us, again.since_us - 1_000_000, "{store}");
        // An upsert tells by the row that stands there; a row that goes takes its wait along.
        post(&rig, 1, &[Change::upsert("phone", row([("member_id", 4.into()), ("number", "7".into())]))])
            .await;
        post(&rig, 2, &[Change::delete("contact", row([("member_id", 1.into())]))]).await;
        assert_eq!(keys(&rows(&rig).await), ["[2]", "[3]"], "{store}");
        assert_eq!(
            rig.number("a", "SELECT count(*) FROM {d}ask_row WHERE row_key IN ('[1]', '[4]')").await,
            0
        );
    }
}

#[tokio::test]
async fn a_question_is_waived_on_record_and_its_rows_are_still_listed() {
    for (store, rig) in rigs().await {
        asked(&rig).await;
        let waiver = Waiver { who: "dba".to_owned(), why: "they moved away".to_owned() };
        let url = rig.url("a");
        assert!(
            !asks::waive(url, "contact", "kind", &waiver).await.unwrap(),
            "{store}: nothing is asked of it"
        );
        assert!(asks::waive(url, "contact", "number", &waiver).await.unwrap(), "{store}");
        let open = asks::open(url).await.unwrap();
        let waived = open[0].waived.as_ref().unwrap();
        assert_eq!((waived.who.as_str(), waived.why.as_str()), ("dba", "they moved away"), "{store}");
        assert_eq!((open[0].rows, open[0].blocks()), (2, false), "{store}");
        assert_eq!(keys(&rows(&rig).await), ["[1]", "[2]"], "{store}");
        let record = "SELECT count(*) FROM {d}action WHERE what = 'waive ask contact.number' AND who = 'dba'";
        assert_eq!(rig.number("a", record).await, 1, "{store}");
    }
}

#[tokio::test]
async fn a_question_lives_as_long_as_its_version_and_ends_when_the_one_before_is_given_up() {
    for (store, rig) in rigs().await {
        asked(&rig).await;
        let first = rig.number("a", "SELECT since FROM {d}ask").await;
        reshaped(&rig, 3).await;
        assert_eq!(
            rig.number("a", "SELECT since FROM {d}ask").await,
            first,
            "{store}: asked since version 2"
        );
        assert_eq!(rows(&rig).await.len(), 2, "{store}");
        reshaped(&rig, 1).await;
        assert_eq!(asks::open(rig.url("a")).await.unwrap(), [], "{store}");
        reshaped(&rig, 2).await;
        assert_eq!(rows(&rig).await.len(), 2, "{store}");
        let mut conn = Conn::open(rig.url("a"), Access::Write, "contract").await.unwrap();
        assert_eq!(asks::close(conn.lend(), SchemaVersion(1)).await.unwrap(), 0, "{store}");
        assert_eq!(asks::close(conn.lend(), SchemaVersion(2)).await.unwrap(), 1, "{store}");
        conn.close().await;
        assert_eq!(asks::open(rig.url("a")).await.unwrap(), [], "{store}: the code is a value now");
        let mut ledger = SqlLedger::open(rig.url("a"), "contract").await.unwrap();
        assert_eq!(asks::open_in(&mut ledger).await.unwrap(), [], "{store}");
        reshaped(&rig, 3).await;
        assert_eq!(asks::open(rig.url("a")).await.unwrap(), [], "{store}: it is not asked again");
    }
}
