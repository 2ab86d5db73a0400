//! A full disk under a site: appends and posting say so and lose nothing, and go on once there is room.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use journal_core::client::AppendFailure;
use journal_core::client::Transaction;
use journal_tests::disk::SmallDisk;

use super::{film_row, journal_of};
use crate::shop::{BOUND, SITES, Shop, expect_done};

/// The disk, and what of it is filled by something else until room is made.
const DISK_MIB: u32 = 24;
/// What the first appends may take.
const ROOM: usize = 3 << 20;
/// Bytes of one title: some hundred films fill the room.
const TITLE: usize = 20_000;
/// More films than there is room for.
const FILMS: i64 = 1_000;
/// How much is written at once.
const BLOCK: usize = 64 << 10;

/// Fills the disk until no more than `room` is left.
fn fill(directory: &Path, room: usize) {
    let mut ballast = fs::File::create(directory.join("ballast")).unwrap();
    let block = vec![1; BLOCK];
    let error = loop {
        if let Err(error) = ballast.write_all(&block) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    let length = ballast.metadata().unwrap().len();
    ballast.set_len(length - u64::try_from(room).unwrap()).unwrap();
}

fn large_film(id: i64) -> Transaction {
    Transaction::new().insert("film", film_row(id).with("title", "x".repeat(TITLE).as_str()))
}

#[tokio::test]
async fn a_full_disk_is_told_loses_nothing_and_is_used_again_once_there_is_room() {
    let Some(disk) = SmallDisk::mount_or_skip(DISK_MIB) else { return };
    let beside = Shop::sqlite();
    let url = format!("sqlite:{}", disk.path().join("a.db").display());
    let shop = Shop::at([url, beside.scratch("beside")]);
    let service = shop.serve(&SITES);
    let journal = journal_of(&shop, "a").await;
    journal.append(&large_film(1)).await.unwrap();
    shop.settle();
    fill(disk.path(), ROOM);
    let mut acknowledged = 1;
    let failure = loop {
        assert!(acknowledged < FILMS, "the disk does not fill up");
        match journal.append(&large_film(acknowledged + 1)).await {
            Ok(_) => acknowledged += 1,
            Err(failure) => break failure,
        }
    };
    let AppendFailure::Refused(why) = &failure else { panic!("{failure:?}") };
    assert_eq!(why.to_string(), "database or disk is full (13); nothing is lost, make room and it goes on");
    let lines: Vec<String> = (1..=50).map(|id| super::film(1_000 + id)).collect();
    let file = shop.lines_file("in.ndjson", &lines);
    // The command may still find a corner for a small line; a title as large as before it cannot place.
    let large = super::line(&[super::film_entry(2_000, &"x".repeat(TITLE))]);
    let large = shop.lines_file("large.ndjson", &[large]);
    let error = shop.refused(1, &["append", "--site", "a", "--file", &large]);
    assert!(error.starts_with("error D0403: "), "{error}");
    assert!(error.ends_with("nothing is lost, make room and it goes on\n"), "{error}");
    fs::remove_file(disk.path().join("ballast")).unwrap();
    journal.append(&large_film(acknowledged + 1)).await.unwrap();
    shop.done(&["append", "--site", "a", "--file", &file]);
    shop.settle();
    for site in SITES {
        let films = shop.number(site, "SELECT count(*) FROM film").await;
        assert_eq!(films, acknowledged + 1 + 50, "{site}");
    }
    shop.is_lawful(&[beside.scratch("replay-a"), beside.scratch("replay-b")]);
    service.terminate();
    expect_done("the service that was never restarted", &service.wait(BOUND));
}
