--
-- Snowflake ids: drawn in order, read back to what they were made of, and
-- found by time through an index.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS seqgen;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

--
-- Reading: every form of every function
--

-- 86400000 << 22 | 9 << 12 | 4095: one day after 2025-01-01, node 9, sequence 4095
\set id 362387865640959
SELECT snowflake_create('sf_discord', 'discord');
SELECT * FROM snowflake_decode(:id);
SELECT * FROM snowflake_decode(:id, 'twitter');
SELECT * FROM snowflake_decode(:id, 'sf_discord'::regclass);
SELECT snowflake_timestamp(:id), snowflake_node(:id), snowflake_sequence(:id);
SELECT snowflake_timestamp(:id, 'js53'), snowflake_node(:id, 'js53'), snowflake_sequence(:id, 'js53');
SELECT snowflake_timestamp(:id, 'sf_discord'::regclass), snowflake_node(:id, 'sf_discord'::regclass),
	   snowflake_sequence(:id, 'sf_discord'::regclass);
SELECT snowflake_decode(:id, layout => 'pgedge'), snowflake_decode(id => :id, generator => 'sf_discord');

-- the type of the second argument decides, also that of a parameter or a domain
CREATE DOMAIN sf_generator AS regclass;
CREATE DOMAIN sf_layout AS varchar(20);
PREPARE sf_read(regclass, text) AS
	SELECT snowflake_timestamp(:id, $1) = snowflake_timestamp(:id, $2) AS same,
		   snowflake_timestamp(:id, $1::sf_generator) = snowflake_timestamp(:id, $2::sf_layout) AS same_by_domain;
EXECUTE sf_read('sf_discord', 'discord');
EXECUTE sf_read('sf_discord', 'twitter');
DEALLOCATE sf_read;
DROP DOMAIN sf_generator, sf_layout;

-- the smallest and the largest id
SELECT * FROM snowflake_decode(1);
SELECT * FROM snowflake_decode(9223372036854775807);
SELECT * FROM snowflake_decode(9007199254740991, 'js53');

-- NULL in, NULL out
SELECT snowflake_decode(NULL) IS NULL AS decode, snowflake_timestamp(NULL) IS NULL AS timestamp,
	   snowflake_node(NULL) IS NULL AS node, snowflake_sequence(NULL) IS NULL AS sequence,
	   snowflake_min(NULL) IS NULL AS min, snowflake_max(NULL) IS NULL AS max,
	   snowflake_node(1, NULL::text) IS NULL AS layout, snowflake_node(1, NULL::regclass) IS NULL AS generator,
	   snowflake_min(now(), NULL) IS NULL AS min_layout, seqgen.snowflake_bound(NULL) IS NULL AS bound;

-- no ids
SELECT snowflake_decode(0);
SELECT snowflake_timestamp(-1);
SELECT snowflake_node(-9223372036854775808);
SELECT snowflake_sequence(9007199254740992, 'js53');
SELECT snowflake_decode(0, 'sf_discord'::regclass);

-- no layouts, no generators
SELECT snowflake_decode(1, 'myspace');
SELECT snowflake_decode(1, '');
SELECT snowflake_decode(1, repeat('long', 30));
SELECT snowflake_decode(1, 'sf_discord');
SELECT snowflake_decode(1, 'pg_class'::regclass);
SELECT snowflake_decode(1, 4294967295::oid::regclass);

--
-- Where ids were drawn, by the registry of node numbers: whoever had the number
-- at the id's time
--
CREATE FUNCTION sf_id(moment timestamptz, node integer, layout text DEFAULT 'default') RETURNS bigint LANGUAGE SQL
	RETURN snowflake_min(moment, layout) + (node::bigint << (SELECT sequence_bits FROM seqgen.layout l WHERE l.name = layout));
BEGIN;
ALTER TABLE seqgen.node_history DISABLE TRIGGER node_guard;
INSERT INTO seqgen.node_history
	(ledger_id, serial, bits, datacenter, number, node, location, generation, valid_from, valid_until) VALUES
	('00000000-0000-0000-0000-000000000001', 1, 10, -1, 600, gen_random_uuid(), '1/1/1', 1, '2025-06-01', '2025-07-01'),
	('00000000-0000-0000-0000-000000000001', 2, 10, -1, 600, gen_random_uuid(), '2/2/2', 2, '2025-08-01', NULL),
	('00000000-0000-0000-0000-000000000001', 3, 10, -1, 600, gen_random_uuid(), '', 3, '2025-09-01', NULL),
	('00000000-0000-0000-0000-000000000001', 4, 10, -1, 664, gen_random_uuid(), '3/3/3', 4, '2025-06-01', NULL),
	('00000000-0000-0000-0000-000000000001', 5, 0, -1, 300, gen_random_uuid(), '4/4/4', 5, '-infinity', NULL),
	('00000000-0000-0000-0000-000000000001', 6, 5, 5, 20, gen_random_uuid(), '5/5/5', 6, '2025-06-01', NULL),
	('00000000-0000-0000-0000-000000000001', 7, 5, -1, 20, gen_random_uuid(), '6/6/6', 7, '2025-06-01', NULL);
SELECT moment, ids.node, layout, d.node AS node_bits, d.datacenter, d.location
  FROM (VALUES
	('2025-05-31 23:59:59.999+00'::timestamptz, 600, 'default'),
	('2025-06-01 00:00:00+00', 600, 'default'),
	('2025-06-01 00:00:00+00', 664, 'default'),
	('2025-06-30 23:59:59.999+00', 600, 'default'),
	('2025-07-01 00:00:00+00', 600, 'default'),
	('2025-07-31 23:59:59.999+00', 600, 'default'),
	('2025-08-01 00:00:00+00', 600, 'pgedge'),
	('2025-08-31 23:59:59.999+00', 600, 'default'),
	('2025-09-01 00:00:00+00', 600, 'default'),
	('2025-09-01 00:00:00+00', 601, 'default'),
	('2025-06-01 00:00:00+00', 600, 'sonyflake'),
	('2025-06-01 00:00:00+00', 300, 'default'),
	('2025-06-01 00:00:00+00', 300, 'instagram'),
	('2025-06-01 00:00:00+00', 0, 'default'),
	('2025-06-01 00:00:00+00', 5 * 32 + 20, 'located'),
	('2025-06-01 00:00:00+00', 6 * 32 + 20, 'located'),
	('2025-06-01 00:00:00+00', 20, 'js53')) ids (moment, node, layout),
	snowflake_decode(sf_id(moment, CASE layout WHEN 'sonyflake' THEN 0 ELSE ids.node END, layout) +
					 CASE layout WHEN 'sonyflake' THEN ids.node ELSE 0 END, layout) d;
-- whoever calls
CREATE ROLE regress_seqgen_user;
SET ROLE regress_seqgen_user;
SELECT location FROM snowflake_decode(sf_id('2025-06-15', 600));
SELECT count(*) FROM seqgen.node_history;
ROLLBACK;
DROP FUNCTION sf_id;

--
-- Ids of a time
--
SELECT snowflake_min('2025-01-02 00:00:00+00'), snowflake_max('2025-01-02 00:00:00+00');
SELECT snowflake_min('2025-01-02 00:00:00+00', 'twitter'), snowflake_max('2025-01-02 00:00:00+00', 'twitter');
SELECT snowflake_decode(snowflake_min('2025-01-02 12:34:56.789+00')), snowflake_decode(snowflake_max('2025-01-02 12:34:56.789+00'));

-- an instant inside a unit of time belongs to that unit
SELECT snowflake_min('2025-01-02 00:00:00.000999+00') = snowflake_min('2025-01-02 00:00:00+00') AS same_millisecond,
	   snowflake_max('2025-01-02 00:00:00.000999+00') + 1 = snowflake_min('2025-01-02 00:00:00.001+00') AS next_follows,
	   snowflake_max('2025-01-02 00:00:00.009999+00', 'sonyflake') + 1 = snowflake_min('2025-01-02 00:00:00.01+00', 'sonyflake') AS units_of_10_ms;

-- the first and the last instant
SELECT snowflake_min('2025-01-01 00:00:00+00'), snowflake_max('2094-09-07 15:47:35.551999+00');
SELECT snowflake_min('2024-12-31 23:59:59.999999+00');
SELECT snowflake_max('2094-09-07 15:47:35.552+00');
SELECT snowflake_max('2024-12-31 23:59:59.999+00');
SELECT snowflake_min('infinity');
SELECT snowflake_min('-infinity');
SELECT snowflake_max('infinity', 'twitter');
SELECT snowflake_min('4713-01-01 BC', 'twitter');
SELECT snowflake_max('294276-12-31 23:59:59.999999+00', 'twitter');
SELECT snowflake_min(now(), 'myspace');

--
-- Ids of a span of time: snowflake_during(id, a, b) is, for all of them,
-- snowflake_timestamp(id) >= a AND snowflake_timestamp(id) < b
--
CREATE TABLE sf_moments AS
	SELECT l.name AS layout, m.moment
	  FROM seqgen.layout l JOIN seqgen.layout_info i USING (name), LATERAL (
		VALUES (l.epoch), ('2030-03-03 03:03:03.123'), (i.end_of_life)) base (at), LATERAL (
		SELECT base.at + us * interval '1 microsecond'
		  FROM unnest(ARRAY[-10001, -1000, -1, 0, 1, 999, 1000, 10001]) us
	) m (moment)
	 WHERE l.builtin
	UNION ALL
	SELECT l.name, m.moment
	  FROM seqgen.layout l, (VALUES
		('-infinity'::timestamptz), ('4713-11-24 00:00:00+00 BC'), ('1969-12-31 23:59:59.999999+00'),
		('2300-01-01'), ('294276-12-31 23:59:59.999999+00'), ('infinity')) m (moment)
	 WHERE l.builtin;
CREATE TABLE sf_ids AS
	SELECT DISTINCT m.layout, id
	  FROM sf_moments m JOIN seqgen.layout_info i ON i.name = m.layout, LATERAL (
		VALUES (snowflake_min(m.moment, m.layout)), (snowflake_min(m.moment, m.layout) + 1),
			   (snowflake_max(m.moment, m.layout))) ids (id)
	 WHERE m.moment >= i.epoch AND m.moment < i.end_of_life AND id BETWEEN 1 AND 9223372036854775806;
SELECT count(*) > 200 AS enough_ids FROM sf_ids;

SELECT i.layout, count(*) > 10000 AS enough_spans,
	   count(*) FILTER (WHERE snowflake_during(i.id, a.moment, b.moment, i.layout) IS DISTINCT FROM
							  (snowflake_timestamp(i.id, i.layout::text) >= a.moment AND
							   snowflake_timestamp(i.id, i.layout::text) < b.moment)) AS differences
  FROM sf_ids i JOIN sf_moments a USING (layout) JOIN sf_moments b USING (layout)
 GROUP BY i.layout ORDER BY i.layout;
SELECT count(*) > 10000 AS enough_spans,
	   count(*) FILTER (WHERE snowflake_during(i.id, a.moment, b.moment) IS DISTINCT FROM
							  (snowflake_timestamp(i.id) >= a.moment AND
							   snowflake_timestamp(i.id) < b.moment)) AS differences
  FROM sf_ids i JOIN sf_moments a USING (layout) JOIN sf_moments b USING (layout)
 WHERE i.layout = 'default';

-- but for the largest bigint itself, the last id of the last node: none is above it
SELECT snowflake_during(9223372036854775806, '-infinity', 'infinity') AS last_but_one,
	   snowflake_during(9223372036854775806, '2094-09-07 15:47:35.551+00', '2100-01-01') AS past_the_end,
	   snowflake_during(9223372036854775807, '-infinity', 'infinity') AS last,
	   snowflake_during(9007199254740991, '-infinity', 'infinity', 'js53') AS last_of_js53;

-- the last times there are, in a layout whose epoch lies before 2000
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('sf_unix', '1970-01-01 00:00:00+00', 1000, 42, 8, 12);
SELECT seqgen.snowflake_bound('294276-12-31 23:59:59.999999+00', 'sf_unix') = 9223372036854775807 AS clamped,
	   snowflake_during(:id, '-infinity', '294276-12-31 23:59:59.999999+00', 'sf_unix') AS during;
SELECT snowflake_min('294276-12-31 23:59:59.999999+00', 'sf_unix');
DELETE FROM seqgen.layout WHERE name = 'sf_unix';
-- an empty span, and one backwards
SELECT snowflake_during(:id, '2025-01-02', '2025-01-02') AS empty,
	   snowflake_during(:id, '2025-01-03', '2025-01-01') AS backwards;

-- NULLs as with the comparison
SELECT snowflake_during(NULL, '2025-01-01', '2026-01-01') IS NULL AS id,
	   snowflake_during(:id, NULL, '2026-01-01') IS NULL AS since,
	   snowflake_during(:id, '2025-01-01', NULL) IS NULL AS until,
	   snowflake_during(:id, NULL, '2025-01-01') AS never,
	   snowflake_during(:id, '2025-01-01', '2026-01-01', NULL) IS NULL AS layout;
SELECT snowflake_during(1, now(), now(), 'myspace');
DROP TABLE sf_moments, sf_ids;

--
-- Immutable: in generated columns, indexes and partition bounds
--
CREATE TABLE sf_rows (
	id bigint PRIMARY KEY,
	made timestamptz GENERATED ALWAYS AS (snowflake_timestamp(id)) STORED,
	node integer GENERATED ALWAYS AS (snowflake_node(id)) STORED,
	sequence integer GENERATED ALWAYS AS (snowflake_sequence(id)) STORED,
	CHECK (id BETWEEN snowflake_min('2025-01-01 00:00:00+00') AND snowflake_max('2090-01-01 00:00:00+00'))
);
CREATE INDEX sf_rows_made ON sf_rows (snowflake_timestamp(id));
CREATE INDEX sf_rows_node ON sf_rows (snowflake_node(id), ((snowflake_decode(id)).sequence));
INSERT INTO sf_rows SELECT snowflake_min('2025-01-01 00:00:00+00'::timestamptz + i * interval '1 hour') + 4096 + i
  FROM generate_series(1, 2000) i;
SELECT * FROM sf_rows ORDER BY id LIMIT 2;
SELECT count(*) FROM sf_rows WHERE made <> '2025-01-01 00:00:00+00'::timestamptz + sequence * interval '1 hour';
INSERT INTO sf_rows VALUES (0);
CREATE INDEX ON sf_rows (snowflake_timestamp(id, 'twitter'));
ANALYZE sf_rows;

-- an index range scan, with constants
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM sf_rows
 WHERE snowflake_during(id, '2025-01-10 00:00:00+00', '2025-01-11 00:00:00+00');
SELECT count(*) FROM sf_rows WHERE snowflake_during(id, '2025-01-10 00:00:00+00', '2025-01-11 00:00:00+00');
EXPLAIN (COSTS OFF) SELECT id FROM sf_rows
 WHERE snowflake_during(id, '-infinity', 'infinity');
-- also for a layout, and for times that are only known later
EXPLAIN (COSTS OFF) SELECT id FROM sf_rows
 WHERE snowflake_during(id, '2025-01-10 00:00:00+00', '2025-01-11 00:00:00+00', 'pgedge');
EXPLAIN (COSTS OFF) SELECT id FROM sf_rows WHERE snowflake_during(id, now() - interval '1 day', now());
PREPARE sf_span(timestamptz, timestamptz) AS SELECT count(*) FROM sf_rows WHERE snowflake_during(id, $1, $2);
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE sf_span('2025-01-10 00:00:00+00', '2025-01-11 00:00:00+00');
EXECUTE sf_span('2025-01-10 00:00:00+00', '2025-01-11 00:00:00+00');
EXECUTE sf_span('-infinity', '2025-01-01 12:00:00.0005+00');
RESET plan_cache_mode;
DEALLOCATE sf_span;
RESET enable_bitmapscan;
RESET enable_seqscan;
DROP TABLE sf_rows;

-- partitions by time, of which only those of the span are read
CREATE TABLE sf_parts (id bigint PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE sf_parts_before PARTITION OF sf_parts
	FOR VALUES FROM (MINVALUE) TO (snowflake_min('2025-02-01 00:00:00+00'));
CREATE TABLE sf_parts_2025_02 PARTITION OF sf_parts
	FOR VALUES FROM (snowflake_min('2025-02-01 00:00:00+00')) TO (snowflake_min('2025-03-01 00:00:00+00'));
CREATE TABLE sf_parts_2025_03 PARTITION OF sf_parts
	FOR VALUES FROM (snowflake_min('2025-03-01 00:00:00+00')) TO (snowflake_min('2025-04-01 00:00:00+00'));
CREATE TABLE sf_parts_later PARTITION OF sf_parts
	FOR VALUES FROM (snowflake_min('2025-04-01 00:00:00+00')) TO (MAXVALUE);
INSERT INTO sf_parts SELECT snowflake_min('2025-01-01 00:30:00+00'::timestamptz + i * interval '1 hour')
  FROM generate_series(0, 4000) i;
SELECT tableoid::regclass, min(snowflake_timestamp(id)), max(snowflake_timestamp(id))
  FROM sf_parts GROUP BY 1 ORDER BY 2;
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM sf_parts
 WHERE snowflake_during(id, '2025-02-01 00:00:00+00', '2025-03-01 00:00:00+00');
EXPLAIN (COSTS OFF) SELECT * FROM sf_parts
 WHERE snowflake_during(id, '2025-02-10 00:00:00+00', '2025-03-20 00:00:00+00');
EXPLAIN (COSTS OFF) SELECT * FROM sf_parts
 WHERE snowflake_during(id, '-infinity', '2025-02-01 00:00:00+00');
-- at the start of execution
SET plan_cache_mode = force_generic_plan;
PREPARE sf_span(timestamptz, timestamptz) AS SELECT * FROM sf_parts WHERE snowflake_during(id, $1, $2);
EXPLAIN (COSTS OFF) EXECUTE sf_span('2025-03-01 00:00:00+00', '2025-04-01 00:00:00+00');
DEALLOCATE sf_span;
RESET plan_cache_mode;
RESET enable_indexscan;
RESET enable_indexonlyscan;
RESET enable_bitmapscan;
DROP TABLE sf_parts;

--
-- Drawing: larger each time, of this node and of now
--

-- nothing has been drawn in this session yet
SELECT snowflake_currval();
SELECT snowflake_currval('sf_discord');

SELECT snowflake_nextval() AS a \gset
SELECT snowflake_nextval() AS b \gset
SELECT snowflake_nextval('seqgen.snowflake_default') AS c \gset
SELECT :a < :b AND :b < :c AS ascending, snowflake_currval() = :c AS current,
	   snowflake_currval('seqgen.snowflake_default') = :c AS current_by_name;
SELECT node > 0 AS numbered, node = snowflake_node(:b) AS always_this_node,
	   "time" > now() - interval '1 hour' AND "time" < now() + interval '1 hour' AS of_now
  FROM snowflake_decode(:a);

-- by generator, each for itself
SELECT snowflake_nextval('sf_discord') AS d \gset
SELECT snowflake_currval('sf_discord') = :d AS current, snowflake_currval() = :c AS untouched;
SELECT d.node = snowflake_node(:a) AS this_node,
	   abs(extract(epoch FROM d."time" - snowflake_timestamp(:a))) < 3600 AS of_now
  FROM snowflake_decode(:d, 'sf_discord'::regclass) d;

-- many at once: ascending, adjoining within a unit of time
CREATE TABLE sf_drawn (nr serial, id bigint);
INSERT INTO sf_drawn (id) SELECT snowflake_nextvals(100000);
SELECT count(*), count(DISTINCT id), min(id) > :c AS above_before, max(id) = snowflake_currval() AS current FROM sf_drawn;
SELECT count(*) AS out_of_order FROM (SELECT id <= lag(id) OVER (ORDER BY nr) AS lower FROM sf_drawn) steps WHERE lower;
TRUNCATE sf_drawn RESTART IDENTITY;
INSERT INTO sf_drawn (id) SELECT * FROM snowflake_nextvals(5000, 'sf_discord');
SELECT count(*), count(DISTINCT id), min(id) > :d AS above_before, max(id) = snowflake_currval('sf_discord') AS current FROM sf_drawn;
SELECT count(DISTINCT snowflake_timestamp(id, 'discord')) <= 3 AS in_blocks FROM sf_drawn;
TRUNCATE sf_drawn RESTART IDENTITY;
-- in a layout whose node is in the lowest bits too
SELECT snowflake_create('sf_sony', 'sonyflake');
INSERT INTO sf_drawn (id) SELECT snowflake_nextvals(1000, 'sf_sony');
SELECT count(*), count(DISTINCT id), count(DISTINCT snowflake_node(id, 'sonyflake')) AS nodes,
	   snowflake_nextval('sf_sony') > max(id) AS above_them_next FROM sf_drawn;
SELECT count(*) AS out_of_order FROM (SELECT id <= lag(id) OVER (ORDER BY nr) AS lower FROM sf_drawn) steps WHERE lower;
DROP TABLE sf_drawn;
SELECT count(*) FROM snowflake_nextvals(1);
SELECT count(*), count(DISTINCT id) FROM snowflake_nextvals(300000) id;
SELECT count(*) FROM snowflake_nextvals(NULL);
SELECT count(*) FROM snowflake_nextvals(0);
SELECT count(*) FROM snowflake_nextvals(-5, 'sf_discord');
SELECT count(*) FROM snowflake_nextvals(10000001);

-- no two calls of one statement get the same
SELECT count(DISTINCT id) FROM (
	SELECT unnest(ARRAY[snowflake_nextval(), snowflake_nextval(), snowflake_nextval('seqgen.snowflake_default')]) AS id
	  FROM generate_series(1, 1000)
	UNION ALL SELECT snowflake_nextvals(1000)) ids;

-- as a default
CREATE TABLE sf_orders (id bigint DEFAULT snowflake_nextval() PRIMARY KEY, line int);
INSERT INTO sf_orders (line) SELECT generate_series(1, 1000);
COPY sf_orders (line) FROM stdin;
1001
1002
\.
SELECT count(*), count(*) FILTER (WHERE lower) AS out_of_order
  FROM (SELECT id <= lag(id) OVER (ORDER BY line) AS lower FROM sf_orders) steps;
DROP TABLE sf_orders;

--
-- Causality
--

-- an id of another node from 20 s ahead: everything from here on is above it
SELECT snowflake_create('sf_here');
SELECT snowflake_min(clock_timestamp() + interval '20 s') + (300 << 12) + 77 AS seen \gset
SELECT snowflake_nextval('sf_here') < :seen AS behind;
SELECT snowflake_observe(:seen, 'sf_here');
SELECT snowflake_nextval('sf_here') AS after \gset
SELECT :after > :seen AS above, snowflake_node(:after) = snowflake_node(:a) AS still_this_node,
	   snowflake_timestamp(:after) - snowflake_timestamp(:seen) < interval '2 s' AS not_further_than_needed;
-- an old one changes nothing
SELECT snowflake_observe(snowflake_min(clock_timestamp() - interval '1 day'), 'sf_here');
SELECT snowflake_observe(1, 'sf_here');
SELECT snowflake_nextval('sf_here') > :after AS goes_on;

SELECT snowflake_min(clock_timestamp() + interval '25 s') + 5 AS seen \gset
SELECT snowflake_nextval_after(:seen, 'sf_here') > :seen AS above;
SELECT snowflake_nextval_after(1, 'sf_here') > :seen AS still_above, snowflake_currval('sf_here') > :seen AS current;
SELECT snowflake_nextval() AS seen \gset
SELECT snowflake_nextval_after(:seen) > :seen AS default_generator;
SELECT snowflake_observe(snowflake_nextval());
SELECT snowflake_observe(NULL) IS NULL AS observe, snowflake_nextval_after(NULL) IS NULL AS nextval_after;

-- not further ahead than half of seqgen.max_lead, and nothing that is no id
-- runs a command that fails, and reports it without its times and ids
CREATE PROCEDURE sf_try(command text) LANGUAGE plpgsql AS $$
DECLARE
	report text;
	detail text;
	hint text;
BEGIN
	EXECUTE command;
	RAISE NOTICE 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	report := format(E'%s (%s)\n%s\n%s', SQLERRM, SQLSTATE, detail, hint);
	report := regexp_replace(report, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00', '<time>', 'g');
	RAISE NOTICE '%', regexp_replace(report, '\d{9,}', '<id>', 'g');
END
$$;
SELECT snowflake_min(now() + interval '10 days') AS poison,
	   snowflake_min(clock_timestamp() + interval '40 s') AS far \gset
CALL sf_try(format('SELECT snowflake_observe(%s)', :poison));
CALL sf_try(format('SELECT snowflake_observe(%s, ''sf_here'')', :poison));
CALL sf_try(format('SELECT snowflake_nextval_after(%s)', :poison));
CALL sf_try(format('SELECT snowflake_nextval_after(%s, ''sf_here'')', :poison));
CALL sf_try(format('SELECT snowflake_observe(%s, ''sf_here'')', :far));
-- the owner may go to the whole of it
CALL sf_try(format('SELECT seqgen.advance(''sf_here'', %s)', :far));
CALL sf_try(format('SELECT seqgen.advance(''sf_here'', %s)', :poison));
SELECT snowflake_observe(0);
SELECT snowflake_observe(-1, 'sf_here');
SELECT snowflake_nextval_after(0);
SELECT snowflake_create('sf_js', 'js53');
SELECT snowflake_nextval_after(9007199254740992, 'sf_js');
SELECT snowflake_nextval('sf_here') > 0 AS unharmed;

--
-- Moving: up for the owner, down for a superuser
--
SELECT snowflake_min(clock_timestamp() + interval '50 s') AS target \gset
SELECT seqgen.advance('sf_here', :target);
SELECT snowflake_nextval('sf_here') > :target AS advanced;
SELECT seqgen.advance('sf_here', 1);
SELECT snowflake_nextval('sf_here') > :target AS never_down;
SELECT seqgen.advance('sf_here', 0);
SELECT seqgen.advance('sf_here', NULL) IS NULL AS nothing;

SELECT seqgen.reset('sf_here', 1);
SELECT snowflake_nextval('sf_here') < :target AS down, snowflake_timestamp(snowflake_nextval('sf_here')) < now() + interval '30 s' AS to_the_clock;
SELECT seqgen.reset('sf_here', :target);
SELECT snowflake_nextval('sf_here') > :target AS up_again;
SELECT seqgen.reset('sf_here', 0);
SELECT seqgen.reset('sf_here', -1);
SELECT seqgen.reset('sf_js', 9007199254740992);
SELECT seqgen.reset('pg_class', 1);
SELECT seqgen.reset('sf_here', NULL) IS NULL AS nothing;

--
-- The end of a layout: an error, never a wrap
--
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits) VALUES
	('sf_over', '2000-01-01 00:00:00+00', 1000, 30, 10, 12),
	('sf_short', '2025-01-01 00:00:00+00', 1000, 41, 10, 4);
SELECT snowflake_create('sf_ended', 'sf_over');
SELECT snowflake_nextval('sf_ended');
SELECT * FROM snowflake_nextvals(10, 'sf_ended');
SELECT snowflake_observe(1, 'sf_ended');

-- 90 % of a life of 99 days
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('sf_old', now() - interval '95 days', 1000, 33, 10, 12);
SELECT snowflake_create('sf_aged', 'sf_old');
\set VERBOSITY terse
SELECT snowflake_nextval('sf_aged') > 0 AS drawn;
\set VERBOSITY default
SELECT snowflake_nextval('sf_aged') > 0 AS not_warned_again;

-- a sequence with a MAXVALUE of its own ends there
SELECT snowflake_create('sf_limited');
SELECT snowflake_min(now() - interval '1 day') AS yesterday \gset
ALTER SEQUENCE sf_limited MAXVALUE :yesterday;
CALL sf_try('SELECT snowflake_nextval(''sf_limited'')');

-- lowered below what is reserved already: none above it is given, and the bound stays
SELECT snowflake_create('sf_lowered');
SELECT snowflake_nextval('sf_lowered') + 5 AS lowered \gset
ALTER SEQUENCE sf_lowered RESTART 1 MAXVALUE :lowered;
CALL sf_try('SELECT max(snowflake_nextval(''sf_lowered'')) FROM generate_series(1, 100)');
SELECT last_value > :lowered AS bound_stays FROM sf_lowered;
DROP SEQUENCE sf_lowered;
-- also in the middle of a unit of time, one by one and in pools: it gives all
-- ids up to there, and none above
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('sf_slow', '2025-01-01 00:00:00+00', 1000000, 36, 8, 4);
CREATE FUNCTION sf_exhaust(increment integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	generator regclass := snowflake_create('sf_exhausted', 'sf_slow', increment);
	id bigint := snowflake_nextval(generator);
	node integer := snowflake_node(id, 'sf_slow');
	-- the eleventh id of this node in a second that is not reserved yet
	last bigint := snowflake_min(now() + interval '6 s', 'sf_slow') + (node << 4) + 10;
	drawn bigint;
BEGIN
	EXECUTE format('ALTER SEQUENCE sf_exhausted MAXVALUE %s', last);
	LOOP
		drawn := snowflake_nextval(generator);
		IF drawn <= id OR drawn + increment - 1 > last THEN
			RETURN 'out of order, or above';
		END IF;
		id := drawn;
	END LOOP;
EXCEPTION WHEN sequence_generator_limit_exceeded THEN
	RETURN format('%s left', last - id - increment + 1);
END
$$;
SELECT sf_exhaust(1);
DROP SEQUENCE sf_exhausted;
SELECT sf_exhaust(5);
DROP SEQUENCE sf_exhausted;
DROP FUNCTION sf_exhaust;

-- a layout that has not begun yet starts with its epoch
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('sf_future', date_trunc('day', now()) + interval '400 days', 1000, 40, 10, 12);
SELECT snowflake_create('sf_early', 'sf_future');
CALL sf_try('SELECT snowflake_nextval(''sf_early'')');

--
-- Pools: an increment takes that many ids of one unit of time
--
SELECT snowflake_create('sf_pool', 'sf_short', 5);
SELECT seqincrement, seqmin, seqmax = (SELECT max_id FROM seqgen.layout_info WHERE name = 'sf_short') AS to_the_end, seqcycle
  FROM pg_sequence WHERE seqrelid = 'sf_pool'::regclass;
-- 16 ids a millisecond: three pools of five, and one is left over
CREATE TABLE sf_pools (nr serial, first bigint);
INSERT INTO sf_pools (first) SELECT snowflake_nextval('sf_pool') FROM generate_series(1, 300);
INSERT INTO sf_pools (first) SELECT snowflake_nextvals(300, 'sf_pool');
SELECT count(*) FILTER (WHERE s > 11) AS across_a_unit,
	   count(*) FILTER (WHERE first - previous < 5) AS overlaps
  FROM (SELECT first, snowflake_sequence(first, 'sf_short') AS s, lag(first) OVER (ORDER BY nr) AS previous FROM sf_pools) p;
DROP TABLE sf_pools;
SELECT snowflake_create('sf_whole', 'sf_short', 16);
SELECT count(DISTINCT snowflake_timestamp(id, 'sf_short')) AS units, max(snowflake_sequence(id, 'sf_short')) AS sequence
  FROM snowflake_nextvals(10, 'sf_whole') id;
SELECT snowflake_create('sf_none', 'sf_short', 17);
SELECT snowflake_create('sf_none', 'sf_short', 0);
SELECT snowflake_create('sf_none', increment => -1);
SELECT snowflake_create('sf_none', increment => 4097);
SELECT snowflake_create('sf_none', 'sonyflake', 2);
-- one that is changed afterwards
ALTER SEQUENCE sf_pool INCREMENT BY 7;
SELECT snowflake_nextval('sf_pool') AS one \gset
SELECT snowflake_nextval('sf_pool') AS two \gset
SELECT :two - :one >= 7 AS seven;
ALTER SEQUENCE sf_pool INCREMENT BY 17;
SELECT snowflake_nextval('sf_pool');
ALTER SEQUENCE sf_pool INCREMENT BY -1;
SELECT snowflake_nextval('sf_pool');
ALTER SEQUENCE sf_sony INCREMENT BY 2;
SELECT snowflake_nextval('sf_sony');

--
-- Creating
--
CREATE SCHEMA sf_schema;
CREATE SCHEMA "Sf ""Odd"" Schema";
SELECT snowflake_create('sf_schema.in_schema');
SELECT snowflake_create('"Sf ""Odd"" Schema"."An id''s; name"');
SELECT snowflake_create('UPPER_becomes_lower');
SELECT snowflake_create('"Select"');
SELECT format('snowflake_create(%L)', format('%I.sf_schema.with_database', current_database())) AS call \gset
SELECT :call;
SELECT snowflake_nextval('"Sf ""Odd"" Schema"."An id''s; name"') > 0 AS drawn, snowflake_nextval('"Select"') > 0 AS drawn;
SELECT generator, kind, layout FROM seqgen.generator
 WHERE generator::text COLLATE "C" ~ 'sf_schema|Odd|upper|Select' ORDER BY generator::text COLLATE "C";

-- names that would be more than a name
SELECT snowflake_create('sf_a; DROP SCHEMA sf_schema');
SELECT snowflake_create('sf_a INCREMENT BY 7');
SELECT snowflake_create('"sf_a; DROP SCHEMA sf_schema; --"');
SELECT snowflake_create('sf_schema."x"" MINVALUE -5 --"');
SELECT seqmin FROM pg_sequence WHERE seqrelid = 'sf_schema."x"" MINVALUE -5 --"'::regclass;
SELECT snowflake_create('');
SELECT snowflake_create('""');
SELECT snowflake_create('a.b.c.d');
SELECT snowflake_create('elsewhere.sf_schema.a');
SELECT snowflake_create('no_such_schema.a');
SELECT snowflake_create('"unclosed');
SELECT snowflake_create('sf_b', 'no_such_layout');
SELECT snowflake_create('sf_b', 'default"; DROP SCHEMA sf_schema; --');
SELECT snowflake_create(NULL) IS NULL AS nothing;

-- names that exist
SELECT snowflake_create('sf_here');
CREATE TABLE sf_table ();
CREATE VIEW sf_view AS SELECT 1;
CREATE SEQUENCE sf_plain;
SELECT snowflake_create('sf_table');
SELECT snowflake_create('sf_here', if_not_exists => true);
SELECT snowflake_create('sf_here', 'twitter', if_not_exists => true);
SELECT snowflake_create('sf_table', if_not_exists => true);
SELECT snowflake_create('sf_plain', if_not_exists => true);
SELECT snowflake_create('sf_c', if_not_exists => true);
SELECT snowflake_create('sf_c', if_not_exists => true);
SELECT snowflake_create('sf_d', if_not_exists => NULL) IS NULL AS nothing;

-- rolled back, it is gone
BEGIN;
SELECT snowflake_create('sf_passing');
SELECT snowflake_nextval('sf_passing') > 0 AS drawn;
ROLLBACK;
SELECT snowflake_nextval('sf_passing');
SELECT count(*) FROM seqgen.generator WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = generator);
BEGIN READ ONLY;
SELECT snowflake_create('sf_passing');
ROLLBACK;

--
-- Attaching
--
SELECT snowflake_nextval('sf_plain');
SELECT snowflake_attach('sf_plain');
SELECT snowflake_nextval('sf_plain') > 0 AS drawn;
SELECT snowflake_attach('sf_plain', 'twitter');
CREATE SEQUENCE sf_plain2 INCREMENT BY 50;
SELECT setval('sf_plain2', snowflake_max(now() + interval '5 s', 'twitter')) AS value \gset
SELECT snowflake_attach('sf_plain2', layout => 'twitter');
SELECT snowflake_nextval('sf_plain2') > :value AS above_what_it_had, snowflake_currval('sf_plain2') - :value < 1000::bigint << 22 AS from_there_on;
SELECT generator, kind, layout FROM seqgen.generator WHERE generator::text ~ 'sf_plain' ORDER BY 1;
CREATE SEQUENCE sf_plain3;
SELECT snowflake_attach('sf_plain3', 'no_such_layout');
SELECT snowflake_attach('sf_table');
SELECT snowflake_attach('sf_view');
SELECT snowflake_attach(4294967295::oid);
ALTER SEQUENCE sf_plain3 INCREMENT BY -1 MINVALUE -10 MAXVALUE 10;
SELECT snowflake_attach('sf_plain3');
ALTER SEQUENCE sf_plain3 INCREMENT BY 3;
SELECT snowflake_attach('sf_plain3', 'sonyflake');
BEGIN READ ONLY;
SELECT snowflake_attach('sf_plain3');
ROLLBACK;
BEGIN;
SELECT snowflake_attach('sf_plain3');
ROLLBACK;
SELECT snowflake_nextval('sf_plain3');

--
-- What is no generator
--
SELECT snowflake_nextval('sf_table');
SELECT snowflake_nextval('sf_view');
SELECT snowflake_nextval('sf_plain3');
SELECT snowflake_nextval('no_such_sequence');
SELECT snowflake_nextval(4294967295::oid);
SELECT snowflake_nextval(NULL) IS NULL AS nothing;
SELECT snowflake_nextvals(1, 'sf_table');
SELECT snowflake_currval('sf_table');
SELECT snowflake_currval('sf_plain3');
SELECT snowflake_currval(4294967295::oid);
SELECT snowflake_observe(1, 'sf_plain3');
SELECT seqgen.advance('sf_table', 1);
SELECT seqgen.advance('sf_plain3', 1);
SELECT seqgen.advance(4294967295::oid, 1);
SELECT seqgen.reset('sf_plain3', 1);

CREATE TEMPORARY SEQUENCE sf_temp;
CREATE UNLOGGED SEQUENCE sf_unlogged;
CREATE TABLE sf_serial (id serial);
SELECT snowflake_attach('sf_serial_id_seq');
ALTER SEQUENCE sf_serial_id_seq AS bigint;
SELECT snowflake_attach('sf_serial_id_seq');
SELECT snowflake_nextval('sf_serial_id_seq') > 2147483647 AS drawn;
DROP TABLE sf_serial;
CREATE TABLE sf_identity (id bigint GENERATED ALWAYS AS IDENTITY);
SELECT snowflake_attach('sf_identity_id_seq');
DROP TABLE sf_identity;
SELECT snowflake_attach('sf_temp');
SELECT snowflake_attach('sf_unlogged');
SELECT snowflake_create('pg_temp.sf_temp2');
ALTER SEQUENCE sf_c SET UNLOGGED;
SELECT snowflake_nextval('sf_c');
BEGIN;
ALTER SEQUENCE sf_c SET LOGGED;
SELECT snowflake_nextval('sf_c');
ROLLBACK;
ALTER SEQUENCE sf_c SET LOGGED;
SELECT snowflake_nextval('sf_c') > 0 AS drawn;

--
-- The table of generators by hand
--
INSERT INTO seqgen.generator VALUES ('sf_here', 'snowflake', 'default');
\set VERBOSITY terse
INSERT INTO seqgen.generator VALUES ('sf_here', 'snowflake', 'twitter');
\set VERBOSITY default
INSERT INTO seqgen.generator VALUES ('sf_table', 'snowflake', 'default');
INSERT INTO seqgen.generator VALUES (NULL, 'snowflake', 'default');
INSERT INTO seqgen.generator VALUES ('sf_unlogged', 'snowflake', 'default');
-- a layout may come later, as in a parallel restore, but until then nothing is drawn
INSERT INTO seqgen.generator VALUES ('sf_plain3', 'snowflake', 'no_such_layout');
SELECT snowflake_nextval('sf_plain3');
SELECT snowflake_timestamp(1, 'sf_plain3'::regclass);
DELETE FROM seqgen.generator WHERE generator = 'sf_plain3'::regclass;
INSERT INTO seqgen.generator VALUES ('sf_plain3', 'snowflake', NULL);
INSERT INTO seqgen.generator VALUES ('sf_plain3', 'abacus', 'default');
INSERT INTO seqgen.generator VALUES ('sf_plain3', 'snowflake', 'default');
SELECT snowflake_nextval('sf_plain3');
UPDATE seqgen.generator SET layout = 'twitter' WHERE generator = 'seqgen.snowflake_default'::regclass;
DELETE FROM seqgen.generator WHERE generator = 'seqgen.snowflake_default'::regclass;
TRUNCATE seqgen.generator;
DELETE FROM seqgen.generator WHERE generator = 'sf_plain3'::regclass;
SELECT snowflake_nextval('sf_plain3');
UPDATE seqgen.generator SET layout = 'discord' WHERE generator = 'sf_c'::regclass;
SELECT snowflake_node(snowflake_nextval('sf_c'), 'discord') = snowflake_node(:a) AS by_the_new_layout;
SELECT seqgen.generator_guard();
CREATE FUNCTION sf_guard_alone() RETURNS integer
	AS '$libdir/seqgen', 'sg_generator_guard' LANGUAGE C;
SELECT sf_guard_alone();
DROP FUNCTION sf_guard_alone();

-- a dropped sequence takes its row along
DROP SEQUENCE sf_c;
SET client_min_messages = warning;
DROP SCHEMA sf_schema, "Sf ""Odd"" Schema" CASCADE;
RESET client_min_messages;
DROP SEQUENCE sf_discord, sf_sony, sf_here, sf_js, sf_ended, sf_aged, sf_limited, sf_early, sf_pool, sf_whole,
	upper_becomes_lower, "Select", "sf_a; DROP SCHEMA sf_schema; --", sf_plain, sf_plain2, sf_plain3,
	sf_temp, sf_unlogged;
DROP VIEW sf_view;
DROP TABLE sf_table;
DROP PROCEDURE sf_try;
SELECT generator FROM seqgen.generator ORDER BY generator::text;
DELETE FROM seqgen.layout WHERE name ~ '^sf_';
