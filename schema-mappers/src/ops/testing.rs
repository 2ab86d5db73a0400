//! The kit of mapping tests: sets out of short texts, short ways to ask them, and the laws of `crate::laws` tried on
//! them. A failing law prints the seed of its case.

use journal_core::model::{Change, Name, Row, SchemaVersion, Value};

use crate::laws::Laws;
use crate::{
    Image, MapError, MappedRow, MeetError, Plan, Registry, RustMappers, SchemaSet, SetError, VersionSource,
};

/// Random cases a mapping is tried with: some rows each, and changes at random versions. `LAW_CASES` says another number.
const CASES: u32 = 400;

pub(crate) fn row(cells: &[(&str, Value)]) -> Row {
    cells.iter().map(|(name, value)| (Name::from(*name), value.clone())).collect()
}

/// A set out of the texts of its versions' `schema.toml` and `mapping.toml` (empty: none).
pub(crate) fn set_of(versions: &[(&str, &str)]) -> Result<SchemaSet, SetError> {
    let sources = (1..).zip(versions).map(|(version, (schema, mapping))| {
        let files = [("schema.toml", *schema), ("mapping.toml", *mapping)];
        VersionSource::new(SchemaVersion(version), files.into_iter().filter(|(_, text)| !text.is_empty()))
    });
    SchemaSet::from_sources(sources.collect())
}

fn table_text(columns: &str) -> String {
    let key = columns.split_once(' ').map_or("id", |(key, _)| key);
    format!("[table.t]\nkey = [\"{key}\"]\n[table.t.columns]\n{columns}\n")
}

fn mapping_text(operation: &str) -> String {
    format!("[[map]]\n{operation}\n")
}

/// The fault of loading two versions of a table `t`.
pub(crate) fn fault(older: &str, newer: &str, operation: &str) -> SetError {
    let (older, newer) = (table_text(older), table_text(newer));
    set_of(&[(&older, ""), (&newer, &mapping_text(operation))]).expect_err("a fault of the set")
}

/// A registry over some versions, with short ways to ask it.
#[derive(Debug)]
pub(crate) struct Pair {
    registry: Registry,
}

impl Pair {
    /// Two versions of a table `t`, whose key is its first column.
    pub(crate) fn new(older: &str, newer: &str, operation: &str) -> Self {
        let (older, newer) = (table_text(older), table_text(newer));
        Self::of(set_of(&[(&older, ""), (&newer, &mapping_text(operation))]).expect("a good set"))
    }

    pub(crate) fn of(set: SchemaSet) -> Self {
        Self { registry: Registry::new(set, RustMappers::none()).expect("a covered set") }
    }

    fn newest(&self) -> SchemaVersion {
        self.registry.set().newest().number()
    }

    fn only(&self, from: i64, to: i64, change: Change) -> Result<Image, MapError> {
        let mut images = self
            .registry
            .map(SchemaVersion(from), SchemaVersion(to), change)?
            .images()
            .expect("no row needed")
            .into_iter();
        let image = images.next().expect("one image");
        assert_eq!(images.next(), None);
        Ok(image)
    }

    #[track_caller]
    pub(crate) fn up(&self, change: Change) -> Image {
        self.only(1, self.newest().0, change).expect("a way up")
    }

    #[track_caller]
    pub(crate) fn down(&self, change: Change) -> Image {
        self.only(self.newest().0, 1, change).expect("a way down")
    }

    pub(crate) fn same_version(&self, version: i64, change: Change) -> Image {
        self.only(version, version, change).expect("the same change")
    }

    #[track_caller]
    pub(crate) fn up_fault(&self, change: Change) -> String {
        self.only(1, self.newest().0, change).expect_err("no way up").to_string()
    }

    #[track_caller]
    pub(crate) fn down_fault(&self, change: Change) -> String {
        self.only(self.newest().0, 1, change).expect_err("no way down").to_string()
    }

    /// The images of a change between the outer versions that needs the row it meets, or why there are none.
    #[track_caller]
    pub(crate) fn meets(&self, up: bool, change: &Change, stands: Row) -> Result<Vec<Image>, MeetError> {
        let (from, to) =
            if up { (SchemaVersion(1), self.newest()) } else { (self.newest(), SchemaVersion(1)) };
        let plan = self.registry.map(from, to, change.clone()).expect("a way");
        assert!(matches!(plan, Plan::Meets(_)), "no row needed: {plan:?}");
        let found = MappedRow { table: "t".into(), row: stands, complement: Row::new() };
        self.registry.map_with(from, to, change, &[found])
    }

    /// A change that meets a row of table `t` at the newest version, as it is posted there.
    #[track_caller]
    pub(crate) fn up_met(&self, change: &Change, row: Row) -> Vec<Change> {
        let (one, newest) = (SchemaVersion(1), self.newest());
        let plan = self.registry.map(one, newest, change.clone()).expect("a way up");
        assert_eq!(plan.images(), None, "it needs no row");
        let found = MappedRow { table: "t".into(), row, complement: Row::new() };
        let images = self.registry.map_with(one, newest, change, &[found]).expect("a way up");
        images.into_iter().map(|image| image.change).collect()
    }

    pub(crate) fn row_up(&self, row: Row, complement: Row) -> MappedRow {
        let mut rows =
            self.registry.map_row(SchemaVersion(1), self.newest(), "t", row, complement).expect("a way up");
        rows.remove(0)
    }

    /// The groups of columns of table `t` that some version reads as one.
    pub(crate) fn together(&self, version: i64) -> Vec<Vec<String>> {
        let schema = self.registry.schema(SchemaVersion(version)).expect("a version");
        let text = |group: &Vec<Name>| group.iter().map(ToString::to_string).collect();
        schema.tables["t"].together.iter().map(text).collect()
    }

    /// What the step to the newest version loses.
    pub(crate) fn losses(&self) -> Vec<crate::Loss> {
        self.registry.losses(self.newest()).into_iter().cloned().collect()
    }

    /// The ask codes of the newest version, by column.
    pub(crate) fn asks(&self) -> Vec<(String, Value)> {
        let asks = self.registry.set().asks(self.newest()).expect("a version");
        asks.into_iter().map(|ask| (ask.column.to_string(), ask.code)).collect()
    }

    /// The questions of the newest version, by what names them.
    pub(crate) fn questions(&self) -> Vec<(String, Option<String>)> {
        let asks = self.registry.set().asks(self.newest()).expect("a version");
        asks.into_iter().map(|ask| (ask.id, ask.question)).collect()
    }

    /// Tries the laws on random rows and changes between all versions.
    #[track_caller]
    pub(crate) fn holds_its_laws(&self) {
        let laws = Laws::new(self.registry.clone());
        if let Some(seed) = std::env::var("LAW_SEED").ok().and_then(|seed| seed.parse().ok()) {
            let broken: Vec<String> = laws.case(seed).breaks.iter().map(ToString::to_string).collect();
            assert!(broken.is_empty(), "{}", broken.concat());
            return;
        }
        let cases = std::env::var("LAW_CASES").ok().and_then(|cases| cases.parse().ok());
        let report = laws.generated(1, cases.unwrap_or(CASES));
        assert!(report.holds(), "replay it with LAW_SEED=<seed>\n{}", report.breaks[0]);
        for versions in self.pairs() {
            let tally = report.tried.get(&versions).copied().unwrap_or_default();
            assert!(tally.rows > 5, "only {tally:?} between versions {versions:?}");
        }
    }

    fn pairs(&self) -> Vec<(SchemaVersion, SchemaVersion)> {
        let versions = || (1..=self.newest().0).map(SchemaVersion);
        versions().flat_map(move |from| versions().map(move |to| (from, to))).collect()
    }
}
