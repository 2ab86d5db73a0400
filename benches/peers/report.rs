//! What is told: the settings once, then a line a case.

use std::thread::available_parallelism;

use serde_json::{Value, json};

use crate::cases::{Case, Goal};
use crate::figures::{Figures, Latency, Memory, Run, median, two_digits};

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
            "{:<22} {:>12} {:>12} {:>7} {:>8}  runs (daybook/peer, transactions a second if nothing else is said)",
            "case", "daybook", "peer", "ratio", "goal"
        );
    }

    /// A case's line: medians, and every round.
    pub(crate) fn case(&self, case: &Case, figures: &Figures) {
        if self.json {
            println!("{}", self.json_line(case, figures));
            return;
        }
        let (daybook, peer, ratio, each) = match figures {
            Figures::Rates(runs) => rates_text(runs),
            Figures::Latencies(rounds) => latencies_text(rounds),
            Figures::Memory(memory) => memory_text(memory),
        };
        println!("{:<22} {daybook:>12} {peer:>12} {ratio:>7} {:>8}  {each}", case.name, goal_text(case.goal));
    }

    fn json_line(&self, case: &Case, figures: &Figures) -> Value {
        let mut line = json!({ "case": case.name });
        let told = match figures {
            Figures::Rates(runs) => rates_json(runs),
            Figures::Latencies(rounds) => latencies_json(rounds),
            Figures::Memory(memory) => memory_json(memory),
        };
        line["transactions"] = json!(case.transactions);
        for (name, value) in told.as_object().into_iter().flatten() {
            line[name.as_str()] = value.clone();
        }
        let (goal, better) = match case.goal {
            Some(Goal::AtLeast(goal)) => (Some(goal), "higher"),
            Some(Goal::AtMost(goal)) => (Some(goal), "lower"),
            None => (None, "higher"),
        };
        line["goal"] = json!(goal);
        line["better"] = json!(better);
        line["scale_down"] = json!(self.scale_down);
        line
    }

    fn note(&self) -> &'static str {
        if self.scale_down == 1 { "the real measure" } else { "NOT the real measure: counts are scaled down" }
    }
}

/// Tells, on standard error, how far a case has come: laying in rows and writing backlogs take longer than what is measured.
pub(crate) fn progress(what: &str) {
    eprintln!("{what}");
}

/// The four middle fields of a line.
type Fields = (String, String, String, String);

fn goal_text(goal: Option<Goal>) -> String {
    match goal {
        Some(Goal::AtLeast(goal)) => format!(">= {goal}"),
        Some(Goal::AtMost(goal)) => format!("<= {goal}"),
        None => "-".to_owned(),
    }
}

fn joined(each: impl Iterator<Item = String>) -> String {
    each.collect::<Vec<_>>().join(" ")
}

/// The medians of daybook's rate, the peer's rate, and the ratio.
fn middle(runs: &[Run]) -> [f64; 3] {
    let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure));
    [of(|run| run.daybook), of(|run| run.peer), of(|run| run.ratio)]
}

fn rates_text(runs: &[Run]) -> Fields {
    let [daybook, peer, ratio] = middle(runs);
    let each = joined(runs.iter().map(Run::text));
    (format!("{daybook:.0}"), format!("{peer:.0}"), format!("{ratio:.2}"), each)
}

fn rates_json(runs: &[Run]) -> Value {
    let [daybook, peer, ratio] = middle(runs);
    let mut json = json!({
        "unit": "transactions",
        "daybook_per_s": daybook.round(),
        "peer_per_s": peer.round(),
        "ratio": two_digits(ratio),
    });
    if let Some(lag) = runs.iter().filter_map(|run| run.lag).max() {
        json["lag_ms_max"] = json!((lag.as_secs_f64() * 1_000.0).round());
    }
    json["runs"] = runs.iter().map(Run::json).collect();
    json
}

fn latencies_text(rounds: &[Latency]) -> Fields {
    let whole = Latency::middle(rounds);
    let ratio = median(rounds.iter().map(Latency::ratio));
    let each = rounds.iter().map(|round| {
        let (daybook, peer) = (round.daybook, round.peer);
        format!("{:.2} ({:.2})/{:.2} ({:.2})", daybook.p50, daybook.p99, peer.p50, peer.p99)
    });
    let each = format!("ms, p50 (p99): {}", joined(each));
    (format!("{:.2}", whole.daybook.p50), format!("{:.2}", whole.peer.p50), format!("{ratio:.2}"), each)
}

fn latencies_json(rounds: &[Latency]) -> Value {
    let mut json = Latency::middle(rounds).json();
    json["unit"] = json!("milliseconds");
    json["ratio"] = json!(two_digits(median(rounds.iter().map(Latency::ratio))));
    json["runs"] = rounds.iter().map(Latency::json).collect();
    json
}

fn memory_text(memory: &Memory) -> Fields {
    let each = format!("MB at most, site b; site a had {:.0}", memory.origin_site);
    (format!("{:.0}", memory.peer_site), "-".to_owned(), "-".to_owned(), each)
}

fn memory_json(memory: &Memory) -> Value {
    json!({
        "unit": "MB",
        "daybook_mb": memory.peer_site.round(),
        "daybook_origin_mb": memory.origin_site.round(),
    })
}
