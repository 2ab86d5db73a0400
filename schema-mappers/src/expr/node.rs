//! An expression with the kind of each part known. What is here can be computed, in Rust and in SQL, to the same value.
//!
//! Numbers are whole counts of units: 2.50 with a scale of 2 is 250. A number of scale 0 may use all 64 bits; with
//! digits behind the point it has at most 18 digits, so that SQLite counts exactly as well.

use journal_core::model::{Name, Type, Value};

/// Most digits of a number that has some behind the point.
pub(super) const DIGITS_MAX: u16 = 18;
/// The digits of a 64-bit number.
pub(super) const INT_DIGITS: u16 = 19;

/// What a part is, apart from NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// NULL and nothing else.
    Null,
    Bool,
    /// Below ten to the power of `digits` in units; with 19 digits any 64-bit number.
    Number {
        digits: u16,
        scale: u16,
    },
    Text {
        max: Option<u32>,
    },
    /// A value that is compared, chosen and cast, not computed with.
    Other(Type),
}

impl Kind {
    /// The kind of a column.
    pub(super) fn of(ty: Type) -> Self {
        match ty {
            Type::Bool => Self::Bool,
            Type::Int => Self::Number { digits: INT_DIGITS, scale: 0 },
            Type::Decimal { precision, scale } if precision <= DIGITS_MAX => {
                Self::Number { digits: precision, scale }
            }
            Type::Text { max } => Self::Text { max },
            other => Self::Other(other),
        }
    }

    /// A type that holds every value of the kind.
    pub(super) fn ty(self) -> Type {
        match self {
            Self::Null => Type::Text { max: None },
            Self::Bool => Type::Bool,
            Self::Number { scale: 0, .. } => Type::Int,
            Self::Number { digits, scale } => Type::Decimal { precision: digits.max(scale), scale },
            Self::Text { max } => Type::Text { max },
            Self::Other(ty) => ty,
        }
    }

    pub(super) fn told(self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            other => other.ty().to_string(),
        }
    }
}

/// A part, and its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(super) kind: Kind,
    pub(super) what: What,
}

/// What a part does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Value(Value),
    /// A number as units.
    Units(i64),
    Column(Name),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    IsNull(Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    /// Units of one scale; NULL and a fault where the result has no place in the kind.
    Sum(Box<Node>, Box<Node>),
    Difference(Box<Node>, Box<Node>),
    /// Units of any scales.
    Product(Box<Node>, Box<Node>),
    /// A number with this many zeros more.
    Finer(Box<Node>, u16),
    /// A number with this many digits less; NULL where they are not zeros. Lenient: no fault.
    Coarser(Box<Node>, u16, bool),
    /// A number of at most as many digits as the kind has; NULL where there are more. Lenient: no fault.
    Bounded(Box<Node>, bool),
    /// A text of at most so many characters; NULL where there are more. Lenient: no fault.
    Fitting(Box<Node>, u32, bool),
    Join(Box<Node>, Box<Node>),
    Case(Vec<(Node, Node)>, Option<Box<Node>>),
    Coalesce(Vec<Node>),
    Call(Function, Vec<Node>),
    /// By the conversions between types; NULL where there is none. Lenient: no fault.
    Cast(Box<Node>, Type, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    pub(super) fn is_order(self) -> bool {
        !matches!(self, Self::Equal | Self::Unequal)
    }
}

/// What can be called. Letters are those of ASCII alone: databases differ in all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Lower,
    Upper,
    /// Blanks at both ends, and no other white space.
    Trim,
    /// Characters.
    Length,
    /// From a place, counted from 1, to the end or so many characters.
    Substr {
        from: u32,
        count: Option<u32>,
    },
    Replace,
    /// The part of that number, counted from 1; empty where there are fewer.
    SplitPart {
        nr: u32,
    },
}

impl Node {
    pub(super) fn new(kind: Kind, what: What) -> Self {
        Self { kind, what }
    }

    pub(super) fn boxed(self) -> Box<Self> {
        Box::new(self)
    }
}
