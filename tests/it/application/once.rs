//! A client of a whole group writes each transaction once, whatever becomes of the sites and of the answers.

use std::collections::BTreeMap;
use std::time::Duration;

use applier::control::ControlStore as _;
use applier::control::traffic::{Wanted, direct};
use journal_core::client::{AppendFailure, GroupFailure, GroupJournal, Journal, Transaction};
use journal_core::model::SchemaVersion;
use journal_core::sql::DbUrl;
use journal_tests::proxy::{Cut, Proxy};
use journal_tests::rig::Rig;
use journal_tests::servers::two_postgres_or_skip;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use uuid::Uuid;

use super::pair::{Pair, SITES, client, name, rental, sale, settled, standing};

#[tokio::test]
async fn a_site_that_is_lost_before_the_send_is_left_at_once() {
    let Some(pair) = Pair::or_skip().await else { return };
    let group = pair.client().await;
    let first = sale(1);
    assert_eq!(group.append(&first).await.unwrap().id().origin.site, name("a"));
    pair.proxies[0].close();
    let second = sale(2);
    let receipt = group.append(&second).await.unwrap();
    assert_eq!(receipt.id().origin.site, name("b"));
    for transaction in [&first, &second] {
        assert_eq!(standing(&pair.rig, transaction.tx_id()).await.len(), 1);
    }
    // It stays there when the other comes back, and moves when this one is lost.
    pair.proxies[0].open();
    assert_eq!(group.append(&sale(3)).await.unwrap().id().origin.site, name("b"));
}

#[tokio::test]
async fn a_lost_answer_is_made_certain_before_the_transaction_goes_elsewhere() {
    let Some(pair) = Pair::or_skip().await else { return };
    for (cut, committed) in [(Cut::BeforeCommit, false), (Cut::ReplyLost, true), (Cut::ReplyHalved, true)] {
        let group = pair.client().await;
        let warm = sale(1);
        group.append(&warm).await.unwrap();
        let transaction = sale(2);
        pair.proxies[0].cut_at_commit(cut, 0);
        let receipt = group.append(&transaction).await.unwrap();
        let site = &receipt.id().origin.site;
        assert_eq!(receipt.repeated(), committed && *site == name("a"), "{cut:?}");
        assert_eq!(standing(&pair.rig, transaction.tx_id()).await, [receipt.id().to_string()], "{cut:?}");
        let again = group.append(&transaction).await.unwrap();
        assert_eq!((again.id(), again.repeated()), (receipt.id(), true), "{cut:?}");
        group.close().await;
    }
}

/// It was written a second time, at the site that answered.
#[tokio::test]
async fn what_an_append_again_could_not_make_certain_no_plain_append_writes_elsewhere() {
    let Some(pair) = Pair::or_skip().await else { return };
    let earlier = pair.client().await;
    let transaction = sale(1);
    let first = earlier.append(&transaction).await.unwrap();
    assert_eq!(first.id().origin.site, name("a"));
    earlier.close().await;
    pair.proxies[0].close();
    let group = client(&pair.urls).patience(Duration::from_millis(300)).open().await.unwrap();
    let is_unknown = |answer: &Result<_, GroupFailure>| match answer {
        Err(GroupFailure::OutcomeUnknown { site, .. }) => *site == name("a"),
        _ => false,
    };
    let answer = group.append_again(&transaction).await;
    assert!(is_unknown(&answer), "{answer:?}");
    let answer = group.append(&transaction).await;
    assert!(is_unknown(&answer), "{answer:?}");
    pair.proxies[0].open();
    let receipt = settled(&group, &transaction).await;
    assert_eq!((receipt.id(), receipt.repeated()), (first.id(), true));
    assert_eq!(standing(&pair.rig, transaction.tx_id()).await, [first.id().to_string()]);
    assert_eq!(group.append(&sale(2)).await.unwrap().id().origin.site, name("b"), "others go on");
    group.close().await;
}

#[tokio::test]
async fn a_transaction_in_doubt_waits_for_its_site_and_others_do_not() {
    let Some(pair) = Pair::or_skip().await else { return };
    for (cut, committed) in [(Cut::BeforeCommit, false), (Cut::ReplyLost, true)] {
        // A patience so short that it ends before the other site could be asked to take over.
        let group = client(&pair.urls).patience(Duration::from_millis(300)).open().await.unwrap();
        group.append(&sale(1)).await.unwrap();
        let transaction = sale(2);
        pair.proxies[0].cut_at_commit(cut, 0);
        let cuts = if committed { 2 } else { 1 };
        let (answer, ()) = tokio::join!(group.append(&transaction), async {
            pair.proxies[0].cuts_made(cuts).await;
            pair.proxies[0].close();
        });
        match answer {
            Err(GroupFailure::OutcomeUnknown { tx_id, site, .. }) => {
                assert_eq!((tx_id, site), (transaction.tx_id(), name("a")));
                assert_eq!(group.append(&sale(3)).await.unwrap().id().origin.site, name("b"));
            }
            // The client was faster than the proxy.
            Ok(_) => {}
            Err(other) => panic!("{cut:?}: {other}"),
        }
        pair.proxies[0].open();
        let receipt = group.append(&transaction).await.unwrap();
        assert_eq!(standing(&pair.rig, transaction.tx_id()).await, [receipt.id().to_string()], "{cut:?}");
        assert_eq!(receipt.id().origin.site == name("a"), committed, "{cut:?}");
        group.close().await;
    }
}

#[tokio::test]
async fn a_void_entry_stops_a_late_append_and_changes_no_ledger() {
    let mut rigs = vec![Rig::sqlite(&SITES, rental()).await];
    if let Some((a, b)) = two_postgres_or_skip() {
        rigs.push(Rig::at(&[("a", a.create_database().url), ("b", b.create_database().url)], rental()).await);
    }
    for rig in rigs {
        let urls = SITES.map(|site| (site, rig.url(site).clone()));
        let group = client(&urls).open().await.unwrap();
        // Somebody appends again what an earlier process may have appended at b: it was not there, and never will be.
        let transaction = sale(1);
        let receipt = group.append_again(&transaction).await.unwrap();
        assert_eq!((receipt.id().origin.site.as_str(), receipt.repeated()), ("a", false));
        let late = Journal::builder(rig.url("b"), &name("b")).schema_version(SchemaVersion(1));
        let late = late.open().await.unwrap().append(&transaction).await.unwrap_err();
        assert!(matches!(late, AppendFailure::OtherContent { .. }), "{late}");
        let mut posters = vec![("a", rig.poster("a").await), ("b", rig.poster("b").await)];
        rig.settle(&mut posters).await;
        for site in SITES {
            assert_eq!(rig.number(site, "SELECT count(*) FROM stats").await, 1, "{site}");
            let rejected = rig.row(site, "SELECT origin, code FROM {d}rejection", vec![]).await;
            assert_eq!(
                (rejected.text(0).unwrap().as_str(), rejected.text(1).unwrap().as_str()),
                ("b", "D0209")
            );
            assert_eq!(rig.number(site, "SELECT count(*) FROM {d}quarantine").await, 0, "{site}");
        }
        // Another process that begins at b finds it where it stands.
        rig.control("a").await.pause("test", "").await.unwrap();
        let swapped = [urls[1].clone(), urls[0].clone()];
        let again = client(&swapped).open().await.unwrap().append_again(&transaction).await.unwrap();
        assert_eq!((again.id(), again.repeated()), (receipt.id(), true));
    }
}

#[tokio::test]
async fn a_restarted_process_finds_what_it_had_appended_or_waits_for_the_site_that_knows() {
    let Some(pair) = Pair::or_skip().await else { return };
    let transaction = sale(1);
    let first = pair.client().await.append(&transaction).await.unwrap();
    // The new process begins at the other site.
    let swapped: Vec<(&str, DbUrl)> = pair.urls.iter().rev().cloned().collect();
    let group = client(&swapped).patience(Duration::from_millis(200)).open().await.unwrap();
    pair.proxies[0].close();
    let unknown = group.append_again(&transaction).await.unwrap_err();
    assert!(matches!(unknown, GroupFailure::OutcomeUnknown { .. }), "{unknown}");
    pair.proxies[0].open();
    // What it asked for goes on being asked.
    let again = settled(&group, &transaction).await;
    assert_eq!((again.id(), again.repeated()), (first.id(), true));
    assert_eq!(standing(&pair.rig, transaction.tx_id()).await, [first.id().to_string()]);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_a_site_that_does_not_answer() {
    let rig = Rig::sqlite(&SITES, rental()).await;
    let urls = SITES.map(|site| (site, rig.url(site).clone()));
    let file = rig.url("a").sqlite_path().unwrap().to_owned();
    let elsewhere = file.with_extension("away");
    std::fs::rename(&file, &elsewhere).unwrap();
    let group = client(&urls).patience(Duration::from_millis(100)).open().await.unwrap();
    let first = group.append(&sale(1)).await.unwrap();
    assert_eq!(first.id().origin.site.as_str(), "b");
    assert!(!group.supports(SchemaVersion(1)), "nobody knows of a");
    let second = sale(2);
    let unknown = group.append_again(&second).await.unwrap_err();
    assert!(matches!(unknown, GroupFailure::OutcomeUnknown { .. }), "{unknown}");
    std::fs::rename(&elsewhere, &file).unwrap();
    let receipt = group.append_again(&second).await.unwrap();
    assert_eq!(standing(&rig, second.tx_id()).await, [receipt.id().to_string()]);
    let nobody = [("a", format!("sqlite:{}.none", file.display()).parse().unwrap())];
    let error = client(&nobody).open().await.unwrap_err();
    assert!(error.to_string().starts_with("no site of the group answers: a: "), "{error}");
}

/// What the world does to the sites while clients write.
async fn trouble(pair: &Pair, rng: &mut rand_chacha::ChaCha8Rng) {
    let at = rng.random_range(0..2);
    let (proxy, url) = (&pair.proxies[at], pair.rig.url(SITES[at]));
    match rng.random_range(0..8) {
        0 => {
            proxy.close();
            tokio::time::sleep(Duration::from_millis(rng.random_range(1..30))).await;
            proxy.open();
        }
        1 => drop(direct(url, Wanted::Away, "test", "trouble").await.unwrap()),
        2 => drop(direct(url, Wanted::Here, "test", "trouble").await.unwrap()),
        3 => drop(pair.rig.control(SITES[at]).await.pause("test", "trouble").await.unwrap()),
        4 => drop(pair.rig.control(SITES[at]).await.resume("test", "trouble").await.unwrap()),
        _ => {
            let cuts = [Cut::BeforeCommit, Cut::ReplyLost, Cut::ReplyHalved];
            proxy.cut_at_commit(*cuts.choose(rng).unwrap(), rng.random_range(0..3));
            tokio::time::sleep(Duration::from_millis(rng.random_range(1..20))).await;
        }
    }
}

/// `DAYBOOK_GROUP_SEED` replays the trouble, as far as two servers let it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_is_doubled_whatever_happens_to_the_sites() {
    const WRITERS: i64 = 4;
    const EACH: i64 = 60;
    let Some(pair) = Pair::or_skip().await else { return };
    let given = std::env::var("DAYBOOK_GROUP_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed: u64 = given.unwrap_or_else(rand::random);
    println!("DAYBOOK_GROUP_SEED={seed}");
    let group = client(&pair.urls).patience(Duration::from_millis(500)).open().await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let group = group.clone();
        writers.spawn(async move {
            let mut written = Vec::new();
            for nr in 0..EACH {
                let transaction = sale(writer * EACH + nr);
                let answer = group.append(&transaction).await.ok();
                written.push((transaction, answer.map(|receipt| receipt.id().to_string())));
            }
            written
        });
    }
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    while !writers.is_empty() {
        trouble(&pair, &mut rng).await;
        if let Some(ended) = writers.try_join_next() {
            settle_all(&pair, &group, ended.unwrap()).await;
        }
    }
}

/// After the trouble: what has a receipt stands there and nowhere else; the rest is appended again.
async fn settle_all(pair: &Pair, group: &GroupJournal, written: Vec<(Transaction, Option<String>)>) {
    let mut stands: BTreeMap<Uuid, String> = BTreeMap::new();
    for (transaction, receipt) in written {
        let mut receipt = receipt;
        for _ in 0..50 {
            if receipt.is_some() {
                break;
            }
            pair.proxies.iter().for_each(Proxy::open);
            receipt = group.append(&transaction).await.ok().map(|receipt| receipt.id().to_string());
        }
        let receipt = receipt.unwrap_or_else(|| panic!("{} finds no place", transaction.tx_id()));
        assert_eq!(standing(&pair.rig, transaction.tx_id()).await, std::slice::from_ref(&receipt));
        assert_eq!(stands.insert(transaction.tx_id(), receipt), None);
    }
}
