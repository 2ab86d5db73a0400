//! Draws of the operations that tie tables together: one into two, two into one, a list into rows and back.

use schema_mappers::laws::Dice;

use super::columns::{free, table};
use super::values::{is_text, literal};
use crate::design::{Column, Design, Parent, Table, list};

pub(super) fn split_table(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let into = design.name("t");
    let table = table(design, dice).filter(|table| !table.tied)?;
    let first = free(table, dice, |column| column.ty != "json")?;
    let second = free(table, dice, |column| column.ty != "json" && column.name != first.name);
    let moved: Vec<Column> = [first].into_iter().chain(second.filter(|_| dice.percent(50))).collect();
    table.columns.retain(|column| !moved.contains(column));
    let names: Vec<String> = moved.iter().map(|column| column.name.clone()).collect();
    let defaults: Vec<String> = moved
        .iter()
        .filter(|column| !column.nullable)
        .map(|column| format!("{} = {}", column.name, literal(dice, &column.ty)))
        .collect();
    let default = match defaults.is_empty() {
        true => String::new(),
        false => format!("default = {{ {} }}\n", defaults.join(", ")),
    };
    let optional = if dice.percent(50) { "optional = true\n" } else { "" };
    let text = format!(
        "table = \"{}\"\ninto = \"{into}\"\ncolumns = {}\n{default}{optional}",
        table.name,
        list(&names)
    );
    let root = table.clone();
    (table.fresh, table.tied) = (true, true);
    let keys = root.columns.iter().filter(|column| root.key.contains(&column.name)).cloned();
    let parents = vec![Parent { columns: root.key.clone(), table: root.name.clone() }];
    let columns = keys.chain(moved).collect();
    design.tables.push(Table {
        name: into,
        columns,
        parents,
        unique: vec![],
        indexes: vec![],
        checks: vec![],
        fresh: true,
        tied: true,
        ..root
    });
    Some(text)
}

pub(super) fn merge_tables(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let at = dice.below(design.tables.len());
    let from = design.tables.get(at)?.clone();
    let [Parent { columns, table: root }] = from.parents.as_slice() else { return None };
    let is_plain = from.unique.is_empty() && from.indexes.is_empty() && from.checks.is_empty();
    let is_parent =
        design.tables.iter().any(|table| table.parents.iter().any(|parent| parent.table == from.name));
    if *columns != from.key || from.fresh || !is_plain || is_parent || *root == from.name {
        return None;
    }
    let root = design.tables.iter().position(|table| table.name == *root)?;
    let moved: Vec<Column> =
        from.columns.iter().filter(|column| !from.key.contains(&column.name)).cloned().collect();
    let clash = |column: &Column| design.tables[root].columns.iter().any(|other| other.name == column.name);
    if moved.is_empty() || moved.iter().any(clash) || design.tables[root].fresh {
        return None;
    }
    let mut defaults = Vec::new();
    for mut column in moved {
        if dice.percent(50) {
            defaults.push(format!("{} = {}", column.name, literal(dice, &column.ty)));
        } else {
            column.nullable = true;
        }
        design.tables[root].columns.push(column);
    }
    let default = match defaults.is_empty() {
        true => String::new(),
        false => format!("default = {{ {} }}\n", defaults.join(", ")),
    };
    design.tables[root].fresh = true;
    let text = format!("table = \"{}\"\nfrom = \"{}\"\n{default}", design.tables[root].name, from.name);
    design.tables.remove(at);
    Some(text)
}

/// Between a table and the one beside it, either way.
pub(super) fn move_column(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let beside = dice.below(design.tables.len());
    let Table { parents, key, .. } = design.tables.get(beside)?;
    let [Parent { columns, table: root }] = parents.as_slice() else { return None };
    let root = design.tables.iter().position(|table| table.name == *root)?;
    if columns != key || root == beside || [root, beside].iter().any(|at| design.tables[*at].fresh) {
        return None;
    }
    let (from, to) = if dice.percent(50) { (root, beside) } else { (beside, root) };
    let column = free(&mut design.tables[from], dice, |column| column.ty != "json")?;
    let default = match column.nullable {
        true => String::new(),
        false => format!("default = {}\n", literal(dice, &column.ty)),
    };
    let (table, name, into) = (&design.tables[from].name, &column.name, &design.tables[to].name);
    let text = format!("table = \"{table}\"\ncolumn = \"{name}\"\nto = \"{into}\"\n{default}");
    design.tables[from].columns.retain(|kept| *kept != column);
    design.tables[to].columns.push(column);
    for at in [root, beside] {
        design.tables[at].fresh = true;
    }
    Some(text)
}

pub(super) fn list_to_rows(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let (into, value, nr) = (design.name("t"), design.name("v"), design.name("n"));
    let table = table(design, dice).filter(|table| !table.tied)?;
    let column = free(table, dice, |column| is_text(&column.ty))?.name;
    table.columns.retain(|kept| kept.name != column);
    let mut root = table.clone();
    (table.fresh, table.tied) = (true, true);
    let mut columns: Vec<Column> =
        root.columns.iter().filter(|column| root.key.contains(&column.name)).cloned().collect();
    let parents = vec![Parent { columns: root.key.clone(), table: root.name.clone() }];
    let mut position = String::new();
    if dice.percent(60) {
        position = format!("position = \"{nr}\"\n");
        columns.push(Column { name: nr.clone(), ty: "int".to_owned(), nullable: false });
        root.key.push(nr);
    } else {
        root.key.push(value.clone());
    }
    columns.push(Column { name: value.clone(), ty: "text".to_owned(), nullable: false });
    let text = format!(
        "table = \"{}\"\ncolumn = \"{column}\"\ninto = \"{into}\"\nvalue = \"{value}\"\n{position}separator = \",\"\n",
        root.name
    );
    design.tables.push(Table {
        name: into,
        columns,
        parents,
        unique: vec![],
        indexes: vec![],
        checks: vec![],
        listed: true,
        fresh: true,
        tied: true,
        ..root
    });
    Some(text)
}

/// The way back of a list that some step before made rows of.
pub(super) fn rows_to_list(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let into = design.name("c");
    let at = dice.below(design.tables.len());
    let from = design.tables.get(at)?.clone();
    let [Parent { columns, table: root }] = from.parents.as_slice() else { return None };
    let is_plain = from.unique.is_empty() && from.indexes.is_empty() && from.checks.is_empty();
    let is_parent =
        design.tables.iter().any(|table| table.parents.iter().any(|parent| parent.table == from.name));
    let is_list = from.key.len() == columns.len() + 1 && from.key.starts_with(columns);
    if !is_list || from.fresh || !is_plain || is_parent || *root == from.name {
        return None;
    }
    let last = from.key.last()?.clone();
    let others: Vec<&Column> =
        from.columns.iter().filter(|column| !columns.contains(&column.name) && column.name != last).collect();
    let (value, position) = match others.as_slice() {
        [] => (from.columns.iter().find(|column| column.name == last)?, String::new()),
        [value] => (*value, format!("position = \"{last}\"\n")),
        _ => return None,
    };
    let is_int = from.columns.iter().any(|column| column.name == last && column.ty == "int");
    if !is_text(&value.ty) || value.nullable || (!position.is_empty() && !is_int) {
        return None;
    }
    let root = design.tables.iter_mut().find(|table| table.name == *root && !table.fresh)?;
    root.fresh = true;
    let nullable = dice.percent(50);
    root.columns.push(Column { name: into.clone(), ty: "text".to_owned(), nullable });
    let null = if nullable { "null = true\n" } else { "" };
    let text = format!(
        "table = \"{}\"\nfrom = \"{}\"\ninto = \"{into}\"\nvalue = \"{}\"\n{position}separator = \",\"\n{null}",
        root.name, from.name, value.name
    );
    design.tables.remove(at);
    Some(text)
}
