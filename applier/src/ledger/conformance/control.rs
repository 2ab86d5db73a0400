//! Pause, resume and lease against posting transactions.

use journal_core::conformance::origin;
use journal_core::model::{Change, Row, SchemaVersion};

use super::Rig;
use super::checkpoint::advance;
use super::material::{cells, image, item, posted};
use crate::control::{ControlStore, Desired, Lease, Standing};
use crate::ledger::{Ledger, Posted};

/// Begins what leads a peer's checkpoint from its first seal to its second, with the move.
async fn begin_second<L: Ledger>(ledger: &mut L) -> Standing {
    advance(ledger, &origin("b"), Posted::default(), posted(1, 1)).await.expect("advance");
    let (standing, moved) = ledger.begin_from(&origin("b"), posted(1, 1), posted(2, 2)).await.expect("begin");
    assert!(moved);
    standing
}

/// When the pause returns, what was under way is committed, and the next transaction sees the pause.
pub async fn a_pause_waits_for_the_posting_transaction_and_stops_the_next<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let running = begin_second(&mut ledger).await;
    assert_eq!(running.control.desired, Desired::Running);
    assert_eq!(running.ledger_version, SchemaVersion(1));
    ledger.apply(&[image(Change::insert("item", item(1, Row::new())))]).await.expect("apply");
    let mut control = rig.control().await;
    let pause = tokio::spawn(async move { control.pause("dba", "index").await.expect("pause") });
    rig.someone_waits().await;
    assert!(!pause.is_finished(), "the pause was granted while something was being posted");
    ledger.commit().await.expect("commit");
    let paused = pause.await.expect("the pause");
    assert_eq!((paused.desired, paused.generation), (Desired::Paused, running.control.generation + 1));
    assert_eq!((paused.who.as_str(), paused.why.as_str()), ("dba", "index"));
    assert_eq!(cells(&mut rig.ledger().await, "item").await.len(), 1);
    let found = ledger.begin().await.expect("begin");
    assert_eq!(found.control, paused, "the next transaction did not see the pause");
    ledger.rollback().await.expect("roll back");
    let begun = ledger.begin_from(&origin("b"), posted(2, 2), posted(3, 3)).await.expect("begin");
    assert_eq!(begun, (found.clone(), false), "the next one moved a checkpoint of a paused site");
    ledger.rollback().await.expect("roll back");
    assert_eq!(rig.control().await.standing().await.expect("standing"), found);
}

/// The second of each changes neither generation nor reason.
pub async fn a_pause_and_a_resume_said_twice_are_said_once<R: Rig>(rig: &R) {
    let mut control = rig.control().await;
    let start = control.standing().await.expect("standing").control;
    assert_eq!(control.resume("dba", "not paused").await.expect("resume"), start);
    let paused = control.pause("dba", "first").await.expect("pause");
    assert_eq!(control.pause("other", "second").await.expect("pause"), paused);
    let resumed = control.resume("dba", "done").await.expect("resume");
    assert_eq!(resumed.generation, start.generation + 2);
    assert_eq!(rig.control().await.resume("other", "again").await.expect("resume"), resumed);
    let standing = rig.control().await.standing().await.expect("standing");
    assert_eq!((standing.control, standing.fence), (resumed, 0));
}

/// The fence is what a posting transaction compares.
pub async fn a_takeover_waits_and_fences_the_old_holder<R: Rig>(rig: &R) {
    let (mut control, mut ledger) = (rig.control().await, rig.ledger().await);
    let free = control.lease().await.expect("lease");
    let first = control.take_lease(&free, "one").await.expect("take").expect("it was free");
    assert_eq!(begin_second(&mut ledger).await.fence, first.fence);
    let takeover = tokio::spawn({
        let (mut standby, seen) = (rig.control().await, first.clone());
        async move { standby.take_lease(&seen, "two").await.expect("take") }
    });
    rig.someone_waits().await;
    assert!(!takeover.is_finished(), "the lease changed hands while its holder was posting");
    ledger.commit().await.expect("commit");
    let second = takeover.await.expect("the takeover").expect("nothing had changed");
    assert_eq!(second.fence, first.fence + 1);
    assert_eq!(ledger.begin().await.expect("begin").fence, second.fence);
    ledger.rollback().await.expect("roll back");
    assert!(!control.beat(first.fence).await.expect("beat"), "a fenced holder may not beat");
    assert!(control.beat(second.fence).await.expect("beat"));
}

/// A beat in between, or another holder, and it is not.
pub async fn a_lease_is_taken_only_from_the_state_that_was_seen<R: Rig>(rig: &R) {
    let mut control = rig.control().await;
    let free = control.lease().await.expect("lease");
    assert_eq!(free, Lease { fence: 0, holder: String::new(), beat: 0 });
    let first = control.take_lease(&free, "one").await.expect("take").expect("it was free");
    assert_eq!((first.fence, first.holder.as_str()), (1, "one"));
    assert_eq!(control.lease().await.expect("lease"), first);
    assert_eq!(control.take_lease(&free, "two").await.expect("take"), None);
    assert!(control.beat(first.fence).await.expect("beat"));
    assert_eq!(control.take_lease(&first, "two").await.expect("take"), None, "it gave a sign of life");
    let seen = control.lease().await.expect("lease");
    assert_eq!((seen.fence, seen.beat > first.beat), (first.fence, true));
    assert_eq!(control.take_lease(&seen, "two").await.expect("take").expect("as seen").fence, 2);
}

/// Nobody else can release it, and a released one gives no sign of life.
pub async fn a_released_lease_shows_no_holder_and_takes_no_beat<R: Rig>(rig: &R) {
    let mut control = rig.control().await;
    let free = control.lease().await.expect("lease");
    let held = control.take_lease(&free, "one").await.expect("take").expect("it was free");
    control.release_lease(held.fence + 1).await.expect("release");
    assert_eq!(control.lease().await.expect("lease"), held);
    control.release_lease(held.fence).await.expect("release");
    let released = control.lease().await.expect("lease");
    assert_eq!((released.holder.as_str(), released.fence), ("", held.fence));
    assert!(!control.beat(held.fence).await.expect("beat"));
    assert_eq!(control.take_lease(&released, "two").await.expect("take").expect("it is free").fence, 2);
}
