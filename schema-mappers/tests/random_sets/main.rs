//! Random schema sets, of one to six versions and with every operation there is, hold the laws of mapping.
//!
//! `LAW_SETS` is how many are tried, `LAW_SEED` replays the one set that a failure names.

mod design;
mod operations;
mod plan;

use std::collections::BTreeMap;
use std::env;

use operations::OPERATIONS;
use plan::Plan;
use schema_mappers::laws::{Break, Dice, Laws};
use schema_mappers::{Registry, RustMappers};

/// Sets that are tried.
const SETS: u64 = 10_000;
/// Random cases a set is tried with: some rows each, and changes of random versions.
const CASES: u32 = 4;

#[test]
fn random_sets_hold_the_laws() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds: Vec<u64> = match number("LAW_SEED") {
        Some(seed) => vec![seed],
        None => {
            let mut dice = Dice::new(3);
            (0..number("LAW_SETS").unwrap_or(SETS)).map(|_| dice.bits()).collect()
        }
    };
    let mut seen = Seen::default();
    for seed in &seeds {
        if let Some(found) = seen.try_set(*seed, &Plan::new(*seed)) {
            panic!("{}", told(*seed, &found));
        }
    }
    println!("{seen:#?}");
    if seeds.len() > 1000 {
        seen.is_worth_its_name();
    }
}

/// What has been tried.
#[derive(Debug, Default)]
struct Seen {
    sets: u64,
    refused_sets: u64,
    rows: u64,
    changes: u64,
    refused: u64,
    /// By operation: the sets that have it.
    operations: BTreeMap<&'static str, u64>,
}

impl Seen {
    /// Tries one set; what it breaks.
    fn try_set(&mut self, seed: u64, plan: &Plan) -> Option<Break> {
        let Ok(set) = plan.set() else {
            self.refused_sets += 1;
            return None;
        };
        self.sets += 1;
        let texts = plan.texts();
        for (name, _) in OPERATIONS {
            let op = format!("op = \"{name}\"\n");
            *self.operations.entry(name).or_default() +=
                u64::from(texts.iter().any(|(_, mapping)| mapping.contains(&op)));
        }
        let registry = Registry::new(set, RustMappers::none()).expect("a set without calls is covered");
        let report = Laws::new(registry).generated(seed, CASES);
        for tally in report.tried.values() {
            self.rows += tally.rows;
            self.changes += tally.changes;
            self.refused += tally.refused;
        }
        report.breaks.into_iter().next()
    }

    /// That the run tried what it says it tries.
    fn is_worth_its_name(&self) {
        assert!(self.refused_sets * 50 < self.sets, "too many sets do not load: {self:#?}");
        assert!(
            self.rows > 10 * self.sets && self.changes > 5 * self.sets,
            "too little is mapped: {self:#?}"
        );
        for (name, sets) in &self.operations {
            assert!(*sets > self.sets / 100, "{name} is in {sets} sets only");
        }
    }
}

/// A break of the smallest set that shows one like it, with its text.
fn told(seed: u64, found: &Break) -> String {
    let broken = |plan: &Plan| Seen::default().try_set(seed, plan);
    let small = Plan::new(seed).smaller(|plan| broken(plan).is_some_and(|other| other.law == found.law));
    let shown = broken(&small);
    let mut text = format!("replay it with LAW_SEED={seed}\n{}", shown.as_ref().unwrap_or(found));
    for (version, (schema, mapping)) in (1..).zip(small.texts()) {
        text += &format!("--- {version}/schema.toml\n{schema}--- {version}/mapping.toml\n{mapping}");
    }
    text
}

#[test]
fn sets_that_do_not_load_are_few_and_say_why() {
    let mut dice = Dice::new(1);
    let seeds: Vec<u64> = (0..500).map(|_| dice.bits()).collect();
    let mut reasons = Vec::new();
    for seed in &seeds {
        if let Err(fault) = Plan::new(*seed).set() {
            reasons.push(format!("seed {seed}: {fault}"));
        }
    }
    assert!(
        reasons.len() * 50 < seeds.len(),
        "{} of {}:\n{}",
        reasons.len(),
        seeds.len(),
        reasons.join("\n")
    );
}
