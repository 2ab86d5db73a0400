//! The end of the old version: refused for each reason that there is, carried out once, on record.

use journal_core::model::SchemaVersion;
use schema_mappers::ddl::view_name;

use super::{Busy, plain_shops};
use crate::shop::{BOUND, SITES, Shop, expect_done};

/// Waivers of what every run here has: the history was written just now, and its phones have no numbers.
const USUAL: [&str; 4] = ["--waive", "ask=known", "--quiet", "0s"];

fn refused(shop: &Shop, arguments: &[&str], reason: &str) {
    let told = shop.refused(1, &[&["upgrade", "contract"][..], arguments].concat());
    assert!(told.contains("D0458") && told.contains(&format!("{reason} at ")), "{reason}: {told}");
}

#[tokio::test]
async fn contract_is_refused_for_each_reason_and_each_can_be_waived() {
    for (store, shop) in plain_shops() {
        println!("{store}");
        let mut busy = Busy::new(shop, 2);
        let told = busy.shop.refused(1, &["upgrade", "contract"]);
        assert!(told.contains("D0455"), "{store}: {told}");
        busy.write();
        busy.shop.done(&["upgrade", "--to", "2", "--pause-before", "preflight"]);
        busy.shop.done(&["upgrade", "resume"]);
        let shop = &busy.shop;
        refused(shop, &["--waive", "ask=known"], "application");
        refused(shop, &["--quiet", "0s"], "ask");
        shop.done(&["pause", "b", "--reason", "a queue"]);
        let writers = busy.begin_to_write();
        writers.into_iter().for_each(|append| expect_done("append", &append.wait(BOUND)));
        let shop = &busy.shop;
        refused(shop, &USUAL, "queued");
        shop.done(&["resume", "b"]);
        shop.settle();
        // A transaction that a peer could not take.
        let held = "INSERT INTO {d}quarantine (origin, epoch, trans_nr, seal_nr, arrival, code, detail, state, who, why, since) \
                    SELECT origin, epoch, trans_nr, 1, 1, 'D0201', 'x', 'held', 'test', '', 0 FROM {d}entry \
                    WHERE origin = 'a' AND trans_nr = 1 AND entry_nr = 1";
        shop.vandalise("b", held).await;
        refused(shop, &USUAL, "quarantine");
        let report =
            shop.report(&[&["upgrade", "contract"][..], &USUAL, &["--waive", "quarantine=a test"]].concat());
        assert_eq!(report["sites"].as_array().unwrap().len(), 2, "{store}: {report}");
        let waived =
            "SELECT count(*) FROM {d}upgrade_record WHERE kind = 'contraction' AND waived LIKE '%a test%'";
        for site in SITES {
            assert_eq!(shop.number(site, waived).await, 1, "{store} {site}");
        }
        let told = shop.refused(1, &["upgrade", "abort"]);
        assert!(told.contains("D0455"), "{store}: {told}");
        busy.end();
    }
}

#[tokio::test]
async fn a_site_at_the_old_version_is_a_reason_and_contract_drops_what_only_that_needed() {
    for (store, shop) in plain_shops() {
        println!("{store}");
        let busy = Busy::new(shop, 1);
        busy.shop.done(&["upgrade", "--to", "2", "--pause-before", "verify"]);
        // Site a is through, site b has not begun.
        let stopped = busy.shop.report(&["upgrade", "resume", "--pause-before", "leave"]);
        assert_eq!(stopped["stopped_at"], "b", "{store}: {stopped}");
        refused(&busy.shop, &[&USUAL[..], &["--site", "a"]].concat(), "peer");
        busy.shop.done(&["upgrade", "resume"]);
        busy.shop.done(&[&["upgrade", "contract"][..], &USUAL].concat());
        let left = match store {
            "postgres" => "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'daybook_%'",
            "mariadb" => {
                "SELECT count(*) FROM information_schema.tables WHERE table_schema = database() \
                 AND (table_name LIKE 'daybook_old_%' OR table_name LIKE 'daybook_via_%')"
            }
            _ => "SELECT count(*) FROM sqlite_master WHERE name LIKE 'daybook_old_%'",
        };
        let place = busy.shop.url("a").place();
        let [old_view, new_view] = [1, 2].map(|version| view_name(SchemaVersion(version), "name", &place));
        busy.shop.rows("a", &format!("SELECT count(*) FROM {new_view}")).await;
        let mut reader = busy.shop.reader("a").await;
        assert!(reader.lend().fetch(&format!("SELECT * FROM {old_view}"), vec![]).await.is_err(), "{store}");
        assert_eq!(busy.shop.number("a", left).await, 0, "{store}");
        // The same again changes nothing.
        busy.shop.done(&[&["upgrade", "contract"][..], &USUAL].concat());
        let records = "SELECT count(*) FROM {d}upgrade_record";
        assert_eq!(busy.shop.number("a", records).await, 2, "{store}");
        busy.end();
    }
}
