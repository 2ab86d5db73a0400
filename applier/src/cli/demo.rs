//! `daybook demo`: the main job on real input, for whoever wants to see it.

use std::path::PathBuf;

use anyhow::Context as _;
use journal_core::sql::DbUrl;

use super::Session;
use super::address;
use super::code;
use super::failure::{Exit, Failure};
use crate::demo::{Options, Report, run as play};

/// See the main job: reshape one database while the other serves
///
/// Two databases, one reshaped to another schema version while the other serves, on the whole history
/// of a film rental, with a reader that never stops. Needs nothing but this command.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the SQLite files go; without it, a new temporary directory, which stays
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The database of site a, without Daybook's tables; by default a SQLite file
    #[arg(long, value_name = "URL")]
    a: Option<String>,
    /// The database of site b, without Daybook's tables; by default a SQLite file
    #[arg(long, value_name = "URL")]
    b: Option<String>,
    /// Only this many of the history's transactions
    #[arg(long, value_name = "COUNT")]
    transactions: Option<usize>,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let directory = match args.dir {
        Some(directory) => {
            std::fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
            directory
        }
        // It stays: the ledgers are there to be looked at, and the report says where.
        None => {
            tempfile::Builder::new().prefix("daybook-demo-").tempdir().context("make a directory")?.keep()
        }
    };
    let database = |option: &str, given: &Option<String>, file: &str| -> anyhow::Result<DbUrl> {
        match given {
            Some(url) => address::read(option, url),
            None => Ok(format!("sqlite:{}", directory.join(file).display()).parse()?),
        }
    };
    let urls = [database("--a", &args.a, "a.db")?, database("--b", &args.b, "b.db")?];
    let bar = session.output.bar("demo", Some(0));
    let mut watch = |done: u64, total: u64| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let options = Options { urls, directory, transactions: args.transactions };
    let played = play(options, &mut watch).await;
    bar.finish_and_clear();
    let report = played?;
    session.output.report(&report, Report::table)?;
    match report.is_good() {
        true => Ok(()),
        false if !report.converged => {
            let message = "the sites are not equal at the end of the demo";
            Err(Failure::error(Exit::Divergence, code::DIVERGENCE, message))
        }
        false => {
            Err(Failure::error(Exit::Failure, code::DEMO, "the demo did not go as it must; see its report"))
        }
    }
}
