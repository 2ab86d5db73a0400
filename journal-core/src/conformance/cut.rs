//! A future may be dropped at any of its awaits: what was begun is there whole or not at all, and the same call again
//! gives the answer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::material::{append, origin};
use super::{Rig, UNLIMITED, content, new_transaction, seal_next};
use crate::journal::JournalStore;
use crate::model::{NewTransaction, SealNr, SealedRun, StoredTransaction, TransNr};

/// Drops a future when it has waited that often; its output if it ended before.
pub async fn cut_after<F: Future>(future: F, waits: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut waited = 0;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if waited == waits => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}

/// An append dropped at each of its awaits in turn, each time appended again by the same handle and by a new one.
pub async fn an_append_cut_at_any_await_is_whole_or_absent<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    let mut expected: Vec<NewTransaction> = Vec::new();
    for cut in 0.. {
        let batch = [new_transaction(cut * 2, 3), new_transaction(cut * 2 + 1, 2)];
        let waits = usize::try_from(cut).expect("few awaits");
        let ended = cut_after(store.append(&batch), waits).await.is_some();
        let tail = whole_tail(&mut store).await;
        let found = tail.len() - expected.len();
        assert!(found == 0 || found == batch.len(), "cut {cut}: {found} of {} are there", batch.len());
        let appended = store.append(&batch).await.expect("append again");
        let mut other = rig.reopen(&store).await;
        let again = other.append(&batch).await.expect("append once more");
        assert!(
            again.iter().zip(&appended).all(|(a, b)| a.repeated && a.trans_nr == b.trans_nr),
            "cut {cut}"
        );
        expected.extend(batch);
        if ended {
            break;
        }
    }
    assert!(expected.len() > 2, "the first cut came before anything");
    let tail = whole_tail(&mut store).await;
    assert!(tail.iter().map(content).collect::<Vec<_>>() == expected);
}

/// The tail once the session that was cut has ended: until then its number may be a hole.
async fn whole_tail<S: JournalStore>(store: &mut S) -> Vec<StoredTransaction> {
    loop {
        let tail = store.read_tail(TransNr(0), UNLIMITED).await.expect("tail");
        if tail.hole.is_none() {
            return tail.transactions;
        }
    }
}

/// The same for runs of a peer.
pub async fn a_receive_cut_at_any_await_is_whole_or_absent<R: Rig>(rig: &mut R) {
    let mut peer = rig.create(&origin("b")).await;
    let mut store = rig.create(&origin("a")).await;
    let mut sent: Vec<SealedRun> = Vec::new();
    for cut in 0.. {
        append(&mut peer, cut * 10..cut * 10 + 7).await;
        let new = seal_next(rig, &mut peer, &[4]).await;
        let waits = usize::try_from(cut).expect("few awaits");
        let ended = cut_after(store.receive(std::slice::from_ref(&new)), waits).await.is_some();
        let before = store.read_runs(&origin("b"), SealNr(0), UNLIMITED).await.expect("runs");
        assert!(before == sent || before == [&sent[..], std::slice::from_ref(&new)].concat(), "cut {cut}");
        let head = store.receive(std::slice::from_ref(&new)).await.expect("receive again");
        assert_eq!(head.seal_nr, new.seal.seal_nr);
        sent.push(new);
        if ended {
            break;
        }
    }
    assert!(sent.len() > 1, "the first cut came before anything");
    assert!(store.read_runs(&origin("b"), SealNr(0), UNLIMITED).await.expect("runs") == sent);
}
