--
-- Ranges, and who may do what with them: every function, view and table of
-- theirs by role, with and without EXECUTE, and the SQLSTATE of calls; names and
-- objects that are set as traps change nothing; and nobody is left, or runs
-- anything, as somebody else.
--

-- A database of its own, for its extension belongs to somebody who is no
-- superuser any more.
\set database :DBNAME
CREATE ROLE regress_seqgen_super SUPERUSER;
CREATE ROLE regress_seqgen_extension SUPERUSER;
CREATE ROLE regress_seqgen_owner;
CREATE ROLE regress_seqgen_usage;
CREATE ROLE regress_seqgen_alloc;
CREATE ROLE regress_seqgen_node LOGIN;
CREATE ROLE regress_seqgen_monitor;
CREATE ROLE regress_seqgen_plain;
GRANT pg_monitor TO regress_seqgen_monitor;
GRANT regress_seqgen_alloc TO regress_seqgen_owner;
CREATE DATABASE regress_seqgen_range OWNER regress_seqgen_super;
\c regress_seqgen_range
SET SESSION AUTHORIZATION regress_seqgen_extension;
CREATE EXTENSION seqgen;
SET SESSION AUTHORIZATION regress_seqgen_super;
ALTER ROLE regress_seqgen_extension NOSUPERUSER;

GRANT CREATE ON SCHEMA public TO regress_seqgen_owner;
GRANT CREATE ON DATABASE regress_seqgen_range TO regress_seqgen_owner;
SET ROLE regress_seqgen_owner;
SELECT range_create('orders_id', 10, max_value => 1000000, max_block_size => 100);
GRANT USAGE ON SEQUENCE orders_id TO regress_seqgen_usage, regress_seqgen_alloc;
RESET ROLE;
GRANT EXECUTE ON FUNCTION seqgen.range_request TO regress_seqgen_node;
GRANT EXECUTE ON FUNCTION range_alloc TO regress_seqgen_alloc;
SELECT range_reserve('orders_id', '[500000,500010)', 'regress_seqgen_alloc');

-- what comes of a statement of this role: ok, or an SQLSTATE
CREATE FUNCTION attempt(role name, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('role', role, true);
	EXECUTE statement;
	RAISE EXCEPTION USING ERRCODE = 'OKOKO';
EXCEPTION WHEN OTHERS THEN
	RETURN CASE SQLSTATE WHEN 'OKOKO' THEN 'ok' ELSE SQLSTATE END;
END
$$;

--
-- By default
--
SELECT p.oid::regprocedure AS function,
	   has_function_privilege('regress_seqgen_extension', p.oid, 'EXECUTE') AS extension,
	   has_function_privilege('regress_seqgen_owner', p.oid, 'EXECUTE') AS owner,
	   has_function_privilege('regress_seqgen_usage', p.oid, 'EXECUTE') AS usage,
	   has_function_privilege('regress_seqgen_alloc', p.oid, 'EXECUTE') AS alloc,
	   has_function_privilege('regress_seqgen_node', p.oid, 'EXECUTE') AS node,
	   has_function_privilege('regress_seqgen_monitor', p.oid, 'EXECUTE') AS monitor,
	   has_function_privilege('regress_seqgen_plain', p.oid, 'EXECUTE') AS plain
  FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
 WHERE d.refclassid = 'pg_extension'::regclass AND p.proname ~ 'range|coordinator|holding'
 ORDER BY p.proname, p.oid::regprocedure::text COLLATE "C";

-- "arwdDxt": what a role may do with a table, a view or a sequence
CREATE FUNCTION rights(role name, relation oid) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(CASE WHEN has_table_privilege(role, relation, privilege) THEN letter ELSE '' END, '')
	  FROM (VALUES (1, 'SELECT', 'r'), (2, 'INSERT', 'a'), (3, 'UPDATE', 'w'), (4, 'DELETE', 'd'),
				   (5, 'TRUNCATE', 'D'), (6, 'REFERENCES', 'x'), (7, 'TRIGGER', 't')) v (number, privilege, letter)
$$;
SELECT c.oid::regclass AS relation, c.relkind AS kind,
	   rights('regress_seqgen_extension', c.oid) AS extension, rights('regress_seqgen_owner', c.oid) AS owner,
	   rights('regress_seqgen_usage', c.oid) AS usage, rights('regress_seqgen_alloc', c.oid) AS alloc,
	   rights('regress_seqgen_node', c.oid) AS node, rights('regress_seqgen_monitor', c.oid) AS monitor,
	   rights('regress_seqgen_plain', c.oid) AS plain
  FROM pg_class c
 WHERE c.relname ~ 'range|orders_id' AND c.relkind IN ('r', 'v', 'S') AND c.relnamespace::regnamespace::text IN ('public', 'seqgen')
 ORDER BY c.oid::regclass::text COLLATE "C";

CREATE TABLE calls (number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, call text);
INSERT INTO calls (call) VALUES
	($$SELECT range_create('mine')$$),
	($$SELECT range_alter('orders_id', 20)$$),
	($$SELECT range_alloc('orders_id', 1)$$),
	($$SELECT range_alloc('orders_id', 1, 'regress_seqgen_alloc')$$),
	($$SELECT range_alloc('orders_id', 1, 'regress_seqgen_super')$$),
	($$SELECT range_reserve('orders_id', '[900000,900010)')$$),
	($$SELECT range_reserve('orders_id', '[900000,900010)', 'regress_seqgen_alloc')$$),
	($$SELECT range_release('orders_id', '[500000,500010)')$$),
	($$SELECT range_reclaim('aaaaaaaa-0000-4000-8000-000000000001', 1, 'orders_id', true)$$),
	($$SELECT range_reclaim('aaaaaaaa-0000-4000-8000-000000000001', 1, node_is_destroyed => true)$$),
	($$SELECT range_nextval('orders_id')$$),
	($$SELECT range_nextvals('orders_id', 3)$$),
	($$SELECT range_currval('orders_id')$$),
	($$SELECT seqgen.range_restart('orders_id')$$),
	($$SELECT seqgen.range_resume(0)$$),
	($$SELECT seqgen.range_request('orders_id', 'aaaaaaaa-0000-4000-8000-000000000002', 1, 1, 'aaaaaaaa-0000-4000-8000-000000000003', 'aaaaaaaa-0000-4000-8000-000000000002', '1/1/1/1:1/b', 0, 0, 0, NULL)$$),
	($$SELECT seqgen.range_cursor('orders_id')$$),
	($$SELECT seqgen.range_hold()$$),
	($$SELECT seqgen.range_block_state()$$),
	($$SELECT seqgen.advance('orders_id', 900000)$$),
	($$SELECT seqgen.reset('orders_id', 1)$$),
	($$SELECT nextval('orders_id')$$),
	($$SELECT nextval('orders_id_cursor')$$),
	($$ALTER SEQUENCE orders_id RESTART$$),
	($$ALTER SEQUENCE orders_id_cursor RESTART$$),
	($$DROP SEQUENCE orders_id$$),
	($$DROP SEQUENCE orders_id_cursor$$),
	($$SELECT FROM seqgen.range_usage$$),
	($$SELECT FROM seqgen.range_coordinator$$),
	($$SELECT FROM seqgen.range_block$$),
	($$SELECT FROM seqgen.range_in_doubt$$),
	($$SELECT FROM seqgen.range_generator$$),
	($$SELECT FROM seqgen.range_allocation$$),
	($$SELECT FROM seqgen.range_node$$),
	($$SELECT FROM seqgen.range_ledger$$),
	($$SELECT FROM seqgen.range_holding$$),
	($$SELECT FROM seqgen.range_source$$),
	($$SELECT FROM seqgen.range_identity$$),
	($$UPDATE seqgen.range_allocation SET state = 'released'$$),
	($$DELETE FROM seqgen.range_allocation$$),
	($$TRUNCATE seqgen.range_allocation$$),
	($$INSERT INTO seqgen.range_allocation VALUES ('orders_id', '[500005,500006)', 'reserved', 'x', NULL, NULL, NULL, 1, now(), NULL)$$),
	($$UPDATE seqgen.range_ledger SET number = 0$$),
	($$DELETE FROM seqgen.range_ledger$$),
	($$TRUNCATE seqgen.range_ledger$$),
	($$UPDATE seqgen.range_node SET destroyed = false$$),
	($$TRUNCATE seqgen.range_node$$),
	($$UPDATE seqgen.range_generator SET max_value = 1$$),
	($$TRUNCATE seqgen.range_generator CASCADE$$),
	($$DELETE FROM seqgen.range_holding$$),
	($$TRUNCATE seqgen.range_holding$$),
	($$DELETE FROM seqgen.range_source$$),
	($$TRUNCATE seqgen.range_source$$),
	($$DELETE FROM seqgen.range_identity$$),
	($$TRUNCATE seqgen.range_identity$$),
	($$CREATE TRIGGER trap BEFORE INSERT ON seqgen.range_allocation FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()$$),
	($$CREATE RULE trap AS ON INSERT TO seqgen.range_holding DO ALSO NOTHING$$),
	($$CREATE INDEX ON seqgen.range_holding (request)$$),
	($$CREATE POLICY trap ON seqgen.range_allocation$$),
	($$CREATE FUNCTION seqgen.trap() RETURNS integer LANGUAGE sql RETURN 1$$),
	($$CREATE SERVER trap FOREIGN DATA WRAPPER seqgen_coordinator$$);

SELECT left(call, 72) AS call, attempt('regress_seqgen_super', call) AS super, attempt('regress_seqgen_extension', call) AS extension,
	   attempt('regress_seqgen_owner', call) AS owner, attempt('regress_seqgen_usage', call) AS usage,
	   attempt('regress_seqgen_alloc', call) AS alloc, attempt('regress_seqgen_node', call) AS node,
	   attempt('regress_seqgen_monitor', call) AS monitor, attempt('regress_seqgen_plain', call) AS plain
  FROM calls ORDER BY number;

--
-- The functions themselves look at who calls, whoever has EXECUTE
--
BEGIN;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public, seqgen TO PUBLIC;
SELECT left(call, 72) AS call, attempt('regress_seqgen_super', call) AS super, attempt('regress_seqgen_extension', call) AS extension,
	   attempt('regress_seqgen_owner', call) AS owner, attempt('regress_seqgen_usage', call) AS usage,
	   attempt('regress_seqgen_alloc', call) AS alloc, attempt('regress_seqgen_node', call) AS node,
	   attempt('regress_seqgen_monitor', call) AS monitor, attempt('regress_seqgen_plain', call) AS plain
  FROM calls WHERE call ~ 'range_\w+\(|advance|reset' ORDER BY number;
ROLLBACK;

-- a row of the views is shown to whom it concerns
SET ROLE regress_seqgen_owner;
SELECT generator, "cursor" IS NOT NULL AS cursor FROM seqgen.range_usage;
SELECT seqgen.range_cursor('orders_id') > 0 AS cursor;
SET ROLE regress_seqgen_monitor;
SELECT generator, "cursor" IS NOT NULL AS cursor FROM seqgen.range_usage;
SELECT seqgen.range_cursor('orders_id') > 0 AS cursor;
SET ROLE regress_seqgen_plain;
SELECT generator, "cursor" IS NOT NULL AS cursor FROM seqgen.range_usage;
SELECT seqgen.range_cursor('orders_id') AS cursor;
RESET ROLE;

--
-- A request is the session user's, whatever role he has taken on
--
SET SESSION AUTHORIZATION regress_seqgen_node;
SELECT status, hi > lo AS block FROM seqgen.range_request('public.orders_id', 'aaaaaaaa-0000-4000-8000-000000000004', 1, 5,
	'aaaaaaaa-0000-4000-8000-000000000005', 'aaaaaaaa-0000-4000-8000-000000000004', '1/1/1/1:1/b', 0, 0, 0, NULL);
SELECT range_alloc('orders_id', 1);
SELECT FROM seqgen.range_allocation;
SET SESSION AUTHORIZATION regress_seqgen_super;
SELECT node, role FROM seqgen.range_node;
SELECT owner, state, node FROM seqgen.range_allocation WHERE node IS NOT NULL AND owner ~ 'node';
CREATE FUNCTION borrowed(size bigint) RETURNS text SECURITY DEFINER LANGUAGE sql BEGIN ATOMIC
	SELECT status FROM seqgen.range_request('public.orders_id', 'aaaaaaaa-0000-4000-8000-000000000004', 1, size,
		'aaaaaaaa-0000-4000-8000-000000000005', 'aaaaaaaa-0000-4000-8000-000000000004', '1/1/1/1:1/b', 0, 0, 0, NULL);
END;
ALTER FUNCTION borrowed OWNER TO regress_seqgen_node;
SET SESSION AUTHORIZATION regress_seqgen_plain;
SELECT borrowed(5) AS taken, borrowed(0) AS reported;
SET SESSION AUTHORIZATION regress_seqgen_super;

-- names as SQL writes them, and nothing else
SET ROLE regress_seqgen_owner;
CREATE SCHEMA AUTHORIZATION regress_seqgen_owner CREATE TABLE plain ();
SELECT range_create('public."dotted.name"', 10), range_create('regress_seqgen_owner."quoted ""name"""', 10),
	   range_create('public."UPPER"', 10), range_create('public."; DROP TABLE calls; --"', 10);
RESET ROLE;
CREATE FUNCTION request(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT status FROM seqgen.range_request(name, gen_random_uuid(), 1, 5, gen_random_uuid(), gen_random_uuid(),
													'1/1/1/1:1/b', 0, 0, 0, NULL));
EXCEPTION WHEN OTHERS THEN
	RETURN format('%s: %s', SQLSTATE, SQLERRM);
END
$$;
SELECT name, request(name)
  FROM (VALUES ('orders_id'), ('public.orders_id'), ('PUBLIC.Orders_ID'), ('regress_seqgen_range.public.orders_id'),
			   ('"dotted.name"'), ('dotted.name'), ('public."dotted.name"'), ('regress_seqgen_owner."quoted ""name"""'),
			   ('regress_seqgen_owner."quoted "name""'), ('"UPPER"'), ('UPPER'), ('"; DROP TABLE calls; --"'),
			   ('; DROP TABLE calls; --'), (''), (' '), ('"'), ('""'), ('.'), ('public.'), ('.orders_id'), ('a.b.c.d'),
			   ('public.orders_id_cursor'), ('calls'), ('regress_seqgen_owner.plain'), ('seqgen.snowflake_default'),
			   ('pg_catalog.pg_class'), ('no_schema.orders_id'), ('orders_id''"\'), (repeat('x', 70)), (NULL)) v (name);
SELECT count(*) > 0 AS calls FROM calls;

--
-- Objects of the same names, found first, are not taken for ours
--
CREATE SCHEMA regress_trap;
GRANT USAGE ON SCHEMA regress_trap TO PUBLIC;
GRANT CREATE ON SCHEMA regress_trap TO regress_seqgen_plain;
GRANT USAGE ON SEQUENCE orders_id TO regress_seqgen_plain;
SET ROLE regress_seqgen_plain;
CREATE FUNCTION regress_trap.sprung() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'trap sprung by %', current_user;
END
$$;
-- operators of the types that the ledger and the blocks are made of
DO $$
DECLARE
	types text;
	operator text;
BEGIN
	FOREACH types IN ARRAY ARRAY['bigint, bigint', 'oid, oid', 'regclass, oid', 'name, name', 'name, text', 'text, text', 'uuid, uuid',
		'int8range, int8range', 'int8range, bigint', 'seqgen.reggenerator, oid', 'seqgen.reggenerator, regclass', 'seqgen.reggenerator, seqgen.reggenerator',
		'timestamptz, timestamptz', 'timestamptz, interval', 'int8multirange, int8multirange', 'boolean, boolean', 'numeric, numeric', 'tid, tid']
	LOOP
		EXECUTE format('CREATE FUNCTION regress_trap.compare(%s) RETURNS boolean LANGUAGE sql RETURN regress_trap.sprung()', types);
		FOREACH operator IN ARRAY ARRAY['=', '<>', '<', '<=', '>', '>=', '&&', '@>', '<@', '+', '-', '*', '/', '||', '~']
		LOOP
			EXECUTE format('CREATE OPERATOR regress_trap.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = regress_trap.compare)',
						   operator, split_part(types, ', ', 1), split_part(types, ', ', 2));
		END LOOP;
	END LOOP;
END
$$;
CREATE FUNCTION regress_trap.now() RETURNS timestamptz LANGUAGE sql BEGIN ATOMIC SELECT 'now'::timestamptz WHERE regress_trap.sprung(); END;
CREATE FUNCTION regress_trap.clock_timestamp() RETURNS timestamptz LANGUAGE sql BEGIN ATOMIC SELECT 'now'::timestamptz WHERE regress_trap.sprung(); END;
CREATE FUNCTION regress_trap.gen_random_uuid() RETURNS uuid LANGUAGE sql BEGIN ATOMIC SELECT NULL::uuid WHERE regress_trap.sprung(); END;
CREATE FUNCTION regress_trap.inet_client_addr() RETURNS inet LANGUAGE sql BEGIN ATOMIC SELECT NULL::inet WHERE regress_trap.sprung(); END;
CREATE FUNCTION regress_trap.int8range(bigint, bigint) RETURNS int8range LANGUAGE sql BEGIN ATOMIC SELECT NULL::int8range WHERE regress_trap.sprung(); END;
CREATE FUNCTION regress_trap.int8range(bigint, bigint, text) RETURNS int8range LANGUAGE sql BEGIN ATOMIC SELECT NULL::int8range WHERE regress_trap.sprung(); END;
CREATE FUNCTION regress_trap.lower(int8range) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT NULL::bigint WHERE regress_trap.sprung(); END;
CREATE FUNCTION regress_trap.upper(int8range) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT NULL::bigint WHERE regress_trap.sprung(); END;
CREATE FUNCTION regress_trap.isempty(int8range) RETURNS boolean LANGUAGE sql RETURN regress_trap.sprung();
CREATE FUNCTION regress_trap.pg_has_role(oid, text) RETURNS boolean LANGUAGE sql RETURN regress_trap.sprung();
CREATE TABLE regress_trap.range_allocation (generator regclass, block int8range, state name);
CREATE TABLE regress_trap.range_generator (generator regclass, cursor regclass);
CREATE TABLE regress_trap.range_holding (generator regclass, block int8range, state name);
CREATE TABLE regress_trap.pg_class (oid oid);
CREATE DOMAIN regress_trap.bigint AS text;
CREATE DOMAIN regress_trap.uuid AS text;
CREATE TEMPORARY TABLE range_holding (generator regclass, block int8range, state name);
CREATE TEMPORARY TABLE range_allocation (generator regclass, block int8range, state name);
RESET ROLE;

-- the trap works, and everything else too: for him, for who may more, and for a worker's first block
SET search_path = regress_trap, pg_temp, public, pg_catalog;
SELECT 1::pg_catalog.int8 OPERATOR(regress_trap.=) 1::pg_catalog.int8;
SET ROLE regress_seqgen_plain;
SELECT pg_catalog.int8gt(range_nextval('orders_id'), 0) AS drawn;
SELECT pg_catalog.count(*) AS drawn FROM range_nextvals('orders_id', 30);
SELECT pg_catalog.count(*) AS seen FROM seqgen.range_usage;
SELECT seqgen.range_cursor('orders_id') AS cursor;
SELECT range_create('regress_trap.trapped_id', 10);
SELECT range_nextval('regress_trap.trapped_id');
BEGIN;
SELECT range_create('regress_trap.new_id', 10);
SELECT range_nextval('regress_trap.new_id');
ROLLBACK;
RESET ROLE;
SELECT pg_catalog.isempty(range_alloc('orders_id', 3)) AS alloc;
SELECT range_reserve('orders_id', '[700000,700100)');
SELECT range_release('orders_id', '[700010,700020)');
SELECT range_alloc('orders_id', 10, within => '[700000,700100)');
SELECT range_alter('orders_id', 20);
SELECT range_reclaim('aaaaaaaa-0000-4000-8000-000000000005', 1000000, 'orders_id', true);
SELECT seqgen.range_restart('orders_id');
SELECT status AS granted, lo FROM seqgen.range_request('public.orders_id', 'aaaaaaaa-0000-4000-8000-000000000006', 1, 5,
	'aaaaaaaa-0000-4000-8000-000000000007', 'aaaaaaaa-0000-4000-8000-000000000006', '1/1/1/2:2/b', 0, 0, 0, NULL) \gset
SELECT status FROM seqgen.range_request('public.orders_id', 'aaaaaaaa-0000-4000-8000-000000000006', 1, 0,
	'aaaaaaaa-0000-4000-8000-000000000007', 'aaaaaaaa-0000-4000-8000-000000000006', '1/1/1/2:2/b', 0, 0, 0, :lo);
SELECT range_reclaim('aaaaaaaa-0000-4000-8000-000000000007', :lo, 'orders_id', true) IS NOT NULL AS reclaimed;
SELECT pg_catalog.count(*) AS seen FROM seqgen.range_usage;
SELECT pg_catalog.count(*) AS seen FROM seqgen.range_coordinator;
SELECT pg_catalog.count(*) AS seen FROM seqgen.range_in_doubt;
SELECT pg_catalog.count(*) AS drawn FROM range_nextvals('orders_id', 300);
RESET search_path;
SELECT (SELECT count(*) FROM pg_temp.range_holding), (SELECT count(*) FROM pg_temp.range_allocation),
	   (SELECT count(*) FROM regress_trap.range_holding), (SELECT count(*) FROM regress_trap.range_generator);

--
-- Whoever calls stays who he is, also after an error
--
CREATE FUNCTION nobody_else() RETURNS TABLE (is name, search_path text, commit text) LANGUAGE sql AS $$
	SELECT current_user, current_setting('search_path'), current_setting('synchronous_commit') $$;
SET search_path = public, regress_trap;
SET synchronous_commit = off;
SET ROLE regress_seqgen_owner;
GRANT SELECT ON SEQUENCE orders_id TO PUBLIC;
SELECT pg_catalog.int8gt(range_nextval('orders_id'), 0) AS drawn, n.* FROM nobody_else() n;
DO $$
BEGIN
	PERFORM range_create('orders_id', 0);
EXCEPTION WHEN OTHERS THEN
	RAISE NOTICE '%: %', current_user, SQLERRM;
END
$$;
SELECT * FROM nobody_else();
BEGIN;
SELECT range_create('one_more_id', 10);
SELECT range_nextval('one_more_id');
SELECT * FROM nobody_else();
SAVEPOINT before;
SELECT range_create('one_more_id', 10);
ROLLBACK TO before;
SELECT * FROM nobody_else();
ROLLBACK;
RESET ROLE;
SET ROLE regress_seqgen_alloc;
SELECT pg_catalog.isempty(range_alloc('orders_id', 3)) AS alloc;
SELECT * FROM nobody_else();
DO $$
BEGIN
	PERFORM range_alloc('orders_id', 10, within => '[1,100)');
EXCEPTION WHEN OTHERS THEN
	RAISE NOTICE '%: %', current_user, SQLERRM;
END
$$;
SELECT * FROM nobody_else();
RESET ROLE;
RESET search_path;
RESET synchronous_commit;

-- a trigger of one's own table sees oneself, and no privilege more
SET ROLE regress_seqgen_owner;
CREATE TABLE public.orders (id bigint DEFAULT range_nextval('orders_id'), who name DEFAULT current_user);
CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	new.id := range_nextval('orders_id');
	new.who := format('%s sees %s', current_user, has_table_privilege('seqgen.range_allocation', 'SELECT'));
	RETURN new;
END
$$;
INSERT INTO public.orders DEFAULT VALUES RETURNING id > 0 AS drawn, who;
CREATE TRIGGER look BEFORE INSERT ON public.orders FOR EACH ROW EXECUTE FUNCTION public.look();
INSERT INTO public.orders DEFAULT VALUES RETURNING id > 0 AS drawn, who;
RESET ROLE;

\c :database
DROP DATABASE regress_seqgen_range;
DROP ROLE regress_seqgen_super, regress_seqgen_extension, regress_seqgen_owner, regress_seqgen_usage, regress_seqgen_alloc,
	regress_seqgen_node, regress_seqgen_monitor, regress_seqgen_plain;
