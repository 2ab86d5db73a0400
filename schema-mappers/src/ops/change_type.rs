//! `change_type`: a column of another type on the newer side. A value that has no exact form there is refused, unless the
//! mapping says what to show in its place; the value itself is kept.

use journal_core::model::{Type, Value};

use super::exchange::{Exchange, Exchanged};
use super::{Arguments, Operation};
use crate::convert::round::Round;
use crate::convert::{convert, loses_spelling, possible, sql};
use crate::ddl::Dialect;
use crate::ddl::quote::literal;
use crate::error::SetError;
use crate::loss;
use crate::step::Direction;

#[derive(Debug)]
struct ChangeType {
    up: Way,
    down: Way,
}

/// One direction.
#[derive(Debug)]
struct Way {
    from: Type,
    to: Type,
    /// How a value that does not fit is made to.
    round: Option<Round>,
    /// What stands for a value that does not fit.
    overflow: Option<Value>,
}

pub(super) fn read(arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    let column = arguments.column("column")?;
    let newer = match arguments.ty("to")? {
        Some(newer) => newer,
        None => return Err(arguments.fields.fault("\"to\" is missing: the new type")),
    };
    let older = column.ty;
    if newer == older {
        return Err(arguments
            .fields
            .fault(format!("column {} is {newer} already; take this out", column.name)));
    }
    if !possible(older, newer) || !possible(newer, older) {
        return Err(arguments.fields.fault(format!(
            "there is no exact way between {older} and {newer}; docs/schema-sets.md lists those that there are"
        )));
    }
    if !sql::has(newer, older) {
        return Err(arguments.fields.fault(format!(
            "a view cannot tell which {newer} is {older}, so that the older version could not be read; keep it {older}"
        )));
    }
    let up = way(arguments, ["round", "overflow"], older, newer)?;
    let down = way(arguments, ["older_round", "older_overflow"], newer, older)?;
    let loss = loss::read(arguments, "change_type", std::slice::from_ref(&column.name))?;
    arguments.change(&column.name, |column| column.ty = newer);
    Ok(Exchanged::boxed(arguments, column.name, older, ChangeType { up, down }, loss))
}

fn way(arguments: &mut Arguments<'_>, keys: [&str; 2], from: Type, to: Type) -> Result<Way, SetError> {
    let [round_key, overflow_key] = keys;
    let mut round = None;
    if let Some(node) = arguments.fields.optional(round_key) {
        let read = Round::named(node.text(round_key)?, from, to).map_err(|message| node.fault(message))?;
        if round_key == "older_round" && !read.has_sql(from, to) {
            return Err(node.fault(format!("views cannot round {from} to {to} exactly in every store")));
        }
        round = Some(read);
    }
    let overflow = arguments.value(overflow_key, to)?.filter(|value| !value.is_null());
    Ok(Way { from, to, round, overflow })
}

impl Way {
    fn over(&self, value: &Value) -> Result<Value, String> {
        let turned = convert(value, self.to);
        let turned = turned.or_else(|| self.round?.round(value, self.to));
        turned.or_else(|| self.overflow.clone()).ok_or_else(|| {
            let value: String = value.to_string().chars().take(64).collect();
            format!("{value:?} has no exact form as {}", self.to)
        })
    }

    fn sql(&self, e: &str, dialect: Dialect) -> String {
        let exact = sql::convert(e, self.from, self.to, dialect);
        let round = self.round.map(|round| round.sql(e, self.from, self.to, dialect));
        let overflow = self.overflow.as_ref().map(|value| literal(value, self.to, dialect));
        let others: Vec<String> = round.into_iter().chain(overflow).collect();
        if others.is_empty() {
            return exact;
        }
        format!("CASE WHEN {e} IS NOT NULL THEN coalesce({exact}, {}) END", others.join(", "))
    }

    fn is_exact(&self) -> bool {
        self.round.is_none() && self.overflow.is_none()
    }
}

impl Exchange for ChangeType {
    fn up(&self, value: &Value) -> Result<Value, String> {
        self.up.over(value)
    }

    fn down(&self, value: &Value) -> Result<Value, String> {
        self.down.over(value)
    }

    fn down_sql(&self, expression: &str, dialect: Dialect) -> String {
        self.down.sql(expression, dialect)
    }

    fn keeps(&self, direction: Direction) -> bool {
        let way = match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        };
        !way.is_exact() || loses_spelling(way.from, way.to)
    }

    fn carries_deltas(&self, _: Direction) -> bool {
        let numbers = self.up.from.is_number() && self.up.to.is_number();
        numbers && self.up.is_exact() && self.down.is_exact()
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Change, Value};

    use super::super::testing::{Pair, fault, row};

    fn pair(older: &str, newer: &str) -> Pair {
        Pair::new(
            &format!("id = \"int\"\nv = {{ type = \"{older}\", null = true }}"),
            &format!("id = \"int\"\nv = {{ type = \"{newer}\", null = true }}"),
            &format!("op = \"change_type\"\ntable = \"t\"\ncolumn = \"v\"\nto = \"{newer}\""),
        )
    }

    fn with(value: impl Into<Value>) -> Change {
        Change::insert("t", row(&[("id", 1.into()), ("v", value.into())]))
    }

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    #[test]
    fn every_pair_of_types_holds_the_laws() {
        let types = ["int", "decimal(9,2)", "decimal(14,4)", "decimal(4,0)", "text", "text(5)"];
        for older in types {
            for newer in types.into_iter().filter(|newer| *newer != older) {
                pair(older, newer).holds_its_laws();
            }
        }
        for (one, other) in [
            ("bool", "int"),
            ("bool", "text"),
            ("date", "timestamp"),
            ("date", "text"),
            ("time", "text(15)"),
            ("timestamp", "text"),
            ("uuid", "text"),
            ("int", "float"),
            ("decimal(9,2)", "float"),
        ] {
            pair(one, other).holds_its_laws();
            pair(other, one).holds_its_laws();
        }
        pair("text", "json").holds_its_laws();
    }

    #[test]
    fn what_does_not_fit_is_shown_as_declared_and_kept() {
        let with_rest = |older: &str, newer: &str, rest: &str| {
            Pair::new(
                &format!("id = \"int\"\nv = {{ type = \"{older}\", null = true }}"),
                &format!("id = \"int\"\nv = {{ type = \"{newer}\", null = true }}"),
                &format!("op = \"change_type\"\ntable = \"t\"\ncolumn = \"v\"\nto = \"{newer}\"\n{rest}"),
            )
        };
        let narrow = with_rest("text", "text(3)", "round = \"cut\"");
        let up = narrow.up(with("abcd"));
        assert_eq!((up.change, up.complement.set), (with("abc"), row(&[("2:v", "abcd".into())])));
        narrow.holds_its_laws();
        let rounded = with_rest("decimal(9,4)", "decimal(9,2)", "round = \"half_up\"\noverflow = \"-1\"");
        assert_eq!(rounded.up(with(decimal("2.005"))).change, with(decimal("2.01")));
        rounded.holds_its_laws();
        let parsed = with_rest("text", "int", "overflow = 0");
        assert_eq!(parsed.up(with("seven")).change, with(0));
        parsed.holds_its_laws();
        let wider = with_rest("text(3)", "text", "older_round = \"cut\"");
        let down = wider.down(with("abcd"));
        assert_eq!((down.change, down.complement.set), (with("abc"), row(&[("2:v", "abcd".into())])));
        wider.holds_its_laws();
        with_rest("int", "decimal(12,3)", "older_round = \"down\"\noverflow = 0\nolder_overflow = -1")
            .holds_its_laws();
        with_rest("date", "timestamp", "older_round = \"cut\"").holds_its_laws();
    }

    #[test]
    fn a_wider_decimal_takes_all_and_gives_back_what_fits() {
        let pair = pair("decimal(9,2)", "decimal(14,4)");
        assert_eq!(pair.up(with(decimal("2.99"))).change, with(decimal("2.99")));
        assert_eq!(pair.down(with(decimal("2.9900"))).change, with(decimal("2.99")));
        let fault = pair.down_fault(with(decimal("2.9901")));
        assert!(fault.contains("t.v: \"2.9901\" has no exact form as decimal(9,2)"), "{fault}");
        let add = |delta: &str| Change::add("t", row(&[("id", 1.into())]), row(&[("v", decimal(delta))]));
        assert_eq!(pair.up(add("2.99")).change, add("2.99"));
        assert!(pair.down_fault(add("0.0001")).contains("no exact form"));
    }

    #[test]
    fn the_spelling_of_a_number_in_text_is_kept() {
        let pair = pair("text", "decimal(9,2)");
        let up = pair.up(with("007.50"));
        assert_eq!(up.change, with(decimal("7.5")));
        assert_eq!(up.complement.set, row(&[("2:v", "007.50".into())]));
        assert!(pair.up(with("7.5")).complement.is_empty());
        assert!(pair.up_fault(with("seven")).contains("no exact form"));
    }

    #[test]
    fn a_delta_on_what_the_other_version_reads_as_text_meets_its_row() {
        let add = Change::add("t", row(&[("id", 1.into())]), row(&[("v", 1.into())]));
        let pair = pair("int", "text");
        let met = pair.up_met(&add, row(&[("id", 1.into()), ("v", "41".into())]));
        assert_eq!(met, [Change::update("t", row(&[("id", 1.into())]), row(&[("v", "42".into())]))]);
    }

    #[test]
    fn a_key_keeps_one_spelling_only() {
        let pair = Pair::new(
            "id = \"text\"",
            "id = \"int\"",
            "op = \"change_type\"\ntable = \"t\"\ncolumn = \"id\"\nto = \"int\"",
        );
        assert_eq!(
            pair.up(Change::delete("t", row(&[("id", "7".into())]))).change.key,
            row(&[("id", 7.into())])
        );
        for change in [
            Change::delete("t", row(&[("id", "07".into())])),
            Change::insert("t", row(&[("id", "07".into())])),
            Change::update("t", row(&[("id", "7".into())]), row(&[("id", "07".into())])),
        ] {
            assert!(pair.up_fault(change).contains("would come back as another key"));
        }
    }

    #[test]
    fn ways_that_do_not_exist_are_refused() {
        let error = fault(
            "id = \"int\"\nv = \"date\"",
            "id = \"int\"\nv = \"int\"",
            "op = \"change_type\"\ntable = \"t\"\ncolumn = \"v\"\nto = \"int\"",
        );
        assert!(error.message.contains("no exact way between date and int"), "{error}");
        let error = fault(
            "id = \"int\"\nv = \"json\"",
            "id = \"int\"\nv = \"text\"",
            "op = \"change_type\"\ntable = \"t\"\ncolumn = \"v\"\nto = \"text\"",
        );
        assert!(error.message.contains("a view cannot tell which text is json"), "{error}");
    }
}
