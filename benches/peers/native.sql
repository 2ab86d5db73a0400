-- The same tables for PostgreSQL's own replication, and what writes a backlog there: a procedure for each workload, one
-- transaction per place of its arrays.
CREATE TABLE branch (bid bigint PRIMARY KEY, bbalance bigint NOT NULL, filler varchar(88) NOT NULL);
CREATE TABLE teller (tid bigint PRIMARY KEY, bid bigint NOT NULL, tbalance bigint NOT NULL, filler varchar(84) NOT NULL);
CREATE TABLE account (aid bigint PRIMARY KEY, bid bigint NOT NULL, abalance bigint NOT NULL, filler varchar(84) NOT NULL);
CREATE TABLE history (hid bigint PRIMARY KEY, tid bigint NOT NULL, bid bigint NOT NULL, aid bigint NOT NULL,
    delta bigint NOT NULL, mtime timestamptz NOT NULL);
CREATE TABLE item (id bigint PRIMARY KEY, kind bigint NOT NULL, amount bigint NOT NULL, note text NOT NULL);
CREATE TABLE counter (id bigint PRIMARY KEY, total bigint NOT NULL);
CREATE TABLE finish (id bigint PRIMARY KEY);
CREATE SEQUENCE history_hid;

CREATE PROCEDURE write_tpcb(aids bigint[], tids bigint[], bids bigint[], deltas bigint[], hids bigint[])
LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. array_length(aids, 1) LOOP
        UPDATE account SET abalance = abalance + deltas[i] WHERE aid = aids[i];
        UPDATE teller SET tbalance = tbalance + deltas[i] WHERE tid = tids[i];
        UPDATE branch SET bbalance = bbalance + deltas[i] WHERE bid = bids[i];
        INSERT INTO history VALUES (hids[i], tids[i], bids[i], aids[i], deltas[i],
            timestamptz '2026-01-01 00:00:00Z' + hids[i] * interval '1 microsecond');
        COMMIT;
    END LOOP;
END $$;

CREATE PROCEDURE write_insert(ids bigint[], rows bigint[], bigint[], bigint[], bigint[])
LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. array_length(ids, 1) LOOP
        FOR id IN ids[i] .. ids[i] + rows[i] - 1 LOOP
            INSERT INTO item VALUES (id, id % 97, id % 1009, 'item ' || id || ' of its kind');
        END LOOP;
        COMMIT;
    END LOOP;
END $$;

CREATE PROCEDURE write_update(ids bigint[], amounts bigint[], bigint[], bigint[], bigint[])
LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. array_length(ids, 1) LOOP
        UPDATE item SET amount = amounts[i] WHERE id = ids[i];
        COMMIT;
    END LOOP;
END $$;

CREATE PROCEDURE write_add(ids bigint[], deltas bigint[], bigint[], bigint[], bigint[])
LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. array_length(ids, 1) LOOP
        UPDATE counter SET total = total + deltas[i] WHERE id = ids[i];
        COMMIT;
    END LOOP;
END $$;

CREATE PROCEDURE write_delete(ids bigint[], bigint[], bigint[], bigint[], bigint[])
LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. array_length(ids, 1) LOOP
        DELETE FROM item WHERE id = ids[i];
        COMMIT;
    END LOOP;
END $$;
