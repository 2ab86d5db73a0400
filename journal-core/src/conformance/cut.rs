//! A future may be dropped at any of its awaits: what was begun is there whole or not at all, and the same call again
//! gives the answer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::material::{append, origin};
use super::{Rig, UNLIMITED, content, new_transaction, seal_next};
use crate::journal::JournalStore;
use crate::model::{NewTransaction, SealNr, SealedRun, StoredTransaction, TransNr};

/// A server that is quicker than the test leaves nothing to wait for, and so nothing to cut: then once more.
const ROUNDS_MAX: u64 = 1000;

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
    let mut cut = 0;
    for round in 0..ROUNDS_MAX {
        let batch = [new_transaction(round * 2, 3), new_transaction(round * 2 + 1, 2)];
        let ended = cut_after(store.append(&batch), cut).await.is_some();
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
        if ended && cut > 0 {
            break;
        }
        cut += usize::from(!ended);
    }
    assert!(cut > 0, "nothing was cut");
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
    let mut cut = 0;
    for round in 0..ROUNDS_MAX {
        append(&mut peer, round * 10..round * 10 + 7).await;
        let new = seal_next(rig, &mut peer, &[4]).await;
        let ended = cut_after(store.receive(std::slice::from_ref(&new)), cut).await.is_some();
        let before = store.read_runs(&origin("b"), SealNr(0), UNLIMITED).await.expect("runs");
        assert!(before == sent || before == [&sent[..], std::slice::from_ref(&new)].concat(), "cut {cut}");
        let head = store.receive(std::slice::from_ref(&new)).await.expect("receive again");
        assert_eq!(head.seal_nr, new.seal.seal_nr);
        sent.push(new);
        if ended && cut > 0 {
            break;
        }
        cut += usize::from(!ended);
    }
    assert!(cut > 0, "nothing was cut");
    assert!(store.read_runs(&origin("b"), SealNr(0), UNLIMITED).await.expect("runs") == sent);
}
