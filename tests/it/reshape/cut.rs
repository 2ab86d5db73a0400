//! Reshapes that are cut off, and commands that come between one another: what readers see stands at every moment, and in
//! the end one version is whole.

use std::pin::Pin;
use std::time::Duration;

use applier::control::ControlStore as _;
use applier::ledger::LedgerError;
use applier::upgrade::install::{InstallError, release_versions};
use applier::upgrade::reshape::ReshapeError;
use journal_core::model::SchemaVersion;
use journal_core::sql::{Access, Conn};
use journal_tests::rig::Rig;
use journal_tests::servers;
use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use schema_mappers::ddl::view_name;

use super::{apply, four, leftovers, live, pause, resume};
use crate::club::{rigs, set};

/// Polls a future so many times.
async fn poll_for<F: Future>(mut future: Pin<&mut F>, polls: usize) -> Option<F::Output> {
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Polls a future so many times and drops it, unless it was done before.
async fn cut<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    poll_for(Box::pin(future).as_mut(), polls).await
}

/// What an application of version 1 reads at site a.
async fn as_read(rig: &Rig) -> Vec<String> {
    let view = |table| view_name(SchemaVersion(1), table, &rig.url("a").place());
    let mut rows = Vec::new();
    for id in [1, 2, 9, 10] {
        let query = format!("SELECT full_name, boss FROM {} WHERE id = {id}", view("member"));
        let row = rig.row("a", &query, vec![]).await;
        let boss = if row.is_null(1).unwrap() { 0 } else { row.i64(1).unwrap() };
        rows.push(format!("{} {boss}", row.text(0).unwrap()));
    }
    let query = format!("SELECT count(*) FROM {} WHERE number IS NULL OR number = '555'", view("phone"));
    rows.push(rig.number("a", &query).await.to_string());
    rows
}

async fn is_switching(store: &str, rig: &Rig) -> bool {
    store == "mariadb" && rig.number("a", "SELECT count(*) FROM {d}switching").await == 1
}

/// Cuts the way to version 2 at one moment after another and looks at what stands each time, until the ledger has come
/// there. The last statement that was sent may be carried out while this looks, so what was read first has to fit what is
/// read last. Tells how many cuts came while tables changed places.
async fn cut_until_there(
    store: &str,
    rig: &Rig,
    (before, read): (&str, &[String]),
    polls: &mut usize,
) -> usize {
    let mut switching = 0;
    loop {
        let done = cut(apply(rig, "a", 2), *polls).await;
        let begun = is_switching(store, rig).await;
        // On MariaDB the tables change places in steps, and the site stays paused until the last of them.
        let refused = if begun { rig.control("a").await.resume("dba", "now").await.err() } else { None };
        let stands = if begun { None } else { Some(live(rig, "a").await) };
        assert_eq!(as_read(rig).await, read, "{store}: cut at poll {polls}");
        if rig.number("a", "SELECT ledger_version FROM {d}site").await == 2 {
            // The commit was on its way, or the end was reached.
            pause(rig, "a").await;
            assert!(live(rig, "a").await.starts_with("2 "), "{store}");
            return switching;
        }
        assert!(done.is_none(), "{store}: done, and nothing changed: {done:?}");
        if begun {
            assert_eq!(refused, Some(LedgerError::SwitchBegun), "cut at poll {polls}");
            switching += 1;
            // Every moment of the stages: each try goes on from where the one before came to.
            *polls = if switching == 1 { 10 } else { *polls + 1 };
        } else {
            assert_eq!(stands.as_deref(), Some(before), "{store}: cut at poll {polls}");
            *polls += 1 + *polls / 16;
        }
    }
}

#[tokio::test]
async fn a_reshape_cut_short_at_any_moment_leaves_readers_with_what_they_read() {
    for (store, rig) in rigs().await {
        four(&rig).await;
        pause(&rig, "a").await;
        let (before, read) = (live(&rig, "a").await, as_read(&rig).await);
        let (mut polls, mut switching) = (1, 0);
        for tries in 1.. {
            switching += cut_until_there(store, &rig, (&before, &read), &mut polls).await;
            assert!(polls > 20, "{store}: it was cut at many moments");
            assert_eq!(as_read(&rig).await, read, "{store}");
            apply(&rig, "a", 1).await.unwrap();
            assert_eq!(live(&rig, "a").await, before, "{store}");
            assert_eq!(leftovers(&rig, store).await, 0, "{store}");
            if store != "mariadb" || switching > 20 {
                break;
            }
            // How often a future is polled depends on the machine: one step may have gone past all of the stages.
            assert!(tries < 20, "{store}: {switching}");
            polls -= polls / 3;
        }
    }
}

/// A command that waits for what the other holds is given up after this.
const GIVEN_UP: Duration = Duration::from_millis(700);

/// A reshape that comes to some moment; another that comes between, to some moment, and is killed; and then the first one is
/// killed too, or goes on.
async fn two_commands(rig: &Rig, polls: usize, random: &mut impl Rng) {
    let [first, second] = [(); 2].map(|()| random.random_range(1..=3));
    let [far, near] = [(); 2].map(|()| random.random_range(0..polls));
    let goes_on = random.random_bool(0.5);
    let mut first = Box::pin(apply(rig, "a", first));
    if poll_for(first.as_mut(), far).await.is_some() {
        return;
    }
    drop(tokio::time::timeout(GIVEN_UP, cut(apply(rig, "a", second), near)).await);
    if goes_on {
        drop(first.await);
    }
}

/// The version a ledger comes to when it is asked for one: another, where the tables of another one change places.
async fn settled(rig: &Rig, to: i64) -> i64 {
    let mut refused = Vec::new();
    for to in [to, 1, 2, 3, to, 1, 2, 3] {
        match apply(rig, "a", to).await {
            Ok(_) => return to,
            Err(error @ ReshapeError::Ledger(LedgerError::SwitchBegun)) => refused.push(error),
            // What a killed command had sent is still being done.
            Err(error) if error.is_passing() => refused.push(error),
            Err(error @ ReshapeError::Elsewhere { .. }) => refused.push(error),
            Err(error) => panic!("{error}: {refused:?}"),
        }
    }
    panic!("no command ends it: {refused:?}")
}

#[tokio::test]
async fn commands_that_are_killed_and_come_between_one_another_leave_one_version_whole() {
    const SEED: u64 = 20;
    for (store, rig) in rigs().await {
        four(&rig).await;
        pause(&rig, "a").await;
        let mut whole = vec![live(&rig, "a").await];
        let mut polls = 0;
        for to in [2, 3] {
            let mut reshape = Box::pin(apply(&rig, "a", to));
            polls = 1;
            while poll_for(reshape.as_mut(), 1).await.is_none() {
                polls += 1;
            }
            whole.push(live(&rig, "a").await);
        }
        let random = &mut ChaCha8Rng::seed_from_u64(SEED);
        for round in 0..if store == "sqlite" { 20 } else { 6 } {
            for _ in 0..random.random_range(1..4) {
                two_commands(&rig, polls, random).await;
            }
            let at = settled(&rig, random.random_range(1..=3)).await;
            let expected = &whole[usize::try_from(at).unwrap() - 1];
            assert_eq!(&live(&rig, "a").await, expected, "{store}: seed {SEED}, round {round}");
        }
        apply(&rig, "a", 1).await.unwrap();
        apply(&rig, "a", 2).await.unwrap();
        assert_eq!(live(&rig, "a").await, whole[1], "{store}");
        assert_eq!(leftovers(&rig, store).await, 0, "{store}");
        resume(&rig, "a").await;
    }
}

/// Polls a reshape until a number in the ledger's database is there, for as long as it does not wait for anybody.
async fn poll_until<F: Future>(mut future: Pin<&mut F>, rig: &Rig, sql: &str) -> Option<F::Output> {
    let polled = async {
        while rig.number("a", sql).await == 0 {
            if let Some(done) = poll_for(future.as_mut(), 1).await {
                return Some(done);
            }
        }
        None
    };
    tokio::time::timeout(GIVEN_UP, polled).await.ok().flatten()
}

/// Two commands under one pause: the tables that the second had made, empty as they were, went under the number of the first.
#[tokio::test]
async fn tables_of_another_version_that_were_made_meanwhile_are_not_switched_to() {
    let moved =
        "SELECT count(*) FROM {d}staging WHERE (SELECT count(*) FROM {d}staging_move WHERE ended) = 2";
    let other = "SELECT count(*) FROM {d}staging WHERE version_to = 3";
    for (store, rig) in rigs().await {
        four(&rig).await;
        pause(&rig, "a").await;
        let mut whole = vec![live(&rig, "a").await];
        for to in [2, 3, 1] {
            apply(&rig, "a", to).await.unwrap();
            whole.push(live(&rig, "a").await);
        }
        for further in (0..60).step_by(if store == "sqlite" { 4 } else { 10 }) {
            let mut first = Box::pin(apply(&rig, "a", 2));
            let mut done = poll_until(first.as_mut(), &rig, moved).await;
            if done.is_none() {
                done = poll_for(first.as_mut(), further).await;
            }
            if done.is_none() {
                let mut second = Box::pin(apply(&rig, "a", 3));
                drop(poll_until(second.as_mut(), &rig, other).await);
                drop(second);
                drop(first.await);
            }
            let at = usize::try_from(settled(&rig, 2).await).unwrap();
            assert_eq!(live(&rig, "a").await, whole[at - 1], "{store}: {further} polls further");
            settled(&rig, 1).await;
            assert_eq!(live(&rig, "a").await, whole[0], "{store}: {further} polls further");
        }
    }
}

/// A version that was released in the middle made other tables of those on their way: no command could end the switch.
#[tokio::test]
async fn no_version_is_released_while_tables_change_places() {
    let Some((a, b)) = servers::two_mariadb_or_skip() else { return };
    let sites = [("a", a.create_database().url), ("b", b.create_database().url)];
    let rig = Rig::at(&sites, set(2)).await;
    four(&rig).await;
    pause(&rig, "a").await;
    let mut polls = 1;
    while !is_switching("mariadb", &rig).await {
        // How often a future is polled depends on the machine: one try may come to the end. Another is made, from the start.
        if let Some(done) = cut(apply(&rig, "a", 2), polls).await {
            done.unwrap();
            apply(&rig, "a", 1).await.unwrap();
            polls = 0;
        }
        polls += 1;
    }
    let release = async || {
        let mut conn = Conn::open(rig.url("a"), Access::Write, "release").await.unwrap();
        conn.begin().await.unwrap();
        let released = release_versions(conn.lend(), &set(3)).await;
        conn.commit().await.unwrap();
        released
    };
    let refused = release().await;
    assert!(matches!(refused, Err(InstallError::Switching(LedgerError::SwitchBegun))), "{refused:?}");
    apply(&rig, "a", 2).await.unwrap();
    release().await.unwrap();
}
