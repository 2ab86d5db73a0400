//! Payload bytes of an entry. The only file that may name bincode: it is unmaintained, so each payload carries a codec
//! id and a successor takes the next one. Hashes never go through here: they cover the stored bytes.

use serde::{Deserialize, Serialize};

use super::json;
use crate::model::transaction::PAYLOAD_BYTES_MAX;
use crate::model::{Change, Codec, Op, Row, Schema, StoredEntry, Value};

/// Codec 1's layout: rows, or what stands for them. Its fields are stored by place: a new layout is a new codec id.
#[derive(Serialize, Deserialize)]
struct Cells<R> {
    key: R,
    cells: R,
    expect: R,
}

/// Why an entry has no readable content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum PayloadError {
    #[error("the payload has {bytes} bytes, more than the {PAYLOAD_BYTES_MAX} an entry may have")]
    TooLarge { bytes: usize },
    #[error("codec {0} is not known to this release")]
    UnknownCodec(i64),
    #[error("operation {0:?} is not known to this release")]
    UnknownOp(String),
    #[error("the payload is no codec {codec} payload: {detail}")]
    Malformed { codec: i64, detail: String },
}

/// The stored form of a change. `row_key` is filled from the key where the schema knows the table.
pub fn encode(
    change: &Change,
    entry_nr: i64,
    codec: Codec,
    schema: &Schema,
) -> Result<StoredEntry, PayloadError> {
    let payload = match codec {
        Codec::Bincode => {
            let cells = Cells { key: &change.key, cells: &change.cells, expect: &change.expect };
            bincode::serde::encode_to_vec(&cells, bincode::config::standard())
                .map_err(|error| PayloadError::Malformed { codec: 1, detail: error.to_string() })?
        }
        Codec::Json => json::change_body(change).to_string().into_bytes(),
    };
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(PayloadError::TooLarge { bytes: payload.len() });
    }
    Ok(StoredEntry {
        entry_nr,
        entity: change.entity.clone(),
        op: change.op.as_str().into(),
        row_key: row_key(change, schema),
        codec: codec.id(),
        payload,
    })
}

/// The change an entry holds. Codec 2 payloads take their types from `schema`, which must be the one of the
/// transaction's version. The result is not yet checked against it: see [`Schema::check`].
pub fn decode(entry: &StoredEntry, schema: &Schema) -> Result<Change, PayloadError> {
    let op: Op = entry.op.parse().map_err(|_| PayloadError::UnknownOp(entry.op.to_string()))?;
    if entry.payload.len() > PAYLOAD_BYTES_MAX {
        return Err(PayloadError::TooLarge { bytes: entry.payload.len() });
    }
    let malformed = |detail: String| PayloadError::Malformed { codec: entry.codec, detail };
    match Codec::from_id(entry.codec).ok_or(PayloadError::UnknownCodec(entry.codec))? {
        Codec::Bincode => {
            let Cells::<Row> { key, cells, expect } = read_bincode(&entry.payload).map_err(malformed)?;
            Ok(Change { entity: entry.entity.clone(), op, key, cells, expect })
        }
        Codec::Json => {
            let text = str::from_utf8(&entry.payload).map_err(|error| malformed(error.to_string()))?;
            json::read_payload(&entry.entity, op, text, schema).map_err(|error| malformed(error.to_string()))
        }
    }
}

/// Bytes of a bare row: how complements were stored before they were made readable to SQL ([`super::cells`]).
pub fn encode_row(row: &Row) -> Result<Vec<u8>, PayloadError> {
    bincode::serde::encode_to_vec(row, bincode::config::standard())
        .map_err(|error| PayloadError::Malformed { codec: 1, detail: error.to_string() })
}

/// The row those bytes hold.
pub fn decode_row(bytes: &[u8]) -> Result<Row, PayloadError> {
    read_bincode(bytes).map_err(|detail| PayloadError::Malformed { codec: 1, detail })
}

fn read_bincode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    // The limits bound what a forged length can make us allocate: no true payload can exceed them, for a number of
    // eight bytes takes at least one.
    const SMALL: usize = 4096;
    let config = bincode::config::standard();
    let decoded = if bytes.len() <= SMALL {
        bincode::serde::decode_from_slice(bytes, config.with_limit::<{ SMALL * 8 }>())
    } else {
        bincode::serde::decode_from_slice(bytes, config.with_limit::<{ PAYLOAD_BYTES_MAX * 8 }>())
    };
    let (value, read) = decoded.map_err(|error| error.to_string())?;
    if read == bytes.len() { Ok(value) } else { Err(format!("{} bytes follow its end", bytes.len() - read)) }
}

/// The key's values as a JSON array; empty for calls and for tables the schema does not know.
pub fn row_key(change: &Change, schema: &Schema) -> String {
    let source = if change.key.is_empty() { &change.cells } else { &change.key };
    schema
        .tables
        .get(&change.entity)
        .and_then(|table| table.key_values(source))
        .map_or_else(String::new, |key| key_text(&key))
}

/// A key's values as a JSON array, such as `[17]`.
pub fn key_text(key: &[Value]) -> String {
    serde_json::Value::Array(key.iter().map(json::value_to_json).collect()).to_string()
}
