//! `verify`: sites are compared at one cut, row by row, across versions as well.

use applier::audit::cut::{CutError, Party, Patience, Pausing};
use applier::audit::diff::{Kind, VerifyError, VerifyReport, verify};
use applier::audit::digest::{LedgerDigest, digest, digest_as};
use applier::audit::unwatched;
use applier::control::{ControlStore as _, Desired};
use applier::engine::reaction::PostError;
use applier::ledger::sql::SqlLedger;
use journal_core::model::{SchemaVersion, SiteName};
use journal_tests::rig::{Rig, drain};

use super::{at_once, populate, posters, reshape};
use crate::club::{member, renamed, rigs};

async fn compare(rig: &Rig, patience: &Patience) -> Result<VerifyReport, VerifyError> {
    let mut ledger_a = SqlLedger::open_reader(rig.url("a"), "verify").await.unwrap();
    let mut ledger_b = SqlLedger::open_reader(rig.url("b"), "verify").await.unwrap();
    let (mut control_a, mut control_b) = (rig.control("a").await, rig.control("b").await);
    let site = |name: &str| SiteName::new(name).unwrap();
    let a = Party { site: site("a"), ledger: &mut ledger_a, control: &mut control_a };
    let b = Party { site: site("b"), ledger: &mut ledger_b, control: &mut control_b };
    verify(a, b, &rig.registry, patience, 10, &mut unwatched).await
}

async fn now(rig: &Rig) -> VerifyReport {
    compare(rig, &at_once(Pausing::Never)).await.unwrap()
}

async fn digest_of(rig: &Rig, site: &str, at: Option<i64>) -> LedgerDigest {
    let mut ledger = SqlLedger::open_reader(rig.url(site), "digest").await.unwrap();
    match at {
        None => digest(&mut ledger, &rig.registry, &mut unwatched).await.unwrap(),
        Some(at) => digest_as(&mut ledger, &rig.registry, SchemaVersion(at), &mut unwatched).await.unwrap(),
    }
}

#[tokio::test]
async fn level_sites_are_equal_row_by_row_and_in_their_digests() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        let report = now(&rig).await;
        assert!(report.equal, "{store}: {report:?}");
        assert_eq!(report.a.digest, report.b.digest, "{store}");
        assert_eq!(report.a.digest, digest_of(&rig, "a", None).await, "{store}");
        assert_eq!(report.a.digest.rows, 20, "{store}");
        let matched: Vec<(&str, u64)> =
            report.tables.iter().map(|table| (table.table.as_str(), table.matched)).collect();
        assert_eq!(matched, [("member", 12), ("phone", 8)], "{store}");
        assert_eq!(report.cut.keys().collect::<Vec<_>>(), ["a/1", "b/1"], "{store}");
    }
}

#[tokio::test]
async fn what_differs_is_named_with_its_columns_and_both_values() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        rig.execute("b", "UPDATE member SET full_name = 'SOMEBODY ELSE' WHERE id = 3").await;
        rig.execute("b", "DELETE FROM phone WHERE member_id = 8").await;
        rig.execute("b", "INSERT INTO phone (member_id, number) VALUES (9, 'new')").await;
        let report = now(&rig).await;
        assert!(!report.equal, "{store}");
        assert_ne!(report.a.digest.digest, report.b.digest.digest, "{store}");
        let told: Vec<(&str, &str, Kind)> = report
            .differences
            .iter()
            .map(|difference| (difference.table.as_ref(), difference.key.as_str(), difference.kind))
            .collect();
        let expected = [
            ("member", "[3]", Kind::Different),
            ("phone", "[8]", Kind::OnlyA),
            ("phone", "[9]", Kind::OnlyB),
        ];
        assert_eq!(told, expected, "{store}");
        let columns = &report.differences[0].columns;
        assert_eq!(columns.len(), 1, "{store}: only what differs is told");
        assert_eq!(columns[0].column.as_ref(), "full_name");
        assert_eq!(columns[0].a, Some("FIRST3 LAST3".into()), "{store}");
        assert_eq!(columns[0].b, Some("SOMEBODY ELSE".into()), "{store}");
        let phones = &report.tables[1];
        assert_eq!((phones.matched, phones.missing, phones.extra), (7, 1, 1), "{store}");
    }
}

#[tokio::test]
async fn sites_at_different_versions_are_compared_at_the_higher_one() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        for version in [2, 3] {
            let foreseen = digest_of(&rig, "a", Some(version)).await;
            reshape(&rig, "b", version).await;
            let report = now(&rig).await;
            assert!(report.equal, "{store} {version}: {report:?}");
            assert_eq!(report.version, SchemaVersion(version), "{store}");
            assert_eq!(
                (report.a.schema_version, report.b.schema_version),
                (SchemaVersion(1), SchemaVersion(version))
            );
            assert_eq!(report.a.digest, report.b.digest, "{store} {version}");
            assert_eq!(
                foreseen,
                digest_of(&rig, "b", None).await,
                "{store} {version}: the digest of what would be"
            );
        }
        let quoted = "UPDATE contact SET kind = 'work' WHERE member_id = '2'";
        rig.execute("b", quoted).await;
        let report = now(&rig).await;
        assert_eq!(report.differences.len(), 1, "{store}");
        assert_eq!(report.differences[0].key, r#"["2"]"#, "{store}");
    }
}

#[tokio::test]
async fn writes_at_both_versions_leave_the_sites_equal() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        reshape(&rig, "b", 2).await;
        let mut posters = posters(&rig).await;
        rig.append("a", 1, &[renamed(1, "ANNA BERG"), member(20, "NEW ONE", Some(1))]).await;
        rig.settle(&mut posters).await;
        let key = journal_tests::rig::row([("id", 2.into())]);
        let names = journal_tests::rig::row([("first_name", "A B".into()), ("last_name", "C D".into())]);
        rig.append("b", 2, &[journal_core::model::Change::update("member", key, names)]).await;
        rig.settle(&mut posters).await;
        let report = now(&rig).await;
        assert!(report.equal, "{store}: {report:?}");
        assert_eq!(
            rig.number("a", "SELECT count(*) FROM member WHERE full_name = 'A B C D'").await,
            1,
            "{store}"
        );
    }
}

#[tokio::test]
async fn sites_that_are_not_level_are_not_compared_and_the_one_behind_is_named() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        rig.append("a", 1, &[renamed(2, "NOT YET THERE")]).await;
        drain(&mut rig.poster("a").await).await.unwrap();
        let error = compare(&rig, &at_once(Pausing::Never)).await.unwrap_err();
        let VerifyError::Cut(CutError::Apart { behind }) = error else { panic!("{store}: {error}") };
        assert_eq!(behind.len(), 1, "{store}: {behind:?}");
        assert_eq!((behind[0].site.as_str(), behind[0].origin.as_str()), ("b", "a/1"), "{store}");
        assert_eq!(behind[0].other.0, behind[0].posted.0 + 1, "{store}");
    }
}

#[tokio::test]
async fn what_was_paused_for_a_comparison_is_resumed_also_when_it_fails() {
    for (store, rig) in rigs().await {
        populate(&rig).await;
        rig.append("a", 1, &[renamed(2, "NOT YET THERE")]).await;
        drain(&mut rig.poster("a").await).await.unwrap();
        let mut patience = at_once(Pausing::AsNeeded);
        patience.within = std::time::Duration::from_millis(120);
        compare(&rig, &patience).await.unwrap_err();
        let paused = "SELECT count(*) FROM {d}action WHERE what = 'pause'";
        assert_eq!(rig.number("a", paused).await, 1, "{store}: a was ahead");
        assert_eq!(rig.number("b", paused).await, 0, "{store}: b was not");
        let mut control = rig.control("a").await;
        assert_eq!(control.standing().await.unwrap().control.desired, Desired::Running, "{store}");
        control.pause("somebody", "else").await.unwrap();
        compare(&rig, &patience).await.unwrap_err();
        let control = control.standing().await.unwrap().control;
        assert_eq!((control.desired, control.who.as_str()), (Desired::Paused, "somebody"), "{store}");
    }
}

#[tokio::test]
async fn a_writer_that_never_rests_is_paused_until_the_other_site_is_level() {
    use std::sync::atomic::{AtomicBool, Ordering};
    for (store, rig) in rigs().await {
        populate(&rig).await;
        let patience = Patience {
            within: std::time::Duration::from_secs(60),
            pausing: Pausing::AsNeeded,
            who: "test".to_owned(),
        };
        let compared = AtomicBool::new(false);
        let writing = async {
            // Always ahead: what b posts was shipped before a posts the next.
            while !compared.load(Ordering::Relaxed) {
                rig.ship("a", "b").await;
                rig.append("a", 1, &[renamed(2, &format!("NAME {}", uuid::Uuid::now_v7()))]).await;
                for site in ["a", "b"] {
                    match drain(&mut rig.poster(site).await).await {
                        // Paused and resumed between the poster's opening and its turn.
                        Ok(_) | Err(PostError::Stale) => {}
                        Err(error) => panic!("{store} {site}: {error}"),
                    }
                }
            }
        };
        let comparing = async {
            let report = compare(&rig, &patience).await;
            compared.store(true, Ordering::Relaxed);
            report
        };
        let ((), report) = tokio::join!(writing, comparing);
        assert!(report.unwrap().equal, "{store}");
        let control = rig.control("a").await.standing().await.unwrap().control;
        assert_eq!(control.desired, Desired::Running, "{store}");
    }
}
