--
-- Security: who may do what, and that nobody's objects are taken for ours.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS seqgen;
RESET client_min_messages;

--
-- Every function of the extension: what PUBLIC may execute, and how it runs
--
SELECT p.oid::regprocedure AS function,
	   EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
				WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE') AS public,
	   (SELECT string_agg(a.grantee::regrole::text, ', ' ORDER BY a.grantee::regrole::text)
		  FROM aclexplode(p.proacl) a WHERE a.grantee NOT IN (0, p.proowner)) AS others,
	   p.provolatile AS volatility, p.proparallel AS parallel, p.proisstrict AS strict,
	   p.prosecdef AS definer
  FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
 WHERE d.refclassid = 'pg_extension'::regclass
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'seqgen')
 ORDER BY p.oid::regprocedure::text COLLATE "C";

-- every table, view and sequence
SELECT c.oid::regclass AS relation, c.relkind AS kind,
	   (SELECT string_agg(format('%s %s', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
								 a.privilege_type), ', ' ORDER BY a.grantee, a.privilege_type)
		  FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner) AS privileges
  FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
 WHERE d.refclassid = 'pg_extension'::regclass
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'seqgen')
 ORDER BY c.oid::regclass::text COLLATE "C";

-- the schema is for looking things up, not for creating
SELECT a.grantee = 0 AS public, a.privilege_type
  FROM pg_namespace n, aclexplode(n.nspacl) a
 WHERE n.nspname = 'seqgen' AND a.grantee <> n.nspowner;

-- nothing is without a comment
SELECT pg_describe_object(d.classid, d.objid, 0) AS without_comment
  FROM pg_depend d
 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'seqgen')
   AND d.classid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_namespace'::regclass)
   AND obj_description(d.objid, d.classid::regclass::name) IS NULL
 ORDER BY 1;

-- what the dump takes along
SELECT unnest(extconfig)::regclass AS relation, regexp_replace(unnest(extcondition), '\s+', ' ', 'g') AS condition
  FROM pg_extension WHERE extname = 'seqgen';

--
-- An ordinary user cannot touch the catalogs
--
CREATE ROLE regress_seqgen_user;
SELECT snowflake_create('sec_gen');
SET ROLE regress_seqgen_user;
SELECT count(*) FROM seqgen.generator WHERE generator = 'sec_gen'::regclass;
INSERT INTO seqgen.generator VALUES ('sec_gen', 'snowflake', 'twitter');
UPDATE seqgen.generator SET layout = 'twitter';
DELETE FROM seqgen.generator;
TRUNCATE seqgen.generator;
SELECT setval('seqgen.snowflake_default', 1);
ALTER SEQUENCE seqgen.snowflake_default RESTART;
SELECT last_value FROM seqgen.snowflake_default;
DROP SEQUENCE seqgen.snowflake_default;
CREATE TABLE seqgen.mine ();
SELECT seqgen.advance('seqgen.snowflake_default', 1);
SELECT seqgen.advance('sec_gen', 1);
SELECT snowflake_attach('seqgen.snowflake_default');
SELECT seqgen.layout_guard();
SELECT seqgen.generator_guard();
RESET ROLE;

-- and not even a superuser loses the default generator by accident
DROP SEQUENCE seqgen.snowflake_default;

--
-- Objects of the same names, found first in the search path, change nothing
--
CREATE SCHEMA sec_trap;
GRANT USAGE, CREATE ON SCHEMA sec_trap TO regress_seqgen_user;
SET ROLE regress_seqgen_user;
SET search_path = sec_trap, public, pg_catalog;
CREATE FUNCTION sec_trap.sprung(bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'trap sprung';
END
$$;
CREATE FUNCTION sec_trap.ge(bigint, bigint) RETURNS boolean LANGUAGE sql RETURN sec_trap.sprung($1);
CREATE OPERATOR sec_trap.>= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = sec_trap.ge);
CREATE OPERATOR sec_trap.< (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = sec_trap.ge);
CREATE FUNCTION sec_trap.multiply(double precision, interval) RETURNS interval LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'trap sprung';
END
$$;
CREATE OPERATOR sec_trap.* (LEFTARG = double precision, RIGHTARG = interval, FUNCTION = sec_trap.multiply);
CREATE FUNCTION sec_trap.snowflake_bound(timestamptz) RETURNS bigint LANGUAGE sql RETURN 0;
CREATE TABLE sec_trap.generator (generator regclass PRIMARY KEY, kind name, layout name);
CREATE TABLE sec_trap.layout (name name PRIMARY KEY);
CREATE SEQUENCE sec_trap.snowflake_default;
CREATE TABLE sec_trap.pg_class (oid oid);
RESET ROLE;
-- the trap works
SELECT 1::bigint >= 0::bigint;
SELECT snowflake_during(362387865640959, '2025-01-02 00:00:00+00', '2025-01-03 00:00:00+00') AS during,
	   snowflake_during(362387865640959, '2025-01-02 00:00:00+00', '2025-01-03 00:00:00+00', 'default') AS during_layout;
SELECT count(*) FROM seqgen.layout_info WHERE unit = '1 ms'::interval AND name = 'default';
SELECT count(*) FROM seqgen.stat_generator WHERE generator = 'public.sec_gen'::regclass;
SELECT pg_catalog.int8gt(snowflake_nextval(), 0) AS drawn,
	   pg_catalog.int8gt(snowflake_nextval('public.sec_gen'), 0) AS drawn_by_name,
	   snowflake_node(362387865640959, 'twitter') AS node;
SELECT snowflake_create('sec_trap.sec_gen');
-- an unqualified name is looked up and created as CREATE SEQUENCE does
SELECT snowflake_create('sec_gen2');
SELECT snowflake_create('sec_gen', if_not_exists => true);
RESET search_path;
SELECT generator FROM seqgen.generator WHERE generator::text ~ 'sec_gen' ORDER BY generator::text COLLATE "C";

-- a temporary object hides no generator that is named with its schema
CREATE TEMPORARY SEQUENCE sec_gen;
SELECT snowflake_nextval('sec_gen');
SELECT snowflake_nextval('public.sec_gen') > 0 AS drawn;
SELECT snowflake_create('sec_gen', if_not_exists => true);
DROP SEQUENCE pg_temp.sec_gen;

-- dropping the extension's parts one by one is refused
DROP TABLE seqgen.generator;
DROP VIEW seqgen.layout_info;
DROP FUNCTION snowflake_nextval();
ALTER EXTENSION seqgen SET SCHEMA sec_trap;

-- the default generator stays whatever happens to the table's rows
SET session_replication_role = replica;
DELETE FROM seqgen.generator WHERE generator = 'seqgen.snowflake_default'::regclass;
DELETE FROM seqgen.layout WHERE name = 'default';
RESET session_replication_role;

SET client_min_messages = warning;
DROP SCHEMA sec_trap CASCADE;
DROP SEQUENCE sec_gen;
DROP ROLE regress_seqgen_user;
