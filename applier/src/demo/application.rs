//! The application of the demo in its two releases: what it writes for each event of the history. Release 1 writes the
//! history as it stands; release 2 knows first and last names, addresses under their new name, and how a rental came in.

use std::collections::HashMap;

use journal_core::codec::json::{JsonError, read_line};
use journal_core::model::{Change, Op, Row, Schema, Value};

/// Stands where release 2 has to ask: `phone.number` is required since then. The set's mapping names the same code.
pub const ASK_PHONE: &str = "?";

/// What release 1 writes for a line of the history.
pub fn release_1(line: &str, schema: &Schema) -> Result<Vec<Change>, JsonError> {
    Ok(read_line(line, schema)?.changes)
}

/// What release 2 writes for the same event. `schema` is version 1's: the history is told in it.
pub fn release_2(
    line: &str,
    schema: &Schema,
    names: &HashMap<i64, (String, String)>,
) -> Result<Vec<Change>, JsonError> {
    Ok(release_1(line, schema)?.into_iter().map(|change| modern(change, names)).collect())
}

fn modern(mut change: Change, names: &HashMap<i64, (String, String)>) -> Change {
    match (change.entity.as_ref(), change.op) {
        ("name", Op::Insert) => {
            change.cells.remove("full_name");
            if let Some(Value::Int(id)) = change.cells.get("customer_id")
                && let Some((first, last)) = names.get(id)
            {
                change
                    .cells
                    .extend(Row::new().with("first_name", first.as_str()).with("last_name", last.as_str()));
            }
        }
        ("addr", _) => change.entity = "address".into(),
        ("phone", Op::Insert) if change.cells.get("number").is_none_or(Value::is_null) => {
            change.cells.set("number", ASK_PHONE);
        }
        // Every third rental is ordered online: a value that version 1 has no place for.
        ("rental", Op::Insert) => {
            let online = matches!(change.cells.get("rental_id"), Some(Value::Int(id)) if id % 3 == 0);
            change.cells.set("channel", if online { "online" } else { "counter" });
        }
        _ => {}
    }
    change
}
