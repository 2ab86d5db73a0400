//! Draws of the operations that give columns other values: by pairs, by expressions, by a constant. And of the one that only
//! orders them.

use schema_mappers::laws::Dice;

use super::columns::{free, table};
use super::values::{is_text, literal};
use crate::design::{Column, Design, list};

pub(super) fn map_values(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let table = table(design, dice)?;
    let column =
        free(table, dice, |column| is_text(&column.ty) || column.ty == "bool" || column.ty == "int")?;
    let (to, values) = match (column.ty.as_str(), dice.percent(50)) {
        ("bool", true) => ("int", "[[false, 1], [true, 2]]"),
        ("bool", false) => ("text", "[[true, \"all\"], [false, \"none\"]]"),
        ("int", true) => ("text", "[[0, \"none\"], [1, \"A\"], [7, \"\"]]"),
        ("int", false) => ("int", "[[0, 1], [1, 0], [7, 99]]"),
        (_, true) => ("int", "[[\"A\", 1], [\"\", 0], [\"none\", -1]]"),
        (_, false) => (column.ty.as_str(), "[[\"A\", \"B\"], [\"?\", \"none\"]]"),
    };
    let otherwise = match dice.percent(60) {
        true => format!("otherwise = {}\n", literal(dice, to)),
        false => String::new(),
    };
    let older = match dice.percent(60) {
        true => format!("older_otherwise = {}\n", literal(dice, &column.ty)),
        false => String::new(),
    };
    let head = format!("table = \"{}\"\ncolumn = \"{}\"\n", table.name, column.name);
    let turned = if to == column.ty { String::new() } else { format!("to = \"{to}\"\n") };
    let text = format!("{head}{turned}values = {values}\n{otherwise}{older}");
    to.clone_into(&mut table.column(&column.name)?.ty);
    Some(text)
}

pub(super) fn set_constant(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let table = table(design, dice)?;
    let column = free(table, dice, |column| column.ty != "json")?;
    let value = literal(dice, &column.ty);
    Some(format!("table = \"{}\"\ncolumn = \"{}\"\nvalue = {value}\n", table.name, column.name))
}

/// A column turned into another one, with an expression that comes back or one that does not.
pub(super) fn compute(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let name = design.name("c");
    let table = table(design, dice)?;
    let known = |column: &Column| ["int", "bool", "text", "timestamp"].contains(&column.ty.as_str());
    let old = free(table, dice, |column| known(column) && !column.nullable)?.name;
    let ty = table.column(&old)?.ty.clone();
    let (to, nullable, up, down) = match (ty.as_str(), dice.percent(50)) {
        ("int", true) => ("int", false, format!("{old} + 1"), format!("{name} - 1")),
        ("int", false) => {
            ("bool", false, format!("{old} > 0"), format!("case when {name} then 1 else 0 end"))
        }
        ("bool", true) => {
            let since = format!("case when {old} then timestamp '2024-01-01T00:00:00Z' else null end");
            ("timestamp", true, since, format!("{name} is not null"))
        }
        ("bool", false) => ("bool", false, format!("not {old}"), format!("not {name}")),
        ("timestamp", _) => {
            ("text", false, "'then'".to_owned(), "timestamp '1970-01-01T00:00:00Z'".to_owned())
        }
        (_, true) => ("text", false, format!("lower({old})"), name.clone()),
        (_, false) => ("int", false, format!("length({old})"), "'x'".to_owned()),
    };
    table.columns.retain(|column| column.name != old);
    table.kept.push(name.clone());
    table.columns.push(Column { name: name.clone(), ty: to.to_owned(), nullable });
    let add = match nullable {
        true => format!("{{ type = \"{to}\", null = true }}"),
        false => format!("\"{to}\""),
    };
    let table = &table.name;
    Some(format!(
        "table = \"{table}\"\ndrop = [\"{old}\"]\nadd = {{ {name} = {add} }}\nup = {{ {name} = \"{up}\" }}\n\
         down = {{ {old} = \"{down}\" }}\n"
    ))
}

pub(super) fn reorder_columns(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let table = table(design, dice)?;
    let by = dice.below(table.columns.len());
    table.columns.rotate_left(by);
    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    Some(format!("table = \"{}\"\ncolumns = {}\n", table.name, list(&names)))
}

pub(super) fn local_time_to_utc(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let table = table(design, dice)?;
    let column = free(table, dice, |column| column.ty == "date" || column.ty == "timestamp")?.name;
    let zone = dice.pick(&["America/New_York", "Europe/Vienna", "Asia/Kathmandu"])?;
    let ambiguous = dice.pick(&["earlier", "later"])?;
    "timestamp".clone_into(&mut table.column(&column)?.ty);
    let table = &table.name;
    Some(format!(
        "table = \"{table}\"\ncolumn = \"{column}\"\nzone = \"{zone}\"\nambiguous = \"{ambiguous}\"\n"
    ))
}
