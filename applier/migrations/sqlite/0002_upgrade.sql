-- The rolling upgrade: where this site stands in it, what was done, how far its rows are moved.

-- The upgrade this site is in or was in last. One command at a time moves it: each change compares the step before.
CREATE TABLE daybook_upgrade (
    one_row         INTEGER PRIMARY KEY DEFAULT 1 CHECK (one_row = 1),
    operation       TEXT    NOT NULL,
    sites           TEXT    NOT NULL,
    version_from    INTEGER NOT NULL,
    version_to      INTEGER NOT NULL,
    direction       TEXT    NOT NULL CHECK (direction IN ('forward', 'back')),
    step            TEXT    NOT NULL,
    options         TEXT    NOT NULL,
    checksum        TEXT    NOT NULL,
    trouble         TEXT    NOT NULL,
    who             TEXT    NOT NULL,
    why             TEXT    NOT NULL,
    started_at      INTEGER NOT NULL,
    changed_at      INTEGER NOT NULL
) STRICT;

-- Every step that was carried out here, with its SQL.
CREATE TABLE daybook_upgrade_step (
    step_nr         INTEGER PRIMARY KEY,
    operation       TEXT    NOT NULL,
    direction       TEXT    NOT NULL,
    step            TEXT    NOT NULL,
    outcome         TEXT    NOT NULL,
    detail          TEXT    NOT NULL,
    statements      TEXT    NOT NULL,
    moved_rows      INTEGER NOT NULL,
    who             TEXT    NOT NULL,
    started_at      INTEGER NOT NULL,
    ended_at        INTEGER NOT NULL
) STRICT;

-- The new tables that stand beside the old ones, made in one pause; none while the row is not there.
CREATE TABLE daybook_staging (
    one_row         INTEGER PRIMARY KEY DEFAULT 1 CHECK (one_row = 1),
    version_from    INTEGER NOT NULL,
    version_to      INTEGER NOT NULL,
    generation      INTEGER NOT NULL,
    checksum        TEXT    NOT NULL,
    began_at        INTEGER NOT NULL
) STRICT;

-- How far the rows of each old table are moved into them; changes in the transaction that moves rows.
CREATE TABLE daybook_staging_move (
    position        INTEGER PRIMARY KEY,
    table_name      TEXT    NOT NULL UNIQUE,
    last_key        BLOB,
    moved_rows      INTEGER NOT NULL,
    total_rows      INTEGER NOT NULL,
    ended           INTEGER NOT NULL CHECK (ended IN (0, 1))
) STRICT;

-- The references of the new tables, off while rows move.
CREATE TABLE daybook_staging_reference (
    table_name      TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    definition      TEXT    NOT NULL,
    PRIMARY KEY (table_name, name)
) STRICT;

-- How far this site's schema has gone: each expansion, each contraction, each way back.
CREATE TABLE daybook_upgrade_record (
    record_nr       INTEGER PRIMARY KEY,
    operation       TEXT    NOT NULL,
    kind            TEXT    NOT NULL CHECK (kind IN ('expansion', 'contraction', 'return')),
    version_from    INTEGER NOT NULL,
    version_to      INTEGER NOT NULL,
    checksum        TEXT    NOT NULL,
    waived          TEXT    NOT NULL,
    who             TEXT    NOT NULL,
    why             TEXT    NOT NULL,
    done_at         INTEGER NOT NULL
) STRICT;
