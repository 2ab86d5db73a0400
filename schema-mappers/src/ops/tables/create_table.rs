//! `create_table`: the newer version has a table more. Ledgers of older versions keep its rows where no view shows them.

use super::check_kept_name;
use crate::error::SetError;
use crate::set::draft::Drafts;
use crate::set::reader::Fields;
use crate::set::tables::Read;

pub(super) fn read(fields: &mut Fields<'_>, drafts: &mut Drafts, newer: &Read) -> Result<(), SetError> {
    let node = fields.required("table")?;
    let name = node.text("table")?;
    if drafts.table(name).is_some() {
        return Err(node.fault(format!("there is a table {name:?} already at this place of the mapping")));
    }
    let version = newer.schema.version;
    let Some(table) = newer.schema.tables.get(name) else {
        return Err(node.fault(format!("version {version} declares no table {name:?} to be created")));
    };
    check_kept_name(version, name).map_err(|message| node.fault(message))?;
    drafts.create(table.clone());
    Ok(())
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Change, SchemaVersion};

    use super::super::super::testing::{Pair, row, set_of};
    use crate::ddl::{self, Place};

    const GUEST: &str = "[table.guest]\nkey = [\"id\"]\n[table.guest.columns]\nid = \"int\"\n";
    const VISIT: &str = "[table.visit]\nkey = [\"nr\"]\nunique = [[\"code\"]]\n\
                         parents = [{ columns = [\"guest\"], table = \"guest\" }]\n\
                         [table.visit.columns]\nnr = \"int\"\nguest = \"int\"\ncode = \"text\"\n";
    const CREATE: &str = "[[map]]\nop = \"create_table\"\ntable = \"visit\"\n";

    #[test]
    fn ledgers_of_older_versions_keep_the_rows_of_a_new_table() {
        let newer = format!("{GUEST}{VISIT}");
        let set = set_of(&[(GUEST, ""), (GUEST, ""), (&newer, CREATE)]).expect("a good set");
        for version in [1, 2] {
            let version = set.version(SchemaVersion(version)).expect("a version");
            assert_eq!(version.schema().tables.len(), 1);
            let kept = &version.ledger().tables["kept_3_visit"];
            assert_eq!((kept.unique.len(), kept.parents[0].table.as_ref()), (1, "guest"));
        }
        let pair = Pair::of(set);
        let visit =
            Change::insert("visit", row(&[("nr", 1.into()), ("guest", 7.into()), ("code", "x".into())]));
        let down = pair.down(visit.clone());
        assert_eq!(down.change, Change { entity: "kept_3_visit".into(), ..visit });
        assert!(down.complement.is_empty());
    }

    #[test]
    fn a_kept_table_has_no_view_and_follows_its_parents_name() {
        let newer =
            format!("{GUEST}{VISIT}").replace("guest\"", "visitor\"").replace("table.guest", "table.visitor");
        let newer = newer.replace("columns = [\"visitor\"]", "columns = [\"guest\"]");
        let rename = format!("{CREATE}[[map]]\nop = \"rename_table\"\ntable = \"guest\"\nto = \"visitor\"\n");
        let set = set_of(&[(GUEST, ""), (&newer, &rename)]).expect("a good set");
        let older = set.version(SchemaVersion(1)).expect("a version");
        assert_eq!(older.ledger().tables["kept_2_visit"].parents[0].table.as_ref(), "guest");
        for place in [Place::sqlite(), Place::postgres(), Place::mariadb("shop")] {
            let dialect = place.dialect();
            let created = ddl::create_tables(older, dialect).join("\n");
            assert!(
                created.contains("CREATE TABLE \"kept_2_visit\"") && created.contains("REFERENCES \"guest\"")
            );
            assert_eq!(ddl::create_kept_tables(older, dialect).len(), 1);
            let views = ddl::views(&set, SchemaVersion(1), &place).expect("a version").join("\n");
            assert!(!views.contains("kept_"), "{views}");
        }
        Pair::of(set).holds_its_laws();
    }

    #[test]
    fn a_parent_of_another_form_leaves_the_reference_out() {
        let text = GUEST.replace("id = \"int\"", "id = \"text\"");
        let newer = format!("{GUEST}{VISIT}");
        let mapping = format!(
            "[[map]]\nop = \"change_type\"\ntable = \"guest\"\ncolumn = \"id\"\nto = \"int\"\n{CREATE}"
        );
        let set = set_of(&[(&text, ""), (&newer, &mapping)]).expect("a good set");
        assert!(
            set.version(SchemaVersion(1)).expect("a version").ledger().tables["kept_2_visit"]
                .parents
                .is_empty()
        );
    }

    #[test]
    fn what_cannot_be_created_is_told_with_its_line() {
        let fault =
            |newer: &str, mapping: &str| set_of(&[(GUEST, ""), (newer, mapping)]).expect_err("a fault");
        let none = fault(GUEST, CREATE);
        assert_eq!((none.file.as_str(), none.line), ("2/mapping.toml", 3));
        assert!(none.message.contains("declares no table \"visit\""), "{none}");
        let twice = fault(GUEST, &CREATE.replace("visit", "guest"));
        assert!(twice.message.contains("there is a table \"guest\" already"), "{twice}");
        let long = "v".repeat(45);
        let newer = format!("{GUEST}{}", VISIT.replace("visit", &long));
        let long = fault(&newer, &CREATE.replace("visit", &long));
        assert!(long.message.contains("at most 44 characters"), "{long}");
        let reserved = set_of(&[(&GUEST.replace("guest", "kept_2_guest"), "")]).expect_err("a fault");
        assert!(reserved.message.contains("keep for other versions"), "{reserved}");
        let forgotten = fault(&format!("{GUEST}{VISIT}"), "");
        assert!(forgotten.message.contains("add a create_table"), "{forgotten}");
    }
}
