//! Ids out of blocks: the database is asked once a block, and two sites never get the same.

use std::collections::HashMap;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

use super::group_commit::{Command, Errand};
use crate::sql::{SqlClass, SqlError};

/// What is left of each sequence's present block.
#[derive(Debug, Default)]
pub(super) struct IdBlocks {
    /// Held across the taking of a block, so that many callers of an empty block take one.
    blocks: Mutex<Blocks>,
}

#[derive(Debug, Default)]
struct Blocks {
    /// Next and last id.
    left: HashMap<String, (i64, i64)>,
    /// The last block that could not be taken.
    failed: Option<Failed>,
}

/// A block that could not be taken.
#[derive(Debug)]
struct Failed {
    at: Instant,
    sequence: String,
    error: SqlError,
}

impl Failed {
    /// Whether it answers somebody who has waited since then: who asked while it was tried would only try as long again.
    fn answers(&self, sequence: &str, since: Instant) -> bool {
        self.at >= since && (self.sequence == sequence || !self.error.is_of_content())
    }
}

impl Blocks {
    fn next(&mut self, sequence: &str) -> Option<i64> {
        let (next, last) = self.left.get_mut(sequence)?;
        let id = *next;
        (id <= *last).then(|| {
            *next += 1;
            id
        })
    }
}

impl IdBlocks {
    pub(super) async fn next(&self, writer: &mpsc::Sender<Command>, sequence: &str) -> Result<i64, SqlError> {
        let since = Instant::now();
        let mut blocks = self.blocks.lock().await;
        if let Some(id) = blocks.next(sequence) {
            return Ok(id);
        }
        if let Some(failed) = blocks.failed.as_ref().filter(|failed| failed.answers(sequence, since)) {
            return Err(failed.error.clone());
        }
        match take(writer, sequence).await {
            Ok((first, last)) => {
                blocks.left.insert(sequence.to_owned(), (first + 1, last));
                Ok(first)
            }
            Err(error) => {
                let (at, sequence) = (Instant::now(), sequence.to_owned());
                blocks.failed = Some(Failed { at, sequence, error: error.clone() });
                Err(error)
            }
        }
    }

    pub(super) async fn reserve_above(
        &self,
        writer: &mpsc::Sender<Command>,
        sequence: &str,
        floor: i64,
    ) -> Result<(), SqlError> {
        let mut blocks = self.blocks.lock().await;
        let (reply, skipped) = oneshot::channel();
        let errand = Errand::SkipIds { sequence: sequence.to_owned(), floor, reply };
        writer.send(Command::Errand(errand)).await.map_err(|_| closed())?;
        skipped.await.map_err(|_| closed())??;
        // The rest of the present block may lie below the floor.
        if blocks.left.get(sequence).is_some_and(|(next, _)| *next <= floor) {
            blocks.left.remove(sequence);
        }
        Ok(())
    }
}

async fn take(writer: &mpsc::Sender<Command>, sequence: &str) -> Result<(i64, i64), SqlError> {
    let (reply, taken) = oneshot::channel();
    let errand = Errand::TakeIds { sequence: sequence.to_owned(), reply };
    writer.send(Command::Errand(errand)).await.map_err(|_| closed())?;
    taken.await.map_err(|_| closed())?
}

fn closed() -> SqlError {
    SqlError::new(SqlClass::Refused, "the journal was closed")
}
