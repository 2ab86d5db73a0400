//! Reading the tail and the heads.

use super::material::{append, content, origin};
use super::{Rig, UNLIMITED, new_transaction, seal_next};
use crate::journal::{JournalStore as _, ReadLimit, Tail};
use crate::model::{NewTransaction, SealNr, TransNr};

/// Positions are numbers that were handed out; the read begins with the next one.
pub async fn the_tail_begins_after_the_number_asked_for<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    let numbers = append(&mut store, 0..4).await;
    let tail = store.read_tail(numbers[1], UNLIMITED).await.expect("tail");
    let read: Vec<TransNr> = tail.transactions.iter().map(|transaction| transaction.id.trans_nr).collect();
    assert_eq!(read, numbers[2..]);
    let end = Tail { up_to: numbers[3], ..Tail::default() };
    assert_eq!(store.read_tail(numbers[3], UNLIMITED).await.expect("tail"), end);
}

/// Limits bound memory, not progress.
pub async fn a_read_stops_at_its_limits_but_gives_at_least_one<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    let batch: Vec<NewTransaction> = (0..6).map(|seed| new_transaction(seed, 2)).collect();
    let appended = store.append(&batch).await.expect("append");
    let all = store.read_tail(TransNr(0), UNLIMITED).await.expect("tail").transactions;
    let weight = all[0].weight();
    for (limit, expected) in [
        (ReadLimit { transactions: 2, bytes: usize::MAX }, 2),
        (ReadLimit { transactions: 0, bytes: usize::MAX }, 1),
        (ReadLimit { transactions: 9, bytes: 0 }, 1),
        (ReadLimit { transactions: 9, bytes: weight * 3 }, 3),
        (ReadLimit { transactions: 9, bytes: weight * 4 - 1 }, 3),
    ] {
        let tail = store.read_tail(TransNr(0), limit).await.expect("tail");
        assert!(tail.transactions == all[..expected], "{limit:?}: {} read", tail.transactions.len());
        assert_eq!(tail.up_to, appended[expected - 1].trans_nr, "{limit:?}");
        assert!(tail.more || expected == all.len(), "{limit:?}: there is more");
    }
}

/// A tail that has few and light entries may be read otherwise than one that is long or heavy.
pub async fn a_tail_reads_the_same_however_long_and_heavy_it_is<R: Rig>(rig: &mut R) {
    let heavy_payload = |new: &mut NewTransaction| new.entries[0].payload = vec![0xAB; 20_000];
    let heavy_key = |new: &mut NewTransaction| new.entries[0].row_key = "k".repeat(20_000);
    let light = |_: &mut NewTransaction| ();
    for weigh in [light, heavy_payload, heavy_key] {
        let mut store = rig.create(&origin("a")).await;
        let mut all = Vec::new();
        for (seed, entries) in (0..).zip([1, 62, 1, 1, 70, 1]) {
            let mut new = new_transaction(seed, entries);
            if seed == 1 {
                weigh(&mut new);
            }
            all.push(new);
            store.append(all.last_chunk::<1>().expect("one")).await.expect("append");
            let tail = store.read_tail(TransNr(0), UNLIMITED).await.expect("tail");
            let read: Vec<NewTransaction> = tail.transactions.iter().map(content).collect();
            assert!(read == all, "{} read of {}", read.len(), all.len());
            let last = store.read_tail(TransNr(tail.up_to.0 - 1), UNLIMITED).await.expect("tail");
            assert!(last.transactions == tail.transactions[all.len() - 1..] && last.up_to == tail.up_to);
            // At its end, so that the next look is one at a tail of which nothing is known.
            assert!(store.read_tail(tail.up_to, UNLIMITED).await.expect("tail").transactions.is_empty());
        }
    }
}

/// Whatever is sealed, open and received.
pub async fn a_look_gives_what_heads_and_tail_give<R: Rig>(rig: &mut R) {
    let (mut peer, mut store) = (rig.create(&origin("c")).await, rig.create(&origin("b")).await);
    append(&mut peer, 500..502).await;
    let sent = seal_next(rig, &mut peer, &[]).await;
    let (mut at, mut seed) = (TransNr(0), 0);
    for (seals, appends, heavy, receives) in [
        (0, 0, false, false),
        (0, 2, false, false),
        (0, 0, false, true),
        (1, 0, false, false),
        (0, 1, false, false),
        (1, 3, true, false),
        (1, 80, false, false),
    ] {
        for _ in 0..seals {
            at = seal_next(rig, &mut store, &[]).await.seal.last_nr;
        }
        append(&mut store, seed..seed + appends).await;
        seed += appends;
        if heavy {
            let mut new = new_transaction(1_000, 1);
            new.entries[0].payload = vec![0xAB; 20_000];
            store.append(&[new]).await.expect("append");
        }
        if receives {
            store.receive(std::slice::from_ref(&sent)).await.expect("receive");
        }
        for limit in [UNLIMITED, ReadLimit { transactions: 2, bytes: usize::MAX }] {
            let parts = (store.heads().await, store.read_tail(at, limit).await);
            // One that knows nothing of the tail yet, and then one that does.
            let mut fresh = rig.reopen(&store).await;
            for _ in 0..2 {
                let (heads, tail) = fresh.look(at, limit).await.expect("look");
                assert!((Ok(heads), Ok(tail)) == parts, "{seals} seals, {appends} appends, {receives}");
            }
        }
    }
}

/// No seals, no heads, no runs, and nothing that looks like a position.
pub async fn an_empty_journal_reads_as_empty<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    assert_eq!(store.origin(), &origin("a"));
    assert_eq!(store.heads().await, Ok(Vec::new()));
    assert_eq!(store.read_tail(TransNr(0), UNLIMITED).await, Ok(Tail::default()));
    for site in ["a", "b"] {
        assert_eq!(store.read_runs(&origin(site), SealNr(0), UNLIMITED).await, Ok(Vec::new()));
    }
    append(&mut store, 0..1).await;
    assert_eq!(store.heads().await, Ok(Vec::new()), "an unsealed transaction is nobody's head");
}
