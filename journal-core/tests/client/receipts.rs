//! What receipts tell: decisions, peers, pauses.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use journal_core::client::{Decision, State};
use journal_core::codec::chain::{self, SealDraft};
use journal_core::journal::JournalStore as _;
use journal_core::model::seal::GENESIS;
use journal_core::model::{Epoch, Hlc, Origin, SealNr, SiteName, TransNr, Vector};
use journal_core::sql::Access;
use journal_core::store::sql::{Pause, SqlJournal};

use super::shop::{Shop, item};

fn peer() -> Origin {
    Origin { site: SiteName::new("b").unwrap(), epoch: Epoch(1) }
}

/// An empty seal of the peer, received: it says how far it has posted this site's seals.
async fn hear_of_peer(shop: &Shop, seal_nr: i64, posted: i64) {
    let mut journal = SqlJournal::open(&shop.url, Access::Write, "test").await.unwrap();
    let head = journal.heads().await.unwrap().into_iter().find(|head| head.origin == peer());
    let draft = SealDraft {
        origin: peer(),
        seal_nr: SealNr(seal_nr),
        first_nr: TransNr(1),
        last_nr: TransNr(0),
        hlc: Hlc(seal_nr),
        seen: Vector::from([(shop.origin(), SealNr(posted))]),
        schema: 1,
        prev_hash: head.map_or(GENESIS, |head| head.hash),
        sealed_at: 0,
    };
    journal.receive(&[chain::seal(draft, Vec::new(), Vec::new())]).await.unwrap();
}

/// Whether a future is still waiting.
fn waits(future: std::pin::Pin<&mut impl Future>) -> bool {
    matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}

#[tokio::test]
async fn a_receipt_resolves_to_the_decision() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    let mut receipts = Vec::new();
    for id in 1..=3 {
        receipts.push(journal.append(&item(id)).await.unwrap());
    }
    assert_eq!(receipts[0].state().await.unwrap(), State { decision: None, paused: None });
    let mut early = Box::pin(receipts[0].applied());
    assert!(waits(early.as_mut()));
    shop.seal(&[receipts[1].id().trans_nr]).await;
    let applied = Decision::Applied { seal_nr: SealNr(1) };
    assert_eq!(early.await.unwrap(), applied);
    assert_eq!(receipts[2].applied().await.unwrap(), applied);
    let rejected = Decision::Rejected {
        code: "duplicate_key".to_owned(),
        detail: "a row with that key stands there".to_owned(),
    };
    assert_eq!(receipts[1].applied().await.unwrap(), rejected);
    assert_eq!(receipts[1].state().await.unwrap().decision, Some(rejected));
}

/// Who waits for one receipt after the other would else pay for a look each.
#[tokio::test]
async fn what_one_look_saw_answers_later_questions_without_another() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    let mut receipts = Vec::new();
    for id in 1..=4 {
        receipts.push(journal.append(&item(id)).await.unwrap());
    }
    shop.seal(&[receipts[2].id().trans_nr]).await;
    let b = peer().site;
    hear_of_peer(&shop, 1, 1).await;
    let applied = Decision::Applied { seal_nr: SealNr(1) };
    assert_eq!(receipts[0].replicated(&b).await.unwrap(), applied);
    // A look would fail from here on.
    let seals = "ALTER TABLE daybook_seal RENAME TO daybook_seal_put_aside";
    shop.conn().await.lend().script(seals).await.unwrap();
    assert_eq!(receipts[1].applied().await.unwrap(), applied);
    assert_eq!(receipts[3].replicated(&b).await.unwrap(), applied);
    assert!(matches!(receipts[2].applied().await.unwrap(), Decision::Rejected { .. }));
}

#[tokio::test]
async fn a_rejection_below_what_the_last_look_was_about_is_not_taken_for_an_acceptance() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    let first = journal.append(&item(1)).await.unwrap();
    let second = journal.append(&item(2)).await.unwrap();
    shop.seal(&[first.id().trans_nr]).await;
    assert_eq!(second.applied().await.unwrap(), Decision::Applied { seal_nr: SealNr(1) });
    assert!(matches!(first.applied().await.unwrap(), Decision::Rejected { .. }));
}

#[tokio::test]
async fn many_receipts_wait_at_once_and_each_gets_its_own_answer() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    let mut waiting = tokio::task::JoinSet::new();
    for id in 1..=200 {
        let receipt = journal.append(&item(id)).await.unwrap();
        waiting.spawn(async move { (receipt.id().trans_nr, receipt.applied().await.unwrap()) });
        if id % 50 == 0 {
            shop.seal(&[TransNr(id - 7)]).await;
        }
    }
    for (trans_nr, decision) in waiting.join_all().await {
        match decision {
            Decision::Applied { seal_nr } => assert_eq!(seal_nr.0, (trans_nr.0 + 49) / 50, "{trans_nr}"),
            Decision::Rejected { .. } => assert_eq!(trans_nr.0 % 50, 43, "{trans_nr}"),
        }
    }
}

#[tokio::test]
async fn a_transaction_is_replicated_when_the_peers_seal_says_so() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    let first = journal.append(&item(1)).await.unwrap();
    let rejected = journal.append(&item(2)).await.unwrap();
    shop.seal(&[rejected.id().trans_nr]).await;
    let second = journal.append(&item(3)).await.unwrap();
    shop.seal(&[]).await;
    let b = peer().site;
    hear_of_peer(&shop, 1, 1).await;
    assert_eq!(first.replicated(&b).await.unwrap(), Decision::Applied { seal_nr: SealNr(1) });
    assert!(matches!(rejected.replicated(&b).await.unwrap(), Decision::Rejected { .. }));
    let mut waiting = Box::pin(second.replicated(&b));
    assert!(waits(waiting.as_mut()));
    hear_of_peer(&shop, 2, 2).await;
    assert_eq!(waiting.await.unwrap(), Decision::Applied { seal_nr: SealNr(2) });
    let own = shop.site.clone();
    assert_eq!(second.replicated(&own).await.unwrap(), Decision::Applied { seal_nr: SealNr(2) });
}

#[tokio::test]
async fn a_receipt_of_a_paused_site_says_who_paused_it() {
    let shop = Shop::open("a", 0).await;
    let journal = shop.journal().await;
    let receipt = journal.append(&item(1)).await.unwrap();
    let mut conn = shop.conn().await;
    // As the site's runner lays it out.
    let control = "CREATE TABLE daybook_control (one_row INTEGER PRIMARY KEY, generation INTEGER NOT NULL, \
                   desired TEXT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, since INTEGER NOT NULL); \
                   INSERT INTO daybook_control VALUES (1, 4, 'paused', 'ada', 'index rebuild', 1700000000000000)";
    conn.lend().script(control).await.unwrap();
    let (who, why) = ("ada".to_owned(), "index rebuild".to_owned());
    let pause = Pause { generation: 4, who, why, since: 1_700_000_000_000_000 };
    assert_eq!(receipt.state().await.unwrap(), State { decision: None, paused: Some(pause) });
    assert!(!journal.append(&item(2)).await.unwrap().repeated(), "a pause does not stop appends");
    conn.lend().script("UPDATE daybook_control SET desired = 'running', generation = 5").await.unwrap();
    assert_eq!(receipt.state().await.unwrap().paused, None);
}
