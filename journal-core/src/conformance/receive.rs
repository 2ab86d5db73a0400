//! Receiving a peer's sealed runs.

use super::material::{append, new_transaction, origin};
use super::{Rig, UNLIMITED, seal_next};
use crate::codec::chain::{self, ChainFault, SealDraft};
use crate::journal::{Head, JournalStore as _, ReadLimit, ReceiveError, Tail};
use crate::model::{Origin, SealNr, SealedRun, SiteName, TransNr};

/// Runs of a peer: two with content, an empty one, one with a rejection.
async fn sent<R: Rig>(rig: &mut R) -> Vec<SealedRun> {
    let mut peer = rig.create(&origin("b")).await;
    let mut runs = Vec::new();
    append(&mut peer, 0..3).await;
    runs.push(seal_next(rig, &mut peer, &[]).await);
    append(&mut peer, 3..300).await;
    runs.push(seal_next(rig, &mut peer, &[]).await);
    runs.push(seal_next(rig, &mut peer, &[]).await);
    append(&mut peer, 300..304).await;
    runs.push(seal_next(rig, &mut peer, &[2]).await);
    runs
}

fn head_of(run: &SealedRun) -> Head {
    let seal = &run.seal;
    let (seal_nr, last_nr) = (seal.seal_nr, seal.last_nr);
    Head { origin: seal.origin.clone(), seal_nr, last_nr, hash: seal.hash, hlc: seal.hlc }
}

/// The same run with some transactions, sealed anew: whole in itself, but not the one its origin made.
fn resealed(run: &SealedRun, change: impl FnOnce(&mut SealedRun)) -> SealedRun {
    let mut forged = run.clone();
    change(&mut forged);
    let SealedRun { seal, transactions, rejections, .. } = forged;
    let draft = SealDraft {
        origin: seal.origin,
        seal_nr: seal.seal_nr,
        first_nr: seal.first_nr,
        last_nr: seal.last_nr,
        hlc: seal.hlc,
        seen: seal.seen,
        schema: seal.schema,
        prev_hash: seal.prev_hash,
        sealed_at: seal.sealed_at,
    };
    chain::seal(draft, transactions, rejections)
}

/// Entries, seals, verdicts and the head are there, for every handle.
pub async fn received_runs_read_back_as_they_were_sent<R: Rig>(rig: &mut R) {
    let runs = sent(rig).await;
    let mut store = rig.create(&origin("a")).await;
    assert_eq!(store.receive(&runs[..1]).await, Ok(head_of(&runs[0])));
    assert_eq!(store.receive(&runs[1..]).await, Ok(head_of(&runs[3])));
    let mut next = rig.reopen(&store).await;
    drop(store);
    assert!(next.read_runs(&origin("b"), SealNr(0), UNLIMITED).await.expect("runs") == runs);
    assert_eq!(next.heads().await, Ok(vec![head_of(&runs[3])]));
}

/// Stores may keep what they receive in pieces; small runs and large ones come out alike, in one receive or in many.
pub async fn a_transaction_larger_than_a_row_is_received_whole<R: Rig>(rig: &mut R) {
    let mut peer = rig.create(&origin("b")).await;
    append(&mut peer, 0..2).await;
    let mut runs = vec![seal_next(rig, &mut peer, &[]).await];
    let mut large = new_transaction(2, 40);
    large.entries.iter_mut().for_each(|entry| entry.payload = vec![0xA7; 100_000]);
    peer.append(&[new_transaction(3, 3), large, new_transaction(4, 2)]).await.expect("append");
    runs.push(seal_next(rig, &mut peer, &[1]).await);
    append(&mut peer, 5..6).await;
    runs.push(seal_next(rig, &mut peer, &[]).await);
    let mut together = rig.create(&origin("a")).await;
    together.receive(&runs).await.expect("receive");
    let mut apart = rig.create(&origin("c")).await;
    for run in &runs {
        assert_eq!(apart.receive(std::slice::from_ref(run)).await, Ok(head_of(run)));
    }
    for store in [&mut peer, &mut together, &mut apart] {
        assert!(store.read_runs(&origin("b"), SealNr(0), UNLIMITED).await.expect("runs") == runs);
        let tight = ReadLimit { transactions: 100, bytes: 1000 };
        for (after, run) in (0..).map(SealNr).zip(&runs) {
            let read = store.read_runs(&origin("b"), after, tight).await.expect("a run");
            assert!(read[0] == *run);
            assert!(read.len() == 1 || after.0 == 2, "{} runs after {after}", read.len());
        }
    }
}

/// Peers' transactions have their own numbers and are never decided here.
pub async fn what_was_received_is_no_part_of_the_tail<R: Rig>(rig: &mut R) {
    let runs = sent(rig).await;
    let mut store = rig.create(&origin("a")).await;
    store.receive(&runs).await.expect("receive");
    assert_eq!(store.read_tail(TransNr(0), UNLIMITED).await, Ok(Tail::default()));
    // The peer's keys are the peer's: the same one here is another transaction.
    let own = append(&mut store, 0..1).await;
    let tail = store.read_tail(TransNr(0), UNLIMITED).await.expect("tail");
    assert_eq!(tail.transactions[0].id.trans_nr, own[0]);
    seal_next(rig, &mut store, &[]).await;
    let heads = store.heads().await.expect("heads");
    let sites: Vec<&str> = heads.iter().map(|head| head.origin.site.as_str()).collect();
    assert_eq!(sites, ["a", "b"]);
}

/// The answer to an earlier receive was lost; the sender sends again, perhaps with more.
pub async fn runs_received_again_change_nothing<R: Rig>(rig: &mut R) {
    let runs = sent(rig).await;
    let mut store = rig.create(&origin("a")).await;
    store.receive(&runs[..2]).await.expect("receive");
    assert_eq!(store.receive(&runs[..2]).await, Ok(head_of(&runs[1])));
    assert_eq!(store.receive(&runs[..1]).await, Ok(head_of(&runs[1])));
    assert_eq!(store.receive(&runs[1..]).await, Ok(head_of(&runs[3])));
    assert!(store.read_runs(&origin("b"), SealNr(0), UNLIMITED).await.expect("runs") == runs);
}

/// Seals are dense: what is missing is asked for, never skipped.
pub async fn a_gap_between_runs_is_refused<R: Rig>(rig: &mut R) {
    let runs = sent(rig).await;
    let mut store = rig.create(&origin("a")).await;
    let gap = |seal_nr: i64, have: i64| {
        Err(ReceiveError::Gap { origin: origin("b"), seal_nr: SealNr(seal_nr), have: SealNr(have) })
    };
    assert_eq!(store.receive(&runs[1..]).await, gap(2, 0));
    store.receive(&runs[..1]).await.expect("receive");
    assert_eq!(store.receive(&runs[2..]).await, gap(3, 1));
    assert_eq!(store.receive(&[runs[1].clone(), runs[3].clone()]).await, gap(4, 2));
    assert_eq!(store.heads().await, Ok(vec![head_of(&runs[0])]));
}

/// The origin was set back and writes its past again.
pub async fn another_history_is_refused<R: Rig>(rig: &mut R) {
    let runs = sent(rig).await;
    let mut store = rig.create(&origin("a")).await;
    store.receive(&runs[..2]).await.expect("receive");
    let other = resealed(&runs[1], |run| run.seal.sealed_at += 1);
    let fork = Err(ReceiveError::Fork { origin: origin("b"), seal_nr: SealNr(2) });
    assert_eq!(store.receive(std::slice::from_ref(&other)).await, fork);
    let follows_other = resealed(&runs[2], |run| run.seal.prev_hash = other.seal.hash);
    let unlinked =
        ReceiveError::Chain { origin: origin("b"), seal_nr: SealNr(3), fault: ChainFault::Unlinked };
    assert_eq!(store.receive(&[follows_other]).await, Err(unlinked));
    assert_eq!(store.heads().await, Ok(vec![head_of(&runs[1])]));
}

/// Altered, missing, inserted, moved: each is found and named, and the good runs beside it are not kept either.
pub async fn an_altered_run_is_refused_and_nothing_of_its_batch_is_kept<R: Rig>(rig: &mut R) {
    let runs = sent(rig).await;
    let mut store = rig.create(&origin("a")).await;
    let nr = |at: usize| runs[1].transactions[at].id.trans_nr;
    let forge = |change: &dyn Fn(&mut SealedRun)| {
        let mut forged = runs[1].clone();
        change(&mut forged);
        forged
    };
    let cases = [
        (
            forge(&|run| run.transactions[5].entries[0].payload[0] ^= 1),
            ChainFault::Altered { trans_nr: nr(5) },
        ),
        (forge(&|run| drop(run.transactions.remove(5))), ChainFault::Missing { trans_nr: nr(5) }),
        (forge(&|run| run.transactions[5].author = "suite ".into()), ChainFault::Altered { trans_nr: nr(5) }),
        (forge(&|run| run.seal.hlc.0 += 1), ChainFault::SealAltered),
    ];
    for (forged, fault) in cases {
        let refused = ReceiveError::Chain { origin: origin("b"), seal_nr: SealNr(2), fault };
        assert_eq!(store.receive(&[runs[0].clone(), forged]).await, Err(refused));
    }
    assert_eq!(store.heads().await, Ok(Vec::new()));
    assert_eq!(store.read_runs(&origin("b"), SealNr(0), UNLIMITED).await, Ok(Vec::new()));
    assert_eq!(store.receive(&runs).await, Ok(head_of(&runs[3])), "the true runs are taken after all that");
}

/// A site is the only source of its own transactions, in every life.
pub async fn own_runs_are_refused<R: Rig>(rig: &mut R) {
    let runs = sent(rig).await;
    let mut store = rig.create(&origin("b")).await;
    let refused = store.receive(&runs[..1]).await;
    assert_eq!(refused, Err(ReceiveError::Own { origin: origin("b") }));
}

/// A seal that is whole but carries rows that are not its origin's to write, or outside its own range.
pub async fn rows_of_another_origin_are_refused<R: Rig>(rig: &mut R) {
    let runs = sent(rig).await;
    let mut store = rig.create(&origin("a")).await;
    let third = Origin { site: SiteName::new("c").expect("a name"), ..origin("b") };
    let foreign = resealed(&runs[0], |run| run.transactions[1].id.origin = third);
    let outside = resealed(&runs[0], |run| run.seal.last_nr = run.transactions[1].id.trans_nr);
    for (forged, at) in [(foreign, 1), (outside, 2)] {
        let fault = ChainFault::Inserted { trans_nr: runs[0].transactions[at].id.trans_nr };
        let refused = ReceiveError::Chain { origin: origin("b"), seal_nr: SealNr(1), fault };
        assert_eq!(store.receive(&[forged]).await, Err(refused));
    }
}

/// Two processes ship the same runs to one site; both may be told off for a moment, never is anything there twice.
pub async fn two_receivers_of_the_same_runs_keep_them_once<R: Rig>(rig: &mut R) {
    let runs = sent(rig).await;
    let mut store = rig.create(&origin("a")).await;
    let mut other = rig.reopen(&store).await;
    let (one, two) = tokio::join!(store.receive(&runs), other.receive(&runs));
    for (result, store) in [(one, &mut store), (two, &mut other)] {
        match result {
            Ok(head) => assert_eq!(head, head_of(&runs[3])),
            Err(ReceiveError::Store(error)) => {
                assert!(error.is_transient(), "{error:?}");
                assert_eq!(store.receive(&runs).await, Ok(head_of(&runs[3])));
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(store.read_runs(&origin("b"), SealNr(0), UNLIMITED).await.expect("runs") == runs);
}
