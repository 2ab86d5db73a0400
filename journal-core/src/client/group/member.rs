//! One site of a group: its journal, opened when it is first written to, and what was last seen of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::super::journal::{Journal, JournalBuilder, OpenError};
use super::LOOK_AGAIN;
use super::choice::{Fitness, Sight, fitness};
use crate::model::{Origin, SiteName, TransNr};
use crate::sql::{Access, Conn, DbUrl, SqlError};
use crate::store::sql::read_serving;

/// Longest time that a look may take. Who hangs keeps the connection, and would be waited for without an end.
pub(super) const LOOK_MAX: Duration = Duration::from_secs(2);
/// Longest time that opening a journal may take, or a look that connects first.
const OPEN_MAX: Duration = Duration::from_secs(10);
/// So long a site is none to move to after it hung: its looks may be answered all the while.
const HUNG_FOR: Duration = Duration::from_secs(30);
/// What is told of a site that hangs.
pub(super) const HANGS: &str = "it has not answered";
/// Journals of one site that may be on their way out at a time: each has connections of its own.
const LEAVING_MAX: usize = 2;
/// Longest time between two looks at a site that does not answer.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(1);

/// A site.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) site: SiteName,
    pub(super) url: DbUrl,
    builder: JournalBuilder,
    journal: Arc<tokio::sync::Mutex<Option<Journal>>>,
    sight: watch::Sender<Option<Sight>>,
    written: Mutex<Written>,
    /// Journals that were let go of, until what they had taken is durable or refused.
    leaving: Mutex<Vec<JoinHandle<()>>>,
    /// True once the group is closed.
    end: watch::Receiver<bool>,
}

/// What this client has written at a site.
#[derive(Debug, Default, Clone)]
pub(super) struct Written {
    /// Appends that have no answer yet.
    pub(super) under_way: usize,
    /// The last transaction that was acknowledged, and the life it belongs to.
    pub(super) last: Option<(Origin, TransNr)>,
    /// When an append had its answer, of whichever kind.
    answered: Option<Instant>,
    /// When it hung last, if nothing was acknowledged since.
    hung: Option<Instant>,
}

impl Member {
    /// `end` becomes true when the group is closed.
    pub(super) fn new(
        site: SiteName,
        url: DbUrl,
        builder: JournalBuilder,
        end: watch::Receiver<bool>,
    ) -> Self {
        let (journal, sight) = (Arc::default(), watch::Sender::new(None));
        let (written, leaving) = (Mutex::default(), Mutex::default());
        Self { site, url, builder, journal, sight, written, leaving, end }
    }

    pub(super) fn sight(&self) -> Option<Sight> {
        self.sight.borrow().clone()
    }

    /// How good it is for writing.
    pub(super) fn fitness(&self) -> Fitness {
        match self.written().hung {
            Some(at) if at.elapsed() < HUNG_FOR => Fitness::Gone,
            _ => fitness(self.sight.borrow().as_ref()),
        }
    }

    /// Takes note that the site does not answer, until a look finds otherwise.
    pub(super) fn lost(&self, why: &dyn std::fmt::Display) {
        let found = Err(why.to_string());
        self.sight.send_replace(Some(Sight { at: Instant::now(), found, momentary: false }));
    }

    /// Somebody has waited in vain since then. Where that is long, and nobody else had an answer, it takes note that the site
    /// hangs, and the next append opens its journal anew: the connections of this one may be those that hang. What it was
    /// sent stays in its queue.
    pub(super) fn silent(&self, journal: &Journal, since: Instant) {
        if since.elapsed() >= LOOK_MAX && self.written().answered <= Some(since) {
            self.hangs();
            self.forget(journal);
        }
    }

    fn hangs(&self) {
        self.with_written(|written| written.hung = Some(Instant::now()));
        self.lost(&HANGS);
    }

    /// The journal, waited for until then. Takes note of a site that has none to give.
    pub(super) async fn journal(self: &Arc<Self>, until: Instant) -> Result<Journal, String> {
        let since = Instant::now();
        let why = match timeout_at(until, self.open()).await {
            Ok(Ok(journal)) => return Ok(journal),
            Ok(Err(error)) => error.to_string(),
            Err(_) if since.elapsed() < LOOK_MAX => return Err(HANGS.to_owned()),
            Err(_) => HANGS.to_owned(),
        };
        self.lost(&why);
        Err(why)
    }

    /// The journal, opened now if it was not. That goes on when its caller goes away: the next one finds it done.
    pub(super) async fn open(self: &Arc<Self>) -> Result<Journal, OpenError> {
        let mut journal = self.journal.clone().lock_owned().await;
        if let Some(journal) = journal.as_ref() {
            return Ok(journal.clone());
        }
        // Seen under the lock: closing takes it too, after it has said so.
        if self.is_closed() {
            return Err(OpenError::NoSite { why: "the group was closed".to_owned() });
        }
        let member = self.clone();
        let opening = tokio::spawn(async move {
            // Opening only reads: given up, it leaves nothing half-done.
            let opened = timeout(OPEN_MAX, member.builder.clone().open()).await;
            let opened = opened.map_err(|_| {
                member.hangs();
                OpenError::NoSite { why: HANGS.to_owned() }
            })??;
            Ok(journal.insert(opened).clone())
        });
        opening.await.unwrap_or_else(|panic| Err(OpenError::NoSite { why: panic.to_string() }))
    }

    /// Lets go of a journal that can no longer be written to, so that the next append opens it anew.
    pub(super) fn forget(&self, journal: &Journal) {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.retain(|left| !left.is_finished());
        // Who holds the lock is opening another, or takes the next step with this one.
        if leaving.len() < LEAVING_MAX
            && let Ok(mut present) = self.journal.try_lock()
            && !self.is_closed()
            && present.as_ref().is_some_and(|present| present.is_same(journal))
            && let Some(left) = present.take()
        {
            leaving.push(tokio::spawn(async move { left.close().await }));
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.end.borrow()
    }

    /// Waits until what its journals have taken is durable or refused. The last one stays, for who closes it again.
    pub(super) async fn close(&self) {
        let journal = self.journal.lock().await.clone();
        if let Some(journal) = journal {
            journal.close().await;
        }
        while self
            .leaving
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .any(|left| !left.is_finished())
        {
            sleep(LOOK_AGAIN).await;
        }
    }

    /// An append is on its way; ends with the guard.
    pub(super) fn write(self: &Arc<Self>) -> Writing {
        self.with_written(|written| written.under_way += 1);
        Writing { member: self.clone() }
    }

    pub(super) fn acknowledged(&self, origin: &Origin, trans_nr: TransNr) {
        self.with_written(|written| {
            written.hung = None;
            match &mut written.last {
                Some((last, nr)) if last == origin => *nr = trans_nr.max(*nr),
                last => *last = Some((origin.clone(), trans_nr)),
            }
        });
    }

    pub(super) fn written(&self) -> Written {
        self.with_written(|written| written.clone())
    }

    fn with_written<T>(&self, work: impl FnOnce(&mut Written) -> T) -> T {
        work(&mut self.written.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the site again and again until the group is closed. A connection in doubt is replaced.
    pub(super) async fn watch(&self, every: Duration, pause_grace: Duration) {
        let mut end = self.end.clone();
        let mut conn = None;
        let mut paused_since = None;
        let mut pause = every;
        loop {
            // It only reads, on a connection of its own, which is given up with it: the next look opens another.
            let bound = if conn.is_some() { LOOK_MAX } else { OPEN_MAX };
            let found = match timeout(bound, self.look(&mut conn)).await {
                Ok(found) => found.map_err(|error| error.to_string()),
                Err(_) => Err(HANGS.to_owned()),
            };
            pause = if found.is_ok() { every } else { (pause * 2).min(LOOK_EVERY_MAX) };
            let at = Instant::now();
            let paused = found.as_ref().is_ok_and(|seen| seen.paused.is_some() && seen.away.is_none());
            paused_since = paused.then(|| paused_since.unwrap_or(at));
            let momentary = paused_since.is_some_and(|since| at - since < pause_grace);
            self.sight.send_replace(Some(Sight { at, found, momentary }));
            // The end cuts the pause short, never a look.
            if timeout(pause, end.wait_for(|end| *end)).await.is_ok() {
                return;
            }
        }
    }

    async fn look(&self, conn: &mut Option<Conn>) -> Result<crate::store::sql::Serving, SqlError> {
        let mut taken = match conn.take() {
            Some(conn) => conn,
            None => Conn::open(&self.url, Access::Read, "look at the group").await?,
        };
        let serving = read_serving(taken.lend()).await?;
        *conn = Some(taken);
        Ok(serving)
    }
}

/// Counts an append while it is under way.
#[derive(Debug)]
pub(super) struct Writing {
    member: Arc<Member>,
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.member.with_written(|written| {
            written.under_way -= 1;
            written.answered = Some(Instant::now());
        });
    }
}
