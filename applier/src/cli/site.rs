//! `daybook site`: sites come to a group that lives, and go.

mod add;
mod retire;

use super::Session;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    Add(add::Args),
    Retire(retire::Args),
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    match args {
        Args::Add(args) => add::run(args, session).await,
        Args::Retire(args) => retire::run(args, session).await,
    }
}
