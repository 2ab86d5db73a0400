//! What the histories must reach: a workload that never gets somewhere proves nothing about it.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! marks {
    ($($mark:ident = $text:literal),* $(,)?) => {
        /// A place that some history of a run must reach.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Mark { $($mark),* }

        const TEXTS: &[&str] = &[$($text),*];
        static COUNTS: [AtomicU64; TEXTS.len()] = [const { AtomicU64::new(0) }; TEXTS.len()];
    };
}
marks! {
    Accepted = "accepted at the origin",
    Rejected = "rejected at the origin",
    Posted = "posted at a peer",
    DuplicateKey = "quarantined: duplicate key",
    MissingParent = "quarantined: missing parent",
    StillReferenced = "quarantined: still referenced",
    MissingRow = "quarantined: missing row",
    Check = "quarantined: deferred check",
    OutOfRange = "quarantined: out of range",
    Unmappable = "quarantined: no mapping",
    Concurrent = "quarantined: concurrent",
    Dependent = "quarantined: dependent",
    Retried = "released by an operator",
    Released = "released by itself",
    Discarded = "discarded",
    CommitFault = "a fault told at commit",
    Refused = "a call refused for now",
    LostYes = "commit done, reply lost",
    LostNo = "commit not done, reply lost",
    Crash = "process dies before the work",
    DoneCrash = "process dies after the work",
    Cut = "future dropped",
    Stale = "stale poster",
    Fenced = "fenced poster",
    Moved = "checkpoint moved by another",
    Paused = "turn while paused",
    UnknownVersion = "held for an unknown version",
    Hole = "waited for a hole",
    DeadHole = "dead hole sealed over",
    Causal = "waited for another origin",
    Repeated = "append repeated",
    AppendLost = "append reply lost",
    Damaged = "damaged run refused",
    Told = "pulled after word of a seal",
    Duplicate = "run received twice",
    ReshapeUp = "reshaped up",
    ReshapeDown = "reshaped down",
    ReshapeRefused = "reshape refused",
    Met = "looked at rows that a change meets",
    Kept = "posted into a table that another version has",
    Bypass = "a DBA wrote into the ledger",
    ClockBack = "clock set back",
}

/// Notes that it was reached.
pub(crate) fn mark(mark: Mark) {
    COUNTS[mark as usize].fetch_add(1, Ordering::Relaxed);
}

/// What was reached how often.
pub(crate) fn counts() -> impl Iterator<Item = (&'static str, u64)> {
    TEXTS.iter().zip(&COUNTS).map(|(text, count)| (*text, count.load(Ordering::Relaxed)))
}
