//! Shipping by SQL pull: read sealed runs out of a peer's journal, check them, write them into the own one.

use journal_core::journal::{Head, JournalStore, ReadError, ReadLimit, ReceiveError};
use journal_core::model::{Origin, Seal, SealNr, SealedRun, StoredTransaction};

use super::hand_over::HandOver;

/// What one pull did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulled {
    /// Runs taken.
    pub runs: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Whether there may be more that nobody will tell of.
    pub more: bool,
}

/// Why a pull failed. Each side's trouble apart: a peer that is down must not look like trouble here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum PullError {
    #[error("read the peer's journal")]
    Peer(#[source] ReadError),
    #[error("read the own journal")]
    Own(#[source] ReadError),
    #[error("take runs into the own journal")]
    Receive(#[source] ReceiveError),
}

/// Pulls the next batch of every origin the peer's journal knows further than the own one. Rows that began at this site
/// are left where they are: they are here already. A third site's rows are taken as well, so that a group converges
/// also while their origin is down.
pub async fn pull<P: JournalStore, J: JournalStore>(
    peer: &mut P,
    own: &mut J,
    limit: ReadLimit,
) -> Result<Pulled, PullError> {
    Puller { reads_ahead: false, ..Puller::new(limit) }.pull(peer, own).await
}

/// Pulls again and again between the same two journals, and reads the next batch from the peer while the own database
/// writes the one before.
#[derive(Debug)]
pub struct Puller {
    ahead: Option<Ahead>,
    limit: ReadLimit,
    reads_ahead: bool,
    hand_over: Option<HandOver>,
    /// How far the own journal was seen to have what began at the peer.
    have: Option<SealNr>,
}

/// Runs that were read before their turn. Whether they fit is for the store that takes them, as always.
#[derive(Debug)]
struct Ahead {
    origin: Origin,
    after: SealNr,
    runs: Vec<SealedRun>,
}

impl Puller {
    /// One that has read nothing yet. It holds up to two batches of that size in memory.
    pub fn new(limit: ReadLimit) -> Self {
        Self { ahead: None, limit, reads_ahead: true, hand_over: None, have: None }
    }

    /// Hands what it has written to the poster as well.
    #[must_use]
    pub fn handing_over(self, to: HandOver) -> Self {
        Self { hand_over: Some(to), ..self }
    }

    /// As [`pull`].
    pub async fn pull<P: JournalStore, J: JournalStore>(
        &mut self,
        peer: &mut P,
        own: &mut J,
    ) -> Result<Pulled, PullError> {
        let (have, there) = tokio::join!(own.heads(), peer.heads());
        let (have, there) = (have.map_err(PullError::Own)?, there.map_err(PullError::Peer)?);
        let have = |origin: &Origin| {
            have.iter().find(|own| own.origin == *origin).map_or(SealNr(0), |own| own.seal_nr)
        };
        self.have = Some(have(peer.origin()));
        let mut pulled = Pulled::default();
        for Head { origin, seal_nr, .. } in there {
            let after = have(&origin);
            if origin == *own.origin() || seal_nr <= after {
                continue;
            }
            let runs = self.next(peer, &origin, after).await?;
            let taken = self.take(peer, own, runs, Some(seal_nr)).await?;
            pulled.runs += taken.runs;
            pulled.transactions += taken.transactions;
        }
        pulled.more = pulled.runs > 0;
        Ok(pulled)
    }

    /// The same for one that was told of a seal: asks for what follows what it has, and how far both journals are only if
    /// that is nothing.
    pub async fn pull_told<P: JournalStore, J: JournalStore>(
        &mut self,
        peer: &mut P,
        own: &mut J,
    ) -> Result<Pulled, PullError> {
        if let Some(after) = self.have {
            let origin = peer.origin().clone();
            let runs = self.next(peer, &origin, after).await?;
            let more = !self.is_all(&runs);
            match self.take(peer, own, runs, None).await {
                // Somebody else brought it, or the own journal is not where it was: a look tells.
                Err(PullError::Receive(ReceiveError::Gap { .. })) | Ok(Pulled { runs: 0, .. }) => {}
                taken => return taken.map(|taken| Pulled { more, ..taken }),
            }
        }
        self.pull(peer, own).await
    }

    /// Whether a single run is all there was when it was read, as far as its size tells: one that would not have fitted behind
    /// it is found at the next look.
    fn is_all(&self, runs: &[SealedRun]) -> bool {
        let [run] = runs else { return false };
        let bytes: usize = run.transactions.iter().map(StoredTransaction::weight).sum();
        run.transactions.len() < self.limit.transactions / 2 && bytes < self.limit.bytes / 2
    }

    async fn next<P: JournalStore>(
        &mut self,
        peer: &mut P,
        origin: &Origin,
        after: SealNr,
    ) -> Result<Vec<SealedRun>, PullError> {
        match self.ahead.take() {
            Some(ahead) if ahead.origin == *origin && ahead.after == after => Ok(ahead.runs),
            _ => peer.read_runs(origin, after, self.limit).await.map_err(PullError::Peer),
        }
    }

    /// Writes runs, and meanwhile reads what follows them, if the peer is known to have more, up to `until`.
    async fn take<P: JournalStore, J: JournalStore>(
        &mut self,
        peer: &mut P,
        own: &mut J,
        mut runs: Vec<SealedRun>,
        until: Option<SealNr>,
    ) -> Result<Pulled, PullError> {
        let Some(last) = runs.last().map(|run| run.seal.seal_nr) else { return Ok(Pulled::default()) };
        self.write(peer, own, &runs, self.reads_ahead && until.is_some_and(|until| last < until)).await?;
        if runs[0].seal.origin == *peer.origin() {
            self.have = Some(last);
        }
        let transactions = runs.iter().map(|run| run.transactions.len() as u64).sum();
        let pulled = Pulled { runs: runs.len() as u64, transactions, more: true };
        if let Some(hand_over) = &self.hand_over {
            runs.iter_mut().for_each(SealedRun::forget_packs);
            hand_over.offer(runs).await;
        }
        Ok(pulled)
    }

    /// Of two calls each comes to its end, whatever the other one says.
    async fn write<P: JournalStore, J: JournalStore>(
        &mut self,
        peer: &mut P,
        own: &mut J,
        runs: &[SealedRun],
        more: bool,
    ) -> Result<(), PullError> {
        let Some(Seal { origin, seal_nr: after, .. }) = runs.last().map(|run| &run.seal).filter(|_| more)
        else {
            return own.receive(runs).await.map(drop).map_err(PullError::Receive);
        };
        let (received, read) = tokio::join!(own.receive(runs), peer.read_runs(origin, *after, self.limit));
        received.map_err(PullError::Receive)?;
        // What could not be read is read again in its turn, and its trouble told then.
        self.ahead = read.ok().map(|runs| Ahead { origin: origin.clone(), after: *after, runs });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use journal_core::conformance::{UNLIMITED, origin};
    use journal_core::store::memory::MemoryJournal;

    use super::super::material::{ONE, peer_with};
    use super::*;

    #[tokio::test]
    async fn a_batch_is_read_while_the_one_before_is_written() {
        let (mut peer, mut own) = (peer_with(3).await, MemoryJournal::new(origin("a")));
        let mut puller = Puller::new(ONE);
        for taken in 1..=3 {
            let pulled = puller.pull(&mut peer, &mut own).await.unwrap();
            assert_eq!(pulled, Pulled { runs: 1, transactions: 1, more: true });
            assert_eq!(own.head(&origin("b")).seal_nr, SealNr(taken));
            assert_eq!(puller.ahead.as_ref().map(|ahead| ahead.after), (taken < 3).then_some(SealNr(taken)));
        }
        assert_eq!(puller.pull(&mut peer, &mut own).await.unwrap(), Pulled::default());
    }

    #[tokio::test]
    async fn runs_read_ahead_that_somebody_else_brought_meanwhile_are_left() {
        let (mut peer, mut own) = (peer_with(4).await, MemoryJournal::new(origin("a")));
        let mut puller = Puller::new(ONE);
        puller.pull(&mut peer, &mut own).await.unwrap();
        pull(&mut peer, &mut own, ONE).await.unwrap();
        pull(&mut peer, &mut own, ONE).await.unwrap();
        assert_eq!(
            puller.pull(&mut peer, &mut own).await.unwrap(),
            Pulled { runs: 1, transactions: 1, more: true }
        );
        assert_eq!(own.head(&origin("b")).seal_nr, SealNr(4));
    }

    #[tokio::test]
    async fn who_was_told_takes_what_follows_and_looks_when_nothing_does() {
        let (mut peer, mut own) = (peer_with(1).await, MemoryJournal::new(origin("a")));
        let mut puller = Puller::new(ONE);
        let one = Pulled { runs: 1, transactions: 1, more: true };
        assert_eq!(puller.pull_told(&mut peer, &mut own).await.unwrap(), one, "it knew nothing, and looked");
        peer = peer_with(3).await;
        assert_eq!(puller.pull_told(&mut peer, &mut own).await.unwrap(), one);
        assert_eq!(own.head(&origin("b")).seal_nr, SealNr(2));
        pull(&mut peer, &mut own, ONE).await.unwrap();
        assert_eq!(
            puller.pull_told(&mut peer, &mut own).await.unwrap(),
            one,
            "it is here, which does no harm"
        );
        assert_eq!(puller.pull_told(&mut peer, &mut own).await.unwrap(), Pulled::default());
    }

    #[tokio::test]
    async fn who_was_told_of_one_run_is_told_of_the_next() {
        let (mut peer, mut own) = (peer_with(1).await, MemoryJournal::new(origin("a")));
        let mut puller = Puller::new(UNLIMITED);
        assert!(puller.pull(&mut peer, &mut own).await.unwrap().more);
        for (seals, runs, more) in [(2, 1, false), (4, 2, true), (4, 0, false)] {
            peer = peer_with(seals).await;
            let pulled = puller.pull_told(&mut peer, &mut own).await.unwrap();
            assert_eq!((pulled.runs, pulled.more), (runs, more), "of {seals} seals");
        }
        puller.limit = ONE;
        peer = peer_with(6).await;
        assert!(puller.pull_told(&mut peer, &mut own).await.unwrap().more, "a read had no room for more");
    }

    #[tokio::test]
    async fn who_was_told_finds_an_own_journal_that_has_lost_something() {
        let (mut peer, mut own) = (peer_with(2).await, MemoryJournal::new(origin("a")));
        let mut puller = Puller::new(UNLIMITED);
        puller.pull(&mut peer, &mut own).await.unwrap();
        let (mut peer, mut restored) = (peer_with(3).await, MemoryJournal::new(origin("a")));
        pull(&mut peer, &mut restored, ONE).await.unwrap();
        let pulled = puller.pull_told(&mut peer, &mut restored).await.unwrap();
        assert_eq!((pulled.runs, restored.head(&origin("b")).seal_nr), (2, SealNr(3)));
    }
}
