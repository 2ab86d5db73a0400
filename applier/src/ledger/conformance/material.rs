//! What the cases are made of: one schema, rows, short forms for changes and transactions.

use journal_core::codec::chain::{self, SealDraft};
use journal_core::conformance::{UNLIMITED, new_transaction, origin};
use journal_core::journal::JournalStore;
use journal_core::model::schema::Check;
use journal_core::model::seal::GENESIS;
use journal_core::model::{
    Change, Column, Hlc, Name, Parent, Rejection, Row, Schema, SchemaVersion, SealNr, SealedRun, Table,
    TransNr, Type, Value, Vector,
};

use super::Rig;
use crate::ledger::{Fault, Ledger, LedgerChange, LedgerError, LedgerReader, Posted};

pub use memory::{MemoryRig, memory_rig};

/// The tables of the suite: a parent, a child with a unique key, a table that is its own parent, one with a CHECK, one
/// with a column of every type, one that is not folded, a child of two parents with no key but its own, and one for each
/// type a key may have.
pub fn schema() -> Schema {
    let mut tables = vec![
        table("shop", "id:int name:text", &["id"]),
        table(
            "item",
            "id:int shop:int? code:text(8)? price:decimal(10,2)? stock:int? note:text? title:text",
            &["id"],
        ),
        table("staff", "id:int boss:int?", &["id"]),
        table("pair", "a:text b:int v:text?", &["a", "b"]),
        table("checked", "id:int amount:int", &["id"]),
        table(
            "every",
            "id:int a_bool:bool? a_int:int? a_decimal:decimal(38,10)? a_whole:decimal(5,0)? a_float:float? \
             a_text:text? a_short:text(3)? a_bytes:bytes? a_date:date? a_time:time? a_timestamp:timestamp? \
             a_uuid:uuid? a_json:json?",
            &["id"],
        ),
        Table { fold: false, ..table("each", "id:int n:int? note:text?", &["id"]) },
    ];
    let mut part = table("part", "id:int shop:int? a:int? b:int? n:int?", &["id"]);
    part.parents.push(Parent { columns: vec!["shop".into()], table: "shop".into() });
    part.parents.push(Parent { columns: vec!["a".into(), "b".into()], table: "cell".into() });
    tables.extend([table("cell", "a:int b:int", &["a", "b"]), part]);
    for ty in ["bool", "int", "text", "bytes", "date", "timestamp", "uuid"] {
        tables.push(table(&format!("by_{ty}"), &format!("k:{ty} n:int?"), &["k"]));
    }
    tables[1].unique.push(vec!["code".into()]);
    tables[1].parents.push(Parent { columns: vec!["shop".into()], table: "shop".into() });
    tables[2].parents.push(Parent { columns: vec!["boss".into()], table: "staff".into() });
    let check = Check { name: "amount_is_not_negative".into(), that: "amount >= 0".to_owned() };
    tables[4].checks.push(check);
    let tables = tables.into_iter().map(|table| (table.name.clone(), table)).collect();
    Schema { version: SchemaVersion(1), tables, operations: std::collections::BTreeMap::new() }
}

/// A table out of `name:type` words; a question mark allows NULL.
fn table(name: &str, columns: &str, key: &[&str]) -> Table {
    let column = |word: &str| {
        let (name, ty) = word.split_once(':').expect("a name and a type");
        let (ty, nullable) = ty.strip_suffix('?').map_or((ty, false), |ty| (ty, true));
        Column { name: name.into(), ty: ty.parse().expect("a type"), nullable }
    };
    let columns = columns.split_whitespace().map(column).collect();
    Table::new(name, columns, key.iter().map(|name| Name::from(*name)).collect())
}

/// A row out of pairs.
pub(super) fn row<const N: usize>(cells: [(&str, Value); N]) -> Row {
    cells.into_iter().map(|(name, value)| (Name::from(name), value)).collect()
}

/// The key `id`.
pub(super) fn id(id: i64) -> Row {
    row([("id", id.into())])
}

pub(super) fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().expect("a decimal"))
}

/// An image without complement.
pub(super) fn image(change: Change) -> LedgerChange {
    LedgerChange::new(change)
}

/// An item with a title, as a whole row.
pub(super) fn item(id: i64, cells: Row) -> Row {
    let mut row = row([("id", id.into()), ("title", "thing".into())]);
    row.extend(cells);
    row
}

/// Applies changes in a transaction of their own.
///
/// # Panics
/// When the ledger refuses.
pub(super) async fn post<L: Ledger>(ledger: &mut L, changes: impl IntoIterator<Item = Change>) {
    let images: Vec<LedgerChange> = changes.into_iter().map(image).collect();
    post_images(ledger, &images).await;
}

/// Applies images in a transaction of their own.
///
/// # Panics
/// When the ledger refuses.
pub(super) async fn post_images<L: Ledger>(ledger: &mut L, images: &[LedgerChange]) {
    ledger.begin().await.expect("begin");
    ledger.apply(images).await.expect("apply");
    ledger.commit().await.expect("commit");
}

/// The fault of a change in a transaction of its own, which is rolled back.
///
/// # Panics
/// When there is none.
pub(super) async fn fault_of<L: Ledger>(ledger: &mut L, change: Change) -> (Fault, String) {
    ledger.begin().await.expect("begin");
    let applied = ledger.apply(&[image(change.clone())]).await;
    ledger.rollback().await.expect("roll back");
    match applied {
        Err(LedgerError::Fault { fault, detail }) => (fault, detail),
        other => panic!("{change:?} gave {other:?}"),
    }
}

/// Checks the fault of a change.
///
/// # Panics
/// When there is none or another.
pub(super) async fn expect_fault<L: Ledger>(ledger: &mut L, change: Change, fault: Fault) {
    let (found, detail) = fault_of(ledger, change.clone()).await;
    assert_eq!(found, fault, "{change:?}: {detail}");
}

/// All rows of a table with their complements.
pub(super) async fn all<L: Ledger + LedgerReader>(ledger: &mut L, table: &str) -> Vec<(Row, Row)> {
    let schema = ledger.schema().clone();
    ledger.begin_snapshot().await.expect("begin a snapshot");
    let rows = ledger.scan(&schema, &table.into(), None, 1000).await.expect("scan");
    ledger.end_snapshot().await.expect("end a snapshot");
    rows
}

/// The rows of a table without the cells that are NULL.
pub(super) async fn cells<L: Ledger + LedgerReader>(ledger: &mut L, table: &str) -> Vec<Row> {
    let some = |row: Row| row.into_iter().filter(|(_, value)| !value.is_null()).collect();
    all(ledger, table).await.into_iter().map(|(row, _)| some(row)).collect()
}

pub(super) fn posted(seal_nr: i64, trans_nr: i64) -> Posted {
    Posted { seal_nr: SealNr(seal_nr), trans_nr: TransNr(trans_nr) }
}

/// Appends transactions and drafts the seal that covers all unsealed ones.
pub(super) async fn draft_seal<R: Rig>(rig: &R, seeds: std::ops::Range<u64>) -> SealedRun {
    draft_seal_without(rig, seeds, &[]).await
}

/// Appends transactions and drafts the seal that covers all unsealed ones, those of these numbers rejected.
///
/// # Panics
/// When the journal refuses.
pub async fn draft_seal_without<R: Rig>(rig: &R, seeds: std::ops::Range<u64>, rejected: &[i64]) -> SealedRun {
    let rejection =
        |nr: &i64| Rejection { trans_nr: TransNr(*nr), code: "D0202".to_owned(), detail: String::new() };
    let mut journal = rig.journal().await;
    let batch: Vec<_> = seeds.map(|seed| new_transaction(seed, 1)).collect();
    journal.append(&batch).await.expect("append");
    let own = rig.origin();
    let head = journal.heads().await.expect("heads").into_iter().find(|head| head.origin == own);
    let (seal_nr, last_nr, prev_hash, hlc) = head.map_or((SealNr(0), TransNr(0), GENESIS, Hlc(0)), |head| {
        (head.seal_nr, head.last_nr, head.hash, head.hlc)
    });
    let tail = journal.read_tail(last_nr, UNLIMITED).await.expect("tail");
    let draft = SealDraft {
        origin: own,
        seal_nr: seal_nr.next(),
        first_nr: last_nr.next(),
        last_nr: tail.up_to,
        hlc: Hlc(hlc.0 + 1),
        seen: Vector::from([(origin("peer"), SealNr(1))]),
        schema: 1,
        prev_hash,
        sealed_at: 0,
    };
    chain::seal(draft, tail.transactions, rejected.iter().map(rejection).collect())
}

/// The number of the site's own last seal, as its journal says.
pub(super) async fn own_seal<R: Rig>(rig: &R) -> SealNr {
    let own = rig.origin();
    let heads = rig.journal().await.heads().await.expect("heads");
    heads.into_iter().find(|head| head.origin == own).map_or(SealNr(0), |head| head.seal_nr)
}

/// The type of a column of the suite.
pub(super) fn type_of(table: &str, column: &str) -> Type {
    schema().tables[table].column(column).expect("a column").ty
}

mod memory {
    use std::sync::Arc;

    use journal_core::journal::JournalStore as _;
    use journal_core::model::Origin;
    use journal_core::store::memory::MemoryJournal;

    use super::{Rig, Value, origin, schema};
    use crate::ledger::memory::{MemoryControl, MemoryLedger, MemorySite};

    /// The rig over memory.
    #[derive(Debug)]
    pub struct MemoryRig(pub(crate) MemorySite);

    /// A rig over a site of that name.
    pub fn memory_rig(site: &str) -> MemoryRig {
        MemoryRig(MemorySite::new(MemoryJournal::new(origin(site)), Arc::new(schema())))
    }

    impl Rig for MemoryRig {
        type Ledger = MemoryLedger;
        type Control = MemoryControl;
        type Journal = MemoryJournal;

        fn origin(&self) -> Origin {
            self.0.journal().origin().clone()
        }

        async fn ledger(&self) -> MemoryLedger {
            self.0.ledger()
        }

        async fn control(&self) -> MemoryControl {
            self.0.control()
        }

        async fn journal(&self) -> MemoryJournal {
            self.0.journal()
        }

        fn without_place(&self) -> Vec<(&'static str, Value)> {
            Vec::new()
        }

        fn checks(&self) -> bool {
            false
        }

        fn batches(&self) -> usize {
            20_000
        }

        async fn someone_waits(&self) {
            // Waiting is in this process: once the scheduler went round, whoever waits is at the lock.
            for _ in 0..16 {
                tokio::task::yield_now().await;
            }
        }
    }
}
