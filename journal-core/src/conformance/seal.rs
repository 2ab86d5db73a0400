//! Seals: what the origin's ledger decides, as it stands in the journal.

use super::material::{append, draft_next, origin};
use super::{Rig, UNLIMITED, seal_next};
use crate::codec::chain;
use crate::journal::{Head, JournalStore as _, ReadLimit};
use crate::model::seal::GENESIS;
use crate::model::{SealNr, TransNr};
use crate::sql::SqlClass;

/// The run read back is the run sealed, to the byte, and holds what its seal names.
pub async fn a_sealed_run_reads_back_and_verifies<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    append(&mut store, 0..40).await;
    let run = seal_next(rig, &mut store, &[3, 7]).await;
    let read = store.read_runs(&origin("a"), SealNr(0), UNLIMITED).await.expect("runs");
    assert!(read == [run]);
    assert_eq!(chain::verify(&read[0], &GENESIS), Ok(()));
}

/// The own head is the last own seal, for every handle.
pub async fn a_seal_moves_the_head<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    let mut other = rig.reopen(&store).await;
    for seeds in [0..2, 2..3] {
        append(&mut store, seeds).await;
        let seal = seal_next(rig, &mut store, &[]).await.seal;
        let (origin, seal_nr, last_nr) = (seal.origin, seal.seal_nr, seal.last_nr);
        let head = Head { origin, seal_nr, last_nr, hash: seal.hash, hlc: seal.hlc };
        assert_eq!(other.heads().await, Ok(vec![head]));
    }
}

/// Two that decided the same run: one seals, the other is told to look again. So is one that skips a seal.
pub async fn a_seal_that_does_not_follow_is_refused<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    append(&mut store, 0..2).await;
    let stale = draft_next(&mut store, &[1]).await;
    let kept = seal_next(rig, &mut store, &[]).await;
    let error = rig.seal(&mut store, &stale).await.expect_err("sealed twice");
    assert_eq!(error.class, SqlClass::Transient, "{error}");
    append(&mut store, 2..3).await;
    let next = draft_next(&mut store, &[]).await;
    let mut skipping = next.clone();
    skipping.seal.seal_nr = skipping.seal.seal_nr.next();
    let mut unlinked = next.clone();
    unlinked.seal.prev_hash = GENESIS;
    let mut torn = next.clone();
    torn.seal.first_nr = torn.seal.first_nr.next();
    for wrong in [skipping, unlinked, torn] {
        rig.seal(&mut store, &wrong).await.expect_err("does not follow");
    }
    rig.seal(&mut store, &next).await.expect("what follows is taken");
    assert!(store.read_runs(&origin("a"), SealNr(0), UNLIMITED).await.expect("runs") == [kept, next]);
}

/// A site with nothing to say still tells what it has posted.
pub async fn an_empty_run_seals_what_was_seen<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    append(&mut store, 0..1).await;
    let first = seal_next(rig, &mut store, &[]).await;
    let empty = seal_next(rig, &mut store, &[]).await;
    assert_eq!((empty.seal.first_nr.0, empty.transactions.len()), (empty.seal.last_nr.0 + 1, 0));
    append(&mut store, 1..2).await;
    let last = seal_next(rig, &mut store, &[]).await;
    assert!(store.read_runs(&origin("a"), SealNr(0), UNLIMITED).await.expect("runs") == [first, empty, last]);
}

/// A rejected transaction stays in its run, with the verdict.
pub async fn rejections_come_with_their_run<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    append(&mut store, 0..3).await;
    seal_next(rig, &mut store, &[2]).await;
    append(&mut store, 3..6).await;
    let second = seal_next(rig, &mut store, &[0, 1]).await;
    let runs = store.read_runs(&origin("a"), SealNr(1), UNLIMITED).await.expect("runs");
    assert_eq!(runs[0].rejections, second.rejections);
    assert_eq!(runs[0].accepted().count(), 1);
}

/// Runs come whole; limits choose how many.
pub async fn runs_come_in_order_and_within_limits<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    let mut runs = Vec::new();
    for first in 0..5 {
        append(&mut store, first * 2..first * 2 + 2).await;
        runs.push(seal_next(rig, &mut store, &[]).await);
    }
    let weight = runs[0].transactions[0].weight();
    for (after, limit, expected) in [
        (0, ReadLimit { transactions: 4, bytes: usize::MAX }, 0..2),
        (1, ReadLimit { transactions: 5, bytes: usize::MAX }, 1..3),
        (0, ReadLimit { transactions: 1, bytes: usize::MAX }, 0..1),
        (2, ReadLimit { transactions: 9, bytes: 0 }, 2..3),
        (1, ReadLimit { transactions: 9, bytes: weight * 20 }, 1..5),
        (4, UNLIMITED, 4..5),
        (5, UNLIMITED, 5..5),
    ] {
        let read = store.read_runs(&origin("a"), SealNr(after), limit).await.expect("runs");
        assert!(read == runs[expected], "after {after}, {limit:?}: {} read", read.len());
    }
    // A store may weigh what it holds as it stands there, which is a little more.
    for bytes in [weight * 4, weight * 6 - 1] {
        let limit = ReadLimit { transactions: 9, bytes };
        let read = store.read_runs(&origin("a"), SealNr(1), limit).await.expect("runs");
        assert!(read == runs[1..2] || read == runs[1..3], "{limit:?}: {} read", read.len());
    }
}

/// Numbers that will never be used are covered by the seal like all others.
pub async fn a_seal_may_cover_dead_numbers<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    append(&mut store, 0..2).await;
    let mut run = draft_next(&mut store, &[]).await;
    run = {
        let draft = chain::SealDraft {
            origin: run.seal.origin,
            seal_nr: run.seal.seal_nr,
            first_nr: run.seal.first_nr,
            last_nr: TransNr(run.seal.last_nr.0 + 3),
            hlc: run.seal.hlc,
            seen: run.seal.seen,
            schema: run.seal.schema,
            prev_hash: run.seal.prev_hash,
            sealed_at: run.seal.sealed_at,
        };
        chain::seal(draft, run.transactions, Vec::new())
    };
    rig.seal(&mut store, &run).await.expect("seal");
    let read = store.read_runs(&origin("a"), SealNr(0), UNLIMITED).await.expect("runs");
    assert!(read == [run]);
    assert_eq!(chain::verify(&read[0], &GENESIS), Ok(()));
}
