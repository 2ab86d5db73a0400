//! Comparing sites, auditing journals and replaying them, over real stores.

mod chain;
mod replay;
mod verify;

use std::time::Duration;

use applier::audit::cut::{Patience, Pausing};
use applier::control::ControlStore as _;
use journal_core::model::SchemaVersion;
use journal_tests::rig::{Rig, SqlPoster};

use crate::club::{member, phone, renamed};

/// Posters for both sites.
async fn posters(rig: &Rig) -> Vec<(&'static str, SqlPoster)> {
    vec![("a", rig.poster("a").await), ("b", rig.poster("b").await)]
}

/// A dozen members whose ids have one digit and two, written at both sites, level.
async fn populate(rig: &Rig) {
    rig.append("a", 1, &[member(1, "ANNA VAN DER BERG", None), phone(1, Some("555"))]).await;
    for id in 2..=8 {
        rig.append("a", 1, &[member(id, &format!("FIRST{id} LAST{id}"), Some(1)), phone(id, None)]).await;
    }
    let mut posters = posters(rig).await;
    rig.settle(&mut posters).await;
    for id in 9..=12 {
        rig.append("b", 1, &[member(id, &format!("CHER{id}"), Some(id - 1))]).await;
    }
    rig.settle(&mut posters).await;
    // Rejected at its origin: there is no member 99.
    rig.append("b", 1, &[renamed(99, "NOBODY AT ALL")]).await;
    rig.append("b", 1, &[renamed(12, "CHER TWELVE")]).await;
    rig.settle(&mut posters).await;
}

/// Takes a site to another version, as `schema apply` does.
async fn reshape(rig: &Rig, site: &str, to: i64) -> applier::upgrade::reshape::ReshapeReport {
    use applier::upgrade::reshape::{Mode, ReshapeOrder, reshape};
    let mut control = rig.control(site).await;
    control.pause("test", "reshape").await.unwrap();
    let to = SchemaVersion(to);
    let order = ReshapeOrder { to, mode: Mode::CarryOut, who: "test".into(), why: "a test".into() };
    let report = reshape(rig.url(site), &rig.registry, &order, &mut |_| {}).await.unwrap();
    control.resume("test", "reshaped").await.unwrap();
    report
}

/// One look, no wait.
fn at_once(pausing: Pausing) -> Patience {
    Patience { within: Duration::ZERO, pausing, who: "test".to_owned() }
}
