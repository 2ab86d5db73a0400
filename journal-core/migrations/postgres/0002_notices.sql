-- Whether the site's poster wants to be told of appends. While it is busy it finds them anyway, and commits that tell
-- somebody wait for one another.
CREATE TABLE daybook.listening (
    one_row         boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    appends         boolean NOT NULL
);
INSERT INTO daybook.listening (appends) VALUES (false);

-- Hashes do not compress; trying took a tenth of the time that receiving takes.
ALTER TABLE daybook.seal ALTER COLUMN leaves SET STORAGE EXTERNAL;
