--
-- Layouts: the built-in ones read the ids of the systems they are named after,
-- unsound ones are refused, and one that is built in or in use stays as it is.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS seqgen;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

SELECT * FROM seqgen.layout WHERE builtin ORDER BY name;
\x on
SELECT * FROM seqgen.layout_info WHERE builtin ORDER BY name;
\x off

--
-- The built-in layouts against published ids
--

-- Twitter: the post 1541815603606036480 was made at 2022-06-28 16:07:40.105 UTC
-- by machine 378, as its first in that millisecond:
--   1541815603606036480 >> 22            = 367597485448
--   367597485448 + 1288834974657         = 1656432460105 ms since 1970
--   (1541815603606036480 >> 12) & 1023   = 378
--   1541815603606036480 & 4095           = 0
SELECT * FROM snowflake_decode(1541815603606036480, 'twitter');

-- Discord: the example in the reference of its API, 175928847299117063, is of
-- 2016-04-30 11:18:25.796 UTC, worker 1, process 0, increment 7:
--   175928847299117063 >> 22             = 41944705796
--   41944705796 + 1420070400000          = 1462015105796 ms since 1970
--   (175928847299117063 >> 12) & 1023    = 32 (5 bits of worker, 5 of process)
--   175928847299117063 & 4095            = 7
SELECT d."time", d.node >> 5 AS worker, d.node & 31 AS process, d.sequence
  FROM snowflake_decode(175928847299117063, 'discord') d;

-- Instagram: the article that describes its ids takes 1387263000 ms since the
-- epoch, shard 1341 and sequence 5001 % 1024 = 905:
--   1387263000 << 23 | 1341 << 10 | 905  = 11637205501278089
-- With the epoch of the published function, 1314220021721 ms since 1970, that is
--   1314220021721 + 1387263000           = 1315607284721, 2011-09-09 22:28:04.721
SELECT (1387263000::bigint << 23) | (1341 << 10) | (5001 % 1024) AS id;
SELECT * FROM snowflake_decode(11637205501278089, 'instagram');

-- Sonyflake: 39 bits of 10 ms since 2014-09-01, 8 bits of sequence, and below
-- them 16 bits of machine. One day and 123.45 s after that start, sequence 200,
-- machine 10.0.47.11 (its two lower bytes, 47 * 256 + 11 = 12043):
--   (8640000 + 12345) << 24 | 200 << 16 | 12043 = 145162274090763
SELECT ((8640000 + 12345)::bigint << 24) | (200 << 16) | 12043 AS id;
SELECT * FROM snowflake_decode(145162274090763, 'sonyflake');

-- pgEdge: milliseconds since 2023-01-01, bits 12 to 21 node, bits 0 to 11 count.
-- 2024-02-29 12:00:00.001 is 424.5 days and 1 ms later; node 5, count 17:
--   36676800001 << 22 | 5 << 12 | 17     = 153833648951414801
SELECT (36676800001 << 22) | (5 << 12) | 17 AS id;
SELECT * FROM snowflake_decode(153833648951414801, 'pgedge');

-- js53: milliseconds since 2025-01-01, 5 bits of node, 7 of sequence. One day
-- later, node 7, sequence 100:
--   86400000 << 12 | 7 << 7 | 100        = 353894400996
-- The largest id is Number.MAX_SAFE_INTEGER of JavaScript, 2^53 - 1.
SELECT (86400000::bigint << 12) | (7 << 7) | 100 AS id;
SELECT * FROM snowflake_decode(353894400996, 'js53');
SELECT max_id = 2::numeric ^ 53 - 1 AS largest_safe_integer
  FROM seqgen.layout_info WHERE name = 'js53';

-- default: milliseconds since 2025-01-01, 10 bits of node, 12 of sequence. One
-- day later, node 9, sequence 4095:
--   86400000 << 22 | 9 << 12 | 4095      = 362387865640959
SELECT (86400000::bigint << 22) | (9 << 12) | 4095 AS id;
SELECT * FROM snowflake_decode(362387865640959, 'default');
SELECT * FROM snowflake_decode(362387865640959);

-- the functions without a layout have the row "default" built in
SELECT count(*) FILTER (WHERE a = b) AS same, count(*) AS of
  FROM (SELECT (i * 92233720368547757 + i * 7919)::bigint AS id
		  FROM generate_series(1, 99) i) ids,
	   snowflake_decode(id) a, snowflake_decode(id, 'default') b;

-- every layout: the first and the last unit of time, from the lowest id to the highest
SELECT l.name, min(d."time") = l.epoch AS from_epoch,
	   snowflake_min(l.epoch, l.name) AS lowest,
	   snowflake_max(i.end_of_life - i.unit, l.name) = i.max_id AS to_the_largest,
	   (snowflake_decode(i.max_id, l.name)).node = i.max_node AS node_too
  FROM seqgen.layout l JOIN seqgen.layout_info i USING (name),
	   snowflake_decode(1, l.name::text) d
 WHERE l.builtin GROUP BY l.name, l.epoch, i.end_of_life, i.unit, i.max_id, i.max_node
 ORDER BY l.name;

-- ids a second, by the definition
SELECT name, ids_per_second = (2 ^ sequence_bits) * 1000000 / unit_us AS rate_is_right,
	   max_node = 2 ^ node_bits - 1 AS nodes_are_right,
	   max_own_node = 2 ^ (node_bits - datacenter_bits - 1) - 1 AS own_nodes_are_right
  FROM seqgen.layout JOIN seqgen.layout_info USING (name, node_bits, sequence_bits, datacenter_bits)
 WHERE seqgen.layout.builtin ORDER BY name;

--
-- Layouts of one's own
--

INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('own', '2020-01-01 00:00:00+00', 1000000, 32, 8, 16) RETURNING node_last, builtin;
SELECT end_of_life, ids_per_second, max_node, max_own_node, max_id
  FROM seqgen.layout_info WHERE name = 'own';

-- as long as nobody uses it, it may change and go
UPDATE seqgen.layout SET unit_us = 1000, time_bits = 39 WHERE name = 'own';
SELECT unit, end_of_life, ids_per_second FROM seqgen.layout_info WHERE name = 'own';
DELETE FROM seqgen.layout WHERE name = 'own';

-- without node bits: for a database that stays alone
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('alone', '2020-01-01 00:00:00+00', 1000, 42, 0, 20);
SELECT max_node, max_own_node, ids_per_second FROM seqgen.layout_info WHERE name = 'alone';
DELETE FROM seqgen.layout WHERE name = 'alone';

-- a datacenter leaves the number two bits
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits, datacenter_bits)
	VALUES ('far', '2020-01-01 00:00:00+00', 1000, 41, 10, 12, 8);
SELECT max_node, max_own_node FROM seqgen.layout_info WHERE name = 'far';
UPDATE seqgen.layout SET node_bits = 9 WHERE name = 'far';
UPDATE seqgen.layout SET datacenter_bits = 9 WHERE name = 'far';
DELETE FROM seqgen.layout WHERE name = 'far';
SELECT * FROM seqgen.layout_limits('2020-01-01', 1000, 41, 10, 12, 9);
SELECT * FROM seqgen.layout_limits('2020-01-01', 1000, 41, 10, 12, -1);

--
-- Layouts that are refused
--
CREATE PROCEDURE try_layout(epoch timestamptz, unit_us int, t int, n int, s int) LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
BEGIN
	INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
		VALUES ('tried', epoch, unit_us, t, n, s);
	RAISE EXCEPTION 'not refused';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RAISE NOTICE '% (%) %', message, SQLSTATE, detail;
END
$$;
CALL try_layout('2020-01-01', 1000, 15, 10, 12);
CALL try_layout('2020-01-01', 1000, 41, 31, 0);
CALL try_layout('2020-01-01', 1000, 41, -1, 12);
CALL try_layout('2020-01-01', 1000, 31, 0, 31);
CALL try_layout('2020-01-01', 1000, 41, 10, -1);
CALL try_layout('2020-01-01', 1000, 41, 1, 12);
CALL try_layout('2020-01-01', 1000, 45, 0, 18);
CALL try_layout('2020-01-01', 1000, 41, 10, 13);
CALL try_layout('2020-01-01', 0, 41, 10, 12);
CALL try_layout('2020-01-01', 1000001, 20, 10, 12);
CALL try_layout('1969-12-31', 1000, 41, 10, 12);
CALL try_layout('10000-01-01', 1000, 16, 10, 12);
CALL try_layout('infinity', 1000, 41, 10, 12);
CALL try_layout('-infinity', 1000, 41, 10, 12);
CALL try_layout('2020-01-01', 1000000, 41, 10, 12);
CALL try_layout(NULL, 1000, 41, 10, 12);
CALL try_layout('2020-01-01', 1000, NULL, 10, 12);
DROP PROCEDURE try_layout;

INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('', '2020-01-01', 1000, 41, 10, 12);
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('default', '2020-01-01', 1000, 41, 10, 12);
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits, builtin)
	VALUES ('mine', '2020-01-01', 1000, 41, 10, 12, true);

-- the function behind the view says the same
SELECT * FROM seqgen.layout_limits('2020-01-01', 1000, 41, 1, 12);
SELECT * FROM seqgen.layout_limits('infinity', 1000, 41, 10, 12);
SELECT * FROM seqgen.layout_limits(NULL, 1000, 41, 10, 12);

-- the widest sound ones, up to 62 and 63 bits, work to their last id
SELECT end_of_life, max_id FROM seqgen.layout_limits('2020-01-01', 1, 53, 2, 8);
SELECT end_of_life, max_id, max_id::numeric = 2::numeric ^ 63 - 1 AS all_63_bits
  FROM seqgen.layout_limits('2020-01-01', 1000000, 31, 2, 30);

--
-- What is built in, or in use, stays
--
UPDATE seqgen.layout SET node_bits = 9 WHERE name = 'default';
UPDATE seqgen.layout SET builtin = false WHERE name = 'twitter';
DELETE FROM seqgen.layout WHERE name = 'discord';
UPDATE seqgen.layout SET builtin = false;
TRUNCATE seqgen.layout;
TRUNCATE seqgen.generator;

INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('used', '2020-01-01', 1000, 41, 8, 13);
SELECT snowflake_create('layout_user', 'used');
UPDATE seqgen.layout SET sequence_bits = 12 WHERE name = 'used';
UPDATE seqgen.layout SET name = 'still_used' WHERE name = 'used';
DELETE FROM seqgen.layout WHERE name = 'used';
UPDATE seqgen.layout SET builtin = true WHERE name = 'used';
DROP SEQUENCE layout_user;
UPDATE seqgen.layout SET builtin = true WHERE name = 'used';
UPDATE seqgen.layout SET name = 'was_used' WHERE name = 'used' RETURNING name;
DELETE FROM seqgen.layout WHERE name = 'was_used' RETURNING name;

-- others look, and leave it at that
CREATE ROLE regress_seqgen_reader;
SET ROLE regress_seqgen_reader;
SELECT count(*) FROM seqgen.layout_info WHERE name = 'default';
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('theirs', '2020-01-01', 1000, 41, 10, 12);
DELETE FROM seqgen.layout;
RESET ROLE;
DROP ROLE regress_seqgen_reader;

-- the trigger's function is for the trigger
SELECT seqgen.layout_guard();
CREATE FUNCTION layout_guard_alone() RETURNS integer
	AS '$libdir/seqgen', 'sg_layout_guard' LANGUAGE C;
SELECT layout_guard_alone();
DROP FUNCTION layout_guard_alone();
