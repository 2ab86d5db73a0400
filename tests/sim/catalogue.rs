//! The schema sets that histories run on: three versions of a small shop, each of nine changes in step 2 or in step 3.

use std::cell::RefCell;
use std::collections::BTreeMap;

use journal_core::model::SchemaVersion;
use schema_mappers::{Registry, RustMappers, SchemaSet, VersionSource};

/// The last version of every set.
pub(crate) const NEWEST: i64 = 3;
/// Of a phone number that is not known yet, where one is required.
pub(crate) const ASK: &str = "?";
/// What rows born without the column have there.
pub(crate) const FAX: &str = "none";
/// As [`FAX`], for the colour.
pub(crate) const COLOUR: &str = "red";

const NOTE: &str = "[table.note]\nkey = [\"id\"]\nparents = [{ columns = [\"owner_id\"], table = \"owner\" }]\n\
    [table.note.columns]\nid = \"int\"\nowner_id = { type = \"int\", null = true }\nwords = \"text\"\n";
const CONTACT: &str = "[table.contact]\nkey = [\"id\"]\nparents = [{ columns = [\"id\"], table = \"owner\" }]\n\
    [table.contact.columns]\nid = \"int\"\n";

/// In which version each change comes: below it the older form holds, from it on the newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Evolution {
    /// Table `item` is `article`.
    pub(crate) table: i64,
    /// Its `label` is a `title`.
    pub(crate) rename: i64,
    /// An owner's `name` is `first` and `last`.
    pub(crate) split: i64,
    /// An owner's `phone` may not be NULL.
    pub(crate) require: i64,
    /// Items have no `fax`.
    pub(crate) drop: i64,
    /// Items have a `colour`.
    pub(crate) add: i64,
    /// Prices have four digits behind the point.
    pub(crate) widen: i64,
    /// There are notes on owners.
    pub(crate) note: i64,
    /// An owner's `phone` stands in a table of its own, `contact`.
    pub(crate) part: i64,
}

impl Evolution {
    /// One of the 512.
    pub(crate) fn new(which: u16) -> Self {
        let step = |bit: u16| if which >> bit & 1 == 0 { 2 } else { 3 };
        Self {
            table: step(0),
            rename: step(1),
            split: step(2),
            require: step(3),
            drop: step(4),
            add: step(5),
            widen: step(6),
            note: step(7),
            part: step(8),
        }
    }

    fn schema(self, version: i64) -> String {
        let pick = |from: i64, older: &'static str, newer: &'static str| match version < from {
            true => older,
            false => newer,
        };
        let name = pick(self.split, "name = \"text\"", "first = \"text\"\nlast = \"text\"");
        let phone = pick(self.require, "phone = { type = \"text\", null = true }", "phone = \"text\"");
        let (beside, contact) = match version < self.part {
            true => (phone, String::new()),
            false => ("", format!("{CONTACT}{phone}\n")),
        };
        let note = pick(self.note, "", NOTE);
        let item = pick(self.table, "item", "article");
        let label = pick(self.rename, "label", "title");
        let fax = pick(self.drop, "fax = \"text\"", "");
        let colour = pick(self.add, "", "colour = \"text\"");
        let price = pick(self.widen, "decimal(5,2)", "decimal(9,4)");
        format!(
            "[table.owner]\nkey = [\"id\"]\nunique = [[\"code\"]]\n[table.owner.columns]\nid = \"int\"\n{name}\n\
             code = {{ type = \"text\", null = true }}\n{beside}\n{contact}{note}\
             [table.{item}]\nkey = [\"id\"]\nparents = [{{ columns = [\"owner_id\"], table = \"owner\" }}]\n\
             [table.{item}.columns]\nid = \"int\"\nowner_id = {{ type = \"int\", null = true }}\n{label} = \"text\"\n\
             {fax}\n{colour}\nprice = \"{price}\"\n\
             [table.tally]\nkey = [\"id\"]\n[table.tally.columns]\nid = \"int\"\ntotal = \"int\"\nbig = \"decimal(30,2)\"\n"
        )
    }

    fn mapping(self, version: i64) -> String {
        // The table's new name comes last, so that the others name it as it was; it may be the new one already.
        let item = if self.table < version { "article" } else { "item" };
        let owner = if self.part < version { "contact" } else { "owner" };
        // What a phone that nobody wrote yet shows in one table, where it may not be NULL.
        let empty = if self.require <= self.part {
            format!("default = {{ phone = \"{ASK}\" }}")
        } else {
            String::new()
        };
        let operations = [
            (
                self.split,
                "split_column",
                "owner",
                "column = \"name\"\ninto = [\"first\", \"last\"]\nseparator = \" \"\nat = \"last\""
                    .to_owned(),
            ),
            (self.require, "require_column", owner, format!("column = \"phone\"\nask = \"{ASK}\"")),
            (self.rename, "rename_column", item, "column = \"label\"\nto = \"title\"".to_owned()),
            (self.drop, "drop_column", item, format!("column = \"fax\"\ndefault = \"{FAX}\"")),
            (
                self.add,
                "add_column",
                item,
                format!("column = \"colour\"\ntype = \"text\"\ndefault = \"{COLOUR}\""),
            ),
            (self.widen, "change_type", item, "column = \"price\"\nto = \"decimal(9,4)\"".to_owned()),
            (self.table, "rename_table", item, "to = \"article\"".to_owned()),
            (self.note, "create_table", "note", String::new()),
            (
                self.part,
                "split_table",
                "owner",
                format!("into = \"contact\"\ncolumns = [\"phone\"]\n{empty}"),
            ),
        ];
        let here = operations.iter().filter(|(at, ..)| *at == version);
        here.map(|(_, op, table, rest)| format!("[[map]]\nop = \"{op}\"\ntable = \"{table}\"\n{rest}\n"))
            .collect()
    }

    fn registry(self, newest: i64) -> Registry {
        let sources = (1..=newest).map(|version| {
            let (schema, mapping) = (self.schema(version), self.mapping(version));
            let files = [("schema.toml", schema.as_str()), ("mapping.toml", mapping.as_str())];
            let files = files.into_iter().filter(|(_, text)| !text.is_empty());
            VersionSource::new(SchemaVersion(version), files)
        });
        let set = SchemaSet::from_sources(sources.collect()).expect("the catalogue's sets are sound");
        Registry::new(set, RustMappers::none()).expect("the catalogue's sets are covered")
    }
}

thread_local! {
    static REGISTRIES: RefCell<BTreeMap<(Evolution, i64), Registry>> = const { RefCell::new(BTreeMap::new()) };
}

/// The registry of a process that knows versions up to `newest`. Built once a thread.
pub(crate) fn registry(evolution: Evolution, newest: i64) -> Registry {
    REGISTRIES.with_borrow_mut(|known| {
        known.entry((evolution, newest)).or_insert_with(|| evolution.registry(newest)).clone()
    })
}
