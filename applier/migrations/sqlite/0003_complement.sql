-- Complements become JSON that views can read: {"2:fax":{"text":"555"}}. Those there are bytes; they become a JSON text of
-- hex digits, which the applier reads too, and which `init` turns into objects.
CREATE TABLE daybook_complement_2 (
    entity          TEXT    NOT NULL,
    row_key         TEXT    NOT NULL,
    cells           TEXT    NOT NULL,
    PRIMARY KEY (entity, row_key)
) STRICT;
INSERT INTO daybook_complement_2 (entity, row_key, cells)
    SELECT entity, row_key, '"' || lower(hex(cells)) || '"' FROM daybook_complement;
DROP TABLE daybook_complement;
ALTER TABLE daybook_complement_2 RENAME TO daybook_complement;
