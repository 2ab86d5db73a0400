-- Questions that a schema version asks of its users: which columns may hold an ask code, and since when.

CREATE TABLE daybook_ask (
    ask             TEXT    PRIMARY KEY,
    version         INTEGER NOT NULL,
    entity          TEXT    NOT NULL,
    column_name     TEXT    NOT NULL,
    code            TEXT    NOT NULL,
    question        TEXT,
    kept            TEXT,
    since           INTEGER NOT NULL,
    closed          INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Rows that came to hold a code by posting, after the question was asked. The others hold it since then.
CREATE TABLE daybook_ask_row (
    ask             TEXT    NOT NULL,
    row_key         TEXT    NOT NULL,
    since           INTEGER NOT NULL,
    PRIMARY KEY (ask, row_key)
) STRICT;

-- Questions given up, by whom and why.
CREATE TABLE daybook_ask_waiver (
    ask             TEXT    PRIMARY KEY,
    who             TEXT    NOT NULL,
    why             TEXT    NOT NULL,
    since           INTEGER NOT NULL
) STRICT;
