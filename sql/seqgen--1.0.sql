/* seqgen 1.0 */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION seqgen" to load this file. \quit

CREATE SCHEMA seqgen;

COMMENT ON SCHEMA seqgen IS 'catalogs, views and administration of the extension seqgen';

-- the views and functions inside have privileges of their own
GRANT USAGE ON SCHEMA seqgen TO PUBLIC;


--
-- layout: how the bits of an id are divided
--

CREATE FUNCTION seqgen.layout_limits(
		epoch timestamptz, unit_us integer,
		time_bits integer, node_bits integer, sequence_bits integer,
		OUT end_of_life timestamptz, OUT ids_per_second bigint,
		OUT max_node integer, OUT max_own_node integer, OUT max_id bigint)
	RETURNS record
	AS 'MODULE_PATHNAME', 'sg_layout_limits' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION seqgen.layout_limits(timestamptz, integer, integer, integer, integer)
	IS 'what a layout of these widths can hold; an error if they make no sound layout';

CREATE TABLE seqgen.layout (
	name name PRIMARY KEY CHECK (name <> ''),
	epoch timestamptz NOT NULL CHECK (isfinite(epoch)),
	unit_us integer NOT NULL CHECK (unit_us BETWEEN 1 AND 1000000),
	time_bits integer NOT NULL CHECK (time_bits BETWEEN 16 AND 62),
	node_bits integer NOT NULL CHECK (node_bits BETWEEN 0 AND 30 AND node_bits <> 1),
	sequence_bits integer NOT NULL CHECK (sequence_bits BETWEEN 0 AND 30),
	node_last boolean NOT NULL DEFAULT false,
	builtin boolean NOT NULL DEFAULT false,
	CHECK (time_bits + node_bits + sequence_bits <= 63),
	CHECK (time_bits + sequence_bits <= 62)
);

COMMENT ON TABLE seqgen.layout IS 'bit layouts of ids';
COMMENT ON COLUMN seqgen.layout.epoch IS 'the moment at which the time is zero';
COMMENT ON COLUMN seqgen.layout.unit_us IS 'unit of time, in microseconds';
COMMENT ON COLUMN seqgen.layout.node_last IS 'time, sequence, node from the top instead of time, node, sequence';
COMMENT ON COLUMN seqgen.layout.builtin IS 'comes with the extension';

INSERT INTO seqgen.layout
	(name, epoch, unit_us, time_bits, node_bits, sequence_bits, node_last, builtin)
VALUES
	('default',   '2025-01-01 00:00:00+00',     1000, 41, 10, 12, false, true),
	('twitter',   '2010-11-04 01:42:54.657+00', 1000, 41, 10, 12, false, true),
	('discord',   '2015-01-01 00:00:00+00',     1000, 41, 10, 12, false, true),
	('instagram', '2011-08-24 21:07:01.721+00', 1000, 40, 13, 10, false, true),
	('sonyflake', '2014-09-01 00:00:00+00',    10000, 39, 16,  8, true,  true),
	('pgedge',    '2023-01-01 00:00:00+00',     1000, 41, 10, 12, false, true),
	('js53',      '2025-01-01 00:00:00+00',     1000, 41,  5,  7, false, true);

CREATE VIEW seqgen.layout_info AS
	SELECT l.name, l.epoch, l.unit_us::double precision * interval '1 microsecond' AS unit,
		   l.time_bits, l.node_bits, l.sequence_bits, l.node_last, l.builtin,
		   i.end_of_life, i.ids_per_second, i.max_node, i.max_own_node, i.max_id
	  FROM seqgen.layout l,
		   seqgen.layout_limits(l.epoch, l.unit_us, l.time_bits, l.node_bits, l.sequence_bits) i;

COMMENT ON VIEW seqgen.layout_info IS 'layouts with their end of life and the ids a second that one node can draw';

GRANT SELECT ON seqgen.layout, seqgen.layout_info TO PUBLIC;

CREATE FUNCTION seqgen.layout_guard() RETURNS trigger
	AS 'MODULE_PATHNAME', 'sg_layout_guard' LANGUAGE C;

COMMENT ON FUNCTION seqgen.layout_guard() IS 'keeps layouts sound, and those in use as they are';

-- only the extension's own trigger has a use for it
REVOKE EXECUTE ON FUNCTION seqgen.layout_guard() FROM PUBLIC;

-- always, for rows that a logical replication worker applies are to be left out
CREATE TRIGGER layout_guard BEFORE INSERT OR UPDATE OR DELETE ON seqgen.layout
	FOR EACH ROW EXECUTE FUNCTION seqgen.layout_guard();
ALTER TABLE seqgen.layout ENABLE ALWAYS TRIGGER layout_guard;

CREATE TRIGGER layout_truncate BEFORE TRUNCATE ON seqgen.layout
	FOR EACH STATEMENT EXECUTE FUNCTION seqgen.layout_guard();


--
-- generator: sequences that hand out ids
--

CREATE TYPE seqgen.reggenerator;

CREATE FUNCTION seqgen.reggenerator_in(cstring) RETURNS seqgen.reggenerator
	AS 'MODULE_PATHNAME', 'sg_reggenerator_in' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION seqgen.reggenerator_in(cstring) IS 'I/O';

CREATE FUNCTION seqgen.reggenerator_out(seqgen.reggenerator) RETURNS cstring
	AS 'MODULE_PATHNAME', 'sg_reggenerator_out' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION seqgen.reggenerator_out(seqgen.reggenerator) IS 'I/O';

CREATE FUNCTION seqgen.reggenerator_recv(internal) RETURNS seqgen.reggenerator
	AS 'MODULE_PATHNAME', 'sg_reggenerator_recv' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION seqgen.reggenerator_recv(internal) IS 'I/O';

CREATE FUNCTION seqgen.reggenerator_send(seqgen.reggenerator) RETURNS bytea
	AS 'MODULE_PATHNAME', 'sg_reggenerator_send' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION seqgen.reggenerator_send(seqgen.reggenerator) IS 'I/O';

CREATE TYPE seqgen.reggenerator (
	INPUT = seqgen.reggenerator_in, OUTPUT = seqgen.reggenerator_out,
	RECEIVE = seqgen.reggenerator_recv, SEND = seqgen.reggenerator_send,
	LIKE = oid, CATEGORY = 'N'
);

COMMENT ON TYPE seqgen.reggenerator
	IS 'regclass, but for rows from a publisher, whose generators need not exist here';

CREATE CAST (seqgen.reggenerator AS oid) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (seqgen.reggenerator AS regclass) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (regclass AS seqgen.reggenerator) WITHOUT FUNCTION AS ASSIGNMENT;

-- no foreign key: a parallel restore may load this table before seqgen.layout
CREATE TABLE seqgen.generator (
	generator seqgen.reggenerator PRIMARY KEY,
	kind name NOT NULL CHECK (kind IN ('snowflake', 'range')),
	layout name,
	CHECK ((layout IS NULL) = (kind IN ('range')))
);

COMMENT ON TABLE seqgen.generator IS 'sequences that are generators, with their kind and layout';
COMMENT ON COLUMN seqgen.generator.layout IS 'NULL for kinds that count instead of reading the clock';

GRANT SELECT ON seqgen.generator TO PUBLIC;

CREATE FUNCTION seqgen.generator_guard() RETURNS trigger
	AS 'MODULE_PATHNAME', 'sg_generator_guard' LANGUAGE C;

COMMENT ON FUNCTION seqgen.generator_guard() IS 'tells every session of changes to seqgen.generator';

-- only the extension's own triggers have a use for it
REVOKE EXECUTE ON FUNCTION seqgen.generator_guard() FROM PUBLIC;

CREATE TRIGGER generator_guard BEFORE INSERT OR UPDATE OR DELETE ON seqgen.generator
	FOR EACH ROW EXECUTE FUNCTION seqgen.generator_guard();
ALTER TABLE seqgen.generator ENABLE ALWAYS TRIGGER generator_guard;

CREATE TRIGGER generator_truncate BEFORE TRUNCATE ON seqgen.generator
	FOR EACH STATEMENT EXECUTE FUNCTION seqgen.generator_guard();

CREATE FUNCTION seqgen.advance(generator regclass, value bigint) RETURNS void
	AS 'MODULE_PATHNAME', 'sg_generator_advance' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

-- not revoked: it checks that the caller owns the generator, as ALTER SEQUENCE does
COMMENT ON FUNCTION seqgen.advance(regclass, bigint)
	IS 'make all later ids of a generator of yours larger than a value';

CREATE FUNCTION seqgen.reset(generator regclass, value bigint) RETURNS void
	AS 'MODULE_PATHNAME', 'sg_generator_reset' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION seqgen.reset(regclass, bigint)
	IS 'superuser: let a generator go on just above a value, even if it has passed it';

-- it can make a generator repeat ids
REVOKE EXECUTE ON FUNCTION seqgen.reset(regclass, bigint) FROM PUBLIC;

CREATE FUNCTION seqgen.accept_clock() RETURNS void
	AS 'MODULE_PATHNAME', 'sg_clock_accept_now' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION seqgen.accept_clock()
	IS 'accept a clock that jumped forward further than seqgen.max_clock_jump';

-- it takes back a protection of every generator of the server
REVOKE EXECUTE ON FUNCTION seqgen.accept_clock() FROM PUBLIC;


--
-- snowflake: drawing ids
--

CREATE FUNCTION snowflake_nextval() RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_nextval' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_nextval() IS 'next id of the default generator of this database';

CREATE FUNCTION snowflake_nextval(generator regclass) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_nextval_generator' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_nextval(regclass) IS 'next id of a generator';

CREATE FUNCTION snowflake_nextvals(n integer) RETURNS SETOF bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_nextvals' LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 1000;

COMMENT ON FUNCTION snowflake_nextvals(integer) IS 'the next n ids of the default generator of this database';

CREATE FUNCTION snowflake_nextvals(n integer, generator regclass) RETURNS SETOF bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_nextvals' LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 1000;

COMMENT ON FUNCTION snowflake_nextvals(integer, regclass) IS 'the next n ids of a generator';

-- restricted: a parallel worker does not know what its leader's session drew
CREATE FUNCTION snowflake_currval() RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_currval' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION snowflake_currval() IS 'the id that this session drew last from the default generator';

CREATE FUNCTION snowflake_currval(generator regclass) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_currval_generator' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION snowflake_currval(regclass) IS 'the id that this session drew last from a generator';

CREATE FUNCTION snowflake_observe(id bigint) RETURNS void
	AS 'MODULE_PATHNAME', 'sg_snowflake_observe' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION snowflake_observe(bigint)
	IS 'make all later ids of the default generator larger than an id seen from another node';

CREATE FUNCTION snowflake_observe(id bigint, generator regclass) RETURNS void
	AS 'MODULE_PATHNAME', 'sg_snowflake_observe' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION snowflake_observe(bigint, regclass)
	IS 'make all later ids of a generator larger than an id seen from another node';

CREATE FUNCTION snowflake_nextval_after(id bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_nextval_after' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION snowflake_nextval_after(bigint)
	IS 'next id of the default generator, larger than an id seen from another node';

CREATE FUNCTION snowflake_nextval_after(id bigint, generator regclass) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_nextval_after' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION snowflake_nextval_after(bigint, regclass)
	IS 'next id of a generator, larger than an id seen from another node';

-- ids from elsewhere move this node's generators: whoever may bring them is a choice
REVOKE EXECUTE ON FUNCTION snowflake_observe(bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION snowflake_observe(bigint, regclass) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION snowflake_nextval_after(bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION snowflake_nextval_after(bigint, regclass) FROM PUBLIC;

CREATE FUNCTION snowflake_create(name text, layout text DEFAULT 'default',
		increment integer DEFAULT 1, if_not_exists boolean DEFAULT false)
	RETURNS regclass
	AS 'MODULE_PATHNAME', 'sg_snowflake_create' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION snowflake_create(text, text, integer, boolean)
	IS 'create a generator: a sequence that hands out ids of a layout';

CREATE FUNCTION snowflake_attach(generator regclass, layout text DEFAULT 'default') RETURNS void
	AS 'MODULE_PATHNAME', 'sg_snowflake_attach' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION snowflake_attach(regclass, text)
	IS 'make a generator of an existing sequence, as after a partial restore';


--
-- snowflake: reading ids
--
-- The forms without a layout are immutable, as the default layout never
-- changes: they serve in indexes, generated columns and partition bounds.
--

CREATE FUNCTION snowflake_decode(id bigint,
		OUT "time" timestamptz, OUT node integer, OUT sequence integer)
	RETURNS record
	AS 'MODULE_PATHNAME', 'sg_snowflake_decode' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_decode(bigint) IS 'time, node and sequence of an id of the default layout';

CREATE FUNCTION snowflake_decode(id bigint, generator regclass,
		OUT "time" timestamptz, OUT node integer, OUT sequence integer)
	RETURNS record
	AS 'MODULE_PATHNAME', 'sg_snowflake_decode_generator' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_decode(bigint, regclass) IS 'time, node and sequence of an id of a generator';

CREATE FUNCTION snowflake_decode(id bigint, layout text,
		OUT "time" timestamptz, OUT node integer, OUT sequence integer)
	RETURNS record
	AS 'MODULE_PATHNAME', 'sg_snowflake_decode' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_decode(bigint, text) IS 'time, node and sequence of an id of a layout';

CREATE FUNCTION snowflake_timestamp(id bigint) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'sg_snowflake_timestamp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_timestamp(bigint) IS 'time of an id of the default layout';

CREATE FUNCTION snowflake_timestamp(id bigint, generator regclass) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'sg_snowflake_timestamp_generator' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_timestamp(bigint, regclass) IS 'time of an id of a generator';

CREATE FUNCTION snowflake_timestamp(id bigint, layout text) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'sg_snowflake_timestamp' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_timestamp(bigint, text) IS 'time of an id of a layout';

CREATE FUNCTION snowflake_node(id bigint) RETURNS integer
	AS 'MODULE_PATHNAME', 'sg_snowflake_node' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_node(bigint) IS 'node number of an id of the default layout';

CREATE FUNCTION snowflake_node(id bigint, generator regclass) RETURNS integer
	AS 'MODULE_PATHNAME', 'sg_snowflake_node_generator' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_node(bigint, regclass) IS 'node number of an id of a generator';

CREATE FUNCTION snowflake_node(id bigint, layout text) RETURNS integer
	AS 'MODULE_PATHNAME', 'sg_snowflake_node' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_node(bigint, text) IS 'node number of an id of a layout';

CREATE FUNCTION snowflake_sequence(id bigint) RETURNS integer
	AS 'MODULE_PATHNAME', 'sg_snowflake_sequence' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_sequence(bigint) IS 'sequence number, inside its unit of time, of an id of the default layout';

CREATE FUNCTION snowflake_sequence(id bigint, generator regclass) RETURNS integer
	AS 'MODULE_PATHNAME', 'sg_snowflake_sequence_generator' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_sequence(bigint, regclass) IS 'sequence number, inside its unit of time, of an id of a generator';

CREATE FUNCTION snowflake_sequence(id bigint, layout text) RETURNS integer
	AS 'MODULE_PATHNAME', 'sg_snowflake_sequence' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_sequence(bigint, text) IS 'sequence number, inside its unit of time, of an id of a layout';

CREATE FUNCTION snowflake_min(moment timestamptz) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_min' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_min(timestamptz) IS 'smallest id of an instant in the default layout';

CREATE FUNCTION snowflake_min(moment timestamptz, layout text) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_min' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_min(timestamptz, text) IS 'smallest id of an instant in a layout';

CREATE FUNCTION snowflake_max(moment timestamptz) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_max' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_max(timestamptz) IS 'largest id of an instant in the default layout';

CREATE FUNCTION snowflake_max(moment timestamptz, layout text) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_max' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_max(timestamptz, text) IS 'largest id of an instant in a layout';

CREATE FUNCTION seqgen.snowflake_bound(moment timestamptz) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_bound' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION seqgen.snowflake_bound(timestamptz)
	IS 'no id of the default layout below it is from a moment on, none from it on is earlier; takes any time';

CREATE FUNCTION seqgen.snowflake_bound(moment timestamptz, layout text) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_bound' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION seqgen.snowflake_bound(timestamptz, text)
	IS 'no id of a layout below it is from a moment on, none from it on is earlier; takes any time';

-- neither STRICT nor SET, so that the planner inlines it and an index serves
CREATE FUNCTION snowflake_during(id bigint, since timestamptz, until timestamptz) RETURNS boolean
	LANGUAGE SQL IMMUTABLE PARALLEL SAFE
	RETURN id >= seqgen.snowflake_bound(since) AND id < seqgen.snowflake_bound(until);

COMMENT ON FUNCTION snowflake_during(bigint, timestamptz, timestamptz)
	IS 'is an id of the default layout from since (inclusive) to until (exclusive)? Indexable';

CREATE FUNCTION snowflake_during(id bigint, since timestamptz, until timestamptz, layout text) RETURNS boolean
	LANGUAGE SQL STABLE PARALLEL SAFE
	RETURN id >= seqgen.snowflake_bound(since, layout) AND id < seqgen.snowflake_bound(until, layout);

COMMENT ON FUNCTION snowflake_during(bigint, timestamptz, timestamptz, text)
	IS 'is an id of a layout from since (inclusive) to until (exclusive)? Indexable';

-- the generator of snowflake_nextval()
CREATE SEQUENCE seqgen.snowflake_default;

COMMENT ON SEQUENCE seqgen.snowflake_default IS 'the default generator';

INSERT INTO seqgen.generator (generator, kind, layout)
	VALUES ('seqgen.snowflake_default', 'snowflake', 'default');

-- every table of every user may have it as its default
GRANT USAGE ON SEQUENCE seqgen.snowflake_default TO PUBLIC;


--
-- what pg_dump takes along: not what the extension makes itself, and no row of
-- a sequence that is gone
--

SELECT pg_catalog.pg_extension_config_dump('seqgen.layout', 'WHERE NOT builtin');
SELECT pg_catalog.pg_extension_config_dump('seqgen.generator', $$
	WHERE generator <> 'seqgen.snowflake_default'::pg_catalog.regclass
	  AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = generator)$$);
SELECT pg_catalog.pg_extension_config_dump('seqgen.snowflake_default', '');


--
-- coordinator: the wrapper
--
-- A foreign server of this wrapper and a user mapping for the extension's owner
-- name the coordinator of this database's ranges.  USAGE is granted to nobody:
-- whoever may create such a server decides where all ranges come from.
--

CREATE FUNCTION seqgen.coordinator_validator(text[], oid) RETURNS void
	AS 'MODULE_PATHNAME', 'sg_coordinator_validator' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION seqgen.coordinator_validator(text[], oid)
	IS 'checks the options of a coordinator and of its user mappings';

CREATE FOREIGN DATA WRAPPER seqgen_coordinator VALIDATOR seqgen.coordinator_validator;

COMMENT ON FOREIGN DATA WRAPPER seqgen_coordinator
	IS 'names the coordinator that grants blocks of ranges to this database';


--
-- monitor: what goes on
--

CREATE FUNCTION seqgen.generator_state(
		OUT generator regclass, OUT last_value bigint, OUT durable_bound bigint,
		OUT lead interval, OUT issued bigint, OUT reservations bigint,
		OUT waits bigint, OUT clock_steps_back bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'sg_generator_state' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION seqgen.generator_state() IS 'generators of this database that are loaded in shared memory';

CREATE VIEW seqgen.stat_generator AS
	SELECT g.generator::regclass AS generator, g.kind, g.layout, s.last_value, s.durable_bound, s.lead,
		   coalesce(s.issued, 0) AS issued,
		   coalesce(s.reservations, 0) AS reservations,
		   coalesce(s.waits, 0) AS waits,
		   coalesce(s.clock_steps_back, 0) AS clock_steps_back
	  FROM seqgen.generator g LEFT JOIN seqgen.generator_state() s ON s.generator::oid = g.generator::oid;

COMMENT ON VIEW seqgen.stat_generator IS 'generators of this database, and what they did since the server started';

CREATE FUNCTION seqgen.backend_state(
		OUT pid integer, OUT prepared_xid xid, OUT database oid,
		OUT snowflake_issued bigint, OUT last_value bigint,
		OUT transaction_floor timestamptz)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'sg_backend_state' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION seqgen.backend_state() IS 'sessions and prepared transactions that drew ids';

CREATE VIEW seqgen.stat_backend AS
	SELECT b.pid, b.prepared_xid, d.datname, b.snowflake_issued, b.last_value, b.transaction_floor
	  FROM seqgen.backend_state() b LEFT JOIN pg_catalog.pg_database d ON d.oid = b.database;

COMMENT ON VIEW seqgen.stat_backend IS 'sessions and prepared transactions that drew ids';

CREATE FUNCTION seqgen.stat_reset(generator regclass) RETURNS void
	AS 'MODULE_PATHNAME', 'sg_stat_reset' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION seqgen.stat_reset(regclass) IS 'set the counters of a generator to zero';

CREATE FUNCTION seqgen.stat_reset() RETURNS void
	AS 'MODULE_PATHNAME', 'sg_stat_reset' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION seqgen.stat_reset() IS 'set the counters of all generators of this database to zero';

-- what others do is shown to those who may see all statistics
REVOKE ALL ON seqgen.stat_generator, seqgen.stat_backend FROM PUBLIC;
GRANT SELECT ON seqgen.stat_generator, seqgen.stat_backend TO pg_monitor;
REVOKE EXECUTE ON FUNCTION seqgen.generator_state(), seqgen.backend_state() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION seqgen.generator_state(), seqgen.backend_state() TO pg_monitor;

-- as pg_stat_reset()
REVOKE EXECUTE ON FUNCTION seqgen.stat_reset(regclass), seqgen.stat_reset() FROM PUBLIC;
