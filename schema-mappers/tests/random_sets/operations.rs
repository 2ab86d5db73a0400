//! Every operation a mapping can have, as a draw: it looks for a place in the design, changes the design as the operation
//! would, and gives the operation's text. `None` where the design has no place for it.

mod cells;
mod columns;
mod constraints;
mod groups;
mod tables;
mod values;

use schema_mappers::laws::Dice;

use crate::design::Design;
pub(crate) use tables::new_table;

/// Draws one operation.
type Draw = fn(&mut Design, &mut Dice) -> Option<String>;

/// The operations by name, each with its draw.
pub(crate) const OPERATIONS: &[(&str, Draw)] = &[
    ("create_table", tables::create_table),
    ("drop_table", tables::drop_table),
    ("split_table", groups::split_table),
    ("merge_tables", groups::merge_tables),
    ("list_to_rows", groups::list_to_rows),
    ("rows_to_list", groups::rows_to_list),
    ("move_column", groups::move_column),
    ("change_key", tables::change_key),
    ("rename_table", tables::rename_table),
    ("rename_column", columns::rename_column),
    ("add_column", columns::add_column),
    ("drop_column", columns::drop_column),
    ("split_column", columns::split_column),
    ("merge_columns", columns::merge_columns),
    ("change_type", columns::change_type),
    ("require_column", columns::require_column),
    ("allow_null", columns::allow_null),
    ("map_values", cells::map_values),
    ("set_constant", cells::set_constant),
    ("compute", cells::compute),
    ("local_time_to_utc", cells::local_time_to_utc),
    ("reorder_columns", cells::reorder_columns),
    ("add_unique", constraints::add_unique),
    ("drop_unique", constraints::drop_unique),
    ("add_reference", constraints::add_reference),
    ("drop_reference", constraints::drop_reference),
    ("add_check", constraints::add_check),
    ("drop_check", constraints::drop_check),
    ("add_index", constraints::add_index),
    ("drop_index", constraints::drop_index),
];

/// Operations that seldom have a place: another one must have gone before.
const RARE: [&str; 4] = ["merge_tables", "rows_to_list", "move_column", "change_key"];
/// Draws out of a hundred that look for a place for one of those first.
const RARE_FIRST: usize = 40;

/// Draws any operation that has a place in the design: its `[[map]]` entry.
pub(crate) fn draw(design: &mut Design, dice: &mut Dice) -> Option<String> {
    let try_one = |operations: &[&(&str, Draw)], design: &mut Design, dice: &mut Dice| {
        let (name, draw) = dice.pick(operations)?;
        let arguments = draw(design, dice)?;
        Some(format!("[[map]]\nop = \"{name}\"\n{arguments}"))
    };
    let all: Vec<_> = OPERATIONS.iter().collect();
    let rare: Vec<_> = all.iter().copied().filter(|(name, _)| RARE.contains(name)).collect();
    let first = if dice.percent(RARE_FIRST) { 6 } else { 0 };
    let tries = std::iter::repeat_n(&rare, first).chain(std::iter::repeat_n(&all, OPERATIONS.len()));
    tries.into_iter().find_map(|operations| try_one(operations, design, dice))
}
