//! What can be told of a change of tied tables before any row is read: which cells it brings to which table of another
//! version, such as those of a unique key. Never to be posted.

use journal_core::model::{Change, Name, Op, Row, SchemaVersion, Table, Type, Value};

use super::Registry;
use crate::mapped::MappedRow;

impl Registry {
    /// The rows at version `to` of what a change writes in tied tables, told twice: cells that it says nothing of hold one
    /// value in the first telling and another in the second, so that what both tell is the change's own. `None` where it
    /// writes no cells, or where the cells alone have no way to the version.
    pub fn outline(
        &self,
        from: SchemaVersion,
        to: SchemaVersion,
        change: &Change,
    ) -> Option<[Vec<MappedRow>; 2]> {
        if !matches!(change.op, Op::Insert | Op::Upsert | Op::Update) {
            return None;
        }
        let rows = |filling| self.map_rows(from, to, self.filled_in(from, change, filling)?).ok();
        Some([rows(0)?, rows(1)?])
    }

    /// The row of a change, and for a member the root row that it belongs to, each with all its cells.
    fn filled_in(&self, version: SchemaVersion, change: &Change, filling: i64) -> Option<Vec<MappedRow>> {
        let household = self.household(version, &change.entity)?;
        let table = household.tables().find(|table| table.name == change.entity)?;
        let mut cells = change.key.clone();
        cells.extend(change.cells.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut rows = Vec::with_capacity(2);
        if table.name != household.root.name {
            rows.push(filled(household.root, &household.root_key(table, &cells)?, filling));
        }
        rows.push(filled(table, &cells, filling));
        Some(rows)
    }
}

fn filled(table: &Table, cells: &Row, filling: i64) -> MappedRow {
    let cell = |name: &Name, ty| cells.get(name).cloned().unwrap_or_else(|| filler(ty, filling));
    let row = table.columns.iter().map(|column| (column.name.clone(), cell(&column.name, column.ty)));
    MappedRow { table: table.name.clone(), row: row.collect(), complement: Row::new() }
}

/// One of two values that every type holds.
fn filler(ty: Type, which: i64) -> Value {
    match ty {
        Type::Bool => Value::Bool(which == 1),
        Type::Int => Value::Int(which),
        Type::Decimal { precision, scale } if scale == precision => {
            decimal(&format!("0.{}{which}", "0".repeat(usize::from(scale.saturating_sub(1)))))
        }
        Type::Decimal { .. } => decimal(&which.to_string()),
        Type::Float => Value::Float(if which == 1 { 1.0 } else { 0.0 }),
        Type::Text { .. } => Value::Text(which.to_string()),
        Type::Bytes => Value::Bytes(which.to_string().into_bytes()),
        Type::Date => Value::Date(i32::from(which == 1)),
        Type::Time => Value::Time(which),
        Type::Timestamp => Value::Timestamp(which),
        Type::Uuid => Value::Uuid(uuid::Uuid::from_u128(u128::from(which == 1))),
        Type::Json => Value::Json(which.to_string()),
    }
}

fn decimal(text: &str) -> Value {
    text.parse().map_or(Value::Null, Value::Decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fillers_differ_and_their_type_holds_them() {
        let types = [
            "bool",
            "int",
            "decimal(1,1)",
            "decimal(5,5)",
            "decimal(9,2)",
            "float",
            "text",
            "text(1)",
            "bytes",
            "date",
            "time",
            "timestamp",
            "uuid",
            "json",
        ];
        for ty in types.map(|ty| ty.parse::<Type>().expect("a type")) {
            let (first, second) = (filler(ty, 0), filler(ty, 1));
            assert!(ty.holds(&first) && ty.holds(&second) && first != second, "{ty}: {first:?} {second:?}");
        }
    }
}
