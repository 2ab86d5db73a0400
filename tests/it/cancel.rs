//! Every await of the posting and shipping paths, cut once: the future is dropped at its k-th wait for k = 1, 2 and so
//! on, what it held is dropped with it and opened afresh, and the group must come to where an uncut one comes.

mod group;

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use applier::control::ControlStore as _;
use applier::ledger::memory::faults::{Call, Trouble};
use applier::ledger::{Asked, Ledger as _, LedgerChange};
use applier::ship::pull::pull;
use journal_core::codec::payload;
use journal_core::journal::{JournalStore as _, ReadLimit};
use journal_core::model::{Change, Codec, NewTransaction, SchemaVersion, SealNr, Value};
use journal_tests::rig::row;
use journal_tests::servers::mariadb_or_skip;

use group::{InMemory, LIMIT, OverSql, Stores, drain, poster, settle, ship, state};

/// On a server a path has many waits for its answers, and each costs two rounds.
const WAITS_APART: usize = 5;
/// More waits than any of these calls has; beyond it something waits for ever.
const WAITS_MAX: usize = 2000;

/// A future that is dropped at a wait.
struct Cut<'f, F> {
    future: Pin<&'f mut F>,
    waits_left: usize,
}

impl<F: Future> Future for Cut<'_, F> {
    /// `None` when it was cut.
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.future.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.waits_left == 1 => Poll::Ready(None),
            Poll::Pending => {
                self.waits_left -= 1;
                Poll::Pending
            }
        }
    }
}

/// Whether the future came to its end before its k-th wait.
async fn completes<F: Future>(future: F, kth: Option<usize>) -> bool {
    let future = pin!(future);
    Cut { future, waits_left: kth.unwrap_or(usize::MAX) }.await.is_some()
}

/// What is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    Append,
    Decide,
    Pull,
    Post,
    Quarantine,
    Release,
    Acknowledge,
}

fn transaction<S: Stores>(stores: &S, nr: u128, changes: &[Change]) -> NewTransaction {
    let schema = stores.registry().schema(SchemaVersion(1)).unwrap();
    let encode = |(nr, change)| payload::encode(change, nr, Codec::Bincode, schema).unwrap();
    NewTransaction {
        tx_id: uuid::Uuid::from_u128(nr),
        schema_version: SchemaVersion(1),
        author: "test".into(),
        entries: (1..).zip(changes).map(encode).collect(),
    }
}

fn stats(store: i64) -> Change {
    let revenue = Value::Decimal("0.00".parse().unwrap());
    let cells = [
        ("store_id", store.into()),
        ("nr_of_users", 0.into()),
        ("nr_of_rentals", 0.into()),
        ("revenue", revenue),
    ];
    Change::insert("stats", row(cells))
}

/// Seen once, it adds one; seen twice, two.
fn user(store: i64) -> Change {
    Change::add("stats", row([("store_id", store.into())]), row([("nr_of_users", 1.into())]))
}

fn users(store: i64, users: i64) -> Change {
    Change::update("stats", row([("store_id", store.into())]), row([("nr_of_users", users.into())]))
}

async fn append<S: Stores>(stores: &S, site: &str, batch: &[NewTransaction]) {
    stores.journal(site).await.append(batch).await.unwrap();
}

/// One round: brings a group to the brink of a path, goes it with a cut or without, and comes to rest. Whether the path
/// was gone to its end.
async fn round<S: Stores>(stores: &S, path: Path, nr: usize, kth: Option<usize>) -> bool {
    let (store, id) = (i64::try_from(nr).unwrap(), |at: u128| u128::try_from(nr).unwrap() * 10 + at);
    let valid = [
        transaction(stores, id(0), &[stats(store), user(store)]),
        transaction(stores, id(1), &[user(store), user(-1)]), // There is no such store: rejected whole.
        transaction(stores, id(2), &[user(store)]),
    ];
    let clashing =
        [transaction(stores, id(3), &[users(store, 100)]), transaction(stores, id(4), &[user(store)])];
    if path != Path::Append {
        append(stores, "a", &valid).await;
    }
    if path != Path::Append && path != Path::Decide {
        drain(stores, "a").await;
    }
    if matches!(path, Path::Quarantine | Path::Release) {
        settle(stores).await;
        append(stores, "a", &clashing).await;
        append(stores, "b", &[transaction(stores, id(5), &[users(store, 200)])]).await;
        drain(stores, "a").await;
        drain(stores, "b").await;
    }
    if !matches!(path, Path::Append | Path::Decide | Path::Pull) {
        ship(stores, "a", "b").await;
    }
    if matches!(path, Path::Release | Path::Acknowledge) {
        let mut poster = poster(stores, "b").await;
        poster.turn().await.unwrap();
    }
    if path == Path::Release {
        let first = stores.ledger("b").await.quarantined().await.unwrap()[0].0.id.clone();
        assert!(stores.control("b").await.ask(&first, Asked::Retry, "test", "a decides").await.unwrap());
    }
    let completed = go(stores, path, &valid, kth).await;
    if path == Path::Append {
        append(stores, "a", &valid).await; // The client asks again.
    }
    settle(stores).await;
    if matches!(path, Path::Quarantine | Path::Release) {
        discard_all(stores).await;
    }
    completed
}

/// The path itself.
async fn go<S: Stores>(stores: &S, path: Path, batch: &[NewTransaction], kth: Option<usize>) -> bool {
    match path {
        Path::Append => completes(stores.journal("a").await.append(batch), kth).await,
        Path::Pull => {
            let (mut from, mut into) = (stores.journal("a").await, stores.journal("b").await);
            completes(pull(&mut from, &mut into, LIMIT), kth).await
        }
        Path::Decide => completes(poster(stores, "a").await.turn(), kth).await,
        Path::Post | Path::Quarantine | Path::Release | Path::Acknowledge => {
            completes(poster(stores, "b").await.turn(), kth).await
        }
    }
}

/// So that one round's clash does not hold up the next one's. Equal records at both sites were looked at before.
async fn discard_all<S: Stores>(stores: &S) {
    for site in ["a", "b"] {
        for (entry, _) in stores.ledger(site).await.quarantined().await.unwrap() {
            assert!(
                stores
                    .control(site)
                    .await
                    .ask(&entry.id, Asked::Discard, "test", "the other one won")
                    .await
                    .unwrap()
            );
        }
    }
    settle(stores).await;
}

/// Cuts a path at its waits, `every` so many, beside a group in which nothing is cut.
async fn cut_everywhere<S: Stores>(cut: &S, whole: &S, path: Path, every: usize) {
    let mut kth = 1;
    for nr in 1..WAITS_MAX {
        let completed = round(cut, path, nr, Some(kth)).await;
        assert!(round(whole, path, nr, None).await);
        assert_eq!(state(cut).await, state(whole).await, "{path:?} was cut at its {kth}. wait");
        match completed {
            true if kth > 2 => return,
            // On a busy machine a server may have answered before anybody looked: once more.
            true => {}
            false => kth += every,
        }
    }
    panic!("{path:?} does not end, or does not wait for anything");
}

macro_rules! cut_everywhere {
    ($($name:ident: $path:ident),* $(,)?) => {
        mod in_memory {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                cut_everywhere(&InMemory::new(), &InMemory::new(), Path::$path, 1).await;
            })*
        }
        mod over_sqlite {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                cut_everywhere(&OverSql::sqlite().await, &OverSql::sqlite().await, Path::$path, 1).await;
            })*
        }
        mod over_mariadb {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let Some(server) = mariadb_or_skip() else { return };
                let (cut, whole) = (OverSql::on(server).await, OverSql::on(server).await);
                cut_everywhere(&cut, &whole, Path::$path, WAITS_APART).await;
            })*
        }
    };
}
cut_everywhere! {
    an_append_cut_at_any_wait_is_there_once_when_asked_for_again: Append,
    deciding_cut_at_any_wait_decides_once: Decide,
    a_pull_cut_at_any_wait_brings_everything_once: Pull,
    posting_cut_at_any_wait_posts_once: Post,
    quarantining_cut_at_any_wait_keeps_everything: Quarantine,
    a_release_cut_at_any_wait_posts_once: Release,
    acknowledging_cut_at_any_wait_comes_to_rest: Acknowledge,
}

/// Found by the simulator: what was decided on top of half a run looked concurrent with it at every peer.
#[tokio::test]
async fn half_a_run_is_finished_before_anything_is_decided_on_top_of_it() {
    let stores = InMemory::new();
    let site = stores.site("b");
    // Given: a run of which b's ledger takes the first transaction, and not the second: somebody typed that row in.
    let mut by_hand = site.ledger();
    by_hand.begin().await.unwrap();
    by_hand.apply(&[LedgerChange::new(stats(2))]).await.unwrap();
    by_hand.commit().await.unwrap();
    let run = [transaction(&stores, 1, &[stats(1)]), transaction(&stores, 2, &[stats(2)])];
    append(&stores, "a", &run).await;
    drain(&stores, "a").await;
    ship(&stores, "a", "b").await;
    // When: b's poster dies between the commits of the two, and b's clients go on with the first one's row.
    site.faults().arm(Call::Commit, 2, Trouble::UndoneReplyLost);
    assert!(poster(&stores, "b").await.turn().await.is_err());
    append(&stores, "b", &[transaction(&stores, 3, &[users(1, 7)])]).await;
    settle(&stores).await;
    // Then: they had seen the run, and a takes it for what it is.
    let mut journal = stores.journal("b").await;
    let limit = ReadLimit { transactions: 1, bytes: 1 };
    let decided = &journal.read_runs(&site.journal().origin().clone(), SealNr(0), limit).await.unwrap()[0];
    assert_eq!(decided.seal.seen.len(), 1, "{decided:?}");
    assert!(stores.ledger("a").await.quarantined().await.unwrap().is_empty());
    assert_eq!(stores.ledger("b").await.quarantined().await.unwrap().len(), 1);
}
