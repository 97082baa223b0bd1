--
-- Drawing from a range: its values come one after the other, and whoever is
-- refused is told why.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS seqgen;
RESET client_min_messages;

-- what SQLSTATE the statement before had
\set state '\\echo :LAST_ERROR_SQLSTATE'

SELECT range_create('rd', 10, max_block_size => 10);

--
-- One by one, and several at a time, over the ends of blocks
--
SELECT range_currval('rd');
:state
SELECT range_nextval('rd');
SELECT range_currval('rd');
SELECT range_nextval('rd'), range_nextval('rd'), range_currval('rd');
SELECT range_nextvals('rd', 3);
SELECT range_currval('rd');
SELECT count(*), min(v), max(v), count(DISTINCT v) FROM range_nextvals('rd', 100) v;
SELECT range_currval('rd');
SELECT i, range_nextval('rd') FROM generate_series(1, 12) i;
SELECT max(range_nextval('rd')) - min(range_nextval('rd')) AS spread FROM generate_series(1, 50);
SELECT range_currval('rd');

-- in order, whatever the rows are joined with
SELECT a, range_nextvals('rd', a) FROM generate_series(1, 3) a;
SELECT a, v FROM generate_series(1, 3) a, range_nextvals('rd', 2) v;
SELECT a, v FROM generate_series(1, 2) a, LATERAL range_nextvals('rd', a) v;

-- only what a statement takes of a run is current; what it leaves is lost
SELECT range_create('rd_run', 100, max_block_size => 100);
SELECT range_nextvals('rd_run', 20) LIMIT 2;
SELECT range_currval('rd_run'), range_nextval('rd_run');
BEGIN;
DECLARE rd_cursor CURSOR FOR SELECT range_nextvals('rd_run', 10);
FETCH 2 FROM rd_cursor;
SELECT range_nextval('rd_run');
FETCH 2 FROM rd_cursor;
COMMIT;
SELECT range_nextval('rd_run');

-- how many
SELECT range_nextvals('rd', 0);
:state
SELECT range_nextvals('rd', -1);
SELECT range_nextvals('rd', 10000001);
SELECT range_nextvals('rd', 2147483648);
SELECT range_nextval('rd') = range_currval('rd') AS nothing_was_taken;
SELECT count(*), max(v) - min(v) + 1 AS width FROM range_nextvals('rd', 1000) v;

-- NULL
SELECT range_nextval(NULL) IS NULL AS nextval, range_currval(NULL) IS NULL AS currval;
SELECT count(*) FROM range_nextvals('rd', NULL);
SELECT count(*) FROM range_nextvals(NULL, 1);
SELECT n, count(v) FROM (VALUES (2), (NULL), (1)) t (n) LEFT JOIN LATERAL range_nextvals('rd', n) v ON true GROUP BY n ORDER BY n;

--
-- A default, for rows of all sorts
--
SELECT range_create('rd_row', 4, max_block_size => 4);
CREATE TABLE rd_table (id int DEFAULT range_nextval('rd_row') PRIMARY KEY, filler text);
INSERT INTO rd_table DEFAULT VALUES;
INSERT INTO rd_table (filler) VALUES ('a'), ('b'), ('c') RETURNING id;
INSERT INTO rd_table (filler) SELECT 'x' FROM generate_series(1, 3);
INSERT INTO rd_table (id, filler) VALUES (DEFAULT, 'd'), (1000, 'e'), (DEFAULT, 'f') RETURNING *;
COPY rd_table (filler) FROM stdin;
first
second
\.
UPDATE rd_table SET id = DEFAULT WHERE id = 1000 RETURNING id;
INSERT INTO rd_table (id) VALUES (1), (2) ON CONFLICT (id) DO UPDATE SET id = range_nextval('rd_row');
ALTER TABLE rd_table ADD COLUMN other bigint DEFAULT range_nextval('rd_row');
SELECT count(*), count(DISTINCT n), min(n), max(n) FROM rd_table, unnest(ARRAY[id, other]) n;

-- a generator that a default needs cannot be dropped, and is dropped with its table
DROP SEQUENCE rd_row;
ALTER SEQUENCE rd_row OWNED BY rd_table.id;
DROP TABLE rd_table;
SELECT to_regclass('rd_row'), to_regclass('rd_row_cursor');

--
-- Transactions: a value is drawn for good
--
SELECT range_create('rd_xact', 1000);
BEGIN;
SELECT range_nextval('rd_xact');
SAVEPOINT a;
SELECT range_nextval('rd_xact');
ROLLBACK TO a;
SELECT range_nextval('rd_xact');
ROLLBACK;
SELECT range_currval('rd_xact'), range_nextval('rd_xact');

-- also where nothing else may be written, and be it the first value of all
SELECT range_create('rd_read', 2, max_block_size => 2);
BEGIN READ ONLY;
SELECT range_nextval('rd_read') FROM generate_series(1, 5);
SELECT range_nextvals('rd_read', 3);
COMMIT;
SET default_transaction_read_only = on;
SELECT range_nextval('rd_read');
RESET default_transaction_read_only;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SELECT range_nextval('rd_read');
COMMIT;

-- in the transaction that creates it, over several blocks
BEGIN;
SELECT range_create('rd_new', 3, max_block_size => 3);
SELECT range_nextvals('rd_new', 7);
SELECT range_currval('rd_new');
COMMIT;
SELECT range_nextval('rd_new');
BEGIN;
SELECT range_create('rd_gone', 3);
SELECT range_nextval('rd_gone');
ROLLBACK;
SELECT range_nextval('rd_gone');
:state

-- by an oid, a name in its schema, in a function, prepared
CREATE SCHEMA rd_schema;
SELECT range_create('rd_schema."Odd name"', 5, 101);
SELECT range_nextval('rd_schema."Odd name"'), range_nextval(to_regclass('rd_schema."Odd name"')::oid);
PREPARE rd_draw(regclass) AS SELECT range_nextval($1);
EXECUTE rd_draw('rd_schema."Odd name"');
EXECUTE rd_draw('rd_new');
ALTER SEQUENCE rd_schema."Odd name" RENAME TO even;
EXECUTE rd_draw('rd_schema.even');
CREATE FUNCTION rd_in_function() RETURNS bigint LANGUAGE sql AS $$SELECT range_nextval('rd_schema.even')$$;
SELECT rd_in_function() FROM generate_series(1, 3);
DO $$
BEGIN
	PERFORM 1 / (range_nextval('rd_schema.even') * 0);
EXCEPTION
	WHEN division_by_zero THEN RAISE NOTICE 'then comes %', range_nextval('rd_schema.even');
END $$;

--
-- The current value is forgotten as that of sequences is
--
SELECT range_currval('rd') IS NOT NULL AS is_known;
DISCARD PLANS;
SELECT range_currval('rd') IS NOT NULL AS is_known;
DISCARD SEQUENCES;
SELECT range_currval('rd');
SELECT range_nextval('rd') = range_currval('rd') AS is_known;
DISCARD ALL;
SELECT range_currval('rd');
:state
SELECT range_nextval('rd') = range_currval('rd') AS is_known;

-- the functions of sequences know nothing of it
SELECT currval('rd');
:state
SELECT lastval();
:state
SELECT nextval('rd');
:state

--
-- What is no range
--
SELECT snowflake_create('rd_snowflake');
CREATE SEQUENCE rd_sequence;
CREATE TABLE rd_rows (id int);
SELECT range_nextval('rd_snowflake');
:state
SELECT range_nextvals('rd_snowflake', 1);
SELECT range_currval('rd_snowflake');
SELECT snowflake_nextval('rd');
:state
SELECT snowflake_nextvals(2, 'rd');
SELECT snowflake_currval('rd_sequence');
SELECT range_nextval('rd_sequence');
:state
SELECT range_nextvals('rd_sequence', 1);
SELECT range_currval('rd_sequence');
SELECT range_nextval('rd_cursor');
SELECT range_nextval('rd_rows');
:state
SELECT range_currval('rd_rows');
SELECT range_nextval('rd_nothing');
:state
SELECT range_nextval(0::oid);
:state
SELECT range_currval(0::oid);
SELECT seqgen.range_restart('rd_snowflake');
:state
SELECT seqgen.range_restart('rd_sequence');
SELECT seqgen.reset('rd', 1);
:state
SELECT seqgen.advance('rd', 1);
:state

-- nor can be one at the moment
ALTER SEQUENCE rd SET UNLOGGED;
SELECT range_nextval('rd');
:state
ALTER SEQUENCE rd SET LOGGED;
ALTER SEQUENCE rd INCREMENT BY 1;
SELECT range_nextval('rd');
:state
ALTER SEQUENCE rd INCREMENT BY 9223372036854775807;
SELECT range_nextval('rd') > range_currval('rd') - 1 AS goes_on;

--
-- Who may draw
--
CREATE ROLE regress_seqgen_drawer;
SET ROLE regress_seqgen_drawer;
SELECT range_nextval('rd');
:state
SELECT range_nextvals('rd', 2);
SELECT range_currval('rd');
:state
SELECT * FROM seqgen.range_block;
SELECT * FROM seqgen.range_in_doubt;
SELECT seqgen.range_restart('rd');
RESET ROLE;

-- SELECT is for the current value, UPDATE for the next, USAGE for both
GRANT SELECT ON SEQUENCE rd TO regress_seqgen_drawer;
SET ROLE regress_seqgen_drawer;
SELECT range_nextval('rd');
SELECT range_currval('rd') IS NOT NULL AS is_known;
RESET ROLE;
REVOKE SELECT ON SEQUENCE rd FROM regress_seqgen_drawer;
GRANT UPDATE ON SEQUENCE rd TO regress_seqgen_drawer;
SET ROLE regress_seqgen_drawer;
SELECT range_nextval('rd') IS NOT NULL AS drew;
SELECT range_currval('rd');
RESET ROLE;
REVOKE UPDATE ON SEQUENCE rd FROM regress_seqgen_drawer;
GRANT USAGE ON SEQUENCE rd TO regress_seqgen_drawer;
SET ROLE regress_seqgen_drawer;
SELECT range_nextval('rd') = range_currval('rd') AS drew;
SELECT count(*) FROM range_nextvals('rd', 30);

-- also if a right goes, or comes, within a transaction
RESET ROLE;
BEGIN;
SET LOCAL ROLE regress_seqgen_drawer;
SELECT range_nextval('rd') IS NOT NULL AS drew;
RESET ROLE;
REVOKE USAGE ON SEQUENCE rd FROM regress_seqgen_drawer;
SET LOCAL ROLE regress_seqgen_drawer;
SELECT range_nextval('rd');
ROLLBACK;
SET ROLE regress_seqgen_drawer;
SELECT range_nextval('rd') IS NOT NULL AS drew;

-- an owner draws, and the extension's own rights are not lent
RESET ROLE;
GRANT CREATE ON SCHEMA rd_schema TO regress_seqgen_drawer;
GRANT USAGE ON SCHEMA rd_schema TO regress_seqgen_drawer;
SET ROLE regress_seqgen_drawer;
SELECT range_create('rd_schema.mine', 2, max_block_size => 2);
SELECT range_nextvals('rd_schema.mine', 5);
SELECT seqgen.range_restart('rd_schema.mine');
SELECT * FROM seqgen.range_holding;
SELECT * FROM seqgen.range_source;
SELECT * FROM seqgen.range_identity;
RESET ROLE;
SELECT seqgen.range_restart('rd_schema.mine');
SELECT range_nextval('rd_schema.mine');

--
-- The end of a range: it warns of it, and repeats nothing
--
SELECT range_create('rd_end', 4, max_value => 10, max_block_size => 4);
SELECT range_nextval('rd_end') FROM generate_series(1, 8);
SELECT range_nextval('rd_end');
SELECT range_nextval('rd_end');
SELECT range_nextval('rd_end');
:state
SELECT range_nextvals('rd_end', 2);
SELECT range_currval('rd_end');
SELECT nextval('rd_end');
SELECT range_create('rd_end2', 3, column_type => 'smallint', min_value => 32758);
SELECT range_nextvals('rd_end2', 100);
SELECT range_nextval('rd_end2');
SELECT range_create('rd_end8', 5, min_value => 9223372036854775787);
SELECT count(*), max(v) FROM range_nextvals('rd_end8', 20) v;
SELECT range_nextval('rd_end8');

--
-- What the views say
--
SELECT range_create('rd_view', 1000, max_block_size => 1000);
SELECT count(*) FROM seqgen.range_block WHERE generator = 'rd_view'::regclass AND block IS NOT NULL;
SELECT count(*) FROM range_nextvals('rd_view', 150);
SELECT generator, block, next_block, position, saved_position >= position AS saved, seconds_left >= 0 AS lasts, state, message
  FROM seqgen.range_block WHERE generator = 'rd_view'::regclass;
SELECT state, message FROM seqgen.range_block WHERE generator = 'rd_end'::regclass;
SELECT generator, issued FROM seqgen.stat_generator WHERE generator = 'rd_view'::regclass;
SELECT count(*) FROM seqgen.range_in_doubt;
SELECT generator, block, state, own FROM seqgen.range_holding WHERE generator = 'rd_view'::regclass;

SET client_min_messages = warning;
DROP SCHEMA rd_schema CASCADE;
RESET client_min_messages;
DROP SEQUENCE rd, rd_run, rd_xact, rd_read, rd_new, rd_snowflake, rd_sequence, rd_end, rd_end2, rd_end8, rd_view;
DROP TABLE rd_rows;
DROP FUNCTION rd_in_function;
DROP ROLE regress_seqgen_drawer;
SELECT count(*) FROM seqgen.range_block WHERE generator::text ~ '^rd';
