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

use super::commit::{commit, run_errand};
use super::group_commit::{Command, Errand, GroupCommit};
use super::queue::{Queue, UnderWay};
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
    /// Those without a connection.
    unopened: Vec<SqlJournal>,
    open_after: Instant,
    commits: UnderWay,
    work: FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send>>>,
}

/// What has come to its end, and the journal it was done on.
enum Done {
    Commit(SqlJournal, usize),
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
            work: FuturesUnordered::new(),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.begin();
            if self.last && self.work.is_empty() {
                break;
            }
            let (has_room, until) = (!self.last && self.queue.has_room(), self.queue.until());
            tokio::select! {
                Some(done) = self.work.next() => self.ended(done),
                command = self.commands.recv(), if has_room => self.take_in(command),
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {}
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
            Some(Command::Errand(errand)) => self.errands.push_back(errand),
            // What is queued is still appended; nothing new gets in.
            Some(Command::Close) => self.commands.close(),
            None => self.last = true,
        }
    }

    /// Begins what can be begun.
    fn begin(&mut self) {
        while let Some(errand) = self.errands.pop_front() {
            let Some(journal) = self.idle.pop() else {
                self.errands.push_front(errand);
                break;
            };
            self.run_errand(journal, errand);
        }
        while let Some(count) = self.ready() {
            let Some(journal) = self.idle.pop() else { return self.open_another() };
            self.commit(journal, count);
        }
    }

    fn ready(&self) -> Option<usize> {
        let now = Instant::now();
        let shared = self.idle.len() > 1 || (!self.unopened.is_empty() && now >= self.open_after);
        self.queue.ready(&self.commits, shared, now, self.last)
    }

    fn commit(&mut self, mut journal: SqlJournal, count: usize) {
        let (batch, patience) = (self.queue.take(count), self.limits.patience);
        self.commits.begins(&batch);
        self.work.push(Box::pin(async move {
            commit(&mut journal, batch, patience).await;
            Done::Commit(journal, count)
        }));
    }

    fn run_errand(&mut self, mut journal: SqlJournal, errand: Errand) {
        let patience = self.limits.patience;
        self.work.push(Box::pin(async move {
            run_errand(&mut journal, errand, patience).await;
            Done::Errand(journal)
        }));
    }

    /// Nothing waits for this connection: what could use it shares the next commit if it cannot be had.
    fn open_another(&mut self) {
        if Instant::now() < self.open_after {
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
            Done::Commit(journal, size) => {
                self.commits.ends(size);
                self.idle.push(journal);
            }
            Done::Errand(journal) => self.idle.push(journal),
            Done::Open(journal, Ok(())) => self.idle.insert(0, journal),
            Done::Open(journal, Err(error)) => {
                tracing::debug!(%error, "no second connection for appends; they share the first");
                self.open_after = Instant::now() + OPEN_AGAIN;
                self.unopened.push(journal);
            }
        }
    }
}
