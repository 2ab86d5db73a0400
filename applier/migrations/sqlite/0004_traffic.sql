-- Whether applications are to use this site: sent away before a pause, asked back once it has caught up.
CREATE TABLE daybook_traffic (
    one_row         INTEGER PRIMARY KEY DEFAULT 1 CHECK (one_row = 1),
    wanted          TEXT    NOT NULL CHECK (wanted IN ('here', 'away')),
    who             TEXT    NOT NULL,
    why             TEXT    NOT NULL,
    since           INTEGER  NOT NULL
) STRICT;
INSERT INTO daybook_traffic (wanted, who, why, since) VALUES ('here', 'init', '', 0);
