--
-- Located ids: uuids in the order they were drawn, read back to what they were
-- made of.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS seqgen;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

--
-- Reading
--

-- 2025-01-01, zone 3, datacenter 5, rack 1, server 7, counter 5
\set id '''01941f29-7c00-8030-9404-0001c0000005'''
SELECT * FROM located_decode(:id);
SELECT located_timestamp(:id);
-- the smallest and the largest
SELECT * FROM located_decode('00000000-0000-8000-8000-000040000000');
SELECT * FROM located_decode('ffffffff-ffff-8fff-bfff-ffffffffffff');
SELECT located_decode(NULL) IS NULL AS decode, located_timestamp(NULL) IS NULL AS timestamp;

-- no located ids: of another version, of another variant, of no server
SELECT located_decode('01941f29-7c00-7030-9404-0001c0000005');
SELECT located_timestamp('01941f29-7c00-8030-1404-0001c0000005');
SELECT located_timestamp('01941f29-7c00-8030-d404-0001c0000005');
SELECT located_decode('01941f29-7c00-8030-9404-000000000005');
SELECT located_decode('00000000-0000-0000-0000-000000000000');

-- immutable: for indexes, generated columns and partition bounds
CREATE TABLE loc_orders (
	id uuid DEFAULT located_nextval() PRIMARY KEY,
	placed timestamptz GENERATED ALWAYS AS (located_timestamp(id)) STORED
);
CREATE INDEX ON loc_orders (((located_decode(id)).server));

--
-- Drawing: larger each time, of this server and of now
--
SELECT located_nextval() AS a \gset
SELECT located_nextval() AS b \gset
SELECT :'a'::uuid < :'b' AS ascending;
SELECT d.server = snowflake_node(snowflake_nextval()) AS this_server,
	   format('%s/%s/%s', d.zone, d.datacenter, d.rack) = coalesce(nullif(current_setting('seqgen.location', true), ''), '0/0/0') AS here,
	   abs(extract(epoch FROM d."time" - clock_timestamp())) < 3600 AS of_now,
	   d."time" = located_timestamp(:'a') AS same_time
  FROM located_decode(:'a') d;

-- in order as uuids compare, also over a full counter and a step of the clock
CREATE TABLE loc_drawn (nr serial, id uuid);
INSERT INTO loc_drawn (id) SELECT located_nextval() FROM generate_series(1, 50000);
SET seqgen.debug_clock_offset = '-5s';
INSERT INTO loc_drawn (id) SELECT located_nextval() FROM generate_series(1, 50000);
RESET seqgen.debug_clock_offset;
SELECT count(DISTINCT id), min(id::text) > :'b' AS above_before FROM loc_drawn;
SELECT count(*) AS out_of_order FROM (SELECT id <= lag(id) OVER (ORDER BY nr) AS lower FROM loc_drawn) steps WHERE lower;
SELECT count(*) AS out_of_order
  FROM (SELECT (d."time", d.counter) <= lag((d."time", d.counter)) OVER (ORDER BY nr) AS lower
		  FROM loc_drawn, located_decode(id) d) steps WHERE lower;
DROP TABLE loc_drawn;

-- as a default
INSERT INTO loc_orders DEFAULT VALUES;
INSERT INTO loc_orders DEFAULT VALUES;
SELECT count(*), bool_and(placed = located_timestamp(id)) AS placed FROM loc_orders;
DROP TABLE loc_orders;

-- in a read-only transaction; not undone
BEGIN READ ONLY;
SELECT located_nextval() AS c \gset
ROLLBACK;
SELECT located_nextval() > :'c'::uuid AS above;

--
-- The generator behind them: one of its own, that nobody changes
--
SELECT generator, kind, layout FROM seqgen.generator WHERE kind = 'located';
SELECT located_issued AS before FROM seqgen.stat_backend WHERE pid = pg_backend_pid() \gset
SELECT issued AS before_all FROM seqgen.stat_generator WHERE kind = 'located' \gset
SELECT count(located_nextval()) FROM generate_series(1, 10);
SELECT located_issued - :before AS issued FROM seqgen.stat_backend WHERE pid = pg_backend_pid();
SELECT issued - :before_all AS issued, last_value < durable_bound AS reserved
  FROM seqgen.stat_generator WHERE kind = 'located';
SELECT snowflake_nextval('seqgen.located_default');
SELECT snowflake_observe(1, 'seqgen.located_default');
SELECT range_nextval('seqgen.located_default');
UPDATE seqgen.generator SET kind = 'snowflake' WHERE kind = 'located';
DELETE FROM seqgen.generator WHERE kind = 'located';
DROP SEQUENCE seqgen.located_default;
CREATE SEQUENCE loc_other;
INSERT INTO seqgen.generator VALUES ('loc_other', 'located', 'twitter');
DROP SEQUENCE loc_other;

-- its ids are ids of the default layout to those who move it
SELECT snowflake_min(clock_timestamp() + interval '30 s') AS target \gset
SELECT seqgen.advance('seqgen.located_default', :target);
SELECT located_nextval() AS d \gset
SELECT located_timestamp(:'d') >= snowflake_timestamp(:target) AS advanced;
SELECT snowflake_timestamp(last_value) = located_timestamp(:'d') AS same_time,
	   snowflake_sequence(last_value) = (located_decode(:'d')).counter AS same_counter
  FROM seqgen.stat_generator WHERE kind = 'located';
SELECT seqgen.reset('seqgen.located_default', 1);
SELECT located_nextval() < :'d'::uuid AS down;

-- everybody may draw, and read
CREATE ROLE regress_seqgen_user;
SET ROLE regress_seqgen_user;
SELECT (located_decode(located_nextval())).server > 0 AS drawn;
SELECT located_timestamp(located_nextval()) > '2025-01-01' AS read;
RESET ROLE;
REVOKE USAGE ON SEQUENCE seqgen.located_default FROM PUBLIC;
SET ROLE regress_seqgen_user;
SELECT located_nextval();
RESET ROLE;
GRANT USAGE ON SEQUENCE seqgen.located_default TO PUBLIC;
DROP ROLE regress_seqgen_user;

-- in parallel workers
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
CREATE TABLE loc_many AS SELECT g FROM generate_series(1, 20000) g;
ALTER TABLE loc_many SET (parallel_workers = 2);
ANALYZE loc_many;
EXPLAIN (COSTS off) SELECT located_nextval() AS id FROM loc_many OFFSET 0;
SELECT count(DISTINCT id) FROM (SELECT located_nextval() AS id FROM loc_many OFFSET 0) drawn;
DROP TABLE loc_many;
