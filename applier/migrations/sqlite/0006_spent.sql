-- Where the time of the poster goes that runs here, or ran last: microseconds since then, by what it was at.
CREATE TABLE daybook_spent (
    one_row         INTEGER PRIMARY KEY DEFAULT 1 CHECK (one_row = 1),
    since           INTEGER NOT NULL,
    transactions    INTEGER NOT NULL,
    reading         INTEGER NOT NULL,
    preparing       INTEGER NOT NULL,
    applying        INTEGER NOT NULL,
    committing      INTEGER NOT NULL
) STRICT;
INSERT INTO daybook_spent (since, transactions, reading, preparing, applying, committing) VALUES (0, 0, 0, 0, 0, 0);
