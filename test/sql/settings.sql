--
-- Settings: each has a unit, a range and a context in which no ordinary
-- session can touch what uniqueness depends on.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS seqgen;
RESET client_min_messages;

SELECT name, unit, context, vartype, boot_val, min_val, max_val
  FROM pg_settings WHERE name ~ '^seqgen\.' ORDER BY name COLLATE "C";
SELECT name, short_desc, extra_desc FROM pg_settings WHERE name ~ '^seqgen\.' ORDER BY name COLLATE "C";

-- the clock of the tests is not among them, but it can be read
SHOW seqgen.debug_clock_offset;
SELECT current_setting('seqgen.node_id') <> '' AS node_is_set;

-- no values
SET seqgen.debug_clock_offset = '201 years';
SET seqgen.debug_clock_offset = 'soon';
-- out of range; how the range is written depends on the server's version
\set VERBOSITY sqlstate
SET seqgen.debug_clock_offset = '80000d';
SET seqgen.debug_clock_offset = '-80000d';
ALTER SYSTEM SET seqgen.reserve_ahead = '99ms';
ALTER SYSTEM SET seqgen.reserve_ahead = '10001ms';
ALTER SYSTEM SET seqgen.max_lead = '10s';
ALTER SYSTEM SET seqgen.max_lead = '61min';
ALTER SYSTEM SET seqgen.max_clock_jump = '-1s';
ALTER SYSTEM SET seqgen.max_generators = 15;
ALTER SYSTEM SET seqgen.max_generators = 1000001;
\set VERBOSITY default
-- neither a node number nor a list of databases
ALTER SYSTEM SET seqgen.node_id = 'one';
ALTER SYSTEM SET seqgen.node_id = '0';
ALTER SYSTEM SET seqgen.node_id = '1073741824';
ALTER SYSTEM SET seqgen.node_id = 'shard1:1, shard2';
ALTER SYSTEM SET seqgen.node_id = 'shard1:0';
ALTER SYSTEM SET seqgen.node_id = 'shard1:1 shard2:2';
ALTER SYSTEM SET seqgen.node_id = '"shard1:1';

-- not even a superuser's session changes what the server was started with, or
-- what its configuration says
SET seqgen.node_id = '2';
SET seqgen.max_generators = 100;
SET seqgen.reserve_ahead = '1s';
SET seqgen.max_lead = '1h';
SET seqgen.max_clock_jump = 0;
SELECT set_config('seqgen.node_id', '2', false);
ALTER ROLE CURRENT_USER SET seqgen.node_id = '2';
\set VERBOSITY terse
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET seqgen.max_lead = ''1h''', current_database()); END $$;
\set VERBOSITY default
CREATE FUNCTION set_node() RETURNS void LANGUAGE sql SET seqgen.node_id = '2' RETURN NULL;

-- a superuser may shift the clock
SET seqgen.debug_clock_offset = '1h';
SHOW seqgen.debug_clock_offset;
SELECT snowflake_create('settings_gen');
SELECT snowflake_timestamp(snowflake_nextval('settings_gen')) - now() >= interval '50 minutes' AS about_an_hour_ahead;
RESET seqgen.debug_clock_offset;
BEGIN;
SET LOCAL seqgen.debug_clock_offset = '-1.5ms';
SHOW seqgen.debug_clock_offset;
ROLLBACK;
SHOW seqgen.debug_clock_offset;
DROP SEQUENCE settings_gen;

-- nobody else may set anything
CREATE ROLE regress_seqgen_user;
SET ROLE regress_seqgen_user;
SET seqgen.debug_clock_offset = '1h';
SELECT set_config('seqgen.debug_clock_offset', '1h', true);
SET seqgen.node_id = '2';
SET seqgen.max_generators = 100;
SET seqgen.reserve_ahead = '1s';
SET seqgen.max_lead = '1h';
SET seqgen.max_clock_jump = 0;
ALTER SYSTEM SET seqgen.max_lead = '1h';
ALTER ROLE regress_seqgen_user SET seqgen.debug_clock_offset = '1h';
-- but how long a session waits is its own affair
SELECT name AS settable FROM pg_settings WHERE name ~ '^seqgen\.' AND context = 'user';
RESET ROLE;
DROP ROLE regress_seqgen_user;

-- the prefix is taken
SET seqgen.node = '1';
SET seqgen.nodeid = '1';
SELECT set_config('seqgen.max_leed', '1h', false);
