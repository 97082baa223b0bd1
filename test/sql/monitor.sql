--
-- Monitoring: the views count exactly, and are for those who may see statistics.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS seqgen;
RESET client_min_messages;
SET timezone = 'UTC';

\d seqgen.stat_generator
\d seqgen.stat_backend

-- a generator that nobody has used since the server started
SELECT snowflake_create('mon_gen');
SELECT * FROM seqgen.stat_generator WHERE generator = 'mon_gen'::regclass;

-- counted at the end of each transaction, rolled back or not
BEGIN;
SELECT count(snowflake_nextval('mon_gen')) FROM generate_series(1, 1000);
SELECT issued FROM seqgen.stat_generator WHERE generator = 'mon_gen'::regclass;
COMMIT;
SELECT kind, layout, issued, reservations >= 1 AS reserved, waits, clock_steps_back,
	   last_value = snowflake_currval('mon_gen') AS last_is_current,
	   durable_bound > last_value AS bound_is_above,
	   lead >= interval '0' AND lead < interval '1 minute' AS lead_is_small
  FROM seqgen.stat_generator WHERE generator = 'mon_gen'::regclass;
BEGIN;
SELECT count(*) FROM snowflake_nextvals(500, 'mon_gen');
ROLLBACK;
SELECT issued FROM seqgen.stat_generator WHERE generator = 'mon_gen'::regclass;
-- the durable bound is the sequence's own
SELECT g.durable_bound = s.last_value AS same FROM seqgen.stat_generator g, mon_gen s
 WHERE g.generator = 'mon_gen'::regclass;
-- the bound has neither node nor sequence
SELECT snowflake_node(durable_bound) AS node, snowflake_sequence(durable_bound) AS sequence
  FROM seqgen.stat_generator WHERE generator = 'mon_gen'::regclass;

-- a pool counts as one
SELECT snowflake_create('mon_pool', increment => 50);
SELECT count(snowflake_nextval('mon_pool')) FROM generate_series(1, 7);
SELECT issued FROM seqgen.stat_generator WHERE generator = 'mon_pool'::regclass;

-- the clock set back is seen, and how far ahead that leaves a generator
SET seqgen.debug_clock_offset = '-20s';
SELECT snowflake_nextval('mon_gen') > 0 AS drawn;
SELECT clock_steps_back, lead > interval '10 s' AND lead < interval '1 minute' AS ahead
  FROM seqgen.stat_generator WHERE generator = 'mon_gen'::regclass;
RESET seqgen.debug_clock_offset;
SELECT lead < interval '10 s' AS back FROM seqgen.stat_generator WHERE generator = 'mon_gen'::regclass;

-- observed ids of this node's number that were not drawn here, ahead of the
-- clock of all that was
SET client_min_messages = error;
SET seqgen.debug_clock_offset = '100s';
SELECT snowflake_create('mon_twin', 'discord');
CREATE FUNCTION mon_foreign() RETURNS bigint LANGUAGE sql
	RETURN (SELECT foreign_ids FROM seqgen.stat_generator WHERE generator = 'mon_twin'::regclass);
SELECT snowflake_node(snowflake_nextval('mon_twin'), 'discord') AS node,
	   snowflake_min(clock_timestamp() + interval '110 s', 'discord') AS soon \gset
SELECT snowflake_observe(snowflake_nextval('mon_twin'), 'mon_twin');
SELECT mon_foreign() AS own;
SELECT snowflake_observe(:soon, 'mon_twin');
SELECT snowflake_observe(:soon + ((:node + 1) << 12), 'mon_twin');
SELECT mon_foreign() AS of_others;
SELECT snowflake_observe(:soon + (:node << 12) + (1::bigint << 30), 'mon_twin');
SELECT mon_foreign() AS of_a_twin;
SELECT snowflake_observe(:soon + (:node << 12) + (1::bigint << 30), 'mon_twin');
SELECT snowflake_observe(snowflake_currval('mon_twin'), 'mon_twin');
SELECT mon_foreign() AS below_what_is_known;
SELECT snowflake_nextval_after(:soon + (:node << 12) + (2::bigint << 30), 'mon_twin') > :soon AS drawn;
SELECT mon_foreign() AS of_a_twin;
-- drawn here by another generator of the layout, also if that is gone
SELECT snowflake_create('mon_other', 'discord');
SELECT seqgen.advance('mon_other', :soon + (3::bigint << 30));
SELECT snowflake_observe(snowflake_nextval('mon_other'), 'mon_twin');
SELECT seqgen.advance('mon_other', :soon + (4::bigint << 30));
SELECT snowflake_nextval('mon_other') AS id \gset
DROP SEQUENCE mon_other;
SELECT snowflake_observe(:id, 'mon_twin');
SELECT mon_foreign() AS of_another_generator;
SELECT seqgen.advance('mon_twin', :soon + (5::bigint << 30) + (:node << 12));
SELECT mon_foreign() AS the_owner_may_know_why;
SELECT seqgen.stat_reset('mon_twin');
SELECT mon_foreign() AS set_to_zero;
-- without a number there are no twins
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('mon_alone', '2025-01-01 00:00:00+00', 1000, 41, 0, 12);
SELECT snowflake_create('mon_single', 'mon_alone');
SELECT snowflake_observe(snowflake_min(clock_timestamp() + interval '110 s', 'mon_alone'), 'mon_single');
SELECT foreign_ids FROM seqgen.stat_generator WHERE generator = 'mon_single'::regclass;
RESET seqgen.debug_clock_offset;
RESET client_min_messages;
DROP FUNCTION mon_foreign();
DROP SEQUENCE mon_twin, mon_single;
DELETE FROM seqgen.layout WHERE name = 'mon_alone';

-- this session's own record
SELECT snowflake_nextval('mon_gen') AS id \gset
SELECT datname = current_database() AS here, prepared_xid, last_value = :id AS last, transaction_floor
  FROM seqgen.stat_backend WHERE pid = pg_backend_pid();
SELECT snowflake_issued AS before FROM seqgen.stat_backend WHERE pid = pg_backend_pid() \gset
BEGIN;
SELECT snowflake_nextval('mon_gen') AS first \gset
SELECT transaction_floor <= snowflake_timestamp(:first) AS floor_is_not_above_the_first
  FROM seqgen.stat_backend WHERE pid = pg_backend_pid();
SELECT count(*) FROM snowflake_nextvals(10000, 'mon_gen');
SELECT transaction_floor <= snowflake_timestamp(:first) AS floor_stays
  FROM seqgen.stat_backend WHERE pid = pg_backend_pid();
COMMIT;
SELECT transaction_floor, snowflake_issued - :before AS issued FROM seqgen.stat_backend WHERE pid = pg_backend_pid();
-- several generators, several layouts: the lowest floor
SELECT snowflake_create('mon_ahead', 'twitter');
SELECT seqgen.advance('mon_ahead', snowflake_min(clock_timestamp() + interval '50 s', 'twitter'));
BEGIN;
SELECT snowflake_nextval('mon_ahead') > 0 AS drawn;
SELECT transaction_floor > clock_timestamp() + interval '20 s' AS ahead
  FROM seqgen.stat_backend WHERE pid = pg_backend_pid();
SELECT snowflake_nextval('mon_gen') AS id \gset
SELECT transaction_floor <= snowflake_timestamp(:id) AS lowest
  FROM seqgen.stat_backend WHERE pid = pg_backend_pid();
COMMIT;

-- set to zero, one or all
SELECT seqgen.stat_reset('mon_gen');
SELECT issued, reservations, waits, clock_steps_back, last_value > 0 AS last_stays
  FROM seqgen.stat_generator WHERE generator = 'mon_gen'::regclass;
SELECT issued FROM seqgen.stat_generator WHERE generator = 'mon_pool'::regclass;
SELECT seqgen.stat_reset();
SELECT sum(issued) AS issued, sum(reservations) AS reservations FROM seqgen.stat_generator;
SELECT seqgen.stat_reset(NULL) IS NULL AS nothing;
SELECT seqgen.stat_reset('pg_class');

-- for members of pg_monitor, and nobody else
CREATE ROLE regress_seqgen_user;
CREATE ROLE regress_seqgen_monitor IN ROLE pg_monitor;
SET ROLE regress_seqgen_user;
SELECT count(*) FROM seqgen.stat_generator;
SELECT count(*) FROM seqgen.stat_backend;
SELECT count(*) FROM seqgen.generator_state();
SELECT count(*) FROM seqgen.backend_state();
SELECT seqgen.stat_reset();
SELECT seqgen.stat_reset('mon_gen');
SET ROLE regress_seqgen_monitor;
SELECT count(*) FROM seqgen.stat_generator WHERE generator = 'mon_gen'::regclass;
SELECT count(*) FROM seqgen.stat_backend WHERE pid = pg_backend_pid();
SELECT seqgen.stat_reset();
RESET ROLE;
DROP ROLE regress_seqgen_user, regress_seqgen_monitor;

-- a dropped generator is gone from the view
DROP SEQUENCE mon_gen, mon_pool, mon_ahead;
SELECT count(*) FROM seqgen.stat_generator WHERE generator::text !~ '_default$';
SELECT count(*) FROM seqgen.generator_state() WHERE generator::oid NOT IN (SELECT oid FROM pg_class);
