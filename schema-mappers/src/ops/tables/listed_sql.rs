//! [`Listed`] in SQL, for views. A list in the spelling in which it was written is shown so as long as it has just the parts
//! that stand there; rows that a list does not spell are shown as it spells them.

use super::listed::Listed;
use crate::ddl::Dialect;
use crate::ddl::quote::{ident, text};
use crate::ddl::relations::{Relation, Relations, no_cells};
use crate::ddl::views::ViewColumns;

/// The list of the rows.
pub(super) fn gather(listed: &Listed, relations: &mut Relations) {
    let dialect = relations.dialect;
    let (mut root, member) = (relations.take(&listed.root).plain("r"), relations.take(&listed.member));
    let on: Vec<String> =
        listed.key.iter().map(|(root, member)| format!("m.{} = r.{}", ident(member), ident(root))).collect();
    let rows = format!("{} WHERE {}", member.aliased("m", false), on.join(" AND "));
    let value = format!("m.{}", ident(&listed.value));
    let order = match (&listed.position, dialect) {
        (Some(position), _) => format!("m.{}", ident(position)),
        (None, Dialect::Sqlite) => value.clone(),
        (None, Dialect::Postgres) => format!("{value} COLLATE \"C\""),
    };
    let separator = text(&listed.separator);
    let joined = match dialect {
        Dialect::Sqlite => {
            format!(
                "(SELECT group_concat(p.v, {separator}) FROM (SELECT {value} AS v FROM {rows} ORDER BY {order}) AS p)"
            )
        }
        Dialect::Postgres => {
            format!("(SELECT string_agg({value}, {separator} ORDER BY {order}) FROM {rows})")
        }
    };
    let joined = if listed.nullable { joined } else { format!("coalesce({joined}, '')") };
    let kept = root.columns.kept(&listed.whole, listed.list_type);
    let spelt = match listed.position.is_some() {
        // Positions tell every list but the empty one.
        true => format!("NOT EXISTS (SELECT 1 FROM {rows})"),
        false => {
            let parts = format!("SELECT {} AS v FROM {}", part(dialect), parts(listed, &kept.value, dialect));
            let values = format!("SELECT {value} AS v FROM {rows}");
            format!("NOT EXISTS ({parts} EXCEPT {values}) AND NOT EXISTS ({values} EXCEPT {parts})")
        }
    };
    let shown = format!("CASE WHEN {} AND {spelt} THEN {} ELSE {joined} END", kept.there, kept.value);
    root.columns.set(&listed.list, shown);
    relations.put(&listed.root, root);
}

/// The rows of the list.
pub(super) fn spread(listed: &Listed, relations: &mut Relations) {
    let dialect = relations.dialect;
    let whole = relations.take(&listed.root).plain("w");
    let mut root = whole.clone();
    let list = root.columns.take(&listed.list);
    let mut columns = ViewColumns::none(dialect);
    let mut selected = Vec::new();
    for (from, to) in &listed.key {
        selected.push(format!("w.{} AS {}", ident(from), ident(to)));
        columns.set(to, ident(to));
    }
    selected.push(format!("{} AS {}", part(dialect), ident(&listed.value)));
    columns.set(&listed.value, ident(&listed.value));
    let distinct = match &listed.position {
        Some(position) => {
            let nr = if dialect == Dialect::Sqlite { "e.key + 1" } else { "e.nr" };
            selected.push(format!("{nr} AS {}", ident(position)));
            columns.set(position, ident(position));
            ""
        }
        None => "DISTINCT ",
    };
    let rows = format!(
        "(SELECT {distinct}{} FROM {} CROSS JOIN {} WHERE w.{list} <> '') AS p",
        selected.join(", "),
        whole.source,
        parts(listed, &format!("w.{list}"), dialect)
    );
    // Nothing is kept of rows that are made here.
    let mut names: Vec<String> = columns.iter().map(|(name, _)| ident(name)).collect();
    names.push(no_cells_of_none());
    let source = format!("(SELECT {} FROM {rows}) AS m", names.join(", "));
    relations.put(&listed.root, root);
    relations.put(&listed.member, Relation { source, columns });
}

fn no_cells_of_none() -> String {
    no_cells().replacen("THEN daybook_kept END", "THEN NULL END", 1)
}

/// The parts of a list as a source under the alias `e`; an empty list has one of them, and NULL none.
fn parts(listed: &Listed, list: &str, dialect: Dialect) -> String {
    let separator = text(&listed.separator);
    match dialect {
        // As a JSON array: the text between the separators is written in JSON already.
        Dialect::Sqlite => {
            format!("json_each('[' || replace(json_quote({list}), {separator}, '\",\"') || ']') AS e")
        }
        Dialect::Postgres => {
            format!("unnest(string_to_array({list}, {separator})) WITH ORDINALITY AS e (part, nr)")
        }
    }
}

fn part(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "e.value",
        Dialect::Postgres => "e.part",
    }
}
