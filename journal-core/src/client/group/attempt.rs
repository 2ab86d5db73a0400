//! Appending one transaction to a group: once, wherever that is. It goes to another site only when it is certain that it
//! does not stand, and never will, at the one it was sent to.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::super::group_commit::{AppendFailure, Room};
use super::super::journal::Journal;
use super::super::receipt::Receipt;
use super::super::transaction::Transaction;
use super::doubt::{Claim, Sent};
use super::member::Member;
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
    /// The sites that will never take it.
    void: Vec<bool>,
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
        let void = vec![false; group.members.len()];
        Self { group, transaction, claim, until, wait: BACKOFF_MIN, void }
    }

    /// To the end: a receipt, a definite no, or the end of patience.
    pub(super) async fn run(self) -> Result<Receipt, GroupFailure> {
        if self.claim.may_be_anywhere() { self.run_again().await } else { self.run_once().await }
    }

    /// The same of one that may stand at any site.
    pub(super) async fn run_again(mut self) -> Result<Receipt, GroupFailure> {
        // Until it is certain of all, whoever appends it has to ask again.
        self.claim.note_anywhere(true);
        let found = self.clear_others().await?;
        self.claim.note_anywhere(false);
        match found {
            Some(receipt) => Ok(receipt),
            None => self.run_once().await,
        }
    }

    async fn run_once(mut self) -> Result<Receipt, GroupFailure> {
        loop {
            let Some(at) = self.group.station(&self.void).await else {
                return Err(GroupFailure::Void { tx_id: self.transaction.tx_id() });
            };
            let step = match self.claim.sent() {
                Some(sent) if sent.at != at => self.void_at(&sent).await,
                _ => self.send(at).await,
            };
            match step {
                Step::Ended(answer) => return answer,
                Step::Next => self.wait = BACKOFF_MIN,
                Step::Again(why) => {
                    // Before the pause: the next look may find a site well again that takes no writes.
                    self.group.station(&self.void).await;
                    self.rest(why).await?;
                }
            }
        }
    }

    /// Makes it certain for every other site that the transaction does not stand there, as far as that is not known.
    async fn clear_others(&mut self) -> Result<Option<Receipt>, GroupFailure> {
        let Some(keep) = self.group.station(&self.void).await else { return Ok(None) };
        for at in (0..self.group.members.len()).filter(|at| *at != keep) {
            loop {
                let member = &self.group.members[at];
                let origin = match member.journal(self.until).await {
                    Ok(journal) => journal.site().origin.clone(),
                    Err(why) => {
                        self.rest_at(member, why).await?;
                        continue;
                    }
                };
                match self.void_at(&Sent { at, origin }).await {
                    Step::Ended(answer) => return answer.map(Some),
                    Step::Next => break,
                    Step::Again(why) => self.rest_at(member, why).await?,
                }
            }
        }
        Ok(None)
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
        let since = Instant::now();
        let answered = self.put(at, origin, room, transaction);
        match timeout_at(self.until, answered).await {
            Ok(Ok(Ok(receipt))) => {
                self.claim.told();
                Step::Ended(Ok(receipt))
            }
            Ok(Ok(Err(failure))) => self.failed(at, &journal, failure).await,
            Ok(Err(error)) => Step::Again(error.to_string()),
            // The task of that site still tries: whatever comes of it, this transaction stays with it.
            Err(_) => Step::Ended(Err(self.unknown(member, member.silent(&journal, since)))),
        }
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
            AppendFailure::OtherContent { .. } if self.is_void_at(member).await => {
                self.claim.absent();
                self.void[at] = true;
                Step::Next
            }
            failure @ (AppendFailure::Invalid(_) | AppendFailure::OtherContent { .. }) => {
                Step::Ended(Err(GroupFailure::Append(failure)))
            }
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
                self.claim.absent_at(sent);
                self.void[sent.at] = true;
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
        let since = Instant::now();
        let waited =
            async { journal.room().await?.put(void(self.transaction.tx_id()), false).durable().await };
        match timeout_at(self.until, waited).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(AppendFailure::OtherContent { .. })) => Err(Step::Next),
            Ok(Err(error)) => {
                member.lost(&error);
                Err(Step::Again(error.to_string()))
            }
            Err(_) => Err(Step::Ended(Err(self.unknown(member, member.silent(&journal, since))))),
        }
    }

    /// Whether what stands at a site under the key is a void entry.
    async fn is_void_at(&self, member: &Member) -> bool {
        let Ok(journal) = member.journal(self.until).await else { return false };
        let origin = journal.site().origin.clone();
        let at = self.group.members.iter().position(|other| other.site == member.site).unwrap_or_default();
        self.append_void(member, &Sent { at, origin }).await.is_ok()
    }

    /// Waits before the next try, or tells what is known when patience ends.
    async fn rest(&mut self, why: String) -> Result<(), GroupFailure> {
        match self.claim.sent() {
            Some(sent) => {
                let group = self.group;
                self.rest_at(&group.members[sent.at], why).await
            }
            None => {
                self.group.still_open()?;
                if Instant::now() >= self.until {
                    return Err(GroupFailure::NoSite { why });
                }
                self.pause().await;
                Ok(())
            }
        }
    }

    async fn rest_at(&mut self, member: &Member, why: String) -> Result<(), GroupFailure> {
        if member.is_closed() || Instant::now() >= self.until {
            return Err(self.unknown(member, why));
        }
        self.pause().await;
        Ok(())
    }

    async fn pause(&mut self) {
        sleep(self.wait.min(self.until.saturating_duration_since(Instant::now()))).await;
        self.wait = (self.wait * 2).min(BACKOFF_MAX);
    }

    fn unknown(&self, member: &Member, why: String) -> GroupFailure {
        GroupFailure::OutcomeUnknown { tx_id: self.transaction.tx_id(), site: member.site.clone(), why }
    }
}
