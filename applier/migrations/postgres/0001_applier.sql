-- The applier's state beside the ledger: checkpoints, control, lease, quarantine, complements, the record of actions.

-- How far each peer origin is posted here.
CREATE TABLE daybook.posted (
    origin          text    COLLATE "C" NOT NULL,
    epoch           bigint  NOT NULL,
    seal_nr         bigint  NOT NULL,
    trans_nr        bigint  NOT NULL,
    PRIMARY KEY (origin, epoch)
);

CREATE TABLE daybook.control (
    one_row         boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    generation      bigint  NOT NULL,
    desired         text    NOT NULL CHECK (desired IN ('running', 'paused')),
    who             text    NOT NULL,
    why             text    NOT NULL,
    since           bigint  NOT NULL
);
INSERT INTO daybook.control (generation, desired, who, why, since) VALUES (1, 'running', 'init', '', 0);

CREATE TABLE daybook.lease (
    one_row         boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    fence           bigint  NOT NULL,
    holder          text    NOT NULL,
    beat            bigint  NOT NULL
);
INSERT INTO daybook.lease (fence, holder, beat) VALUES (0, '', 0);

-- Why posting does not move, as the service last saw it; empty when it does.
CREATE TABLE daybook.waiting (
    one_row         boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    reason          text    NOT NULL,
    since           bigint  NOT NULL
);
INSERT INTO daybook.waiting (reason, since) VALUES ('', 0);

-- Transactions put aside; their content is in the journal. Ended ones stay on record.
CREATE TABLE daybook.quarantine (
    origin          text    COLLATE "C" NOT NULL,
    epoch           bigint  NOT NULL,
    trans_nr        bigint  NOT NULL,
    seal_nr         bigint  NOT NULL,
    arrival         bigint  NOT NULL,
    code            text    NOT NULL,
    detail          text    NOT NULL,
    depends_on      text,
    state           text    NOT NULL CHECK (state IN ('held', 'retry', 'discard', 'posted', 'discarded')),
    who             text    NOT NULL,
    why             text    NOT NULL,
    since           bigint  NOT NULL,
    PRIMARY KEY (origin, epoch, trans_nr)
);
CREATE INDEX quarantine_open ON daybook.quarantine (arrival) WHERE state IN ('held', 'retry', 'discard');

-- What mappings dropped, beside the row it belongs to.
CREATE TABLE daybook.complement (
    entity          text    COLLATE "C" NOT NULL,
    row_key         text    COLLATE "C" NOT NULL,
    cells           bytea   NOT NULL,
    PRIMARY KEY (entity, row_key)
);

-- Who did what, and why.
CREATE TABLE daybook.action (
    action_nr       bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    done_at         bigint  NOT NULL,
    who             text    NOT NULL,
    what            text    NOT NULL,
    why             text    NOT NULL
);
