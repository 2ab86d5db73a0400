//! From [`Tree`] to [`Node`]: finds the kind of each part and refuses what would not mean the same in every store.

use journal_core::model::{Column, Decimal, Type, Value};

use super::node::{Comparison, DIGITS_MAX, Function, INT_DIGITS, Kind, Node, What};
use super::tree::{Binary, Tree};
use crate::convert;

/// Parts that `split_part` can reach: SQLite searches anew for each.
const PARTS_MAX: u32 = 4;

/// The parts of an expression over these columns, with their kinds.
pub(super) fn typed(tree: &Tree, columns: &[Column]) -> Result<Node, String> {
    Typing { columns }.node(tree)
}

/// A part as a value of a column's type: exact, or NULL and a fault.
pub(super) fn assigned(node: Node, ty: Type) -> Result<Node, String> {
    cast(node, ty, false, false)
}

struct Typing<'a> {
    columns: &'a [Column],
}

impl Typing<'_> {
    fn node(&self, tree: &Tree) -> Result<Node, String> {
        Ok(match tree {
            Tree::Null => Node::new(Kind::Null, What::Value(Value::Null)),
            Tree::Bool(value) => Node::new(Kind::Bool, What::Value(Value::Bool(*value))),
            Tree::Number(digits) => number(digits)?,
            Tree::Text(text) => {
                let max = u32::try_from(text.chars().count()).ok();
                Node::new(Kind::Text { max }, What::Value(Value::Text(text.clone())))
            }
            Tree::Typed(ty, text) => literal(*ty, text)?,
            Tree::Column(name) => {
                let column = self.columns.iter().find(|column| column.name == *name);
                let column = column.ok_or_else(|| self.unknown(name))?;
                Node::new(Kind::of(column.ty), What::Column(name.clone()))
            }
            Tree::Not(part) => Node::new(Kind::Bool, What::Not(self.condition(part)?.boxed())),
            Tree::Minus(part) => {
                let node = self.numeric(part)?;
                let Kind::Number { digits, scale } = node.kind else { return Err(no_number(&node)) };
                let zero = Node::new(Kind::Number { digits: 1, scale }, What::Units(0));
                checked(What::Difference(zero.boxed(), node.boxed()), digits, scale)
            }
            Tree::IsNull(part) => Node::new(Kind::Bool, What::IsNull(self.node(part)?.boxed())),
            Tree::Binary(operator, left, right) => self.binary(*operator, left, right)?,
            Tree::Case(branches, otherwise) => self.case(branches, otherwise.as_deref())?,
            Tree::Call(name, arguments) => self.call(name, arguments)?,
            Tree::Cast(part, ty, lenient) => cast(self.node(part)?, *ty, *lenient, true)?,
        })
    }

    fn unknown(&self, name: &str) -> String {
        let known: Vec<&str> = self.columns.iter().map(|column| column.name.as_ref()).collect();
        format!("there is no column {name:?}; there are {}", known.join(", "))
    }

    fn condition(&self, tree: &Tree) -> Result<Node, String> {
        let node = self.node(tree)?;
        match node.kind {
            Kind::Bool | Kind::Null => Ok(node),
            other => Err(format!("{tree} is {}, where a condition is wanted", other.told())),
        }
    }

    fn numeric(&self, tree: &Tree) -> Result<Node, String> {
        let node = self.node(tree)?;
        match node.kind {
            Kind::Number { .. } => Ok(node),
            Kind::Null => Ok(Node::new(Kind::Number { digits: 1, scale: 0 }, node.what)),
            Kind::Other(Type::Decimal { precision, .. }) => Err(format!(
                "{tree} has {precision} digits; at most {DIGITS_MAX} can be computed with in every store"
            )),
            other => Err(format!("{tree} is {}, where a number is wanted", other.told())),
        }
    }

    fn text(&self, tree: &Tree) -> Result<Node, String> {
        let node = self.node(tree)?;
        match node.kind {
            Kind::Text { .. } | Kind::Null => Ok(node),
            other => Err(format!("{tree} is {}, where a text is wanted; cast it", other.told())),
        }
    }

    fn binary(&self, operator: Binary, left: &Tree, right: &Tree) -> Result<Node, String> {
        let comparison = match operator {
            Binary::And => {
                let (left, right) = (self.condition(left)?, self.condition(right)?);
                return Ok(Node::new(Kind::Bool, What::And(left.boxed(), right.boxed())));
            }
            Binary::Or => {
                let (left, right) = (self.condition(left)?, self.condition(right)?);
                return Ok(Node::new(Kind::Bool, What::Or(left.boxed(), right.boxed())));
            }
            Binary::Join => {
                let (left, right) = (self.text(left)?, self.text(right)?);
                let max = sum_of(text_max(&left), text_max(&right));
                return Ok(Node::new(Kind::Text { max }, What::Join(left.boxed(), right.boxed())));
            }
            Binary::Plus | Binary::Minus | Binary::Times => return self.computed(operator, left, right),
            Binary::Equal => Comparison::Equal,
            Binary::Unequal => Comparison::Unequal,
            Binary::Less => Comparison::Less,
            Binary::LessOrEqual => Comparison::LessOrEqual,
            Binary::Greater => Comparison::Greater,
            Binary::GreaterOrEqual => Comparison::GreaterOrEqual,
        };
        let (left, right) = alike(self.node(left)?, self.node(right)?)?;
        if let Kind::Other(ty @ (Type::Float | Type::Json | Type::Decimal { .. })) = left.kind {
            return Err(format!("values of {ty} are not compared: stores would not agree"));
        }
        if comparison.is_order() && left.kind == Kind::Bool {
            return Err("conditions have no order; compare them with = or <>".to_owned());
        }
        Ok(Node::new(Kind::Bool, What::Compare(comparison, left.boxed(), right.boxed())))
    }

    fn computed(&self, operator: Binary, left: &Tree, right: &Tree) -> Result<Node, String> {
        let (left, right) = (self.numeric(left)?, self.numeric(right)?);
        if operator == Binary::Times {
            let (Kind::Number { digits, scale }, Kind::Number { digits: more, scale: finer }) =
                (left.kind, right.kind)
            else {
                return Err(no_number(&left));
            };
            if scale + finer > DIGITS_MAX {
                return Err(format!(
                    "a product with {} digits behind the point has more than {DIGITS_MAX}",
                    scale + finer
                ));
            }
            return Ok(checked(What::Product(left.boxed(), right.boxed()), digits + more, scale + finer));
        }
        let (left, right) = alike(left, right)?;
        let (Kind::Number { digits, scale }, Kind::Number { digits: more, .. }) = (left.kind, right.kind)
        else {
            return Err(no_number(&left));
        };
        let what = match operator {
            Binary::Plus => What::Sum(left.boxed(), right.boxed()),
            _ => What::Difference(left.boxed(), right.boxed()),
        };
        Ok(checked(what, digits.max(more) + 1, scale))
    }

    fn case(&self, branches: &[(Tree, Tree)], otherwise: Option<&Tree>) -> Result<Node, String> {
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        for (condition, value) in branches {
            conditions.push(self.condition(condition)?);
            values.push(self.node(value)?);
        }
        if let Some(otherwise) = otherwise {
            values.push(self.node(otherwise)?);
        }
        let (kind, mut values) = all_alike(values)?;
        let otherwise = otherwise.and_then(|_| values.pop()).map(Node::boxed);
        Ok(chosen(kind, What::Case(conditions.into_iter().zip(values).collect(), otherwise)))
    }

    fn call(&self, name: &str, arguments: &[Tree]) -> Result<Node, String> {
        let texts = |wanted: usize| -> Result<Vec<Node>, String> {
            if arguments.len() != wanted {
                return Err(format!("{name} takes {wanted} values, not {}", arguments.len()));
            }
            arguments.iter().map(|argument| self.text(argument)).collect()
        };
        let same = |function, arguments: Vec<Node>| {
            let max = arguments.first().and_then(text_max);
            Node::new(Kind::Text { max }, What::Call(function, arguments))
        };
        match name {
            "lower" => Ok(same(Function::Lower, texts(1)?)),
            "upper" => Ok(same(Function::Upper, texts(1)?)),
            "trim" => Ok(same(Function::Trim, texts(1)?)),
            "length" => {
                let kind = Kind::Number { digits: 10, scale: 0 };
                Ok(Node::new(kind, What::Call(Function::Length, texts(1)?)))
            }
            "replace" => Ok(Node::new(Kind::Text { max: None }, What::Call(Function::Replace, texts(3)?))),
            "substr" => self.substr(arguments),
            "split_part" => self.split_part(arguments),
            "coalesce" if !arguments.is_empty() => {
                let nodes = arguments.iter().map(|argument| self.node(argument)).collect::<Result<_, _>>()?;
                let (kind, nodes) = all_alike(nodes)?;
                Ok(chosen(kind, What::Coalesce(nodes)))
            }
            _ => Err(format!(
                "there is no function {name:?}; there are coalesce, length, lower, replace, split_part, substr, trim, \
                 upper, cast and try_cast"
            )),
        }
    }

    fn substr(&self, arguments: &[Tree]) -> Result<Node, String> {
        let told = "substr takes a text, a place from 1 and a number of characters, both written as digits";
        let (text, from, count) = match arguments {
            [text, from] => (text, from, None),
            [text, from, count] => (text, from, Some(digits(count).ok_or(told)?)),
            _ => return Err(told.to_owned()),
        };
        let from = digits(from).filter(|from| *from > 0).ok_or(told)?;
        let text = self.text(text)?;
        let max = count.or(text_max(&text));
        Ok(Node::new(Kind::Text { max }, What::Call(Function::Substr { from, count }, vec![text])))
    }

    fn split_part(&self, arguments: &[Tree]) -> Result<Node, String> {
        let told = format!(
            "split_part takes a text, a separator of one character in quotes, and a number from 1 to {PARTS_MAX}"
        );
        let [text, separator, nr] = arguments else { return Err(told) };
        let Tree::Text(content) = separator else { return Err(told) };
        let nr = digits(nr).filter(|nr| (1..=PARTS_MAX).contains(nr));
        let (Some(nr), 1) = (nr, content.chars().count()) else { return Err(told) };
        let (text, separator) = (self.text(text)?, self.text(separator)?);
        let kind = Kind::Text { max: text_max(&text) };
        Ok(Node::new(kind, What::Call(Function::SplitPart { nr }, vec![text, separator])))
    }
}

fn digits(tree: &Tree) -> Option<u32> {
    match tree {
        Tree::Number(digits) => digits.parse().ok().filter(|number| *number <= 1_000_000),
        _ => None,
    }
}

fn no_number(node: &Node) -> String {
    format!("{} is no number", node.kind.told())
}

fn text_max(node: &Node) -> Option<u32> {
    match node.kind {
        Kind::Text { max } => max,
        Kind::Null => Some(0),
        _ => None,
    }
}

fn sum_of(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    one?.checked_add(other?)
}

fn number(text: &str) -> Result<Node, String> {
    let decimal: Decimal = text.parse().map_err(|_| format!("{text} is no number"))?;
    let scale = u16::try_from(decimal.scale()).unwrap_or(u16::MAX);
    let units = decimal.as_str().replace('.', "").parse().map_err(|_| too_long(text))?;
    let digits = u16::try_from(decimal.as_str().len()).unwrap_or(u16::MAX);
    if scale > 0 && digits > DIGITS_MAX {
        return Err(too_long(text));
    }
    Ok(Node::new(Kind::Number { digits: digits.min(INT_DIGITS), scale }, What::Units(units)))
}

fn too_long(text: &str) -> String {
    format!("the number {text} has too many digits; {DIGITS_MAX} can be computed with in every store")
}

fn literal(ty: Type, text: &str) -> Result<Node, String> {
    if !matches!(ty, Type::Date | Type::Time | Type::Timestamp | Type::Uuid) {
        return Err(format!(
            "{ty} before a text in quotes is no value; only date, time, timestamp, uuid are"
        ));
    }
    let value = ty.read_json(&serde_json::Value::String(text.to_owned()));
    let value = value.ok_or_else(|| format!("'{text}' is no {ty}"))?;
    Ok(Node::new(Kind::Other(ty), What::Value(value)))
}

/// One of several values: where all are NULL, it is NULL, and may yet be of any kind.
fn chosen(kind: Kind, what: What) -> Node {
    Node::new(kind, if kind == Kind::Null { What::Value(Value::Null) } else { what })
}

/// A computed number, with its bound looked at only where it can be passed.
fn checked(what: What, digits: u16, scale: u16) -> Node {
    let most = if scale == 0 { INT_DIGITS } else { DIGITS_MAX };
    let node = Node::new(Kind::Number { digits: digits.min(most), scale }, what);
    if digits <= DIGITS_MAX { node } else { Node::new(node.kind, What::Bounded(node.boxed(), false)) }
}

/// A number with `scale` digits behind the point, which are not fewer than it has.
fn finer(node: Node, wanted: u16) -> Result<Node, String> {
    let Kind::Number { digits, scale } = node.kind else { return Ok(node) };
    if scale == wanted {
        return Ok(node);
    }
    if wanted > DIGITS_MAX {
        return Err(format!("more than {DIGITS_MAX} digits behind the point"));
    }
    let more = wanted - scale;
    if let What::Units(units) = node.what
        && digits + more <= DIGITS_MAX
        && let Some(units) = 10_i64.checked_pow(more.into()).and_then(|power| units.checked_mul(power))
    {
        return Ok(Node::new(Kind::Number { digits: digits + more, scale: wanted }, What::Units(units)));
    }
    Ok(checked(What::Finer(node.boxed(), more), digits + more, wanted))
}

/// Two parts of one kind.
fn alike(left: Node, right: Node) -> Result<(Node, Node), String> {
    let (kind, mut nodes) = all_alike(vec![left, right])?;
    match (nodes.pop(), nodes.pop()) {
        (Some(right), Some(left)) => Ok((left, right)),
        _ => Err(format!("two values of {} are wanted", kind.told())),
    }
}

/// All parts of one kind; NULL is of any.
fn all_alike(nodes: Vec<Node>) -> Result<(Kind, Vec<Node>), String> {
    let mut kind = Kind::Null;
    for node in &nodes {
        kind = common(kind, node.kind)?;
    }
    let nodes = nodes.into_iter().map(|node| match (kind, node.kind) {
        (_, Kind::Null) => Ok(Node::new(kind, node.what)),
        (Kind::Number { scale, .. }, _) => finer(node, scale),
        _ => Ok(node),
    });
    let nodes = nodes.collect::<Result<Vec<_>, String>>()?;
    let widest = nodes.iter().map(|node| node.kind).try_fold(kind, common)?;
    Ok((widest, nodes))
}

fn common(one: Kind, other: Kind) -> Result<Kind, String> {
    Ok(match (one, other) {
        (Kind::Null, kind) | (kind, Kind::Null) => kind,
        (Kind::Number { digits, scale }, Kind::Number { digits: more, scale: finer }) => {
            Kind::Number { digits: digits.max(more), scale: scale.max(finer) }
        }
        (Kind::Text { max: Some(one) }, Kind::Text { max: Some(other) }) => {
            Kind::Text { max: Some(one.max(other)) }
        }
        (Kind::Text { .. }, Kind::Text { .. }) => Kind::Text { max: None },
        (one, other) if one == other => one,
        (one, other) => return Err(format!("{} and {} are not alike; cast one", one.told(), other.told())),
    })
}

/// A part as a value of a type. Written out as a cast it may go between kinds, else only within one.
fn cast(node: Node, ty: Type, lenient: bool, written: bool) -> Result<Node, String> {
    let from = node.kind;
    let kind = Kind::of(ty);
    match (from, kind) {
        (Kind::Null, _) => Ok(Node::new(kind, node.what)),
        (Kind::Number { .. }, Kind::Number { digits, scale }) => Ok(rescaled(node, digits, scale, lenient)?),
        (Kind::Text { max }, Kind::Text { max: Some(wanted) }) => {
            let fits = max.is_some_and(|max| max <= wanted);
            Ok(if fits { node } else { Node::new(kind, What::Fitting(node.boxed(), wanted, lenient)) })
        }
        (Kind::Text { .. }, Kind::Text { .. }) => Ok(node),
        (one, other) if one == other => Ok(node),
        (Kind::Number { .. }, Kind::Other(Type::Decimal { .. })) => {
            Ok(Node::new(kind, What::Cast(node.boxed(), ty, lenient)))
        }
        _ if !written => Err(format!("the expression is {}, the column {ty}; cast it", from.told())),
        _ if convert::sql::has(from.ty(), ty) => Ok(Node::new(kind, What::Cast(node.boxed(), ty, lenient))),
        _ => Err(format!("there is no exact way from {} to {ty}", from.told())),
    }
}

fn rescaled(node: Node, digits: u16, scale: u16, lenient: bool) -> Result<Node, String> {
    let Kind::Number { scale: have, .. } = node.kind else { return Ok(node) };
    let node = if have > scale {
        let Kind::Number { digits, .. } = node.kind else { return Ok(node) };
        let cut = have - scale;
        let kind = Kind::Number { digits: digits.saturating_sub(cut).max(1), scale };
        Node::new(kind, What::Coarser(node.boxed(), cut, lenient))
    } else {
        finer(node, scale)?
    };
    Ok(match node.kind {
        Kind::Number { digits: have, .. } if have <= digits => node,
        _ => Node::new(Kind::Number { digits, scale }, What::Bounded(node.boxed(), lenient)),
    })
}
