//! Draws of the operations on columns.

use schema_mappers::laws::Dice;

use super::values::{is_text, literal, ty};
use crate::design::{Column, Design, Table, list};

pub(super) fn rename_column(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let to = design.name("c");
    let table = table(design, dice)?;
    let column = dice.pick(&table.columns)?.name.clone();
    table.rename_column(&column, &to);
    Some(format!("table = \"{}\"\ncolumn = \"{column}\"\nto = \"{to}\"\n", table.name))
}

pub(super) fn add_column(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let name = design.name("c");
    let table = table(design, dice)?;
    let ty = ty(dice);
    let nullable = dice.percent(40);
    let filled = match (nullable, dice.percent(50)) {
        (true, _) => "null = true".to_owned(),
        (false, true) => format!("default = {}", literal(dice, &ty)),
        (false, false) => format!("ask = {}", literal(dice, &ty)),
    };
    let text = format!("table = \"{}\"\ncolumn = \"{name}\"\ntype = \"{ty}\"\n{filled}\n", table.name);
    table.kept.push(name.clone());
    table.columns.push(Column { name, ty, nullable });
    Some(text)
}

pub(super) fn drop_column(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let table = table(design, dice)?;
    let column = free(table, dice, |_| true)?;
    table.columns.retain(|kept| *kept != column);
    let default = match column.nullable {
        true => String::new(),
        false => format!("default = {}\n", literal(dice, &column.ty)),
    };
    Some(format!("table = \"{}\"\ncolumn = \"{}\"\n{default}", table.name, column.name))
}

pub(super) fn split_column(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let into = [design.name("c"), design.name("c")];
    let table = table(design, dice)?;
    let column = free(table, dice, |column| is_text(&column.ty))?;
    table.columns.retain(|kept| *kept != column);
    table.kept.extend(into.clone());
    table.columns.extend(into.iter().map(|name| Column { name: name.clone(), ..column.clone() }));
    let (table, column) = (&table.name, &column.name);
    Some(format!("table = \"{table}\"\ncolumn = \"{column}\"\ninto = {}\n{}", list(&into), cut(dice)))
}

pub(super) fn merge_columns(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let into = design.name("c");
    let table = table(design, dice)?;
    let left = free(table, dice, |column| is_text(&column.ty))?;
    let right = free(table, dice, |column| is_text(&column.ty) && *column != left)?;
    table.columns.retain(|kept| *kept != left && *kept != right);
    let nullable = left.nullable && right.nullable;
    table.kept.push(into.clone());
    table.columns.push(Column { name: into.clone(), ty: "text".to_owned(), nullable });
    let columns = list(&[left.name, right.name]);
    let table = &table.name;
    Some(format!("table = \"{table}\"\ncolumns = {columns}\ninto = \"{into}\"\n{}", cut(dice)))
}

pub(super) fn change_type(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let types = ["int", "decimal(6,2)", "decimal(14,4)", "text", "text(12)"];
    let table = table(design, dice)?;
    let convertible = |column: &Column| types.contains(&column.ty.as_str());
    let column = free(table, dice, convertible)?;
    let to = *dice.pick(&types).filter(|to| **to != column.ty)?;
    to.clone_into(&mut table.column(&column.name)?.ty);
    Some(format!("table = \"{}\"\ncolumn = \"{}\"\nto = \"{to}\"\n", table.name, column.name))
}

pub(super) fn require_column(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let table = table(design, dice)?;
    let column = free(table, dice, |column| column.nullable)?;
    table.column(&column.name)?.nullable = false;
    let ask = literal(dice, &column.ty);
    Some(format!("table = \"{}\"\ncolumn = \"{}\"\nask = {ask}\n", table.name, column.name))
}

pub(super) fn allow_null(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let table = table(design, dice)?;
    let column = free(table, dice, |column| !column.nullable)?;
    table.column(&column.name)?.nullable = true;
    let default = literal(dice, &column.ty);
    Some(format!("table = \"{}\"\ncolumn = \"{}\"\ndefault = {default}\n", table.name, column.name))
}

/// A table of the design that the older version has as well.
pub(super) fn table<'a>(design: &'a mut Design, dice: &mut Dice) -> Option<&'a mut Table> {
    let mut tables: Vec<&mut Table> =
        design.tables.iter_mut().filter(|table| !table.fresh && !table.listed).collect();
    let at = dice.below(tables.len());
    (at < tables.len()).then(|| tables.swap_remove(at))
}

/// A column that no key and no constraint names, and of which no operation of the step keeps anything yet.
pub(super) fn free(table: &mut Table, dice: &mut Dice, fits: impl Fn(&Column) -> bool) -> Option<Column> {
    let free = table
        .columns
        .iter()
        .filter(|column| !table.is_bound(&column.name) && !table.kept.contains(&column.name) && fits(column));
    let column = (*dice.pick(&free.collect::<Vec<_>>())?).clone();
    table.kept.push(column.name.clone());
    Some(column)
}

fn cut(dice: &mut Dice) -> String {
    let (separator, at) = match dice.below(4) {
        0 => (" ", "last"),
        1 => (" ", "first"),
        2 => (", ", "first"),
        _ => (",", "last"),
    };
    format!("separator = \"{separator}\"\nat = \"{at}\"\n")
}
