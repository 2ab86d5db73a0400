//! The one task that looks after all receipts of a journal: it polls only while somebody waits, and one look serves all,
//! those who ask later, too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::receipt::{Decision, State};
use crate::model::{Origin, SealNr, SiteName, TransNr};
use crate::sql::{Access, Conn, DbUrl, SqlClass, SqlError};
use crate::store::sql::{Verdicts, load_head, newest_seen, read_pause, read_verdicts};

/// Time between looks while somebody waits: short beside a commit and its way through the applier.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Longest time between looks while the database is away.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(1);
/// How long looks may fail before those who wait are told.
const PATIENCE: Duration = Duration::from_secs(30);
/// Questions on their way to the task; it takes them all before each look.
const QUESTIONS_MAX: usize = 1024;

/// Rejections, with their words, that are kept from one look for who asks later.
const KEPT_REJECTIONS_MAX: usize = 10_000;

type Answer<T> = oneshot::Sender<Result<T, SqlError>>;

enum Question {
    /// Waits for the decision and, where a peer is named, until it has posted the transaction.
    Decision {
        trans_nr: TransNr,
        peer: Option<SiteName>,
        answer: Answer<Decision>,
    },
    State {
        trans_nr: TransNr,
        answer: Answer<State>,
    },
}

/// The handle that receipts hold.
#[derive(Debug, Clone)]
pub(super) struct Watcher {
    origin: Origin,
    questions: mpsc::Sender<Question>,
}

impl Watcher {
    /// The handle and the task, which ends when the last handle is gone.
    pub(super) fn new(url: DbUrl, origin: Origin) -> (Self, impl Future<Output = ()> + Send) {
        let (questions, receiver) = mpsc::channel(QUESTIONS_MAX);
        let task = Task {
            url,
            origin: origin.clone(),
            conn: None,
            waiting: Vec::new(),
            verdicts: None,
            posted: BTreeMap::new(),
            failing: None,
        };
        (Self { origin, questions }, task.run(receiver))
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) async fn decision(&self, trans_nr: TransNr) -> Result<Decision, SqlError> {
        self.ask(|answer| Question::Decision { trans_nr, peer: None, answer }).await
    }

    pub(super) async fn replicated(&self, trans_nr: TransNr, peer: &SiteName) -> Result<Decision, SqlError> {
        // The origin has posted what it decided.
        let peer = (*peer != self.origin.site).then(|| peer.clone());
        self.ask(|answer| Question::Decision { trans_nr, peer, answer }).await
    }

    pub(super) async fn state(&self, trans_nr: TransNr) -> Result<State, SqlError> {
        self.ask(|answer| Question::State { trans_nr, answer }).await
    }

    async fn ask<T>(&self, question: impl FnOnce(Answer<T>) -> Question) -> Result<T, SqlError> {
        let ended = || SqlError::new(SqlClass::Lost, "the task that watches receipts has ended");
        let (answer, answered) = oneshot::channel();
        self.questions.send(question(answer)).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }
}

struct Waiting {
    trans_nr: TransNr,
    peer: Option<SiteName>,
    /// The decision, where only the peer is still waited for.
    sealed: Option<SealNr>,
    answer: Answer<Decision>,
}

struct Task {
    url: DbUrl,
    origin: Origin,
    conn: Option<Conn>,
    waiting: Vec<Waiting>,
    /// What the last look for decisions saw. A decision is made once, so it serves who asks later as well.
    verdicts: Option<Verdicts>,
    /// The newest seal of this origin that a peer was seen to have posted.
    posted: BTreeMap<SiteName, SealNr>,
    /// Since when looks fail, and how long to wait before the next.
    failing: Option<(Instant, Duration)>,
}

impl Task {
    async fn run(mut self, mut questions: mpsc::Receiver<Question>) {
        loop {
            if self.waiting.is_empty() {
                let Some(question) = questions.recv().await else { return };
                self.take(question).await;
            }
            while let Ok(question) = questions.try_recv() {
                self.take(question).await;
            }
            self.waiting.retain(|waiting| !waiting.answer.is_closed());
            if self.waiting.is_empty() {
                continue;
            }
            let looked = self.look().await;
            self.note(looked);
            let pause = self.failing.map_or(LOOK_EVERY, |(_, pause)| pause);
            let next = Instant::now() + pause;
            // No driver call is raced here, only the queue. A closed one means that no receipt is left to answer.
            while !self.waiting.is_empty()
                && let Ok(question) = timeout_at(next, questions.recv()).await
            {
                let Some(question) = question else { return };
                self.take(question).await;
            }
        }
    }

    async fn take(&mut self, question: Question) {
        match question {
            Question::Decision { trans_nr, peer, answer } => {
                self.waiting.extend(self.answer_one(Waiting { trans_nr, peer, sealed: None, answer }));
            }
            Question::State { trans_nr, answer } => drop(answer.send(self.state(trans_nr).await)),
        }
    }

    async fn connection(&mut self) -> Result<Conn, SqlError> {
        match self.conn.take() {
            Some(conn) => Ok(conn),
            None => Conn::open(&self.url, Access::Read, "receipts").await,
        }
    }

    async fn state(&mut self, trans_nr: TransNr) -> Result<State, SqlError> {
        let mut conn = self.connection().await?;
        let verdicts = read_verdicts(conn.lend(), &self.origin, trans_nr, trans_nr).await?;
        let decision = verdicts.of(trans_nr).map(|(seal_nr, rejection)| decide(seal_nr, rejection));
        let paused = read_pause(conn.lend()).await?;
        self.conn = Some(conn);
        Ok(State { decision, paused })
    }

    /// One look for all who wait. A connection in doubt is dropped.
    async fn look(&mut self) -> Result<(), SqlError> {
        let mut conn = self.connection().await?;
        self.look_for_decisions(&mut conn).await?;
        self.answer();
        self.look_for_peers(&mut conn).await?;
        self.answer();
        if self.verdicts.as_ref().is_some_and(|verdicts| verdicts.rejections() > KEPT_REJECTIONS_MAX) {
            self.verdicts = None;
        }
        self.conn = Some(conn);
        Ok(())
    }

    async fn look_for_decisions(&mut self, conn: &mut Conn) -> Result<(), SqlError> {
        let undecided = self.waiting.iter().filter(|waiting| waiting.sealed.is_none());
        let Some(first) = undecided.map(|waiting| waiting.trans_nr).min() else { return Ok(()) };
        let Some(head) = load_head(conn.lend(), &self.origin).await? else { return Ok(()) };
        if head.last_nr >= first {
            self.verdicts = Some(read_verdicts(conn.lend(), &self.origin, first, head.last_nr).await?);
        }
        Ok(())
    }

    async fn look_for_peers(&mut self, conn: &mut Conn) -> Result<(), SqlError> {
        let sealed = self.waiting.iter().filter(|waiting| waiting.sealed.is_some());
        let peers: BTreeSet<SiteName> = sealed.filter_map(|waiting| waiting.peer.clone()).collect();
        for peer in peers {
            let vector = newest_seen(conn.lend(), &peer).await?;
            if let Some(seal_nr) = vector.and_then(|vector| vector.get(&self.origin).copied()) {
                self.posted.insert(peer, seal_nr);
            }
        }
        Ok(())
    }

    /// Answers whom what was seen so far answers.
    fn answer(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            self.waiting.extend(self.answer_one(waiting));
        }
    }

    /// Gives back who has to wait on.
    fn answer_one(&self, mut waiting: Waiting) -> Option<Waiting> {
        if waiting.sealed.is_none() {
            match self.verdicts.as_ref().and_then(|verdicts| verdicts.of(waiting.trans_nr)) {
                None => return Some(waiting),
                Some((seal_nr, None)) => waiting.sealed = Some(seal_nr),
                Some((seal_nr, rejection)) => {
                    drop(waiting.answer.send(Ok(decide(seal_nr, rejection))));
                    return None;
                }
            }
        }
        let is_there = |peer: &SiteName| self.posted.get(peer).copied() >= waiting.sealed;
        match waiting.sealed {
            Some(seal_nr) if waiting.peer.as_ref().is_none_or(is_there) => {
                drop(waiting.answer.send(Ok(Decision::Applied { seal_nr })));
                None
            }
            _ => Some(waiting),
        }
    }

    /// Keeps count of failed looks; tells those who wait when it has gone on too long.
    fn note(&mut self, looked: Result<(), SqlError>) {
        let Err(error) = looked else {
            self.failing = None;
            return;
        };
        let now = Instant::now();
        let (since, pause) = self.failing.unwrap_or((now, LOOK_EVERY));
        self.failing = Some((since, (pause * 2).min(LOOK_EVERY_MAX)));
        if now - since >= PATIENCE {
            for waiting in self.waiting.drain(..) {
                drop(waiting.answer.send(Err(error.clone())));
            }
            self.failing = None;
        }
    }
}

fn decide(seal_nr: SealNr, rejection: Option<&crate::model::Rejection>) -> Decision {
    match rejection {
        None => Decision::Applied { seal_nr },
        Some(rejection) => {
            Decision::Rejected { code: rejection.code.clone(), detail: rejection.detail.clone() }
        }
    }
}
