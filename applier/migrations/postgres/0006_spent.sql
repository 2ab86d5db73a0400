-- Where the time of the poster goes that runs here, or ran last: microseconds since then, by what it was at.
CREATE TABLE daybook.spent (
    one_row         boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    since           bigint  NOT NULL,
    transactions    bigint  NOT NULL,
    reading         bigint  NOT NULL,
    preparing       bigint  NOT NULL,
    applying        bigint  NOT NULL,
    committing      bigint  NOT NULL
);
INSERT INTO daybook.spent (since, transactions, reading, preparing, applying, committing) VALUES (0, 0, 0, 0, 0, 0);
