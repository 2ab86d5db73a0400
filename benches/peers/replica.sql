-- The same tables for MariaDB's own replication, of the types that Daybook's have, and what writes a backlog there: a
-- procedure for each workload, one transaction per row of numbers.
CREATE TABLE branch (bid bigint PRIMARY KEY, bbalance bigint NOT NULL, filler varchar(88) NOT NULL);
CREATE TABLE teller (tid bigint PRIMARY KEY, bid bigint NOT NULL, tbalance bigint NOT NULL, filler varchar(84) NOT NULL);
CREATE TABLE account (aid bigint PRIMARY KEY, bid bigint NOT NULL, abalance bigint NOT NULL, filler varchar(84) NOT NULL);
CREATE TABLE history (hid bigint PRIMARY KEY AUTO_INCREMENT, tid bigint NOT NULL, bid bigint NOT NULL, aid bigint NOT NULL,
    delta bigint NOT NULL, mtime datetime(6) NOT NULL);
CREATE TABLE item (id bigint PRIMARY KEY, kind bigint NOT NULL, amount bigint NOT NULL, note longtext NOT NULL);
CREATE TABLE counter (id bigint PRIMARY KEY, total bigint NOT NULL);
CREATE TABLE finish (id bigint PRIMARY KEY);

CREATE PROCEDURE write_tpcb(draws longtext)
FOR draw IN (SELECT * FROM JSON_TABLE(draws, '$[*]' COLUMNS (aid bigint PATH '$[0]', tid bigint PATH '$[1]',
    bid bigint PATH '$[2]', delta bigint PATH '$[3]', hid bigint PATH '$[4]')) AS listed) DO
    START TRANSACTION;
    UPDATE account SET abalance = abalance + draw.delta WHERE aid = draw.aid;
    UPDATE teller SET tbalance = tbalance + draw.delta WHERE tid = draw.tid;
    UPDATE branch SET bbalance = bbalance + draw.delta WHERE bid = draw.bid;
    INSERT INTO history VALUES (draw.hid, draw.tid, draw.bid, draw.aid, draw.delta,
        TIMESTAMP'2026-01-01 00:00:00' + INTERVAL draw.hid MICROSECOND);
    COMMIT;
END FOR;

CREATE PROCEDURE write_insert(draws longtext)
FOR draw IN (SELECT * FROM JSON_TABLE(draws, '$[*]' COLUMNS (first bigint PATH '$[0]', new bigint PATH '$[1]')) AS listed) DO
    START TRANSACTION;
    FOR id IN draw.first .. draw.first + draw.new - 1 DO
        INSERT INTO item VALUES (id, id % 97, id % 1009, concat('item ', id, ' of its kind'));
    END FOR;
    COMMIT;
END FOR;

CREATE PROCEDURE write_update(draws longtext)
FOR draw IN (SELECT * FROM JSON_TABLE(draws, '$[*]' COLUMNS (id bigint PATH '$[0]', amount bigint PATH '$[1]')) AS listed) DO
    UPDATE item SET amount = draw.amount WHERE item.id = draw.id;
END FOR;

CREATE PROCEDURE write_add(draws longtext)
FOR draw IN (SELECT * FROM JSON_TABLE(draws, '$[*]' COLUMNS (id bigint PATH '$[0]', delta bigint PATH '$[1]')) AS listed) DO
    UPDATE counter SET total = total + draw.delta WHERE counter.id = draw.id;
END FOR;

CREATE PROCEDURE write_delete(draws longtext)
FOR draw IN (SELECT * FROM JSON_TABLE(draws, '$[*]' COLUMNS (id bigint PATH '$[0]')) AS listed) DO
    DELETE FROM item WHERE item.id = draw.id;
END FOR;
