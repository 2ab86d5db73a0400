//! The declared conditions of a table, ready to be held against rows: so that a row which breaks one can be named
//! before a database refuses it without saying which.

use journal_core::model::{Name, Row, Table, Value};

use crate::expr::Expression;

/// The checks of one table.
#[derive(Debug, Clone)]
pub struct TableChecks(Vec<(Name, Expression)>);

impl TableChecks {
    /// The checks of a table of a loaded set.
    pub fn of(table: &Table) -> Self {
        let checks = table.checks.iter().filter_map(|check| {
            // The loader has read each of them over these columns.
            Some((check.name.clone(), Expression::condition(&check.that, &table.columns).ok()?))
        });
        Self(checks.collect())
    }

    /// The name of the first check that a whole row breaks. As in SQL, a condition that is NULL is met.
    pub fn broken_by(&self, row: &Row) -> Option<&Name> {
        let broken = |condition: &Expression| condition.evaluate(row).0 == Value::Bool(false);
        self.0.iter().find(|(_, condition)| broken(condition)).map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{row, set_of};

    #[test]
    fn the_check_that_a_row_breaks_is_named() {
        let text = "[table.t]\nkey = [\"id\"]\nchecks = [{ name = \"small\", that = \"id < 9\" }, \
                    { name = \"named\", that = \"length(n) > 0\" }]\n\
                    [table.t.columns]\nid = \"int\"\nn = { type = \"text\", null = true }\n";
        let set = set_of(&[(text, "")]).expect("a good set");
        let checks = TableChecks::of(&set.newest().schema().tables["t"]);
        assert_eq!(checks.broken_by(&row(&[("id", 1.into()), ("n", "x".into())])), None);
        assert_eq!(checks.broken_by(&row(&[("id", 1.into()), ("n", Value::Null)])), None, "NULL is met");
        assert_eq!(
            checks.broken_by(&row(&[("id", 9.into()), ("n", "".into())])).map(AsRef::as_ref),
            Some("small")
        );
        assert_eq!(
            checks.broken_by(&row(&[("id", 1.into()), ("n", "".into())])).map(AsRef::as_ref),
            Some("named")
        );
    }
}
