-- Complements become JSON that views can read: {"2:fax":{"text":"555"}}. Those there are bytes; they become a JSON text of
-- hex digits, which the applier reads too, and which `init` turns into objects.
ALTER TABLE daybook.complement
    ALTER COLUMN cells TYPE jsonb USING to_jsonb(encode(cells, 'hex'));
