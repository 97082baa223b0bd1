/* seqgen 1.0 */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION seqgen" to load this file. \quit

CREATE SCHEMA seqgen;

COMMENT ON SCHEMA seqgen IS 'catalogs, views and administration of the extension seqgen';

-- the views and functions inside have privileges of their own
GRANT USAGE ON SCHEMA seqgen TO PUBLIC;

-- Others may have put objects into the schema of the extension before.  So views
-- and the checks of ranges are made where none of those is seen: a function or an
-- operator that fits the arguments better than the server's would be run by all
-- who read the view, or add a row.


--
-- layout: how the bits of an id are divided
--

CREATE FUNCTION seqgen.layout_limits(
		epoch timestamptz, unit_us integer,
		time_bits integer, node_bits integer, sequence_bits integer,
		datacenter_bits integer DEFAULT 0,
		OUT end_of_life timestamptz, OUT ids_per_second bigint,
		OUT max_node integer, OUT max_own_node integer, OUT max_id bigint)
	RETURNS record
	AS 'MODULE_PATHNAME', 'sg_layout_limits' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION seqgen.layout_limits(timestamptz, integer, integer, integer, integer, integer)
	IS 'what a layout of these widths can hold; an error if they make no sound layout';

CREATE TABLE seqgen.layout (
	name name PRIMARY KEY CHECK (name <> ''),
	epoch timestamptz NOT NULL CHECK (isfinite(epoch)),
	unit_us integer NOT NULL CHECK (unit_us BETWEEN 1 AND 1000000),
	time_bits integer NOT NULL CHECK (time_bits BETWEEN 16 AND 62),
	node_bits integer NOT NULL CHECK (node_bits BETWEEN 0 AND 30 AND node_bits <> 1),
	sequence_bits integer NOT NULL CHECK (sequence_bits BETWEEN 0 AND 30),
	node_last boolean NOT NULL DEFAULT false,
	datacenter_bits integer NOT NULL DEFAULT 0 CHECK (datacenter_bits BETWEEN 0 AND 8),
	builtin boolean NOT NULL DEFAULT false,
	CHECK (time_bits + node_bits + sequence_bits <= 63),
	CHECK (time_bits + sequence_bits <= 62),
	CHECK (datacenter_bits = 0 OR datacenter_bits <= node_bits - 2)
);

COMMENT ON TABLE seqgen.layout IS 'bit layouts of ids';
COMMENT ON COLUMN seqgen.layout.epoch IS 'the moment at which the time is zero';
COMMENT ON COLUMN seqgen.layout.unit_us IS 'unit of time, in microseconds';
COMMENT ON COLUMN seqgen.layout.node_last IS 'time, sequence, node from the top instead of time, node, sequence';
COMMENT ON COLUMN seqgen.layout.datacenter_bits
	IS 'how many of the node bits, the upper ones, hold the datacenter of seqgen.location';
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

-- datacenter and worker of 5 bits each, as Twitter's ids had
INSERT INTO seqgen.layout
	(name, epoch, unit_us, time_bits, node_bits, sequence_bits, datacenter_bits, builtin)
VALUES
	('located',   '2025-01-01 00:00:00+00',     1000, 41, 10, 12, 5, true);

SET LOCAL search_path = pg_catalog, pg_temp;
CREATE VIEW seqgen.layout_info AS
	SELECT l.name, l.epoch, l.unit_us::double precision * interval '1 microsecond' AS unit,
		   l.time_bits, l.node_bits, l.sequence_bits, l.node_last, l.datacenter_bits, l.builtin,
		   i.end_of_life, i.ids_per_second, i.max_node, i.max_own_node, i.max_id
	  FROM seqgen.layout l,
		   seqgen.layout_limits(l.epoch, l.unit_us, l.time_bits, l.node_bits, l.sequence_bits, l.datacenter_bits) i;
SET LOCAL search_path = @extschema@, pg_temp;

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
	kind name NOT NULL CHECK (kind IN ('snowflake', 'range', 'located')),
	layout name,
	CHECK ((layout IS NULL) = (kind IN ('range'))),
	CHECK (kind <> 'located' OR layout = 'default')
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
-- range: the ledger
--
-- What a coordinator keeps: its ranges, whom it gave which block, and what it
-- knows of itself, so as to notice that it is a copy or a restored past.
--

CREATE TABLE seqgen.range_generator (
	generator seqgen.reggenerator PRIMARY KEY,
	cursor seqgen.reggenerator NOT NULL UNIQUE,
	min_value bigint NOT NULL CHECK (min_value >= 1),
	max_value bigint NOT NULL CHECK (max_value < 9223372036854775807),
	block_size bigint NOT NULL,
	min_block_size bigint NOT NULL,
	max_block_size bigint NOT NULL,
	CHECK (1 <= min_block_size AND min_block_size <= block_size AND
		   block_size <= max_block_size AND max_block_size <= max_value - min_value + 1)
);

COMMENT ON TABLE seqgen.range_generator IS 'generators of kind range, and what blocks they are given out in';
COMMENT ON COLUMN seqgen.range_generator.cursor IS 'the sequence whose last_value is the largest value ever given out';
COMMENT ON COLUMN seqgen.range_generator.block_size IS 'values that a node asks for at first';
COMMENT ON COLUMN seqgen.range_generator.min_block_size IS 'a node that draws slowly asks for no less';
COMMENT ON COLUMN seqgen.range_generator.max_block_size IS 'the most that one request is given';

-- the table keeps blocks from overlapping; the request that made a block finds it again
SET LOCAL search_path = pg_catalog, pg_temp;
CREATE TABLE seqgen.range_allocation (
	generator seqgen.reggenerator NOT NULL,
	block int8range NOT NULL CHECK ((lower(block) >= 1 AND upper(block) > lower(block)) IS TRUE),
	state name NOT NULL CHECK (state IN ('granted', 'allocated', 'reserved', 'released', 'used')),
	owner name NOT NULL,
	node uuid,
	incarnation uuid,
	request bigint,
	epoch bigint NOT NULL,
	allocated_at timestamptz NOT NULL,
	saved bigint,
	PRIMARY KEY (generator, block),
	CONSTRAINT range_allocation_overlap EXCLUDE USING gist (
		int8range(generator::oid::bigint, generator::oid::bigint, '[]') WITH &&, block WITH &&),
	CONSTRAINT range_allocation_request UNIQUE (incarnation, generator, request),
	CHECK (state <> 'granted' OR (incarnation IS NOT NULL AND request IS NOT NULL))
) WITH (fillfactor = 80);
SET LOCAL search_path = @extschema@, pg_temp;

-- range_alloc(within) finds them without reading the ledger
CREATE INDEX range_allocation_released ON seqgen.range_allocation (generator, block)
	WHERE state = 'released';

COMMENT ON TABLE seqgen.range_allocation IS 'the ledger: every block that was given out, by whom and to whom';
COMMENT ON COLUMN seqgen.range_allocation.state
	IS 'granted to a node, allocated or reserved by hand, released, or used (what a lost node used up of its block)';
COMMENT ON COLUMN seqgen.range_allocation.owner IS 'the role that the block belongs to; a node''s login role';
COMMENT ON COLUMN seqgen.range_allocation.node
	IS 'whom it was granted to; NULL for this database itself before its worker has a name';
COMMENT ON COLUMN seqgen.range_allocation.incarnation IS 'with generator and request, the key of the request';
COMMENT ON COLUMN seqgen.range_allocation.saved IS 'the last position in the block that its node reported';

CREATE TABLE seqgen.range_node (
	node uuid PRIMARY KEY,
	role name NOT NULL,
	identity text NOT NULL CHECK (length(identity) <= 200),
	running uuid NOT NULL,
	address inet,
	first_seen timestamptz NOT NULL,
	last_seen timestamptz NOT NULL,
	destroyed boolean NOT NULL DEFAULT false
) WITH (fillfactor = 80);

COMMENT ON TABLE seqgen.range_node IS 'nodes that asked this coordinator for blocks';
COMMENT ON COLUMN seqgen.range_node.role IS 'login role; requests of others in the node''s name are refused';
COMMENT ON COLUMN seqgen.range_node.identity
	IS 'system identifier/timeline/database oid/device:inode of pg_control/boot id';
COMMENT ON COLUMN seqgen.range_node.running IS 'incarnation that asked last';
COMMENT ON COLUMN seqgen.range_node.destroyed IS 'given up by range_reclaim(); never served again';

-- One row, written past transactions as the page of a sequence is: so it has no
-- column that can be NULL or of varying width, and none that is indexed but the
-- last.
CREATE TABLE seqgen.range_ledger (
	id uuid NOT NULL,
	epoch bigint NOT NULL DEFAULT 1,
	number bigint NOT NULL DEFAULT 0,
	system_identifier bigint NOT NULL DEFAULT 0,
	seen_epoch bigint NOT NULL DEFAULT 0,
	seen_number bigint NOT NULL DEFAULT 0,
	lease_system_identifier bigint NOT NULL DEFAULT 0,
	lease_generation bigint NOT NULL DEFAULT 0,
	lease_held_generation bigint NOT NULL DEFAULT 0,
	lease_hold_until bigint NOT NULL DEFAULT 0,
	lease_longest bigint NOT NULL DEFAULT 0,
	database oid NOT NULL DEFAULT 0,
	timeline integer NOT NULL DEFAULT 0,
	lease_database oid NOT NULL DEFAULT 0,
	lease_timeline integer NOT NULL DEFAULT 0,
	shared boolean NOT NULL DEFAULT false,
	synchronous boolean NOT NULL DEFAULT false,
	held boolean NOT NULL DEFAULT false,
	lease_synchronous boolean NOT NULL DEFAULT false,
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);

COMMENT ON TABLE seqgen.range_ledger IS 'the state of the ledger; see the view seqgen.range_coordinator';
COMMENT ON COLUMN seqgen.range_ledger.epoch IS 'grows when the ledger is taken up again';
COMMENT ON COLUMN seqgen.range_ledger.number IS 'grows with every block';
COMMENT ON COLUMN seqgen.range_ledger.system_identifier IS 'of the server that the ledger served on last; 0 is none';
COMMENT ON COLUMN seqgen.range_ledger.database IS 'likewise';
COMMENT ON COLUMN seqgen.range_ledger.timeline IS 'likewise';
COMMENT ON COLUMN seqgen.range_ledger.seen_epoch IS 'the largest that a node knew when it led to a hold';
COMMENT ON COLUMN seqgen.range_ledger.seen_number IS 'likewise';
COMMENT ON COLUMN seqgen.range_ledger.shared IS 'has a block been given to anybody but this database''s own worker?';
COMMENT ON COLUMN seqgen.range_ledger.synchronous IS 'has a synchronous standby confirmed all that was given out?';
COMMENT ON COLUMN seqgen.range_ledger.held IS 'a node knew more than this ledger; seqgen.range_resume() ends it';
COMMENT ON COLUMN seqgen.range_ledger.lease_system_identifier IS 'of the server that node numbers were leased on last; 0 is none';
COMMENT ON COLUMN seqgen.range_ledger.lease_database IS 'likewise';
COMMENT ON COLUMN seqgen.range_ledger.lease_timeline IS 'likewise';
COMMENT ON COLUMN seqgen.range_ledger.lease_generation IS 'grows with every lease of a node number, renewal and release';
COMMENT ON COLUMN seqgen.range_ledger.lease_held_generation IS 'what a node knows up to it leads to no other hold of leases';
COMMENT ON COLUMN seqgen.range_ledger.lease_hold_until
	IS 'us since 1970: until then no number is leased anew, and from then on all windows begin that are';
COMMENT ON COLUMN seqgen.range_ledger.lease_longest IS 'us: how far ahead of the clock a window has ended at most';
COMMENT ON COLUMN seqgen.range_ledger.lease_synchronous IS 'has a synchronous standby confirmed all leases?';

CREATE FUNCTION seqgen.range_guard() RETURNS trigger
	AS 'MODULE_PATHNAME', 'sg_range_guard' LANGUAGE C;

COMMENT ON FUNCTION seqgen.range_guard() IS 'keeps the tables of ranges from being emptied, and publishers'' rows out';

CREATE FUNCTION seqgen.range_allocation_guard() RETURNS trigger
	AS 'MODULE_PATHNAME', 'sg_range_allocation_guard' LANGUAGE C;

COMMENT ON FUNCTION seqgen.range_allocation_guard() IS 'lets rows be added to the ledger by hand, and nothing else';

CREATE FUNCTION seqgen.range_ledger_guard() RETURNS trigger
	AS 'MODULE_PATHNAME', 'sg_range_ledger_guard' LANGUAGE C;

COMMENT ON FUNCTION seqgen.range_ledger_guard() IS 'puts what a restore brings into the only row, for a hold';

-- only the extension's own triggers have a use for them
REVOKE EXECUTE ON FUNCTION seqgen.range_guard(), seqgen.range_allocation_guard(),
	seqgen.range_ledger_guard() FROM PUBLIC;

-- leases served here from the beginning: what is lost of them even if all are is noticed
INSERT INTO seqgen.range_ledger (id, lease_system_identifier, lease_database, lease_timeline)
	SELECT gen_random_uuid(), s.system_identifier, d.oid,
		   ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::integer
	  FROM pg_control_system() s, pg_database d WHERE d.datname = current_database();

-- always, for rows that a logical replication worker applies are to be left out
CREATE TRIGGER range_guard BEFORE INSERT OR UPDATE OR DELETE ON seqgen.range_generator
	FOR EACH ROW EXECUTE FUNCTION seqgen.range_guard();
ALTER TABLE seqgen.range_generator ENABLE ALWAYS TRIGGER range_guard;

CREATE TRIGGER range_truncate BEFORE TRUNCATE ON seqgen.range_generator
	FOR EACH STATEMENT EXECUTE FUNCTION seqgen.range_guard();
ALTER TABLE seqgen.range_generator ENABLE ALWAYS TRIGGER range_truncate;

CREATE TRIGGER range_guard BEFORE INSERT OR UPDATE OR DELETE ON seqgen.range_node
	FOR EACH ROW EXECUTE FUNCTION seqgen.range_guard();
ALTER TABLE seqgen.range_node ENABLE ALWAYS TRIGGER range_guard;

CREATE TRIGGER range_truncate BEFORE TRUNCATE ON seqgen.range_node
	FOR EACH STATEMENT EXECUTE FUNCTION seqgen.range_guard();
ALTER TABLE seqgen.range_node ENABLE ALWAYS TRIGGER range_truncate;

CREATE TRIGGER range_guard BEFORE INSERT OR UPDATE OR DELETE ON seqgen.range_allocation
	FOR EACH ROW EXECUTE FUNCTION seqgen.range_allocation_guard();
ALTER TABLE seqgen.range_allocation ENABLE ALWAYS TRIGGER range_guard;

CREATE TRIGGER range_truncate BEFORE TRUNCATE ON seqgen.range_allocation
	FOR EACH STATEMENT EXECUTE FUNCTION seqgen.range_allocation_guard();
ALTER TABLE seqgen.range_allocation ENABLE ALWAYS TRIGGER range_truncate;

CREATE TRIGGER range_guard BEFORE INSERT OR UPDATE OR DELETE ON seqgen.range_ledger
	FOR EACH ROW EXECUTE FUNCTION seqgen.range_ledger_guard();
ALTER TABLE seqgen.range_ledger ENABLE ALWAYS TRIGGER range_guard;

CREATE TRIGGER range_truncate BEFORE TRUNCATE ON seqgen.range_ledger
	FOR EACH STATEMENT EXECUTE FUNCTION seqgen.range_ledger_guard();
ALTER TABLE seqgen.range_ledger ENABLE ALWAYS TRIGGER range_truncate;


--
-- range: on the coordinator
--

CREATE FUNCTION range_create(name text, block_size bigint DEFAULT 1000,
		min_value bigint DEFAULT 1, max_value bigint DEFAULT NULL,
		column_type regtype DEFAULT 'bigint',
		min_block_size bigint DEFAULT NULL, max_block_size bigint DEFAULT NULL,
		if_not_exists boolean DEFAULT false)
	RETURNS regclass
	AS 'MODULE_PATHNAME', 'sg_range_create' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION range_create(text, bigint, bigint, bigint, regtype, bigint, bigint, boolean)
	IS 'create a generator of a range of values, which are given out in blocks';

CREATE FUNCTION range_alter(generator regclass, block_size bigint DEFAULT NULL,
		min_block_size bigint DEFAULT NULL, max_block_size bigint DEFAULT NULL)
	RETURNS void
	AS 'MODULE_PATHNAME', 'sg_range_alter' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION range_alter(regclass, bigint, bigint, bigint)
	IS 'change the sizes of the blocks of a generator of yours';

CREATE FUNCTION range_alloc(generator regclass, size bigint,
		owner name DEFAULT NULL, within int8range DEFAULT NULL)
	RETURNS int8range
	AS 'MODULE_PATHNAME', 'sg_range_alloc' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION range_alloc(regclass, bigint, name, int8range)
	IS 'take a block of values; with within, from what was released there';

CREATE FUNCTION range_reserve(generator regclass, block int8range, owner name DEFAULT NULL)
	RETURNS void
	AS 'MODULE_PATHNAME', 'sg_range_reserve' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION range_reserve(regclass, int8range, name)
	IS 'take an interval out of circulation, as for values that an import has used';

CREATE FUNCTION range_release(generator regclass, block int8range) RETURNS void
	AS 'MODULE_PATHNAME', 'sg_range_release' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION range_release(regclass, int8range)
	IS 'give back an unused interval, for range_alloc(within => ...) alone';

CREATE FUNCTION range_reclaim(node uuid, used_up_to bigint, generator regclass DEFAULT NULL,
		node_is_destroyed boolean DEFAULT false)
	RETURNS int8multirange
	AS 'MODULE_PATHNAME', 'sg_range_reclaim' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION range_reclaim(uuid, bigint, regclass, boolean)
	IS 'take back what a destroyed node did not use of its blocks';

CREATE FUNCTION seqgen.range_resume(skip bigint) RETURNS void
	AS 'MODULE_PATHNAME', 'sg_range_resume' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION seqgen.range_resume(bigint)
	IS 'end a hold, leaping over that many of the largest blocks of each generator';

CREATE FUNCTION seqgen.range_request(generator text, incarnation uuid, request bigint, size bigint,
		node uuid, running uuid, identity text,
		highest bigint, epoch bigint, ledger bigint, saved bigint,
		OUT status text, OUT lo bigint, OUT hi bigint, OUT epoch bigint, OUT ledger bigint,
		OUT ledger_id uuid, OUT message text)
	RETURNS record
	AS 'MODULE_PATHNAME', 'sg_range_request' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION seqgen.range_request(text, uuid, bigint, bigint, uuid, uuid, text, bigint, bigint, bigint, bigint)
	IS 'what nodes call: ask for a block, or report on one';

-- they take values from everybody, and change the ledger
REVOKE EXECUTE ON FUNCTION range_alter(regclass, bigint, bigint, bigint),
	range_alloc(regclass, bigint, name, int8range),
	range_reserve(regclass, int8range, name),
	range_release(regclass, int8range),
	range_reclaim(uuid, bigint, regclass, boolean),
	seqgen.range_resume(bigint),
	seqgen.range_request(text, uuid, bigint, bigint, uuid, uuid, text, bigint, bigint, bigint, bigint)
	FROM PUBLIC;

CREATE FUNCTION seqgen.range_cursor(generator regclass) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_range_cursor' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

-- not revoked: NULL for whom the generator is no business
COMMENT ON FUNCTION seqgen.range_cursor(regclass)
	IS 'the largest value of a range that was ever given out, for its owner and for pg_monitor';

CREATE FUNCTION seqgen.range_hold(OUT in_hold boolean, OUT reason text) RETURNS record
	AS 'MODULE_PATHNAME', 'sg_range_hold' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION seqgen.range_hold() IS 'does this coordinator hold its blocks back, and why?';

-- the view is granted to whom it concerns
REVOKE EXECUTE ON FUNCTION seqgen.range_hold() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION seqgen.range_hold() TO pg_monitor;

SET LOCAL search_path = pg_catalog, pg_temp;
CREATE VIEW seqgen.range_coordinator AS
	SELECT l.id AS ledger_id, l.epoch, l.number AS ledger, h.in_hold, h.reason,
		   l.shared, l.synchronous, l.seen_epoch, l.seen_number AS seen_ledger,
		   l.system_identifier, l.timeline, l.database
	  FROM seqgen.range_ledger l CROSS JOIN seqgen.range_hold() h;
SET LOCAL search_path = @extschema@, pg_temp;

COMMENT ON VIEW seqgen.range_coordinator IS 'this database as a coordinator of ranges';

-- an owner sees the own generators, pg_monitor all
SET LOCAL search_path = pg_catalog, pg_temp;
CREATE VIEW seqgen.range_usage WITH (security_barrier) AS
	SELECT g.generator::regclass AS generator, g.min_value, g.max_value, c.cursor, g.block_size,
		   a.allocated,
		   round(100.0 * (1 - r.remaining::numeric / (g.max_value - g.min_value + 1)), 2) AS percent_used,
		   r.remaining,
		   n.recent_rate,
		   CASE WHEN r.remaining = 0 THEN clock_timestamp()
				WHEN n.recent_rate > 0 AND r.remaining / n.recent_rate < 1e11
				THEN clock_timestamp() + r.remaining / n.recent_rate * interval '1 second'
				END AS exhausted_at,
		   int8multirange(int8range(g.min_value, c.cursor + 1)) - a.blocks AS holes,
		   a.nodes, s.silent_nodes, s.silent_blocks
	  FROM seqgen.range_generator g
		   JOIN pg_catalog.pg_class k ON k.oid = g.generator
		   CROSS JOIN LATERAL (
				SELECT greatest(seqgen.range_cursor(g.generator), g.min_value - 1) AS cursor) c
		   CROSS JOIN LATERAL (
				SELECT coalesce(sum(upper(l.block) - lower(l.block))
								FILTER (WHERE l.state <> 'released'), 0)::bigint AS allocated,
					   coalesce(sum(upper(l.block) - greatest(lower(l.block), c.cursor + 1))
								FILTER (WHERE upper(l.block) > c.cursor + 1), 0)::bigint AS ahead,
					   coalesce(range_agg(l.block), int8multirange()) AS blocks,
					   count(DISTINCT l.node) FILTER (WHERE l.state = 'granted') AS nodes
				  FROM seqgen.range_allocation l WHERE l.generator = g.generator) a
		   CROSS JOIN LATERAL (
				SELECT g.max_value - c.cursor - a.ahead AS remaining) r
		   CROSS JOIN LATERAL (
				SELECT sum(b.size)::double precision /
					   nullif(extract(epoch FROM clock_timestamp() - min(b.allocated_at)), 0)::double precision AS recent_rate
				  FROM (SELECT upper(l.block) - lower(l.block) AS size, l.allocated_at
						  FROM seqgen.range_allocation l
						 WHERE l.generator = g.generator AND l.state IN ('granted', 'allocated', 'used')
						 ORDER BY l.block DESC LIMIT 100) b) n
		   CROSS JOIN LATERAL (
				SELECT array_agg(DISTINCT l.node) AS silent_nodes, range_agg(l.block) AS silent_blocks
				  FROM seqgen.range_node o
					   JOIN seqgen.range_allocation l ON l.node = o.node
				 WHERE (o.destroyed OR o.last_seen < clock_timestamp() - interval '5 minutes')
				   AND l.generator = g.generator AND l.state = 'granted'
				   AND coalesce(l.saved, 0) < upper(l.block) - 1) s
	 WHERE pg_has_role(k.relowner, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE');
SET LOCAL search_path = @extschema@, pg_temp;

COMMENT ON VIEW seqgen.range_usage IS 'how much of each range is given out, and what is lost or at risk';

GRANT SELECT ON seqgen.range_usage TO PUBLIC;
GRANT SELECT ON seqgen.range_generator, seqgen.range_allocation, seqgen.range_node,
	seqgen.range_ledger, seqgen.range_coordinator TO pg_monitor;


--
-- node: the registry
--
-- What a coordinator keeps of node numbers: who has which, for which window of
-- id time, and who had it before.  None of it is dumped: a copy of a registry
-- has given out nothing, and the state of the ledger, which is dumped, tells it
-- to wait until all windows of the original have ended.
--
-- Numbers of bits 0 are set by hand on their nodes, and only registered.
--

CREATE TABLE seqgen.node (
	bits smallint NOT NULL CHECK (bits = 0 OR bits BETWEEN 2 AND 30),
	datacenter integer NOT NULL CHECK (datacenter BETWEEN -1 AND 255),
	number integer NOT NULL CHECK (number > 0),
	state name NOT NULL CHECK (state IN ('held', 'released')),
	node uuid NOT NULL,
	role name NOT NULL,
	identity text NOT NULL CHECK (length(identity) <= 200),
	running uuid NOT NULL,
	address inet,
	name text CHECK (length(name) BETWEEN 1 AND 64),
	location text NOT NULL CHECK (length(location) <= 64),
	generation bigint NOT NULL,
	key uuid NOT NULL,
	valid_from timestamptz NOT NULL,
	valid_until timestamptz NOT NULL CHECK (isfinite(valid_until)),
	length interval NOT NULL,
	granted_at timestamptz NOT NULL,
	last_seen timestamptz NOT NULL,
	conflicts bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (bits, datacenter, number),
	CHECK (valid_from < valid_until)
) WITH (fillfactor = 80);

-- the free number whose window ended longest ago
CREATE INDEX node_free ON seqgen.node (bits, datacenter, valid_until, number);

-- an attempt that is repeated, and a node that comes back
CREATE INDEX node_key ON seqgen.node (key);
CREATE INDEX node_node ON seqgen.node (node);

COMMENT ON TABLE seqgen.node IS 'node numbers that this coordinator leased or registered, with their last holders';
COMMENT ON COLUMN seqgen.node.bits IS 'width of the number; 0 for one that was set by hand on its node';
COMMENT ON COLUMN seqgen.node.datacenter IS 'for layouts that carry it in the id, else -1';
COMMENT ON COLUMN seqgen.node.state IS 'held, or released by hand: then it is not renewed any more';
COMMENT ON COLUMN seqgen.node.node IS 'the holder''s name; with role and identity it is the holder';
COMMENT ON COLUMN seqgen.node.role IS 'login role';
COMMENT ON COLUMN seqgen.node.identity
	IS 'system identifier/timeline/database oid/device:inode of pg_control/boot id';
COMMENT ON COLUMN seqgen.node.running IS 'incarnation that asked last';
COMMENT ON COLUMN seqgen.node.name IS 'given by seqgen.node_rename()';
COMMENT ON COLUMN seqgen.node.location IS 'zone/datacenter/rack, or empty';
COMMENT ON COLUMN seqgen.node.generation IS 'grows with every grant, renewal and release, over all numbers';
COMMENT ON COLUMN seqgen.node.key IS 'of the attempt that was granted last';
COMMENT ON COLUMN seqgen.node.valid_from IS 'no id of the holder bears an earlier time';
COMMENT ON COLUMN seqgen.node.valid_until
	IS 'every id of the holder bears an earlier time; of a number set by hand: how long it stays registered';
COMMENT ON COLUMN seqgen.node.length IS 'what was leased last';
COMMENT ON COLUMN seqgen.node.conflicts IS 'how often somebody else was found to hold it, too';

CREATE TABLE seqgen.node_history (
	ledger_id uuid,
	serial bigint,
	bits smallint NOT NULL,
	datacenter integer NOT NULL,
	number integer NOT NULL,
	node uuid NOT NULL,
	name text,
	location text NOT NULL,
	generation bigint NOT NULL,
	valid_from timestamptz NOT NULL,
	valid_until timestamptz,
	PRIMARY KEY (ledger_id, serial)
);

CREATE INDEX node_history_number ON seqgen.node_history (bits, datacenter, number, valid_from);

COMMENT ON TABLE seqgen.node_history
	IS 'who had which node number when, for ever: on a coordinator, and a copy on its nodes';
COMMENT ON COLUMN seqgen.node_history.ledger_id IS 'of the registry: this coordinator''s own, or that of the coordinator that told it';
COMMENT ON COLUMN seqgen.node_history.serial IS 'the generation of the grant; rows show up in its order';
COMMENT ON COLUMN seqgen.node_history.valid_from IS 'the holder''s ids bear no earlier time';
COMMENT ON COLUMN seqgen.node_history.valid_until
	IS 'the holder''s ids bear earlier times; NULL if nobody had it after that, and on nodes';

CREATE FUNCTION seqgen.node_guard() RETURNS trigger
	AS 'MODULE_PATHNAME', 'sg_node_guard' LANGUAGE C;

COMMENT ON FUNCTION seqgen.node_guard() IS 'lets nobody but the extension change the registry of node numbers';

-- only the extension's own triggers have a use for it
REVOKE EXECUTE ON FUNCTION seqgen.node_guard() FROM PUBLIC;

-- always, for rows that a logical replication worker applies are to be left out
CREATE TRIGGER node_guard BEFORE INSERT OR UPDATE OR DELETE ON seqgen.node
	FOR EACH ROW EXECUTE FUNCTION seqgen.node_guard();
ALTER TABLE seqgen.node ENABLE ALWAYS TRIGGER node_guard;

CREATE TRIGGER node_truncate BEFORE TRUNCATE ON seqgen.node
	FOR EACH STATEMENT EXECUTE FUNCTION seqgen.node_guard();
ALTER TABLE seqgen.node ENABLE ALWAYS TRIGGER node_truncate;

CREATE TRIGGER node_guard BEFORE INSERT OR UPDATE OR DELETE ON seqgen.node_history
	FOR EACH ROW EXECUTE FUNCTION seqgen.node_guard();
ALTER TABLE seqgen.node_history ENABLE ALWAYS TRIGGER node_guard;

CREATE TRIGGER node_truncate BEFORE TRUNCATE ON seqgen.node_history
	FOR EACH STATEMENT EXECUTE FUNCTION seqgen.node_guard();
ALTER TABLE seqgen.node_history ENABLE ALWAYS TRIGGER node_truncate;

CREATE FUNCTION seqgen.node_request(node uuid, running uuid, identity text,
		bits integer, datacenter integer, number bigint, generation bigint, key uuid,
		location text, clock bigint, seen bigint,
		OUT status text, OUT granted_number bigint, OUT granted_generation bigint,
		OUT valid_from bigint, OUT valid_until bigint, OUT coordinator_clock bigint,
		OUT ledger_id uuid, OUT registry text, OUT message text)
	RETURNS record
	AS 'MODULE_PATHNAME', 'sg_node_request' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION seqgen.node_request(uuid, uuid, text, integer, integer, bigint, bigint, uuid, text, bigint, bigint)
	IS 'what nodes call: lease a node number, renew it, or register one that is set by hand';

CREATE FUNCTION seqgen.node_release(number integer, bits integer DEFAULT NULL, datacenter integer DEFAULT NULL)
	RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'sg_node_release' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION seqgen.node_release(integer, integer, integer)
	IS 'take a node number from its holder, at the end of its window; returns when it can be given to another';

CREATE FUNCTION seqgen.node_rename(number integer, name text, bits integer DEFAULT NULL, datacenter integer DEFAULT NULL)
	RETURNS void
	AS 'MODULE_PATHNAME', 'sg_node_rename' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION seqgen.node_rename(integer, text, integer, integer)
	IS 'give the holder of a node number a name for people; NULL takes it away';

CREATE FUNCTION seqgen.node_resume() RETURNS void
	AS 'MODULE_PATHNAME', 'sg_node_resume' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION seqgen.node_resume()
	IS 'end a hold of node numbers: no window that was granted before lasts any longer';

-- they decide who has which number
REVOKE EXECUTE ON FUNCTION
	seqgen.node_request(uuid, uuid, text, integer, integer, bigint, bigint, uuid, text, bigint, bigint),
	seqgen.node_release(integer, integer, integer),
	seqgen.node_rename(integer, text, integer, integer),
	seqgen.node_resume()
	FROM PUBLIC;

CREATE FUNCTION seqgen.node_hold(OUT in_hold boolean, OUT "until" timestamptz)
	RETURNS record
	AS 'MODULE_PATHNAME', 'sg_node_hold' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION seqgen.node_hold() IS 'does this coordinator hold new node numbers back, and until when?';

-- the view is granted to whom it concerns
REVOKE EXECUTE ON FUNCTION seqgen.node_hold() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION seqgen.node_hold() TO pg_monitor;

SET LOCAL search_path = pg_catalog, pg_temp;
CREATE VIEW seqgen.nodes AS
	SELECT n.bits, n.datacenter, n.number, n.state, n.name, n.location, n.node, n.role, n.identity,
		   n.running, n.address, n.generation, n.key, n.valid_from, n.valid_until, n.length,
		   n.granted_at, n.last_seen, n.conflicts,
		   n.valid_until - clock_timestamp() AS expires,
		   CASE WHEN n.bits = 0 THEN n.valid_until
				ELSE n.valid_until + current_setting('seqgen.max_node_skew', true)::interval
				END AS free_at,
		   ARRAY(SELECT l.name::text FROM seqgen.layout l
				  WHERE CASE WHEN n.bits = 0 THEN l.node_bits > 0
							 ELSE l.node_bits - l.datacenter_bits = n.bits
							  AND (l.datacenter_bits > 0) = (n.datacenter >= 0) END
				  ORDER BY 1) AS layouts
	  FROM seqgen.node n;
SET LOCAL search_path = @extschema@, pg_temp;

COMMENT ON VIEW seqgen.nodes IS 'node numbers, who has them, and until when';
COMMENT ON COLUMN seqgen.nodes.expires IS 'how long the window lasts unless it is renewed';
COMMENT ON COLUMN seqgen.nodes.free_at IS 'when it can be given to another unless it is renewed';
COMMENT ON COLUMN seqgen.nodes.layouts IS 'whose ids bear the number';

SET LOCAL search_path = pg_catalog, pg_temp;
CREATE VIEW seqgen.node_registry AS
	SELECT h.in_hold, h."until", l.id AS ledger_id, l.lease_generation AS generation,
		   l.lease_longest::double precision * interval '1 microsecond' AS longest,
		   l.lease_synchronous AS synchronous,
		   l.lease_system_identifier AS system_identifier, l.lease_timeline AS timeline,
		   l.lease_database AS database, c.*
	  FROM seqgen.range_ledger l CROSS JOIN seqgen.node_hold() h
		   CROSS JOIN (
				SELECT count(*) FILTER (WHERE bits > 0) AS leased,
					   count(*) FILTER (WHERE bits > 0 AND valid_until > clock_timestamp()) AS running,
					   count(*) FILTER (WHERE bits = 0) AS by_hand,
					   count(*) FILTER (WHERE state = 'released') AS released,
					   coalesce(sum(conflicts), 0)::bigint AS conflicts
				  FROM seqgen.node) c;
SET LOCAL search_path = @extschema@, pg_temp;

COMMENT ON VIEW seqgen.node_registry IS 'this database as a coordinator of node numbers';
COMMENT ON COLUMN seqgen.node_registry.leased IS 'numbers that were ever leased';
COMMENT ON COLUMN seqgen.node_registry.running IS 'those of them whose window lasts';
COMMENT ON COLUMN seqgen.node_registry.conflicts IS 'how often a number was found to have two holders';

GRANT SELECT ON seqgen.node, seqgen.node_history, seqgen.nodes, seqgen.node_registry TO pg_monitor;


--
-- snowflake: drawing ids
--

CREATE FUNCTION snowflake_nextval() RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_nextval' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_nextval() IS 'next id of the default generator of this database';

CREATE FUNCTION snowflake_nextval(generator regclass) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_nextval_generator' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_nextval(regclass) IS 'next id of a generator';

-- with the layout in the call a generator needs no row of its own on this node
CREATE FUNCTION snowflake_nextval(generator regclass, layout text) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_nextval_layout' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_nextval(regclass, text)
	IS 'next id of a generator of that layout, or of a sequence that serves as one';

CREATE FUNCTION snowflake_nextvals(n integer) RETURNS SETOF bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_nextvals' LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 1000;

COMMENT ON FUNCTION snowflake_nextvals(integer) IS 'the next n ids of the default generator of this database';

CREATE FUNCTION snowflake_nextvals(n integer, generator regclass) RETURNS SETOF bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_nextvals' LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 1000;

COMMENT ON FUNCTION snowflake_nextvals(integer, regclass) IS 'the next n ids of a generator';

CREATE FUNCTION snowflake_nextvals(n integer, generator regclass, layout text) RETURNS SETOF bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_nextvals' LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 1000;

COMMENT ON FUNCTION snowflake_nextvals(integer, regclass, text)
	IS 'the next n ids of a generator of that layout, or of a sequence that serves as one';

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
	IS 'make all later ids of the default generator larger than an id seen from another node; warns of one that bears this node''s number and is above all that was drawn here';

CREATE FUNCTION snowflake_observe(id bigint, generator regclass) RETURNS void
	AS 'MODULE_PATHNAME', 'sg_snowflake_observe' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION snowflake_observe(bigint, regclass)
	IS 'make all later ids of a generator larger than an id seen from another node; warns of one that bears this node''s number and is above all that was drawn here';

CREATE FUNCTION snowflake_observe(id bigint, generator regclass, layout text) RETURNS void
	AS 'MODULE_PATHNAME', 'sg_snowflake_observe' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION snowflake_observe(bigint, regclass, text)
	IS 'the same for a generator of that layout, or a sequence that serves as one';

CREATE FUNCTION snowflake_nextval_after(id bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_nextval_after' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION snowflake_nextval_after(bigint)
	IS 'next id of the default generator, larger than an id seen from another node';

CREATE FUNCTION snowflake_nextval_after(id bigint, generator regclass) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_nextval_after' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION snowflake_nextval_after(bigint, regclass)
	IS 'next id of a generator, larger than an id seen from another node';

CREATE FUNCTION snowflake_nextval_after(id bigint, generator regclass, layout text) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_snowflake_nextval_after' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION snowflake_nextval_after(bigint, regclass, text)
	IS 'the same for a generator of that layout, or a sequence that serves as one';

-- ids from elsewhere move this node's generators: whoever may bring them is a choice
REVOKE EXECUTE ON FUNCTION snowflake_observe(bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION snowflake_observe(bigint, regclass) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION snowflake_observe(bigint, regclass, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION snowflake_nextval_after(bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION snowflake_nextval_after(bigint, regclass) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION snowflake_nextval_after(bigint, regclass, text) FROM PUBLIC;

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
-- The forms without a layout that read one field are immutable, as the default
-- layout never changes: they serve in indexes, generated columns and partition
-- bounds.  snowflake_decode is not: location comes from the registry of node
-- numbers.
--

CREATE FUNCTION snowflake_decode(id bigint,
		OUT "time" timestamptz, OUT node integer, OUT sequence integer,
		OUT datacenter integer, OUT location text)
	RETURNS record
	AS 'MODULE_PATHNAME', 'sg_snowflake_decode' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_decode(bigint) IS 'time, node, sequence, datacenter and location of an id of the default layout';

CREATE FUNCTION snowflake_decode(id bigint, generator regclass,
		OUT "time" timestamptz, OUT node integer, OUT sequence integer,
		OUT datacenter integer, OUT location text)
	RETURNS record
	AS 'MODULE_PATHNAME', 'sg_snowflake_decode_generator' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_decode(bigint, regclass) IS 'time, node, sequence, datacenter and location of an id of a generator';

CREATE FUNCTION snowflake_decode(id bigint, layout text,
		OUT "time" timestamptz, OUT node integer, OUT sequence integer,
		OUT datacenter integer, OUT location text)
	RETURNS record
	AS 'MODULE_PATHNAME', 'sg_snowflake_decode' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION snowflake_decode(bigint, text) IS 'time, node, sequence, datacenter and location of an id of a layout';

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
-- located: uuids that tell when, where and by which server they were drawn
--

CREATE FUNCTION located_nextval() RETURNS uuid
	AS 'MODULE_PATHNAME', 'sg_located_nextval' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION located_nextval()
	IS 'next located id: a uuid of version 8 with time, location, server and counter, larger than all before on this server';

CREATE FUNCTION located_decode(id uuid,
		OUT "time" timestamptz, OUT zone integer, OUT datacenter integer, OUT rack integer,
		OUT server integer, OUT counter integer)
	RETURNS record
	AS 'MODULE_PATHNAME', 'sg_located_decode' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION located_decode(uuid) IS 'time, location, server and counter of a located id';

CREATE FUNCTION located_timestamp(id uuid) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'sg_located_timestamp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION located_timestamp(uuid) IS 'time of a located id';

-- the generator of located_nextval()
CREATE SEQUENCE seqgen.located_default;

COMMENT ON SEQUENCE seqgen.located_default IS 'the generator of located ids';

INSERT INTO seqgen.generator (generator, kind, layout)
	VALUES ('seqgen.located_default', 'located', 'default');

-- every table of every user may have it as its default
GRANT USAGE ON SEQUENCE seqgen.located_default TO PUBLIC;


--
-- what pg_dump takes along: not what the extension makes itself, and no row of
-- a sequence that is gone
--

SELECT pg_catalog.pg_extension_config_dump('seqgen.layout', 'WHERE NOT builtin');
SELECT pg_catalog.pg_extension_config_dump('seqgen.generator', $$
	WHERE generator <> 'seqgen.snowflake_default'::pg_catalog.regclass
	  AND generator <> 'seqgen.located_default'::pg_catalog.regclass
	  AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = generator)$$);
SELECT pg_catalog.pg_extension_config_dump('seqgen.snowflake_default', '');
SELECT pg_catalog.pg_extension_config_dump('seqgen.located_default', '');
SELECT pg_catalog.pg_extension_config_dump('seqgen.range_generator', $$
	WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = generator)
	  AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = cursor)$$);
SELECT pg_catalog.pg_extension_config_dump('seqgen.range_allocation', $$
	WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = generator)$$);
SELECT pg_catalog.pg_extension_config_dump('seqgen.range_node', '');
SELECT pg_catalog.pg_extension_config_dump('seqgen.range_ledger', '');


--
-- range: what this node holds
--
-- None of it is dumped but range_source: a copy of a database holds no blocks.
--

CREATE TABLE seqgen.range_holding (
	generator seqgen.reggenerator,
	incarnation uuid,
	request bigint CHECK (request > 0),
	size bigint NOT NULL CHECK (size > 0),
	block int8range CHECK (NOT isempty(block) AND NOT lower_inf(block) AND NOT upper_inf(block)),
	own boolean NOT NULL,
	node uuid NOT NULL,
	state name NOT NULL CHECK (state IN ('requested', 'held', 'in doubt')),
	running uuid NOT NULL,
	identity text NOT NULL,
	requested_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (generator, incarnation, request)
);

COMMENT ON TABLE seqgen.range_holding IS 'blocks of ranges that this node has, or has asked for';
COMMENT ON COLUMN seqgen.range_holding.incarnation IS 'life of the server in which it was asked for; with generator and request the key';
COMMENT ON COLUMN seqgen.range_holding.size IS 'values asked for';
COMMENT ON COLUMN seqgen.range_holding.own IS 'granted by this database itself';
COMMENT ON COLUMN seqgen.range_holding.node IS 'name under which it was asked for';
COMMENT ON COLUMN seqgen.range_holding.running IS 'life of the server that made sure of it last';
COMMENT ON COLUMN seqgen.range_holding.identity IS 'which server that was';

CREATE TABLE seqgen.range_source (
	generator seqgen.reggenerator PRIMARY KEY,
	ledger_id uuid,
	epoch bigint NOT NULL,
	ledger bigint NOT NULL,
	highest bigint NOT NULL,
	stopped text
);

COMMENT ON TABLE seqgen.range_source IS 'where the blocks of a range came from, and how far';
COMMENT ON COLUMN seqgen.range_source.ledger_id IS 'the coordinator''s ledger; NULL if this database is its own coordinator';
COMMENT ON COLUMN seqgen.range_source.highest IS 'end of the highest block so far, exclusive';
COMMENT ON COLUMN seqgen.range_source.stopped IS 'why no block is asked for any more';

CREATE TABLE seqgen.range_identity (
	node uuid PRIMARY KEY,
	identity text NOT NULL
);

COMMENT ON TABLE seqgen.range_identity IS 'the name of this node towards its coordinator, and which server it is';

CREATE UNIQUE INDEX range_identity_single ON seqgen.range_identity ((true));

-- always, for rows that a logical replication worker applies are to be left out
CREATE TRIGGER range_holding_guard BEFORE INSERT OR UPDATE OR DELETE ON seqgen.range_holding
	FOR EACH ROW EXECUTE FUNCTION seqgen.range_guard();
ALTER TABLE seqgen.range_holding ENABLE ALWAYS TRIGGER range_holding_guard;

CREATE TRIGGER range_holding_truncate BEFORE TRUNCATE ON seqgen.range_holding
	FOR EACH STATEMENT EXECUTE FUNCTION seqgen.range_guard();
ALTER TABLE seqgen.range_holding ENABLE ALWAYS TRIGGER range_holding_truncate;

CREATE TRIGGER range_source_guard BEFORE INSERT OR UPDATE OR DELETE ON seqgen.range_source
	FOR EACH ROW EXECUTE FUNCTION seqgen.range_guard();
ALTER TABLE seqgen.range_source ENABLE ALWAYS TRIGGER range_source_guard;

CREATE TRIGGER range_source_truncate BEFORE TRUNCATE ON seqgen.range_source
	FOR EACH STATEMENT EXECUTE FUNCTION seqgen.range_guard();
ALTER TABLE seqgen.range_source ENABLE ALWAYS TRIGGER range_source_truncate;

CREATE TRIGGER range_identity_guard BEFORE INSERT OR UPDATE OR DELETE ON seqgen.range_identity
	FOR EACH ROW EXECUTE FUNCTION seqgen.range_guard();
ALTER TABLE seqgen.range_identity ENABLE ALWAYS TRIGGER range_identity_guard;

CREATE TRIGGER range_identity_truncate BEFORE TRUNCATE ON seqgen.range_identity
	FOR EACH STATEMENT EXECUTE FUNCTION seqgen.range_guard();
ALTER TABLE seqgen.range_identity ENABLE ALWAYS TRIGGER range_identity_truncate;

SELECT pg_catalog.pg_extension_config_dump('seqgen.range_source', $$
	WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = generator)$$);


--
-- range: drawing values
--

CREATE FUNCTION range_nextval(generator regclass) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_range_nextval' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION range_nextval(regclass) IS 'next value of a range, from this node''s block';

CREATE FUNCTION range_nextvals(generator regclass, n integer) RETURNS SETOF bigint
	AS 'MODULE_PATHNAME', 'sg_range_nextvals' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 1000;

COMMENT ON FUNCTION range_nextvals(regclass, integer) IS 'the next n values of a range, from this node''s blocks';

CREATE FUNCTION range_currval(generator regclass) RETURNS bigint
	AS 'MODULE_PATHNAME', 'sg_range_currval' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION range_currval(regclass) IS 'the value that this session drew last from a range';

CREATE FUNCTION seqgen.range_restart(generator regclass) RETURNS void
	AS 'MODULE_PATHNAME', 'sg_range_restart' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION seqgen.range_restart(regclass)
	IS 'let a range of yours go on that stopped because an answer of its coordinator was wrong';

-- it takes back a protection, and is for those who know why it stopped
REVOKE EXECUTE ON FUNCTION seqgen.range_restart(regclass) FROM PUBLIC;

CREATE FUNCTION seqgen.range_block_state(
		OUT generator regclass, OUT lo bigint, OUT hi bigint, OUT next_lo bigint, OUT next_hi bigint,
		OUT "position" bigint, OUT saved_position bigint, OUT seconds_left bigint,
		OUT state text, OUT message text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'sg_range_block_state' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION seqgen.range_block_state() IS 'blocks of ranges of this database that are loaded in shared memory';

SET LOCAL search_path = pg_catalog, pg_temp;
CREATE VIEW seqgen.range_block AS
	SELECT generator,
		   CASE WHEN hi IS NOT NULL THEN int8range(lo, hi) END AS block,
		   CASE WHEN next_hi IS NOT NULL THEN int8range(next_lo, next_hi) END AS next_block,
		   "position", saved_position, seconds_left, state, message
	  FROM seqgen.range_block_state();
SET LOCAL search_path = @extschema@, pg_temp;

COMMENT ON VIEW seqgen.range_block IS 'blocks that this node gives values out of, and how long they last';
COMMENT ON COLUMN seqgen.range_block."position" IS 'newest value given out';
COMMENT ON COLUMN seqgen.range_block.saved_position IS 'after a crash values go on above this one';
COMMENT ON COLUMN seqgen.range_block.seconds_left IS 'how long both blocks last at the present rate; NULL while it is not known';

SET LOCAL search_path = pg_catalog, pg_temp;
CREATE VIEW seqgen.range_in_doubt AS
	SELECT generator::regclass AS generator, block, size, incarnation, request, requested_at
	  FROM seqgen.range_holding WHERE state = 'in doubt';
SET LOCAL search_path = @extschema@, pg_temp;

COMMENT ON VIEW seqgen.range_in_doubt
	IS 'blocks, or requests for blocks, that may be another server''s, and are not used';

REVOKE ALL ON seqgen.range_block, seqgen.range_in_doubt FROM PUBLIC;
GRANT SELECT ON seqgen.range_block, seqgen.range_in_doubt TO pg_monitor;
REVOKE EXECUTE ON FUNCTION seqgen.range_block_state() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION seqgen.range_block_state() TO pg_monitor;


--
-- node: what this node holds
--
-- None of it is dumped: a copy of a database has no number.
--

CREATE TABLE seqgen.node_lease (
	bits smallint,
	datacenter integer,
	number integer NOT NULL,
	generation bigint NOT NULL,
	valid_from timestamptz,
	valid_until timestamptz,
	length bigint NOT NULL,
	key uuid,
	state name NOT NULL CHECK (state IN ('asked', 'held', 'refused')),
	node uuid NOT NULL,
	running uuid NOT NULL,
	identity text NOT NULL,
	ledger_id uuid,
	message text,
	PRIMARY KEY (bits, datacenter),
	CHECK (state <> 'held' OR number > 0 AND valid_from IS NOT NULL AND valid_until IS NOT NULL)
);

COMMENT ON TABLE seqgen.node_lease IS 'node numbers that this node has from its coordinator, or has asked for';
COMMENT ON COLUMN seqgen.node_lease.bits IS 'width of the number; 0 for one that is set by hand';
COMMENT ON COLUMN seqgen.node_lease.datacenter IS 'for layouts that carry it in the id, else -1';
COMMENT ON COLUMN seqgen.node_lease.number IS '0 if none was granted yet';
COMMENT ON COLUMN seqgen.node_lease.generation IS 'the highest that the coordinator has told; 0 if none';
COMMENT ON COLUMN seqgen.node_lease.valid_from IS 'no id bears an earlier time';
COMMENT ON COLUMN seqgen.node_lease.valid_until
	IS 'every id bears an earlier time; of a number that is set by hand: how long it is registered';
COMMENT ON COLUMN seqgen.node_lease.length IS 'of the lease, in microseconds';
COMMENT ON COLUMN seqgen.node_lease.key IS 'of the request that is under way';
COMMENT ON COLUMN seqgen.node_lease.node IS 'name under which it was asked for';
COMMENT ON COLUMN seqgen.node_lease.running IS 'life of the server that made sure of it last';
COMMENT ON COLUMN seqgen.node_lease.identity IS 'which server that was';
COMMENT ON COLUMN seqgen.node_lease.ledger_id IS 'the ledger of the coordinator that answered last';
COMMENT ON COLUMN seqgen.node_lease.message IS 'why the last request came to nothing';

-- always, for rows that a logical replication worker applies are to be left out
CREATE TRIGGER node_lease_guard BEFORE INSERT OR UPDATE OR DELETE ON seqgen.node_lease
	FOR EACH ROW EXECUTE FUNCTION seqgen.range_guard();
ALTER TABLE seqgen.node_lease ENABLE ALWAYS TRIGGER node_lease_guard;

CREATE TRIGGER node_lease_truncate BEFORE TRUNCATE ON seqgen.node_lease
	FOR EACH STATEMENT EXECUTE FUNCTION seqgen.range_guard();
ALTER TABLE seqgen.node_lease ENABLE ALWAYS TRIGGER node_lease_truncate;

CREATE FUNCTION seqgen.node_own(OUT number bigint, OUT origin text, OUT "now" timestamptz)
	RETURNS record
	AS 'MODULE_PATHNAME', 'sg_node_own' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION seqgen.node_own()
	IS 'the node number of this database that is set or Citus'', else NULL, and the time by seqgen''s clock';

SET LOCAL search_path = pg_catalog, pg_temp;
CREATE VIEW seqgen.node_number AS
	SELECT n.bits, n.datacenter, n.number, n.origin, n.generation, n.valid_from, n.valid_until, n.state, n.message,
		   (SELECT string_agg(s.srvname, ', ' ORDER BY s.srvname)
			  FROM pg_catalog.pg_foreign_server s JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
			 WHERE w.fdwname = 'seqgen_coordinator') AS coordinator,
		   n.renew_at
	  FROM seqgen.node_own() o,
	   LATERAL (
			SELECT l.bits::integer, l.datacenter, nullif(l.number, 0)::bigint AS number, o.origin,
				   nullif(l.generation, 0) AS generation,
				   nullif(l.valid_from, to_timestamp(0)) AS valid_from, l.valid_until,
				   CASE WHEN l.state = 'held' AND l.valid_until <= o."now" THEN 'ended' ELSE l.state::text END AS state,
				   l.message, l.valid_until - l.length * 2 / 3 * interval '1 microsecond' AS renew_at
			  FROM seqgen.node_lease l
			 WHERE o.number IS NULL AND l.bits > 0
			UNION ALL
			SELECT 0, -1, o.number, o.origin, l.generation, NULL, NULL, coalesce(l.state::text, 'set'),
				   l.message, l.valid_until - l.length * 2 / 3 * interval '1 microsecond'
			  FROM (SELECT) u LEFT JOIN seqgen.node_lease l ON l.bits = 0 AND l.number = o.number
			 WHERE o.number IS NOT NULL) n;
SET LOCAL search_path = @extschema@, pg_temp;

COMMENT ON VIEW seqgen.node_number IS 'the node numbers of this database, and where they come from';
COMMENT ON COLUMN seqgen.node_number.bits IS 'width of the number; 0 for one that serves for all widths';
COMMENT ON COLUMN seqgen.node_number.datacenter IS 'for layouts that carry it in the id, else -1';
COMMENT ON COLUMN seqgen.node_number.origin IS 'set, citus or leased';
COMMENT ON COLUMN seqgen.node_number.valid_from IS 'no id bears an earlier time; NULL for always';
COMMENT ON COLUMN seqgen.node_number.valid_until IS 'every id bears an earlier time; NULL for always';
COMMENT ON COLUMN seqgen.node_number.state
	IS 'asked, held, ended or refused; set: not registered with a coordinator';
COMMENT ON COLUMN seqgen.node_number.message IS 'why the last request to the coordinator came to nothing';
COMMENT ON COLUMN seqgen.node_number.coordinator IS 'foreign server that names the coordinator';
COMMENT ON COLUMN seqgen.node_number.renew_at IS 'when the background worker renews it';

REVOKE ALL ON seqgen.node_number FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION seqgen.node_own() FROM PUBLIC;
GRANT SELECT ON seqgen.node_lease, seqgen.node_number TO pg_monitor;
GRANT EXECUTE ON FUNCTION seqgen.node_own() TO pg_monitor;


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

-- only the wrapper has a use for it
REVOKE EXECUTE ON FUNCTION seqgen.coordinator_validator(text[], oid) FROM PUBLIC;

CREATE FOREIGN DATA WRAPPER seqgen_coordinator VALIDATOR seqgen.coordinator_validator;

COMMENT ON FOREIGN DATA WRAPPER seqgen_coordinator
	IS 'names the coordinator that grants blocks of ranges to this database';


--
-- monitor: what goes on
--

CREATE FUNCTION seqgen.generator_state(
		OUT generator regclass, OUT last_value bigint, OUT durable_bound bigint,
		OUT lead interval, OUT issued bigint, OUT reservations bigint,
		OUT waits bigint, OUT clock_steps_back bigint, OUT foreign_ids bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'sg_generator_state' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION seqgen.generator_state() IS 'generators of this database that are loaded in shared memory';

SET LOCAL search_path = pg_catalog, pg_temp;
CREATE VIEW seqgen.stat_generator AS
	SELECT coalesce(g.generator::oid, s.generator::oid)::regclass AS generator,
		   coalesce(g.kind, 'snowflake') AS kind, g.layout, s.last_value, s.durable_bound, s.lead,
		   coalesce(s.issued, 0) AS issued,
		   coalesce(s.reservations, 0) AS reservations,
		   coalesce(s.waits, 0) AS waits,
		   coalesce(s.clock_steps_back, 0) AS clock_steps_back,
		   coalesce(s.foreign_ids, 0) AS foreign_ids
	  FROM seqgen.generator g FULL JOIN seqgen.generator_state() s ON s.generator::oid = g.generator::oid;
SET LOCAL search_path = @extschema@, pg_temp;

COMMENT ON VIEW seqgen.stat_generator IS 'generators of this database, and what they did since the server started';
COMMENT ON COLUMN seqgen.stat_generator.foreign_ids
	IS 'ids observed that bear this node''s number, but were not drawn here: another server uses the number';

CREATE FUNCTION seqgen.backend_state(
		OUT pid integer, OUT prepared_xid xid, OUT database oid,
		OUT snowflake_issued bigint, OUT range_issued bigint, OUT located_issued bigint,
		OUT last_value bigint,
		OUT transaction_floor timestamptz)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'sg_backend_state' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION seqgen.backend_state() IS 'sessions and prepared transactions that drew ids';

SET LOCAL search_path = pg_catalog, pg_temp;
CREATE VIEW seqgen.stat_backend AS
	SELECT b.pid, b.prepared_xid, d.datname, b.snowflake_issued, b.range_issued, b.located_issued,
		   b.last_value, b.transaction_floor
	  FROM seqgen.backend_state() b LEFT JOIN pg_catalog.pg_database d ON d.oid = b.database;
SET LOCAL search_path = @extschema@, pg_temp;

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


--
-- doctor: what is wrong, and what to do
--

CREATE FUNCTION seqgen.doctor(OUT check_name text, OUT verdict text, OUT detail text, OUT hint text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'sg_doctor' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 12;

COMMENT ON FUNCTION seqgen.doctor()
	IS 'checks of the server and of this database''s generators, with a verdict (off, ok, unknown, warning, failed) and what to do';

-- it tells of all generators and of other servers
REVOKE EXECUTE ON FUNCTION seqgen.doctor() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION seqgen.doctor() TO pg_monitor;
