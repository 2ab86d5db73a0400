//! Planted faults: the laws must see each of them, or what they say of sound sets means nothing.

use journal_core::model::{Change, Op, Row, SchemaVersion, Value};

use super::{Law, Laws};
use crate::mapped::MappedRow;
use crate::ops::testing::{row, set_of};
use crate::{CannotMap, Image, Mapper, Place, Registry, RustMappers};

const TABLE: &str = "[table.t]\nkey = [\"id\"]\n[table.t.columns]\nid = \"int\"\nname = \"text\"\n\
                     note = { type = \"text\", null = true }\ncount = \"int\"\n";
const CASES: u32 = 300;

/// One way of a planted mapper.
type Way = fn(&mut Image, &mut Row);

/// A mapper of one function for each way.
#[derive(Debug)]
struct Ways(Way, Way);

impl Mapper for Ways {
    fn up(&self, mut image: Image, given: &mut Row) -> Result<Vec<Image>, CannotMap> {
        (self.0)(&mut image, given);
        Ok(vec![image])
    }

    fn down(&self, mut image: Image, given: &mut Row) -> Result<Vec<Image>, CannotMap> {
        (self.1)(&mut image, given);
        Ok(vec![image])
    }
}

fn as_it_is(_: &mut Image, _: &mut Row) {}

/// Versions of the same table, with these mappers between them.
fn laws(mappers: impl IntoIterator<Item = Ways>) -> Laws {
    let mut registered = RustMappers::none();
    let mut versions = vec![(TABLE, "")];
    for (version, mapper) in (2..).zip(mappers) {
        versions.push((TABLE, ""));
        registered = registered.with(SchemaVersion(version), "t", Place::Instead, mapper);
    }
    let set = set_of(&versions).expect("a good set");
    Laws::new(Registry::new(set, registered).expect("a covered set"))
}

#[track_caller]
fn sees(law: Law, up: Way, down: Way) {
    let report = laws([Ways(up, down)]).generated(1, CASES);
    let found: Vec<Law> = report.breaks.iter().map(|found| found.law).collect();
    assert!(found.contains(&law), "{law} was to be seen broken; seen: {found:?}");
    let shown = report.breaks[0].to_string();
    let replayed = laws([Ways(up, down)]).case(report.breaks[0].seed.expect("a seed"));
    assert_eq!(replayed.breaks[0].to_string(), shown, "the seed replays the break");
}

#[test]
fn a_mapping_without_fault_holds_and_was_tried_both_ways() {
    let report = laws([Ways(as_it_is, as_it_is)]).generated(1, CASES);
    assert!(report.holds(), "{}", report.breaks[0]);
    for versions in [(1, 2), (2, 1)] {
        let tally = report.tried[&(SchemaVersion(versions.0), SchemaVersion(versions.1))];
        assert!(tally.rows > 100 && tally.changes > 100, "{versions:?}: {tally:?}");
    }
}

#[test]
fn rounding_is_seen() {
    sees(Law::Back, |image, _| round(image), as_it_is);
}

fn round(image: &mut Image) {
    if let Some(Value::Int(count)) = image.change.cells.get("count").cloned() {
        image.change.cells.set("count", count - count % 10);
    }
}

#[test]
fn what_is_dropped_and_not_kept_is_seen() {
    sees(Law::Back, |image, _| drop(image.change.cells.remove("note")), as_it_is);
}

#[test]
fn a_trimmed_blank_is_seen() {
    fn trim(image: &mut Image, _: &mut Row) {
        if let Some(Value::Text(name)) = image.change.cells.get("name").cloned() {
            image.change.cells.set("name", name.trim());
        }
    }
    sees(Law::Back, as_it_is, trim);
}

#[test]
fn a_kept_cell_that_has_gone_stale_is_seen() {
    // Keeps the note, but forgets to forget it when an update sets NULL.
    fn hide(image: &mut Image, _: &mut Row) {
        if let Some(note) = image.change.cells.remove("note").filter(|note| !note.is_null()) {
            image.complement.set.set("2:note", note);
        }
    }
    fn show(image: &mut Image, given: &mut Row) {
        let note = given.remove("2:note").unwrap_or(Value::Null);
        if image.change.op == Op::Insert {
            image.change.cells.set("note", note);
        }
    }
    sees(Law::Square, hide, show);
}

#[test]
fn a_default_that_overwrites_what_stands_is_seen() {
    sees(Law::Square, |image, _| default_always(image), as_it_is);
}

fn default_always(image: &mut Image) {
    if image.change.op != Op::Delete && !image.change.cells.contains("note") {
        image.change.cells.set("note", Value::Null);
    }
}

#[test]
fn an_update_that_goes_to_the_wrong_column_is_seen() {
    fn swap(image: &mut Image, _: &mut Row) {
        if image.change.op == Op::Update
            && let Some(name) = image.change.cells.remove("name")
        {
            image.change.cells.set("note", name);
        }
    }
    sees(Law::Square, swap, swap);
}

#[test]
fn a_delta_that_is_doubled_is_seen() {
    fn double(image: &mut Image, _: &mut Row) {
        if image.change.op == Op::Add
            && let Some(Value::Int(delta)) = image.change.cells.get("count").cloned()
        {
            image.change.cells.set("count", delta.saturating_mul(2));
        }
    }
    sees(Law::Square, double, as_it_is);
}

#[test]
fn a_delete_of_another_row_is_seen() {
    fn astray(image: &mut Image, _: &mut Row) {
        if let Some(Value::Int(id)) = image.change.key.get("id").cloned() {
            image.change.key.set("id", id.wrapping_add(1));
        }
    }
    sees(Law::Square, as_it_is, astray);
}

#[test]
fn two_rows_that_become_one_are_seen() {
    fn halve(image: &mut Image, _: &mut Row) {
        for row in [&mut image.change.key, &mut image.change.cells] {
            if let Some(Value::Int(id)) = row.get("id").cloned() {
                row.set("id", id / 2);
            }
        }
    }
    sees(Law::Back, halve, as_it_is);
}

#[test]
fn a_panic_is_told_and_not_passed_on() {
    fn fall(image: &mut Image, _: &mut Row) {
        assert!(image.change.cells.get("count") != Some(&Value::Int(0)), "a count of nothing");
    }
    sees(Law::Total, fall, as_it_is);
}

#[test]
fn a_way_that_differs_when_taken_at_once_is_seen() {
    // The second step looks for what the first one keeps: in `given`, where it is only when the first is done.
    fn keep(image: &mut Image, _: &mut Row) {
        if image.change.op == Op::Insert {
            image.complement.set.set("2:mark", 1);
        }
    }
    fn unkeep(_: &mut Image, given: &mut Row) {
        given.remove("2:mark");
    }
    fn look(image: &mut Image, given: &mut Row) {
        if given.contains("2:mark") {
            image.change.cells.set("note", "seen");
        }
    }
    let report = laws([Ways(keep, unkeep), Ways(look, as_it_is)]).generated(1, CASES);
    assert!(report.breaks.iter().any(|found| found.law == Law::Steps), "{:?}", report.breaks);
}

#[test]
fn rows_and_changes_that_a_caller_brings_are_judged_as_well() {
    let laws = laws([Ways(|image, _| round(image), as_it_is)]);
    let cells = |count: i64| {
        row(&[("id", 1.into()), ("name", "A".into()), ("note", Value::Null), ("count", count.into())])
    };
    let brought = |count| vec![MappedRow { table: "t".into(), row: cells(count), complement: Row::new() }];
    assert!(laws.rows(SchemaVersion(1), brought(20)).expect("a version").holds());
    let report = laws.rows(SchemaVersion(1), brought(21)).expect("a version");
    assert_eq!(report.breaks.len(), 1, "{:?}", report.breaks);
    assert_eq!((report.breaks[0].law, report.breaks[0].seed), (Law::Back, None));
    let delta = Change::update("t", row(&[("id", 1.into())]), row(&[("count", 25.into())]));
    assert!(laws.change(SchemaVersion(2), brought(20), &delta).expect("a version").holds());
    let unfit = vec![MappedRow { table: "t".into(), row: Row::new(), complement: Row::new() }];
    let report = laws.rows(SchemaVersion(1), unfit).expect("a version");
    assert_eq!(report.breaks[0].law, Law::Fits);
    assert!(laws.rows(SchemaVersion(9), Vec::new()).is_err());
}

#[test]
fn a_break_names_the_operation_and_its_line() {
    // The set's own operations are sound, so the fault is planted behind one of them.
    let newer = TABLE.replace("note", "remark");
    let mapping = "[[map]]\nop = \"rename_column\"\ntable = \"t\"\ncolumn = \"note\"\nto = \"remark\"\n";
    let set = set_of(&[(TABLE, ""), (&newer, mapping)]).expect("a good set");
    let planted = Ways(|image, _| drop(image.change.cells.remove("remark")), as_it_is);
    let mappers = RustMappers::none().with(SchemaVersion(2), "t", Place::After, planted);
    let laws = Laws::new(Registry::new(set, mappers).expect("a covered set"));
    let report = laws.generated(1, CASES);
    let found = report.breaks.iter().find(|found| found.law == Law::Back).expect("a break");
    let suspect = &found.suspects[0];
    assert_eq!(
        (suspect.file.as_str(), suspect.line, suspect.op.as_str()),
        ("2/mapping.toml", 1, "rename_column")
    );
    assert_eq!(found.rows.len(), 1, "one row is enough to tell");
    assert!(found.to_string().contains("at       2/mapping.toml:1: rename_column"), "{found}");
}
