//! A random set as a list of seeds, one an operation. Since each seed finds its own place in the design as it stands, any
//! of them can be left out and the rest is a set again: so a set that breaks a law is made small.

use journal_core::model::SchemaVersion;
use schema_mappers::laws::Dice;
use schema_mappers::{SchemaSet, SetError, VersionSource};

use crate::design::Design;
use crate::operations::{draw, new_table};

/// Versions of a set, at most.
const VERSIONS_MAX: usize = 6;
/// Operations of a step, at most.
const OPERATIONS_MAX: usize = 4;

/// What a set is drawn from.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    start: u64,
    /// Of each version after the first, a seed for each operation.
    steps: Vec<Vec<u64>>,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let steps = (0..dice.below(VERSIONS_MAX))
            .map(|_| (0..=dice.below(OPERATIONS_MAX)).map(|_| dice.bits()).collect())
            .collect();
        Self { start: dice.bits(), steps }
    }

    /// The texts of its versions: `schema.toml` and `mapping.toml`.
    pub(crate) fn texts(&self) -> Vec<(String, String)> {
        let mut design = first(&mut Dice::new(self.start));
        let mut texts = vec![(design.schema(), String::new())];
        for step in &self.steps {
            for table in &mut design.tables {
                table.touched.append(&mut table.kept);
                (table.fresh, table.adds_unique) = (false, false);
            }
            let mapping: String =
                step.iter().filter_map(|seed| draw(&mut design, &mut Dice::new(*seed))).collect();
            texts.push((design.schema(), mapping));
        }
        texts
    }

    /// The set.
    pub(crate) fn set(&self) -> Result<SchemaSet, SetError> {
        let sources = (1..).zip(self.texts()).map(|(version, (schema, mapping))| {
            let files = [("schema.toml", schema.as_str()), ("mapping.toml", mapping.as_str())];
            let files = files.into_iter().filter(|(_, text)| !text.is_empty());
            VersionSource::new(SchemaVersion(version), files)
        });
        SchemaSet::from_sources(sources.collect())
    }

    /// The same plan with as few versions and operations as still show what is looked for.
    pub(crate) fn smaller(mut self, shows: impl Fn(&Self) -> bool) -> Self {
        while let Some(less) = self.less().into_iter().find(|less| shows(less)) {
            self = less;
        }
        self
    }

    /// The plans with one version or one operation less.
    fn less(&self) -> Vec<Self> {
        let mut plans = Vec::new();
        for at in 0..self.steps.len() {
            let mut less = self.clone();
            less.steps.remove(at);
            plans.push(less);
            for operation in 0..self.steps[at].len() {
                let mut less = self.clone();
                less.steps[at].remove(operation);
                plans.push(less);
            }
        }
        plans
    }
}

/// The tables of version 1.
fn first(dice: &mut Dice) -> Design {
    let mut design = Design::default();
    for _ in 0..=dice.below(3) {
        let table = new_table(&mut design, dice);
        design.tables.push(table);
    }
    design.begin()
}
