//! The statements of the control state in which databases differ. On PostgreSQL a posting transaction locks no more of the
//! lease than its key, which a sign of life leaves alone; MariaDB locks whole rows, so that there the signs of life have a
//! row of their own.

use journal_core::sql::Dialect;

/// Each table has one row, which PostgreSQL's planner does not believe of tables this small: joined without their keys
/// it expects hundreds of millions of rows, and each posting transaction begins half a second late.
pub(super) const STANDING: &str = "SELECT c.generation, c.desired, c.who, c.why, c.since, l.fence, s.ledger_version, \
     EXISTS (SELECT 1 FROM {d}complement) FROM {d}control c JOIN {d}lease l ON l.one_row = c.one_row \
     JOIN {d}site s ON s.one_row = c.one_row";

/// Columns of it.
pub(super) const STANDING_COLUMNS: usize = 8;

/// What follows it in a posting transaction. On PostgreSQL a key-share lock on the lease: it stops a takeover, which locks
/// the row for update, but no sign of life.
pub(super) fn posting_locks(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "", // BEGIN IMMEDIATE holds the one writer lock.
        Dialect::Postgres => " FOR SHARE OF c, s FOR KEY SHARE OF l",
        Dialect::MariaDb => "{for_share}",
    }
}

pub(super) fn lease(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite | Dialect::Postgres => "SELECT fence, holder, beat FROM {d}lease",
        Dialect::MariaDb => {
            "SELECT l.fence, l.holder, b.beat FROM {d}lease l STRAIGHT_JOIN {d}beat b ON b.one_row = l.one_row"
        }
    }
}

/// Takes fence, holder and beat.
pub(super) fn take_lease(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite | Dialect::Postgres => "UPDATE {d}lease SET fence = $1, holder = $2, beat = $3",
        Dialect::MariaDb => {
            "UPDATE {d}lease l JOIN {d}beat b ON b.one_row = l.one_row SET l.fence = $1, l.holder = $2, b.beat = $3"
        }
    }
}

/// A sign of life under a fence: touches one row.
pub(super) fn beat(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite | Dialect::Postgres => {
            "UPDATE {d}lease SET beat = beat + 1 WHERE fence = $1 AND holder <> ''"
        }
        Dialect::MariaDb => {
            "UPDATE {d}beat SET beat = beat + 1 WHERE EXISTS \
             (SELECT 1 FROM {d}lease l WHERE l.fence = $1 AND l.holder <> '')"
        }
    }
}

pub(super) fn release_lease(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite | Dialect::Postgres => {
            "UPDATE {d}lease SET holder = '', beat = beat + 1 WHERE fence = $1"
        }
        Dialect::MariaDb => {
            "UPDATE {d}lease l JOIN {d}beat b ON b.one_row = l.one_row SET l.holder = '', b.beat = b.beat + 1 \
             WHERE l.fence = $1"
        }
    }
}

/// The sessions in the way of a pause, each with a number and a name, where the database tells. PostgreSQL knows who holds the
/// locks of a posting transaction; MariaDB who is in a transaction that holds any in this database.
pub(super) fn posting_sessions(dialect: Dialect) -> Option<&'static str> {
    match dialect {
        Dialect::Sqlite => None,
        Dialect::Postgres => Some(
            "SELECT DISTINCT CAST(l.pid AS bigint), coalesce(a.application_name, '') \
             FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
             WHERE l.locktype = 'relation' AND l.mode = 'RowShareLock' AND l.granted AND l.pid <> pg_backend_pid() \
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND l.relation = '{d}control'::regclass ORDER BY 1",
        ),
        Dialect::MariaDb => Some(
            "SELECT CAST(p.id AS SIGNED), concat(p.user, '@', p.host) FROM information_schema.innodb_trx t \
             JOIN {processlist} p ON p.id = t.trx_mysql_thread_id \
             WHERE p.db = database() AND p.id <> connection_id() AND t.trx_tables_locked > 0 ORDER BY 1",
        ),
    }
}
