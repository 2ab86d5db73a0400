//! Ids out of blocks: the database is asked once a block, and two sites never get the same.

use std::collections::HashMap;

use tokio::sync::{Mutex, mpsc, oneshot};

use super::group_commit::{Command, Errand};
use crate::sql::{SqlClass, SqlError};

/// What is left of each sequence's present block.
#[derive(Debug, Default)]
pub(super) struct IdBlocks {
    /// Next and last id. Held across the taking of a block, so that many callers of an empty block take one.
    left: Mutex<HashMap<String, (i64, i64)>>,
}

impl IdBlocks {
    pub(super) async fn next(&self, writer: &mpsc::Sender<Command>, sequence: &str) -> Result<i64, SqlError> {
        let mut left = self.left.lock().await;
        let (next, last) = match left.get(sequence) {
            Some((next, last)) if next <= last => (*next, *last),
            _ => {
                let (reply, taken) = oneshot::channel();
                let errand = Errand::TakeIds { sequence: sequence.to_owned(), reply };
                writer.send(Command::Errand(errand)).await.map_err(|_| closed())?;
                taken.await.map_err(|_| closed())??
            }
        };
        left.insert(sequence.to_owned(), (next + 1, last));
        Ok(next)
    }

    pub(super) async fn reserve_above(
        &self,
        writer: &mpsc::Sender<Command>,
        sequence: &str,
        floor: i64,
    ) -> Result<(), SqlError> {
        let mut left = self.left.lock().await;
        let (reply, skipped) = oneshot::channel();
        let errand = Errand::SkipIds { sequence: sequence.to_owned(), floor, reply };
        writer.send(Command::Errand(errand)).await.map_err(|_| closed())?;
        skipped.await.map_err(|_| closed())??;
        // The rest of the present block may lie below the floor.
        if left.get(sequence).is_some_and(|(next, _)| *next <= floor) {
            left.remove(sequence);
        }
        Ok(())
    }
}

fn closed() -> SqlError {
    SqlError::new(SqlClass::Refused, "the journal was closed")
}
