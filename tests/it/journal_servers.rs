//! What a journal in any database server has to hold, and what tests of one product share.

use std::time::Duration;

use journal_core::conformance::{SqlRig, UNLIMITED, content, initialise, new_transaction, origin, seal_next};
use journal_core::journal::{AppendError, Appended, JournalStore, ReceiveError, Tail};
use journal_core::model::{SealNr, TransNr};
use journal_core::sql::{Access, Conn, DbUrl, SqlClass};
use journal_core::store::sql::{SqlJournal, append_in};
use journal_tests::proxy::{Cut, Proxy};
use journal_tests::servers::Server;
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A journal of site a in a database of its own, and its address.
pub(crate) async fn journal(url: &str) -> (SqlJournal, String) {
    let address: DbUrl = url.parse().unwrap();
    initialise(&address, &origin("a")).await;
    (SqlJournal::open(&address, Access::Write, "test").await.unwrap(), url.to_owned())
}

pub(crate) async fn append(store: &mut SqlJournal, seed: u64) -> TransNr {
    store.append(&[new_transaction(seed, 1)]).await.unwrap()[0].trans_nr
}

pub(crate) async fn tail(store: &mut SqlJournal) -> Tail {
    store.read_tail(TransNr(0), UNLIMITED).await.unwrap()
}

pub(crate) fn numbers(tail: &Tail) -> Vec<TransNr> {
    tail.transactions.iter().map(|transaction| transaction.id.trans_nr).collect()
}

/// Writers that commit and roll back in any order, a reader that moves on as it may: what it passes, it has read.
/// `rest` is a statement by which the server holds a writer up: it widens the window.
pub(crate) async fn a_reader_beside_many_writers(server: &Server, rest: &'static str) -> Vec<TransNr> {
    const WRITERS: u64 = 6;
    const ROUNDS: u64 = 40;
    let (mut store, url) = journal(&server.create_database().url).await;
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let url: DbUrl = url.parse().unwrap();
        let mut chance = ChaCha8Rng::seed_from_u64(seed.wrapping_add(writer));
        writers.spawn(async move {
            let mut committed = Vec::new();
            let mut session = Conn::open(&url, Access::Write, "test").await.unwrap();
            for round in 0..ROUNDS {
                session.begin().await.unwrap();
                let batch =
                    [new_transaction(writer * 1000 + round, 1 + usize::from(chance.random::<bool>()))];
                let appended = append_in(session.lend(), &origin("a"), &batch).await.unwrap();
                if chance.random_bool(0.4) {
                    session.lend().script(rest).await.unwrap();
                }
                if chance.random_bool(0.3) {
                    session.rollback().await.unwrap();
                } else {
                    session.commit().await.unwrap();
                    committed.push(appended[0].trans_nr);
                }
            }
            committed
        });
    }
    let (mut read, mut after, mut holes) = (Vec::new(), TransNr(0), 0);
    let mut committed = Vec::new();
    while let Some(done) = {
        let tail = store.read_tail(after, UNLIMITED).await.unwrap();
        read.extend(numbers(&tail));
        holes += usize::from(tail.hole.is_some());
        after = tail.up_to;
        if writers.is_empty() { None } else { Some(writers.try_join_next()) }
    } {
        committed.extend(done.into_iter().flat_map(Result::unwrap));
    }
    read.extend(numbers(&store.read_tail(after, UNLIMITED).await.unwrap()));
    committed.sort_unstable();
    assert_eq!(read, committed, "seed {seed}");
    println!("{} commits, {holes} looks stopped at a hole", committed.len());
    committed
}

pub(crate) async fn an_append_whose_answer_is_lost(server: &Server) {
    let proxy = Proxy::start(server);
    let database = server.create_database();
    initialise(&database.url.parse().unwrap(), &origin("a")).await;
    let through = proxy.url(server, &database.name).parse().unwrap();
    let mut store = SqlJournal::open(&through, Access::Write, "test").await.unwrap();
    for (seed, cut, kept) in
        [(1, Cut::ReplyLost, true), (2, Cut::BeforeCommit, false), (3, Cut::ReplyHalved, true)]
    {
        let batch = [new_transaction(seed, 2)];
        proxy.cut_at_commit(cut, 0);
        let error = store.append(&batch).await.unwrap_err();
        assert!(matches!(&error, AppendError::Store(error) if error.class == SqlClass::Lost), "{error:?}");
        let again = store.append(&batch).await.unwrap();
        assert_eq!(again[0].repeated, kept, "{cut:?}");
        let once_more = Appended { repeated: true, ..again[0] };
        assert_eq!(store.append(&batch).await, Ok(vec![once_more]));
    }
    let read: Vec<_> = tail(&mut store).await.transactions.iter().map(content).collect();
    assert_eq!(read, [1, 2, 3].map(|seed| new_transaction(seed, 2)));
}

pub(crate) async fn runs_whose_receipt_is_lost(server: &'static Server) {
    let mut rig = SqlRig::new(|| server.create_database().url.parse().unwrap());
    let mut peer = journal_core::conformance::Rig::create(&mut rig, &origin("b")).await;
    append(&mut peer, 1).await;
    let runs = [seal_next(&mut rig, &mut peer, &[]).await];
    let proxy = Proxy::start(server);
    for cut in [Cut::ReplyLost, Cut::BeforeCommit, Cut::ReplyHalved] {
        let database = server.create_database();
        initialise(&database.url.parse().unwrap(), &origin("a")).await;
        let through = proxy.url(server, &database.name).parse().unwrap();
        let mut store = SqlJournal::open(&through, Access::Write, "test").await.unwrap();
        proxy.cut_at_commit(cut, 0);
        let error = store.receive(&runs).await.unwrap_err();
        assert!(matches!(&error, ReceiveError::Store(error) if error.class == SqlClass::Lost), "{error:?}");
        assert_eq!(store.receive(&runs).await.unwrap().seal_nr, SealNr(1));
        assert!(store.read_runs(&origin("b"), SealNr(0), UNLIMITED).await.unwrap() == runs);
    }
}

/// Far above anything that is waited for.
pub(crate) const BOUND: Duration = Duration::from_secs(60);
