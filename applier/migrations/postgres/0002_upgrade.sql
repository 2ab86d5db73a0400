-- The rolling upgrade: where this site stands in it, what was done, how far its rows are moved.

-- The upgrade this site is in or was in last. One command at a time moves it: each change compares the step before.
CREATE TABLE daybook.upgrade (
    one_row         boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    operation       text    NOT NULL,
    sites           text    NOT NULL,
    version_from    bigint  NOT NULL,
    version_to      bigint  NOT NULL,
    direction       text    NOT NULL CHECK (direction IN ('forward', 'back')),
    step            text    NOT NULL,
    options         text    NOT NULL,
    checksum        text    NOT NULL,
    trouble         text    NOT NULL,
    who             text    NOT NULL,
    why             text    NOT NULL,
    started_at      bigint  NOT NULL,
    changed_at      bigint  NOT NULL
);

-- Every step that was carried out here, with its SQL.
CREATE TABLE daybook.upgrade_step (
    step_nr         bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation       text    NOT NULL,
    direction       text    NOT NULL,
    step            text    NOT NULL,
    outcome         text    NOT NULL,
    detail          text    NOT NULL,
    statements      text    NOT NULL,
    moved_rows      bigint  NOT NULL,
    who             text    NOT NULL,
    started_at      bigint  NOT NULL,
    ended_at        bigint  NOT NULL
);

-- The new tables that stand beside the old ones, made in one pause; none while the row is not there.
CREATE TABLE daybook.staging (
    one_row         boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    version_from    bigint  NOT NULL,
    version_to      bigint  NOT NULL,
    generation      bigint  NOT NULL,
    checksum        text    NOT NULL,
    began_at        bigint  NOT NULL
);

-- How far the rows of each old table are moved into them; changes in the transaction that moves rows.
CREATE TABLE daybook.staging_move (
    position        bigint  PRIMARY KEY,
    table_name      text    COLLATE "C" NOT NULL UNIQUE,
    last_key        bytea,
    moved_rows      bigint  NOT NULL,
    total_rows      bigint  NOT NULL,
    ended           boolean NOT NULL
);

-- The references of the new tables, off while rows move.
CREATE TABLE daybook.staging_reference (
    table_name      text    COLLATE "C" NOT NULL,
    name            text    COLLATE "C" NOT NULL,
    definition      text    NOT NULL,
    PRIMARY KEY (table_name, name)
);

-- How far this site's schema has gone: each expansion, each contraction, each way back.
CREATE TABLE daybook.upgrade_record (
    record_nr       bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation       text    NOT NULL,
    kind            text    NOT NULL CHECK (kind IN ('expansion', 'contraction', 'return')),
    version_from    bigint  NOT NULL,
    version_to      bigint  NOT NULL,
    checksum        text    NOT NULL,
    waived          text    NOT NULL,
    who             text    NOT NULL,
    why             text    NOT NULL,
    done_at         bigint  NOT NULL
);
