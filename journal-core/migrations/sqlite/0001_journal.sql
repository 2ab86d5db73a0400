-- The journal of one site. Documented in docs/format.md; reading it is part of the API.

CREATE TABLE daybook_site (
    one_row         INTEGER PRIMARY KEY DEFAULT 1 CHECK (one_row = 1),
    name            TEXT    NOT NULL,
    epoch           INTEGER  NOT NULL,
    group_name      TEXT    NOT NULL,
    stripe          INTEGER  NOT NULL,
    ledger_version  INTEGER  NOT NULL
) STRICT;

-- A counter row, locked by the append that takes numbers from it: numbers are dense.
CREATE TABLE daybook_trans_nr (
    one_row         INTEGER PRIMARY KEY DEFAULT 1 CHECK (one_row = 1),
    last_nr         INTEGER NOT NULL
) STRICT;

INSERT INTO daybook_trans_nr (last_nr) VALUES (0);

CREATE TABLE daybook_journal (
    origin          TEXT    NOT NULL,
    epoch           INTEGER  NOT NULL,
    trans_nr        INTEGER  NOT NULL,
    entry_nr        INTEGER  NOT NULL,
    tx_id           BLOB    NOT NULL,
    schema_version  INTEGER  NOT NULL,
    entity          TEXT    NOT NULL,
    op              TEXT    NOT NULL,
    row_key         TEXT    NOT NULL,
    codec           INTEGER  NOT NULL,
    payload         BLOB   NOT NULL,
    author          TEXT    NOT NULL,
    appended_at     INTEGER  NOT NULL,
    PRIMARY KEY (origin, epoch, trans_nr, entry_nr)
) STRICT;

-- One transaction per idempotency key and origin.
CREATE UNIQUE INDEX daybook_journal_tx_id ON daybook_journal (origin, epoch, tx_id) WHERE entry_nr = 1;

CREATE TABLE daybook_seal (
    origin          TEXT    NOT NULL,
    epoch           INTEGER  NOT NULL,
    seal_nr         INTEGER  NOT NULL,
    first_nr        INTEGER  NOT NULL,
    last_nr         INTEGER  NOT NULL,
    tx_count        INTEGER  NOT NULL,
    entry_count     INTEGER  NOT NULL,
    rejected_count  INTEGER  NOT NULL,
    hlc             INTEGER  NOT NULL,
    seen            TEXT    NOT NULL,
    schema          INTEGER  NOT NULL,
    algorithm       INTEGER  NOT NULL,
    prev_hash       BLOB   NOT NULL,
    hash            BLOB   NOT NULL,
    leaves          BLOB   NOT NULL,
    signature       BLOB   NOT NULL,
    sealed_at       INTEGER  NOT NULL,
    PRIMARY KEY (origin, epoch, seal_nr)
) STRICT;

CREATE INDEX daybook_seal_run ON daybook_seal (origin, epoch, last_nr);

CREATE TABLE daybook_rejection (
    origin          TEXT    NOT NULL,
    epoch           INTEGER  NOT NULL,
    trans_nr        INTEGER  NOT NULL,
    code            TEXT    NOT NULL,
    detail          TEXT    NOT NULL,
    PRIMARY KEY (origin, epoch, trans_nr)
) STRICT;

-- How far each origin's seals stand here; the own origin's row is its last own seal.
CREATE TABLE daybook_received (
    origin          TEXT    NOT NULL,
    epoch           INTEGER  NOT NULL,
    seal_nr         INTEGER  NOT NULL,
    last_nr         INTEGER  NOT NULL,
    hash            BLOB   NOT NULL,
    hlc             INTEGER  NOT NULL,
    PRIMARY KEY (origin, epoch)
) STRICT;

-- Released schema versions: the set's files as released, and the tables as the client library reads them.
CREATE TABLE daybook_schema_version (
    version         INTEGER  PRIMARY KEY,
    hash            TEXT    NOT NULL,
    tables          TEXT    NOT NULL,
    files           TEXT    NOT NULL,
    released_at     INTEGER  NOT NULL
) STRICT;

-- The next block of ids of each sequence the application asks for.
CREATE TABLE daybook_id_block (
    sequence        TEXT    PRIMARY KEY,
    next_block      INTEGER  NOT NULL
) STRICT;

CREATE VIEW daybook_journal_readable AS
SELECT origin, epoch, trans_nr, entry_nr, tx_id, schema_version, entity, op, row_key,
       CASE codec WHEN 2 THEN CAST(payload AS TEXT) END AS json_payload,
       author, datetime(appended_at / 1000000, 'unixepoch') AS appended_at
FROM daybook_journal;
