-- Sealed transactions of this site's own stand packed as well: peers read them so (docs/format.md). Their rows stay.
ALTER TABLE daybook.run ADD COLUMN in_journal boolean NOT NULL DEFAULT false;

CREATE OR REPLACE VIEW daybook.entry AS
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
CROSS JOIN LATERAL json_array_elements(t.head -> 6) WITH ORDINALITY AS e (head, place)
WHERE NOT r.in_journal;
