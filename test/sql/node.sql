--
-- Node numbers as a coordinator gives them: every answer, the windows that come
-- with them, and what the DBA can do.
--

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS seqgen;
RESET client_min_messages;
SET timezone = 'UTC';
CREATE ROLE regress_node LOGIN;
CREATE ROLE regress_other LOGIN;
CREATE ROLE regress_watch LOGIN;
GRANT pg_monitor TO regress_watch;
GRANT EXECUTE ON FUNCTION seqgen.node_request TO regress_node, regress_other;

-- the clock that the test has moved
CREATE FUNCTION node_clock() RETURNS bigint LANGUAGE sql AS $$
	SELECT (extract(epoch FROM clock_timestamp() + current_setting('seqgen.debug_clock_offset')::interval) * 1000000)::bigint
$$;

-- Server number so many asks; its identity says
-- how often it was booted, and life how often it was started.
CREATE FUNCTION ask(server integer, key integer, number bigint DEFAULT NULL, generation bigint DEFAULT NULL,
		bits integer DEFAULT 6, datacenter integer DEFAULT -1, boot integer DEFAULT 1,
		location text DEFAULT '', skew interval DEFAULT '0', life integer DEFAULT 1)
	RETURNS SETOF record LANGUAGE sql AS $$
	SELECT *
	  FROM seqgen.node_request(md5('node' || server)::uuid, md5(server || 'life' || life)::uuid,
			format('%s/1/5/1:1/boot%s', 1000 + server, boot), bits, datacenter, number, generation,
			md5('key' || key)::uuid, location, node_clock() + (extract(epoch FROM skew) * 1000000)::bigint, 0)
$$;

-- the same, with times that are the same in each run
CREATE FUNCTION told(server integer, key integer, number bigint DEFAULT NULL, generation bigint DEFAULT NULL,
		bits integer DEFAULT 6, datacenter integer DEFAULT -1, boot integer DEFAULT 1,
		location text DEFAULT '', skew interval DEFAULT '0', life integer DEFAULT 1,
		OUT status text, OUT granted bigint, OUT of bigint, OUT begins text, OUT lasts interval, OUT message text)
	LANGUAGE sql AS $$
	SELECT status, granted_number, granted_generation,
		   CASE WHEN valid_from = 0 THEN 'ever' ELSE date_trunc('minute', (valid_from - coordinator_clock) * interval '1 us' + interval '30 s')::text END,
		   date_trunc('minute', (valid_until - coordinator_clock) * interval '1 us' + interval '30 s'),
		   regexp_replace(message, '\d{4}-\d\d-\d\d [\d:.]+\+00', '<time>', 'g')
	  FROM ask($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS (status text, granted_number bigint,
			granted_generation bigint, valid_from bigint, valid_until bigint, coordinator_clock bigint,
			ledger_id uuid, registry text, message text)
$$;

SET SESSION AUTHORIZATION regress_node;

-- What is wrong with a request is said.
\set good '''11111111-1111-4111-8111-111111111111'', ''22222222-2222-4222-8222-222222222222'', ''1/1/1/1:1/x'''
\set key '''33333333-3333-4333-8333-333333333333'''
SELECT seqgen.node_request(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT seqgen.node_request(:good, 10, -1, NULL, NULL, NULL, '', node_clock(), 0);
SELECT seqgen.node_request(:good, 1, -1, NULL, NULL, :key, '', node_clock(), 0);
SELECT seqgen.node_request(:good, 31, -1, NULL, NULL, :key, '', node_clock(), 0);
SELECT seqgen.node_request(:good, -10, -1, NULL, NULL, :key, '', node_clock(), 0);
SELECT seqgen.node_request(:good, 0, 0, 7, NULL, :key, '', node_clock(), 0);
SELECT seqgen.node_request(:good, 10, 256, NULL, NULL, :key, '', node_clock(), 0);
SELECT seqgen.node_request(:good, 10, -2, NULL, NULL, :key, '', node_clock(), 0);
SELECT seqgen.node_request(:good, 10, -1, 511, 1, :key, '', node_clock(), 0);
SELECT seqgen.node_request(:good, 10, -1, 1024, 1, :key, '', node_clock(), 0);
SELECT seqgen.node_request(:good, 10, -1, 9223372036854775807, 1, :key, '', node_clock(), 0);
SELECT seqgen.node_request(:good, 10, -1, 512, NULL, :key, '', node_clock(), 0);
SELECT seqgen.node_request(:good, 10, -1, 512, 0, :key, '', node_clock(), 0);
SELECT seqgen.node_request(:good, 10, -1, 512, 9223372036854775807, :key, '', node_clock(), 0);
SELECT seqgen.node_request(:good, 0, -1, NULL, NULL, :key, '', node_clock(), 0);
SELECT seqgen.node_request(:good, 0, -1, 0, NULL, :key, '', node_clock(), 0);
SELECT seqgen.node_request(:good, 0, -1, 1073741824, NULL, :key, '', node_clock(), 0);
SELECT seqgen.node_request(:good, 10, -1, NULL, NULL, :key, '1/2', node_clock(), 0);
SELECT seqgen.node_request(:good, 10, -1, NULL, NULL, :key, repeat('1', 65), node_clock(), 0);
SELECT seqgen.node_request(md5('')::uuid, md5('')::uuid, repeat('1', 201), 10, -1, NULL, NULL, :key, '', node_clock(), 0);
SELECT seqgen.node_request(md5('')::uuid, md5('')::uuid, 'nonsense', 10, -1, NULL, NULL, :key, '', node_clock(), 0);
START TRANSACTION READ ONLY;
SELECT told(1, 1);
ROLLBACK;

-- A first number, for an hour; the same attempt again is told the same.
SELECT * FROM told(1, 1);
SELECT * FROM told(1, 1);
-- and a second one, as it is another attempt
SELECT * FROM told(1, 2);
-- a key is nobody else's
SELECT * FROM told(2, 2);
SELECT * FROM told(3, 3, skew => '10 min');
SELECT * FROM told(4, 4, skew => '-10 min');
SELECT * FROM told(5, 5, skew => '-16 min');
SELECT * FROM told(5, 5, skew => '16 min');
SELECT status, message ~ 'the node''s clock says 2.*and the coordinator''s 2.*, further apart than 900 s' AS says
  FROM ask(5, 5, skew => '16 min') AS (status text, granted_number bigint, granted_generation bigint,
	valid_from bigint, valid_until bigint, coordinator_clock bigint, ledger_id uuid, registry text, message text);
SELECT status FROM seqgen.node_request(:good, 10, -1, NULL, NULL, :key, '', 9223372036854775807, 0);
SELECT status FROM seqgen.node_request(:good, 10, -1, NULL, NULL, :key, '', -9223372036854775808, 0);

--
-- Renewals
--

RESET SESSION AUTHORIZATION;
SET seqgen.debug_clock_offset = '30min';
SET SESSION AUTHORIZATION regress_node;

SELECT * FROM told(1, 11, 32, 1);
-- an answer that was lost is told again, and not prolonged
SELECT * FROM told(1, 11, 32, 1);
-- the same server started again, in the middle of a request
SELECT * FROM told(1, 12, 32, 6, life => 2);
-- a second one of which all is the same but the generation
SELECT * FROM told(1, 11, 32, 1);
SELECT * FROM told(1, 11, 32, 6, life => 2);
-- a server that claims another's number
SELECT * FROM told(2, 14, 32, 7);
-- a server that was booted is another one
SELECT * FROM told(1, 15, 32, 7, boot => 2);
-- and so is another role
SET SESSION AUTHORIZATION regress_other;
SELECT * FROM told(1, 16, 32, 7, life => 2);
SELECT * FROM told(1, 12, 32, 6, life => 2);
-- the clock of a node is ahead, or was stepped back
SET SESSION AUTHORIZATION regress_node;
SELECT * FROM told(1, 17, 32, 7, skew => '10 min', life => 2);
SELECT * FROM told(1, 18, 32, 14, skew => '-10 min', life => 2);
-- not in the last quarter of an hour
RESET SESSION AUTHORIZATION;
SET seqgen.debug_clock_offset = '46min';
SET SESSION AUTHORIZATION regress_node;
SELECT * FROM told(2, 19, 34, 3);
-- nor in the last quarter of a short lease, and whose number was passed on
SELECT * FROM told(1, 20, 32, 15, life => 2);
RESET SESSION AUTHORIZATION;
SELECT number, state, role, identity, running = md5('1life2')::uuid AS second_life, generation, length, conflicts
  FROM seqgen.node WHERE bits = 6 ORDER BY number;
SELECT serial, number, generation = serial AS same, node = md5('node1')::uuid AS first, valid_until FROM seqgen.node_history ORDER BY serial;

--
-- All numbers taken, and given again
--

RESET seqgen.debug_clock_offset;
SET SESSION AUTHORIZATION regress_node;
SELECT n, status, granted, begins, lasts FROM generate_series(1, 4) n, told(10 + n, 100 + n, bits => 3, skew => n * interval '1 minute');
SELECT * FROM told(15, 105, bits => 3);
-- a pool of its own
SELECT * FROM told(15, 106, bits => 3, datacenter => 7);
SELECT * FROM told(15, 107, bits => 2);
-- the windows have ended, but maybe not by every clock
RESET SESSION AUTHORIZATION;
SET seqgen.debug_clock_offset = '75min';
SET SESSION AUTHORIZATION regress_node;
SELECT * FROM told(15, 108, bits => 3);
RESET SESSION AUTHORIZATION;
SET seqgen.debug_clock_offset = '90min';
SET SESSION AUTHORIZATION regress_node;
-- the window begins where the one before it has ended
SELECT * FROM told(15, 109, bits => 3);
SELECT * FROM told(16, 110, bits => 3);
-- who had it before is given another, which is no conflict
SELECT * FROM told(11, 111, 4, 18, bits => 3);
RESET SESSION AUTHORIZATION;
SELECT sum(conflicts) FROM seqgen.node WHERE bits = 3;
SELECT h.number, count(*), bool_and(coalesce(h.valid_until = n.valid_from, h.valid_until IS NULL)) AS seamless
  FROM (SELECT *, lead(valid_from) OVER (PARTITION BY number ORDER BY serial) AS next FROM seqgen.node_history WHERE bits = 3 AND datacenter = -1) h
	   LEFT JOIN seqgen.node_history n ON n.bits = 3 AND n.datacenter = -1 AND n.number = h.number AND n.valid_from = h.next
 GROUP BY 1 ORDER BY 1;

--
-- Numbers that are set by hand
--

SET SESSION AUTHORIZATION regress_node;
SELECT * FROM told(20, 200, 7, bits => 0, location => '3/5/1');
SELECT * FROM told(20, 201, 7, bits => 0, location => '3/5/1', boot => 2);
SELECT * FROM told(20, 202, 7, bits => 0, location => '3/5/2', boot => 2);
SELECT status, granted, regexp_replace(message, 'at \S+, ', '') AS message FROM told(21, 203, 7, bits => 0);
-- that of the coordinator itself
SELECT * FROM told(21, 204, current_setting('seqgen.node_id')::bigint, bits => 0);
RESET SESSION AUTHORIZATION;
SELECT seqgen.node_rename(7, 'the old one');
SELECT seqgen.node_rename(7, 'the old one', 0);
SELECT seqgen.node_rename(7, '', 0);
SELECT seqgen.node_rename(7, repeat('x', 65), 0);
SET SESSION AUTHORIZATION regress_node;
SELECT status, granted, regexp_replace(message, 'at \S+, ', '') AS message FROM told(21, 205, 7, bits => 0);
-- it passes to another when it has not been heard of for a lease
RESET SESSION AUTHORIZATION;
SET seqgen.debug_clock_offset = '151min';
SET SESSION AUTHORIZATION regress_node;
SELECT * FROM told(21, 206, 7, bits => 0);
RESET SESSION AUTHORIZATION;
SELECT location, name, valid_from = '1970-01-01' AS ever, valid_until IS NULL AS open FROM seqgen.node_history WHERE bits = 0 ORDER BY serial;
-- or at once when it is released
SELECT seqgen.node_release(7, 0) <= clock_timestamp() + interval '151 min' AS at_once;
SET SESSION AUTHORIZATION regress_node;
SELECT * FROM told(20, 207, 7, bits => 0);

--
-- Releasing and renaming
--

RESET SESSION AUTHORIZATION;
SET seqgen.debug_clock_offset = '90min';
SELECT seqgen.node_release(NULL);
SELECT seqgen.node_rename(NULL, 'x');
SELECT seqgen.node_release(99);
SELECT seqgen.node_release(6) > clock_timestamp() AS later;
SELECT seqgen.node_release(4);
SELECT seqgen.node_release(4, 3, 7) - valid_until AS after_its_end FROM seqgen.node WHERE bits = 3 AND datacenter = 7;
SELECT seqgen.node_release(4, datacenter => 7) - valid_until AS again FROM seqgen.node WHERE bits = 3 AND datacenter = 7;
SELECT state, generation FROM seqgen.node WHERE bits = 3 AND datacenter = 7;
SELECT seqgen.node_rename(number => 5, name => 'five', bits => 3);
SELECT seqgen.node_rename(5, NULL, 3);
SELECT seqgen.node_rename(5, 'five', 3);
SELECT seqgen.node_release(5, 3) > clock_timestamp() AS later;
SET SESSION AUTHORIZATION regress_node;
-- its holder keeps it to the end of the window, but is given another when it renews
SELECT * FROM told(16, 110, bits => 3);
SELECT n.status, n.granted FROM told(16, 112, 5, 25, bits => 3) n;
RESET SESSION AUTHORIZATION;
-- a name stays with its node
SELECT number, state, name FROM seqgen.node WHERE node = md5('node16')::uuid ORDER BY number;
SELECT layouts, free_at - valid_until AS margin, expires < '2 h' AS expires FROM seqgen.nodes WHERE name IS NOT NULL AND bits = 3;
SELECT bits, datacenter, layouts FROM seqgen.nodes WHERE bits = 0;

-- who may
GRANT EXECUTE ON FUNCTION seqgen.node_release, seqgen.node_rename, seqgen.node_resume TO regress_other;
SET SESSION AUTHORIZATION regress_other;
SELECT seqgen.node_release(4, 3, 7);
SELECT seqgen.node_rename(4, 'x', 3, 7);
SELECT seqgen.node_resume();
SELECT FROM seqgen.nodes;
SELECT FROM seqgen.node_registry;
SET SESSION AUTHORIZATION regress_watch;
SELECT seqgen.node_release(4);
SELECT * FROM ask(1, 1) AS (status text, granted_number bigint, granted_generation bigint, valid_from bigint,
	valid_until bigint, coordinator_clock bigint, ledger_id uuid, registry text, message text);
SELECT in_hold, until, generation, longest > '69 min' AS longest, synchronous, leased, by_hand, released, conflicts FROM seqgen.node_registry;
RESET SESSION AUTHORIZATION;
SELECT seqgen.node_resume();

--
-- What nodes copy of the history
--

SET SESSION AUTHORIZATION regress_node;
SELECT l.line[1] AS serial, l.line[2] AS bits, l.line[3] AS datacenter, l.line[4] AS number,
	   l.line[5]::bigint > 0 AS "from", l.line[6] = md5('node20')::uuid::text AS node, l.line[7] AS location
  FROM ask(15, 400, 4, 24, bits => 3) AS (status text, granted_number bigint, granted_generation bigint, valid_from bigint,
			valid_until bigint, coordinator_clock bigint, ledger_id uuid, registry text, message text),
	   regexp_split_to_table(registry, '\n') WITH ORDINALITY s (text, n),
	   regexp_match(text, '^(\d+) (\d+) (-?\d+) (\d+) (\d+) (\S+) (.*)$') l (line)
 WHERE text <> '' ORDER BY n;
SELECT status, regexp_replace(registry, md5('node40')::uuid::text, '<uuid>') AS new
  FROM seqgen.node_request(md5('node40')::uuid, md5('')::uuid, '1040/1/5/1:1/', 5, 200, NULL, NULL, md5('k')::uuid, '  255/0/001 ', node_clock(), 36);
RESET SESSION AUTHORIZATION;
SELECT location, datacenter, layouts FROM seqgen.nodes WHERE location <> '';

--
-- Holds
--

SET SESSION AUTHORIZATION regress_node;
-- a node has a lease that the registry does not know
SELECT * FROM told(30, 300, 60, 1000);
-- renewals go on, above what it knows
SELECT * FROM told(15, 401, 4, 37, bits => 3);
-- nobody gets a new number
SELECT * FROM told(31, 302);
-- to know of it again does not prolong the hold
RESET SESSION AUTHORIZATION;
CREATE TEMP TABLE hold AS SELECT * FROM seqgen.node_hold();
SELECT in_hold, date_trunc('minute', until - clock_timestamp() + interval '30 s') AS until FROM hold;
SET seqgen.debug_clock_offset = '91min';
SET SESSION AUTHORIZATION regress_node;
SELECT status, granted FROM told(30, 303, 60, 1000);
-- the history tells of one, too, and so does what a node remembers that has no number
SELECT status FROM seqgen.node_request(:good, 10, -1, NULL, NULL, :key, '', node_clock(), 5000000000);
SELECT status FROM seqgen.node_request(:good, 10, -1, NULL, 10000000000, :key, '', node_clock(), 0);
SELECT status FROM seqgen.node_request(:good, 10, -1, NULL, NULL, :key, '', node_clock(), 9223372036854775807);
SELECT status FROM seqgen.node_request(:good, 10, -1, NULL, -1, :key, '', node_clock(), 0);
-- numbers that are set by hand are not held back
SELECT status, granted FROM told(32, 304, 8, bits => 0);
RESET SESSION AUTHORIZATION;
SELECT n.until - h.until BETWEEN '1 min' AND '2 min' AS prolonged FROM seqgen.node_hold() n, hold h;
-- the hold ends
SET seqgen.debug_clock_offset = '196min';
SELECT in_hold FROM seqgen.node_hold();
SET SESSION AUTHORIZATION regress_node;
SELECT * FROM told(31, 305);
SELECT * FROM told(31, 306, bits => 3);
RESET SESSION AUTHORIZATION;
SELECT in_hold, until, generation FROM seqgen.node_registry;
SELECT count(*), bool_and(h.valid_from >= d.until) AS after_it FROM seqgen.node_history h, hold d WHERE serial > 10000000000 AND bits > 0;

-- a registry that was restored, and a DBA who knows better
INSERT INTO seqgen.range_ledger (id, lease_generation) SELECT id, -1 FROM seqgen.range_ledger;
INSERT INTO seqgen.range_ledger (id, lease_hold_until) SELECT id, 9223372036854775807 FROM seqgen.range_ledger;
INSERT INTO seqgen.range_ledger (id, lease_generation) SELECT id, 1 FROM seqgen.range_ledger;
SELECT in_hold FROM seqgen.node_hold();
SET SESSION AUTHORIZATION regress_node;
SELECT status FROM told(33, 307);
RESET SESSION AUTHORIZATION;
SELECT in_hold, until > clock_timestamp() + interval '4 h' AS until FROM seqgen.node_hold();
SELECT seqgen.node_resume();
SELECT seqgen.node_resume();
SET SESSION AUTHORIZATION regress_node;
SELECT status, granted, begins FROM told(33, 308);
RESET SESSION AUTHORIZATION;

-- Two servers with one number set by hand that look the same, as their disks do:
-- they do not know the same.  A lost answer is none to another server.
SET SESSION AUTHORIZATION regress_node;
SELECT of AS known FROM told(35, 310, 9, bits => 0) \gset
SELECT status FROM told(35, 311, 9, :known, bits => 0, boot => 2);
SELECT status, granted, regexp_replace(message, 'at \S+, ', '') AS message FROM told(35, 312, 9, :known, bits => 0);
SELECT status FROM told(35, 311, 9, :known, bits => 0, boot => 2, life => 2);
RESET SESSION AUTHORIZATION;

--
-- Nobody else changes the registry
--

INSERT INTO seqgen.node SELECT * FROM seqgen.node LIMIT 1;
UPDATE seqgen.node SET valid_until = valid_from;
DELETE FROM seqgen.node;
TRUNCATE seqgen.node;
INSERT INTO seqgen.node_history SELECT * FROM seqgen.node_history LIMIT 1;
UPDATE seqgen.node_history SET valid_until = NULL;
DELETE FROM seqgen.node_history;
TRUNCATE seqgen.node_history;
SET session_replication_role = replica;
DELETE FROM seqgen.node;
TRUNCATE seqgen.node_history;
RESET session_replication_role;
CREATE TABLE node (a integer);
CREATE TRIGGER node BEFORE INSERT ON node FOR EACH ROW EXECUTE FUNCTION seqgen.node_guard();
INSERT INTO node VALUES (1);
DROP TABLE node;

-- no two windows of a number overlap
CREATE TABLE windows AS
	SELECT bits, datacenter, number, tstzrange(valid_from, valid_until) AS w FROM seqgen.node_history;
SELECT count(*) > 20 AS many FROM windows;
SELECT a.*, b.* FROM windows a JOIN windows b ON (a.bits, a.datacenter, a.number) = (b.bits, b.datacenter, b.number)
	AND a.ctid < b.ctid AND a.w && b.w;
DROP TABLE windows;

-- a server that was made from the same image as this one
SET SESSION AUTHORIZATION regress_node;
SELECT status, message FROM seqgen.node_request(md5('')::uuid, md5('')::uuid,
	(SELECT format('%s/1/%s/1:1/x', system_identifier, oid) FROM pg_control_system(), pg_database WHERE datname = current_database()),
	10, -1, NULL, NULL, :key, '', node_clock(), 0);
RESET SESSION AUTHORIZATION;

-- a database that has a coordinator is none
CREATE SERVER regress_coordinator FOREIGN DATA WRAPPER seqgen_coordinator OPTIONS (host 'nowhere', dbname 'none');
SET SESSION AUTHORIZATION regress_node;
SELECT status, message FROM told(34, 309);
RESET SESSION AUTHORIZATION;
DROP SERVER regress_coordinator;
RESET seqgen.debug_clock_offset;
DROP FUNCTION told, ask, node_clock;
REVOKE ALL ON FUNCTION seqgen.node_request, seqgen.node_release, seqgen.node_rename, seqgen.node_resume FROM regress_node, regress_other;
DROP ROLE regress_node, regress_other, regress_watch;
