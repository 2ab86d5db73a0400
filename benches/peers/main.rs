//! Measures Daybook and what a user would pick instead, on the same two servers of a product, alternating:
//! `benches/peers/run`.
//! Whatever does not end with the same rows everywhere is an error and no figure.

mod append;
mod by_hand;
mod cases;
mod catch_up;
mod end_to_end;
mod figures;
mod group;
mod growth;
mod lag;
mod latency;
mod mapping;
mod native;
mod prepared;
mod rental;
mod replica;
mod report;
mod servers;
mod sqlite;
mod store;
mod workload;

use anyhow::{Result, bail};

use self::cases::{CASES, Case, GROWTH, RSS, Work};
use self::figures::Figures;
use self::report::Report;
use self::servers::Servers;
use self::store::Store;
use self::workload::{Plan, Workload};

/// Rounds of a case, each on both sides.
const ROUNDS: i64 = 3;
/// Accounts at TPC-B's scale 10.
const ACCOUNTS: i64 = 1_000_000;

fn main() -> Result<()> {
    let (cases, report) = asked(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        for store in Store::ALL {
            let cases: Vec<Case> = cases.iter().filter(|case| case.store == store).copied().collect();
            if !cases.is_empty() {
                run(store, cases, &report).await?;
            }
        }
        Ok(())
    })
}

/// The cases of a product, on two servers of their own.
async fn run(store: Store, cases: Vec<Case>, report: &Report) -> Result<()> {
    let servers = Servers::start(store)?;
    report.settings(servers.settings().await?);
    for case in cases {
        for (case, figures) in measure(case.scaled_down(report.scale_down), report, &servers).await? {
            report.case(&case, &figures);
        }
    }
    Ok(())
}

/// The cases that were named, or all.
fn asked(mut arguments: impl Iterator<Item = String>) -> Result<(Vec<Case>, Report)> {
    let mut report = Report { json: false, scale_down: 1, accounts: ACCOUNTS };
    let mut cases = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => report.json = true,
            "--scale-down" => match arguments.next().and_then(|number| number.parse().ok()) {
                Some(by @ 1..=10_000) => report.scale_down = by,
                _ => bail!("--scale-down is followed by a number from 1 to 10000"),
            },
            name => match CASES.iter().find(|case| case.name == name) {
                Some(case) => cases.push(*case),
                None => {
                    let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
                    bail!("{name}? there are {}, --json and --scale-down N", names.join(", "))
                }
            },
        }
    }
    report.accounts /= i64::from(report.scale_down);
    if cases.is_empty() {
        cases = CASES.to_vec();
    }
    // One measurement gives both lines.
    if cases.iter().any(|case| case.name == GROWTH.name) {
        cases.retain(|case| case.name != RSS.name);
    }
    Ok((cases, report))
}

/// A line's figures each.
async fn measure(case: Case, report: &Report, servers: &Servers) -> Result<Vec<(Case, Figures)>> {
    let workload = match case.work {
        Work::CatchUp(workload) => workload,
        Work::Latency => Workload::Insert { rows: 1 },
        _ => Workload::Tpcb,
    };
    let transactions = i64::from(case.transactions);
    let plan = Plan { workload, transactions, rounds: ROUNDS, accounts: report.accounts };
    let (ours, theirs) = (format!("daybook_{}", case.name), format!("peer_{}", case.name));
    let names = [ours.as_str(), theirs.as_str()];
    let figures = match case.work {
        Work::CatchUp(_) => Figures::Rates(catch_up::measure(&plan, servers, names).await?),
        Work::Append { callers, served } => {
            Figures::Rates(append::measure(&plan, servers, names, callers, served).await?)
        }
        Work::EndToEnd { callers } => {
            Figures::Rates(end_to_end::measure(&plan, servers, names, callers).await?)
        }
        Work::Latency => Figures::Latencies(latency::measure(&plan, servers, names).await?),
        Work::MapCatchUp => {
            Figures::Rates(mapping::measure(case.transactions, ROUNDS, servers, names).await?)
        }
        Work::SqliteCatchUp => {
            return Ok(vec![(case, Figures::Rates(sqlite::measure(case.transactions, ROUNDS).await?))]);
        }
        Work::Growth { small } => {
            let (run, memory) = growth::measure(&plan, small, servers, names).await?;
            let (growth, rss) = (GROWTH.scaled_down(report.scale_down), RSS.scaled_down(report.scale_down));
            return Ok(vec![(growth, Figures::Rates(vec![run])), (rss, Figures::Memory(memory))]);
        }
    };
    for name in names {
        servers.drop_databases(name).await?;
    }
    Ok(vec![(case, figures)])
}
