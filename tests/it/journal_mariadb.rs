//! The journal in MariaDB: the conformance suite, numbers in the order of commits, and commits whose answer is lost.

use journal_core::conformance::{SqlRig, UNLIMITED, content, initialise, new_transaction, origin, seal_next};
use journal_core::journal::{AppendError, Appended, JournalStore, ReceiveError, Tail};
use journal_core::model::{SealNr, TransNr};
use journal_core::sql::{Access, ConnRef, DbUrl, SqlClass};
use journal_core::store::sql::{SqlJournal, append_in};
use journal_tests::servers::mariadb_or_skip;
use sqlx::{Connection, MySqlConnection};

mod suite {
    use super::{SqlRig, mariadb_or_skip};

    fn rig() -> Option<SqlRig> {
        let server = mariadb_or_skip()?;
        Some(SqlRig::new(|| server.create_database().url.parse().unwrap()))
    }

    journal_core::journal_conformance!(rig());
}
