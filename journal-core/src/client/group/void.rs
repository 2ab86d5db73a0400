//! The void entry: what makes it certain that a site never takes a transaction which is to go elsewhere. It stands in
//! the site's journal under the transaction's own key, so that a late append of that key, in flight or by another
//! process, meets it and fails; if the append came first, the void entry meets that instead. No site accepts it: its
//! origin rejects it as unreadable, and so it changes no ledger.

use uuid::Uuid;

use crate::model::{Codec, NewTransaction, Op, SchemaVersion, StoredEntry};

/// What a void entry names in place of an operation. No schema may: names that begin so are taken.
const ENTITY: &str = "daybook_void";
/// Who writes it. The same for all, as everything in it: what is void twice is void once.
const AUTHOR: &str = "daybook";

/// The void entry under a key. Written at the first version, which every site knows.
pub(super) fn void(tx_id: Uuid) -> NewTransaction {
    let entry = StoredEntry {
        entry_nr: 1,
        entity: ENTITY.into(),
        op: Op::Call.as_str().into(),
        row_key: "[]".to_owned(),
        codec: Codec::Json.id(),
        payload: b"{}".to_vec(),
    };
    NewTransaction { tx_id, schema_version: SchemaVersion(1), author: AUTHOR.into(), entries: vec![entry] }
}
