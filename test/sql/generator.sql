--
-- Generators: who may draw, and that neither a role, a transaction, a cursor
-- nor a change of the sequence makes one repeat or refuse an id.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS seqgen;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

CREATE ROLE regress_seqgen_owner;
CREATE ROLE regress_seqgen_user;
CREATE ROLE regress_seqgen_group;
CREATE SCHEMA gen AUTHORIZATION regress_seqgen_owner;
GRANT USAGE ON SCHEMA gen TO PUBLIC;
CREATE FUNCTION gen.grows(before bigint, after bigint) RETURNS boolean
	LANGUAGE sql RETURN after > before;

--
-- Privileges
--
SET ROLE regress_seqgen_owner;
SELECT snowflake_create('gen.orders');
SELECT snowflake_nextval('gen.orders') > 0 AS owner_draws, snowflake_nextval() > 0 AS everybody_draws;

SET ROLE regress_seqgen_user;
SELECT snowflake_nextval() > 0 AS everybody_draws, count(*) FROM snowflake_nextvals(10);
SELECT snowflake_nextval('gen.orders');
SELECT snowflake_nextvals(1, 'gen.orders');
SELECT snowflake_currval('gen.orders');

SET ROLE regress_seqgen_owner;
GRANT SELECT ON SEQUENCE gen.orders TO regress_seqgen_user;
SET ROLE regress_seqgen_user;
SELECT snowflake_nextval('gen.orders');
SELECT snowflake_currval('gen.orders') > 0 AS current_is_read;

SET ROLE regress_seqgen_owner;
REVOKE SELECT ON SEQUENCE gen.orders FROM regress_seqgen_user;
GRANT UPDATE ON SEQUENCE gen.orders TO regress_seqgen_user;
SET ROLE regress_seqgen_user;
SELECT snowflake_nextval('gen.orders') > 0 AS drawn;
SELECT snowflake_currval('gen.orders');

SET ROLE regress_seqgen_owner;
REVOKE UPDATE ON SEQUENCE gen.orders FROM regress_seqgen_user;
GRANT USAGE ON SEQUENCE gen.orders TO regress_seqgen_user;
SET ROLE regress_seqgen_user;
SELECT snowflake_nextval('gen.orders') AS a \gset
SELECT snowflake_currval('gen.orders') = :a AS current;

-- not what the owner may
SELECT seqgen.advance('gen.orders', 1);
SELECT seqgen.reset('gen.orders', 1);
SELECT snowflake_attach('gen.orders');
SELECT snowflake_create('gen.others');
SELECT snowflake_create('gen.orders', if_not_exists => true);
SELECT snowflake_observe(1);
SELECT snowflake_nextval_after(1, 'gen.orders');
RESET ROLE;
GRANT EXECUTE ON FUNCTION seqgen.reset(regclass, bigint), seqgen.accept_clock(),
	snowflake_observe(bigint, regclass), snowflake_nextval_after(bigint, regclass) TO regress_seqgen_user;
SET ROLE regress_seqgen_user;
SELECT seqgen.reset('gen.orders', 1);
SELECT seqgen.accept_clock();
SELECT snowflake_observe(1, 'gen.orders');
SELECT snowflake_nextval_after(1, 'gen.orders') > :a AS drawn;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION seqgen.reset(regclass, bigint), seqgen.accept_clock(),
	snowflake_observe(bigint, regclass), snowflake_nextval_after(bigint, regclass) FROM regress_seqgen_user;

-- taken back inside the transaction, and given back when that rolls back
BEGIN;
SET LOCAL ROLE regress_seqgen_user;
SELECT snowflake_nextval('gen.orders') > 0 AS drawn;
RESET ROLE;
REVOKE ALL ON SEQUENCE gen.orders FROM regress_seqgen_user;
SET LOCAL ROLE regress_seqgen_user;
SELECT snowflake_nextval('gen.orders');
ROLLBACK;
BEGIN;
SET LOCAL ROLE regress_seqgen_user;
SELECT snowflake_nextval('gen.orders') > 0 AS drawn;
COMMIT;

-- through a role, as long as one is its member
REVOKE ALL ON SEQUENCE gen.orders FROM regress_seqgen_user;
GRANT USAGE ON SEQUENCE gen.orders TO regress_seqgen_group;
BEGIN;
GRANT regress_seqgen_group TO regress_seqgen_user;
SET LOCAL ROLE regress_seqgen_user;
SELECT snowflake_nextval('gen.orders') > 0 AS drawn;
RESET ROLE;
REVOKE regress_seqgen_group FROM regress_seqgen_user;
SET LOCAL ROLE regress_seqgen_user;
SELECT snowflake_nextval('gen.orders');
ROLLBACK;

-- roles change inside a transaction, and each is checked on its own
BEGIN;
SET LOCAL ROLE regress_seqgen_group;
SELECT snowflake_nextval('gen.orders') > 0 AS drawn;
SET LOCAL ROLE regress_seqgen_user;
SAVEPOINT before;
SELECT snowflake_nextval('gen.orders');
ROLLBACK TO before;
SET LOCAL ROLE regress_seqgen_owner;
SELECT snowflake_nextval('gen.orders') > 0 AS drawn;
SET LOCAL ROLE regress_seqgen_user;
SELECT snowflake_nextval('gen.orders');
ROLLBACK;

-- SECURITY DEFINER: the owner's privilege inside, one's own outside
SET ROLE regress_seqgen_owner;
CREATE FUNCTION gen.draw() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN public.snowflake_nextval('gen.orders');
END
$$;
SET ROLE regress_seqgen_user;
BEGIN;
SELECT gen.draw() AS a \gset
SELECT gen.draw() > :a AS drawn;
SAVEPOINT before;
SELECT snowflake_nextval('gen.orders');
ROLLBACK TO before;
SELECT gen.draw() > :a AS drawn;
SELECT gen.draw() > :a AS drawn, snowflake_nextval('gen.orders');
ROLLBACK;
RESET ROLE;

-- a default is drawn by whoever inserts
CREATE TABLE gen.rows (id bigint DEFAULT snowflake_nextval('gen.orders') PRIMARY KEY, n int);
GRANT INSERT ON gen.rows TO regress_seqgen_user;
SET ROLE regress_seqgen_user;
INSERT INTO gen.rows (n) VALUES (1);
RESET ROLE;
GRANT USAGE ON SEQUENCE gen.orders TO regress_seqgen_user;
SET ROLE regress_seqgen_user;
INSERT INTO gen.rows (n) VALUES (1), (2);
RESET ROLE;
SELECT count(DISTINCT id) FROM gen.rows;

--
-- Transactions
--

-- read only ones draw too
SELECT snowflake_nextval('gen.orders') AS a \gset
BEGIN READ ONLY;
SELECT snowflake_nextval('gen.orders') > :a AS read_only, snowflake_nextval() > 0 AS default_generator;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SELECT snowflake_nextval('gen.orders') > :a AS serializable;
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM snowflake_nextvals(100, 'gen.orders');
COMMIT;

-- an id is not given again after a rollback, of a savepoint either
BEGIN;
SELECT snowflake_nextval('gen.orders') AS a \gset
ROLLBACK;
SELECT snowflake_nextval('gen.orders') > :a AS larger, snowflake_currval('gen.orders') > :a AS current;
BEGIN;
SELECT snowflake_nextval('gen.orders') AS a \gset
SAVEPOINT one;
SELECT snowflake_nextval('gen.orders') AS b \gset
SAVEPOINT two;
SELECT snowflake_nextval('gen.orders') AS c \gset
ROLLBACK TO one;
SELECT snowflake_currval('gen.orders') = :c AS still_current, snowflake_nextval('gen.orders') > :c AS larger;
SELECT snowflake_nextval('gen.orders') AS d \gset
RELEASE one;
COMMIT;
SELECT :a < :b AND :b < :c AND :c < :d AS ascending;

-- the first use in a savepoint that is rolled back keeps the lock, as with nextval
BEGIN;
SAVEPOINT one;
SELECT snowflake_nextval('gen.orders') > :d AS drawn;
ROLLBACK TO one;
SELECT mode, granted FROM pg_locks
 WHERE relation = 'gen.orders'::regclass AND pid = pg_backend_pid() AND mode = 'RowExclusiveLock';
SELECT snowflake_nextval('gen.orders') > :d AS drawn;
COMMIT;

-- made in a savepoint
BEGIN;
SAVEPOINT one;
SELECT snowflake_create('gen.short_lived');
SELECT snowflake_nextval('gen.short_lived') > 0 AS drawn;
ROLLBACK TO one;
SELECT count(*) FROM seqgen.generator WHERE generator::text = 'gen.short_lived';
SELECT snowflake_create('gen.short_lived', 'twitter');
SELECT snowflake_timestamp(snowflake_nextval('gen.short_lived'), 'twitter') > now() - interval '1 hour' AS by_its_layout;
SAVEPOINT two;
DROP SEQUENCE gen.short_lived;
ROLLBACK TO two;
SELECT snowflake_nextval('gen.short_lived') > 0 AS survived;
COMMIT;
SELECT snowflake_nextval('gen.short_lived') > snowflake_min(now(), 'twitter') AS committed;
BEGIN;
DROP SEQUENCE gen.short_lived;
SELECT count(*) FROM seqgen.generator WHERE layout = 'twitter';
ROLLBACK;
SELECT snowflake_nextval('gen.short_lived') > snowflake_min(now(), 'twitter') AS drop_rolled_back;
DROP SEQUENCE gen.short_lived;
SELECT count(*) FROM seqgen.generator WHERE layout = 'twitter';

-- PL/pgSQL: loops, exceptions, commits inside
CREATE TABLE gen.drawn (nr serial, id bigint);
DO $$
BEGIN
	FOR i IN 1..2000 LOOP
		INSERT INTO gen.drawn (id) VALUES (snowflake_nextval('gen.orders'));
		BEGIN
			INSERT INTO gen.drawn (id) VALUES (snowflake_nextval('gen.orders'));
			IF i % 3 = 0 THEN
				RAISE division_by_zero;
			END IF;
		EXCEPTION WHEN division_by_zero THEN
			INSERT INTO gen.drawn (id) VALUES (snowflake_nextval('gen.orders'));
		END;
		IF i % 100 = 0 THEN
			COMMIT;
		ELSIF i % 100 = 50 THEN
			INSERT INTO gen.drawn (id) VALUES (snowflake_nextval('gen.orders'));
		END IF;
	END LOOP;
END
$$;
DO $$
DECLARE
	id bigint;
BEGIN
	FOR id IN SELECT snowflake_nextvals(1000, 'gen.orders') LOOP
		INSERT INTO gen.drawn (id) VALUES (id);
		COMMIT;
	END LOOP;
END
$$;
SELECT count(*), count(DISTINCT id) FROM gen.drawn;
SELECT count(*) AS out_of_order FROM (SELECT id <= lag(id) OVER (ORDER BY nr) AS lower FROM gen.drawn) steps WHERE lower;

-- triggers
CREATE FUNCTION gen.set_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.id := snowflake_nextval('gen.orders');
	RETURN NEW;
END
$$;
CREATE TABLE gen.triggered (nr int, id bigint UNIQUE);
CREATE TRIGGER set_id BEFORE INSERT OR UPDATE ON gen.triggered FOR EACH ROW EXECUTE FUNCTION gen.set_id();
INSERT INTO gen.triggered SELECT generate_series(1, 500);
SELECT max(id) AS a FROM gen.triggered \gset
UPDATE gen.triggered SET nr = -nr;
SELECT count(*), count(DISTINCT id), min(id) > :a AS all_new FROM gen.triggered;

-- prepared statements, over a change of everything they need
PREPARE draw AS SELECT snowflake_nextval('gen.orders') > :a AS drawn;
EXECUTE draw;
EXECUTE draw;
DISCARD PLANS;
EXECUTE draw;
ALTER SEQUENCE gen.orders RENAME TO orders2;
EXECUTE draw;
ALTER SEQUENCE gen.orders2 RENAME TO orders;
EXECUTE draw;
DEALLOCATE draw;
PREPARE draw(regclass) AS SELECT snowflake_nextval($1) > :a AS drawn;
SELECT snowflake_create('gen.second');
EXECUTE draw('gen.second');
EXECUTE draw('gen.orders');
EXECUTE draw('gen.second');
DROP SEQUENCE gen.second;
EXECUTE draw('gen.second');
SELECT snowflake_create('gen.second');
EXECUTE draw('gen.second');
DEALLOCATE draw;

-- cursors, and a set that is not read to its end
TRUNCATE gen.drawn RESTART IDENTITY;
BEGIN;
DECLARE c CURSOR FOR SELECT snowflake_nextvals(100000, 'gen.second');
FETCH c \gset first_
SELECT :first_snowflake_nextvals = snowflake_currval('gen.second') AS current;
SELECT snowflake_nextval('gen.second') > :first_snowflake_nextvals AS between;
MOVE 5000 IN c;
SAVEPOINT one;
FETCH c \gset second_
ROLLBACK TO one;
FETCH c \gset third_
SELECT :second_snowflake_nextvals > :first_snowflake_nextvals AS larger, :third_snowflake_nextvals > :second_snowflake_nextvals AS not_again;
CLOSE c;
COMMIT;
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT snowflake_nextvals(3000, 'gen.second');
COMMIT;
SELECT snowflake_nextval('gen.second') AS a \gset
FETCH FORWARD 1 FROM c \gset held_
SELECT :held_snowflake_nextvals < :a AS drawn_at_commit;
CLOSE c;
INSERT INTO gen.drawn (id) SELECT snowflake_nextvals(10000, 'gen.second') LIMIT 10;
INSERT INTO gen.drawn (id) SELECT id FROM snowflake_nextvals(1000, 'gen.second') id LIMIT 10;
INSERT INTO gen.drawn (id) SELECT snowflake_nextvals(i, 'gen.second') FROM generate_series(1, 20) i;
INSERT INTO gen.drawn (id) SELECT snowflake_nextval('gen.second');
SELECT count(*), count(DISTINCT id), min(id) > :a AS all_new FROM gen.drawn;
SELECT count(*) AS out_of_order FROM (SELECT id <= lag(id) OVER (ORDER BY nr) AS lower FROM gen.drawn) steps WHERE lower;

-- two sets side by side share no id
SELECT count(*), count(DISTINCT id) FROM (
	SELECT unnest(ARRAY[a, b]) AS id
	  FROM (SELECT snowflake_nextvals(6000, 'gen.second') AS a, snowflake_nextvals(6000, 'gen.second') AS b) pairs) ids;

--
-- The current id of a session
--
SELECT snowflake_nextval('gen.second') AS a \gset
SELECT snowflake_nextval('gen.orders') AS b \gset
SELECT snowflake_currval('gen.second') = :a AS each, snowflake_currval('gen.orders') = :b AS its_own;
DISCARD PLANS;
DISCARD TEMP;
SELECT snowflake_currval('gen.second') = :a AS still_there;
DISCARD SEQUENCES;
SELECT snowflake_currval('gen.second');
SELECT snowflake_currval('gen.orders');
SELECT snowflake_nextval('gen.second') > :a AS drawn, snowflake_nextval() > 0 AS drawn;
DISCARD ALL;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT snowflake_currval('gen.second');
SELECT snowflake_currval();
SELECT snowflake_nextval('gen.second') > :a AS drawn;
-- of a new generator by an old name there is none
DROP SEQUENCE gen.second;
SELECT snowflake_create('gen.second');
SELECT snowflake_currval('gen.second');

--
-- What happens to the sequence
--
SELECT snowflake_nextval('gen.second') AS a \gset
ALTER SEQUENCE gen.second RENAME TO third;
ALTER SEQUENCE gen.third SET SCHEMA public;
ALTER SEQUENCE third OWNER TO regress_seqgen_group;
SELECT snowflake_nextval('third') AS b \gset
SELECT :b > :a AS goes_on;
SELECT generator, layout FROM seqgen.generator WHERE generator = 'third'::regclass;
SET ROLE regress_seqgen_user;
SELECT snowflake_nextval('third');
RESET ROLE;
ALTER SEQUENCE third OWNER TO CURRENT_USER;
ALTER SEQUENCE third SET SCHEMA gen;
ALTER SEQUENCE gen.third RENAME TO second;

-- RESTART and setval lower nothing
ALTER SEQUENCE gen.second RESTART;
SELECT snowflake_nextval('gen.second') AS c \gset
SELECT :c > :b AS after_restart;
BEGIN;
ALTER SEQUENCE gen.second RESTART WITH 5;
SELECT snowflake_nextval('gen.second') AS d \gset
ROLLBACK;
SELECT :d > :c AS inside, snowflake_nextval('gen.second') > :d AS after_rollback;
SELECT setval('gen.second', 1);
SELECT snowflake_nextval('gen.second') > :d AS after_setval_down;
SELECT setval('gen.second', 1, false);
SELECT snowflake_nextval('gen.second') > :d AS after_setval_down;
-- setval upwards is seen from the next transaction on
SELECT snowflake_min(clock_timestamp() + interval '20 s') AS target \gset
BEGIN;
SELECT snowflake_nextval('gen.second') < :target AS below;
SELECT setval('gen.second', :target) = :target AS set;
COMMIT;
SELECT snowflake_nextval('gen.second') > :target AS above;
-- a plain nextval gives an id of nobody, and harms nothing
SELECT snowflake_nextval('gen.second') AS a \gset
SELECT nextval('gen.second') AS b \gset
SELECT snowflake_node(:b) AS node;
SELECT snowflake_nextval('gen.second') > :a AS above;
-- so many that they reach the ids of other nodes are left behind
SELECT max(nextval('gen.second')) AS a FROM generate_series(1, 10000) \gset
SELECT snowflake_node(:a) > 0 AS of_others;
SELECT snowflake_nextval('gen.second') > :a AS above;

-- owned by a column
CREATE TABLE gen.owner (id bigint);
ALTER TABLE gen.owner OWNER TO regress_seqgen_owner;
ALTER SEQUENCE gen.second OWNER TO regress_seqgen_owner;
ALTER SEQUENCE gen.second OWNED BY gen.owner.id;
ALTER TABLE gen.owner ALTER id SET DEFAULT snowflake_nextval('gen.second');
INSERT INTO gen.owner SELECT FROM generate_series(1, 3);
SELECT max(id) AS a FROM gen.owner \gset
TRUNCATE gen.owner RESTART IDENTITY;
INSERT INTO gen.owner DEFAULT VALUES;
SELECT id > :a AS larger_after_truncate FROM gen.owner;
BEGIN;
TRUNCATE gen.owner RESTART IDENTITY;
INSERT INTO gen.owner DEFAULT VALUES;
SELECT id AS b FROM gen.owner \gset
ROLLBACK;
SELECT snowflake_nextval('gen.second') > :b AS larger_after_rollback;
ALTER TABLE gen.owner SET UNLOGGED;
INSERT INTO gen.owner DEFAULT VALUES;
ALTER TABLE gen.owner SET LOGGED;
INSERT INTO gen.owner DEFAULT VALUES RETURNING id > :b AS larger;
DROP TABLE gen.owner;
SELECT count(*) FROM seqgen.generator WHERE generator::text ~ 'second' OR generator NOT IN (SELECT oid FROM pg_class);

--
-- The clock
--
-- runs a command that fails, and reports it without its times and ids
CREATE PROCEDURE gen.try(command text) LANGUAGE plpgsql AS $$
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
SELECT snowflake_create('gen.clock');
SELECT snowflake_nextval('gen.clock') AS a \gset
-- set back a little: ids go on where they were
SET seqgen.debug_clock_offset = '-30s';
SELECT snowflake_nextval('gen.clock') AS b \gset
SELECT :b > :a AS larger, :b - :a < 1000::bigint << 22 AS just_above;
-- set back by more than seqgen.max_lead: an error until it has caught up
SET seqgen.debug_clock_offset = '-1h';
CALL gen.try('SELECT snowflake_nextval(''gen.clock'')');
CALL gen.try('SELECT snowflake_nextvals(10, ''gen.clock'')');
CALL gen.try('SELECT snowflake_nextval_after(1, ''gen.clock'')');
RESET seqgen.debug_clock_offset;
SELECT snowflake_nextval('gen.clock') > :b AS caught_up;
-- set forward by more than seqgen.max_clock_jump: refused unless accepted
SET seqgen.debug_clock_offset = '400d';
CALL gen.try('SELECT snowflake_nextval(''gen.clock'')');
SELECT snowflake_create('gen.clock2');
CALL gen.try('SELECT snowflake_nextval(''gen.clock2'')');
SELECT seqgen.accept_clock();
SELECT snowflake_timestamp(snowflake_nextval('gen.clock2')) > now() + interval '399 days' AS accepted;
RESET seqgen.debug_clock_offset;
CALL gen.try('SELECT snowflake_nextval(''gen.clock2'')');
SELECT snowflake_nextval('gen.clock') > :b AS untouched;
SELECT seqgen.accept_clock();

--
-- A session that outlives the extension
--
SELECT snowflake_nextval('gen.clock') AS a, snowflake_nextval() AS b \gset
BEGIN;
DROP EXTENSION seqgen CASCADE;
ROLLBACK;
SELECT snowflake_nextval('gen.clock') > :a AS drop_rolled_back, snowflake_nextval() > :b AS default_generator;
SET client_min_messages = warning;
DROP EXTENSION seqgen CASCADE;
RESET client_min_messages;
SELECT count(*) AS sequences_left FROM pg_class
 WHERE relnamespace = 'gen'::regnamespace AND relkind = 'S' AND relname IN ('orders', 'clock', 'clock2');
CREATE FUNCTION gen.left_nextval() RETURNS bigint AS '$libdir/seqgen', 'sg_snowflake_nextval' LANGUAGE C STRICT;
CREATE FUNCTION gen.left_nextval(regclass) RETURNS bigint
	AS '$libdir/seqgen', 'sg_snowflake_nextval_generator' LANGUAGE C STRICT;
CREATE FUNCTION gen.left_attach(regclass, text) RETURNS void
	AS '$libdir/seqgen', 'sg_snowflake_attach' LANGUAGE C STRICT;
CREATE FUNCTION gen.left_node(bigint) RETURNS integer AS '$libdir/seqgen', 'sg_snowflake_node' LANGUAGE C STRICT;
SELECT gen.left_nextval();
SELECT gen.left_nextval('gen.clock');
SELECT gen.left_attach('gen.clock', 'default');
SELECT gen.left_node(:a) > 0 AS reading_needs_nothing;
-- a schema and tables of these names are not enough
CREATE SCHEMA seqgen;
CREATE SEQUENCE seqgen.snowflake_default;
CREATE TABLE seqgen.generator (generator regclass PRIMARY KEY, kind name, layout name);
INSERT INTO seqgen.generator VALUES ('gen.clock', 'snowflake', 'default');
SELECT gen.left_nextval();
SELECT gen.left_nextval('gen.clock');
SET client_min_messages = warning;
DROP SCHEMA seqgen CASCADE;
CREATE EXTENSION seqgen;
RESET client_min_messages;
SELECT snowflake_nextval() > 0 AS default_generator_is_new;
SELECT snowflake_nextval('gen.clock');
SELECT snowflake_attach('gen.clock');
SELECT snowflake_nextval('gen.clock') > :a AS above_what_it_gave;
SELECT gen.left_nextval('gen.clock') > :a AS same_generator;

RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA gen CASCADE;
DROP ROLE regress_seqgen_owner, regress_seqgen_user, regress_seqgen_group;
