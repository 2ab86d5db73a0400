//! Group commit at work: one task owns the connections that write, and whatever callers have brought while a commit was
//! under way shares the next. On PostgreSQL a second commit goes beside the first where many wait, so that callers,
//! database and disk need not wait for each other.
//!
//! The task alone awaits the driver, so a caller that goes away can cut nothing in half.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::commit::{commit, run_errand, try_to_commit};
use super::group_commit::{Command, Errand, GroupCommit};
use super::queue::{Batch, Begun, Queue, UnderWay};
use crate::sql::SqlError;
use crate::store::sql::SqlJournal;

/// After a connection beside the first could not be opened, so long none is tried.
const OPEN_AGAIN: Duration = Duration::from_secs(10);

/// The task. Ends when it is told to close, or when nobody is left who could send.
pub(super) struct Writer {
    limits: GroupCommit,
    commands: mpsc::Receiver<Command>,
    /// Whether nothing more will come.
    last: bool,
    queue: Queue,
    errands: VecDeque<Errand>,
    /// Journals that nothing is under way on; the last is taken first, so that one connection does most.
    idle: Vec<SqlJournal>,
    /// Those without a connection, which is opened before they take part.
    unopened: Vec<SqlJournal>,
    open_after: Instant,
    commits: UnderWay,
    /// Journals that something is under way on.
    busy: usize,
    work: FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send>>>,
}

/// What has come to its end, and the journal it was done on.
enum Done {
    /// With what of it was not tried.
    Commit(SqlJournal, Begun, Batch),
    Errand(SqlJournal),
    Open(SqlJournal, Result<(), SqlError>),
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn new(journal: SqlJournal, limits: GroupCommit, commands: mpsc::Receiver<Command>) -> Self {
        let beside =
            if journal.takes_appends_beside_one_another() { limits.commits_max.max(1) - 1 } else { 0 };
        Self {
            limits,
            commands,
            last: false,
            queue: Queue::new(limits),
            errands: VecDeque::new(),
            unopened: (0..beside).map(|_| journal.beside()).collect(),
            idle: vec![journal],
            open_after: Instant::now(),
            commits: UnderWay::default(),
            busy: 0,
            work: FuturesUnordered::new(),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let now = Instant::now();
            self.begin(now);
            // A connection that is still being opened is for nobody then.
            if self.last && self.busy == 0 && self.queue.is_empty() && self.errands.is_empty() {
                break;
            }
            let has_room = !self.last && self.queue.has_room();
            // What is due and has not begun waits for a commit to end, not for the clock.
            let until = self.queue.until().filter(|until| *until > now);
            tokio::select! {
                Some(done) = self.work.next() => self.ended(done),
                command = self.commands.recv(), if has_room => self.take_in(command),
                () = sleep_until(until.unwrap_or(now)), if until.is_some() => {}
            }
            // Callers that a commit let go are about to send again. Without this turn for them, the first of them would
            // have a commit to itself, and all others would wait for two.
            tokio::task::yield_now().await;
            while self.queue.has_room()
                && let Ok(command) = self.commands.try_recv()
            {
                self.take_in(Some(command));
            }
        }
    }

    fn take_in(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Append(waiting)) => self.queue.push(waiting, Instant::now()),
            Some(Command::Errand(errand)) => {
                // One caller at a time asks for ids, so all but one are of callers that went away.
                self.errands.retain(Errand::is_wanted);
                self.errands.push_back(errand);
            }
            // What is queued is still appended; nothing new gets in.
            Some(Command::Close) => self.commands.close(),
            None => self.last = true,
        }
    }

    /// Begins what can be begun.
    fn begin(&mut self, now: Instant) {
        self.errands.retain(Errand::is_wanted);
        while let Some(errand) = self.errands.pop_front() {
            let Some(journal) = self.idle.pop() else {
                self.errands.push_front(errand);
                break;
            };
            self.run_errand(journal, errand);
        }
        while let Some(count) = self.ready(now) {
            let Some(journal) = self.idle.pop() else { return self.open_another(now) };
            self.commit(journal, count);
        }
    }

    fn ready(&self, now: Instant) -> Option<usize> {
        let shared = self.idle.len() > 1 || (!self.unopened.is_empty() && now >= self.open_after);
        self.queue.ready(&self.commits, shared, now, self.last)
    }

    fn commit(&mut self, mut journal: SqlJournal, count: usize) {
        let (batch, patience) = (self.queue.take(count), self.limits.patience);
        let begun = self.commits.begins(&batch);
        let beside_another = self.busy + self.idle.len() > 0;
        self.busy += 1;
        self.work.push(Box::pin(async move {
            let left = if beside_another {
                try_to_commit(&mut journal, batch, patience).await
            } else {
                commit(&mut journal, batch, patience).await;
                Batch::new()
            };
            Done::Commit(journal, begun, left)
        }));
    }

    fn run_errand(&mut self, mut journal: SqlJournal, errand: Errand) {
        let patience = self.limits.patience;
        self.busy += 1;
        self.work.push(Box::pin(async move {
            run_errand(&mut journal, errand, patience).await;
            Done::Errand(journal)
        }));
    }

    /// Nothing waits for this connection: what could use it shares the next commit if it cannot be had.
    fn open_another(&mut self, now: Instant) {
        if now < self.open_after {
            return;
        }
        let Some(mut journal) = self.unopened.pop() else { return };
        self.work.push(Box::pin(async move {
            let opened = match journal.connection().await {
                Ok(conn) => {
                    journal.give_back(conn);
                    Ok(())
                }
                Err(error) => Err(error),
            };
            Done::Open(journal, opened)
        }));
    }

    fn ended(&mut self, done: Done) {
        match done {
            Done::Commit(journal, begun, left) => {
                self.busy -= 1;
                self.commits.ends(begun);
                if !left.is_empty() {
                    self.queue.put_back(left, Instant::now());
                    self.open_after = Instant::now() + OPEN_AGAIN;
                }
                self.rest(journal);
            }
            Done::Errand(journal) => {
                self.busy -= 1;
                self.rest(journal);
            }
            Done::Open(journal, Ok(())) => self.idle.insert(0, journal),
            Done::Open(journal, Err(error)) => {
                tracing::debug!(%error, "no second connection for appends; they share the first");
                self.open_after = Instant::now() + OPEN_AGAIN;
                self.unopened.push(journal);
            }
        }
    }

    /// Takes a journal back. One that lost its connection opens another before it takes part again, but for the only one.
    fn rest(&mut self, journal: SqlJournal) {
        if journal.is_connected() || self.busy + self.idle.len() == 0 {
            self.idle.push(journal);
        } else {
            self.unopened.push(journal);
        }
    }
}
