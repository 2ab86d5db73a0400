//! What is told: the settings once, then a line a case.

use std::thread::available_parallelism;

use serde_json::{Value, json};

use crate::cases::Case;

/// The rates of one round, in transactions a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) daybook: f64,
    pub(crate) peer: f64,
}

/// How a run was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) json: bool,
    pub(crate) scale_down: u32,
    pub(crate) accounts: i64,
}

impl Report {
    /// The header, without which no figure means anything.
    pub(crate) fn settings(&self, mut servers: Value) {
        servers["cores"] = json!(available_parallelism().map_or(0, usize::from));
        servers["accounts"] = json!(self.accounts);
        servers["subscription_synchronous_commit"] = json!("off, its default");
        servers["scale_down"] = json!(self.scale_down);
        servers["note"] = json!(self.note());
        if self.json {
            println!("{}", json!({ "settings": servers }));
            return;
        }
        for (name, value) in servers.as_object().into_iter().flatten() {
            println!("# {name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        println!(
            "{:<18} {:>12} {:>12} {:>7} {:>6}  runs (daybook/peer, transactions a second)",
            "case", "daybook/s", "peer/s", "ratio", "goal"
        );
    }

    /// A case's line: medians, and every round.
    pub(crate) fn case(&self, case: &Case, runs: &[Run]) {
        let daybook = median(runs.iter().map(|run| run.daybook));
        let peer = median(runs.iter().map(|run| run.peer));
        let ratio = median(runs.iter().map(Run::ratio));
        if self.json {
            let line = json!({
                "case": case.name,
                "unit": "transactions",
                "transactions": case.transactions,
                "daybook_per_s": daybook.round(),
                "peer_per_s": peer.round(),
                "ratio": two_digits(ratio),
                "goal": case.goal,
                "runs": runs.iter().map(Run::json).collect::<Vec<_>>(),
                "scale_down": self.scale_down,
            });
            println!("{line}");
            return;
        }
        let goal = case.goal.map_or_else(|| "-".to_owned(), |goal| format!("{goal:.1}"));
        let each: Vec<String> =
            runs.iter().map(|run| format!("{:.0}/{:.0}", run.daybook, run.peer)).collect();
        println!("{:<18} {daybook:>12.0} {peer:>12.0} {ratio:>7.2} {goal:>6}  {}", case.name, each.join(" "));
    }

    fn note(&self) -> &'static str {
        if self.scale_down == 1 { "the real measure" } else { "NOT the real measure: counts are scaled down" }
    }
}

/// Tells, on standard error, how far a case has come: laying in rows and writing backlogs take longer than what is measured.
pub(crate) fn progress(what: &str) {
    eprintln!("{what}");
}

impl Run {
    fn ratio(&self) -> f64 {
        self.daybook / self.peer
    }

    fn json(&self) -> Value {
        json!({
            "daybook_per_s": self.daybook.round(),
            "peer_per_s": self.peer.round(),
            "ratio": two_digits(self.ratio()),
        })
    }
}

fn two_digits(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// The middle one; of an even number the lower of the two in the middle, so that it is one that was measured.
fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0].into_iter()), 1.0);
    }
}
