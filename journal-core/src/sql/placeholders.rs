//! Placeholders: templates number them (`$1`). MariaDB knows them by place alone (`?`), and SQLite is bound faster so: for
//! each numbered one the driver asks for its name, which SQLite looks for from the first on. Texts are few and come again
//! and again, so that each is read once and kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::dialect::Dialect;
use super::error::{SqlClass, SqlError};
use super::param::Param;

/// Bytes of templates that are kept. A program has a few hundred texts; more come from tables that were reshaped.
const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A template with its placeholders by place.
#[derive(Debug)]
pub(super) struct Statement {
    sql: Arc<str>,
    /// Which parameter stands at each place, from 0; `None` when they stand in their order, each once.
    order: Option<Vec<usize>>,
    count: usize,
}

impl Statement {
    pub(super) fn sql(&self) -> Arc<str> {
        self.sql.clone()
    }

    /// The parameters in the order of their places.
    pub(super) fn arrange(&self, params: Vec<Param>) -> Result<Vec<Param>, SqlError> {
        if params.len() != self.count {
            let message = format!("{} parameters for a statement of {}", params.len(), self.count);
            return Err(SqlError::new(SqlClass::Data, message));
        }
        let Some(order) = &self.order else { return Ok(params) };
        Ok(order.iter().map(|at| params[*at].clone()).collect())
    }
}

/// The statement of a template for MariaDB, read once.
pub(super) fn mariadb(template: &str) -> Arc<Statement> {
    static KEPT: Mutex<Kept<Arc<Statement>>> = Mutex::new(Kept::new());
    Kept::get(&KEPT, template, || Arc::new(by_place(&Dialect::MariaDb.render(template))))
}

/// The text of a template for SQLite, read once: by place if every parameter stands at its own.
pub(super) fn sqlite(template: &str) -> Arc<str> {
    static KEPT: Mutex<Kept<Arc<str>>> = Mutex::new(Kept::new());
    Kept::get(&KEPT, template, || {
        let text = Dialect::Sqlite.render(template);
        let statement = by_place(&text);
        if statement.order.is_none() { statement.sql } else { text.into() }
    })
}

/// What was made of templates.
struct Kept<T> {
    made: Option<HashMap<Box<str>, T>>,
    bytes: usize,
}

impl<T: Clone> Kept<T> {
    const fn new() -> Self {
        Self { made: None, bytes: 0 }
    }

    fn get(kept: &Mutex<Self>, template: &str, make: impl FnOnce() -> T) -> T {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.made.get_or_insert_default().get(template) {
            return known.clone();
        }
        let new = make();
        if kept.bytes + template.len() > KEPT_BYTES_MAX {
            *kept = Self::new();
        }
        kept.bytes += template.len();
        kept.made.get_or_insert_default().insert(template.into(), new.clone());
        new
    }
}

/// Turns each `$n` outside of literals, quoted names and comments into `?`.
fn by_place(text: &str) -> Statement {
    let (mut sql, mut order) = (String::with_capacity(text.len()), Vec::new());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let opaque = opaque_len(rest);
        if opaque > 0 {
            sql.push_str(&rest[..opaque]);
            rest = &rest[opaque..];
            continue;
        }
        let digits =
            rest.strip_prefix('$').map_or(0, |tail| tail.bytes().take_while(u8::is_ascii_digit).count());
        if let Some(number @ 1..) = rest.get(1..=digits).and_then(|digits| digits.parse::<usize>().ok()) {
            sql.push('?');
            order.push(number - 1);
            rest = &rest[1 + digits..];
        } else {
            sql.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    let count = order.iter().map(|at| at + 1).max().unwrap_or(0);
    let in_order = order.len() == count && order.iter().enumerate().all(|(place, at)| place == *at);
    Statement { sql: sql.into(), order: (!in_order).then_some(order), count }
}

/// How long the literal, quoted name or comment is that a text begins with; 0 when it begins with something else. A quote
/// that is doubled ends one and begins the next, which comes to the same.
fn opaque_len(text: &str) -> usize {
    let upto = |end: &str, from: usize| text[from..].find(end).map_or(text.len(), |at| from + at + end.len());
    match text.as_bytes() {
        [b'\'', ..] => upto("'", 1),
        [b'"', ..] => upto("\"", 1),
        [b'`', ..] => upto("`", 1),
        [b'-', b'-', b' ' | b'\t' | b'\n', ..] => upto("\n", 2),
        // A comment that is executed is text like any other.
        [b'/', b'*', b'!' | b'M', ..] => 0,
        [b'/', b'*', ..] => upto("*/", 2),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, sql: &str, order: &[i64]) {
        let statement = mariadb(template);
        assert_eq!(&*statement.sql(), sql);
        let given: Vec<Param> = (1..=statement.count).map(|nr| i64::try_from(nr).unwrap().into()).collect();
        let expected: Vec<Param> = order.iter().copied().map(Param::from).collect();
        assert_eq!(statement.arrange(given), Ok(expected), "{template}");
    }

    #[test]
    fn parameters_come_in_the_order_of_their_places() {
        check("SELECT 1", "SELECT 1", &[]);
        check("INSERT INTO {d}t VALUES ($1, $2)", "INSERT INTO daybook_t VALUES (?, ?)", &[1, 2]);
        check("a = $2 AND b = $1 AND c > $2 LIMIT $10", "a = ? AND b = ? AND c > ? LIMIT ?", &[2, 1, 2, 10]);
        check("$1$1", "??", &[1, 1]);
    }

    #[test]
    fn a_dollar_elsewhere_stays_what_it_is() {
        check("j -> '$.x' || 'it''s $1' || $1", "j -> '$.x' || 'it''s $1' || ?", &[1]);
        check("\"a$1\"\"$2\" = `$3` -- $4\n + $1", "\"a$1\"\"$2\" = `$3` -- $4\n + ?", &[1]);
        check("/* $1 */ /*M! $1 */ $ $0 é$1", "/* $1 */ /*M! ? */ $ $0 é?", &[1, 1]);
        check("'never closed $1", "'never closed $1", &[]);
    }

    #[test]
    fn sqlite_keeps_numbers_where_a_parameter_does_not_stand_at_its_place() {
        assert_eq!(&*sqlite("INSERT INTO {d}t VALUES ($1, $2)"), "INSERT INTO daybook_t VALUES (?, ?)");
        for template in ["a = $2 AND b = $1", "a = $1 OR b = $1", "a = $2"] {
            assert_eq!(&*sqlite(template), template);
        }
    }

    #[test]
    fn a_missing_parameter_is_told_here_and_not_by_the_driver() {
        assert!(mariadb("a = $1").arrange(Vec::new()).is_err());
        assert!(mariadb("a = 1").arrange(vec![Param::from(1_i64)]).is_err());
    }
}
