//! The ledger in SQLite: the conformance suite.

use applier::ledger::conformance::SqlRig;
use journal_tests::tether;

/// A site in a file of its own.
pub(crate) async fn rig() -> SqlRig {
    SqlRig::sqlite(tether::directory("daybook-ledger-")).await
}

mod suite {
    use super::rig;

    applier::ledger_conformance!(Some(rig().await));
}
