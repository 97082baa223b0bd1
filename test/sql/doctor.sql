--
-- The doctor: each check has a verdict, and says what is wrong when it is.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS seqgen;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- every check has a row, whatever it finds
SELECT string_agg(check_name, ' ' ORDER BY nr) AS checks,
	   bool_and(verdict IN ('off', 'ok', 'unknown', 'warning', 'failed')) AS judged,
	   bool_and(detail <> '') AS told, bool_and(hint IS NOT NULL) FILTER (WHERE verdict IN ('warning', 'failed')) IS NOT FALSE AS advised
  FROM seqgen.doctor() WITH ORDINALITY d (check_name, verdict, detail, hint, nr);
SELECT check_name, verdict, regexp_replace(detail, '\d+', '<number>') AS detail, hint FROM seqgen.doctor()
 WHERE check_name IN ('preloaded', 'node_number', 'lease', 'coordinator', 'coordinator_clock');
SELECT check_name, (verdict = 'ok') = (current_setting(check_name) = 'on') AS right FROM seqgen.doctor()
 WHERE check_name IN ('fsync', 'full_page_writes');

-- what a check finds
CREATE FUNCTION doc_finds(name text, OUT verdict text, OUT detail text, OUT hint text) LANGUAGE SQL AS $$
	SELECT d.verdict, regexp_replace(regexp_replace(d.detail, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00', '<time>', 'g'), '[\d.]+ s\y', '<duration>', 'g'), d.hint
	  FROM seqgen.doctor() d WHERE d.check_name = name
$$;

-- a clock that a test has shifted
SET seqgen.debug_clock_offset = '1s';
SELECT * FROM doc_finds('clock');
RESET seqgen.debug_clock_offset;

-- a generator that is ahead of the clock
SELECT * FROM doc_finds('lead');
SELECT snowflake_create('doc_fast', 'pgedge');
SELECT seqgen.advance('doc_fast', snowflake_min(clock_timestamp() + interval '50 s', 'pgedge'));
SELECT * FROM doc_finds('lead');
SET seqgen.debug_clock_offset = '-20s';
SELECT * FROM doc_finds('lead');
RESET seqgen.debug_clock_offset;

-- generators that are close to their end: of the layout, and of the sequence
SELECT * FROM doc_finds('bounds');
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('doc_old', now() - interval '95 days', 1000, 33, 10, 12);
SELECT snowflake_create('doc_aged', 'doc_old');
SELECT * FROM doc_finds('bounds');
SELECT snowflake_create('doc_limited');
SELECT snowflake_min(now() - interval '1 day') AS yesterday \gset
ALTER SEQUENCE doc_limited MAXVALUE :yesterday;
SELECT * FROM doc_finds('bounds');
DROP SEQUENCE doc_aged, doc_limited;
DELETE FROM seqgen.layout WHERE name = 'doc_old';
SELECT range_create('doc_range', min_value => 1, max_value => 10, block_size => 9);
SELECT range_alloc('doc_range', 9);
SELECT * FROM doc_finds('bounds');
SELECT range_alloc('doc_range', 1);
SELECT * FROM doc_finds('bounds');
DROP SEQUENCE doc_range;

-- an id of this node's number that was not drawn here
SELECT * FROM doc_finds('duplicate_nodes');
SET client_min_messages = error;
SET seqgen.debug_clock_offset = '100s';
SELECT snowflake_observe(snowflake_min(clock_timestamp() + interval '110 s', 'pgedge') +
						 (snowflake_node(snowflake_nextval('doc_fast'), 'pgedge') << 12), 'doc_fast');
RESET seqgen.debug_clock_offset;
RESET client_min_messages;
SELECT * FROM doc_finds('duplicate_nodes');
SELECT seqgen.stat_reset('doc_fast');
SELECT verdict FROM doc_finds('duplicate_nodes');
DROP SEQUENCE doc_fast;

-- a check that cannot find out does not keep the others from it
BEGIN;
ALTER TABLE seqgen.node RENAME TO node_gone;
SELECT * FROM doc_finds('duplicate_nodes');
SELECT count(*) FROM seqgen.doctor() WHERE verdict <> 'unknown' AND check_name IN ('preloaded', 'node_number', 'lead', 'bounds');
ROLLBACK;

-- in a read-only transaction; whatever is in the search path
CREATE SCHEMA doc_trap;
CREATE TABLE doc_trap.pg_class ();
CREATE FUNCTION doc_trap.sum(bigint) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RAISE ''captured''; END';
CREATE FUNCTION doc_trap.gt(bigint, integer) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE ''captured''; END';
CREATE OPERATOR doc_trap.> (LEFTARG = bigint, RIGHTARG = integer, FUNCTION = doc_trap.gt);
BEGIN READ ONLY;
SET LOCAL search_path = doc_trap, pg_catalog, public;
SELECT check_name, detail FROM seqgen.doctor() WHERE detail ~ 'raised an error';
COMMIT;
SET client_min_messages = warning;
DROP SCHEMA doc_trap CASCADE;
RESET client_min_messages;

-- for members of pg_monitor, and nobody else
CREATE ROLE regress_seqgen_user;
CREATE ROLE regress_seqgen_monitor IN ROLE pg_monitor;
SET ROLE regress_seqgen_user;
SELECT count(*) FROM seqgen.doctor();
SET ROLE regress_seqgen_monitor;
SELECT check_name, detail FROM seqgen.doctor() WHERE detail ~ 'raised an error';
RESET ROLE;
DROP ROLE regress_seqgen_user, regress_seqgen_monitor;
DROP FUNCTION doc_finds;
