-- Sealed transactions of this site's own stand packed as well: peers read them so (docs/format.md). Their rows stay.
ALTER TABLE daybook_run ADD COLUMN in_journal INTEGER NOT NULL DEFAULT 0;

DROP VIEW daybook_journal_readable;
DROP VIEW daybook_entry;
CREATE VIEW daybook_entry AS
SELECT origin, epoch, trans_nr, entry_nr, tx_id, schema_version, entity, op, row_key, codec, payload, author, appended_at,
       trans_nr AS run_first_nr, trans_nr AS run_last_nr
FROM daybook_journal
UNION ALL
SELECT r.origin, r.epoch, t.value ->> 0, (t.value ->> 5) + e.key,
       unhex(t.value ->> 1), t.value ->> 2, e.value ->> 0, e.value ->> 1, e.value ->> 2,
       e.value ->> 3,
       substr(r.payloads, (e.value ->> 4) + 1, e.value ->> 5),
       t.value ->> 3, t.value ->> 4, r.first_nr, r.last_nr
FROM daybook_run AS r
CROSS JOIN json_each(r.heads) AS t
CROSS JOIN json_each(t.value, '$[6]') AS e
WHERE NOT r.in_journal;

CREATE VIEW daybook_journal_readable AS
SELECT origin, epoch, trans_nr, entry_nr, tx_id, schema_version, entity, op, row_key,
       CASE codec WHEN 2 THEN CAST(payload AS TEXT) END AS json_payload,
       author, datetime(appended_at / 1000000, 'unixepoch') AS appended_at
FROM daybook_entry;
