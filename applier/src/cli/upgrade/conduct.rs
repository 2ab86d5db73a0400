//! How one command of an upgrade is conducted: where it holds, what it calls. Not on record: each command is told anew.

use std::path::PathBuf;

use crate::upgrade::machine::Step;

/// Arguments of every command that takes steps.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Conduct {
    /// Hold before each switch for as long as this file is there
    #[arg(long, value_name = "FILE")]
    pub(super) postpone_flag_file: Option<PathBuf>,
    /// Stop before this step at the next site that comes to it
    #[arg(long, value_name = "STEP")]
    pub(super) pause_before: Option<Step>,
    /// A directory of programs to run: before-STEP and after-STEP, where they are there
    #[arg(long, value_name = "DIR")]
    pub(super) hook_dir: Option<PathBuf>,
    /// A shell command to run before each step
    #[arg(long, value_name = "COMMAND")]
    pub(super) before: Option<String>,
    /// A shell command to run after each step
    #[arg(long, value_name = "COMMAND")]
    pub(super) after: Option<String>,
}
