-- What was received of peers: sealed runs, packed (docs/format.md). Rows for each entry cost several times as much.
CREATE TABLE daybook.run (
    origin          text    COLLATE "C" NOT NULL,
    epoch           bigint  NOT NULL,
    last_nr         bigint  NOT NULL,
    piece           bigint  NOT NULL,
    first_nr        bigint  NOT NULL,
    heads           text    NOT NULL,
    payloads        bytea   NOT NULL,
    PRIMARY KEY (origin, epoch, last_nr, piece)
);
-- Compressing takes longer than all the rest of receiving.
ALTER TABLE daybook.run ALTER COLUMN heads SET STORAGE EXTERNAL, ALTER COLUMN payloads SET STORAGE EXTERNAL;

-- Every entry, own or received, as a row. Who looks for few received ones bounds run_first_nr and run_last_nr as well:
-- others are not opened then.
CREATE VIEW daybook.entry AS
SELECT origin, epoch, trans_nr, entry_nr, tx_id, schema_version, entity, op, row_key, codec, payload, author, appended_at,
       trans_nr AS run_first_nr, trans_nr AS run_last_nr
FROM daybook.journal
UNION ALL
SELECT r.origin, r.epoch, CAST(t.head ->> 0 AS bigint), CAST(t.head ->> 5 AS bigint) + e.place - 1,
       CAST(t.head ->> 1 AS uuid), CAST(t.head ->> 2 AS bigint), e.head ->> 0, e.head ->> 1, e.head ->> 2,
       CAST(e.head ->> 3 AS bigint),
       substr(r.payloads, CAST(e.head ->> 4 AS integer) + 1, CAST(e.head ->> 5 AS integer)),
       t.head ->> 3, CAST(t.head ->> 4 AS bigint), r.first_nr, r.last_nr
FROM daybook.run AS r
CROSS JOIN LATERAL json_array_elements(CAST(r.heads AS json)) AS t (head)
CROSS JOIN LATERAL json_array_elements(t.head -> 6) WITH ORDINALITY AS e (head, place);

CREATE OR REPLACE VIEW daybook.journal_readable AS
SELECT origin, epoch, trans_nr, entry_nr, tx_id, schema_version, entity, op, row_key,
       CASE codec WHEN 2 THEN convert_from(payload, 'UTF8') END AS json_payload,
       author, to_timestamp(appended_at / 1000000.0) AS appended_at
FROM daybook.entry;
