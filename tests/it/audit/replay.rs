//! `replay`: an auditor folds a site's journal into a database of his own and has the same ledger.

use applier::audit::digest::digest;
use applier::audit::replay::{ReplayError, ReplayOptions, ReplayReport, replay};
use applier::audit::unwatched;
use applier::control::ControlStore as _;
use applier::control::sql::SqlControl;
use applier::ledger::sql::SqlLedger;
use journal_core::model::SchemaVersion;
use journal_core::sql::{Access, Conn, DbUrl};
use journal_tests::rig::{Rig, drain};

use super::{populate, posters, reshape};
use crate::club::{empty_database, member, renamed, rigs};

fn options(version: Option<i64>, until: Option<&str>) -> ReplayOptions {
    ReplayOptions {
        version: version.map(SchemaVersion),
        until: until.map(|until| until.parse().unwrap()),
        who: "auditor".to_owned(),
        ..ReplayOptions::default()
    }
}

async fn replayed(store: &str, rig: &Rig, site: &str, options: &ReplayOptions) -> (ReplayReport, DbUrl) {
    let (into, directory) = empty_database(store);
    let report = replay(rig.url(site), &into, options, &mut unwatched).await.unwrap();
    let _kept = directory.keep();
    (report, into)
}

async fn live(rig: &Rig, site: &str) -> String {
    let mut ledger = SqlLedger::open_reader(rig.url(site), "digest").await.unwrap();
    digest(&mut ledger, &rig.registry, &mut unwatched).await.unwrap().digest.to_string()
}

async fn number(url: &DbUrl, sql: &str) -> i64 {
    let mut conn = Conn::open(url, Access::Read, "look").await.unwrap();
    conn.lend().fetch_one(sql, vec![]).await.unwrap().i64(0).unwrap()
}

#[tokio::test]
async fn a_replay_has_the_digest_of_the_live_ledgers() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        for site in ["a", "b"] {
            let (report, into) = replayed(store, &rig, site, &options(None, None)).await;
            assert_eq!(report.digest.digest.to_string(), live(&rig, site).await, "{store} {site}");
            assert!(report.level, "{store}: {report:?}");
            assert_eq!((report.posted, report.rejected), (13, 1), "{store}");
            assert_eq!(report.refused.count + report.left_out.count, 0, "{store}: {report:?}");
            assert_eq!(number(&into, "SELECT count(*) FROM member").await, 12, "{store}: plain tables");
            let control = SqlControl::open(&into).await.unwrap().standing().await.unwrap().control;
            assert_eq!(control.why, "the ledger of a replay; nothing is posted here again", "{store}");
        }
    }
}

#[tokio::test]
async fn a_replay_at_any_version_is_what_a_ledger_reshaped_to_it_is() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        for version in [1, 2, 3] {
            let (report, _) = replayed(store, &rig, "a", &options(Some(version), None)).await;
            reshape(&rig, "b", version).await;
            assert_eq!(report.digest.digest.to_string(), live(&rig, "b").await, "{store} {version}");
        }
        // And with entries of several versions in the journal.
        let mut posters = posters(&rig).await;
        rig.append("a", 1, &[renamed(4, "WRITTEN AT ONE")]).await;
        rig.settle(&mut posters).await;
        let key = journal_tests::rig::row([("id", "5".into())]);
        let names = journal_tests::rig::row([("first_name", "AT".into()), ("last_name", "THREE".into())]);
        rig.append("b", 3, &[journal_core::model::Change::update("member", key, names)]).await;
        rig.settle(&mut posters).await;
        for (site, version) in [("a", 1), ("b", 3)] {
            let (report, _) = replayed(store, &rig, site, &options(None, None)).await;
            assert_eq!(report.version, SchemaVersion(version), "{store}");
            assert_eq!(report.digest.digest.to_string(), live(&rig, site).await, "{store} {site}");
        }
    }
}

#[tokio::test]
async fn a_replay_ends_at_the_seal_or_the_time_it_is_given() {
    for (store, rig) in rigs().await {
        let mut posters = vec![("a", rig.poster("a").await), ("b", rig.poster("b").await)];
        for id in 1..=4 {
            rig.append("a", 1, &[member(id, "SOME BODY", None)]).await;
            rig.settle(&mut posters).await;
        }
        let seals = "SELECT seal_nr FROM {d}seal WHERE origin = 'a' AND tx_count > 0 ORDER BY seal_nr LIMIT 1 OFFSET 1";
        let second = rig.number("a", seals).await;
        let (report, into) = replayed(store, &rig, "b", &options(None, Some(&format!("a/1/{second}")))).await;
        assert_eq!(number(&into, "SELECT max(id) FROM member").await, 2, "{store}");
        assert!(!report.level, "{store}: the site is further");
        assert_eq!(report.up_to["a/1"].0, second, "{store}");
        let hlc = rig
            .number("a", &format!("SELECT hlc FROM {{d}}seal WHERE origin = 'a' AND seal_nr = {second}"))
            .await;
        let at = journal_core::model::time::timestamp_text(hlc);
        let (by_time, _) = replayed(store, &rig, "b", &options(None, Some(&at))).await;
        assert_eq!(by_time.digest, report.digest, "{store}");
        let before = journal_core::model::time::timestamp_text(hlc - 1);
        let (less, _) = replayed(store, &rig, "b", &options(None, Some(&before))).await;
        assert_eq!(less.posted, 1, "{store}");
        let (into, _directory) = empty_database(store);
        let unknown = replay(rig.url("a"), &into, &options(None, Some("a/1/4711")), &mut unwatched).await;
        assert!(matches!(unknown, Err(ReplayError::UnknownSeal { .. })), "{store}");
    }
}

#[tokio::test]
async fn what_is_in_quarantine_at_the_site_is_left_out_and_told() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        rig.append("a", 1, &[renamed(3, "BY A")]).await;
        rig.append("b", 1, &[renamed(3, "BY B")]).await;
        for site in ["a", "b"] {
            drain(&mut rig.poster(site).await).await.unwrap();
        }
        rig.ship("a", "b").await;
        rig.settle(&mut posters(&rig).await).await;
        for (site, lost) in [("a", "b/1/"), ("b", "a/1/")] {
            let (report, _) = replayed(store, &rig, site, &options(None, None)).await;
            assert_eq!(report.left_out.count, 1, "{store}");
            assert!(report.left_out.first[0].transaction.starts_with(lost), "{store}: {report:?}");
            assert_eq!(report.refused.count, 0, "{store}: {report:?}");
            assert_eq!(report.digest.digest.to_string(), live(&rig, site).await, "{store} {site}");
        }
    }
}

#[tokio::test]
async fn a_replay_goes_into_no_database_that_holds_anything() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        let before = live(&rig, "b").await;
        let error =
            replay(rig.url("a"), rig.url("b"), &options(None, None), &mut unwatched).await.unwrap_err();
        assert!(matches!(error, ReplayError::NotEmpty { .. }), "{store}: {error}");
        assert_eq!(live(&rig, "b").await, before, "{store}");
        let (into, _directory) = empty_database(store);
        let mut conn = Conn::open(&into, Access::Create, "make").await.unwrap();
        conn.lend().script("CREATE TABLE something (id integer)").await.unwrap();
        let error = replay(rig.url("a"), &into, &options(None, None), &mut unwatched).await.unwrap_err();
        assert!(error.to_string().contains("something"), "{store}: {error}");
    }
}

#[tokio::test]
async fn a_replay_of_a_journal_that_was_altered_stops_and_names_the_seal() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        rig.execute("a", "UPDATE {d}journal SET author = 'somebody' WHERE origin = 'a' AND trans_nr = 2")
            .await;
        let (into, _directory) = empty_database(store);
        let error = replay(rig.url("a"), &into, &options(None, None), &mut unwatched).await.unwrap_err();
        assert!(matches!(error, ReplayError::Chain { .. }), "{store}: {error}");
        assert!(error.to_string().contains("transaction 2 was altered"), "{store}: {error}");
    }
}
