//! Golden vectors of payloads, transaction hashes and seals.

use std::collections::BTreeMap;

use journal_core::codec::chain::{SealDraft, seal, transaction_hash, verify};
use journal_core::codec::payload;
use journal_core::model::{
    Change, Codec, Epoch, Hlc, Origin, Rejection, SchemaVersion, SealNr, SealedRun, SiteName, StoredEntry,
    StoredTransaction, TransNr, TransactionId, Vector,
};
use uuid::Uuid;

use super::zoo;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The lines `name = hex` of a fixture.
fn fixture(file: &str) -> BTreeMap<String, String> {
    let path = format!("{}/../tests/fixtures/format-v1/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| line.split_once(" = ").map(|(name, hex)| (name.to_owned(), hex.to_owned())).unwrap())
        .collect()
}

#[track_caller]
fn expect(file: &str, have: &BTreeMap<String, String>) {
    let shown: String = have.iter().map(|(name, hex)| format!("{name} = {hex}\n")).collect();
    assert!(fixture(file) == *have, "{file} differs from what this build writes:\n{shown}");
}

fn encoded(change: &Change, codec: Codec) -> StoredEntry {
    payload::encode(change, 1, codec, &zoo::schema()).unwrap()
}

#[test]
fn payloads_are_written_as_they_were() {
    let mut have = BTreeMap::new();
    for (name, change) in zoo::changes() {
        zoo::schema().check(&change).unwrap();
        for codec in [Codec::Bincode, Codec::Json] {
            let entry = encoded(&change, codec);
            have.insert(format!("codec{} {name}", codec.id()), hex(&entry.payload));
        }
    }
    expect("payloads.txt", &have);
}

#[test]
fn payloads_read_as_what_was_meant() {
    let fixture = fixture("payloads.txt");
    for (name, change) in zoo::changes() {
        for codec in [Codec::Bincode, Codec::Json] {
            let mut entry = encoded(&change, codec);
            entry.payload = unhex(&fixture[&format!("codec{} {name}", codec.id())]);
            assert_eq!(
                payload::decode(&entry, &zoo::schema()),
                Ok(change.clone()),
                "codec {} {name}",
                codec.id()
            );
        }
    }
}

/// Two transactions, the second rejected, in the second seal of site a's third life.
fn run() -> SealedRun {
    let origin = |site: &str, epoch| Origin { site: SiteName::new(site).unwrap(), epoch: Epoch(epoch) };
    let stored = |trans_nr: i64, changes: &[(&'static str, Change)]| StoredTransaction {
        id: TransactionId { origin: origin("a", 3), trans_nr: TransNr(trans_nr) },
        tx_id: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::try_from(trans_nr).unwrap()),
        schema_version: SchemaVersion(2),
        author: "Zoë".into(),
        appended_at: 1_700_000_000_000_000 + trans_nr,
        entries: (1..)
            .zip(changes)
            .map(|(nr, (_, change))| payload::encode(change, nr, Codec::Bincode, &zoo::schema()).unwrap())
            .collect(),
    };
    let changes = zoo::changes();
    let draft = SealDraft {
        origin: origin("a", 3),
        seal_nr: SealNr(2),
        first_nr: TransNr(4),
        last_nr: TransNr(9),
        hlc: Hlc(1_700_000_000_000_123),
        seen: Vector::from([(origin("b", 1), SealNr(7)), (origin("c", 2), SealNr(1))]),
        schema: 2,
        prev_hash: [7; 32],
        sealed_at: 1_700_000_000_000_124,
    };
    let (code, detail) = ("missing_parent".to_owned(), "no such keeper: ‘x’".to_owned());
    let rejection = Rejection { trans_nr: TransNr(7), code, detail };
    seal(draft, vec![stored(5, &changes), stored(7, &changes[..1])], vec![rejection])
}

#[test]
fn transactions_and_seals_hash_as_they_did() {
    let run = run();
    let have = BTreeMap::from([
        ("transaction 5".to_owned(), hex(&transaction_hash(&run.transactions[0]))),
        ("transaction 7".to_owned(), hex(&transaction_hash(&run.transactions[1]))),
        ("leaves".to_owned(), hex(&run.seal.leaves)),
        ("seal".to_owned(), hex(&run.seal.hash)),
    ]);
    expect("seal.txt", &have);
    assert_eq!(verify(&run, &[7; 32]), Ok(()));
}

/// Every field that anybody could want to alter is under the hash.
#[test]
fn no_field_of_a_run_can_change_unseen() {
    type Alter = fn(&mut SealedRun);
    let alterations: [(&str, Alter); 22] = [
        ("origin", |run| run.seal.origin.epoch.0 += 1),
        ("seal_nr", |run| run.seal.seal_nr.0 += 1),
        ("first_nr", |run| run.seal.first_nr.0 -= 1),
        ("last_nr", |run| run.seal.last_nr.0 += 1),
        ("tx_count", |run| run.seal.tx_count += 1),
        ("entry_count", |run| run.seal.entry_count += 1),
        ("rejected_count", |run| run.seal.rejected_count -= 1),
        ("hlc", |run| run.seal.hlc.0 += 1),
        ("seen", |run| drop(run.seal.seen.pop_last())),
        ("schema", |run| run.seal.schema += 1),
        ("leaves", |run| run.seal.leaves[9] ^= 1),
        ("sealed_at", |run| run.seal.sealed_at += 1),
        ("rejection", |run| run.rejections[0].detail.push('!')),
        ("rejection gone", |run| drop(run.rejections.pop())),
        ("tx_id", |run| run.transactions[0].tx_id = Uuid::nil()),
        ("author", |run| run.transactions[0].author = "Zoë!".into()),
        ("appended_at", |run| run.transactions[0].appended_at += 1),
        ("schema_version", |run| run.transactions[0].schema_version.0 += 1),
        ("entity", |run| run.transactions[0].entries[1].entity = "zo".into()),
        ("op", |run| run.transactions[0].entries[1].op = "insert".into()),
        ("row_key", |run| run.transactions[0].entries[1].row_key.push(' ')),
        ("codec", |run| run.transactions[0].entries[1].codec = 2),
    ];
    for (field, alter) in alterations {
        let mut altered = run();
        alter(&mut altered);
        assert!(verify(&altered, &[7; 32]).is_err(), "{field} changed unseen");
    }
    for at in 0..run().transactions[0].entries[0].payload.len() {
        let mut altered = run();
        altered.transactions[0].entries[0].payload[at] ^= 0x10;
        assert!(verify(&altered, &[7; 32]).is_err(), "payload byte {at} changed unseen");
    }
}
