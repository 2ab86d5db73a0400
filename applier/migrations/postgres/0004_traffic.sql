-- Whether applications are to use this site: sent away before a pause, asked back once it has caught up.
CREATE TABLE daybook.traffic (
    one_row         boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    wanted          text    NOT NULL CHECK (wanted IN ('here', 'away')),
    who             text    NOT NULL,
    why             text    NOT NULL,
    since           bigint  NOT NULL
);
INSERT INTO daybook.traffic (wanted, who, why, since) VALUES ('here', 'init', '', 0);
