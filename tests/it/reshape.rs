//! `schema apply`: a paused ledger goes to another version, up or down, whole or not at all.

use applier::audit::digest::digest;
use applier::audit::{ask, unwatched};
use applier::control::ControlStore as _;
use applier::ledger::sql::SqlLedger;
use applier::upgrade::install::{load_registry, release_versions};
use applier::upgrade::reshape::{Mode, ReshapeError, ReshapeOrder, ReshapeReport, reshape};
use journal_core::journal::JournalStore as _;
use journal_core::model::{Change, SchemaVersion, Value};
use journal_core::sql::{Access, Conn};
use journal_tests::rig::{Rig, SqlPoster, row};
use journal_tests::servers;
use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use schema_mappers::ddl::view_name;
use schema_mappers::{SchemaSet, VersionSource};

use crate::club::{member, money, phone, renamed, rigs, set};

mod cut;

fn order(to: i64, mode: Mode) -> ReshapeOrder {
    ReshapeOrder { to: SchemaVersion(to), mode, who: "dba".to_owned(), why: "release".to_owned() }
}

pub(crate) async fn apply(rig: &Rig, site: &str, to: i64) -> Result<ReshapeReport, ReshapeError> {
    reshape(rig.url(site), &rig.registry, &order(to, Mode::CarryOut), &mut unwatched).await
}

async fn pause(rig: &Rig, site: &str) {
    rig.control(site).await.pause("dba", "release").await.unwrap();
}

async fn resume(rig: &Rig, site: &str) {
    rig.control(site).await.resume("dba", "released").await.unwrap();
}

async fn live(rig: &Rig, site: &str) -> String {
    let mut ledger = SqlLedger::open_reader(rig.url(site), "digest").await.unwrap();
    let digest = digest(&mut ledger, &rig.registry, &mut unwatched).await.unwrap();
    format!("{} {}", digest.version, digest.digest)
}

async fn posters(rig: &Rig) -> Vec<(&'static str, SqlPoster)> {
    vec![("a", rig.poster("a").await), ("b", rig.poster("b").await)]
}

/// Four members at site a, posted there; the first refers to one that comes later in key order.
async fn four(rig: &Rig) {
    rig.append("a", 1, &[member(2, "MARY ANN SMITH", None), phone(2, Some("555"))]).await;
    rig.append("a", 1, &[member(1, "CHER ", Some(2)), phone(1, None)]).await;
    rig.append("a", 1, &[member(10, "IGGY POP", Some(1)), member(9, "", Some(10))]).await;
    journal_tests::rig::drain(&mut rig.poster("a").await).await.unwrap();
}

#[tokio::test]
async fn rows_go_up_with_what_has_no_place_kept_and_readers_of_both_versions_are_served() {
    for (store, rig) in rigs().await {
        four(&rig).await;
        pause(&rig, "a").await;
        let report = apply(&rig, "a", 2).await.unwrap();
        assert_eq!(
            (report.from, report.to, report.changed),
            (SchemaVersion(1), SchemaVersion(2), true),
            "{store}"
        );
        let moved: Vec<(&str, u64)> =
            report.tables.iter().map(|moved| (moved.table.as_ref(), moved.rows)).collect();
        assert_eq!((moved, report.rows), (vec![("member", 4), ("phone", 2)], 6), "{store}");
        // Only `CHER ` would not come back from its parts.
        assert_eq!(report.complements, 1, "{store}");
        assert_eq!(report.asks.len(), 1, "{store}");
        assert_eq!((report.asks[0].table.as_ref(), report.asks[0].rows), ("contact", 1), "{store}");
        let names = "SELECT count(*) FROM member WHERE (id, first_name, last_name) IN ((2, 'MARY ANN', 'SMITH'), (1, 'CHER', ''))";
        assert_eq!(rig.number("a", names).await, 2, "{store}");
        let [old, new] = [(1, "phone"), (2, "contact")]
            .map(|(version, table)| view_name(SchemaVersion(version), table, &rig.url("a").place()));
        assert_eq!(
            rig.number("a", &format!("SELECT count(*) FROM {old} WHERE number IS NULL")).await,
            1,
            "{store}"
        );
        assert_eq!(
            rig.number("a", &format!("SELECT count(*) FROM {new} WHERE number = '?'")).await,
            1,
            "{store}"
        );
        assert_eq!(rig.number("a", "SELECT ledger_version FROM {d}site").await, 2, "{store}");
        let record = "SELECT count(*) FROM {d}action WHERE what = 'schema apply 1 to 2' AND who = 'dba' AND why = 'release'";
        assert_eq!(rig.number("a", record).await, 1, "{store}");
        assert_eq!(leftovers(&rig, store).await, 0, "{store}");
    }
}

/// Things that a reshape makes or sets aside and must not leave.
async fn leftovers(rig: &Rig, store: &str) -> i64 {
    let query = match store {
        "sqlite" => {
            "SELECT count(*) FROM sqlite_master WHERE sql LIKE '%daybook_old_%' OR sql LIKE '%daybook_new_%' \
             OR name IN ('daybook_complement_old', 'daybook_complement_new')"
        }
        "mariadb" => {
            "SELECT (SELECT count(*) FROM information_schema.tables WHERE table_schema = database() \
             AND table_name REGEXP '^daybook_(old_|new_|via_|complement_)') \
             + (SELECT count(*) FROM information_schema.schemata WHERE schema_name = concat(database(), '_v_daybook')) \
             + (SELECT count(*) FROM daybook_switching)"
        }
        _ => {
            "SELECT (SELECT count(*) FROM pg_class WHERE relname LIKE 'daybook_old_%' OR relname LIKE 'daybook_new_%' \
             OR relname IN ('complement_old', 'complement_new')) \
             + (SELECT count(*) FROM pg_namespace WHERE nspname IN ('daybook_old', 'daybook_new'))"
        }
    };
    rig.number("a", query).await
        + rig.number("a", "SELECT count(*) FROM {d}complement WHERE entity LIKE 'daybook_%'").await
        + rig.number("a", "SELECT count(*) FROM {d}staging").await
}

/// Posting into a site that was raised while it was empty once took ten times as long: each reference read a whole table.
#[tokio::test]
async fn the_planner_is_told_of_large_tables_and_not_of_small_ones_that_will_grow() {
    for (_, rig) in rigs().await.into_iter().filter(|(store, _)| *store == "postgres") {
        let many: Vec<Change> = (1..=1_000).map(|id| member(id, "IGGY POP", None)).collect();
        rig.append("a", 1, &many).await;
        rig.append("a", 1, &[phone(1, None)]).await;
        journal_tests::rig::drain(&mut rig.poster("a").await).await.unwrap();
        pause(&rig, "a").await;
        apply(&rig, "a", 2).await.unwrap();
        // PostgreSQL says -1 of a table that was never looked at.
        let rows =
            |table| format!("SELECT CAST(reltuples AS bigint) FROM pg_class WHERE oid = '{table}'::regclass");
        assert_eq!(rig.number("a", &rows("member")).await, 1_000);
        assert_eq!(rig.number("a", &rows("contact")).await, -1);
    }
}

#[tokio::test]
async fn references_are_in_force_after_a_reshape() {
    for (store, rig) in rigs().await {
        four(&rig).await;
        pause(&rig, "a").await;
        for to in [2, 1, 3] {
            apply(&rig, "a", to).await.unwrap();
        }
        resume(&rig, "a").await;
        let lost = row([("member_id", "77".into()), ("number", "1".into()), ("kind", "home".into())]);
        rig.append("a", 3, &[Change::insert("contact", lost)]).await;
        rig.append(
            "a",
            3,
            &[Change::update("member", row([("id", "9".into())]), row([("boss", "77".into())]))],
        )
        .await;
        let mut poster = rig.poster("a").await;
        journal_tests::rig::drain(&mut poster).await.unwrap();
        assert_eq!((poster.done().accepted, poster.done().rejected), (0, 2), "{store}");
        let mut conn = Conn::open(rig.url("a"), Access::Write, "vandal").await.unwrap();
        let orphan = conn.lend().script("UPDATE contact SET member_id = '77' WHERE member_id = '1'").await;
        assert!(orphan.is_err(), "{store}");
    }
}

#[tokio::test]
async fn up_and_down_again_is_the_same_ledger_also_with_what_was_written_above() {
    for (store, rig) in rigs().await {
        four(&rig).await;
        pause(&rig, "a").await;
        let first = live(&rig, "a").await;
        for (up, down) in [(2, 1), (3, 1), (3, 2), (2, 1)] {
            apply(&rig, "a", up).await.unwrap();
            apply(&rig, "a", down).await.unwrap();
            if down == 1 {
                assert_eq!(live(&rig, "a").await, first, "{store}: to {up} and back");
            }
        }
        apply(&rig, "a", 3).await.unwrap();
        resume(&rig, "a").await;
        let names = row([("first_name", "A".into()), ("last_name", "B C".into())]);
        rig.append("a", 3, &[Change::update("member", row([("id", "9".into())]), names)]).await;
        let work = row([("number", "7".into()), ("kind", "work".into())]);
        rig.append("a", 3, &[Change::update("contact", row([("member_id", "1".into())]), work)]).await;
        let mut poster = rig.poster("a").await;
        journal_tests::rig::drain(&mut poster).await.unwrap();
        assert_eq!(poster.done().accepted, 2, "{store}");
        pause(&rig, "a").await;
        let above = live(&rig, "a").await;
        apply(&rig, "a", 1).await.unwrap();
        assert_eq!(
            rig.number("a", "SELECT count(*) FROM member WHERE full_name = 'A B C'").await,
            1,
            "{store}"
        );
        apply(&rig, "a", 3).await.unwrap();
        assert_eq!(live(&rig, "a").await, above, "{store}: kept below, back above");
    }
}

#[tokio::test]
async fn a_running_site_is_not_reshaped_and_one_at_the_version_needs_nothing() {
    for (store, rig) in rigs().await {
        four(&rig).await;
        let before = live(&rig, "a").await;
        let error = apply(&rig, "a", 2).await.unwrap_err();
        assert!(matches!(error, ReshapeError::NotPaused), "{store}: {error}");
        assert_eq!(live(&rig, "a").await, before, "{store}");
        let report = apply(&rig, "a", 1).await.unwrap();
        assert!(!report.changed && report.statements.is_empty(), "{store}: {report:?}");
        let error = apply(&rig, "a", 4).await.unwrap_err();
        assert!(error.to_string().contains("schema version 4"), "{store}: {error}");
    }
}

#[tokio::test]
async fn a_dry_run_tells_the_statements_and_changes_nothing() {
    for (store, rig) in rigs().await {
        four(&rig).await;
        let before = live(&rig, "a").await;
        let dry =
            reshape(rig.url("a"), &rig.registry, &order(2, Mode::DryRun), &mut unwatched).await.unwrap();
        assert!(!dry.changed, "{store}");
        assert_eq!(live(&rig, "a").await, before, "{store}");
        pause(&rig, "a").await;
        let done = apply(&rig, "a", 2).await.unwrap();
        assert_eq!(dry.statements, done.statements, "{store}");
        let told = dry.statements.join(";\n");
        for words in
            ["TO \"daybook_old_phone\"", "CREATE TABLE \"contact\"", "daybook_old_member\"", " VIEW \""]
        {
            assert!(told.contains(words), "{store}: {words} in {told}");
        }
        assert!(!told.contains("{d}"), "{store}: {told}");
    }
}

#[tokio::test]
async fn a_row_that_the_older_version_cannot_hold_is_named_and_nothing_happens() {
    for (store, rig) in rigs().await {
        four(&rig).await;
        pause(&rig, "a").await;
        apply(&rig, "a", 2).await.unwrap();
        resume(&rig, "a").await;
        let fee = row([("fee", money("1.2345"))]);
        rig.append("a", 2, &[Change::update("member", row([("id", 9.into())]), fee)]).await;
        journal_tests::rig::drain(&mut rig.poster("a").await).await.unwrap();
        pause(&rig, "a").await;
        let before = live(&rig, "a").await;
        let error = apply(&rig, "a", 1).await.unwrap_err();
        let ReshapeError::Row { table, key, .. } = &error else { panic!("{store}: {error}") };
        assert_eq!((table.as_ref(), key.as_str()), ("member", "[9]"), "{store}: {error}");
        assert_eq!(live(&rig, "a").await, before, "{store}");
        assert_eq!(leftovers(&rig, store).await, 0, "{store}");
        // The site is well: upwards it goes.
        apply(&rig, "a", 3).await.unwrap();
    }
}

#[tokio::test]
async fn an_object_that_depends_on_a_table_stops_a_reshape_with_nothing_done() {
    for (store, rig) in rigs().await {
        let (object_made, named) = match store {
            // Views hold names there, not tables.
            "sqlite" => continue,
            "mariadb" => ("CREATE TABLE guest (id BIGINT REFERENCES member (id))", "guest"),
            _ => ("CREATE VIEW fees AS SELECT id, fee FROM member", "daybook.fees"),
        };
        four(&rig).await;
        rig.execute("a", object_made).await;
        pause(&rig, "a").await;
        let before = live(&rig, "a").await;
        let error = apply(&rig, "a", 2).await.unwrap_err();
        let ReshapeError::InTheWay { object, table } = &error else { panic!("{error}") };
        assert_eq!((object.as_str(), table.as_ref()), (named, "member"));
        assert_eq!(live(&rig, "a").await, before);
        assert_eq!(leftovers(&rig, store).await, 0);
    }
}

/// Whoever lacks the right to ask MariaDB's engine asks the longer way.
#[tokio::test]
async fn a_table_of_another_database_stops_a_reshape_on_mariadb_whatever_the_rights() {
    let Some((a, b)) = servers::two_mariadb_or_skip() else { return };
    let (home, other) = (a.create_database(), a.create_database());
    let (home_name, other_name) = (home.name.clone(), other.name.clone());
    let rig = Rig::at(&[("a", home.url), ("b", b.create_database().url)], set(3)).await;
    four(&rig).await;
    pause(&rig, "a").await;
    let guest = format!(
        "CREATE TABLE {other_name}.guest (id BIGINT, FOREIGN KEY (id) REFERENCES {home_name}.member (id))"
    );
    rig.execute("a", &guest).await;
    rig.execute("a", "CREATE USER lean@localhost").await;
    for granted in [format!("{home_name}%"), other_name.clone()] {
        rig.execute("a", &format!("GRANT ALL ON `{granted}`.* TO lean@localhost")).await;
    }
    let lean = rig.url("a").to_string().replace("daybook@", "lean@").parse().unwrap();
    for url in [rig.url("a"), &lean] {
        let refused =
            reshape(url, &rig.registry, &order(2, Mode::CarryOut), &mut unwatched).await.unwrap_err();
        let ReshapeError::InTheWay { object, .. } = &refused else { panic!("{url}: {refused}") };
        assert_eq!(*object, format!("{other_name}.guest"), "{url}");
    }
    rig.execute("a", &format!("DROP TABLE {other_name}.guest")).await;
    reshape(&lean, &rig.registry, &order(2, Mode::CarryOut), &mut unwatched).await.unwrap();
    assert_eq!(leftovers(&rig, "mariadb").await, 0);
}

#[tokio::test]
async fn other_text_under_a_released_number_is_refused() {
    for (store, rig) in rigs().await {
        let sources: Vec<VersionSource> = set(3)
            .versions()
            .iter()
            .map(|version| {
                let mut source = version.source().clone();
                for text in source.files.values_mut() {
                    text.push_str("\n# And a comment.\n");
                }
                source
            })
            .collect();
        let other = SchemaSet::from_sources(sources).unwrap();
        let registry = schema_mappers::Registry::new(other, schema_mappers::RustMappers::none()).unwrap();
        pause(&rig, "a").await;
        let refused =
            reshape(rig.url("a"), &registry, &order(2, Mode::CarryOut), &mut unwatched).await.unwrap_err();
        assert!(refused.to_string().contains("released here with other files"), "{store}: {refused}");
        assert_eq!(rig.number("a", "SELECT ledger_version FROM {d}site").await, 1, "{store}");
    }
}

#[tokio::test]
async fn versions_on_record_read_back_as_they_were_released() {
    for (store, rig) in rigs().await {
        let read = load_registry(rig.url("a")).await.unwrap();
        let hashes = |set: &SchemaSet| {
            set.versions().iter().map(|version| version.hash().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(hashes(read.set()), hashes(rig.registry.set()), "{store}");
        // A shorter set does not take back what the longer one knows.
        let together = "SELECT tables FROM {d}schema_version WHERE version = 2";
        let before = rig.row("a", together, vec![]).await.text(0).unwrap();
        assert!(before.contains(r#""together":[["first_name","last_name"]]"#), "{store}: {before}");
        let mut conn = Conn::open(rig.url("a"), Access::Write, "release").await.unwrap();
        conn.begin().await.unwrap();
        release_versions(conn.lend(), &set(1)).await.unwrap();
        conn.commit().await.unwrap();
        assert_eq!(rig.row("a", together, vec![]).await.text(0).unwrap(), before, "{store}");
    }
}

#[tokio::test]
async fn the_queue_of_ask_codes_shrinks_as_users_answer() {
    for (store, rig) in rigs().await {
        four(&rig).await;
        pause(&rig, "a").await;
        apply(&rig, "a", 2).await.unwrap();
        resume(&rig, "a").await;
        let mut ledger = SqlLedger::open(rig.url("a"), "ask").await.unwrap();
        let waiting = ask::count(&mut ledger, &rig.registry, &mut unwatched).await.unwrap();
        assert_eq!((waiting[0].column.as_ref(), waiting[0].rows), ("number", 1), "{store}");
        let answer =
            Change::update("contact", row([("member_id", 1.into())]), row([("number", "42".into())]));
        rig.append("a", 2, &[answer]).await;
        journal_tests::rig::drain(&mut rig.poster("a").await).await.unwrap();
        let waiting = ask::count(&mut ledger, &rig.registry, &mut unwatched).await.unwrap();
        assert_eq!(waiting[0].rows, 0, "{store}");
    }
}

/// Words with blanks in awkward places, as parts of names.
fn some_name(random: &mut impl Rng) -> String {
    let parts = ["ANNA", "VAN", "", "DER", "BERG", "Ä", "X'Y"];
    let words: Vec<&str> =
        (0..random.random_range(0..4)).map(|_| parts[random.random_range(0..parts.len())]).collect();
    words.join(" ")
}

fn some_change(random: &mut impl Rng) -> Change {
    let id = random.random_range(1..15_i64);
    let key = || row([("id", id.into())]);
    match random.random_range(0..8) {
        0 | 1 => member(id, &some_name(random), random.random_bool(0.5).then(|| random.random_range(1..15))),
        2 => phone(id, random.random_bool(0.5).then_some("555")),
        3 => renamed(id, &some_name(random)),
        4 => Change::update("phone", row([("member_id", id.into())]), row([("number", Value::Null)])),
        5 => Change::upsert("phone", row([("member_id", id.into()), ("number", "777".into())])),
        6 => Change::add("member", key(), row([("fee", money("0.25"))])),
        _ => Change::delete("phone", row([("member_id", id.into())])),
    }
}

#[tokio::test]
async fn a_reshaped_ledger_is_the_fold_of_the_mapped_entries_up_and_down() {
    for seed in 0..8_u64 {
        // Two seeds on every store; the rest where it is quick.
        let stores = rigs().await.into_iter().take(if seed < 2 { 9 } else { 1 });
        for (store, rig) in stores {
            let random = &mut ChaCha8Rng::seed_from_u64(seed);
            let to = random.random_range(2..=3);
            pause(&rig, "b").await;
            apply(&rig, "b", to).await.unwrap();
            resume(&rig, "b").await;
            let some = |random: &mut ChaCha8Rng| -> Vec<Change> {
                (0..random.random_range(1..3)).map(|_| some_change(random)).collect()
            };
            let batch: Vec<_> = (0..60).map(|_| rig.transaction(1, &some(random))).collect();
            rig.journal("a").await.append(&batch).await.unwrap();
            rig.settle(&mut posters(&rig).await).await;
            let held = rig.number("b", "SELECT count(*) FROM {d}quarantine").await;
            assert_eq!(held, 0, "{store}, seed {seed}");
            let (below, above) = (live(&rig, "a").await, live(&rig, "b").await);
            for site in ["a", "b"] {
                pause(&rig, site).await;
            }
            apply(&rig, "a", to).await.unwrap();
            assert_eq!(live(&rig, "a").await, above, "{store}, seed {seed}: rows up are entries up");
            apply(&rig, "a", 1).await.unwrap();
            assert_eq!(live(&rig, "a").await, below, "{store}, seed {seed}: down(up)");
            apply(&rig, "b", 1).await.unwrap();
            assert_eq!(live(&rig, "b").await, below, "{store}, seed {seed}: entries up are rows down");
        }
    }
}
