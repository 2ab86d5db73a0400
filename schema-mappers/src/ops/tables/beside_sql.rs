//! [`Beside`] in SQL, for views.

use journal_core::model::Type;

use super::beside::Beside;
use crate::ddl::Dialect;
use crate::ddl::quote::{differs, ident, literal};
use crate::ddl::relations::{Relation, Relations, no_cells};
use crate::ddl::views::ViewColumns;

/// One relation of two.
pub(super) fn together(beside: &Beside, relations: &mut Relations) {
    let (root, member) = (relations.take(&beside.root), relations.take(&beside.member));
    let on: Vec<String> =
        beside.key.iter().map(|(root, member)| format!("r.{} = m.{}", ident(root), ident(member))).collect();
    let mut columns = ViewColumns::none(relations.dialect);
    for (name, _) in root.columns.iter() {
        columns.set(name, format!("r.{}", ident(name)));
    }
    let there = beside.key.first().map(|(_, member)| format!("m.{} IS NOT NULL", ident(member)));
    for column in &beside.columns {
        let value = format!("m.{}", ident(&column.name));
        let expression = match (&there, column.empty.is_null()) {
            (Some(there), false) => {
                let empty = literal(&column.empty, column.ty, relations.dialect);
                format!("CASE WHEN {there} THEN {value} ELSE {empty} END")
            }
            _ => value,
        };
        columns.set(&column.name, expression);
    }
    let source = format!(
        "{} LEFT JOIN {} ON {}",
        root.aliased("r", true),
        member.aliased("m", false),
        on.join(" AND ")
    );
    relations.put(&beside.root, Relation { source, columns });
}

/// Two relations of one.
pub(super) fn apart(beside: &Beside, relations: &mut Relations) {
    let whole = relations.take(&beside.root).plain("w");
    let mut root = whole.clone();
    let mut member = whole.clone();
    member.columns = ViewColumns::none(relations.dialect);
    let mut selected = Vec::new();
    for (from, to) in &beside.key {
        selected.push(format!("{} AS {}", ident(from), ident(to)));
        member.columns.set(to, ident(to));
    }
    for column in &beside.columns {
        root.columns.take(&column.name);
        selected.push(ident(&column.name));
        member.columns.set(&column.name, ident(&column.name));
    }
    selected.push(no_cells());
    let there = there(beside, whole.columns, relations.dialect);
    member.source = format!("(SELECT {} FROM {} WHERE {there}) AS m", selected.join(", "), whole.source);
    relations.put(&beside.root, root);
    relations.put(&beside.member, member);
}

/// Whether there is a row beside: some column says so, or else the mark, or else the rule.
fn there(beside: &Beside, mut columns: ViewColumns, dialect: Dialect) -> String {
    let mark = columns.kept(&beside.mark, Type::Bool);
    let mut filled: Vec<String> = beside
        .columns
        .iter()
        .map(|column| {
            let (name, empty) = (ident(&column.name), literal(&column.empty, column.ty, dialect));
            match (column.ty, dialect) {
                // PostgreSQL's json has no equality of its own.
                (Type::Json, Dialect::Postgres) => {
                    format!("CAST({name} AS text) IS DISTINCT FROM CAST({empty} AS text)")
                }
                _ => differs(&name, &empty, dialect),
            }
        })
        .collect();
    // The mark is only kept against the rule.
    filled.push(match beside.optional {
        true => mark.there,
        false => format!("NOT {}", mark.there),
    });
    filled.join(" OR ")
}
