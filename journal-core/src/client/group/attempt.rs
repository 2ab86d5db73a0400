//! Appending one transaction to a group: once, wherever that is. It goes to another site only when it is certain that it
//! does not stand, and never will, at the one it was sent to.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::super::group_commit::{AppendFailure, Room};
use super::super::journal::Journal;
use super::super::receipt::Receipt;
use super::super::transaction::Transaction;
use super::doubt::{Claim, Sent};
use super::member::{HANGS, Member};
use super::void::void;
use super::{GroupFailure, Shared, TURN_MAX};
use crate::model::NewTransaction;
use crate::sql::SqlClass;

/// First wait before the sites are tried again; each further one is twice as long.
const BACKOFF_MIN: Duration = Duration::from_millis(5);
/// Longest wait between tries.
const BACKOFF_MAX: Duration = Duration::from_millis(200);

/// One append under way.
pub(super) struct Attempt<'g> {
    group: &'g Arc<Shared>,
    transaction: &'g Transaction,
    claim: Claim,
    until: Instant,
    wait: Duration,
}

/// What one step came to.
enum Step {
    /// The answer.
    Ended(Result<Receipt, GroupFailure>),
    /// Something is certain now: go on at once.
    Next,
    /// Nothing could be done: try again in a while.
    Again(String),
}

impl<'g> Attempt<'g> {
    pub(super) fn new(
        group: &'g Arc<Shared>,
        transaction: &'g Transaction,
        claim: Claim,
        until: Instant,
    ) -> Self {
        Self { group, transaction, claim, until, wait: BACKOFF_MIN }
    }

    /// To the end: a receipt, a definite no, or the end of patience.
    pub(super) async fn run(mut self) -> Result<Receipt, GroupFailure> {
        let ended = self.step_on().await;
        match &ended {
            // It stands, or its content stands nowhere.
            Ok(_)
            | Err(GroupFailure::Void { .. })
            | Err(GroupFailure::Append(AppendFailure::OtherContent { .. } | AppendFailure::Refused(_))) => {
                self.claim.note_anywhere(false);
            }
            Err(_) => {}
        }
        ended
    }

    /// The same of one that may stand at any site.
    pub(super) async fn run_again(self) -> Result<Receipt, GroupFailure> {
        // Before a site is told that it shall never take it.
        if let Some(at) = self.group.station(&self.void()).await
            && let Ok(journal) = self.group.members[at].journal(self.until).await
            && let Err(failure) = journal.encode(self.transaction)
        {
            return Err(self.unknown(&self.group.members[at], failure.to_string()));
        }
        // Until its end is known, whoever appends it has to ask all of them.
        self.claim.note_anywhere(true);
        self.run().await
    }

    async fn step_on(&mut self) -> Result<Receipt, GroupFailure> {
        loop {
            let Some(at) = self.group.station(&self.void()).await else {
                return Err(GroupFailure::Void { tx_id: self.transaction.tx_id() });
            };
            let sent = self.claim.sent().filter(|sent| sent.at != at);
            let asked = sent.as_ref().map(|sent| sent.at).or_else(|| self.elsewhere(at)).unwrap_or(at);
            let step = match sent {
                Some(sent) => self.void_at(&sent).await,
                None if asked != at => self.clear(asked).await,
                None => self.send(at).await,
            };
            match step {
                Step::Ended(answer) => return answer,
                Step::Next => self.wait = BACKOFF_MIN,
                Step::Again(why) => {
                    // Before the pause: the next look may find a site well again that takes no writes.
                    self.group.station(&self.void()).await;
                    self.rest(asked, why).await?;
                }
            }
        }
    }

    fn void(&self) -> Vec<bool> {
        self.claim.void(self.group.members.len())
    }

    /// A site beside this one where it may stand though it was not sent there from here.
    fn elsewhere(&self, at: usize) -> Option<usize> {
        let void = self.void();
        (0..void.len()).find(|other| *other != at && !void[*other]).filter(|_| self.claim.may_be_anywhere())
    }

    /// Makes it certain for a site that it was not sent to from here.
    async fn clear(&mut self, at: usize) -> Step {
        match self.group.members[at].journal(self.until).await {
            Ok(journal) => self.void_at(&Sent { at, origin: journal.site().origin.clone() }).await,
            Err(why) => Step::Again(why),
        }
    }

    async fn send(&mut self, at: usize) -> Step {
        let member = &self.group.members[at];
        let turn = self.until.min(Instant::now() + TURN_MAX);
        let journal = match member.journal(turn).await {
            Ok(journal) => journal,
            Err(why) => return Step::Again(why),
        };
        let (since, origin) = (Instant::now(), &journal.site().origin);
        let doubted = self.claim.sent();
        // One that may be anywhere can be found here though it was sent to another site.
        if doubted.as_ref().is_some_and(|sent| sent.at == at && sent.origin != *origin) {
            return Step::Ended(Err(self.unknown(member, format!("the site is {origin} now"))));
        }
        let transaction = match journal.encode(self.transaction) {
            Ok(transaction) => transaction,
            Err(failure) => return self.failed(at, &journal, failure).await,
        };
        let room = match timeout_at(turn, journal.room()).await {
            Ok(Ok(room)) => room,
            Ok(Err(failure)) => return self.failed(at, &journal, failure).await,
            // It was not sent, and the next site may have room.
            Err(_) => return Step::Again("its queue has no room".to_owned()),
        };
        let answered = self.put(at, &journal, room, transaction);
        match timeout_at(self.until, answered).await {
            Ok(Ok(Ok(receipt))) => {
                self.claim.told();
                Step::Ended(Ok(receipt))
            }
            Ok(Ok(Err(failure))) => self.failed(at, &journal, failure).await,
            Ok(Err(error)) => Step::Again(error.to_string()),
            // The task of that site still tries: whatever comes of it, this transaction stays with it.
            Err(_) => Step::Ended(Err(self.unheard(member, &journal, since).await)),
        }
    }

    /// What is told when patience ends before an answer.
    async fn unheard(&self, member: &Member, journal: &Journal, since: Instant) -> GroupFailure {
        member.silent(journal, since);
        self.group.station(&[]).await;
        self.unknown(member, HANGS.to_owned())
    }

    /// Sends it. A task of its own waits for the answer and takes note of it, for the caller may go away or run out of
    /// patience; and of a site that answers looks and hangs at every commit, so that others leave it. Awaits nothing, so that
    /// what is noted as sent is in the queue, too.
    fn put(
        &self,
        at: usize,
        journal: &Journal,
        room: Room<'_>,
        transaction: NewTransaction,
    ) -> JoinHandle<Result<Receipt, AppendFailure>> {
        let (group, member) = (Arc::downgrade(self.group), self.group.members[at].clone());
        let (journal, origin) = (journal.clone(), journal.site().origin.clone());
        let (sending, under_way) = (self.claim.sending(at, origin.clone()), member.write());
        let since = Instant::now();
        let pending = room.put(transaction, false);
        tokio::spawn(async move {
            let mut answered = pin!(pending.durable());
            let answer = match timeout(TURN_MAX, answered.as_mut()).await {
                Ok(answer) => answer,
                Err(_) => {
                    member.silent(&journal, since);
                    if let Some(group) = group.upgrade() {
                        group.station(&[]).await;
                    }
                    answered.await
                }
            };
            if let Ok(receipt) = &answer {
                member.acknowledged(&origin, receipt.id().trans_nr);
            }
            sending.settle(answer.as_ref().map(|_| ()));
            drop(under_way);
            answer
        })
    }

    /// Sorts a failed append: whose fault it is, and what to do next.
    async fn failed(&mut self, at: usize, journal: &Journal, failure: AppendFailure) -> Step {
        let member = &self.group.members[at];
        match failure {
            AppendFailure::OtherContent { .. } => {
                let place = Sent { at, origin: journal.site().origin.clone() };
                // Were that void, somebody has made it so who may have brought it to any other site.
                self.claim.note_anywhere(true);
                match self.append_void(member, &place).await {
                    Ok(_) => {
                        self.claim.is_void(&place);
                        Step::Next
                    }
                    Err(Step::Next) => Step::Ended(Err(GroupFailure::Append(failure))),
                    Err(step) => step,
                }
            }
            // What an earlier process sent at another version may stand.
            AppendFailure::Invalid(_) if self.may_stand() => {
                Step::Ended(Err(self.unknown(member, failure.to_string())))
            }
            // No other site would take it either.
            AppendFailure::Invalid(_) => Step::Ended(Err(GroupFailure::Append(failure))),
            AppendFailure::Refused(ref error)
                if error.is_of_content() || (error.is_too_large() && !self.may_stand()) =>
            {
                Step::Ended(Err(GroupFailure::Append(failure)))
            }
            failure => blame(member, journal, &failure),
        }
    }

    /// Whether it may stand somewhere, as far as is known here.
    fn may_stand(&self) -> bool {
        self.claim.sent().is_some() || self.claim.may_be_anywhere()
    }

    /// Sees to it that the site it was sent to never takes it; or finds that it stands there, and gives that receipt.
    async fn void_at(&mut self, sent: &Sent) -> Step {
        let member = &self.group.members[sent.at];
        match self.append_void(member, sent).await {
            Ok(repeated) => {
                if repeated {
                    // It may not be from here.
                    self.claim.note_anywhere(true);
                }
                self.claim.is_void(sent);
                Step::Next
            }
            // Something stands there under its key: itself, or what its own append will tell.
            Err(Step::Next) => self.send(sent.at).await,
            Err(step) => step,
        }
    }

    /// Whether the void entry was there before. `Err(Next)`: another entry stands there under the key.
    async fn append_void(&self, member: &Arc<Member>, sent: &Sent) -> Result<bool, Step> {
        let journal = member.journal(self.until).await.map_err(Step::Again)?;
        let origin = &journal.site().origin;
        if *origin != sent.origin {
            return Err(Step::Ended(Err(self.unknown(member, format!("the site is {origin} now")))));
        }
        let since = Instant::now();
        let appended =
            async { journal.room().await?.put(void(self.transaction.tx_id()), false).durable().await };
        match timeout_at(self.until, appended).await {
            Ok(Ok(receipt)) => Ok(receipt.repeated()),
            Ok(Err(AppendFailure::OtherContent { .. })) => Err(Step::Next),
            Ok(Err(failure)) => Err(blame(member, &journal, &failure)),
            Err(_) => Err(Step::Ended(Err(self.unheard(member, &journal, since).await))),
        }
    }

    /// Waits before the next try of what was asked of a site, or tells what is known when patience ends.
    async fn rest(&mut self, asked: usize, why: String) -> Result<(), GroupFailure> {
        let ended = Instant::now() >= self.until;
        match self.claim.sent().map(|sent| sent.at).or(self.claim.may_be_anywhere().then_some(asked)) {
            Some(at) if ended || self.group.still_open().is_err() => {
                return Err(self.unknown(&self.group.members[at], why));
            }
            None if ended => return Err(GroupFailure::NoSite { why }),
            None => self.group.still_open()?,
            Some(_) => {}
        }
        sleep(self.wait.min(self.until.saturating_duration_since(Instant::now()))).await;
        self.wait = (self.wait * 2).min(BACKOFF_MAX);
        Ok(())
    }

    fn unknown(&self, member: &Member, why: String) -> GroupFailure {
        GroupFailure::OutcomeUnknown { tx_id: self.transaction.tx_id(), site: member.site.clone(), why }
    }
}

/// Takes note of what a failure that is not the transaction's says of the site.
fn blame(member: &Member, journal: &Journal, failure: &AppendFailure) -> Step {
    match failure {
        AppendFailure::Closed => {
            member.forget(journal);
            return Step::Again("its journal was closed".to_owned());
        }
        AppendFailure::Refused(error) if error.class == SqlClass::Schema => member.forget(journal),
        _ => {}
    }
    // Others need not leave for one that is too large.
    if !matches!(failure, AppendFailure::Refused(error) if error.is_too_large()) {
        member.lost(failure);
    }
    Step::Again(failure.to_string())
}
