//! The simulator's command line. What cargo passes to every test binary is understood as far as it can be.

use crate::zoo::Bug;

/// Histories of a plain run: about half a minute.
const HISTORIES: u64 = 5_000;

/// `cargo test -p journal-sim -- [--seed N] [--from N] [--histories N] [--minutes N] [--marks]
/// [--bug NAME]`
#[derive(Debug)]
pub(crate) struct Options {
    /// Only this history.
    pub(crate) seed: Option<u64>,
    /// The first seed.
    pub(crate) from: u64,
    pub(crate) histories: u64,
    /// Instead of a number of histories.
    pub(crate) minutes: Option<u64>,
    /// Whether to show how often each mark was reached.
    pub(crate) marks: bool,
    /// Only look for this planted bug.
    pub(crate) bug: Option<Bug>,
}

impl Options {
    /// `None` when cargo asks for other tests, or only for a list.
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options =
            Self { seed: None, from: 1, histories: HISTORIES, minutes: None, marks: false, bug: None };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            let number =
                |text: String| text.parse().map_err(|_| format!("{argument} takes a number, not {text:?}"));
            match argument.as_str() {
                "--seed" => options.seed = Some(number(value()?)?),
                "--from" => options.from = number(value()?)?,
                "--histories" => options.histories = number(value()?)?,
                "--minutes" => options.minutes = Some(number(value()?)?),
                "--bug" => {
                    let name = value()?;
                    let bug = Bug::ALL.iter().find(|bug| bug.name() == name);
                    let known = || Bug::ALL.iter().map(|bug| bug.name()).collect::<Vec<_>>().join(", ");
                    options.bug =
                        Some(*bug.ok_or_else(|| format!("no bug {name:?}; known are {}", known()))?);
                }
                "--marks" => options.marks = true,
                "--list" => return Ok(None),
                "--test-threads" | "--skip" | "--format" | "--color" => drop(value()?),
                flag if flag.starts_with('-') => {}
                filter if "sim".contains(filter) => {}
                _ => return Ok(None),
            }
        }
        Ok(Some(options))
    }

    /// Whether this is the whole programme: all marks must be reached then, and all bugs found.
    pub(crate) fn is_whole(&self) -> bool {
        self.minutes.is_some() || self.histories >= HISTORIES
    }
}
