//! Measures Daybook and what a user would pick instead, on the same two servers, alternating: `benches/peers/run`.
//! Whatever does not end with the same rows everywhere is an error and no figure.

mod append;
mod cases;
mod group;
mod native;
mod report;
mod servers;
mod workload;

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use self::cases::{CASES, Case, Work};
use self::group::Group;
use self::native::Native;
use self::report::{Report, Run};
use self::servers::{Servers, connect, text};
use self::workload::{Plan, Workload};

/// Rounds of a case, each on both sides.
const ROUNDS: i64 = 3;
/// Accounts at TPC-B's scale 10.
const ACCOUNTS: i64 = 1_000_000;

fn main() -> Result<()> {
    let (cases, report) = asked(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let servers = Servers::start();
        report.settings(servers.settings().await?);
        for case in cases {
            let case = case.scaled_down(report.scale_down);
            report.case(&case, &measure(&case, report.accounts, &servers).await?);
        }
        Ok(())
    })
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
    Ok((if cases.is_empty() { CASES.to_vec() } else { cases }, report))
}

async fn measure(case: &Case, accounts: i64, servers: &Servers) -> Result<Vec<Run>> {
    let workload = match case.work {
        Work::CatchUp(workload) => workload,
        Work::Append { .. } => Workload::Tpcb,
    };
    let plan = Plan { workload, transactions: i64::from(case.transactions), rounds: ROUNDS, accounts };
    let (ours, theirs) = (format!("daybook_{}", case.name), format!("native_{}", case.name));
    let runs = match case.work {
        Work::CatchUp(_) => catch_up(&plan, servers, &ours, &theirs).await?,
        Work::Append { callers, served } => append(&plan, servers, &ours, &theirs, callers, served).await?,
    };
    servers.drop_databases(&ours).await?;
    servers.drop_databases(&theirs).await?;
    Ok(runs)
}

async fn catch_up(plan: &Plan, servers: &Servers, ours: &str, theirs: &str) -> Result<Vec<Run>> {
    let began = Instant::now();
    let mut group = Group::create(servers.databases(ours)).await?;
    group.start();
    group.fill(plan.stock()).await?;
    group.stop()?;
    report::progress(&format!("{ours}: the first rows are at both sites after {:?}", began.elapsed()));
    let mut native = Native::create(servers.databases(theirs), plan, servers).await?;
    let mut runs = Vec::new();
    for round in 0..ROUNDS {
        let daybook = rate(plan, group.catch_up(plan, round, servers).await?);
        report::progress(&format!("{ours}: {daybook:.0} a second after {:?}", began.elapsed()));
        let peer = rate(plan, native.catch_up(plan, round, servers).await?);
        report::progress(&format!("{theirs}: {peer:.0} a second after {:?}", began.elapsed()));
        let mut digests = Vec::new();
        for url in group.urls().into_iter().chain(native.urls()) {
            digests.push(text(url, plan.workload.digest()).await?);
        }
        ensure!(digests.iter().all(|digest| *digest == digests[0]), "the ends differ: {digests:?}");
        runs.push(Run { daybook, peer });
    }
    native.close().await?;
    group.journal().close().await;
    Ok(runs)
}

async fn append(
    plan: &Plan,
    servers: &Servers,
    ours: &str,
    theirs: &str,
    callers: u32,
    served: bool,
) -> Result<Vec<Run>> {
    let mut group = Group::create(servers.databases(ours)).await?;
    let [direct, _] = servers.databases(theirs);
    let mut conn = connect(&direct.url).await?;
    native::fill(&mut conn, plan).await?;
    conn.close().await;
    if served {
        group.start();
        group.fill(plan.stock()).await?;
        group.stop()?;
    }
    let mut runs = Vec::new();
    for round in 0..ROUNDS {
        if served {
            group.start();
        }
        servers.checkpoint().await?;
        let daybook = rate(plan, append::journal(&group, plan, callers, round).await?);
        group.finish(served)?;
        servers.checkpoint().await?;
        runs.push(Run { daybook, peer: append::direct(&direct.url, plan, callers)? });
    }
    group.journal().close().await;
    Ok(runs)
}

fn rate(plan: &Plan, took: Duration) -> f64 {
    // Counts are far below what a float holds exactly.
    u32::try_from(plan.transactions).map_or(f64::NAN, f64::from) / took.as_secs_f64()
}
