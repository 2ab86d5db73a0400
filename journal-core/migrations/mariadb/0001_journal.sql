-- The journal of one site. Documented in docs/format.md; reading it is part of the API.
--
-- DDL commits by itself here: every statement may run twice, so that what a crash cut off is done again. Names and texts
-- compare byte by byte.

CREATE TABLE IF NOT EXISTS daybook_site (
    one_row         INTEGER  NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one_row = 1),
    name            VARCHAR(64) NOT NULL,
    epoch           BIGINT   NOT NULL,
    group_name      LONGTEXT NOT NULL,
    stripe          BIGINT   NOT NULL,
    ledger_version  BIGINT   NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- A counter row, locked by the append that takes numbers from it: numbers are dense, and in the order of commits.
CREATE TABLE IF NOT EXISTS daybook_trans_nr (
    one_row         INTEGER  NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one_row = 1),
    last_nr         BIGINT   NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

INSERT INTO daybook_trans_nr (one_row, last_nr)
SELECT 1, 0 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM daybook_trans_nr);

-- first_tx_id: one transaction per idempotency key and origin. NULLs break no unique key.
CREATE TABLE IF NOT EXISTS daybook_journal (
    origin          VARCHAR(64) NOT NULL,
    epoch           BIGINT   NOT NULL,
    trans_nr        BIGINT   NOT NULL,
    entry_nr        BIGINT   NOT NULL,
    tx_id           BINARY(16) NOT NULL,
    schema_version  BIGINT   NOT NULL,
    entity          LONGTEXT NOT NULL,
    op              LONGTEXT NOT NULL,
    row_key         LONGTEXT NOT NULL,
    codec           BIGINT   NOT NULL,
    payload         LONGBLOB NOT NULL,
    author          LONGTEXT NOT NULL,
    appended_at     BIGINT   NOT NULL,
    first_tx_id     BINARY(16) AS (CASE WHEN entry_nr = 1 THEN tx_id END) STORED,
    PRIMARY KEY (origin, epoch, trans_nr, entry_nr),
    UNIQUE KEY daybook_journal_tx_id (origin, epoch, first_tx_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS daybook_seal (
    origin          VARCHAR(64) NOT NULL,
    epoch           BIGINT   NOT NULL,
    seal_nr         BIGINT   NOT NULL,
    first_nr        BIGINT   NOT NULL,
    last_nr         BIGINT   NOT NULL,
    tx_count        BIGINT   NOT NULL,
    entry_count     BIGINT   NOT NULL,
    rejected_count  BIGINT   NOT NULL,
    hlc             BIGINT   NOT NULL,
    seen            LONGTEXT NOT NULL,
    `schema`        BIGINT   NOT NULL,
    algorithm       BIGINT   NOT NULL,
    prev_hash       LONGBLOB NOT NULL,
    hash            LONGBLOB NOT NULL,
    leaves          LONGBLOB NOT NULL,
    signature       LONGBLOB NOT NULL,
    sealed_at       BIGINT   NOT NULL,
    PRIMARY KEY (origin, epoch, seal_nr),
    KEY daybook_seal_run (origin, epoch, last_nr)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS daybook_rejection (
    origin          VARCHAR(64) NOT NULL,
    epoch           BIGINT   NOT NULL,
    trans_nr        BIGINT   NOT NULL,
    code            LONGTEXT NOT NULL,
    detail          LONGTEXT NOT NULL,
    PRIMARY KEY (origin, epoch, trans_nr)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- How far each origin's seals stand here; the own origin's row is its last own seal.
CREATE TABLE IF NOT EXISTS daybook_received (
    origin          VARCHAR(64) NOT NULL,
    epoch           BIGINT   NOT NULL,
    seal_nr         BIGINT   NOT NULL,
    last_nr         BIGINT   NOT NULL,
    hash            LONGBLOB NOT NULL,
    hlc             BIGINT   NOT NULL,
    PRIMARY KEY (origin, epoch)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- Released schema versions: the set's files as released, and the tables as the client library reads them.
CREATE TABLE IF NOT EXISTS daybook_schema_version (
    version         BIGINT   NOT NULL PRIMARY KEY,
    hash            LONGTEXT NOT NULL,
    tables          LONGTEXT NOT NULL,
    files           LONGTEXT NOT NULL,
    released_at     BIGINT   NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- The next block of ids of each sequence the application asks for.
CREATE TABLE IF NOT EXISTS daybook_id_block (
    sequence        VARCHAR(255) NOT NULL PRIMARY KEY,
    next_block      BIGINT   NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- What was received of peers, and beside their rows the site's own sealed transactions: packed (docs/format.md).
CREATE TABLE IF NOT EXISTS daybook_run (
    origin          VARCHAR(64) NOT NULL,
    epoch           BIGINT   NOT NULL,
    last_nr         BIGINT   NOT NULL,
    piece           BIGINT   NOT NULL,
    first_nr        BIGINT   NOT NULL,
    heads           LONGTEXT NOT NULL,
    payloads        LONGBLOB NOT NULL,
    in_journal      BOOLEAN  NOT NULL DEFAULT FALSE,
    PRIMARY KEY (origin, epoch, last_nr, piece)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- Every entry, own or received, as a row. Who looks for few received ones bounds run_first_nr and run_last_nr as well:
-- others are not opened then.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW daybook_entry AS
SELECT origin, epoch, trans_nr, entry_nr, tx_id, schema_version, entity, op, row_key, codec, payload, author, appended_at,
       trans_nr AS run_first_nr, trans_nr AS run_last_nr
FROM daybook_journal
UNION ALL
SELECT r.origin, r.epoch, t.trans_nr, t.first_entry + t.place - 1, UNHEX(t.tx_id), t.schema_version, t.entity, t.op,
       t.row_key, t.codec, SUBSTRING(r.payloads, t.start + 1, t.length), t.author, t.appended_at, r.first_nr, r.last_nr
FROM daybook_run AS r
CROSS JOIN JSON_TABLE(r.heads, '$[*]' COLUMNS (
    trans_nr        BIGINT   PATH '$[0]' ERROR ON EMPTY ERROR ON ERROR,
    tx_id           VARCHAR(64) PATH '$[1]' ERROR ON EMPTY ERROR ON ERROR,
    schema_version  BIGINT   PATH '$[2]' ERROR ON EMPTY ERROR ON ERROR,
    author          LONGTEXT PATH '$[3]' ERROR ON EMPTY ERROR ON ERROR,
    appended_at     BIGINT   PATH '$[4]' ERROR ON EMPTY ERROR ON ERROR,
    first_entry     BIGINT   PATH '$[5]' ERROR ON EMPTY ERROR ON ERROR,
    NESTED PATH '$[6][*]' COLUMNS (
        place       FOR ORDINALITY,
        entity      LONGTEXT PATH '$[0]' ERROR ON EMPTY ERROR ON ERROR,
        op          LONGTEXT PATH '$[1]' ERROR ON EMPTY ERROR ON ERROR,
        row_key     LONGTEXT PATH '$[2]' ERROR ON EMPTY ERROR ON ERROR,
        codec       BIGINT   PATH '$[3]' ERROR ON EMPTY ERROR ON ERROR,
        start       BIGINT   PATH '$[4]' ERROR ON EMPTY ERROR ON ERROR,
        length      BIGINT   PATH '$[5]' ERROR ON EMPTY ERROR ON ERROR
    )
)) AS t
WHERE NOT r.in_journal;

CREATE OR REPLACE SQL SECURITY INVOKER VIEW daybook_journal_readable AS
SELECT origin, epoch, trans_nr, entry_nr, tx_id, schema_version, entity, op, row_key,
       CASE codec WHEN 2 THEN CONVERT(payload USING utf8mb4) END AS json_payload,
       author, TIMESTAMP('1970-01-01 00:00:00') + INTERVAL appended_at MICROSECOND AS appended_at
FROM daybook_entry;
