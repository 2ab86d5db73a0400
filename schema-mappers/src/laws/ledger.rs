//! What ledgers do with mappings, done on books: carry all rows to another version, post a change written at another
//! one. The crate's front page says how an image is posted; this is that table once more, in memory. A mapping that
//! panics is caught and told.

use std::panic::{AssertUnwindSafe, catch_unwind};

use journal_core::model::{Change, Decimal, Op, Row, Schema, SchemaVersion, Table, Value};

use super::book::{Book, Held, table_of};
use super::refusal::Refusal;
use crate::image::Image;
use crate::mapped::MappedRow;
use crate::meet::MeetError;
use crate::plan::{Meeting, Plan, Selector};
use crate::registry::Registry;

/// The tables of a ledger at a version that the set has, those that no view shows among them.
pub(super) fn ledger(registry: &Registry, version: SchemaVersion) -> Result<&Schema, Refusal> {
    registry.ledger(version).map_err(Refusal::Cannot)
}

/// What applications of a version that the set has may write.
pub(super) fn schema(registry: &Registry, version: SchemaVersion) -> Result<&Schema, Refusal> {
    registry.schema(version).map_err(Refusal::Cannot)
}

/// A whole book at another version.
pub(super) fn carry(
    registry: &Registry,
    from: SchemaVersion,
    to: SchemaVersion,
    book: &Book,
) -> Result<Book, Refusal> {
    if from == to {
        return Ok(book.clone());
    }
    let rows = caught(|| registry.map_rows(from, to, book.rows().collect()).map_err(Refusal::Cannot))?;
    Book::of(ledger(registry, to)?, rows)
}

/// The book of a ledger at version `at` after a change that was written at version `from`.
pub(super) fn post(
    registry: &Registry,
    from: SchemaVersion,
    at: SchemaVersion,
    book: &Book,
    change: &Change,
) -> Result<Book, Refusal> {
    let mut book = book.clone();
    let plan = caught(|| registry.map(from, at, change.clone()).map_err(Refusal::Cannot))?;
    post_plan(registry, from, at, &mut book, plan)?;
    Ok(book)
}

fn post_plan(
    registry: &Registry,
    from: SchemaVersion,
    at: SchemaVersion,
    book: &mut Book,
    plan: Plan,
) -> Result<(), Refusal> {
    let schema = ledger(registry, at)?;
    match plan {
        Plan::Images(images) => images.into_iter().try_for_each(|image| post_image(schema, book, image)),
        Plan::Meets(Meeting { change, selectors }) => {
            let found: Vec<MappedRow> = book.rows().filter(|row| is_named(row, &selectors)).collect();
            let images = caught(|| registry.map_with(from, at, &change, &found).map_err(met))?;
            images.into_iter().try_for_each(|image| post_image(schema, book, image))
        }
        Plan::Several(plans) => {
            plans.into_iter().try_for_each(|plan| post_plan(registry, from, at, book, plan))
        }
    }
}

fn is_named(row: &MappedRow, selectors: &[Selector]) -> bool {
    selectors.iter().any(|selector| selector.table == row.table && holds(&row.row, &selector.columns))
}

fn met(error: MeetError) -> Refusal {
    match error {
        MeetError::Map(error) => Refusal::Cannot(error),
        MeetError::Refused { detail, .. } => Refusal::Met(detail),
    }
}

fn post_image(schema: &Schema, book: &mut Book, image: Image) -> Result<(), Refusal> {
    let Image { change, complement, if_new } = image;
    let table = table_of(schema, &change.entity)?;
    let key = match change.op {
        Op::Insert | Op::Upsert => &change.cells,
        Op::Update | Op::Delete | Op::Add | Op::Call => &change.key,
    };
    let key = match (table.key_row(key), &if_new) {
        (Some(key), _) => key,
        // The row that stands keeps its key, so the cells to set may lack it.
        (None, Some(new)) => table.key_row(&new.row).unwrap_or_default(),
        (None, None) => return Err(Refusal::Misfit { table: table.name.clone(), row: change.cells }),
    };
    match (change.op, book.remove(table, &key)) {
        (Op::Insert, None) => book.insert(table, change.cells, complement.set),
        (Op::Upsert, None) => {
            let (row, kept) = match if_new {
                Some(new) => (new.row, new.complement),
                None => (change.cells, complement.set),
            };
            book.insert(table, row, kept)
        }
        (Op::Insert, Some(_)) => Err(Refusal::Duplicate { table: table.name.clone() }),
        (_, None) => Err(Refusal::Missing { table: table.name.clone() }),
        (_, Some(held)) if !holds(&held.row, &change.expect) => {
            Err(Refusal::Unexpected { table: table.name.clone() })
        }
        (Op::Delete, Some(_)) => Ok(()),
        (op, Some(Held { mut row, complement: mut kept })) => {
            let range = |refusal| match (op, refusal) {
                // Whether a sum fits is not seen from the delta.
                (Op::Add, Refusal::Misfit { table, .. }) => Refusal::Range { table },
                (_, refusal) => refusal,
            };
            match op {
                Op::Add => add(table, &mut row, change.cells)?,
                _ => row.extend(change.cells),
            }
            complement.apply(&mut kept);
            book.insert(table, row, kept).map_err(range)
        }
    }
}

fn holds(row: &Row, cells: &Row) -> bool {
    cells.iter().all(|(name, value)| row.get(name) == Some(value))
}

fn add(table: &Table, row: &mut Row, deltas: Row) -> Result<(), Refusal> {
    for (name, delta) in deltas {
        let sum = match (row.get(&name), &delta) {
            // A delta on NULL is refused, as ledgers do.
            (Some(Value::Int(stands)), Value::Int(delta)) => stands.checked_add(*delta).map(Value::Int),
            (Some(Value::Decimal(stands)), Value::Decimal(delta)) => {
                Some(Value::Decimal(Decimal::plus(stands, delta)))
            }
            _ => None,
        };
        let range = || Refusal::Range { table: table.name.clone() };
        row.set(name, sum.ok_or_else(range)?);
    }
    Ok(())
}

/// A mapping's answer, also when it panics.
fn caught<T>(mapping: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    // Mappings keep no state from call to call, so there is none that a panic could leave half done.
    match catch_unwind(AssertUnwindSafe(mapping)) {
        Ok(answer) => answer,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(Refusal::Panicked(text.unwrap_or_else(|| "without a message".to_owned())))
        }
    }
}
