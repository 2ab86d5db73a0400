-- The applier's state beside the ledger: checkpoints, control, lease, quarantine, complements, the record of actions.

-- How far each peer origin is posted here.
CREATE TABLE daybook_posted (
    origin          TEXT    NOT NULL,
    epoch           INTEGER  NOT NULL,
    seal_nr         INTEGER  NOT NULL,
    trans_nr        INTEGER  NOT NULL,
    PRIMARY KEY (origin, epoch)
) STRICT;

CREATE TABLE daybook_control (
    one_row         INTEGER PRIMARY KEY DEFAULT 1 CHECK (one_row = 1),
    generation      INTEGER  NOT NULL,
    desired         TEXT    NOT NULL CHECK (desired IN ('running', 'paused')),
    who             TEXT    NOT NULL,
    why             TEXT    NOT NULL,
    since           INTEGER  NOT NULL
) STRICT;
INSERT INTO daybook_control (generation, desired, who, why, since) VALUES (1, 'running', 'init', '', 0);

CREATE TABLE daybook_lease (
    one_row         INTEGER PRIMARY KEY DEFAULT 1 CHECK (one_row = 1),
    fence           INTEGER  NOT NULL,
    holder          TEXT    NOT NULL,
    beat            INTEGER  NOT NULL
) STRICT;
INSERT INTO daybook_lease (fence, holder, beat) VALUES (0, '', 0);

-- Why posting does not move, as the service last saw it; empty when it does.
CREATE TABLE daybook_waiting (
    one_row         INTEGER PRIMARY KEY DEFAULT 1 CHECK (one_row = 1),
    reason          TEXT    NOT NULL,
    since           INTEGER  NOT NULL
) STRICT;
INSERT INTO daybook_waiting (reason, since) VALUES ('', 0);

-- Transactions put aside; their content is in the journal. Ended ones stay on record.
CREATE TABLE daybook_quarantine (
    origin          TEXT    NOT NULL,
    epoch           INTEGER  NOT NULL,
    trans_nr        INTEGER  NOT NULL,
    seal_nr         INTEGER  NOT NULL,
    arrival         INTEGER  NOT NULL,
    code            TEXT    NOT NULL,
    detail          TEXT    NOT NULL,
    depends_on      TEXT,
    state           TEXT    NOT NULL CHECK (state IN ('held', 'retry', 'discard', 'posted', 'discarded')),
    who             TEXT    NOT NULL,
    why             TEXT    NOT NULL,
    since           INTEGER  NOT NULL,
    PRIMARY KEY (origin, epoch, trans_nr)
) STRICT;
CREATE INDEX daybook_quarantine_open ON daybook_quarantine (arrival) WHERE state IN ('held', 'retry', 'discard');

-- What mappings dropped, beside the row it belongs to.
CREATE TABLE daybook_complement (
    entity          TEXT    NOT NULL,
    row_key         TEXT    NOT NULL,
    cells           BLOB   NOT NULL,
    PRIMARY KEY (entity, row_key)
) STRICT;

-- Who did what, and why.
CREATE TABLE daybook_action (
    action_nr       INTEGER PRIMARY KEY,
    done_at         INTEGER  NOT NULL,
    who             TEXT    NOT NULL,
    what            TEXT    NOT NULL,
    why             TEXT    NOT NULL
) STRICT;
