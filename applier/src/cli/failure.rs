//! From an error to what the command says and how it exits. Commands return `anyhow::Result`; where the exit code or the
//! code is the command's own decision, the error is a [`Failure`], anything else is classified by its type.

use std::error::Error;
use std::fmt::Write as _;

use journal_core::client::{self, AppendFailure};
use journal_core::journal::{AppendError, ReadError};
use journal_core::sql::{SqlClass, SqlError};
use journal_core::store::sql::OpenError;
use schema_mappers::{MapError, RegistryError, SetError};
use serde_json::json;

use super::code;
use crate::audit::RowsError;
use crate::audit::cut::CutError;
use crate::audit::diff::VerifyError;
use crate::audit::replay::ReplayError;
use crate::engine::reaction::PostError;
use crate::join::JoinError;
use crate::ledger::LedgerError;
use crate::rehearse::RehearseError;
use crate::upgrade::install::InstallError;
use crate::upgrade::reshape::ReshapeError;

/// How a command that did not succeed exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something failed.
    Failure,
    /// The command was not asked right: arguments, or a name the configuration does not have.
    Usage,
    /// What must be equal is not.
    Divergence,
    /// What was waited for did not come in time.
    Timeout,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Divergence => 3,
            Self::Timeout => 4,
        }
    }
}

/// An error whose code and exit code the command itself decides.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    pub(crate) fn error(exit: Exit, code: &'static str, message: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Self { exit, code, message: message.into(), source: None })
    }

    /// A failure that its source tells more of.
    pub(crate) fn because(
        code: &'static str,
        message: impl Into<String>,
        source: impl Error + Send + Sync + 'static,
    ) -> anyhow::Error {
        let source = Some(source.into());
        anyhow::Error::new(Self { exit: Exit::Failure, code, message: message.into(), source })
    }
}

/// What stderr shows of an error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) exit: Exit,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
}

impl Told {
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let failure = error.chain().find_map(|cause| cause.downcast_ref::<Failure>());
        let code = error.chain().find_map(code_of).unwrap_or_else(|| code::UNCLASSIFIED.to_owned());
        let mut texts: Vec<String> = Vec::new();
        for cause in error.chain() {
            let text = without_code(&cause.to_string()).to_owned();
            // A transparent wrapper shows its source's text as its own.
            if texts.last() != Some(&text) {
                texts.push(text);
            }
        }
        let message = texts.remove(0);
        let exit = match (failure, code.as_str()) {
            (Some(failure), _) => failure.exit,
            (None, code::NOT_AT_ONE_CUT) => Exit::Timeout,
            (None, code::CHAIN_BROKEN) => Exit::Divergence,
            (None, _) => Exit::Failure,
        };
        Self { exit, code, message, causes: texts }
    }

    /// The form for people: `error D0401: ...`, with a line for each cause.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("error {}: {}", self.code, self.message);
        for cause in &self.causes {
            let _infallible = write!(text, "\n  because: {cause}");
        }
        text
    }

    /// The form for programs.
    pub(crate) fn json(&self) -> String {
        json!({ "error": { "code": self.code, "message": self.message, "causes": self.causes } }).to_string()
    }
}

/// The code of one error of a chain, where its type or its text tells.
fn code_of(cause: &(dyn Error + 'static)) -> Option<String> {
    let code = if let Some(failure) = cause.downcast_ref::<Failure>() {
        failure.code
    } else if let Some(error) = cause.downcast_ref::<SqlError>() {
        of_sql(error)
    } else if let Some(error) = cause.downcast_ref::<LedgerError>() {
        of_ledger(error)?
    } else if let Some(PostError::Ledger(error)) = cause.downcast_ref() {
        of_ledger(error)?
    } else if let Some(error) = cause.downcast_ref::<InstallError>() {
        of_install(error)?
    } else if let Some(code) = of_work(cause) {
        code
    } else if let Some(error) = cause.downcast_ref::<client::OpenError>() {
        of_client(error)?
    } else if let Some(AppendFailure::OtherContent { .. }) = cause.downcast_ref() {
        code::OTHER_CONTENT
    } else if let Some(OpenError::NotInitialised { .. }) = cause.downcast_ref() {
        code::NOT_INITIALISED
    } else if let Some(ReadError::Corrupt { .. }) = cause.downcast_ref() {
        code::DAMAGED
    } else if let Some(AppendError::OtherContent { .. }) = cause.downcast_ref() {
        code::OTHER_CONTENT
    } else if let Some(MapError::UnknownVersion { .. }) = cause.downcast_ref() {
        code::UNKNOWN_VERSION
    } else if cause.is::<SetError>() || cause.is::<RegistryError>() || cause.is::<MapError>() {
        code::SCHEMA_SET
    } else {
        return leading_code(&cause.to_string()).map(str::to_owned);
    };
    Some(code.to_owned())
}

fn of_ledger(error: &LedgerError) -> Option<&'static str> {
    match error {
        LedgerError::Fault { fault, .. } => Some(fault.code()),
        LedgerError::Moved { .. } => Some(code::BUSY),
        LedgerError::Damaged(_) => Some(code::MISMATCH),
        LedgerError::SwitchBegun => Some(code::SWITCH_BEGUN),
        LedgerError::Store(error) => Some(of_sql(error)),
    }
}

/// The errors of reshape, comparison and replay. `None` where their source tells.
fn of_work(cause: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(error) = cause.downcast_ref::<ReshapeError>() {
        return match error {
            ReshapeError::NotPaused => Some(code::NOT_PAUSED),
            ReshapeError::NotInstalled => Some(code::NOT_INITIALISED),
            ReshapeError::Version(_) => Some(code::UNKNOWN_VERSION),
            ReshapeError::Row { .. } | ReshapeError::Orphan { .. } => Some(code::ROW_IN_THE_WAY),
            ReshapeError::Resumed | ReshapeError::NotExpanded => Some(code::PAUSE_LOST),
            ReshapeError::Elsewhere { .. } | ReshapeError::TwoMovers { .. } | ReshapeError::TwoCommands => {
                Some(code::TWO_COMMANDS)
            }
            ReshapeError::Unsure { .. } => Some(code::REFUSED_BY_DATABASE),
            ReshapeError::InTheWay { .. } => Some(code::OBJECT_IN_THE_WAY),
            ReshapeError::Locked { .. } => Some(code::TABLES_IN_USE),
            ReshapeError::Release(error) => of_install(error),
            ReshapeError::Ledger(error) => of_ledger(error),
            ReshapeError::Store(_) => None,
        };
    }
    if let Some(VerifyError::Cut(error)) = cause.downcast_ref() {
        return match error {
            CutError::Apart { .. } => Some(code::NOT_AT_ONE_CUT),
            CutError::StillPaused { .. } => Some(code::STILL_PAUSED),
            CutError::Ledger(error) => of_ledger(error),
        };
    }
    if let Some(error) = cause.downcast_ref::<RehearseError>() {
        return match error {
            RehearseError::AtVersion { .. } => Some(code::AT_VERSION),
            RehearseError::OtherText { .. } => Some(code::MISMATCH),
            RehearseError::Version(_) => Some(code::UNKNOWN_VERSION),
            RehearseError::Replay(error) => of_replay(error),
            RehearseError::Install(error) => of_install(error),
            RehearseError::Move(_)
            | RehearseError::Look(_)
            | RehearseError::Ledger(_)
            | RehearseError::Store(_) => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<JoinError>() {
        return of_join(error);
    }
    if let Some(RowsError::Ledger(error)) = cause.downcast_ref() {
        return of_ledger(error);
    }
    of_replay(cause.downcast_ref::<ReplayError>()?)
}

fn of_replay(error: &ReplayError) -> Option<&'static str> {
    match error {
        ReplayError::NotEmpty { .. } => Some(code::NOT_EMPTY),
        ReplayError::Chain { .. } => Some(code::CHAIN_BROKEN),
        ReplayError::UnknownSeal { .. } => Some(code::UNKNOWN_SEAL),
        ReplayError::UnknownVersion { .. } | ReplayError::Version(_) => Some(code::UNKNOWN_VERSION),
        ReplayError::Open(OpenError::NotInitialised { .. }) => Some(code::NOT_INITIALISED),
        ReplayError::Install(error) => of_install(error),
        ReplayError::Read(ReadError::Corrupt { .. }) => Some(code::DAMAGED),
        ReplayError::Open(_)
        | ReplayError::Read(_)
        | ReplayError::Ledger(_)
        | ReplayError::Rows(_)
        | ReplayError::Store(_) => None,
    }
}

/// `None` where the source tells.
fn of_join(error: &JoinError) -> Option<&'static str> {
    match error {
        JoinError::OtherSite { .. } => Some(code::OTHER_SITE),
        JoinError::NotEmpty { .. } => Some(code::NOT_EMPTY),
        JoinError::Held { .. } => Some(code::HELD_AT_THE_SOURCE),
        JoinError::Stripe { .. } => Some(code::STRIPE_TAKEN),
        JoinError::NameTaken { .. } => Some(code::NAME_TAKEN),
        JoinError::Upgrading { .. } | JoinError::Reshaping { .. } => Some(code::UPGRADE_UNDER_WAY),
        JoinError::Unsettled { .. } => Some(code::BUSY),
        JoinError::TwoCommands => Some(code::ADDED_BY_ANOTHER),
        JoinError::Reshaped { .. } => Some(code::MISMATCH),
        JoinError::Lacking { .. } => Some(code::CHAIN_BROKEN),
        JoinError::Install(error) => of_install(error),
        JoinError::Ledger(error) => of_ledger(error),
        JoinError::Open(OpenError::NotInitialised { .. }) => Some(code::NOT_INITIALISED),
        JoinError::Open(_)
        | JoinError::Version(_)
        | JoinError::Pull(_)
        | JoinError::Read(_)
        | JoinError::Told { .. }
        | JoinError::Store(_) => None,
    }
}

fn of_client(error: &client::OpenError) -> Option<&'static str> {
    match error {
        client::OpenError::Store(OpenError::NotInitialised { .. }) => Some(code::NOT_INITIALISED),
        // Its source tells.
        client::OpenError::Store(OpenError::Store { .. }) => None,
        client::OpenError::OtherSite { .. } => Some(code::MISMATCH),
        client::OpenError::UnknownVersion { .. } => Some(code::UNKNOWN_VERSION),
        client::OpenError::NoSite { .. } => Some(code::SITE_UNREACHABLE),
    }
}

fn of_install(error: &InstallError) -> Option<&'static str> {
    match error {
        InstallError::UnknownVersion { .. } => Some(code::UNKNOWN_VERSION),
        InstallError::OtherVersion { .. } => Some(code::MISMATCH),
        InstallError::NothingReleased { .. } => Some(code::NOT_INITIALISED),
        InstallError::Unreadable { .. } => Some(code::DAMAGED),
        InstallError::Set(_) | InstallError::Registry(_) | InstallError::Unfit { .. } => {
            Some(code::SCHEMA_SET)
        }
        InstallError::Kept(error) | InstallError::Switching(error) => of_ledger(error),
        InstallError::Store(error) => Some(of_sql(error)),
    }
}

pub(crate) fn of_sql(error: &SqlError) -> &'static str {
    match error.class {
        SqlClass::Refused => code::NO_WAY_IN,
        SqlClass::Lost => code::CONNECTION_LOST,
        SqlClass::Full => code::DISK_FULL,
        SqlClass::Transient => code::BUSY,
        SqlClass::Broken => code::DAMAGED,
        SqlClass::Unsafe => code::UNSAFE_SETTINGS,
        SqlClass::Schema => code::MISMATCH,
        SqlClass::Constraint(_) | SqlClass::Data => code::REFUSED_BY_DATABASE,
    }
}

/// The code a message begins with, as `D0301: ...`.
fn leading_code(text: &str) -> Option<&str> {
    let (code, _) = text.split_once(": ")?;
    let digits = code.strip_prefix('D')?;
    (digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(code)
}

fn without_code(text: &str) -> &str {
    leading_code(text).map_or(text, |code| &text[code.len() + 2..])
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;
    use crate::ledger::Fault;

    #[test]
    fn the_outermost_cause_that_has_a_code_gives_it() {
        let lost = SqlError::new(SqlClass::Lost, "connection: reset by peer");
        let error = anyhow::Error::new(ReadError::Store(lost)).context("look at site a");
        let told = Told::of(&error);
        assert_eq!((told.exit, told.code.as_str()), (Exit::Failure, code::CONNECTION_LOST));
        assert_eq!(
            told.text(),
            "error D0402: look at site a\n  because: read the journal\n  because: connection: reset by peer"
        );
    }

    #[test]
    fn a_code_in_front_of_a_message_is_shown_once() {
        let fault =
            LedgerError::Fault { fault: Fault::MissingRow, detail: "film [7] is not there".to_owned() };
        let told = Told::of(&fault.into());
        assert_eq!(told.text(), "error D0204: film [7] is not there");
        let told = Told::of(&anyhow::anyhow!("D0304: it is another site's database"));
        assert_eq!((told.code.as_str(), told.message.as_str()), ("D0304", "it is another site's database"));
    }

    #[test]
    fn a_rehearsal_gives_the_code_of_what_stopped_it() {
        let unknown = ReplayError::UnknownVersion {
            id: "a/1/7".parse().unwrap(),
            version: journal_core::model::SchemaVersion(9),
        };
        let error = anyhow::Error::new(RehearseError::from(unknown)).context("rehearse version 2 of a");
        assert_eq!(Told::of(&error).code, code::UNKNOWN_VERSION);
        let at = RehearseError::AtVersion { version: journal_core::model::SchemaVersion(2) };
        assert_eq!(Told::of(&at.into()).code, code::AT_VERSION);
    }

    #[test]
    fn a_failure_keeps_its_exit_code_under_any_context() {
        let late: anyhow::Result<()> = Err(Failure::error(Exit::Timeout, code::WAIT_TIMED_OUT, "not yet"));
        let told = Told::of(&late.context("wait for b").unwrap_err());
        assert_eq!((told.exit.code(), told.code.as_str()), (4, code::WAIT_TIMED_OUT));
        let json: serde_json::Value = serde_json::from_str(&told.json()).unwrap();
        assert_eq!(json["error"]["code"], code::WAIT_TIMED_OUT);
        assert_eq!(json["error"]["causes"][0], "not yet");
    }

    #[test]
    fn a_transparent_wrapper_does_not_repeat_its_source() {
        let inner = SqlError::new(SqlClass::Full, "database or disk is full");
        let told = Told::of(&PostError::Ledger(LedgerError::Store(inner)).into());
        assert_eq!(told.code, code::DISK_FULL);
        assert_eq!(told.causes, Vec::<String>::new());
    }
}
