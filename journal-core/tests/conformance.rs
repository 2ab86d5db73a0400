//! The conformance suite over the stores that need no server. PostgreSQL runs it in the workspace's `tests` crate.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use journal_core::conformance::Rig;
use journal_core::model::{Origin, SealedRun};
use journal_core::sql::SqlError;
use journal_core::store::memory::MemoryJournal;

struct Memory;

impl Rig for Memory {
    type Store = MemoryJournal;

    async fn create(&mut self, origin: &Origin) -> MemoryJournal {
        MemoryJournal::new(origin.clone())
    }

    async fn reopen(&mut self, store: &MemoryJournal) -> MemoryJournal {
        store.clone()
    }

    async fn seal(&mut self, store: &mut MemoryJournal, run: &SealedRun) -> Result<(), SqlError> {
        store.seal(run)
    }
}

mod memory {
    use super::Memory;
    journal_core::journal_conformance!(Some(Memory));
}

mod sqlite {
    use journal_core::conformance::SqlRig;

    fn rig() -> SqlRig {
        let directory = tempfile::tempdir().unwrap();
        let mut made = 0;
        SqlRig::new(move || {
            made += 1;
            format!("sqlite:{}/{made}.db", directory.path().display()).parse().unwrap()
        })
    }

    journal_core::journal_conformance!(Some(rig()));
}
