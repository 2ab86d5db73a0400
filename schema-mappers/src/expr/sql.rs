//! An expression as SQL, to the same value in every store: nothing here can raise an error at run time, since one row
//! that has no value must not hide all others from a view.

use journal_core::model::{Name, Type, Value};

use super::node::{Comparison, Function, INT_DIGITS, Kind, Node, What};
use crate::convert;
use crate::ddl::quote;
use crate::ddl::{Dialect, mariadb};

/// The SQL of a part, as a stored value of type `ty`; `column` gives the SQL of a column.
pub(super) fn sql(node: &Node, ty: Type, dialect: Dialect, column: &dyn Fn(&Name) -> String) -> String {
    let writer = Writer { dialect, column, in_table: false };
    writer.stored(writer.part(node), node.kind, ty)
}

/// The same for the definition of a table, which each session reads for itself.
pub(super) fn sql_in_table(
    node: &Node,
    ty: Type,
    dialect: Dialect,
    column: &dyn Fn(&Name) -> String,
) -> String {
    let writer = Writer { dialect, column, in_table: true };
    writer.stored(writer.part(node), node.kind, ty)
}

struct Writer<'a> {
    dialect: Dialect,
    column: &'a dyn Fn(&Name) -> String,
    in_table: bool,
}

impl Writer<'_> {
    /// SQL of a value to compute with: numbers as whole counts of units.
    fn part(&self, node: &Node) -> String {
        match &node.what {
            What::Value(Value::Bool(value)) if self.dialect == Dialect::Postgres => {
                if *value { "TRUE" } else { "FALSE" }.to_owned()
            }
            What::Value(Value::Null) => match (self.dialect, node.kind) {
                (Dialect::Postgres, Kind::Number { .. }) => "CAST(NULL AS numeric)".to_owned(),
                (Dialect::MariaDb, Kind::Number { .. }) => format!("CAST(NULL AS {UNITS})"),
                _ => quote::literal(&Value::Null, any_length(node.kind.ty()), self.dialect),
            },
            What::Value(Value::Text(text)) if self.in_table && self.dialect == Dialect::MariaDb => {
                mariadb::lasting_text(text)
            }
            What::Value(value) => quote::literal(value, any_length(node.kind.ty()), self.dialect),
            What::Units(units) => match self.dialect {
                Dialect::Sqlite => units.to_string(),
                Dialect::Postgres => format!("CAST({units} AS numeric)"),
                Dialect::MariaDb => format!("CAST({units} AS {UNITS})"),
            },
            What::Column(name) => self.opened((self.column)(name), node.kind),
            What::Not(part) => format!("(NOT {})", self.part(part)),
            What::And(left, right) => self.between(left, "AND", right),
            What::Or(left, right) => self.between(left, "OR", right),
            What::IsNull(part) => format!("({} IS NULL)", self.part(part)),
            What::Compare(comparison, left, right) => self.compare(*comparison, left, right),
            What::Sum(left, right) => self.between(left, "+", right),
            What::Difference(left, right) => self.between(left, "-", right),
            What::Product(left, right) => self.between(left, "*", right),
            What::Finer(part, more) => format!("({} * {})", self.part(part), power(*more)),
            What::Coarser(part, less, _) => self.coarser(&self.part(part), *less),
            What::Bounded(part, _) => self.bounded(&self.part(part), node.kind),
            What::Fitting(part, max, _) => {
                let part = self.part(part);
                format!("CASE WHEN {} <= {max} THEN {part} END", quote::length(&part, self.dialect))
            }
            What::Join(left, right) => self.between(left, "||", right),
            What::Case(branches, otherwise) => {
                let branches: String = branches
                    .iter()
                    .map(|(condition, value)| {
                        format!(" WHEN {} THEN {}", self.part(condition), self.part(value))
                    })
                    .collect();
                let otherwise = otherwise.as_ref().map(|node| format!(" ELSE {}", self.part(node)));
                format!("CASE{branches}{} END", otherwise.unwrap_or_default())
            }
            What::Coalesce(parts) if parts.len() == 1 => parts.iter().map(|part| self.part(part)).collect(),
            What::Coalesce(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| self.part(part)).collect();
                format!("coalesce({})", parts.join(", "))
            }
            What::Call(function, arguments) => self.call(*function, arguments),
            What::Cast(part, ty, _) => {
                let from = part.kind.ty();
                let stored = self.stored(self.part(part), part.kind, from);
                self.opened(bracketed(convert::sql::convert(&stored, from, *ty, self.dialect)), node.kind)
            }
        }
    }

    fn between(&self, left: &Node, sign: &str, right: &Node) -> String {
        format!("({} {sign} {})", self.part(left), self.part(right))
    }

    fn compare(&self, comparison: Comparison, left: &Node, right: &Node) -> String {
        let (text, sign) = (matches!(left.kind, Kind::Text { .. }), comparison.sign());
        if let (Some(left), Some(right)) = (self.plain(left), self.plain(right)) {
            return format!("({left} {sign} {right})");
        }
        let (left, right) = (self.part(left), self.part(right));
        // Texts are ordered by their bytes everywhere.
        let collate = if text && comparison.is_order() && self.dialect == Dialect::Postgres {
            " COLLATE \"C\""
        } else {
            ""
        };
        format!("({left} {sign} {right}{collate})")
    }

    /// A number as a query would write it, where that compares as its units do.
    fn plain(&self, node: &Node) -> Option<String> {
        let Kind::Number { digits, scale } = node.kind else { return None };
        match &node.what {
            What::Column(name) if self.dialect != Dialect::Sqlite || digits == INT_DIGITS => {
                Some((self.column)(name))
            }
            What::Units(units) if scale == 0 => Some(units.to_string()),
            What::Units(units) if self.dialect != Dialect::Sqlite => {
                let power = 10_i64.checked_pow(scale.into())?;
                let width = usize::from(scale);
                Some(format!("{}.{:0>width$}", units / power, units % power))
            }
            _ => None,
        }
    }

    fn coarser(&self, part: &str, less: u16) -> String {
        let power = power(less);
        match self.dialect {
            Dialect::Sqlite => format!("CASE WHEN {part} % {power} = 0 THEN {part} / {power} END"),
            Dialect::Postgres => {
                format!("CASE WHEN {part} % {power} = 0 THEN trunc({part} * {}) END", parts(less))
            }
            Dialect::MariaDb => {
                format!("CASE WHEN abs({part} % {power}) = 0 THEN truncate({part} * {}, 0) END", parts(less))
            }
        }
    }

    /// SQLite counts on as a float where 64 bits do not do, which its type then tells.
    fn bounded(&self, part: &str, kind: Kind) -> String {
        let Kind::Number { digits, .. } = kind else { return part.to_owned() };
        let range = match digits {
            INT_DIGITS => format!("{part} BETWEEN {} AND {}", self.number(i64::MIN), i64::MAX),
            digits => {
                let most = "9".repeat(digits.into());
                format!("{part} BETWEEN -{most} AND {most}")
            }
        };
        match (self.dialect, digits) {
            (Dialect::Sqlite, INT_DIGITS) => format!("CASE WHEN typeof({part}) = 'integer' THEN {part} END"),
            (Dialect::Sqlite, _) => {
                format!("CASE WHEN typeof({part}) = 'integer' AND {range} THEN {part} END")
            }
            (Dialect::Postgres | Dialect::MariaDb, _) => format!("CASE WHEN {range} THEN {part} END"),
        }
    }

    fn number(&self, number: i64) -> String {
        match self.dialect {
            Dialect::Sqlite | Dialect::MariaDb => number.to_string(),
            Dialect::Postgres => format!("CAST('{number}' AS numeric)"),
        }
    }

    fn call(&self, function: Function, arguments: &[Node]) -> String {
        let parts: Vec<String> = arguments.iter().map(|argument| self.part(argument)).collect();
        let [text, rest @ ..] = parts.as_slice() else { return "NULL".to_owned() };
        // In this collation PostgreSQL knows the letters that SQLite knows; for MariaDB the bytes of the text are read in a
        // character set without any others.
        let plain = |name: &str| match self.dialect {
            Dialect::Sqlite => format!("{name}({text})"),
            Dialect::Postgres => format!("{name}({text} COLLATE \"C\")"),
            Dialect::MariaDb => {
                let bytes = format!("CAST(CAST({text} AS BINARY) AS CHAR CHARACTER SET hebrew)");
                mariadb::collated(&format!("CONVERT(CAST({name}({bytes}) AS BINARY) USING utf8mb4)"))
            }
        };
        match (function, rest) {
            (Function::Lower, _) => plain("lower"),
            (Function::Upper, _) => plain("upper"),
            (Function::Trim, _) => format!("trim({text})"),
            (Function::Length, _) => match self.dialect {
                Dialect::Sqlite => format!("length({text})"),
                Dialect::Postgres => format!("CAST(length({text}) AS numeric)"),
                Dialect::MariaDb => format!("CAST(char_length({text}) AS {UNITS})"),
            },
            (Function::Substr { from, count: None }, _) => format!("substr({text}, {from})"),
            (Function::Substr { from, count: Some(count) }, _) => format!("substr({text}, {from}, {count})"),
            (Function::Replace, [from, to]) => format!("replace({text}, {from}, {to})"),
            (Function::SplitPart { nr }, [separator]) => match self.dialect {
                Dialect::Sqlite => sqlite_part(text, separator, nr),
                Dialect::Postgres => format!("split_part({text}, {separator}, {nr})"),
                Dialect::MariaDb => mariadb_part(text, separator, nr),
            },
            _ => "NULL".to_owned(),
        }
    }

    /// A stored value as one to compute with.
    fn opened(&self, stored: String, kind: Kind) -> String {
        match (kind, self.dialect) {
            (Kind::Number { digits: INT_DIGITS, .. }, Dialect::Sqlite) => stored,
            (Kind::Number { scale: 0, .. }, Dialect::Sqlite) => format!("CAST({stored} AS INTEGER)"),
            (Kind::Number { .. }, Dialect::Sqlite) => format!("CAST(replace({stored}, '.', '') AS INTEGER)"),
            (Kind::Number { scale: 0, .. }, Dialect::Postgres) => format!("CAST({stored} AS numeric)"),
            (Kind::Number { scale, .. }, Dialect::Postgres) => format!("({stored} * {})", power(scale)),
            (Kind::Number { scale: 0, .. }, Dialect::MariaDb) => format!("CAST({stored} AS {UNITS})"),
            (Kind::Number { scale, .. }, Dialect::MariaDb) => {
                format!("CAST({stored} * {} AS {UNITS})", power(scale))
            }
            _ => stored,
        }
    }

    /// A value as it is stored in a column of a type.
    fn stored(&self, part: String, kind: Kind, ty: Type) -> String {
        let Kind::Number { scale, .. } = kind else { return part };
        match (self.dialect, ty) {
            (Dialect::Sqlite, Type::Int) => part,
            (Dialect::Sqlite, _) if scale == 0 => format!("CAST({part} AS TEXT)"),
            (Dialect::Sqlite, _) => {
                let power = power(scale);
                format!(
                    "CASE WHEN {part} < 0 THEN '-' ELSE '' END || (abs({part}) / {power}) || '.' || \
                     substr('{power}' || (abs({part}) % {power}), -{scale})"
                )
            }
            (Dialect::Postgres, Type::Int) => format!("CAST({part} AS bigint)"),
            (Dialect::Postgres, Type::Decimal { precision, scale: wanted }) => {
                let number = if scale == 0 { part } else { format!("{part} * {}", parts(scale)) };
                format!("CAST({number} AS numeric({precision},{wanted}))")
            }
            (Dialect::Postgres, _) => part,
            (Dialect::MariaDb, Type::Int) => format!("CAST({part} AS SIGNED)"),
            (Dialect::MariaDb, ty @ Type::Decimal { .. }) => {
                let number = if scale == 0 { part } else { format!("{part} * {}", parts(scale)) };
                format!("CAST({number} AS {})", mariadb::cast_name(ty))
            }
            (Dialect::MariaDb, _) => part,
        }
    }
}

/// Units on MariaDB: wide enough for the product of any two.
const UNITS: &str = "DECIMAL(38,0)";

/// A literal needs no bound of its length.
fn any_length(ty: Type) -> Type {
    if matches!(ty, Type::Text { .. }) { Type::Text { max: None } } else { ty }
}

/// The text up to a separator and all after it, as often as there are parts before the wanted one.
fn sqlite_part(text: &str, separator: &str, nr: u32) -> String {
    let mut tail = format!("({text} || {separator})");
    for _ in 1..nr {
        tail = format!("substr({tail}, instr({tail}, {separator}) + 1)");
    }
    format!("substr({tail}, 1, max(instr({tail}, {separator}) - 1, 0))")
}

/// With as many separators behind the text as make sure of the wanted part.
fn mariadb_part(text: &str, separator: &str, nr: u32) -> String {
    let longer = format!("{text} || repeat({separator}, {nr})");
    format!("substring_index(substring_index({longer}, {separator}, {nr}), {separator}, -1)")
}

fn bracketed(sql: String) -> String {
    format!("({sql})")
}

fn power(exponent: u16) -> String {
    format!("1{}", "0".repeat(exponent.into()))
}

/// One unit of a scale, as a number.
fn parts(scale: u16) -> String {
    format!("0.{}1", "0".repeat(usize::from(scale).saturating_sub(1)))
}
