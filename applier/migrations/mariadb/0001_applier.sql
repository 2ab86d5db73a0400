-- The applier's state beside the ledger: checkpoints, control, lease, quarantine, complements, the record of actions, the
-- rolling upgrade, questions to users, where time goes.
--
-- DDL commits by itself here: every statement may run twice, so that what a crash cut off is done again. Names and texts
-- compare byte by byte.

-- How far each peer origin is posted here.
CREATE TABLE IF NOT EXISTS daybook_posted (
    origin          VARCHAR(64) NOT NULL,
    epoch           BIGINT   NOT NULL,
    seal_nr         BIGINT   NOT NULL,
    trans_nr        BIGINT   NOT NULL,
    PRIMARY KEY (origin, epoch)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS daybook_control (
    one_row         INTEGER  NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one_row = 1),
    generation      BIGINT   NOT NULL,
    desired         VARCHAR(16) NOT NULL CHECK (desired IN ('running', 'paused')),
    who             LONGTEXT NOT NULL,
    why             LONGTEXT NOT NULL,
    since           BIGINT   NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

INSERT INTO daybook_control (generation, desired, who, why, since)
SELECT 1, 'running', 'init', '', 0 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM daybook_control);

CREATE TABLE IF NOT EXISTS daybook_lease (
    one_row         INTEGER  NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one_row = 1),
    fence           BIGINT   NOT NULL,
    holder          LONGTEXT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

INSERT INTO daybook_lease (fence, holder)
SELECT 0, '' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM daybook_lease);

-- The signs of life of the lease's holder, in a row of their own: posting transactions lock the lease, and a sign of life
-- must not wait for them.
CREATE TABLE IF NOT EXISTS daybook_beat (
    one_row         INTEGER  NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one_row = 1),
    beat            BIGINT   NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

INSERT INTO daybook_beat (beat)
SELECT 0 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM daybook_beat);

-- Why posting does not move, as the service last saw it; empty when it does.
CREATE TABLE IF NOT EXISTS daybook_waiting (
    one_row         INTEGER  NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one_row = 1),
    reason          LONGTEXT NOT NULL,
    since           BIGINT   NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

INSERT INTO daybook_waiting (reason, since)
SELECT '', 0 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM daybook_waiting);

-- Transactions put aside; their content is in the journal. Ended ones stay on record.
CREATE TABLE IF NOT EXISTS daybook_quarantine (
    origin          VARCHAR(64) NOT NULL,
    epoch           BIGINT   NOT NULL,
    trans_nr        BIGINT   NOT NULL,
    seal_nr         BIGINT   NOT NULL,
    arrival         BIGINT   NOT NULL,
    code            LONGTEXT NOT NULL,
    detail          LONGTEXT NOT NULL,
    depends_on      LONGTEXT,
    state           VARCHAR(16) NOT NULL CHECK (state IN ('held', 'retry', 'discard', 'posted', 'discarded')),
    who             LONGTEXT NOT NULL,
    why             LONGTEXT NOT NULL,
    since           BIGINT   NOT NULL,
    PRIMARY KEY (origin, epoch, trans_nr),
    KEY daybook_quarantine_open (state, arrival)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- What mappings dropped, beside the row it belongs to: {"2:fax":{"text":"555"}}.
CREATE TABLE IF NOT EXISTS daybook_complement (
    entity          VARCHAR(64) NOT NULL,
    row_key         VARCHAR(680) NOT NULL,
    cells           LONGTEXT NOT NULL,
    PRIMARY KEY (entity, row_key)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- Who did what, and why.
CREATE TABLE IF NOT EXISTS daybook_action (
    action_nr       BIGINT   NOT NULL AUTO_INCREMENT PRIMARY KEY,
    done_at         BIGINT   NOT NULL,
    who             LONGTEXT NOT NULL,
    what            LONGTEXT NOT NULL,
    why             LONGTEXT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- The upgrade this site is in or was in last. One command at a time moves it: each change compares the step before.
CREATE TABLE IF NOT EXISTS daybook_upgrade (
    one_row         INTEGER  NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one_row = 1),
    operation       LONGTEXT NOT NULL,
    sites           LONGTEXT NOT NULL,
    version_from    BIGINT   NOT NULL,
    version_to      BIGINT   NOT NULL,
    direction       VARCHAR(16) NOT NULL CHECK (direction IN ('forward', 'back')),
    step            LONGTEXT NOT NULL,
    options         LONGTEXT NOT NULL,
    checksum        LONGTEXT NOT NULL,
    trouble         LONGTEXT NOT NULL,
    who             LONGTEXT NOT NULL,
    why             LONGTEXT NOT NULL,
    started_at      BIGINT   NOT NULL,
    changed_at      BIGINT   NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- Every step that was carried out here, with its SQL.
CREATE TABLE IF NOT EXISTS daybook_upgrade_step (
    step_nr         BIGINT   NOT NULL AUTO_INCREMENT PRIMARY KEY,
    operation       LONGTEXT NOT NULL,
    direction       LONGTEXT NOT NULL,
    step            LONGTEXT NOT NULL,
    outcome         LONGTEXT NOT NULL,
    detail          LONGTEXT NOT NULL,
    statements      LONGTEXT NOT NULL,
    moved_rows      BIGINT   NOT NULL,
    who             LONGTEXT NOT NULL,
    started_at      BIGINT   NOT NULL,
    ended_at        BIGINT   NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- The new tables that stand beside the old ones, made in one pause; none while the row is not there.
CREATE TABLE IF NOT EXISTS daybook_staging (
    one_row         INTEGER  NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one_row = 1),
    version_from    BIGINT   NOT NULL,
    version_to      BIGINT   NOT NULL,
    generation      BIGINT   NOT NULL,
    checksum        LONGTEXT NOT NULL,
    began_at        BIGINT   NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- How far the rows of each old table are moved into them; changes in the transaction that moves rows.
CREATE TABLE IF NOT EXISTS daybook_staging_move (
    position        BIGINT   NOT NULL PRIMARY KEY,
    table_name      VARCHAR(64) NOT NULL UNIQUE,
    last_key        LONGBLOB,
    moved_rows      BIGINT   NOT NULL,
    total_rows      BIGINT   NOT NULL,
    ended           BOOLEAN  NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- The references of the new tables, off while rows move.
CREATE TABLE IF NOT EXISTS daybook_staging_reference (
    table_name      VARCHAR(64) NOT NULL,
    name            VARCHAR(64) NOT NULL,
    definition      LONGTEXT NOT NULL,
    PRIMARY KEY (table_name, name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- A row while the new tables take the place of the old ones, by statements that each commit by themselves: until it is gone
-- the site stays paused.
CREATE TABLE IF NOT EXISTS daybook_switching (
    one_row         INTEGER  NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one_row = 1),
    began_at        BIGINT   NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- How far this site's schema has gone: each expansion, each contraction, each way back.
CREATE TABLE IF NOT EXISTS daybook_upgrade_record (
    record_nr       BIGINT   NOT NULL AUTO_INCREMENT PRIMARY KEY,
    operation       LONGTEXT NOT NULL,
    kind            VARCHAR(16) NOT NULL CHECK (kind IN ('expansion', 'contraction', 'return')),
    version_from    BIGINT   NOT NULL,
    version_to      BIGINT   NOT NULL,
    checksum        LONGTEXT NOT NULL,
    waived          LONGTEXT NOT NULL,
    who             LONGTEXT NOT NULL,
    why             LONGTEXT NOT NULL,
    done_at         BIGINT   NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- Whether applications are to use this site: sent away before a pause, asked back once it has caught up.
CREATE TABLE IF NOT EXISTS daybook_traffic (
    one_row         INTEGER  NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one_row = 1),
    wanted          VARCHAR(16) NOT NULL CHECK (wanted IN ('here', 'away')),
    who             LONGTEXT NOT NULL,
    why             LONGTEXT NOT NULL,
    since           BIGINT   NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

INSERT INTO daybook_traffic (wanted, who, why, since)
SELECT 'here', 'init', '', 0 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM daybook_traffic);

-- Questions that a schema version asks of its users: which columns may hold an ask code, and since when.
CREATE TABLE IF NOT EXISTS daybook_ask (
    ask             VARCHAR(200) NOT NULL PRIMARY KEY,
    version         BIGINT   NOT NULL,
    entity          LONGTEXT NOT NULL,
    column_name     LONGTEXT NOT NULL,
    code            LONGTEXT NOT NULL,
    question        LONGTEXT,
    kept            LONGTEXT,
    since           BIGINT   NOT NULL,
    closed          BIGINT   NOT NULL DEFAULT 0
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- Rows that came to hold a code by posting, after the question was asked. The others hold it since then, and so do those
-- whose key is too long to stand here.
CREATE TABLE IF NOT EXISTS daybook_ask_row (
    ask             VARCHAR(200) NOT NULL,
    row_key         VARCHAR(500) NOT NULL,
    since           BIGINT   NOT NULL,
    PRIMARY KEY (ask, row_key)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- Questions given up, by whom and why.
CREATE TABLE IF NOT EXISTS daybook_ask_waiver (
    ask             VARCHAR(200) NOT NULL PRIMARY KEY,
    who             LONGTEXT NOT NULL,
    why             LONGTEXT NOT NULL,
    since           BIGINT   NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- Where the time of the poster goes that runs here, or ran last: microseconds since then, by what it was at.
CREATE TABLE IF NOT EXISTS daybook_spent (
    one_row         INTEGER  NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one_row = 1),
    since           BIGINT   NOT NULL,
    transactions    BIGINT   NOT NULL,
    reading         BIGINT   NOT NULL,
    preparing       BIGINT   NOT NULL,
    applying        BIGINT   NOT NULL,
    committing      BIGINT   NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

INSERT INTO daybook_spent (since, transactions, reading, preparing, applying, committing)
SELECT 0, 0, 0, 0, 0, 0 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM daybook_spent);
