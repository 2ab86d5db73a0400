//! The kit of mapping tests: sets out of short texts, and the laws that every mapping must hold, on random rows.
//! A failing law prints the seed of its rows.

use std::cell::RefCell;
use std::collections::BTreeMap;

use journal_core::model::{Change, Decimal, Name, Op, Row, Schema, SchemaVersion, Table, Type, Value};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Image, MapError, MappedRow, Registry, RustMappers, SchemaSet, SetError, VersionSource};

/// Seeds a law is tried with. Each makes a row, an update, an upsert and a delta in both directions.
const SEEDS: u32 = 200;

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

    pub(crate) fn row_up(&self, row: Row, complement: Row) -> MappedRow {
        let mut rows =
            self.registry.map_row(SchemaVersion(1), self.newest(), "t", row, complement).expect("a way up");
        rows.remove(0)
    }

    /// The groups of columns of table `t` that are written together.
    pub(crate) fn together(&self, version: i64) -> Vec<Vec<String>> {
        let schema = self.registry.schema(SchemaVersion(version)).expect("a version");
        let text = |group: &Vec<Name>| group.iter().map(ToString::to_string).collect();
        schema.tables["t"].together.iter().map(text).collect()
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

    /// Tries the laws on random rows of every table: rows born at one version, changes of a second, a ledger at a third.
    pub(crate) fn holds_its_laws(&self) {
        let tried = RefCell::new(BTreeMap::new());
        let law = |seed: u64| {
            for (home, from, to) in self.triples() {
                let mut law =
                    Law { registry: &self.registry, home, from, to, rng: ChaCha8Rng::seed_from_u64(seed) };
                for table in law.schema(home).tables.values() {
                    *tried.borrow_mut().entry((home, from, to)).or_insert(0) += law.all(table)?;
                }
            }
            Ok(())
        };
        if let Some(seed) = std::env::var("LAW_SEED").ok().and_then(|seed| seed.parse().ok()) {
            law(seed).expect("the laws hold for this seed");
            return;
        }
        let config = Config { cases: SEEDS, failure_persistence: None, ..Config::default() };
        if let Err(failure) = TestRunner::new(config).run(&any::<u64>().no_shrink(), law) {
            panic!("law broken; the input is the seed, replay it with LAW_SEED=<seed>: {failure}");
        }
        for (versions, rows) in tried.into_inner() {
            assert!(rows > 5, "only {rows} random rows could be mapped for home, from and to {versions:?}");
        }
    }

    fn triples(&self) -> Vec<(SchemaVersion, SchemaVersion, SchemaVersion)> {
        let versions = || (1..=self.newest().0).map(SchemaVersion);
        let pairs = move |home| versions().flat_map(move |from| versions().map(move |to| (home, from, to)));
        versions().flat_map(pairs).collect()
    }
}

/// A ledger row and its complement.
type State = (Row, Row);

struct Law<'a> {
    registry: &'a Registry,
    /// Where the row was born.
    home: SchemaVersion,
    /// The version of the changes.
    from: SchemaVersion,
    /// The version of the ledger they are posted to.
    to: SchemaVersion,
    rng: ChaCha8Rng,
}

impl<'a> Law<'a> {
    fn schema(&self, version: SchemaVersion) -> &'a Schema {
        self.registry.schema(version).expect("a version")
    }

    /// All laws on one random row; how many rows could be mapped at all.
    fn all(&mut self, table: &Table) -> Result<u32, TestCaseError> {
        let born = (self.row(table), Row::new());
        let Some((name, here)) = self.carry(self.home, self.from, &table.name, &born) else { return Ok(0) };
        let Some((other, there)) = self.carry(self.from, self.to, &name, &here) else { return Ok(0) };
        // Every way back gives the row and its complement, and at home nothing is left that was kept.
        let back = self.carry(self.to, self.from, &other, &there);
        prop_assert_eq!(back, Some((name.clone(), here.clone())), "back from {:?}", there);
        let back = self.carry(self.to, self.home, &other, &there);
        prop_assert_eq!(back, Some((table.name.clone(), born)), "home from {:?}", there);
        // A change, mapped and then posted, is the change posted and then mapped.
        let table = &self.schema(self.from).tables[&name];
        let row = &here.0;
        for change in
            [self.update(table, row), self.upsert(table, row), self.delta(table, row), self.insert(table)]
        {
            let Some(change) = change else { continue };
            prop_assert!(self.schema(self.from).check(&change).is_ok());
            self.agree(&here, &there, &change)?;
        }
        Ok(1)
    }

    fn agree(&self, here: &State, there: &State, change: &Change) -> Result<(), TestCaseError> {
        let stands = |state: &State| (change.op != Op::Insert).then(|| state.clone());
        let new = [None, stands(here)].into_iter().zip([None, stands(there)]);
        for (here, there) in new.skip(usize::from(!matches!(change.op, Op::Insert | Op::Upsert))) {
            let Some(after) = self.post(self.from, here.clone(), change) else { continue };
            let expected = self.carry(self.from, self.to, &change.entity, &after);
            let posted = self.post(self.to, there, change);
            match (expected, posted) {
                (Some((_, expected)), Some(posted)) => {
                    prop_assert_eq!(posted, expected, "{:?} on {:?}", change, here);
                }
                (None, None) => {}
                // Whether a sum fits is not seen from the delta, and some deltas are refused though it would.
                (None, Some(_)) | (Some(_), None) if change.op == Op::Add => {}
                (expected, posted) => {
                    prop_assert!(false, "{change:?}: the row gives {expected:?}, the change {posted:?}");
                }
            }
        }
        Ok(())
    }

    /// A row at another version.
    fn carry(
        &self,
        from: SchemaVersion,
        to: SchemaVersion,
        table: &str,
        state: &State,
    ) -> Option<(Name, State)> {
        let (row, complement) = state.clone();
        let mut rows = self.registry.map_row(from, to, table, row, complement).ok()?;
        assert_eq!(rows.len(), 1);
        let mapped = rows.remove(0);
        Some((mapped.table, (mapped.row, mapped.complement)))
    }

    /// Posts a change of version `from` to a row of a ledger at version `at`, as the crate's front page says.
    fn post(&self, at: SchemaVersion, state: Option<State>, change: &Change) -> Option<State> {
        let image = self.registry.map(self.from, at, change.clone()).ok()?.images()?.into_iter().next()?;
        let Image { change, complement, if_new } = image;
        let mut state = match (state, change.op) {
            (None, Op::Insert) => (change.cells, complement.set),
            (None, Op::Upsert) => {
                if_new.map_or((change.cells, complement.set), |new| (new.row, new.complement))
            }
            (Some((mut row, mut kept)), Op::Update | Op::Upsert) => {
                row.extend(change.cells);
                complement.apply(&mut kept);
                (row, kept)
            }
            (Some((mut row, mut kept)), Op::Add) => {
                for (name, delta) in change.cells {
                    let sum = sum(row.get(&name)?, &delta)?;
                    row.set(name, sum);
                }
                complement.apply(&mut kept);
                (row, kept)
            }
            _ => return None,
        };
        for column in &self.schema(at).tables[&change.entity].columns {
            if !state.0.contains(&column.name) {
                state.0.set(column.name.clone(), Value::Null);
            }
            let value = state.0.get(&column.name)?;
            if !value.is_null() && !column.ty.holds(value) {
                return None;
            }
        }
        Some(state)
    }

    fn update(&mut self, table: &Table, row: &Row) -> Option<Change> {
        let mut set = Row::new();
        for column in &table.columns {
            if self.rng.random_bool(0.4) {
                set.set(column.name.clone(), self.value(column.ty, column.nullable));
            }
        }
        self.complete(table, &mut set);
        (!set.is_empty())
            .then(|| Change::update(table.name.clone(), table.key_row(row).unwrap_or_default(), set))
    }

    fn upsert(&mut self, table: &Table, row: &Row) -> Option<Change> {
        let mut cells = self.row(table);
        for column in table.columns.iter().filter(|column| column.nullable) {
            if self.rng.random_bool(0.5) {
                cells.remove(&column.name);
            }
        }
        self.complete(table, &mut cells);
        cells.extend(table.key_row(row).unwrap_or_default());
        Some(Change::upsert(table.name.clone(), cells))
    }

    fn insert(&mut self, table: &Table) -> Option<Change> {
        let mut cells = self.row(table);
        for column in table.columns.iter().filter(|column| column.nullable) {
            if self.rng.random_bool(0.5) {
                cells.remove(&column.name);
            }
        }
        Some(Change::insert(table.name.clone(), cells))
    }

    fn delta(&mut self, table: &Table, row: &Row) -> Option<Change> {
        let number = |ty: Type| ty.is_number();
        let columns =
            table.columns.iter().filter(|column| number(column.ty) && !table.key.contains(&column.name));
        let columns: Vec<_> =
            columns.filter(|column| row.get(&column.name).is_some_and(|value| !value.is_null())).collect();
        let column = columns.get(self.rng.random_range(0..columns.len().max(1)))?;
        let delta = Row::new().with(column.name.clone(), self.value(column.ty, false));
        Some(Change::add(table.name.clone(), table.key_row(row)?, delta))
    }

    /// Fills up groups that are written together.
    fn complete(&mut self, table: &Table, set: &mut Row) {
        for group in &table.together {
            if group.iter().any(|name| set.contains(name)) {
                for column in group.iter().filter_map(|name| table.column(name)) {
                    if !set.contains(&column.name) {
                        set.set(column.name.clone(), self.value(column.ty, column.nullable));
                    }
                }
            }
        }
    }

    fn row(&mut self, table: &Table) -> Row {
        table
            .columns
            .iter()
            .map(|column| (column.name.clone(), self.value(column.ty, column.nullable)))
            .collect()
    }

    /// Values near every edge that operations have.
    fn value(&mut self, ty: Type, nullable: bool) -> Value {
        const TEXTS: [&str; 22] = [
            "", " ", "A", "A B", "A B C", "CHER ", " X", "  ", "?", "007", "7", "7.50", "-0", "+5",
            "counter", "none", "Ä ö", ",", "A,B,C", "12", "-3.25", "a,",
        ];
        const NUMBERS: [i64; 8] = [-1, 0, 1, 7, 99, 100_000, i64::MAX, i64::MIN];
        if nullable && self.rng.random_bool(0.25) {
            return Value::Null;
        }
        loop {
            let number = NUMBERS[self.rng.random_range(0..NUMBERS.len())];
            let value = match ty {
                Type::Text { .. } => TEXTS[self.rng.random_range(0..TEXTS.len())].into(),
                Type::Int => number.into(),
                Type::Decimal { scale, .. } => {
                    let digits = usize::from(self.rng.random_range(0..=scale));
                    let fraction: String =
                        (0..digits).map(|_| char::from(self.rng.random_range(b'0'..=b'9'))).collect();
                    let point = if digits > 0 { "." } else { "" };
                    Value::Decimal(format!("{}{point}{fraction}", number % 1_000_000).parse().unwrap())
                }
                Type::Bool => self.rng.random_bool(0.5).into(),
                Type::Float => self.rng.random_range(-9.0..9.0).into(),
                Type::Bytes => vec![self.rng.random_range(0..=u8::MAX)].into(),
                Type::Date => Value::Date(self.rng.random_range(0..20_000)),
                Type::Time => Value::Time(self.rng.random_range(0..86_400_000_000)),
                Type::Timestamp => Value::Timestamp(self.rng.random_range(0..1_000_000_000_000)),
                Type::Uuid | Type::Json => Value::Json("[1]".into()),
            };
            if ty.holds(&value) {
                return value;
            }
        }
    }
}

fn sum(value: &Value, delta: &Value) -> Option<Value> {
    match (value, delta) {
        (Value::Int(a), Value::Int(b)) => a.checked_add(*b).map(Value::Int),
        (Value::Decimal(a), Value::Decimal(b)) => Some(Value::Decimal(Decimal::plus(a, b))),
        _ => None,
    }
}
