//! Effect, checkpoint and seal: one transaction, all or nothing.

use std::future::Future;
use std::task::Poll;

use journal_core::conformance::origin;
use journal_core::model::{Change, Epoch, Origin, Row, SealNr};

use super::Rig;
use super::material::{all, cells, draft_seal, id, image, item, own_seal, post, posted, row};
use super::quarantine::put_aside;
use crate::control::Desired;
use crate::ledger::{Ledger, LedgerError, LedgerReader, Posted};

/// Does some of everything in the open transaction.
async fn do_everything<R: Rig>(rig: &R, ledger: &mut R::Ledger) {
    let peer = origin("b");
    let run = draft_seal(rig, 0..3).await;
    ledger.begin().await.expect("begin");
    ledger.advance(&peer, Posted::default(), posted(1, 9)).await.expect("advance");
    let mut change = image(Change::insert("item", item(1, Row::new())));
    change.complement.set = row([("2:colour", "red".into())]);
    ledger.apply(&[change]).await.expect("apply");
    ledger.quarantine(&put_aside(9)).await.expect("quarantine");
    ledger.seal(&run).await.expect("seal");
}

async fn assert_nothing<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    assert!(all(&mut ledger, "item").await.is_empty());
    assert!(ledger.posted().await.expect("posted").is_empty());
    assert!(ledger.quarantined().await.expect("quarantined").is_empty());
    assert_eq!(own_seal(rig).await, SealNr(0));
    // No complement waits for the row's key either.
    post(&mut ledger, [Change::insert("item", item(1, Row::new()))]).await;
    assert!(all(&mut ledger, "item").await.remove(0).1.is_empty());
}

/// Rows, complements, checkpoint, seal and quarantine.
pub async fn a_rollback_leaves_nothing<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    do_everything(rig, &mut ledger).await;
    ledger.rollback().await.expect("roll back");
    assert_nothing(rig).await;
}

/// As a crash would: whoever comes next need not wait for long.
pub async fn a_dropped_ledger_leaves_nothing<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    do_everything(rig, &mut ledger).await;
    drop(ledger);
    assert_nothing(rig).await;
}

/// Before the commit nobody else sees any of it, after it everybody all of it.
pub async fn effect_checkpoint_and_seal_appear_together<R: Rig>(rig: &R) {
    let (mut ledger, mut other) = (rig.ledger().await, rig.ledger().await);
    do_everything(rig, &mut ledger).await;
    assert!(all(&mut other, "item").await.is_empty());
    assert!(other.posted().await.expect("posted").is_empty());
    assert!(other.quarantined().await.expect("quarantined").is_empty());
    assert_eq!(own_seal(rig).await, SealNr(0));
    ledger.commit().await.expect("commit");
    let (row_found, complement) = all(&mut other, "item").await.remove(0);
    assert_eq!(row_found.get("id"), id(1).get("id"));
    assert_eq!(complement, row([("2:colour", "red".into())]));
    assert_eq!(other.posted().await.expect("posted"), [(origin("b"), posted(1, 9))]);
    assert_eq!(other.quarantined().await.expect("quarantined").len(), 1);
    assert_eq!(own_seal(rig).await, SealNr(1));
}

/// Anything else means that another was here, or that an earlier commit's lost reply was a yes.
pub async fn a_checkpoint_moves_only_from_where_it_stands<R: Rig>(rig: &R) {
    let (mut ledger, peer) = (rig.ledger().await, origin("b"));
    advance(&mut ledger, &peer, Posted::default(), posted(1, 5)).await.expect("advance");
    for wrong in [Posted::default(), posted(1, 4), posted(2, 5), posted(0, 5)] {
        let moved = advance(&mut ledger, &peer, wrong, posted(7, 70)).await;
        assert_eq!(moved, Err(LedgerError::Moved { origin: peer.clone() }), "from {wrong:?}");
    }
    // Within a seal, to its end, and over an empty one.
    for (from, to) in [((1, 5), (1, 8)), ((1, 8), (2, 9)), ((2, 9), (3, 9))] {
        advance(&mut ledger, &peer, posted(from.0, from.1), posted(to.0, to.1)).await.expect("advance");
    }
    assert_eq!(ledger.posted().await.expect("posted"), [(peer.clone(), posted(3, 9))]);
}

pub(super) async fn advance<L: Ledger>(
    ledger: &mut L,
    origin: &Origin,
    from: Posted,
    to: Posted,
) -> Result<(), LedgerError> {
    ledger.begin().await.expect("begin");
    let advanced = ledger.advance(origin, from, to).await;
    match &advanced {
        Ok(()) => ledger.commit().await.expect("commit"),
        Err(_) => ledger.rollback().await.expect("roll back"),
    }
    advanced
}

/// As beginning and then moving it do; what moved is rolled back with all else.
pub async fn a_transaction_may_begin_by_moving_its_checkpoint<R: Rig>(rig: &R) {
    let (mut ledger, peer) = (rig.ledger().await, origin("b"));
    let standing = ledger.begin().await.expect("begin");
    ledger.rollback().await.expect("roll back");
    for (from, to) in [(Posted::default(), posted(1, 5)), (posted(1, 5), posted(2, 9))] {
        for kept in [false, true] {
            let begun = ledger.begin_from(&peer, from, to).await.expect("begin");
            assert_eq!(begun, (standing.clone(), true));
            let ended = if kept { ledger.commit().await } else { ledger.rollback().await };
            ended.expect("end");
            assert_eq!(stands(&mut ledger).await.expect("posted"), if kept { to } else { from });
        }
    }
    for wrong in [Posted::default(), posted(1, 5), posted(2, 8), posted(1, 9)] {
        let begun = ledger.begin_from(&peer, wrong, posted(7, 70)).await.expect("begin");
        assert_eq!(begun, (standing.clone(), false), "from {wrong:?}");
        ledger.commit().await.expect_err("it moved nothing");
        ledger.rollback().await.expect("roll back");
    }
    assert_eq!(stands(&mut ledger).await.expect("posted"), posted(2, 9));
}

/// Neither in seals nor in transactions.
pub async fn a_checkpoint_never_steps_back<R: Rig>(rig: &R) {
    let (mut ledger, peer) = (rig.ledger().await, origin("b"));
    advance(&mut ledger, &peer, Posted::default(), posted(3, 30)).await.expect("advance");
    for back in [posted(2, 30), posted(3, 29), posted(4, 29)] {
        let refused = advance(&mut ledger, &peer, posted(3, 30), back).await;
        assert!(matches!(refused, Err(LedgerError::Damaged(_))), "{refused:?}");
    }
}

/// A restored peer begins at nothing.
pub async fn checkpoints_of_origins_and_epochs_are_apart<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let (first, other) = (origin("b"), origin("c"));
    let second = Origin { epoch: Epoch(2), ..first.clone() };
    for (each, nr) in [(&other, 3), (&second, 2), (&first, 1)] {
        advance(&mut ledger, each, Posted::default(), posted(nr, nr)).await.expect("advance");
    }
    let expected = [(first, posted(1, 1)), (second, posted(2, 2)), (other, posted(3, 3))];
    assert_eq!(ledger.posted().await.expect("posted"), expected);
}

/// Of two appliers that decided the same run, one commits.
pub async fn a_seal_that_does_not_follow_moves_nothing<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let first = draft_seal(rig, 0..2).await;
    ledger.begin().await.expect("begin");
    ledger.seal(&first).await.expect("seal");
    ledger.commit().await.expect("commit");
    let mut gap = draft_seal(rig, 2..4).await;
    gap.seal.seal_nr = SealNr(3);
    for run in [&first, &gap] {
        ledger.begin().await.expect("begin");
        let moved = ledger.seal(run).await;
        assert_eq!(moved, Err(LedgerError::Moved { origin: rig.origin() }));
        ledger.rollback().await.expect("roll back");
    }
    assert_eq!(own_seal(rig).await, SealNr(1));
    gap.seal.seal_nr = SealNr(2);
    ledger.begin().await.expect("begin");
    ledger.seal(&gap).await.expect("seal");
    ledger.commit().await.expect("commit");
    assert_eq!(own_seal(rig).await, SealNr(2));
}

/// Moving a checkpoint waits for a session that may still commit: its first move and each later one. Then the second is
/// refused, before it has changed anything; and after a rollback it is not.
pub async fn a_second_poster_waits_for_the_first_and_is_refused<R: Rig>(rig: &R) {
    let (mut first, mut second) = (rig.ledger().await, rig.ledger().await);
    let peer = origin("b");
    let mut from = Posted::default();
    for (nr, kept) in [(1, false), (1, true), (2, false), (2, true)] {
        let to = posted(nr, nr);
        first.begin().await.expect("begin");
        first.advance(&peer, from, to).await.expect("advance");
        let waiting = tokio::spawn({
            let peer = peer.clone();
            async move {
                let (standing, moved) = second.begin_from(&peer, from, to).await.expect("begin");
                second.rollback().await.expect("roll back");
                assert_eq!(standing.control.desired, Desired::Running);
                (second, moved)
            }
        });
        rig.someone_waits().await;
        assert!(!waiting.is_finished(), "the second moved a checkpoint that was about to move");
        let ended = if kept { first.commit().await } else { first.rollback().await };
        ended.expect("end");
        let moved;
        (second, moved) = waiting.await.expect("the second poster");
        assert_eq!(moved, !kept, "to {nr}, kept: {kept}");
        if kept {
            from = to;
        }
    }
}

/// What is committed after its first read does not show.
pub async fn a_snapshot_sees_one_state<R: Rig>(rig: &R) {
    let (mut reader, mut writer) = (rig.ledger().await, rig.ledger().await);
    let schema = writer.schema().clone();
    post(&mut writer, [Change::insert("item", item(1, Row::new()))]).await;
    reader.begin_snapshot().await.expect("begin a snapshot");
    assert_eq!(reader.version().await.expect("version"), schema.version);
    let mut change = image(Change::insert("item", item(2, Row::new())));
    change.complement.set = row([("2:colour", "red".into())]);
    let update = image(Change::update("item", id(1), row([("stock", 4.into())])));
    super::material::post_images(&mut writer, &[change, update]).await;
    let seen = reader.scan(&schema, &"item".into(), None, 10).await.expect("scan");
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].0.get("stock"), Some(&journal_core::model::Value::Null));
    reader.end_snapshot().await.expect("end the snapshot");
    assert_eq!(cells(&mut reader, "item").await.len(), 2);
}

/// How far the peer is posted.
async fn stands<L: Ledger>(ledger: &mut L) -> Result<Posted, LedgerError> {
    Ok(ledger.posted().await?.first().map_or(Posted::default(), |(_, posted)| *posted))
}

/// The same, once no session is left that may still move it.
async fn stands_for_good<L: Ledger>(ledger: &mut L) -> Posted {
    loop {
        let found = stands(ledger).await.expect("posted");
        ledger.begin().await.expect("begin");
        let moved = ledger.advance(&origin("b"), found, posted(i64::MAX, i64::MAX)).await;
        ledger.rollback().await.expect("roll back");
        match moved {
            Ok(()) => return found,
            Err(LedgerError::Moved { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// The transactions of the peer are shops: the n-th is shop n.
async fn post_next<L: Ledger>(ledger: &mut L) -> Result<(), LedgerError> {
    let from = stands(ledger).await?;
    ledger.begin().await?;
    let to = posted(from.seal_nr.0 + 1, from.trans_nr.0 + 1);
    let shop = row([("id", to.trans_nr.0.into()), ("name", "s".into())]);
    ledger.advance(&origin("b"), from, to).await?;
    ledger.apply(&[image(Change::insert("shop", shop))]).await?;
    ledger.commit().await
}

/// Polls a future that many times at most, then drops it.
async fn cut_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // Looked at once more without waiting, to be cut there.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Checkpoint and rows agree whatever await it is dropped at, and whoever comes next is not locked out.
pub async fn a_posting_transaction_cut_at_any_moment_is_there_whole_or_not_at_all<R: Rig>(rig: &R) {
    for polls in 0.. {
        let mut ledger = rig.ledger().await;
        let done = cut_after(polls, post_next(&mut ledger)).await;
        drop(ledger);
        let mut ledger = rig.ledger().await;
        let posted = stands_for_good(&mut ledger).await;
        let shops = all(&mut ledger, "shop").await.len();
        assert_eq!(i64::try_from(shops), Ok(posted.trans_nr.0), "cut after {polls} polls");
        if let Some(done) = done {
            done.expect("nothing else is in the way");
            assert!(shops > 0);
            return;
        }
    }
}
