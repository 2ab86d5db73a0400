//! Ids: two sites never give out the same.

use std::collections::BTreeSet;

use super::shop::Shop;

#[tokio::test]
async fn two_sites_never_give_out_the_same_id() {
    let mut given = BTreeSet::new();
    for (site, stripe) in [("a", 0), ("b", 1), ("c", 15)] {
        let shop = Shop::open(site, stripe).await;
        let journal = shop.journal().await;
        let mut last = 0;
        for _ in 0..2500 {
            let id = journal.next_id("rental").await.unwrap();
            assert!(id > last, "ids of one process rise");
            assert!(given.insert(id), "{id} was given out twice");
            last = id;
        }
    }
}

#[tokio::test]
async fn two_processes_of_one_site_and_a_restart_never_share_an_id() {
    let shop = Shop::open("a", 3).await;
    let mut given = BTreeSet::new();
    for _restart in 0..3 {
        let (one, two) = (shop.journal().await, shop.journal().await);
        for _ in 0..3 {
            assert!(given.insert(one.next_id("rental").await.unwrap()));
            assert!(given.insert(two.next_id("rental").await.unwrap()));
        }
    }
}

#[tokio::test]
async fn each_sequence_has_its_own_ids() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    assert_eq!(journal.next_id("rental").await.unwrap(), 1);
    assert_eq!(journal.next_id("item").await.unwrap(), 1);
    assert_eq!(journal.next_id("rental").await.unwrap(), 2);
}

#[tokio::test]
async fn ids_begin_above_what_is_taken_already() {
    let shop = Shop::open("b", 1).await;
    let journal = shop.journal().await;
    assert_eq!(journal.next_id("rental").await.unwrap(), 1001);
    journal.reserve_ids_above("rental", 1000).await.unwrap();
    assert_eq!(journal.next_id("rental").await.unwrap(), 1002, "the block at hand lies above");
    journal.reserve_ids_above("rental", 16_049).await.unwrap();
    assert_eq!(journal.next_id("rental").await.unwrap(), 17_001);
    journal.reserve_ids_above("rental", 5).await.unwrap();
    assert_eq!(journal.next_id("rental").await.unwrap(), 17_002, "never back");
    let refused = journal.reserve_ids_above("rental", i64::MAX).await.unwrap_err();
    assert!(refused.to_string().contains("no ids left"), "{refused}");
}

#[tokio::test]
async fn many_callers_of_an_empty_block_take_one() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let journal = journal.clone();
        callers.spawn(async move { journal.next_id("rental").await.unwrap() });
    }
    let ids: BTreeSet<i64> = callers.join_all().await.into_iter().collect();
    assert_eq!(ids, (1..=100).collect());
}
