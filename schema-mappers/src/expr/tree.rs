//! An expression as it is written: no types yet. Its `Display` is its one canonical text.

use std::fmt;

use journal_core::model::{Name, Type};

/// A part of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    /// Digits with or without a point, and no sign.
    Number(String),
    Text(String),
    /// A value of a type that has no literal of its own, in quotes behind the type's name.
    Typed(Type, String),
    Column(Name),
    Not(Box<Tree>),
    Minus(Box<Tree>),
    IsNull(Box<Tree>),
    Binary(Binary, Box<Tree>, Box<Tree>),
    /// Conditions with their values, and the value where none holds.
    Case(Vec<(Tree, Tree)>, Option<Box<Tree>>),
    Call(String, Vec<Tree>),
    /// With `true`, what has no exact form is NULL and no fault.
    Cast(Box<Tree>, Type, bool),
}

/// An operator between two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Join,
    Plus,
    Minus,
    Times,
}

impl Binary {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Equal => "=",
            Self::Unequal => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Join => "||",
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Times => "*",
        }
    }
}

impl Tree {
    /// The same with another name for a column.
    #[must_use]
    pub(crate) fn renamed(self, from: &Name, to: &Name) -> Self {
        let boxed = |part: Box<Self>| Box::new(part.renamed(from, to));
        match self {
            Self::Column(name) if name == *from => Self::Column(to.clone()),
            Self::Not(part) => Self::Not(boxed(part)),
            Self::Minus(part) => Self::Minus(boxed(part)),
            Self::IsNull(part) => Self::IsNull(boxed(part)),
            Self::Cast(part, ty, lenient) => Self::Cast(boxed(part), ty, lenient),
            Self::Binary(operator, left, right) => Self::Binary(operator, boxed(left), boxed(right)),
            Self::Case(branches, otherwise) => {
                let branches = branches
                    .into_iter()
                    .map(|(condition, value)| (condition.renamed(from, to), value.renamed(from, to)));
                Self::Case(branches.collect(), otherwise.map(boxed))
            }
            Self::Call(name, arguments) => {
                Self::Call(name, arguments.into_iter().map(|part| part.renamed(from, to)).collect())
            }
            plain => plain,
        }
    }

    /// The columns it names, each as often as it does.
    pub(crate) fn columns(&self) -> Vec<Name> {
        match self {
            Self::Column(name) => vec![name.clone()],
            other => other.parts().into_iter().flat_map(Self::columns).collect(),
        }
    }

    /// The longest way down, itself counted.
    pub(crate) fn depth(&self) -> usize {
        1 + self.parts().into_iter().map(Self::depth).max().unwrap_or(0)
    }

    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Null
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::Typed(..)
            | Self::Column(_) => Vec::new(),
            Self::Not(part) | Self::Minus(part) | Self::IsNull(part) | Self::Cast(part, ..) => vec![part],
            Self::Binary(_, left, right) => vec![left, right],
            Self::Case(branches, otherwise) => {
                let branches = branches.iter().flat_map(|(condition, value)| [condition, value]);
                branches.chain(otherwise.as_deref()).collect()
            }
            Self::Call(_, arguments) => arguments.iter().collect(),
        }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Number(digits) => f.write_str(digits),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Typed(ty, text) => write!(f, "{ty} {}", quoted(text)),
            Self::Column(name) => f.write_str(name),
            Self::Not(part) => write!(f, "(not {part})"),
            Self::Minus(part) => write!(f, "(- {part})"),
            Self::IsNull(part) => write!(f, "({part} is null)"),
            Self::Binary(operator, left, right) => write!(f, "({left} {} {right})", operator.sign()),
            Self::Case(branches, otherwise) => {
                f.write_str("case")?;
                for (condition, value) in branches {
                    write!(f, " when {condition} then {value}")?;
                }
                if let Some(otherwise) = otherwise {
                    write!(f, " else {otherwise}")?;
                }
                f.write_str(" end")
            }
            Self::Call(name, arguments) => {
                let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
                write!(f, "{name}({})", arguments.join(", "))
            }
            Self::Cast(part, ty, lenient) => {
                write!(f, "{}({part} as {ty})", if *lenient { "try_cast" } else { "cast" })
            }
        }
    }
}
