//! Where logs go: standard error, never standard output.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// Starts the log. `level` is the lowest level shown where the variable `DAYBOOK_LOG` does not say it better.
pub(crate) fn start(form: Form, level: &str) {
    let filter = EnvFilter::try_from_env("DAYBOOK_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match form {
        Form::Text => builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
        Form::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        eprintln!("the log cannot be started: {error}");
    }
}
