//! Draws of the operations on whole tables.

use schema_mappers::laws::Dice;

use super::columns::table;
use super::values::{key_ty, ty};
use crate::design::{Column, Design, Parent, Table, list};

/// Tables of a version, at most.
const TABLES_MAX: usize = 5;

pub(super) fn create_table(design: &mut Design, dice: &mut Dice) -> Option<String> {
    if design.tables.len() >= TABLES_MAX {
        return None;
    }
    let table = Table { fresh: true, ..new_table(design, dice) };
    let text = format!("table = \"{}\"\n", table.name);
    design.tables.push(table);
    Some(text)
}

pub(super) fn drop_table(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let name = table(design, dice)?.name.clone();
    let is_parent =
        |table: &Table| table.name != name && table.parents.iter().any(|parent| parent.table == name);
    if design.tables.len() == 1 || design.tables.iter().any(is_parent) {
        return None;
    }
    design.tables.retain(|table| table.name != name);
    Some(format!("table = \"{name}\"\n"))
}

pub(super) fn rename_table(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let name = table(design, dice)?.name.clone();
    let to = design.name("t");
    design.rename_table(&name, &to);
    Some(format!("table = \"{name}\"\nto = \"{to}\"\n"))
}

/// A table with nothing that refers to it yet. It may refer to one that is there.
pub(crate) fn new_table(design: &mut Design, dice: &mut Dice) -> Table {
    let name = design.name("t");
    let mut columns = Vec::new();
    let keys = if dice.percent(20) { 2 } else { 1 };
    for _ in 0..keys {
        columns.push(Column { name: design.name("k"), ty: key_ty(dice), nullable: false });
    }
    let key = columns.iter().map(|column| column.name.clone()).collect();
    for _ in 0..1 + dice.below(5) {
        columns.push(Column { name: design.name("c"), ty: ty(dice), nullable: dice.percent(35) });
    }
    let parents = match dice.pick(&design.tables).cloned() {
        Some(parent) if dice.percent(50) => vec![refer(&mut columns, design, dice, &parent)],
        _ => Vec::new(),
    };
    Table {
        name,
        columns,
        key,
        parents,
        unique: vec![],
        indexes: vec![],
        checks: vec![],
        kept: vec![],
        touched: vec![],
        listed: false,
        tied: false,
        rekeyed: false,
        adds_unique: false,
        fresh: false,
    }
}

/// Columns that refer to a table's key.
fn refer(columns: &mut Vec<Column>, design: &mut Design, dice: &mut Dice, parent: &Table) -> Parent {
    let nullable = dice.percent(50);
    let mut names = Vec::new();
    for key in &parent.key {
        let of = parent.columns.iter().find(|column| column.name == *key);
        let ty = of.map_or("int".to_owned(), |column| column.ty.clone());
        names.push(design.name("r"));
        columns.push(Column { name: names[names.len() - 1].clone(), ty, nullable });
    }
    Parent { columns: names, table: parent.name.clone() }
}

pub(super) fn change_key(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let parents: Vec<String> =
        design.tables.iter().flat_map(|table| &table.parents).map(|parent| parent.table.clone()).collect();
    let known = design.clone();
    let table = table(design, dice)?;
    let free = !table.tied && !table.adds_unique && !parents.contains(&table.name) && table.kept.is_empty();
    let at = dice.below(table.unique.len());
    let to = table.unique.get(at).filter(|_| free)?.clone();
    let required =
        |name: &String| table.columns.iter().any(|column| column.name == *name && !column.nullable);
    // A version that lacks a column of the key, or another value of it, cannot take changes that name their rows by it.
    if !to.iter().all(|name| required(name) && known.is_old(name) && !table.touched.contains(name)) {
        return None;
    }
    table.unique[at] = std::mem::replace(&mut table.key, to.clone());
    (table.fresh, table.tied, table.rekeyed) = (true, true, true);
    Some(format!("table = \"{}\"\nto = {}\n", table.name, list(&to)))
}
