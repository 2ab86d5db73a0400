//! `compute`: columns of each side are expressions over those of the other. All columns that the expressions name are one
//! group: it is turned as a whole, and what would not come back is kept, column by column.

use std::collections::BTreeSet;

use journal_core::model::{Column, Name, Op, Row, Value};

use super::{Arguments, Lineage, Operation};
use crate::complement::cell;
use crate::ddl::Dialect;
use crate::ddl::kept::Kept;
use crate::ddl::views::ViewColumns;
use crate::error::{CannotMap, SetError};
use crate::expr::Expression;
use crate::image::Image;
use crate::loss::{self, Loss};
use crate::set::reader::Node;
use crate::set::tables;
use crate::step::Direction;

/// A column of the group on one side.
#[derive(Debug)]
struct Member {
    column: Column,
    cell: Name,
    /// Its value out of the other side's; without, it is the other side's column of that name.
    from: Option<Expression>,
}

#[derive(Debug)]
struct Compute {
    older: Vec<Member>,
    newer: Vec<Member>,
    loss: Option<Loss>,
}

pub(super) fn read(arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    let before = arguments.table.columns.clone();
    let dropped = match arguments.fields.optional("drop") {
        Some(node) => node.texts("drop")?,
        None => Vec::new(),
    };
    for name in &dropped {
        arguments.existing(name)?;
        arguments.not_key(name)?;
    }
    let loss = loss::read(arguments, "compute", &dropped)?;
    for name in &dropped {
        arguments.take_out(name)?;
    }
    let mut added = Vec::new();
    if let Some(node) = arguments.fields.optional("add") {
        for (key, node) in node.table("add")? {
            let name = arguments.free(&key.name).map_err(|message| node.fault(message))?;
            arguments.table.columns.push(tables::column(name.clone(), node)?);
            added.push(name);
        }
    }
    let after = arguments.table.columns.clone();
    let up = expressions(arguments, "up", &before, &after)?;
    let down = expressions(arguments, "down", &after, &before)?;
    for (names, known, key) in [(&added, &up, "up"), (&dropped, &down, "down")] {
        if let Some(missing) = names.iter().find(|name| !known.iter().any(|(known, _)| known == *name)) {
            let message = format!("{key} says nothing of {missing}; give the expression that computes it");
            return Err(arguments.fields.fault(message));
        }
    }
    if up.is_empty() && down.is_empty() {
        return Err(arguments.fields.fault("gives no expression; say what up or down computes"));
    }
    let group: BTreeSet<Name> = [&up, &down]
        .into_iter()
        .flatten()
        .flat_map(|(name, expression)| expression.columns().into_iter().chain([name.clone()]))
        .collect();
    for name in group.iter().filter(|name| arguments.table.column(name).is_some()) {
        arguments.not_key(name)?;
    }
    let side = |columns: &[Column], expressions: &[(Name, Expression)]| {
        let columns = columns.iter().filter(|column| group.contains(&column.name));
        let member = columns.map(|column| Member {
            column: column.clone(),
            cell: cell(arguments.version, &column.name),
            from: expressions.iter().find(|(name, _)| *name == column.name).map(|(_, found)| found.clone()),
        });
        member.collect::<Vec<_>>()
    };
    Ok(Box::new(Compute { older: side(&before, &down), newer: side(&after, &up), loss }))
}

/// The expressions under `up` or `down`: for columns of the one side, over those of the other.
fn expressions(
    arguments: &mut Arguments<'_>,
    key: &str,
    from: &[Column],
    to: &[Column],
) -> Result<Vec<(Name, Expression)>, SetError> {
    let Some(node) = arguments.fields.optional(key) else { return Ok(Vec::new()) };
    let read = |(name, node): &(crate::set::reader::Key, Node)| {
        let column = to.iter().find(|column| column.name.as_ref() == name.name);
        let column = column.ok_or_else(|| {
            let known: Vec<&str> = to.iter().map(|column| column.name.as_ref()).collect();
            node.fault(format!(
                "{key} computes a column {:?}, but that side has {}",
                name.name,
                known.join(", ")
            ))
        })?;
        let text = node.text(&name.name)?;
        let expression = Expression::read_for(text, from, column.ty)
            .map_err(|message| node.fault(format!("{key}.{}: {message}", name.name)))?;
        Ok((column.name.clone(), expression))
    };
    node.table(key)?.iter().map(read).collect()
}

/// The columns of one side out of a whole row of the other's; per column a value or the reason why there is none.
fn turned(to: &[Member], row: &Row) -> Vec<Result<Value, String>> {
    let value = |member: &Member| {
        let value = match &member.from {
            None => row.get(&member.column.name).cloned().unwrap_or(Value::Null),
            Some(expression) => match expression.evaluate(row) {
                (_, Some(fault)) => return Err(fault),
                (value, None) => value,
            },
        };
        match value.is_null() && !member.column.nullable {
            true => Err("what computes it gives NULL, which it may not be".to_owned()),
            false => Ok(value),
        }
    };
    to.iter().map(value).collect()
}

/// The columns of a side as a row, if each has a value.
fn as_row(side: &[Member], values: Vec<Result<Value, String>>) -> Option<Row> {
    let cells =
        side.iter().zip(values).map(|(member, value)| Some((member.column.name.clone(), value.ok()?)));
    cells.collect()
}

impl Compute {
    fn sides(&self, direction: Direction) -> (&[Member], &[Member]) {
        match direction {
            Direction::Up => (&self.older, &self.newer),
            Direction::Down => (&self.newer, &self.older),
        }
    }

    /// Whether a column of this side may not come back from the other: one of the two computes it.
    fn may_be_kept(member: &Member, other: &[Member]) -> bool {
        let twin = other.iter().find(|twin| twin.column.name == member.column.name);
        member.from.is_some() || twin.is_none_or(|twin| twin.from.is_some())
    }

    fn kept_cells(&self, direction: Direction) -> Vec<Name> {
        if direction == Direction::Up && self.loss.is_some() {
            return Vec::new();
        }
        let (from, to) = self.sides(direction);
        let kept = from.iter().filter(|member| Self::may_be_kept(member, to));
        kept.map(|member| member.cell.clone()).collect()
    }

    fn turn(&self, direction: Direction, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        let (from, to) = self.sides(direction);
        let kept: Vec<Option<Value>> = to
            .iter()
            .map(|member| if Self::may_be_kept(member, from) { given.remove(&member.cell) } else { None })
            .collect();
        let Some(row) = self.whole(direction, image)? else { return Ok(()) };
        let table = image.change.entity.clone();
        let plain = turned(to, &row);
        let overlaid: Vec<Result<Value, String>> =
            kept.into_iter().zip(&plain).map(|(kept, plain)| kept.map_or(plain.clone(), Ok)).collect();
        // What was kept counts as long as it still means the row that stands there.
        let valid =
            as_row(to, overlaid).filter(|found| as_row(from, turned(from, found)).as_ref() == Some(&row));
        let found = match valid {
            Some(found) => found,
            None => {
                let faulty =
                    to.iter().zip(&plain).find_map(|(member, value)| Some((member, value.as_ref().err()?)));
                if let Some((member, reason)) = faulty {
                    return Err(CannotMap::column(&table, &member.column.name, reason));
                }
                as_row(to, plain).unwrap_or_default()
            }
        };
        let back = turned(from, &found);
        let keeps = self.kept_cells(direction);
        for (member, back) in from.iter().zip(back) {
            let value = row.get(&member.column.name).cloned().unwrap_or(Value::Null);
            let lost = back.as_ref() != Ok(&value);
            if keeps.contains(&member.cell) {
                image.keep(&member.cell, lost.then_some(value));
            }
        }
        image.change.cells.extend(found);
        Ok(())
    }

    /// Takes the group out of the change: all of it, nothing, or the reason why the row must tell.
    fn whole(&self, direction: Direction, image: &mut Image) -> Result<Option<Row>, CannotMap> {
        let (from, to) = self.sides(direction);
        let table = image.change.entity.clone();
        let change = &mut image.change;
        let needs_row = |member: &Member| {
            let reason = "it is computed with other columns, which are seen on the row alone";
            CannotMap::needs_row(&table, &member.column.name, reason)
        };
        if let Some(member) = from
            .iter()
            .find(|member| Self::may_be_kept(member, to) && change.expect.contains(&member.column.name))
        {
            return Err(needs_row(member));
        }
        let there: Vec<&Member> =
            from.iter().filter(|member| change.cells.contains(&member.column.name)).collect();
        match (there.first(), change.op) {
            (None, op) if op != Op::Insert => return Ok(None),
            (Some(member), Op::Add) => return Err(needs_row(member)),
            (Some(member), Op::Update) if there.len() < from.len() => return Err(needs_row(member)),
            _ => {}
        }
        let cells = from.iter().map(|member| {
            let value = change.cells.remove(&member.column.name).unwrap_or(Value::Null);
            (member.column.name.clone(), value)
        });
        Ok(Some(cells.collect()))
    }
}

impl Operation for Compute {
    fn up(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        self.turn(Direction::Up, image, given)
    }

    fn down(&self, image: &mut Image, given: &mut Row) -> Result<(), CannotMap> {
        self.turn(Direction::Down, image, given)
    }

    fn down_sql(&self, columns: &mut ViewColumns, dialect: Dialect) {
        let newer: Vec<(Name, String)> = self
            .newer
            .iter()
            .map(|member| (member.column.name.clone(), columns.take(&member.column.name)))
            .collect();
        let column = |name: &Name| {
            let found = newer.iter().find(|(known, _)| known == name);
            found.map_or_else(|| "NULL".to_owned(), |(_, expression)| format!("({expression})"))
        };
        let keeps = self.kept_cells(Direction::Up);
        for member in &self.older {
            let name = &member.column.name;
            let plain = match &member.from {
                Some(expression) => expression.sql(dialect, &column),
                None => newer
                    .iter()
                    .find(|(known, _)| known == name)
                    .map_or("NULL".to_owned(), |(_, sql)| sql.clone()),
            };
            if !keeps.contains(&member.cell) {
                columns.set(name, plain);
                continue;
            }
            // Whatever writes the newer columns takes what is kept of the older ones away.
            let Kept { there, value } = columns.kept(&member.cell, member.column.ty);
            columns.set(name, format!("CASE WHEN {there} THEN {value} ELSE {plain} END"));
        }
    }

    fn lineage(&self) -> Lineage {
        let names = |side: &[Member]| side.iter().map(|member| member.column.name.clone()).collect();
        Lineage {
            older: names(&self.older),
            newer: names(&self.newer),
            kept_up: self.kept_cells(Direction::Up),
            kept_down: self.kept_cells(Direction::Down),
        }
    }

    fn loss(&self) -> Option<&Loss> {
        self.loss.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Change, Value};

    use super::super::testing::{Pair, fault, row};

    const OLDER: &str = "id = \"int\"\nprice = \"decimal(7,2)\"\nquantity = \"int\"";
    const TOTAL: &str = "op = \"compute\"\ntable = \"t\"\ndrop = [\"price\", \"quantity\"]\n\
                         add = { total = \"decimal(14,2)\" }\nup = { total = \"price * quantity\" }\n\
                         down = { price = \"cast(total as decimal(7,2))\", quantity = \"1\" }";

    fn total() -> Pair {
        Pair::new(OLDER, "id = \"int\"\ntotal = \"decimal(14,2)\"", TOTAL)
    }

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    #[test]
    fn columns_are_computed_both_ways_and_what_would_not_come_back_is_kept() {
        let cells = row(&[("id", 1.into()), ("price", decimal("2.5")), ("quantity", 3.into())]);
        let up = total().up(Change::insert("t", cells));
        assert_eq!(up.change.cells, row(&[("id", 1.into()), ("total", decimal("7.5"))]));
        assert_eq!(up.complement.set, row(&[("2:price", decimal("2.5")), ("2:quantity", 3.into())]));
        let down = total().down(Change::insert("t", row(&[("id", 1.into()), ("total", decimal("4"))])));
        assert_eq!(
            down.change.cells,
            row(&[("id", 1.into()), ("price", decimal("4")), ("quantity", 1.into())])
        );
        assert!(down.complement.is_empty());
        total().holds_its_laws();
    }

    #[test]
    fn what_cannot_be_computed_is_refused() {
        let cells = row(&[("id", 1.into()), ("price", decimal("2.5")), ("quantity", i64::MAX.into())]);
        assert!(
            total()
                .up_fault(Change::insert("t", cells))
                .contains("t.total: a result is a number with too many")
        );
    }

    #[test]
    fn an_update_of_a_part_is_computed_with_the_row_it_meets() {
        let update = Change::update("t", row(&[("id", 1.into())]), row(&[("code", " b".into())]));
        let pair = Pair::new(
            "id = \"int\"\ncode = \"text\"\nname = \"text\"",
            "id = \"int\"\nlabel = \"text\"",
            "op = \"compute\"\ntable = \"t\"\ndrop = [\"code\", \"name\"]\nadd = { label = \"text\" }\n\
             up = { label = \"trim(code) || ':' || name\" }\n\
             down = { code = \"split_part(label, ':', 1)\", name = \"split_part(label, ':', 2)\" }",
        );
        let met = pair.up_met(&update, row(&[("id", 1.into()), ("label", "a:x".into())]));
        assert_eq!(met, [Change::update("t", row(&[("id", 1.into())]), row(&[("label", "b:x".into())]))]);
        pair.holds_its_laws();
    }

    #[test]
    fn a_derived_column_follows_its_source_until_the_newer_version_sets_it() {
        let pair = Pair::new(
            "id = \"int\"\nname = \"text\"",
            "id = \"int\"\nname = \"text\"\nsort = \"text\"",
            "op = \"compute\"\ntable = \"t\"\nadd = { sort = \"text\" }\nup = { sort = \"lower(name)\" }",
        );
        let up = pair.up(Change::update("t", row(&[("id", 1.into())]), row(&[("name", "Ab".into())])));
        assert_eq!(up.change.cells, row(&[("name", "Ab".into()), ("sort", "ab".into())]));
        let own = row(&[("id", 1.into()), ("name", "Ab".into()), ("sort", "other".into())]);
        let down = pair.down(Change::insert("t", own));
        assert_eq!(down.complement.set, row(&[("2:sort", "other".into())]));
        pair.holds_its_laws();
    }

    #[test]
    fn a_column_can_be_rewritten_in_its_place() {
        let columns = "id = \"int\"\ncode = { type = \"text\", null = true }";
        let pair = Pair::new(
            columns,
            columns,
            "op = \"compute\"\ntable = \"t\"\nup = { code = \"upper(trim(code))\" }",
        );
        let up = pair.up(Change::insert("t", row(&[("id", 1.into()), ("code", " a".into())])));
        assert_eq!(
            (up.change.cells, up.complement.set),
            (row(&[("id", 1.into()), ("code", "A".into())]), row(&[("2:code", " a".into())]),)
        );
        pair.holds_its_laws();
    }

    #[test]
    fn faults_are_told_where_they_stand() {
        let told = |operation: &str| fault(OLDER, "id = \"int\"\ntotal = \"decimal(14,2)\"", operation);
        let missing = told(&TOTAL.replace(", quantity = \"1\"", ""));
        assert!(missing.message.contains("down says nothing of quantity"), "{missing}");
        let unknown = told(&TOTAL.replace("price * quantity", "price * count"));
        assert!(unknown.message.contains("up.total: there is no column \"count\""), "{unknown}");
        assert_eq!(unknown.line, 6);
        let key = told(&TOTAL.replace("price * quantity", "price * id"));
        assert!(key.message.contains("id is of the key of t"), "{key}");
        let nothing = told("op = \"compute\"\ntable = \"t\"");
        assert!(nothing.message.contains("gives no expression"), "{nothing}");
    }
}
