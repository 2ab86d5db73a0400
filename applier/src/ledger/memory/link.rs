//! What stands between a caller and a site in memory, in the place of a connection: where a call can be cut, and where
//! troubles on order strike.

use super::MemorySite;
#[cfg(feature = "test-util")]
use super::faults::{Trouble, lost, refused};
use crate::ledger::LedgerError;

#[cfg(feature = "test-util")]
pub(super) use super::faults::Call;

/// A kind of call; nothing asks for it without the feature `test-util`.
#[cfg(not(feature = "test-util"))]
#[derive(Debug, Clone, Copy)]
pub(super) enum Call {
    Begin,
    Fetch,
    Apply,
    Seal,
    Quarantine,
    Release,
    Advance,
    Commit,
    Rollback,
    Read,
    Control,
}

/// One handle's way to its site.
#[derive(Debug)]
pub(super) struct Link {
    #[cfg(feature = "test-util")]
    faults: super::faults::Faults,
    #[cfg(feature = "test-util")]
    life: u64,
    #[cfg(feature = "test-util")]
    dead: bool,
}

/// What is to happen once a call's work is done.
#[derive(Debug)]
#[must_use]
pub(super) struct After {
    #[cfg(feature = "test-util")]
    trouble: Option<Trouble>,
}

#[cfg(not(feature = "test-util"))]
impl Link {
    pub(super) fn new(_site: &MemorySite) -> Self {
        Self {}
    }

    /// Before a call's work. A dropped future is cut here, with nothing done.
    pub(super) async fn before(&mut self, _call: Call) -> Result<After, LedgerError> {
        tokio::task::yield_now().await;
        Ok(After {})
    }

    /// After a call's work.
    pub(super) fn after(&mut self, _after: &After) -> Result<(), LedgerError> {
        Ok(())
    }

    pub(super) fn is_dead(&self) -> bool {
        false
    }
}

#[cfg(feature = "test-util")]
impl Link {
    pub(super) fn new(site: &MemorySite) -> Self {
        let faults = site.faults();
        Self { life: faults.life(), faults, dead: false }
    }

    /// Before a call's work. A dropped future is cut here, with nothing done.
    pub(super) async fn before(&mut self, call: Call) -> Result<After, LedgerError> {
        tokio::task::yield_now().await;
        if self.is_dead() {
            return Err(lost());
        }
        let trouble = self.faults.due(call);
        match trouble {
            None | Some(Trouble::DoneReplyLost | Trouble::DoneCrash) => Ok(After { trouble }),
            Some(Trouble::Refused) => Err(refused()),
            Some(Trouble::UndoneReplyLost) => {
                self.dead = true;
                Err(lost())
            }
            Some(Trouble::Crash) => {
                self.faults.crash();
                Err(lost())
            }
        }
    }

    /// After a call's work.
    pub(super) fn after(&mut self, after: &After) -> Result<(), LedgerError> {
        match after.trouble {
            Some(Trouble::DoneReplyLost) => {
                self.dead = true;
                Err(lost())
            }
            Some(Trouble::DoneCrash) => {
                self.faults.crash();
                Err(lost())
            }
            Some(Trouble::Refused | Trouble::UndoneReplyLost | Trouble::Crash) | None => Ok(()),
        }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead || self.life != self.faults.life()
    }
}
