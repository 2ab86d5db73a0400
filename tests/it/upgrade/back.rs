//! The way back: from every step, and after a time of writes at the new version.

use super::{Busy, STEPS, plain_shops, shops};
use crate::shop::{BOUND, expect_done};

#[tokio::test]
async fn an_upgrade_is_taken_back_from_every_step() {
    for (store, shop) in plain_shops() {
        let mut busy = Busy::new(shop, STEPS.len() + 1);
        for step in STEPS.into_iter().skip(1) {
            println!("{store} {step}");
            let writers = busy.begin_to_write();
            let report = busy.shop.report(&["upgrade", "--to", "2", "--pause-before", step]);
            assert_eq!(
                (&report["stopped_before"], &report["stopped_at"]),
                (&step.into(), &"a".into()),
                "{report}"
            );
            let report = busy.shop.report(&["upgrade", "abort"]);
            writers.into_iter().for_each(|append| expect_done("append", &append.wait(BOUND)));
            for site in report["sites"].as_array().unwrap() {
                assert_eq!(
                    (&site["step"], &site["ledger_version"]),
                    (&"returned".into(), &1.into()),
                    "{report}"
                );
            }
        }
        busy.is_right_at(1, "back").await;
        busy.end();
    }
}

/// What a version 2 application writes: a customer with a name that version 1 holds in one column, and a rental with a
/// channel that version 1 has no column for.
fn at_version_2() -> Vec<String> {
    let lines = [
        r#"{"entries":[{"op":"update","table":"name","key":{"customer_id":1},"set":{"first_name":"ANNA","last_name":"VAN DER BERG"}}]}"#,
        r#"{"entries":[{"op":"update","table":"rental","key":{"rental_id":RENTAL},"set":{"channel":"web"}}]}"#,
    ];
    lines.map(str::to_owned).to_vec()
}

#[tokio::test]
async fn after_a_time_of_writes_at_the_new_version_the_old_one_is_exact_and_nothing_is_forgotten() {
    for (store, shop) in shops() {
        let mut busy = Busy::new(shop, 1);
        busy.write();
        busy.shop.done(&["upgrade", "--to", "2"]);
        let some = "SELECT CAST(min(rental_id) AS {bigint}) FROM rental";
        let rental = busy.shop.number("a", some).await;
        let customer = busy.shop.number("a", "SELECT CAST(min(customer_id) AS {bigint}) FROM name").await;
        let lines: Vec<String> = at_version_2()
            .iter()
            .map(|line| {
                let line = line.replace("RENTAL", &rental.to_string());
                line.replace("\"customer_id\":1", &format!("\"customer_id\":{customer}"))
            })
            .collect();
        let file = busy.shop.lines_file("two.ndjson", &lines);
        busy.shop.done(&["append", "--site", "b", "--at-version", "2", "--file", &file, "--wait", "applied"]);
        busy.shop.settle();
        busy.shop.done(&["upgrade", "abort"]);
        for site in ["a", "b"] {
            let name = format!("SELECT full_name FROM name WHERE customer_id = {customer}");
            let name = busy.shop.rows(site, &name).await[0].text(0).unwrap();
            assert_eq!(name, "ANNA VAN DER BERG", "{store} {site}");
        }
        busy.shop.is_lawful(&["week-a", "week-b"].map(|name| busy.shop.scratch(name)));
        busy.shop.done(&["upgrade", "--to", "2"]);
        for site in ["a", "b"] {
            let query = format!("SELECT channel FROM rental WHERE rental_id = {rental}");
            assert_eq!(busy.shop.rows(site, &query).await[0].text(0).unwrap(), "web", "{store} {site}");
            let query = format!("SELECT first_name FROM name WHERE customer_id = {customer}");
            assert_eq!(busy.shop.rows(site, &query).await[0].text(0).unwrap(), "ANNA", "{store} {site}");
        }
        busy.end();
    }
}
