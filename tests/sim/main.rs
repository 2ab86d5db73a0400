//! The simulator: the engine over stores in memory, one seeded history after another, with everything going wrong that
//! can, and a reference beside it that is asked after every commit. No clock, no thread and no chance but the seed
//! decides anything within a history. Prints how to replay what it finds. Not a libtest binary: see `Options`.

mod catalogue;
mod checks;
mod compare;
mod forms;
mod hooks;
mod journal;
mod kept;
mod ledger;
mod marks;
mod mishaps;
mod options;
mod oracle;
mod settle;
mod steps;
mod tasks;
mod workload;
mod world;
mod zoo;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use options::Options;
use world::{Broken, World};
use zoo::Bug;

/// As the command has it: a history is mostly short-lived rows and names.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Histories in flight: what the smallest machine runs at once.
const THREADS: usize = 2;
/// Histories that run twice, to find what the seed does not decide.
const TWICE: u64 = 50;
/// Histories in which a planted bug must be found.
const BUG_HISTORIES: u64 = 10_000;
/// Failures to show before giving up.
const SHOWN_MAX: usize = 3;

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => return ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("sim: {message}");
            return ExitCode::from(2);
        }
    };
    match options.seed {
        Some(seed) => replay(seed, options.bug),
        None => run_all(&options),
    }
}

/// One history: what happened, as one number.
fn history(seed: u64, bug: Option<Bug>) -> Result<u64, Broken> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(tokio::task::coop::unconstrained(async {
        let mut world = World::new(seed, bug);
        world.play()?;
        world.conclude()?;
        Ok(world.trace())
    }))
}

/// A panic is a failure as any other.
fn guarded(seed: u64, bug: Option<Bug>) -> Result<u64, Broken> {
    std::panic::catch_unwind(|| history(seed, bug))
        .unwrap_or_else(|_| Err("a panic, printed above".to_owned()))
}

fn replay(seed: u64, bug: Option<Bug>) -> ExitCode {
    match guarded(seed, bug) {
        Ok(trace) => {
            println!("sim: seed {seed} holds, trace {trace:016x}");
            ExitCode::SUCCESS
        }
        Err(broken) => {
            println!("sim: seed {seed}: {broken}");
            ExitCode::FAILURE
        }
    }
}

fn run_all(options: &Options) -> ExitCode {
    let mut failures = Vec::new();
    if options.bug.is_none() {
        let began = Instant::now();
        let (ran, failed) = explore(options);
        let rate = f64::from(u32::try_from(ran).unwrap_or(u32::MAX)) * 60.0 / began.elapsed().as_secs_f64();
        println!("sim: {ran} histories, {} failed, {rate:.0}/min", failed.len());
        failures.extend(failed.iter().map(|(seed, broken)| {
            format!("seed {seed}: {broken}\n  replay: cargo test -p journal-sim -- --seed {seed}")
        }));
        if failures.is_empty() {
            failures.extend((options.from..options.from + TWICE.min(options.histories)).filter_map(differs));
        }
        if options.is_whole() && failures.is_empty() {
            failures.extend(unreached(options.marks));
        }
    }
    let bugs: Vec<Bug> = match options.bug {
        Some(bug) => vec![bug],
        None if options.is_whole() => Bug::ALL.to_vec(),
        None => Vec::new(),
    };
    failures.extend(bugs.into_iter().filter_map(|bug| escaped(bug, options.from)));
    failures.iter().for_each(|failure| println!("sim: FAILED: {failure}"));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs histories on all threads; how many, and which failed.
fn explore(options: &Options) -> (u64, Vec<(u64, Broken)>) {
    let (next, failed, enough) =
        (AtomicU64::new(options.from), Mutex::new(Vec::new()), AtomicBool::new(false));
    let end = options.minutes.map(|minutes| Instant::now() + Duration::from_secs(minutes * 60));
    let over = |seed: u64| match end {
        Some(end) => Instant::now() >= end,
        None => seed >= options.from + options.histories,
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if over(seed) {
                        next.fetch_sub(1, Ordering::Relaxed);
                        break;
                    }
                    if let Err(broken) = guarded(seed, None) {
                        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                        failed.push((seed, broken));
                        enough.store(failed.len() >= SHOWN_MAX, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let ran = next.into_inner() - options.from;
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_by_key(|(seed, _)| *seed);
    (ran, failed)
}

/// The same seed must give the same history, to the last byte of every seal.
fn differs(seed: u64) -> Option<String> {
    let (first, second) = (guarded(seed, None), guarded(seed, None));
    (first != second).then(|| format!("seed {seed} gives two histories: {first:?} and {second:?}"))
}

/// What no history reached.
fn unreached(all: bool) -> Vec<String> {
    let (mut least, mut never) = (u64::MAX, Vec::new());
    for (text, count) in marks::counts() {
        least = least.min(count);
        if all {
            println!("{count:>9} {text}");
        }
        if count == 0 {
            never.push(format!("no history reached: {text}"));
        }
    }
    println!("sim: {} marks, the rarest reached {least} times", marks::counts().count());
    never
}

/// A planted bug that nothing noticed.
fn escaped(bug: Bug, from: u64) -> Option<String> {
    // Planted bugs may well panic; that is a catch, not news.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let caught = (from..from + BUG_HISTORIES)
        .find_map(|seed| guarded(seed, Some(bug)).err().map(|broken| (seed, broken)));
    std::panic::set_hook(hook);
    match caught {
        Some((seed, broken)) => {
            let short: String = broken.chars().take(100).collect();
            println!("sim: bug {} caught in history {}: {short}", bug.name(), seed - from + 1);
            None
        }
        None => Some(format!("bug {} was not caught in {BUG_HISTORIES} histories", bug.name())),
    }
}
