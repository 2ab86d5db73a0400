//! The `daybook` command: arguments in, one report on standard output, an exit code. One file per subcommand; what they
//! do is in the other modules of this crate, which print nothing.
//!
//! Exit codes: 0 done, 1 failed, 2 asked wrongly, 3 what must be equal is not, 4 the time was over. Whatever is not 0
//! leaves `error D0xyz: ...` on standard error, and `docs/errors` has a page for each code.

mod address;
mod append;
mod ask;
mod audit;
mod code;
mod demo;
mod failure;
mod goal;
mod group;
mod init;
mod logging;
mod output;
mod patience;
mod pause;
mod quarantine;
mod ready;
mod rehearse;
mod replay;
mod resume;
mod run;
mod schema;
mod site;
mod status;
mod traffic;
mod upgrade;
mod verify;
mod wait;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;

use failure::{Exit, Told};
use logging::Form;
use output::Output;

/// Keeps databases in step through a transaction journal, across schema versions.
#[derive(Debug, clap::Parser)]
#[command(name = "daybook", version, arg_required_else_help = true)]
pub struct Command {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// The configuration of the group
    #[arg(long, global = true, value_name = "FILE", env = "DAYBOOK_CONFIG", default_value = "daybook.toml")]
    config: PathBuf,
    /// Report as JSON, errors too
    #[arg(long, global = true)]
    json: bool,
    /// Log more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Init(init::Args),
    Run(run::Args),
    Append(append::Args),
    Status(status::Args),
    Pause(pause::Args),
    Resume(resume::Args),
    Ready(ready::Args),
    Traffic(traffic::Args),
    Wait(wait::Args),
    /// Apply, check and show versions of the schema set
    #[command(subcommand)]
    Schema(schema::Args),
    Upgrade(Box<upgrade::Args>),
    /// Add a site to a group that lives, or let one go
    #[command(subcommand)]
    Site(site::Args),
    #[command(subcommand)]
    Ask(ask::Args),
    #[command(subcommand)]
    Quarantine(quarantine::Args),
    Verify(verify::Args),
    Replay(replay::Args),
    Rehearse(rehearse::Args),
    Audit(audit::Args),
    Demo(demo::Args),
}

/// What every command has at hand.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) config: PathBuf,
    pub(crate) output: Output,
}

/// Reads the arguments of the process. On `--help`, `--version` and faults it says so itself; the exit code is then in
/// the error.
///
/// # Errors
/// The exit code: 0 after help and version, 2 after a fault.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, ExitCode> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    Command::try_parse_from(arguments).map_err(|error| {
        if json && error.use_stderr() {
            let text = error.render().to_string();
            let message = text.trim_start_matches("error: ").trim_end().to_owned();
            let told = Told { exit: Exit::Usage, code: code::USAGE.to_owned(), message, causes: Vec::new() };
            eprintln!("{}", told.json());
        } else if error.print().is_err() {
            // Nobody is left to read it.
            return ExitCode::FAILURE;
        }
        if error.use_stderr() { ExitCode::from(Exit::Usage.code()) } else { ExitCode::SUCCESS }
    })
}

/// Runs a command to its end and says how it went.
pub async fn run(command: Command) -> ExitCode {
    let Command { common, what } = command;
    let service = match &what {
        What::Run(args) => Some(args.log),
        _ => None,
    };
    logging::start(service.unwrap_or(Form::Text), level(service.is_some(), common.verbose));
    let session = Session { config: common.config, output: Output { json: common.json } };
    let Err(error) = carry_out(what, &session).await else { return ExitCode::SUCCESS };
    let told = Told::of(&error);
    eprintln!("{}", if common.json { told.json() } else { told.text() });
    ExitCode::from(told.exit.code())
}

async fn carry_out(what: What, session: &Session) -> anyhow::Result<()> {
    match what {
        What::Init(args) => init::run(args, session).await,
        What::Run(args) => run::run(args, session).await,
        What::Append(args) => append::run(args, session).await,
        What::Status(args) => status::run(args, session).await,
        What::Pause(args) => pause::run(args, session).await,
        What::Resume(args) => resume::run(args, session).await,
        What::Ready(args) => ready::run(args, session).await,
        What::Traffic(args) => traffic::run(args, session).await,
        What::Wait(args) => wait::run(args, session).await,
        What::Schema(args) => schema::run(args, session).await,
        What::Site(args) => site::run(args, session).await,
        What::Ask(args) => ask::run(args, session).await,
        What::Upgrade(args) => upgrade::run(*args, session).await,
        What::Quarantine(args) => quarantine::run(args, session).await,
        What::Verify(args) => verify::run(args, session).await,
        What::Rehearse(args) => rehearse::run(args, session).await,
        What::Replay(args) => replay::run(args, session).await,
        What::Audit(args) => audit::run(args, session).await,
        What::Demo(args) => demo::run(args, session).await,
    }
}

/// The lowest level of the log. A service tells its story; other commands only what goes wrong.
fn level(service: bool, verbose: u8) -> &'static str {
    match (service, verbose) {
        (false, 0) => "warn",
        (true, 0) | (false, 1) => "info",
        (true, 1) | (false, 2) => "debug",
        _ => "trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_of_all_commands_are_sound() {
        use clap::CommandFactory as _;
        Command::command().debug_assert();
    }
}
