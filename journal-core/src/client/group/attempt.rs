//! Appending one transaction to a group: once, wherever that is. It goes to another site only when it is certain that it
//! does not stand, and never will, at the one it was sent to.

use std::pin::pin;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::super::group_commit::{AppendFailure, Room};
use super::super::journal::Journal;
use super::super::receipt::Receipt;
use super::super::transaction::Transaction;
use super::doubt::{Claim, Sent};
use super::member::{HANGS, Member};
use super::void::void;
use super::{GroupFailure, Shared, TURN_MAX};
use crate::model::{NewTransaction, Origin};
use crate::sql::SqlClass;

/// First wait before the sites are tried again; each further one is twice as long.
const BACKOFF_MIN: Duration = Duration::from_millis(5);
/// Longest wait between tries.
const BACKOFF_MAX: Duration = Duration::from_millis(200);

/// One append under way.
pub(super) struct Attempt<'g> {
    group: &'g Shared,
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
    pub(super) fn new(group: &'g Shared, transaction: &'g Transaction, claim: Claim, until: Instant) -> Self {
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
        let origin = journal.site().origin.clone();
        let doubted = self.claim.sent();
        // One that may be anywhere can be found here though it was sent to another site.
        if doubted.as_ref().is_some_and(|sent| sent.at == at && sent.origin != origin) {
            return Step::Ended(Err(self.unknown(member, format!("the site is {origin} now"))));
        }
        let transaction = match journal.encode(self.transaction) {
            Ok(transaction) => transaction,
            Err(failure) => return Step::Ended(Err(GroupFailure::Append(failure))),
        };
        let room = match timeout_at(turn, journal.room()).await {
            Ok(Ok(room)) => room,
            Ok(Err(failure)) => return self.failed(at, &journal, failure).await,
            // It was not sent, and the next site may have room.
            Err(_) => return Step::Again("its queue has no room".to_owned()),
        };
        let answered = self.put(at, origin, room, transaction);
        match self.answer(member, &journal, answered).await {
            Ok(Ok(Ok(receipt))) => {
                self.claim.told();
                Step::Ended(Ok(receipt))
            }
            Ok(Ok(Err(failure))) => self.failed(at, &journal, failure).await,
            Ok(Err(error)) => Step::Again(error.to_string()),
            // The task of that site still tries: whatever comes of it, this transaction stays with it.
            Err(unknown) => Step::Ended(Err(unknown)),
        }
    }

    /// Waits for an answer until patience ends. After a turn in vain others leave the site, which may answer looks and hang
    /// at every commit.
    async fn answer<T>(
        &self,
        member: &Member,
        journal: &Journal,
        answered: impl Future<Output = T>,
    ) -> Result<T, GroupFailure> {
        let since = Instant::now();
        let mut answered = pin!(answered);
        for until in [self.until.min(since + TURN_MAX), self.until] {
            if let Ok(answer) = timeout_at(until, answered.as_mut()).await {
                return Ok(answer);
            }
            member.silent(journal, since);
            self.group.station(&[]).await;
        }
        Err(self.unknown(member, HANGS.to_owned()))
    }

    /// Sends it. A task of its own waits for the answer and takes note of it, for the caller may go away or run out of
    /// patience. Awaits nothing, so that what is noted as sent is in the queue, too.
    fn put(
        &self,
        at: usize,
        origin: Origin,
        room: Room<'_>,
        transaction: NewTransaction,
    ) -> JoinHandle<Result<Receipt, AppendFailure>> {
        let member = self.group.members[at].clone();
        let (sending, under_way) = (self.claim.sending(at, origin.clone()), member.write());
        let pending = room.put(transaction, false);
        tokio::spawn(async move {
            let answer = pending.durable().await;
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
                    Ok(()) => {
                        self.claim.is_void(&place);
                        Step::Next
                    }
                    Err(Step::Next) => Step::Ended(Err(GroupFailure::Append(failure))),
                    Err(step) => step,
                }
            }
            AppendFailure::Invalid(_) => Step::Ended(Err(GroupFailure::Append(failure))),
            // No other site would take it either.
            AppendFailure::Refused(error) if error.is_of_content() => {
                Step::Ended(Err(GroupFailure::Append(AppendFailure::Refused(error))))
            }
            AppendFailure::Refused(error) => {
                member.lost(&error);
                if error.class == SqlClass::Schema {
                    member.forget(journal);
                }
                Step::Again(error.to_string())
            }
            AppendFailure::InDoubt(error) => {
                member.lost(&error);
                Step::Again(error.to_string())
            }
            AppendFailure::Closed => {
                member.forget(journal);
                Step::Again("its journal was closed".to_owned())
            }
        }
    }

    /// Sees to it that the site it was sent to never takes it; or finds that it stands there, and gives that receipt.
    async fn void_at(&mut self, sent: &Sent) -> Step {
        let member = &self.group.members[sent.at];
        match self.append_void(member, sent).await {
            Ok(()) => {
                self.claim.is_void(sent);
                Step::Next
            }
            // Something stands there under its key: itself, or what its own append will tell.
            Err(Step::Next) => self.send(sent.at).await,
            Err(step) => step,
        }
    }

    /// `Err(Next)`: another entry stands there under the key.
    async fn append_void(&self, member: &Member, sent: &Sent) -> Result<(), Step> {
        let journal = member.journal(self.until).await.map_err(Step::Again)?;
        let origin = &journal.site().origin;
        if *origin != sent.origin {
            return Err(Step::Ended(Err(self.unknown(member, format!("the site is {origin} now")))));
        }
        let appended =
            async { journal.room().await?.put(void(self.transaction.tx_id()), false).durable().await };
        match self.answer(member, &journal, appended).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(AppendFailure::OtherContent { .. })) => Err(Step::Next),
            Ok(Err(error)) => {
                member.lost(&error);
                if error == AppendFailure::Closed {
                    member.forget(&journal);
                }
                Err(Step::Again(error.to_string()))
            }
            Err(unknown) => Err(Step::Ended(Err(unknown))),
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
