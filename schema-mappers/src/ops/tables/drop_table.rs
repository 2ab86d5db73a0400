//! `drop_table`: the newer version has a table less. Its ledgers keep the rows where no view of theirs shows them.

use journal_core::model::SchemaVersion;

use super::check_kept_name;
use crate::error::SetError;
use crate::set::draft::Drafts;
use crate::set::reader::Fields;

pub(super) fn read(
    fields: &mut Fields<'_>,
    drafts: &mut Drafts,
    version: SchemaVersion,
) -> Result<(), SetError> {
    let (name, _) = drafts.existing(fields, "table")?;
    check_kept_name(version, &name).map_err(|message| fields.fault(message))?;
    drafts.drop_table(&name).map_err(|message| fields.fault(message))
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Change, SchemaVersion};

    use super::super::super::testing::{Pair, row, set_of};
    use crate::ddl::{self, Place};

    const TWO: &str = "[table.guest]\nkey = [\"id\"]\n[table.guest.columns]\nid = \"int\"\n\
                       [table.visit]\nkey = [\"nr\"]\nparents = [{ columns = [\"guest\"], table = \"guest\" }]\n\
                       [table.visit.columns]\nnr = \"int\"\nguest = \"int\"\n";
    const ONE: &str = "[table.guest]\nkey = [\"id\"]\n[table.guest.columns]\nid = \"int\"\n";
    const DROP: &str = "[[map]]\nop = \"drop_table\"\ntable = \"visit\"\n";

    #[test]
    fn a_dropped_table_lives_on_in_the_ledgers_of_newer_versions() {
        let set = set_of(&[(TWO, ""), (ONE, DROP), (ONE, "")]).expect("a good set");
        for version in [2, 3] {
            let ledger = set.version(SchemaVersion(version)).expect("a version").ledger();
            assert_eq!(ledger.tables["kept_2_visit"].parents[0].table.as_ref(), "guest");
        }
        let pair = Pair::of(set);
        let visit = Change::insert("visit", row(&[("nr", 1.into()), ("guest", 7.into())]));
        assert_eq!(pair.up(visit.clone()).change, Change { entity: "kept_2_visit".into(), ..visit });
        pair.holds_its_laws();
    }

    #[test]
    fn the_older_version_reads_the_kept_rows_through_its_view() {
        let set = set_of(&[(TWO, ""), (ONE, DROP), (ONE, "")]).expect("a good set");
        let views = ddl::views(&set, SchemaVersion(3), &Place::sqlite()).expect("a version");
        assert!(
            views.contains(
                &"CREATE VIEW \"visit_v1\" AS SELECT \"nr\", \"guest\" FROM \"kept_2_visit\"".to_owned()
            ),
            "{views:?}"
        );
        assert_eq!(views.len(), 4, "{views:?}");
    }

    #[test]
    fn operations_before_the_end_of_a_table_are_carried_out() {
        let drop = format!(
            "[[map]]\nop = \"rename_column\"\ntable = \"visit\"\ncolumn = \"guest\"\nto = \"who\"\n{DROP}"
        );
        let set = set_of(&[(TWO, ""), (ONE, &drop)]).expect("a good set");
        let kept = &set.version(SchemaVersion(2)).expect("a version").ledger().tables["kept_2_visit"];
        assert_eq!(kept.parents[0].columns[0].as_ref(), "who");
        Pair::of(set).holds_its_laws();
    }

    #[test]
    fn a_table_can_end_and_another_begin_under_its_name() {
        let again = "[[map]]\nop = \"create_table\"\ntable = \"visit\"\n";
        let set = set_of(&[(TWO, ""), (ONE, DROP), (TWO, again), (TWO, &format!("{DROP}{again}"))])
            .expect("a good set");
        let names = |version: i64| {
            let tables = set.version(SchemaVersion(version)).expect("a version").ledger().tables.keys();
            tables.map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(1), "guest kept_3_visit kept_4_visit visit");
        assert_eq!(names(4), "guest kept_2_visit kept_4_visit visit");
    }

    #[test]
    fn who_still_refers_to_a_dropped_table_must_let_go_of_it() {
        let child = "[table.guest]\nkey = [\"id\"]\n[table.guest.columns]\nid = \"int\"\nlast = \"int\"\n";
        let older = child.replace(
            "key = [\"id\"]",
            "key = [\"id\"]\nparents = [{ columns = [\"last\"], table = \"visit\" }]",
        );
        let older = format!("{older}[table.visit]\nkey = [\"nr\"]\n[table.visit.columns]\nnr = \"int\"\n");
        let fault = set_of(&[(&older, ""), (child, DROP)]).expect_err("a fault");
        assert!(fault.message.contains("add a drop_reference"), "{fault}");
    }
}
