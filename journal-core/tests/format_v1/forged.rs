//! Bytes that nobody's release wrote: refused without harm.

use journal_core::codec::payload::{self, PayloadError};
use journal_core::model::transaction::PAYLOAD_BYTES_MAX;
use journal_core::model::{Codec, StoredEntry};
use proptest::collection::vec;
use proptest::prelude::*;

use super::zoo;

fn entry(codec: i64, op: &str, payload: Vec<u8>) -> StoredEntry {
    StoredEntry { entry_nr: 1, entity: "zoo".into(), op: op.into(), row_key: String::new(), codec, payload }
}

/// The length of eight bytes as codec 1 writes it.
fn length(bytes: u64) -> Vec<u8> {
    let mut out = vec![253];
    out.extend(bytes.to_le_bytes());
    out
}

#[test]
fn a_forged_length_is_refused_before_anything_is_allocated() {
    for claimed in [100_000, 16 << 20, 4 << 30, u64::MAX] {
        // A row of one cell whose name is that long, and a row of that many cells.
        let long_name = [vec![1], length(claimed), vec![b'x']].concat();
        let many_cells = length(claimed);
        // A cell "x" with a text (variant 5) of that length.
        let long_text = [vec![1, 1, b'x', 5], length(claimed)].concat();
        for (payload, reason) in
            [(long_name, "LimitExceeded"), (many_cells, ""), (long_text, "LimitExceeded")]
        {
            match payload::decode(&entry(1, "insert", payload), &zoo::schema()) {
                Err(PayloadError::Malformed { codec: 1, detail }) => {
                    // Refused for what it claims, not for what was missing after it had been allowed.
                    assert!(detail.contains(reason), "{claimed}: {detail}");
                }
                other => panic!("{claimed}: {other:?}"),
            }
        }
    }
}

#[test]
fn what_is_no_payload_says_so() {
    let schema = zoo::schema();
    let refused = |entry: &StoredEntry| payload::decode(entry, &schema).unwrap_err().to_string();
    assert_eq!(refused(&entry(3, "insert", vec![])), "codec 3 is not known to this release");
    assert_eq!(refused(&entry(1, "merge", vec![])), "operation \"merge\" is not known to this release");
    let too_large = vec![0; PAYLOAD_BYTES_MAX + 1];
    assert!(refused(&entry(1, "insert", too_large)).contains("more than the 16777216"));
    let good = payload::encode(&zoo::changes()[2].1, 1, Codec::Bincode, &schema).unwrap().payload;
    for cut in 0..good.len() {
        refused(&entry(1, "update", good[..cut].to_vec()));
    }
    assert!(refused(&entry(1, "update", [good, vec![0]].concat())).contains("1 bytes follow its end"));
    // Cells out of order would give one row two forms: "b" before "a", both NULL, in key, cells and expect.
    let unsorted = vec![2, 1, b'b', 0, 1, b'a', 0, 0, 0];
    assert!(refused(&entry(1, "insert", unsorted)).contains("the one order of their names"));
    for (body, reason) in [
        ("[]", "must be an object"),
        ("{", "not JSON"),
        (r#"{"row":{"owl":1}}"#, "no column \"owl\""),
        (r#"{"row":{"int":"x"}}"#, "is int"),
        (r#"{"rows":{}}"#, "means nothing there"),
        (r#"{"row":{"int":1,"int":1}}"#, "an object names \"int\" twice"),
        (r#"{"row":{"json":{"a":[{"b":1,"b":2}]}}}"#, "an object names \"b\" twice"),
    ] {
        let said = refused(&entry(2, "insert", body.as_bytes().to_vec()));
        assert!(said.contains(reason) || reason == "not JSON", "{body}: {said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) })]

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..64), codec in 1..3_i64) {
        let _either = payload::decode(&entry(codec, "insert", bytes), &zoo::schema());
    }

    #[test]
    fn a_payload_with_a_flipped_byte_never_panics(at in any::<prop::sample::Index>(), flip in 1..=255_u8, which in 0..6_usize) {
        let (name, change) = &zoo::changes()[which];
        for codec in [Codec::Bincode, Codec::Json] {
            let mut stored = payload::encode(change, 1, codec, &zoo::schema()).unwrap();
            let at = at.index(stored.payload.len());
            stored.payload[at] ^= flip;
            let _either = payload::decode(&entry(codec.id(), name, stored.payload), &zoo::schema());
        }
    }
}
