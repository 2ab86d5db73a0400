//! `map_values`: a column holds other values on the newer side, by a list of pairs.

use std::collections::{BTreeMap, BTreeSet};

use journal_core::model::{Type, Value};

use super::exchange::{Exchange, Exchanged};
use super::{Arguments, Operation};
use crate::ddl::Dialect;
use crate::ddl::quote::literal;
use crate::error::SetError;
use crate::loss;
use crate::step::Direction;

/// A longer list belongs into a table.
const PAIRS_MAX: usize = 1000;

#[derive(Debug)]
struct MapValues {
    older: Type,
    newer: Type,
    up: BTreeMap<Value, Value>,
    /// In the order of the list; of several pairs with one newer value the first is the way down.
    down: Vec<(Value, Value)>,
    otherwise: Option<Value>,
    older_otherwise: Option<Value>,
}

pub(super) fn read(arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    let column = arguments.column("column")?;
    let (older, newer) = (column.ty, arguments.ty("to")?.unwrap_or(column.ty));
    for ty in [older, newer] {
        if matches!(ty, Type::Json | Type::Float) {
            let fault = format!("values of {ty} cannot be told apart in every store; map other types");
            return Err(arguments.fields.fault(fault));
        }
    }
    let node = arguments.fields.required("values")?;
    let (mut up, mut down) = (BTreeMap::new(), Vec::new());
    for pair in node.list("values")? {
        let [from, to] = pair.list("a pair of values")? else {
            return Err(pair.fault("a pair has two values: [\"old\", \"new\"]"));
        };
        let (from, to) = (from.value("the older value", older)?, to.value("the newer value", newer)?);
        if up.insert(from.clone(), to.clone()).is_some() {
            return Err(pair.fault(format!("the older value {from} has a pair already")));
        }
        if !down.iter().any(|(known, _)| *known == to) {
            down.push((to, from));
        }
    }
    if up.is_empty() || up.len() > PAIRS_MAX {
        return Err(node.fault(format!("values has 1 to {PAIRS_MAX} pairs")));
    }
    let otherwise = arguments.value("otherwise", newer)?;
    let older_otherwise = arguments.value("older_otherwise", older)?;
    let loss = loss::read(arguments, "map_values", std::slice::from_ref(&column.name))?;
    arguments.change(&column.name, |column| column.ty = newer);
    let exchange = MapValues { older, newer, up, down, otherwise, older_otherwise };
    Ok(Exchanged::boxed(arguments, column.name, older, exchange, loss))
}

impl MapValues {
    /// Every older value has one newer value and the other way round.
    fn is_one_to_one(&self) -> bool {
        let sources: BTreeSet<&Value> = self.up.keys().collect();
        let images: BTreeSet<&Value> = self.up.values().collect();
        let closed = self.older != self.newer || sources == images;
        closed && images.len() == sources.len() && self.otherwise.is_none() && self.older_otherwise.is_none()
    }

    /// A value that no pair names.
    fn other(&self, value: &Value, instead: Option<&Value>) -> Result<Value, String> {
        match instead {
            Some(instead) => Ok(instead.clone()),
            None if self.older == self.newer => Ok(value.clone()),
            None => Err(format!(
                "{:?} is in no pair of values; add one, or say what stands for others",
                value.to_string().chars().take(64).collect::<String>()
            )),
        }
    }
}

impl Exchange for MapValues {
    fn up(&self, value: &Value) -> Result<Value, String> {
        match self.up.get(value) {
            _ if value.is_null() => Ok(Value::Null),
            Some(newer) => Ok(newer.clone()),
            None => self.other(value, self.otherwise.as_ref()),
        }
    }

    fn down(&self, value: &Value) -> Result<Value, String> {
        match self.down.iter().find(|(newer, _)| newer == value) {
            _ if value.is_null() => Ok(Value::Null),
            Some((_, older)) => Ok(older.clone()),
            None => self.other(value, self.older_otherwise.as_ref()),
        }
    }

    fn down_sql(&self, expression: &str, dialect: Dialect) -> String {
        let pairs = self.down.iter().map(|(newer, older)| {
            let (newer, older) = (literal(newer, self.newer, dialect), literal(older, self.older, dialect));
            format!(" WHEN {newer} THEN {older}")
        });
        let pairs: String = pairs.collect();
        let otherwise = match &self.older_otherwise {
            Some(value) => {
                let value = literal(value, self.older, dialect);
                format!("CASE WHEN {expression} IS NOT NULL THEN {value} END")
            }
            None if self.older == self.newer => expression.to_owned(),
            None => "NULL".to_owned(),
        };
        format!("CASE {expression}{pairs} ELSE {otherwise} END")
    }

    fn keeps(&self, _: Direction) -> bool {
        !self.is_one_to_one()
    }

    fn carries_deltas(&self, _: Direction) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Change, Value};

    use super::super::testing::{Pair, fault, row};

    fn pair(older: &str, newer: &str, rest: &str) -> Pair {
        Pair::new(
            &format!("id = \"int\"\nrole = {{ type = \"{older}\", null = true }}"),
            &format!("id = \"int\"\nrole = {{ type = \"{newer}\", null = true }}"),
            &format!("op = \"map_values\"\ntable = \"t\"\ncolumn = \"role\"\n{rest}"),
        )
    }

    fn with(value: impl Into<Value>) -> Change {
        Change::insert("t", row(&[("id", 1.into()), ("role", value.into())]))
    }

    #[test]
    fn numbers_become_words_and_numbers_again() {
        let pair = pair("int", "text", "to = \"text\"\nvalues = [[0, \"none\"], [1, \"A\"], [7, \"?\"]]");
        assert_eq!(pair.up(with(1)).change, with("A"));
        assert_eq!(pair.down(with("?")).change, with(7));
        assert_eq!(pair.up(with(Value::Null)).change, with(Value::Null));
        assert!(pair.up_fault(with(2)).contains("t.role: \"2\" is in no pair of values"));
        assert!(pair.down_fault(with("X")).contains("is in no pair"));
        pair.holds_its_laws();
    }

    #[test]
    fn others_stay_as_they_are_and_a_collision_is_kept() {
        let pair = pair("text", "text", "values = [[\"A\", \"none\"]]");
        assert_eq!(pair.up(with("A")).change, with("none"));
        assert_eq!(pair.up(with("A B")).change, with("A B"));
        let collides = pair.up(with("none"));
        assert_eq!(collides.complement.set, row(&[("2:role", "none".into())]), "it would come back as A");
        pair.holds_its_laws();
    }

    #[test]
    fn what_stands_for_others_keeps_them() {
        let pair = pair(
            "text",
            "int",
            "to = \"int\"\nvalues = [[\"A\", 1], [\"A B\", 1], [\"?\", 2]]\notherwise = 0\nolder_otherwise = \"none\"",
        );
        let up = pair.up(with("007"));
        assert_eq!((up.change, up.complement.set), (with(0), row(&[("2:role", "007".into())])));
        let down = pair.down(with(99));
        assert_eq!((down.change, down.complement.set), (with("none"), row(&[("2:role", 99.into())])));
        pair.holds_its_laws();
    }

    #[test]
    fn a_swap_is_one_to_one_and_keeps_nothing() {
        let pair = pair("int", "int", "values = [[0, 1], [1, 0]]");
        assert_eq!(pair.up(with(1)).change, with(0));
        assert!(pair.up(with(7)).complement.is_empty());
        pair.holds_its_laws();
    }

    #[test]
    fn faults_of_the_list_are_told() {
        let told = |values: &str| {
            let operation = format!("op = \"map_values\"\ntable = \"t\"\ncolumn = \"n\"\nvalues = {values}");
            fault("id = \"int\"\nn = \"int\"", "id = \"int\"\nn = \"int\"", &operation)
        };
        assert!(told("[[1, 2], [1, 3]]").message.contains("the older value 1 has a pair already"));
        assert!(told("[[1]]").message.contains("a pair has two values"));
        assert!(told("[]").message.contains("values has 1 to"));
        assert!(told("[[1, \"x\"]]").message.contains("no value that a int column holds"));
    }
}
