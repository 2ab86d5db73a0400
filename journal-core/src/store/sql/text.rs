//! Every statement of the SQL journal, as templates for [`crate::sql::ConnRef`]. Columns are always named: a view or a
//! later release may add some.

use std::sync::LazyLock;

use crate::sql::NewRow;

/// Rows that one INSERT carries. Few sizes, so that the texts repeat and stay prepared; 256 rows of 13 cells stay far
/// below SQLite's 32,766 parameters.
pub(super) const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];

pub(super) const JOURNAL_COLUMNS: usize = 13;
pub(super) const SEAL_COLUMNS: usize = 17;
pub(super) const REJECTION_COLUMNS: usize = 5;
pub(super) const PACK_COLUMNS: usize = 8;

/// One INSERT text for each size of [`CHUNKS`].
pub(super) type Inserts = LazyLock<[String; CHUNKS.len()]>;

/// First entries: they carry the uniqueness of the idempotency key, so they alone may meet a repetition.
pub(super) static INSERT_FIRST_ENTRIES: Inserts =
    LazyLock::new(|| inserts(&format!("INSERT INTO {JOURNAL} VALUES"), JOURNAL_COLUMNS, ON_REPEATED));
pub(super) static INSERT_ENTRIES: Inserts =
    LazyLock::new(|| inserts(&format!("INSERT INTO {JOURNAL} VALUES"), JOURNAL_COLUMNS, ""));
pub(super) static INSERT_SEALS: Inserts = LazyLock::new(|| {
    inserts(
        "INSERT INTO {d}seal (origin, epoch, seal_nr, first_nr, last_nr, tx_count, entry_count, rejected_count, hlc, \
         seen, \"schema\", algorithm, prev_hash, hash, leaves, signature, sealed_at) VALUES",
        SEAL_COLUMNS,
        "",
    )
});
pub(super) static INSERT_REJECTIONS: Inserts = LazyLock::new(|| {
    inserts("INSERT INTO {d}rejection (origin, epoch, trans_nr, code, detail) VALUES", REJECTION_COLUMNS, "")
});

pub(super) static INSERT_PACKS: Inserts = LazyLock::new(|| {
    inserts(
        "INSERT INTO {d}run (origin, epoch, last_nr, piece, first_nr, heads, payloads, in_journal) VALUES",
        PACK_COLUMNS,
        "",
    )
});

/// PostgreSQL: any number of packs, in the binary format.
pub(super) const COPY_PACKS: &str = "COPY {d}run (origin, epoch, last_nr, piece, first_nr, heads, payloads, in_journal) \
     FROM STDIN (FORMAT binary)";
/// Cells of one row of it.
pub(super) const PACK_CELLS: i16 = 8;

/// PostgreSQL: any number of entries, in the binary format.
pub(super) const COPY_ENTRIES: &str = "COPY {d}journal (origin, epoch, trans_nr, entry_nr, tx_id, schema_version, \
     entity, op, row_key, codec, payload, author, appended_at) FROM STDIN (FORMAT binary)";
/// Cells of one row of it.
pub(super) const JOURNAL_CELLS: i16 = 13;

/// PostgreSQL: transactions of few entries; gives their numbers, rising, in the order of the batch. The statement locks the
/// table before it runs, and so before it takes the numbers, which are materialized so that each is taken once.
/// What a transaction's entries share is looked up by its place: a join, and more columns to take apart, took
/// a quarter longer (`benches/README.md`).
pub(super) const INSERT_AT_ONCE: &str = "WITH taken AS MATERIALIZED (SELECT array_agg(nextval('{d}trans_nr')) AS nrs \
     FROM generate_series(1, cardinality($4::uuid[]))), \
     written AS (INSERT INTO {d}journal (origin, epoch, trans_nr, entry_nr, tx_id, schema_version, entity, op, row_key, \
     codec, payload, author, appended_at) \
     SELECT $1, $2, taken.nrs[e.place], e.entry_nr, ($4::uuid[])[e.place], ($5::bigint[])[e.place], e.entity, e.op, \
     e.row_key, e.codec, e.payload, ($6::text[])[e.place], $3 FROM taken, unnest($7::bigint[], $8::bigint[], \
     $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bytea[]) \
     AS e (place, entry_nr, entity, op, row_key, codec, payload)) \
     SELECT unnest(nrs), (SELECT CAST(pg_notify('daybook_appended', '') AS text) FROM {d}listening WHERE appends) \
     FROM taken";

const JOURNAL: &str = "{d}journal (origin, epoch, trans_nr, entry_nr, tx_id, schema_version, entity, op, row_key, \
                       codec, payload, author, appended_at)";
const ON_REPEATED: &str = " ON CONFLICT (origin, epoch, tx_id) WHERE entry_nr = 1 DO NOTHING";

fn inserts(head: &str, columns: usize, tail: &str) -> [String; CHUNKS.len()] {
    CHUNKS.map(|rows| {
        let mut text = head.to_owned();
        for row in 0..rows {
            text.push_str(if row == 0 { " (" } else { ", (" });
            for column in 0..columns {
                let comma = if column == 0 { "" } else { ", " };
                text.push_str(&format!("{comma}${}", row * columns + column + 1));
            }
            text.push(')');
        }
        text + tail
    })
}

/// PostgreSQL, before any number is taken: whoever holds a number holds this lock, so a reader that sees no holder
/// knows that no number is on its way (`design.md`, section 3).
pub(super) const LOCK_JOURNAL: &str = "LOCK TABLE {d}journal IN ROW EXCLUSIVE MODE";
/// The same in one message with the beginning of the transaction.
pub(super) const BEGIN_AND_LOCK_JOURNAL: &str = "BEGIN; LOCK TABLE {d}journal IN ROW EXCLUSIVE MODE";
/// With them goes the word to the site's poster, if it wants any: told when the transaction commits.
pub(super) const TAKE_NUMBERS_POSTGRES: &str = "SELECT nextval('{d}trans_nr'), \
     (SELECT CAST(pg_notify('daybook_appended', '') AS text) FROM {d}listening WHERE appends) \
     FROM generate_series(1, $1)";
pub(super) const TAKE_NUMBERS_SQLITE: &str =
    "UPDATE {d}trans_nr SET last_nr = last_nr + $1 RETURNING last_nr";

/// The same on MariaDB, whose UPDATE answers with one number; the row stays locked until the transaction ends.
pub(super) const TAKE_NUMBERS_MARIADB: &str = "UPDATE {d}trans_nr SET last_nr = LAST_INSERT_ID(last_nr + $1)";

/// The same in one message with the beginning of the transaction; what was open by mistake is rolled back.
pub(super) fn begin_and_take_numbers(count: i64) -> String {
    format!(
        "ROLLBACK; START TRANSACTION; UPDATE {{d}}trans_nr SET last_nr = LAST_INSERT_ID(last_nr + {count})"
    )
}

pub(super) const FIND_TX_ID: &str =
    "SELECT trans_nr FROM {d}journal WHERE origin = $1 AND epoch = $2 AND tx_id = $3 AND entry_nr = 1";
/// MariaDB: the key by its own index, as it stands now: an application's snapshot may be older than the row that was met.
pub(super) const FIND_TX_ID_MARIADB: &str = "SELECT trans_nr FROM {d}journal \
     WHERE origin = $1 AND epoch = $2 AND first_tx_id = $3{for_share}";

/// What each transaction that stands as rows weighs, so that a read can be bounded before it is made. Of so many rows at
/// most: they weigh as much as may be read.
pub(super) const WEIGHTS_OF_ROWS: &str = "SELECT trans_nr, CAST(sum(octet_length(payload) + octet_length(row_key) + 96) AS {bigint}), count(*) \
     FROM (SELECT trans_nr, payload, row_key FROM {d}journal \
     WHERE origin = $1 AND epoch = $2 AND trans_nr > $3 AND trans_nr <= $4 \
     ORDER BY trans_nr, entry_nr LIMIT $6) AS near GROUP BY trans_nr ORDER BY trans_nr LIMIT $5";
/// The same of packs.
pub(super) const WEIGHTS_OF_PACKS: &str = "SELECT last_nr, CAST(octet_length(payloads) + octet_length(heads) AS {bigint}) \
     FROM {d}run WHERE origin = $1 AND epoch = $2 AND last_nr > $3 AND last_nr <= $4 ORDER BY last_nr, piece LIMIT $5";
pub(super) const TRANSACTIONS: &str = "SELECT trans_nr, entry_nr, tx_id, schema_version, entity, op, row_key, codec, payload, author, appended_at \
     FROM {d}journal WHERE origin = $1 AND epoch = $2 AND trans_nr > $3 AND trans_nr <= $4 \
     ORDER BY trans_nr, entry_nr";

/// The first rows behind a number, as many as `$4`; of what is heavy, NULL.
pub(super) const SHORT_TAIL: &str = "SELECT trans_nr, entry_nr, tx_id, schema_version, entity, op, \
     CASE WHEN octet_length(row_key) <= $5 THEN row_key END, codec, \
     CASE WHEN octet_length(payload) <= $5 THEN payload END, author, appended_at \
     FROM {d}journal WHERE origin = $1 AND epoch = $2 AND trans_nr > $3 ORDER BY trans_nr, entry_nr LIMIT $4";

/// The same of the own origin, and behind them in each row a head; every head comes, with rows beside the own one alone.
pub(super) static HEADS_AND_SHORT_TAIL: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT t.*, h.origin, h.epoch, h.seal_nr, h.last_nr, h.hash, h.hlc FROM {{d}}received h \
         LEFT JOIN ({SHORT_TAIL}) AS t ON h.origin = $1 AND h.epoch = $2 \
         ORDER BY h.origin, h.epoch, t.trans_nr, t.entry_nr"
    )
});

pub(super) const PACKS_BESIDE_ROWS: &str = "SELECT last_nr FROM {d}run \
     WHERE origin = $1 AND epoch = $2 AND last_nr > $3 AND last_nr <= $4 AND in_journal ORDER BY last_nr, piece";
pub(super) const PACKS: &str = "SELECT first_nr, last_nr, heads, payloads FROM {d}run \
     WHERE origin = $1 AND epoch = $2 AND last_nr > $3 AND last_nr <= $4 ORDER BY last_nr, piece";
pub(super) const HEADS_OF_PACKS: &str = "SELECT last_nr, piece, heads FROM {d}run WHERE origin = $1 AND epoch = $2 \
     AND NOT in_journal AND (last_nr > $3 OR (last_nr = $3 AND piece > $4)) ORDER BY last_nr, piece LIMIT 16";
/// The pack, or the pieces, that a transaction is in.
pub(super) const PACKS_OF: &str = "SELECT first_nr, last_nr, heads, payloads FROM {d}run \
     WHERE origin = $1 AND epoch = $2 AND first_nr <= $3 AND last_nr = (SELECT min(last_nr) FROM {d}run \
     WHERE origin = $1 AND epoch = $2 AND last_nr >= $3) ORDER BY piece";

/// No more seals than the transactions wanted fill, and one in any case: what they prove of their transactions is large.
/// Beside each, whether rejections stand in its range, whatever it counts itself; beside the seal `$6`, a pack that ends with
/// it, if neither its heads nor its payloads have more bytes than `$7`.
pub(super) static SEALS: LazyLock<String> = LazyLock::new(|| {
    // Each looked up by its key: a join might be carried out over all packs.
    let of_pack = |column: &str| {
        format!(
            "CASE WHEN c.seal_nr = $6 THEN (SELECT p.{column} FROM {{d}}run AS p WHERE p.origin = $1 AND p.epoch = $2 \
             AND p.last_nr = c.last_nr AND p.piece = 1 AND octet_length(p.payloads) <= $7 AND octet_length(p.heads) <= $7) END"
        )
    };
    format!(
        "SELECT seal_nr, first_nr, last_nr, tx_count, entry_count, rejected_count, hlc, seen, \"schema\", algorithm, \
         prev_hash, hash, leaves, signature, sealed_at, CAST(CASE WHEN EXISTS (SELECT 1 FROM {{d}}rejection AS r \
         WHERE r.origin = $1 AND r.epoch = $2 AND r.trans_nr >= first_nr AND r.trans_nr <= last_nr) THEN 1 ELSE 0 END AS {{bigint}}), \
         {}, {}, {} FROM (SELECT *, sum(tx_count) OVER (ORDER BY seal_nr) AS running FROM (SELECT * FROM {{d}}seal \
         WHERE origin = $1 AND epoch = $2 AND seal_nr > $3 ORDER BY seal_nr LIMIT $4) AS near) AS c \
         WHERE running <= $5 OR running = tx_count ORDER BY seal_nr",
        of_pack("first_nr"),
        of_pack("heads"),
        of_pack("payloads")
    )
});
pub(super) const SEAL_HASH: &str =
    "SELECT hash FROM {d}seal WHERE origin = $1 AND epoch = $2 AND seal_nr = $3";
pub(super) const REJECTIONS: &str = "SELECT trans_nr, code, detail FROM {d}rejection WHERE origin = $1 AND epoch = $2 AND trans_nr > $3 \
     AND trans_nr <= $4 ORDER BY trans_nr";

pub(super) const HEADS: &str =
    "SELECT origin, epoch, seal_nr, last_nr, hash, hlc FROM {d}received ORDER BY origin, epoch";
pub(super) const HEAD: &str =
    "SELECT origin, epoch, seal_nr, last_nr, hash, hlc FROM {d}received WHERE origin = $1 AND epoch = $2";
pub(super) const LOCK_HEAD: &str = "SELECT origin, epoch, seal_nr, last_nr, hash, hlc FROM {d}received WHERE origin = $1 AND epoch = $2{for_update}";
pub(super) const FIRST_HEAD: NewRow = NewRow {
    insert: "INSERT INTO {d}received (origin, epoch, seal_nr, last_nr, hash, hlc) VALUES ($1, $2, $3, $4, $5, $6)",
    key: "(origin, epoch)",
};
pub(super) const ADVANCE_HEAD: &str = "UPDATE {d}received SET seal_nr = $3, last_nr = $4, hash = $5, hlc = $6 \
     WHERE origin = $1 AND epoch = $2 AND seal_nr = $7 AND hash = $8 AND last_nr = $9";

/// PostgreSQL: the same two, and the word to whoever pulls from here, told when the transaction commits, if the last
/// parameter says so. What moves a head is flushed, whatever the session does otherwise: whoever reads it relies on it.
pub(super) const FIRST_HEAD_TELLING: &str = "INSERT INTO {d}received (origin, epoch, seal_nr, last_nr, hash, hlc) \
     SELECT $1, $2, $3, $4, $5, $6 FROM (SELECT CASE WHEN $7 THEN CAST(pg_notify('daybook_sealed', '') AS text) END, \
     set_config('synchronous_commit', 'on', true)) AS told \
     ON CONFLICT (origin, epoch) DO NOTHING";
pub(super) const ADVANCE_HEAD_TELLING: &str = "UPDATE {d}received SET seal_nr = $3, last_nr = $4, hash = $5, hlc = $6 \
     FROM (SELECT CASE WHEN $10 THEN CAST(pg_notify('daybook_sealed', '') AS text) END, \
     set_config('synchronous_commit', 'on', true)) AS told \
     WHERE origin = $1 AND epoch = $2 AND seal_nr = $7 AND hash = $8 AND last_nr = $9";
/// PostgreSQL: a seal that follows the head, in one statement: head, packed transactions (none when their first number is
/// 0), seal. Writes nothing when the head is elsewhere. `$24`: the run is the site's own, whose rows stand in the journal and
/// whose seal is told.
pub(super) const MOVE_AND_SEAL: &str = "WITH moved AS (UPDATE {d}received SET seal_nr = $3, last_nr = $4, hash = $5, hlc = $6 \
     FROM (SELECT CASE WHEN $24 THEN CAST(pg_notify('daybook_sealed', '') AS text) END, \
     set_config('synchronous_commit', 'on', true)) AS told \
     WHERE origin = $1 AND epoch = $2 AND seal_nr = $7 AND hash = $8 AND last_nr = $9 RETURNING 1), \
     packed AS (INSERT INTO {d}run (origin, epoch, last_nr, piece, first_nr, heads, payloads, in_journal) \
     SELECT $1, $2, $10, 1, $11, $12, $13, $24 FROM moved WHERE $11 > 0) \
     INSERT INTO {d}seal (origin, epoch, seal_nr, first_nr, last_nr, tx_count, entry_count, rejected_count, hlc, \
     seen, \"schema\", algorithm, prev_hash, hash, leaves, signature, sealed_at) \
     SELECT $1, $2, $3, $14, $4, $15, $16, $17, $6, $18, $19, $20, $8, $5, $21, $22, $23 FROM moved";
pub(super) const LISTEN_TO_APPENDS: &str = "UPDATE {d}listening SET appends = $1 WHERE appends <> $1";

pub(super) const SITE: &str = "SELECT name, epoch, group_name, stripe, ledger_version FROM {d}site";
/// `1 = 1` is the row's key in every dialect. SQLite would number a row without it, and a second one breaks the CHECK
/// before it meets the conflict.
pub(super) const INSERT_SITE: NewRow = NewRow {
    insert: "INSERT INTO {d}site (one_row, name, epoch, group_name, stripe, ledger_version) \
             VALUES (1 = 1, $1, $2, $3, $4, $5)",
    key: "",
};
pub(super) const SET_LEDGER_VERSION: &str = "UPDATE {d}site SET ledger_version = $1";

pub(super) const SCHEMA_VERSIONS: &str =
    "SELECT version, hash, tables, files, released_at FROM {d}schema_version ORDER BY version";
pub(super) const SCHEMA_VERSION: &str =
    "SELECT version, hash, tables, files, released_at FROM {d}schema_version WHERE version = $1";
pub(super) const INSERT_SCHEMA_VERSION: NewRow = NewRow {
    insert: "INSERT INTO {d}schema_version (version, hash, tables, files, released_at) VALUES ($1, $2, $3, $4, $5)",
    key: "(version)",
};

/// PostgreSQL: who holds the journal's write lock in this database, by virtual transaction id. Transactions that were
/// prepared for a two-phase commit have no session.
pub(super) const JOURNAL_WRITERS: &str = "SELECT l.virtualtransaction, l.pid IS NULL, CASE WHEN l.pid IS NULL \
     THEN 'a prepared transaction (see pg_prepared_xacts)' \
     ELSE format('pid %s (%s, %s, in its transaction since %s)', l.pid, \
          coalesce(nullif(a.application_name, ''), 'no application name'), coalesce(a.state, 'state hidden'), \
          coalesce(to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'unknown')) END \
     FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
     WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted \
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
     AND l.relation = '{d}journal'::regclass";

pub(super) const DECIDED: &str = "SELECT seal_nr, first_nr, last_nr FROM {d}seal WHERE origin = $1 AND epoch = $2 AND last_nr >= $3 \
     AND first_nr <= $4 AND first_nr <= last_nr ORDER BY last_nr LIMIT $5";
pub(super) const NEWEST_SEEN: &str =
    "SELECT seen FROM {d}seal WHERE origin = $1 ORDER BY epoch DESC, seal_nr DESC LIMIT 1";
/// Written by whoever runs the site; not there before it was first set up to be run.
pub(super) const DESIRED: &str = "SELECT generation, desired, who, why, since FROM {d}control";
/// As the row above: the applier's, and read here. Somebody said so, or an upgrade is at a step that asks for it.
pub(super) static AWAY: LazyLock<String> = LazyLock::new(|| {
    let steps = super::serving::LEAVING_STEPS.map(|step| format!("'{step}'")).join(", ");
    format!(
        "SELECT who, why, since FROM {{d}}traffic WHERE wanted = 'away' UNION ALL \
         SELECT who, 'upgrade from version ' || version_from || ' to ' || version_to, changed_at FROM {{d}}upgrade \
         WHERE step IN ({steps})"
    )
});
pub(super) const POSTED: &str = "SELECT trans_nr FROM {d}posted WHERE origin = $1 AND epoch = $2";
/// One row for each schema of views, the ledger's version in each; one row in any case.
pub(super) const VIEWS_POSTGRES: &str = "SELECT s.ledger_version, coalesce(CAST(n.nspname AS text), '') FROM {d}site s \
     LEFT JOIN pg_namespace n ON n.nspname ~ '^v[0-9]+$' \
     AND EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind = 'v')";
/// One row for each view.
pub(super) const VIEWS_SQLITE: &str = "SELECT s.ledger_version, coalesce(m.name, '') FROM {d}site s \
     LEFT JOIN sqlite_master m ON m.type = 'view'";
/// One row for each database of views beside this one.
pub(super) const VIEWS_MARIADB: &str = "SELECT s.ledger_version, coalesce(v.name, '') FROM {d}site s LEFT JOIN \
     (SELECT DISTINCT TABLE_SCHEMA AS name FROM information_schema.TABLES WHERE TABLE_TYPE = 'VIEW' \
     AND BINARY left(TABLE_SCHEMA, char_length(DATABASE()) + 2) = BINARY concat(DATABASE(), '_v') \
     AND substr(TABLE_SCHEMA, char_length(DATABASE()) + 3) REGEXP '^[0-9]+$') AS v ON 1 = 1";

pub(super) const TAKE_ID_BLOCK: &str = "INSERT INTO {d}id_block AS b (sequence, next_block) VALUES ($1, 1) \
     ON CONFLICT (sequence) DO UPDATE SET next_block = b.next_block + 1 RETURNING next_block - 1";
pub(super) const SKIP_ID_BLOCKS: &str = "INSERT INTO {d}id_block AS b (sequence, next_block) VALUES ($1, $2) ON CONFLICT (sequence) DO UPDATE \
     SET next_block = CASE WHEN b.next_block < $2 THEN $2 ELSE b.next_block END";
/// MariaDB: the same two. The table has one key, so it is clear which one a row met; the block after the one taken comes
/// back as the statement's number.
pub(super) const TAKE_ID_BLOCK_MARIADB: &str = "INSERT INTO {d}id_block (sequence, next_block) VALUES ($1, LAST_INSERT_ID(1)) \
     ON DUPLICATE KEY UPDATE next_block = LAST_INSERT_ID(next_block + 1)";
pub(super) const SKIP_ID_BLOCKS_MARIADB: &str = "INSERT INTO {d}id_block (sequence, next_block) VALUES ($1, $2) \
     ON DUPLICATE KEY UPDATE next_block = GREATEST(next_block, VALUES(next_block))";
