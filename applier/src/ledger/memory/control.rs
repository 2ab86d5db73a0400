//! The control state of a site in memory.

use journal_core::model::TransactionId;

use super::MemorySite;
use super::link::{Call, Link};
use crate::control::{Control, ControlStore, Desired, Lease, Standing};
use crate::ledger::{Asked, LedgerError};

/// One handle on the control state of a [`MemorySite`].
#[derive(Debug)]
pub struct MemoryControl {
    site: MemorySite,
    link: Link,
}

impl MemoryControl {
    pub(super) fn new(site: MemorySite) -> Self {
        Self { link: Link::new(&site), site }
    }

    /// Pauses or resumes once no posting transaction is open.
    async fn desire(&mut self, desired: Desired, who: &str, why: &str) -> Result<Control, LedgerError> {
        let after = self.link.before(Call::Control).await?;
        let turn = self.site.turn().lock_owned().await;
        let control = {
            let mut state = self.site.state();
            if state.control.desired != desired {
                let generation = state.control.generation + 1;
                let (who_said, why_said) = (who.to_owned(), why.to_owned());
                state.control = Control { generation, desired, who: who_said, why: why_said, since: 0 };
                let what = match desired {
                    Desired::Running => "resume",
                    Desired::Paused => "pause",
                };
                state.record(who, what.to_owned(), why);
            }
            state.control.clone()
        };
        drop(turn);
        self.link.after(&after)?;
        Ok(control)
    }
}

impl ControlStore for MemoryControl {
    async fn standing(&mut self) -> Result<Standing, LedgerError> {
        let after = self.link.before(Call::Control).await?;
        let standing = self.site.state().standing();
        self.link.after(&after)?;
        Ok(standing)
    }

    async fn pause(&mut self, who: &str, why: &str) -> Result<Control, LedgerError> {
        self.desire(Desired::Paused, who, why).await
    }

    async fn resume(&mut self, who: &str, why: &str) -> Result<Control, LedgerError> {
        self.desire(Desired::Running, who, why).await
    }

    async fn lease(&mut self) -> Result<Lease, LedgerError> {
        let after = self.link.before(Call::Control).await?;
        let lease = self.site.state().lease.clone();
        self.link.after(&after)?;
        Ok(lease)
    }

    async fn take_lease(&mut self, seen: &Lease, holder: &str) -> Result<Option<Lease>, LedgerError> {
        let after = self.link.before(Call::Control).await?;
        let turn = self.site.turn().lock_owned().await;
        let taken = {
            let mut state = self.site.state();
            let same = state.lease == *seen;
            same.then(|| {
                let (fence, beat) = (seen.fence + 1, seen.beat + 1);
                state.lease = Lease { fence, holder: holder.to_owned(), beat };
                state.lease.clone()
            })
        };
        drop(turn);
        self.link.after(&after)?;
        Ok(taken)
    }

    async fn beat(&mut self, fence: i64) -> Result<bool, LedgerError> {
        let after = self.link.before(Call::Control).await?;
        let mine = {
            let mut state = self.site.state();
            let mine = state.lease.fence == fence && !state.lease.holder.is_empty();
            state.lease.beat += i64::from(mine);
            mine
        };
        self.link.after(&after)?;
        Ok(mine)
    }

    async fn release_lease(&mut self, fence: i64) -> Result<(), LedgerError> {
        let after = self.link.before(Call::Control).await?;
        {
            let mut state = self.site.state();
            if state.lease.fence == fence {
                state.lease.holder.clear();
                state.lease.beat += 1;
            }
        }
        self.link.after(&after)
    }

    async fn ask(
        &mut self,
        id: &TransactionId,
        asked: Asked,
        who: &str,
        why: &str,
    ) -> Result<bool, LedgerError> {
        let after = self.link.before(Call::Control).await?;
        // The posting transaction under way works on a copy of the quarantine; the wish must not get lost under it.
        let turn = self.site.turn().lock_owned().await;
        let found = {
            let mut state = self.site.state();
            let found = match state.books.open_mut(id) {
                Some(open) => {
                    open.asked = asked;
                    true
                }
                None => false,
            };
            if found {
                state.record(who, format!("{} {id}", asked.action()), why);
            }
            found
        };
        drop(turn);
        self.link.after(&after)?;
        Ok(found)
    }

    async fn note_waiting(&mut self, reason: &str) -> Result<(), LedgerError> {
        let after = self.link.before(Call::Control).await?;
        reason.clone_into(&mut self.site.state().waiting);
        self.link.after(&after)
    }
}
