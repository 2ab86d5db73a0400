//! The application's door to a whole group: writes at the site in service, and moves by itself, with the transactions
//! that have no answer yet, when that site is to be left or is lost. Each transaction ends up at one site, once.

mod attempt;
mod builder;
mod choice;
mod doubt;
mod member;
#[cfg(test)]
mod tests;
mod void;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use self::attempt::Attempt;
pub use self::builder::GroupBuilder;
use self::choice::{Fitness, Sight, choose};
use self::doubt::{Doubts, NotClaimed};
use self::member::{HANGS, Member};
use super::group_commit::AppendFailure;
use super::receipt::Receipt;
use super::transaction::Transaction;
use crate::model::{SchemaVersion, SiteName};
use crate::sql::{Access, Conn, DbUrl, ReadUrl, SqlError};
use crate::store::sql::read_posted;

/// Looks older than this are no ground for a feature gate.
const SUPPORTS_AGE_MAX: Duration = Duration::from_secs(2);
/// Longest wait at a site for one answer before it is seen again which site to write at.
const TURN_MAX: Duration = Duration::from_secs(5);
/// Between two looks at what is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The journals of a group's sites. Cheap to clone; all clones write at the same site.
#[derive(Debug, Clone)]
pub struct GroupJournal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    members: Vec<Arc<Member>>,
    version: SchemaVersion,
    options: Options,
    /// The site that is written at. Held while the client moves, so that all move together.
    current: Mutex<usize>,
    doubts: Arc<Doubts>,
    /// True once the group is closed; its end ends the tasks that look at the sites.
    end: watch::Sender<bool>,
}

#[derive(Debug, Clone, Copy)]
struct Options {
    patience: Duration,
    switch_after: Duration,
    look_every: Duration,
    follow: Duration,
    pause_grace: Duration,
}

/// Why an append to a group has no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum GroupFailure {
    /// A definite no, which every site would give.
    #[error(transparent)]
    Append(AppendFailure),
    #[error("no site of the group took the transaction, and it stands nowhere: {why}")]
    NoSite { why: String },
    #[error(
        "whether site {site} took transaction {tx_id} is not known, and it is sent nowhere else until that is: {why}; append it again"
    )]
    OutcomeUnknown { tx_id: Uuid, site: SiteName, why: String },
    #[error("every site holds a void entry for transaction {tx_id}: it stands nowhere; make a new one")]
    Void { tx_id: Uuid },
    #[error("too many transactions wait for a site that does not answer")]
    TooManyInDoubt,
}

impl GroupJournal {
    pub(super) fn builder(sites: &[(SiteName, DbUrl)]) -> GroupBuilder {
        GroupBuilder::new(sites)
    }

    /// Appends a transaction at the site in service and returns once it is durable there; [`Receipt::id`] names the site.
    /// Appended again it gives the first receipt, wherever the client has moved meanwhile: the group remembers the sites
    /// of all transactions without an answer, of the last 16,384 with one, and of the last 65,536 whose answer came when
    /// their caller had gone. One caller at a time works on a transaction; a second one waits.
    ///
    /// After [`GroupFailure::OutcomeUnknown`] append it again, to this same group: it stays bound to the site it was sent to
    /// until that answers. A process that starts anew knows nothing of either: see [`Self::append_again`]. Dropping the
    /// future does not stop an append that has begun, and loses nothing of this.
    pub async fn append(&self, transaction: &Transaction) -> Result<Receipt, GroupFailure> {
        self.attempt(transaction, false).await?.run().await
    }

    /// As [`Self::append`], for a transaction that an earlier process, or another one, may have appended: makes it certain
    /// for every other site that the transaction does not stand there before it appends. Needs all sites, so it fails with
    /// [`GroupFailure::OutcomeUnknown`] while one does not answer; from then on [`Self::append`] makes it certain as well. The
    /// same is told of one that the schema version written here cannot say, and by a closed group: it may stand.
    pub async fn append_again(&self, transaction: &Transaction) -> Result<Receipt, GroupFailure> {
        self.attempt(transaction, true).await?.run_again().await
    }

    /// `anywhere`: it may stand where nobody here knows of.
    async fn attempt<'g>(
        &'g self,
        transaction: &'g Transaction,
        anywhere: bool,
    ) -> Result<Attempt<'g>, GroupFailure> {
        let until = Instant::now() + self.shared.options.patience;
        if let Err(closed) = self.shared.still_open() {
            // What was sent may stand: that it is closed says nothing of it.
            return Err(match anywhere || self.shared.doubts.may_stand(transaction.tx_id()) {
                true => self.unknown(transaction.tx_id(), "the group was closed").await,
                false => closed,
            });
        }
        loop {
            match self.shared.doubts.claim(transaction.tx_id()) {
                Ok(claim) => return Ok(Attempt::new(&self.shared, transaction, claim, until)),
                Err(NotClaimed::Full) => return Err(GroupFailure::TooManyInDoubt),
                Err(NotClaimed::Busy) if Instant::now() >= until => {
                    return Err(self.unknown(transaction.tx_id(), "another caller appends it").await);
                }
                Err(NotClaimed::Busy) => sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// What is known of a transaction that another caller works on, or did: it may be anywhere on its way.
    async fn unknown(&self, tx_id: Uuid, why: &str) -> GroupFailure {
        let at = match self.shared.doubts.sent(tx_id) {
            Some(sent) => sent.at,
            None => *self.shared.current.lock().await,
        };
        let (site, why) = (self.shared.members[at].site.clone(), why.to_owned());
        GroupFailure::OutcomeUnknown { tx_id, site, why }
    }

    /// The next id of a sequence: never one that another site or another process gives out. Ids skip numbers, and those
    /// of two sites do not rise together.
    pub async fn next_id(&self, sequence: &str) -> Result<i64, GroupFailure> {
        let until = Instant::now() + self.shared.options.patience;
        loop {
            self.shared.still_open()?;
            let Some(at) = self.shared.station(&[]).await else {
                return Err(GroupFailure::NoSite { why: "the group has no site".to_owned() });
            };
            let member = &self.shared.members[at];
            let turn = until.min(Instant::now() + TURN_MAX);
            let asked = Instant::now();
            let why = match member.journal(turn).await {
                Ok(journal) => match timeout_at(turn, journal.next_id(sequence)).await {
                    Ok(Ok(id)) => return Ok(id),
                    // No other site would take the sequence either.
                    Ok(Err(error)) if error.is_of_content() => {
                        return Err(GroupFailure::Append(AppendFailure::Refused(error)));
                    }
                    Ok(Err(error)) => {
                        member.lost(&error);
                        error.to_string()
                    }
                    Err(_) => {
                        member.silent(&journal, asked);
                        HANGS.to_owned()
                    }
                },
                Err(why) => why,
            };
            if Instant::now() >= until {
                return Err(GroupFailure::NoSite { why });
            }
            // Before the pause: the next look may find a site well again that gives no ids.
            self.shared.station(&[]).await;
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The version that transactions are written in.
    pub fn schema_version(&self) -> SchemaVersion {
        self.shared.version
    }

    /// The site that is written at now.
    pub async fn site(&self) -> SiteName {
        let at = *self.shared.current.lock().await;
        self.shared.members[at].site.clone()
    }

    /// A feature gate: whether every site of the group serves readers of that version, seen within the last two seconds. In
    /// doubt, and while a site does not answer, it says no. Asks no database: the group looks at its sites all the time.
    pub fn supports(&self, version: SchemaVersion) -> bool {
        choice::supports(&self.shared.sights(), version, Instant::now(), SUPPORTS_AGE_MAX)
    }

    /// Where an application of that version reads now: at the site that is written at if that serves the version, else at
    /// another one that does; `None` when no site that answers does.
    pub async fn read_url(&self, version: SchemaVersion) -> Option<(SiteName, ReadUrl)> {
        let current = *self.shared.current.lock().await;
        let at = choice::reader(current, &self.shared.sights(), version)?;
        let member = &self.shared.members[at];
        Some((member.site.clone(), member.url.reading(version)))
    }

    /// Takes no more appends ([`AppendFailure::Closed`]), waits until what the sites' journals have taken is durable or
    /// refused, for ever where a site hangs, and ends. For all clones. May be called again, also after one that was cut off:
    /// each waits as long.
    pub async fn close(&self) {
        self.shared.end.send_replace(true);
        join_all(self.shared.members.iter().map(|member| member.close())).await;
    }
}

impl Shared {
    fn still_open(&self) -> Result<(), GroupFailure> {
        match *self.end.borrow() {
            true => Err(GroupFailure::Append(AppendFailure::Closed)),
            false => Ok(()),
        }
    }

    fn sights(&self) -> Vec<Option<Sight>> {
        self.members.iter().map(|member| member.sight()).collect()
    }

    /// The site to write at, less those a transaction may not go to. Moves the client when its site is to be left.
    async fn station(&self, taken: &[bool]) -> Option<usize> {
        let mut current = self.current.lock().await;
        let fitness: Vec<Fitness> = self.members.iter().map(|member| member.fitness()).collect();
        let next = choose(*current, &fitness, &[])?;
        if next != *current {
            let (from, to) = (&self.members[*current], &self.members[next]);
            tracing::info!(from = %from.site, to = %to.site, why = ?fitness[*current], "moving to another site");
            self.follow(from, to).await;
            *current = next;
        }
        choose(next, &fitness, taken)
    }

    /// Waits until the site moved to has posted what this client wrote at the other, so that it finds its own rows there.
    /// Bounded: a site that is lost, or paused already, may ship nothing more.
    async fn follow(&self, from: &Member, to: &Member) {
        let until = Instant::now() + self.options.follow;
        let mut conn = None;
        while Instant::now() < until {
            // It only reads, on a connection of its own.
            match timeout_at(until, self.has_followed(from, to, &mut conn)).await {
                Ok(Ok(true)) => return,
                Ok(Ok(false)) | Err(_) => {}
                Ok(Err(error)) => {
                    to.lost(&error);
                    return;
                }
            }
            sleep(LOOK_AGAIN).await;
        }
        tracing::info!(from = %from.site, to = %to.site, "moving before the last writes have followed");
    }

    async fn has_followed(
        &self,
        from: &Member,
        to: &Member,
        conn: &mut Option<Conn>,
    ) -> Result<bool, SqlError> {
        let written = from.written();
        if written.under_way > 0 {
            return Ok(false);
        }
        let Some((origin, last)) = written.last else { return Ok(true) };
        let mut taken = match conn.take() {
            Some(conn) => conn,
            None => Conn::open(&to.url, Access::Read, "follow").await?,
        };
        let posted = read_posted(taken.lend(), &origin).await?;
        *conn = Some(taken);
        Ok(posted >= Some(last))
    }
}
