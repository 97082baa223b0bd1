--
-- Range: the ledger gives out no value twice, and says what it refuses and why.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS seqgen;
RESET client_min_messages;

CREATE ROLE regress_seqgen_owner;

--
-- Creating
--
SELECT range_create('rg');
SELECT range_create('rg_small', 10, 1, 100, max_block_size => 20);
SELECT range_create('rg_int', column_type => 'integer');
SELECT range_create('rg_int2', 50, column_type => 'int2');
SELECT generator, cursor, min_value, max_value, block_size, min_block_size, max_block_size
  FROM seqgen.range_generator ORDER BY generator::text;
SELECT generator, kind, layout FROM seqgen.generator WHERE kind = 'range' ORDER BY generator::text;

-- nothing can be drawn with nextval, from the first call on
SELECT nextval('rg');
SELECT nextval('rg_cursor');

SELECT range_create('rg');
SELECT range_create('rg', if_not_exists => true);
CREATE SEQUENCE rg_plain;
SELECT range_create('rg_plain', if_not_exists => true);
SELECT range_create('rg_bad', 0);
SELECT range_create('rg_bad', 10, 0);
SELECT range_create('rg_bad', 10, 5, 4);
SELECT range_create('rg_bad', 10, 1, 5);
SELECT range_create('rg_bad', 10, min_block_size => 11);
SELECT range_create('rg_bad', 10, max_block_size => 9);
SELECT range_create('rg_bad', max_value => 9223372036854775807);
SELECT range_create('rg_bad', max_value => 40000, column_type => 'int2');
SELECT range_create('rg_bad', max_value => 3000000000, column_type => 'int4');
SELECT range_create('rg_bad', column_type => 'numeric');
SELECT range_create(NULL);
SELECT range_create('other_db.public.rg_bad');

-- a name that leaves no room for the cursor's, and one that is taken
SELECT range_create(repeat('r', 63));
CREATE SEQUENCE rg_taken_cursor;
SELECT range_create('rg_taken');
SELECT generator, cursor FROM seqgen.range_generator WHERE generator::text ~ 'rrr|taken' ORDER BY generator::text;
DROP SEQUENCE rg_taken_cursor, rg_taken;
SELECT format('DROP SEQUENCE %I', repeat('r', 63)) \gexec

-- the cursor goes with its generator, and only with it
DROP SEQUENCE rg_int_cursor;
DROP SEQUENCE rg_int;
SELECT to_regclass('rg_int_cursor');
SELECT count(*) FROM seqgen.range_generator WHERE generator::text ~ 'rg_int$|^[0-9]';

--
-- Altering
--
SELECT range_alter('rg_small', block_size => 5, min_block_size => 2);
SELECT block_size, min_block_size, max_block_size FROM seqgen.range_generator WHERE generator = 'rg_small'::regclass;
SELECT range_alter('rg_small', max_block_size => 4);
SELECT range_alter('rg_small', max_block_size => 101);
SELECT range_alter(NULL);
SELECT range_alter('rg_plain');
SELECT range_alter('seqgen.snowflake_default');
SELECT range_alter('rg_small', 10);

--
-- Alloc: blocks follow each other; what is rolled back stays a hole
--
SELECT range_alloc('rg_small', 10, 'regress_seqgen_owner');
SELECT range_alloc('rg_small', 5);
BEGIN;
SELECT range_alloc('rg_small', 5);
ROLLBACK;
SELECT range_alloc('rg_small', 5);
SELECT generator, min_value, max_value, cursor, block_size, allocated, percent_used, remaining,
	   recent_rate > 0 AS rate, exhausted_at > now() AS exhausted, holes, nodes, silent_nodes, silent_blocks
  FROM seqgen.range_usage WHERE generator = 'rg_small'::regclass;

SELECT range_alloc('rg_small', 0);
SELECT range_alloc('rg_small', 21);
SELECT range_alloc('rg_small', NULL);
SELECT range_alloc('rg_plain', 1);
SELECT range_alloc('rg_small', 1, 'nobody_at_all');

--
-- Reserve: no block overlaps another one, and alloc leaps over
--
SELECT range_reserve('rg_small', '[31,40]', 'regress_seqgen_owner');
SELECT range_reserve('rg_small', '[40,45)');
SELECT range_reserve('rg_small', '[1,2)');
-- into a hole
SELECT range_reserve('rg_small', '[16,18)');
SELECT range_reserve('rg_small', '[0,5)');
SELECT range_reserve('rg_small', '[100,102)');
SELECT range_reserve('rg_small', 'empty');
SELECT range_reserve('rg_small', '[50,)');
SELECT range_reserve('rg_small', NULL);
SELECT range_alloc('rg_small', 5);
SELECT range_alloc('rg_small', 5);
SELECT block, state FROM seqgen.range_allocation WHERE generator = 'rg_small'::regclass ORDER BY block;

--
-- Release: for those who ask within an interval, and nobody else
--
SELECT range_release('rg_small', '[3,6)');
SELECT range_release('rg_small', '[3,6)');
SELECT range_release('rg_small', '[4,5)');
SELECT range_release('rg_small', '[2,4)');
SELECT range_release('rg_small', '[9,12)');
SELECT range_release('rg_small', '[60,65)');
SELECT range_reserve('rg_small', '[4,5)');
SELECT range_alloc('rg_small', 5);
SELECT range_alloc('rg_small', 2, within => '[1,3]');
SELECT range_alloc('rg_small', 2, within => '[1,100]');
SELECT range_release('rg_small', '[6,8)');
-- the rest of the first joins the second
SELECT range_alloc('rg_small', 3, within => '[1,100]');
SELECT range_alloc('rg_small', 1, within => '[1,100]');
SELECT block, state FROM seqgen.range_allocation WHERE generator = 'rg_small'::regclass AND block << '[20,21)' ORDER BY block;

--
-- Exhaustion
--
SELECT range_alloc('rg_small', 20);
SELECT range_alloc('rg_small', 20);
SELECT range_alloc('rg_small', 11);
SELECT range_alloc('rg_small', 10);
SELECT range_alloc('rg_small', 1);
SELECT remaining, percent_used, exhausted_at <= clock_timestamp() AS exhausted FROM seqgen.range_usage WHERE generator = 'rg_small'::regclass;

--
-- The ledger itself
--
\set VERBOSITY terse
INSERT INTO seqgen.range_allocation VALUES ('rg', '[100,200)', 'reserved', 'me', NULL, NULL, NULL, 1, now(), NULL);
INSERT INTO seqgen.range_allocation VALUES ('rg', '[150,160)', 'reserved', 'me', NULL, NULL, NULL, 1, now(), NULL);
INSERT INTO seqgen.range_allocation VALUES ('rg', '[0,10)', 'reserved', 'me', NULL, NULL, NULL, 1, now(), NULL);
INSERT INTO seqgen.range_allocation VALUES ('rg', '[10,)', 'reserved', 'me', NULL, NULL, NULL, 1, now(), NULL);
INSERT INTO seqgen.range_allocation VALUES ('rg', '[10,20)', 'stolen', 'me', NULL, NULL, NULL, 1, now(), NULL);
INSERT INTO seqgen.range_allocation VALUES ('rg', '[10,20)', 'granted', 'me', NULL, NULL, NULL, 1, now(), NULL);
\set VERBOSITY default
UPDATE seqgen.range_allocation SET block = '[100,300)' WHERE generator = 'rg'::regclass;
DELETE FROM seqgen.range_allocation;
TRUNCATE seqgen.range_allocation;
TRUNCATE seqgen.range_generator;
TRUNCATE seqgen.range_node;
TRUNCATE seqgen.range_ledger;
DELETE FROM seqgen.range_ledger;
UPDATE seqgen.range_ledger SET epoch = 0;
SET session_replication_role = replica;
DELETE FROM seqgen.range_allocation;
TRUNCATE seqgen.range_allocation;
RESET session_replication_role;
SELECT seqgen.range_guard();
CREATE TABLE rg_table (id bigint);
CREATE TRIGGER t BEFORE INSERT ON rg_table FOR EACH ROW EXECUTE FUNCTION seqgen.range_allocation_guard();
INSERT INTO rg_table VALUES (1);
DROP TABLE rg_table;
-- a block that was added by hand is leapt over
SELECT range_alloc('rg', 99);
SELECT range_alloc('rg', 10);

--
-- Requests of nodes
--
CREATE FUNCTION ask(size bigint, number bigint DEFAULT 1, node int DEFAULT 1, run int DEFAULT 1, boot text DEFAULT 'b',
		highest bigint DEFAULT NULL, epoch bigint DEFAULT 0, ledger bigint DEFAULT 0, saved bigint DEFAULT NULL,
		generator text DEFAULT 'public.rg',
		OUT status text, OUT lo bigint, OUT hi bigint, OUT message text) LANGUAGE sql AS $$
	SELECT r.status, r.lo, r.hi, r.message FROM seqgen.range_request(generator,
		format('00000000-0000-0000-0000-%s', lpad($4::text, 12, '0'))::uuid, $2, $1,
		format('00000000-0000-0000-0001-%s', lpad($3::text, 12, '0'))::uuid,
		format('00000000-0000-0000-0000-%s', lpad($4::text, 12, '0'))::uuid,
		'1/1/2/3:' || $3 || '/' || $5, $6, $7, $8, $9) r
$$;
-- the same request is given the same block
SELECT * FROM ask(10);
SELECT * FROM ask(10);
SELECT * FROM ask(10, 2);
-- another node, and one that takes the first one's request for its own
SELECT * FROM ask(10, 1, 2, 2);
SELECT * FROM ask(10, 1, 2, 1);
-- reports
SELECT * FROM ask(0, 1, saved => 214);
SELECT * FROM ask(0, 9);
SELECT * FROM ask(0, NULL);
SELECT * FROM ask(0, 1, 2, 1);
-- no more than the largest block, nor over what is in the way
SELECT status, hi - lo AS size FROM ask(9000000000000000000, 3);
SELECT range_reserve('rg', '[1000255,2000000)');
SELECT * FROM ask(10, 4);
SELECT * FROM ask(10, 5);
-- a copy, and a node that was rebooted: its old incarnation was just heard
SELECT * FROM seqgen.range_request('rg', '00000000-0000-0000-0000-000000000009', 1, 10,
	'00000000-0000-0000-0001-000000000001', '00000000-0000-0000-0000-000000000009', '1/2/2/3:1/b', NULL, NULL, NULL, NULL);
SELECT status, lo, hi, regexp_replace(message, '\d+', 'N') AS message FROM ask(10, 1, 1, 3, 'c');
UPDATE seqgen.range_node SET last_seen = last_seen - interval '1 hour';
SELECT * FROM ask(10, 6, 1, 3, 'c');
-- a restart replaces the incarnation without delay
SELECT * FROM ask(10, 6, 1, 4, 'c');
-- what the ledger has of them
SELECT node, role = current_user AS mine, identity, running, address, destroyed FROM seqgen.range_node ORDER BY node;
SELECT block, state, node, incarnation, request, saved FROM seqgen.range_allocation
 WHERE generator = 'rg'::regclass AND node IS NOT NULL ORDER BY block;
-- wrong calls
SELECT * FROM ask(-1);
SELECT * FROM ask(10, NULL);
SELECT * FROM ask(10, 9, 2, 2, epoch => -1);
SELECT * FROM ask(10, 9, 2, 2, ledger => 9000000000000000000);
SELECT * FROM ask(10, generator => 'public.rg_none');
SELECT * FROM ask(10, generator => 'rg_plain');
SELECT * FROM ask(10, generator => 'no_schema.rg');
SELECT * FROM ask(10, boot => '');
SELECT * FROM ask(10, boot => repeat('b', 200));
SELECT * FROM ask(NULL);
-- exhausted
SELECT * FROM ask(1, 9, 2, 2, generator => 'public.rg_small');
-- this database is no node of its own
SELECT status, message FROM seqgen.range_request('rg', gen_random_uuid(), 1, 10, gen_random_uuid(), gen_random_uuid(),
	format('%s/1/%s/1:1/b', (SELECT system_identifier FROM pg_control_system()),
		   (SELECT oid FROM pg_database WHERE datname = current_database())), NULL, NULL, NULL, NULL);
-- blocks cannot be released while their node has them
SELECT range_release('rg', '[210,212)');

--
-- Reclaim
--
SELECT range_reclaim('00000000-0000-0000-0001-000000000001', 215);
SELECT range_reclaim('00000000-0000-0000-0001-00000000000f', 215, node_is_destroyed => true);
SELECT range_reclaim('00000000-0000-0000-0001-000000000001', 215, 'rg', true);
SELECT block, state, node, request FROM seqgen.range_allocation
 WHERE generator = 'rg'::regclass AND block && '[210,240)' ORDER BY block;
SELECT * FROM ask(0, 1);
SELECT * FROM ask(10, 7);
SELECT range_alloc('rg', 4, within => '[210,230)');
SELECT range_alloc('rg', 4, within => '[210,300)');
SELECT silent_nodes, silent_blocks FROM seqgen.range_usage WHERE generator = 'rg'::regclass;
UPDATE seqgen.range_node SET last_seen = now() - interval '1 hour' WHERE NOT destroyed;
SELECT silent_nodes, silent_blocks FROM seqgen.range_usage WHERE generator = 'rg'::regclass;
-- a node with blocks of two generators
SELECT range_create('rg_two', 10);
SELECT * FROM ask(10, 1, 2, 2, generator => 'rg_two');
SELECT range_reclaim('00000000-0000-0000-0001-000000000002', 1, node_is_destroyed => true);
SELECT range_reclaim('00000000-0000-0000-0001-000000000002', 0, 'rg_two', true);
SELECT range_reclaim('00000000-0000-0000-0001-000000000002', 1000000000, node_is_destroyed => true);
SELECT block, state, node IS NULL AS freed FROM seqgen.range_allocation WHERE generator = 'rg_two'::regclass ORDER BY block;

--
-- Hold
--
SELECT seqgen.range_resume(1);
SELECT epoch, ledger > 0 AS ledger, in_hold, reason FROM seqgen.range_coordinator;
-- a node knows more
SELECT * FROM ask(10, 1, 3, 5, epoch => 7);
SELECT * FROM ask(10, 1, 3, 5);
SELECT * FROM ask(0, NULL, 3, 5, ledger => 1000000);
SELECT range_alloc('rg', 1);
SELECT range_reserve('rg', '[5000000,5000001)');
SELECT range_alloc('rg_two', 1);
-- it has seen a value: the cursor follows, but not far
SELECT cursor FROM seqgen.range_usage WHERE generator = 'rg_two'::regclass;
SELECT status FROM ask(10, 1, 3, 5, highest => 5000, generator => 'rg_two');
SELECT cursor FROM seqgen.range_usage WHERE generator = 'rg_two'::regclass;
SELECT status FROM ask(10, 1, 3, 5, highest => 9000000000000000000, generator => 'rg_two');
SELECT cursor FROM seqgen.range_usage WHERE generator = 'rg_two'::regclass;
SELECT in_hold, reason, seen_epoch, seen_ledger FROM seqgen.range_coordinator;
SELECT seqgen.range_resume(-1);
SELECT seqgen.range_resume(2);
SELECT cursor FROM seqgen.range_usage WHERE generator = 'rg_two'::regclass;
SELECT epoch, ledger > 1000000 AS ledger, in_hold, reason, seen_epoch, seen_ledger FROM seqgen.range_coordinator;
SELECT * FROM ask(10, 1, 3, 5, epoch => 8, ledger => 1000000, generator => 'rg_two');
-- a row from a restore
BEGIN;
SELECT id AS ledger_id, epoch, number + 5 AS number, 77 AS system_identifier FROM seqgen.range_ledger \gset
INSERT INTO seqgen.range_ledger (id, epoch, number, system_identifier, shared) VALUES (:'ledger_id', 3, :number, :system_identifier, true);
COMMIT;
SELECT epoch, ledger = :number AS ledger, in_hold, reason, system_identifier FROM seqgen.range_coordinator;
SELECT range_alloc('rg_two', 1);
SELECT seqgen.range_resume(0);
SELECT range_alloc('rg_two', 1) IS NOT NULL AS allocated;
-- synchronous grants need a standby
ALTER SYSTEM SET seqgen.range_require_sync = on;
SELECT pg_reload_conf();
SELECT pg_sleep(0.2);
SHOW seqgen.range_require_sync;
SELECT range_alloc('rg_two', 1);
SELECT * FROM ask(10, 2, 3, 5, generator => 'rg_two');
ALTER SYSTEM RESET seqgen.range_require_sync;
SELECT pg_reload_conf();

--
-- Who may do what
--
CREATE ROLE regress_seqgen_range;
CREATE ROLE regress_seqgen_other;
GRANT EXECUTE ON FUNCTION range_alloc(regclass, bigint, name, int8range), range_reserve(regclass, int8range, name),
	range_release(regclass, int8range), range_reclaim(uuid, bigint, regclass, boolean),
	range_alter(regclass, bigint, bigint, bigint), seqgen.range_resume(bigint) TO regress_seqgen_range;
SELECT range_create('rg_who', 10);
SET ROLE regress_seqgen_other;
SELECT range_alloc('rg_who', 1);
SELECT * FROM seqgen.range_request('rg_who', NULL, NULL, 0, gen_random_uuid(), gen_random_uuid(), '1/2/3/4/5', NULL, NULL, NULL, NULL);
SELECT count(*) FROM seqgen.range_usage;
SELECT seqgen.range_cursor('rg_who');
SELECT count(*) FROM seqgen.range_allocation;
SELECT * FROM seqgen.range_coordinator;
SET ROLE regress_seqgen_range;
SELECT range_alloc('rg_who', 1);
SELECT range_alter('rg_who', 5);
SELECT range_reserve('rg_who', '[100,110)');
SELECT range_release('rg_who', '[100,110)');
SELECT range_reclaim(gen_random_uuid(), 1, 'rg_who', true);
SELECT range_reclaim(gen_random_uuid(), 1, node_is_destroyed => true);
SELECT seqgen.range_resume(1);
RESET ROLE;
GRANT USAGE ON SEQUENCE rg_who TO regress_seqgen_range;
SELECT range_reserve('rg_who', '[100,110)', 'regress_seqgen_owner');
SET ROLE regress_seqgen_range;
SELECT range_alloc('rg_who', 4);
SELECT range_alloc('rg_who', 4, 'regress_seqgen_other');
SELECT range_release('rg_who', '[1,3)');
SELECT range_release('rg_who', '[100,102)');
SELECT owner, block, state FROM seqgen.range_allocation;
RESET ROLE;
-- an owner needs no privilege on the tables
GRANT CREATE ON SCHEMA public TO regress_seqgen_range;
SET ROLE regress_seqgen_range;
SELECT range_create('rg_mine', 10);
SELECT range_alloc('rg_mine', 4);
SELECT range_reserve('rg_mine', '[10,20)');
SELECT generator, allocated, holes FROM seqgen.range_usage;
RESET ROLE;
-- nor does anything happen where nothing may be written
BEGIN READ ONLY;
SELECT range_alloc('rg_mine', 1);
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM ask(1, generator => 'rg_mine');
ROLLBACK;
-- a cursor that was tampered with
BEGIN;
ALTER SEQUENCE rg_mine_cursor RESTART;
SELECT range_alloc('rg_mine', 1);
ROLLBACK;
ALTER SEQUENCE rg_mine_cursor SET UNLOGGED;
SELECT range_alloc('rg_mine', 1);
ALTER SEQUENCE rg_mine_cursor SET LOGGED;
SELECT setval('rg_mine_cursor', 1);
SELECT range_alloc('rg_mine', 6);
-- repeatable read sees the newest state too
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) > 0 FROM pg_class;
SELECT range_alloc('rg_mine', 5);
SELECT range_release('rg_mine', '[20,22)');
COMMIT;

-- what cannot be the state of a ledger
INSERT INTO seqgen.range_ledger (epoch) VALUES (NULL);
BEGIN;
CREATE TEMP TABLE bad AS SELECT * FROM seqgen.range_ledger;
UPDATE bad SET epoch = -1;
INSERT INTO seqgen.range_ledger SELECT * FROM bad;
ROLLBACK;

-- the forecast: the newest 100 blocks came in 1000 s, older ones more slowly
SELECT range_create('rg_rate', 10, max_value => 1000000);
INSERT INTO seqgen.range_allocation
SELECT 'rg_rate'::regclass, int8range(1 + 100 * i, 101 + 100 * i), 'allocated', 'somebody', NULL, NULL, NULL, 1,
	   clock_timestamp() - CASE WHEN i < 100 THEN interval '10 days' ELSE (200 - i) * interval '10 s' END, NULL
  FROM generate_series(0, 199) i;
SELECT setval('rg_rate_cursor', 20000);
SELECT remaining, round(recent_rate::numeric, 1) AS rate,
	   round(extract(epoch FROM exhausted_at - clock_timestamp()) / 1000) AS seconds_1000
  FROM seqgen.range_usage WHERE generator = 'rg_rate'::regclass;

SET client_min_messages = warning;
DROP FUNCTION ask;
DROP SEQUENCE rg_rate, rg, rg_small, rg_int2, rg_two, rg_who, rg_mine, rg_plain;
SELECT count(*) FROM seqgen.range_allocation;
SELECT count(*) FROM seqgen.range_generator;
SELECT count(*) FROM pg_class WHERE relname ~ '^rg_.*cursor';
REVOKE CREATE ON SCHEMA public FROM regress_seqgen_range;
DROP OWNED BY regress_seqgen_range, regress_seqgen_other;
DROP ROLE regress_seqgen_range, regress_seqgen_other, regress_seqgen_owner;
DELETE FROM seqgen.range_node;
