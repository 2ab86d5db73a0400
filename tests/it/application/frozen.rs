//! A site that hangs keeps its connections and says nothing: its client leaves it as it leaves one that is lost.

use std::time::{Duration, Instant};

use journal_core::client::{GroupFailure, GroupJournal};
use journal_core::model::SchemaVersion;
use journal_core::sql::{Access, Conn};

use super::pair::{Pair, at_once, client, name, sale, settled, standing};
use crate::shop::BOUND;

/// Waits until the client has seen of the first site that it does not answer.
async fn seen_to_be_away(group: &GroupJournal) {
    let deadline = Instant::now() + BOUND;
    while group.read_url(SchemaVersion(1)).await.is_some_and(|(site, _)| site == name("a")) {
        assert!(Instant::now() < deadline, "nobody sees that the site does not answer");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn is_unknown_at_a<T>(answer: &Result<T, GroupFailure>) -> bool {
    matches!(answer, Err(GroupFailure::OutcomeUnknown { site, .. }) if *site == name("a"))
}

/// It was never left: whoever looked at it waited for an answer.
#[tokio::test]
async fn a_site_that_hangs_is_left_and_what_it_was_sent_waits_for_it() {
    let Some(pair) = Pair::or_skip().await else { return };
    let group = client(&pair.urls).patience(BOUND).open().await.unwrap();
    group.append(&sale(1)).await.unwrap();
    pair.proxies[0].freeze();
    let sent = sale(2);
    let waiting = tokio::spawn({
        let (group, sent) = (group.clone(), sent.clone());
        async move { group.append(&sent).await }
    });
    seen_to_be_away(&group).await;
    assert_eq!(group.append(&sale(3)).await.unwrap().id().origin.site, name("b"));
    group.next_id("item").await.unwrap();
    pair.proxies[0].thaw();
    let receipt = waiting.await.unwrap().unwrap();
    assert_eq!(standing(&pair.rig, sent.tx_id()).await, [receipt.id().to_string()]);
    // Looks come through again.
    let deadline = Instant::now() + BOUND;
    while !group.supports(SchemaVersion(1)) {
        assert!(Instant::now() < deadline, "nobody sees that the site answers");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The next transactions waited there as well, and then those after them.
#[tokio::test]
async fn one_append_that_a_site_left_without_an_answer_is_enough_to_leave_it() {
    let Some(pair) = Pair::or_skip().await else { return };
    let group = client(&pair.urls).patience(Duration::from_millis(2_500)).open().await.unwrap();
    group.append(&sale(1)).await.unwrap();
    pair.proxies[0].freeze();
    let sent = sale(2);
    let (answer, beside) = tokio::join!(group.append(&sent), group.append(&sent));
    assert!(is_unknown_at_a(&answer), "{answer:?}");
    assert!(is_unknown_at_a(&beside), "the other caller has sent it: {beside:?}");
    assert_eq!(group.append(&sale(3)).await.unwrap().id().origin.site, name("b"));
    let answer = group.append(&sent).await;
    assert!(is_unknown_at_a(&answer), "{answer:?}");
    pair.proxies[0].thaw();
    let receipt = settled(&group, &sent).await;
    assert_eq!(standing(&pair.rig, sent.tx_id()).await, [receipt.id().to_string()]);
}

/// Looks found it well, and so each append waited there for as long as its patience.
#[tokio::test]
async fn a_site_that_answers_looks_and_hangs_at_every_commit_is_left() {
    let Some(pair) = Pair::or_skip().await else { return };
    let group = client(&pair.urls).patience(BOUND).open().await.unwrap();
    group.append(&sale(1)).await.unwrap();
    let mut holder = Conn::open(pair.rig.url("a"), Access::Write, "test").await.unwrap();
    // No lock: a session ends its wait for one by itself.
    let waits = "CREATE TABLE public.hold (); INSERT INTO public.hold DEFAULT VALUES; \
                 CREATE FUNCTION public.waits() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 WHILE EXISTS (SELECT FROM public.hold) LOOP PERFORM pg_sleep(0.005); END LOOP; RETURN NULL; END $$; \
                 CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON daybook.journal \
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.waits()";
    holder.lend().ddl(waits).await.unwrap();
    // Nobody waits for long: the application has a bound of its own.
    let sent = sale(2);
    assert!(at_once(group.append(&sent)).is_none());
    let deadline = Instant::now() + BOUND;
    while group.site().await == name("a") {
        assert!(Instant::now() < deadline, "nobody leaves it");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(group.append(&sale(3)).await.unwrap().id().origin.site, name("b"));
    // Its looks are answered, and it is none to go back to.
    while !group.supports(SchemaVersion(1)) {
        assert!(Instant::now() < deadline, "it does answer");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    pair.proxies[1].close();
    let last = sale(4);
    let (receipt, ()) = tokio::join!(group.append(&last), async {
        while group.read_url(SchemaVersion(1)).await.is_none_or(|(site, _)| site == name("b")) {
            assert!(Instant::now() < deadline, "nobody sees that b is away");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        pair.proxies[1].open();
    });
    assert_eq!(receipt.unwrap().id().origin.site, name("b"));
    holder.lend().execute("DELETE FROM public.hold", vec![]).await.unwrap();
    let receipt = settled(&group, &sent).await;
    assert_eq!(receipt.id().origin.site, name("a"));
    assert_eq!(standing(&pair.rig, sent.tx_id()).await, [receipt.id().to_string()]);
}

/// They were bound to that site as those that it was sent.
#[tokio::test]
async fn what_found_no_room_in_the_queue_of_a_site_that_hangs_goes_to_the_next() {
    let Some(pair) = Pair::or_skip().await else { return };
    let group = client(&pair.urls).patience(BOUND).open().await.unwrap();
    group.append(&sale(1)).await.unwrap();
    pair.proxies[0].freeze();
    let transactions: Vec<_> = (2..1800).map(sale).collect();
    for transaction in &transactions {
        assert!(at_once(group.append(transaction)).is_none());
        tokio::task::yield_now().await;
    }
    // One that nobody gave up, and one whose caller went away.
    let waiting = tokio::spawn({
        let group = group.clone();
        async move { group.append(&sale(1800)).await }
    });
    tokio::task::yield_now().await;
    seen_to_be_away(&group).await;
    let late = transactions.last().unwrap();
    assert_eq!(group.append(late).await.unwrap().id().origin.site, name("b"));
    assert_eq!(waiting.await.unwrap().unwrap().id().origin.site, name("b"));
    pair.proxies[0].thaw();
}

/// They waited for ever.
#[tokio::test]
async fn a_site_that_hangs_while_its_journal_is_opened_is_waited_for_no_longer_than_told() {
    let Some(pair) = Pair::or_skip().await else { return };
    pair.proxies[1].freeze();
    let group = client(&pair.urls).patience(Duration::from_millis(300)).open().await.unwrap();
    pair.proxies[0].close();
    seen_to_be_away(&group).await;
    let append = async { (group.append(&sale(1)).await, group.next_id("item").await) };
    let (appended, id) = tokio::time::timeout(BOUND, append).await.unwrap();
    // Not known, when patience ended in the middle of a try.
    assert!(
        matches!(appended, Err(GroupFailure::NoSite { .. } | GroupFailure::OutcomeUnknown { .. })),
        "{appended:?}"
    );
    assert!(matches!(id, Err(GroupFailure::NoSite { .. })), "{id:?}");
    let again = tokio::time::timeout(BOUND, group.append_again(&sale(1))).await.unwrap();
    assert!(matches!(again, Err(GroupFailure::OutcomeUnknown { .. })), "{again:?}");
}
