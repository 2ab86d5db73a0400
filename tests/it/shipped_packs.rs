//! What is shipped stands at its peers as it was packed, if it says what the seal says; on every product.

use journal_core::conformance::{Rig, SqlRig, UNLIMITED, new_transaction, origin, seal_next};
use journal_core::journal::{JournalStore, ReadLimit, ReceiveError};
use journal_core::model::SealNr;
use journal_core::sql::{Access, Conn, DbUrl};
use journal_tests::servers::{mariadb_or_skip, postgres_or_skip};
use journal_tests::tether;

use crate::ledger_servers::script;

/// Two seals, the first with a transaction that is packed in pieces, go from one database into another; then altered.
async fn ship(from: DbUrl, to: [DbUrl; 3]) {
    let mut urls = [from.clone()].into_iter().chain(to.clone());
    let mut rig = SqlRig::new(move || urls.next().unwrap());
    let mut peer = rig.create(&origin("b")).await;
    let (small, mut large) = (new_transaction(1, 2), new_transaction(2, 4));
    large.entries.iter_mut().for_each(|entry| entry.payload = vec![7; 600_000]);
    peer.append(&[small, large]).await.unwrap();
    seal_next(&mut rig, &mut peer, &[]).await;
    peer.append(&[new_transaction(3, 1)]).await.unwrap();
    seal_next(&mut rig, &mut peer, &[]).await;
    let empty = seal_next(&mut rig, &mut peer, &[]).await;
    // Nothing writes a blank there: who packs anew loses it.
    script(&from, "UPDATE {d}run SET heads = replace(heads, '[[', '[ [')").await;

    let mut peer = peer.with_packs();
    let runs = peer.read_runs(&origin("b"), SealNr(0), UNLIMITED).await.unwrap();
    assert!(runs.len() == 3 && runs[2] == empty);
    // A peer that keeps up reads the last one alone: it is the same, and comes with its packs.
    let mut own = rig.create(&origin("a")).await;
    let one = ReadLimit { transactions: 1, ..UNLIMITED };
    for (after, run) in (0..).zip(&runs) {
        let read = peer.read_runs(&origin("b"), SealNr(after), one).await.unwrap();
        assert!(read == [run.clone()], "after {after}");
        own.receive(&read).await.unwrap();
    }
    let packs = packs(&from).await;
    assert_eq!((packs.len(), packs.iter().all(|pack| pack.contains("[ ["))), (6, true), "{packs:?}");
    assert_eq!(self::packs(&to[0]).await, packs);
    assert!(own.read_runs(&origin("b"), SealNr(0), UNLIMITED).await.unwrap() == runs);
    assert_eq!((rows_kept(&from).await, rows_kept(&to[0]).await), (6, 0));

    // The last pack says its transaction twice, another that no seal covers between: what is verified is written, not that.
    let last = "SELECT heads FROM {d}run WHERE first_nr = 3";
    let heads = conn(&from).await.lend().fetch_one(last, Vec::new()).await.unwrap().text(0).unwrap();
    let head = heads[1..heads.len() - 1].trim();
    let nine = head.replacen("[3,", "[9,", 1).replace(",0,11]", ",11,0]");
    let twice = format!("[{head},{nine},{}]", head.replace(",0,11]", ",11,0]"));
    script(&from, &format!("UPDATE {{d}}run SET heads = '{twice}' WHERE first_nr = 3")).await;
    let read = peer.read_runs(&origin("b"), SealNr(1), UNLIMITED).await.unwrap();
    assert!(read == runs[1..], "the seal covers the first of them");
    let alone = peer.read_runs(&origin("b"), SealNr(1), one).await.unwrap();
    assert!(alone == runs[1..2], "also where it comes with its pack");
    let mut third = rig.create(&origin("a")).await;
    third.receive(&runs[..1]).await.unwrap();
    third.receive(&read).await.unwrap();
    assert_eq!(third.heads().await.unwrap()[0].seal_nr, SealNr(3));
    let kept = self::packs(&to[1]).await;
    assert!(kept[5].contains("piece 1: [[3,") && !kept[5].contains("[9,"), "{}", kept[5]);

    script(&from, "UPDATE {d}run SET heads = replace(heads, 'insert', 'delete')").await;
    let altered = peer.read_runs(&origin("b"), SealNr(0), UNLIMITED).await.unwrap();
    let mut other = rig.create(&origin("a")).await;
    let refused = other.receive(&altered).await;
    assert!(matches!(refused, Err(ReceiveError::Chain { .. })), "{refused:?}");
    assert!(self::packs(&to[2]).await.is_empty());
}

async fn conn(url: &DbUrl) -> Conn {
    Conn::open(url, Access::Read, "test").await.unwrap()
}

/// Each pack's place and head, and how long its payloads are.
async fn packs(url: &DbUrl) -> Vec<String> {
    let mut conn = conn(url).await;
    let text = "SELECT first_nr, last_nr, piece, heads, payloads FROM {d}run ORDER BY last_nr, piece";
    let records = conn.lend().fetch(text, Vec::new()).await.unwrap();
    let told = records.iter().map(|record| {
        let number = |at| record.i64(at).unwrap();
        let (heads, payloads) = (record.text(3).unwrap(), record.bytes(4).unwrap().len());
        format!("{} to {}, piece {}: {heads}, {payloads} bytes", number(0), number(1), number(2))
    });
    told.collect()
}

/// How many packs say that their transactions stand as rows, too.
async fn rows_kept(url: &DbUrl) -> i64 {
    let text = "SELECT count(*) FROM {d}run WHERE in_journal";
    conn(url).await.lend().fetch_one(text, Vec::new()).await.unwrap().i64(0).unwrap()
}

#[tokio::test]
async fn packs_stand_at_a_peer_as_their_origin_wrote_them_whatever_stores_the_two_are() {
    let (Some(postgres), Some(mariadb)) = (postgres_or_skip(), mariadb_or_skip()) else { return };
    let directory = tether::directory("daybook-packs-");
    let sqlite = |name: &str| format!("sqlite:{}", directory.path().join(name).display()).parse().unwrap();
    let on_postgres = || postgres.create_database().url.parse().unwrap();
    let on_mariadb = || mariadb.create_database().url.parse().unwrap();
    ship(sqlite("b"), [on_postgres(), on_postgres(), on_postgres()]).await;
    ship(on_postgres(), [on_mariadb(), on_mariadb(), on_mariadb()]).await;
    ship(on_mariadb(), [sqlite("first"), sqlite("second"), sqlite("third")]).await;
}
