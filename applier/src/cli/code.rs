//! The codes of everything that can go wrong in a command, less those that other modules own (verdicts in
//! [`crate::ledger::Fault`], settings in [`crate::config::ConfigError`]). Each has a page in `docs/errors`; a released
//! code never changes its meaning.

pub(super) const UNCLASSIFIED: &str = "D0101";
pub(super) const SERVICE_STOPPED: &str = "D0102";
pub(super) const DEMO: &str = "D0103";
pub(super) const PASSWORD_IN_ARGUMENT: &str = "D0305";
pub(super) const UNKNOWN_SITE: &str = "D0306";
pub(super) const SCHEMA_SET: &str = "D0307";
pub(super) const CONFIG_DIFFERS: &str = "D0308";
pub(super) const USAGE: &str = "D0309";
pub(super) const NO_WAY_IN: &str = "D0401";
pub(super) const CONNECTION_LOST: &str = "D0402";
pub(super) const DISK_FULL: &str = "D0403";
pub(super) const BUSY: &str = "D0404";
pub(super) const NOT_INITIALISED: &str = "D0405";
pub(super) const DAMAGED: &str = "D0406";
pub(super) const MISMATCH: &str = "D0407";
pub(super) const REFUSED_BY_DATABASE: &str = "D0408";
pub(super) const NOT_READY: &str = "D0470";
pub(super) const NOT_READABLE: &str = "D0471";
pub(super) const BAD_LINE: &str = "D0501";
pub(super) const INPUT: &str = "D0502";
pub(super) const OTHER_CONTENT: &str = "D0503";
pub(super) const UNKNOWN_VERSION: &str = "D0504";
pub(super) const REJECTED: &str = "D0505";
pub(super) const NOT_PAUSED: &str = "D0601";
pub(super) const WAIT_TIMED_OUT: &str = "D0602";
pub(super) const NOT_IN_QUARANTINE: &str = "D0603";
pub(super) const DIVERGENCE: &str = "D0604";
pub(super) const CHAIN_BROKEN: &str = "D0605";
pub(super) const NOT_AT_ONE_CUT: &str = "D0606";
pub(super) const NOT_EMPTY: &str = "D0607";
pub(super) const SITE_UNREACHABLE: &str = "D0608";
pub(super) const ROW_IN_THE_WAY: &str = "D0609";
pub(super) const STILL_PAUSED: &str = "D0610";
pub(super) const UNKNOWN_SEAL: &str = "D0611";
