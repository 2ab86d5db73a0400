//! What others do while a site is being added, each at a moment of the test's choice: just when the command begins a stage.

use applier::audit::Progress;
use applier::join::{self, Added, JoinError, Order, Place, Stage};
use journal_core::model::{Name, SchemaVersion, SiteName};
use journal_core::sql::{Access, Conn, ConnRef, Dialect, SqlClass, SqlError};
use tokio::runtime::Handle;

use super::house::Store::{MariaDb, Postgres, Sqlite};
use super::house::{House, Store, changes, lines};

const ADD: [&str; 5] = ["site", "add", "c", "--from", "a"];

/// Adds c from a; `meanwhile` happens when a stage begins for the first time, and the command waits for it.
async fn add(house: &House, stage: Stage, meanwhile: impl FnOnce() + Send) -> Result<Added, JoinError> {
    let place = |site: &str| Place { site: SiteName::new(site).unwrap(), url: house.url(site) };
    let order = Order {
        group: "house".to_owned(),
        new: place("c"),
        stripe: 1,
        from: place("a"),
        others: vec![place("a")],
        who: "test".to_owned(),
    };
    let mut meanwhile = Some(meanwhile);
    let mut tell = |at: &Stage, _: Progress| {
        if *at == stage
            && let Some(meanwhile) = meanwhile.take()
        {
            tokio::task::block_in_place(meanwhile);
        }
    };
    let added = join::add(&order, &mut tell).await;
    assert!(meanwhile.is_none(), "it never came to its stage: {added:?}");
    added
}

/// A group of a, which has rows, and of c, which is yet to come.
fn group(a: Store, c: Store) -> Option<House> {
    let house = House::new(&[("a", a), ("c", c)])?;
    house.configure(&["a"]);
    house.done(&["init", "--at", "2"]);
    let service = house.serve(&[]);
    house.append("a", &lines(0));
    house.settle(&["a"]);
    service.terminate();
    house.configure(&["a", "c"]);
    Some(house)
}

/// One command is held up at a stage until another has made the site whole, and a has gone on. It ends without a trace.
async fn overtaken(c: Store, stage: Stage) {
    let what = format!("{c:?}, {stage:?}");
    let Some(house) = group(Sqlite, c) else { return };
    let added = add(&house, stage, || {
        assert_eq!(house.report(&ADD)["already"], false, "{what}");
        house.configure(&["a"]);
        let service = house.serve(&["a"]);
        house.append("a", &changes(0));
        house.settle(&["a"]);
        service.terminate();
        house.configure(&["a", "c"]);
    });
    let error = added.await.expect_err(&what);
    assert!(matches!(error, JoinError::TwoCommands), "{what}: {error}");
    if c == Postgres {
        let references = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' \
                          AND conrelid IN (to_regclass('member'), to_regclass('visit'))";
        assert_eq!(house.number("c", references).await, 2, "{what}");
    }
    assert_eq!(house.report(&ADD)["already"], true, "{what}");
    let service = house.serve(&[]);
    house.settle(&["a", "c"]);
    house.is_lawful(&["a", "c"], "overtaken");
    service.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_was_overtaken_leaves_a_live_site_alone_on_postgresql() {
    for stage in [Stage::Journal, Stage::Rows(Name::from("visit")), Stage::Checkpoints] {
        overtaken(Postgres, stage).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_was_overtaken_leaves_a_live_site_alone_elsewhere() {
    overtaken(MariaDb, Stage::Journal).await;
    overtaken(Sqlite, Stage::Checkpoints).await;
}

/// What the tables of the source are called must not change between the snapshot's moment and its reads.
async fn names_are_held(a: Store) {
    let Some(house) = group(a, Sqlite) else { return };
    let added = add(&house, Stage::Rows(Name::from("member")), || {
        for table in ["\"member\"", "\"visit\"", "{d}complement"] {
            let taken = Handle::current().block_on(take_name(&house, table));
            let error = taken.expect_err(table);
            assert_eq!(error.class, SqlClass::Transient, "{a:?}, {table}: {error}");
        }
    });
    added.await.unwrap();
    house.is_lawful(&["a", "c"], "held");
}

/// Does to a table what a switch does, without waiting.
async fn take_name(house: &House, table: &str) -> Result<(), SqlError> {
    let mut conn = Conn::open(&house.url("a"), Access::Write, "test").await?;
    conn.begin().await?;
    match conn.dialect() {
        Dialect::MariaDb => {
            // Without a wait; MySQL waits a second at least.
            conn.lend().script("SET SESSION lock_wait_timeout = /*M! 0 */ /*!80017 1 */").await?;
            conn.lend().script(&format!("RENAME TABLE {table} TO elsewhere")).await
        }
        _ => conn.lend().script(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE NOWAIT")).await,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_holds_the_names_of_its_tables() {
    names_are_held(Postgres).await;
    names_are_held(MariaDb).await;
}

async fn script(mut conn: ConnRef<'_>, script: &str) {
    conn.script(script).await.unwrap_or_else(|error| panic!("{script}: {error}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_goes_to_another_version_meanwhile_is_left_alone() {
    let house = group(Sqlite, Sqlite).unwrap();
    let added = add(&house, Stage::Rows(Name::from("visit")), || {
        Handle::current().block_on(async {
            let mut conn = Conn::open(&house.url("c"), Access::Write, "test").await.unwrap();
            script(conn.lend(), "UPDATE {d}site SET ledger_version = 1").await;
        });
    });
    let error = added.await.expect_err("its tables are others now");
    let (before, now) = (SchemaVersion(2), SchemaVersion(1));
    let told = matches!(&error, JoinError::Reshaped { site, before: at, now: then }
        if site.as_str() == "c" && (*at, *then) == (before, now));
    assert!(told, "{error}");
    assert_eq!(house.number("c", "SELECT count(*) FROM visit").await, 0);
}

#[tokio::test]
async fn a_source_that_is_being_reshaped_is_refused() {
    let house = group(Sqlite, Sqlite).unwrap();
    house.done(&["pause", "a"]);
    let mut conn = Conn::open(&house.url("a"), Access::Write, "test").await.unwrap();
    let begun = "INSERT INTO {d}staging (version_from, version_to, generation, checksum, began_at) \
                 SELECT 2, 1, generation, 'x', 0 FROM {d}control";
    script(conn.lend(), begun).await;
    let refused = house.refused(&ADD);
    assert!(refused.starts_with("error D0454") && refused.contains("schema apply"), "{refused}");
    // What is left of it after a resume can never be switched to.
    house.done(&["resume", "a"]);
    assert_eq!(house.report(&ADD)["already"], false);
}
