-- Questions that a schema version asks of its users: which columns may hold an ask code, and since when.

CREATE TABLE daybook.ask (
    ask             text    PRIMARY KEY,
    version         bigint  NOT NULL,
    entity          text    NOT NULL,
    column_name     text    NOT NULL,
    code            text    NOT NULL,
    question        text,
    kept            text,
    since           bigint  NOT NULL,
    closed          bigint  NOT NULL DEFAULT 0
);

-- Rows that came to hold a code by posting, after the question was asked. The others hold it since then.
CREATE TABLE daybook.ask_row (
    ask             text    NOT NULL,
    row_key         text    NOT NULL,
    since           bigint  NOT NULL,
    PRIMARY KEY (ask, row_key)
);

-- Questions given up, by whom and why.
CREATE TABLE daybook.ask_waiver (
    ask             text    PRIMARY KEY,
    who             text    NOT NULL,
    why             text    NOT NULL,
    since           bigint  NOT NULL
);
