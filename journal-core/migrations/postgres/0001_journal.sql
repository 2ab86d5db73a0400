-- The journal of one site. Documented in docs/format.md; reading it is part of the API.

CREATE TABLE daybook.site (
    one_row         boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    name            text    NOT NULL,
    epoch           bigint  NOT NULL,
    group_name      text    NOT NULL,
    stripe          bigint  NOT NULL,
    ledger_version  bigint  NOT NULL
);

-- CACHE 1: cached blocks would hand numbers out far out of order.
CREATE SEQUENCE daybook.trans_nr AS bigint CACHE 1;

CREATE TABLE daybook.journal (
    origin          text    COLLATE "C" NOT NULL,
    epoch           bigint  NOT NULL,
    trans_nr        bigint  NOT NULL,
    entry_nr        bigint  NOT NULL,
    tx_id           uuid    NOT NULL,
    schema_version  bigint  NOT NULL,
    entity          text    NOT NULL,
    op              text    NOT NULL,
    row_key         text    NOT NULL,
    codec           bigint  NOT NULL,
    payload         bytea   NOT NULL,
    author          text    NOT NULL,
    appended_at     bigint  NOT NULL,
    PRIMARY KEY (origin, epoch, trans_nr, entry_nr)
);

-- One transaction per idempotency key and origin.
CREATE UNIQUE INDEX journal_tx_id ON daybook.journal (origin, epoch, tx_id) WHERE entry_nr = 1;

CREATE TABLE daybook.seal (
    origin          text    COLLATE "C" NOT NULL,
    epoch           bigint  NOT NULL,
    seal_nr         bigint  NOT NULL,
    first_nr        bigint  NOT NULL,
    last_nr         bigint  NOT NULL,
    tx_count        bigint  NOT NULL,
    entry_count     bigint  NOT NULL,
    rejected_count  bigint  NOT NULL,
    hlc             bigint  NOT NULL,
    seen            text    NOT NULL,
    schema          bigint  NOT NULL,
    algorithm       bigint  NOT NULL,
    prev_hash       bytea   NOT NULL,
    hash            bytea   NOT NULL,
    leaves          bytea   NOT NULL,
    signature       bytea   NOT NULL,
    sealed_at       bigint  NOT NULL,
    PRIMARY KEY (origin, epoch, seal_nr)
);

CREATE INDEX seal_run ON daybook.seal (origin, epoch, last_nr);

CREATE TABLE daybook.rejection (
    origin          text    COLLATE "C" NOT NULL,
    epoch           bigint  NOT NULL,
    trans_nr        bigint  NOT NULL,
    code            text    NOT NULL,
    detail          text    NOT NULL,
    PRIMARY KEY (origin, epoch, trans_nr)
);

-- How far each origin's seals stand here; the own origin's row is its last own seal.
CREATE TABLE daybook.received (
    origin          text    COLLATE "C" NOT NULL,
    epoch           bigint  NOT NULL,
    seal_nr         bigint  NOT NULL,
    last_nr         bigint  NOT NULL,
    hash            bytea   NOT NULL,
    hlc             bigint  NOT NULL,
    PRIMARY KEY (origin, epoch)
);

-- Released schema versions: the set's files as released, and the tables as the client library reads them.
CREATE TABLE daybook.schema_version (
    version         bigint  PRIMARY KEY,
    hash            text    NOT NULL,
    tables          text    NOT NULL,
    files           text    NOT NULL,
    released_at     bigint  NOT NULL
);

-- The next block of ids of each sequence the application asks for.
CREATE TABLE daybook.id_block (
    sequence        text    PRIMARY KEY,
    next_block      bigint  NOT NULL
);

CREATE VIEW daybook.journal_readable AS
SELECT origin, epoch, trans_nr, entry_nr, tx_id, schema_version, entity, op, row_key,
       CASE codec WHEN 2 THEN convert_from(payload, 'UTF8') END AS json_payload,
       author, to_timestamp(appended_at / 1000000.0) AS appended_at
FROM daybook.journal;
