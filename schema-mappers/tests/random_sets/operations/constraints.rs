//! Draws of the operations that change no row: unique keys, references, checks, indexes.

use schema_mappers::laws::Dice;

use super::columns::table;
use crate::design::{Column, Design, Parent, Table, list};

pub(super) fn add_unique(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let table = table(design, dice)?;
    let columns = orderly(table, dice)?;
    if table.unique.contains(&columns) || table.key == columns {
        return None;
    }
    table.unique.push(columns.clone());
    table.adds_unique = true;
    Some(format!("table = \"{}\"\ncolumns = {}\n", table.name, list(&columns)))
}

pub(super) fn drop_unique(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let table = table(design, dice).filter(|table| !table.rekeyed)?;
    let columns = dice.pick(&table.unique)?.clone();
    table.unique.retain(|kept| *kept != columns);
    Some(format!("table = \"{}\"\ncolumns = {}\n", table.name, list(&columns)))
}

/// A reference to a table further up the list, so that there is no circle.
pub(super) fn add_reference(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let at = dice.below(design.tables.len());
    let target = design.tables.get(dice.below(at)).filter(|_| at > 0)?.clone();
    if design.tables[at].fresh || design.tables[at].listed {
        return None;
    }
    let [key] = target.key.as_slice() else { return None };
    let ty = &target.columns.iter().find(|column| column.name == *key)?.ty;
    let table = &mut design.tables[at];
    let fitting: Vec<&Column> = table.columns.iter().filter(|column| column.ty == *ty).collect();
    let columns = vec![dice.pick(&fitting)?.name.clone()];
    let parent = Parent { columns, table: target.name };
    if table.parents.contains(&parent) {
        return None;
    }
    let text = reference(table, &parent);
    table.parents.push(parent);
    Some(text)
}

pub(super) fn drop_reference(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let table = table(design, dice)?;
    let parent = dice.pick(&table.parents)?.clone();
    table.parents.retain(|kept| *kept != parent);
    Some(reference(table, &parent))
}

pub(super) fn add_check(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let name = design.name("h");
    let table = table(design, dice)?;
    let column = dice.pick(&table.columns)?;
    let about = column.name.clone();
    let that = match column.ty.split('(').next()? {
        "int" => format!("{about} > -100"),
        "decimal" => format!("{about} < 5000.5"),
        "text" => format!("length({about}) < 11"),
        "bool" => format!("{about} or not {about}"),
        _ => return None,
    };
    table.checks.push((name.clone(), that.clone(), about));
    Some(format!("table = \"{}\"\nname = \"{name}\"\nthat = \"{that}\"\n", table.name))
}

pub(super) fn drop_check(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let table = table(design, dice)?;
    let (name, ..) = dice.pick(&table.checks)?.clone();
    table.checks.retain(|(kept, ..)| *kept != name);
    Some(format!("table = \"{}\"\nname = \"{name}\"\n", table.name))
}

pub(super) fn add_index(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let name = design.name("i");
    let table = table(design, dice)?;
    let columns = orderly(table, dice)?;
    table.indexes.push((name.clone(), columns.clone()));
    Some(format!("table = \"{}\"\nname = \"{name}\"\ncolumns = {}\n", table.name, list(&columns)))
}

pub(super) fn drop_index(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let table = table(design, dice)?;
    let (name, _) = dice.pick(&table.indexes)?.clone();
    table.indexes.retain(|(kept, _)| *kept != name);
    Some(format!("table = \"{}\"\nname = \"{name}\"\n", table.name))
}

fn reference(table: &Table, parent: &Parent) -> String {
    let (columns, parent) = (list(&parent.columns), &parent.table);
    format!("table = \"{}\"\ncolumns = {columns}\nparent = \"{parent}\"\n", table.name)
}

/// One or two columns of types with one order in every store.
fn orderly(table: &Table, dice: &mut Dice) -> Option<Vec<String>> {
    let types = ["int", "text", "text(12)", "date", "timestamp", "uuid", "bool", "bytes"];
    let fits = |column: &&Column| types.contains(&column.ty.as_str());
    let columns: Vec<&Column> = table.columns.iter().filter(fits).collect();
    let first = dice.pick(&columns)?.name.clone();
    let second = dice.pick(&columns)?.name.clone();
    let both = dice.percent(40) && first != second;
    Some(if both { vec![first, second] } else { vec![first] })
}
