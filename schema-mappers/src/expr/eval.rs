//! Computes an expression. Total: what has no value is NULL, exactly where SQL says NULL, and a note tells when that
//! was a fault and not an answer.

use std::cmp::Ordering;

use journal_core::model::{Decimal, Row, Type, Value};

use super::node::{Comparison, Function, INT_DIGITS, Kind, Node, What};
use crate::convert::convert;

/// A value in the making; numbers as units.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cell {
    Null,
    Units(i128),
    Plain(Value),
}

/// The value of a part for a row, as one of type `ty`, and the first fault on the way to it.
pub(super) fn evaluate(node: &Node, ty: Type, row: &Row) -> (Value, Option<String>) {
    let mut evaluation = Evaluation { row, fault: None };
    let cell = evaluation.cell(node);
    let value = stored(cell, node.kind, ty);
    (value, evaluation.fault)
}

/// A number out of its units: an int where the type is int, else a decimal.
fn stored(cell: Cell, kind: Kind, ty: Type) -> Value {
    match (cell, kind) {
        (Cell::Null, _) => Value::Null,
        (Cell::Plain(value), _) => value,
        (Cell::Units(units), Kind::Number { .. }) if ty == Type::Int => {
            i64::try_from(units).map_or(Value::Null, Value::Int)
        }
        (Cell::Units(units), Kind::Number { scale, .. }) => {
            decimal(units, scale).map_or(Value::Null, Value::Decimal)
        }
        (Cell::Units(_), _) => Value::Null,
    }
}

fn decimal(units: i128, scale: u16) -> Option<Decimal> {
    let scale = usize::from(scale);
    let sign = if units < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}").parse().ok()
}

/// The units of a stored number at the scale of its kind.
fn units(value: &Value, kind: Kind) -> Option<i128> {
    let Kind::Number { scale, .. } = kind else { return None };
    match value {
        Value::Int(number) => i128::from(*number).checked_mul(power(scale)),
        Value::Decimal(decimal) => decimal.to_scale(scale.into())?.replace('.', "").parse().ok(),
        _ => None,
    }
}

fn power(exponent: u16) -> i128 {
    10_i128.saturating_pow(exponent.into())
}

struct Evaluation<'a> {
    row: &'a Row,
    fault: Option<String>,
}

impl Evaluation<'_> {
    fn cell(&mut self, node: &Node) -> Cell {
        match &node.what {
            What::Value(Value::Null) => Cell::Null,
            What::Value(value) => Cell::Plain(value.clone()),
            What::Units(units) => Cell::Units((*units).into()),
            What::Column(name) => self.row.get(name).map_or(Cell::Null, |value| opened(value, node.kind)),
            What::Not(part) => truth(self.truth(part).map(|value| !value)),
            What::And(left, right) => self.both(left, right, false),
            What::Or(left, right) => self.both(left, right, true),
            What::IsNull(part) => truth(Some(self.cell(part) == Cell::Null)),
            What::Compare(comparison, left, right) => {
                let (left, right) = (self.cell(left), self.cell(right));
                truth(order(&left, &right).map(|order| holds(*comparison, order)))
            }
            What::Sum(left, right) => self.computed(left, right, i128::checked_add),
            What::Difference(left, right) => self.computed(left, right, i128::checked_sub),
            What::Product(left, right) => self.computed(left, right, i128::checked_mul),
            What::Finer(part, more) => match self.cell(part) {
                Cell::Units(units) => units.checked_mul(power(*more)).map_or(Cell::Null, Cell::Units),
                _ => Cell::Null,
            },
            What::Coarser(part, less, lenient) => match self.cell(part) {
                Cell::Units(units) if units % power(*less) == 0 => Cell::Units(units / power(*less)),
                cell => self.lost(&cell, *lenient, "has more digits behind the point than fit"),
            },
            What::Bounded(part, lenient) => self.bounded(part, node.kind, *lenient),
            What::Fitting(part, max, lenient) => match self.cell(part) {
                Cell::Plain(Value::Text(text)) if text.chars().count() <= *max as usize => {
                    Cell::Plain(Value::Text(text))
                }
                cell => self.lost(&cell, *lenient, "is too long a text"),
            },
            What::Join(left, right) => match (self.text(left), self.text(right)) {
                (Some(left), Some(right)) => Cell::Plain(Value::Text(left + &right)),
                _ => Cell::Null,
            },
            What::Case(branches, otherwise) => {
                for (condition, value) in branches {
                    if self.truth(condition) == Some(true) {
                        return self.cell(value);
                    }
                }
                otherwise.as_ref().map_or(Cell::Null, |otherwise| self.cell(otherwise))
            }
            What::Coalesce(parts) => parts
                .iter()
                .map(|part| self.cell(part))
                .find(|cell| *cell != Cell::Null)
                .unwrap_or(Cell::Null),
            What::Call(function, arguments) => self.call(*function, arguments),
            What::Cast(part, ty, lenient) => self.cast(part, *ty, *lenient, node.kind),
        }
    }

    /// Two conditions of which one that is `deciding` decides: true for "or", false for "and". What the first decides,
    /// the second is not asked.
    fn both(&mut self, left: &Node, right: &Node, deciding: bool) -> Cell {
        let left = self.truth(left);
        if left == Some(deciding) {
            return truth(left);
        }
        match (left, self.truth(right)) {
            (_, Some(right)) if right == deciding => truth(Some(deciding)),
            (Some(_), Some(_)) => truth(Some(!deciding)),
            _ => Cell::Null,
        }
    }

    fn cast(&mut self, part: &Node, ty: Type, lenient: bool, kind: Kind) -> Cell {
        let value = stored(self.cell(part), part.kind, part.kind.ty());
        if value.is_null() {
            return Cell::Null;
        }
        match convert(&value, ty) {
            Some(value) => opened(&value, kind),
            None => self.lost(&Cell::Plain(value), lenient, &format!("has no exact form as {ty}")),
        }
    }

    fn computed(&mut self, left: &Node, right: &Node, act: fn(i128, i128) -> Option<i128>) -> Cell {
        match (self.cell(left), self.cell(right)) {
            (Cell::Units(left), Cell::Units(right)) => act(left, right).map_or(Cell::Null, Cell::Units),
            _ => Cell::Null,
        }
    }

    fn bounded(&mut self, part: &Node, kind: Kind, lenient: bool) -> Cell {
        let Kind::Number { digits, .. } = kind else { return Cell::Null };
        let fits = |units: i128| match digits {
            INT_DIGITS => i64::try_from(units).is_ok(),
            digits => units.abs() < power(digits),
        };
        match self.cell(part) {
            Cell::Units(units) if fits(units) => Cell::Units(units),
            cell => self.lost(&cell, lenient, "is a number with too many digits"),
        }
    }

    /// NULL for what has no value; a fault, unless it was NULL before or NULL is asked for.
    fn lost(&mut self, cell: &Cell, lenient: bool, why: &str) -> Cell {
        if *cell != Cell::Null && !lenient && self.fault.is_none() {
            let told = match cell {
                Cell::Plain(value) => {
                    format!("{:?} {why}", value.to_string().chars().take(64).collect::<String>())
                }
                _ => format!("a result {why}"),
            };
            self.fault = Some(told);
        }
        Cell::Null
    }

    fn truth(&mut self, node: &Node) -> Option<bool> {
        match self.cell(node) {
            Cell::Plain(Value::Bool(value)) => Some(value),
            _ => None,
        }
    }

    fn text(&mut self, node: &Node) -> Option<String> {
        match self.cell(node) {
            Cell::Plain(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn call(&mut self, function: Function, arguments: &[Node]) -> Cell {
        let texts: Option<Vec<String>> = arguments.iter().map(|argument| self.text(argument)).collect();
        let Some(texts) = texts else { return Cell::Null };
        let text = match (function, texts.as_slice()) {
            (Function::Lower, [text]) => text.to_ascii_lowercase(),
            (Function::Upper, [text]) => text.to_ascii_uppercase(),
            (Function::Trim, [text]) => text.trim_matches(' ').to_owned(),
            (Function::Length, [text]) => {
                return i128::try_from(text.chars().count()).map_or(Cell::Null, Cell::Units);
            }
            (Function::Substr { from, count }, [text]) => {
                let from = text.chars().skip(from.saturating_sub(1) as usize);
                from.take(count.map_or(usize::MAX, |count| count as usize)).collect()
            }
            (Function::Replace, [text, from, _]) if from.is_empty() => text.clone(),
            (Function::Replace, [text, from, to]) => text.replace(from.as_str(), to),
            (Function::SplitPart { nr }, [text, separator]) => text
                .split(separator.as_str())
                .nth(nr.saturating_sub(1) as usize)
                .unwrap_or_default()
                .to_owned(),
            _ => return Cell::Null,
        };
        Cell::Plain(Value::Text(text))
    }
}

fn truth(value: Option<bool>) -> Cell {
    value.map_or(Cell::Null, |value| Cell::Plain(Value::Bool(value)))
}

/// A stored value as one to compute with.
fn opened(value: &Value, kind: Kind) -> Cell {
    match (value, kind) {
        (Value::Null, _) => Cell::Null,
        (value, Kind::Number { .. }) => units(value, kind).map_or(Cell::Null, Cell::Units),
        (value, _) => Cell::Plain(value.clone()),
    }
}

fn order(left: &Cell, right: &Cell) -> Option<Ordering> {
    match (left, right) {
        (Cell::Units(left), Cell::Units(right)) => Some(left.cmp(right)),
        (Cell::Plain(left), Cell::Plain(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn holds(comparison: Comparison, order: Ordering) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::Unequal => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }
}
