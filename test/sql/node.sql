-- Node numbers as a coordinator gives them: every answer, the windows that
-- come with them, and what the DBA can do.

\set VERBOSITY terse
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

-- Server number so many asks; its identity says how often it was booted.
CREATE FUNCTION ask(server integer, key integer, number bigint DEFAULT NULL, generation bigint DEFAULT NULL,
		bits integer DEFAULT 4, datacenter integer DEFAULT -1, boot integer DEFAULT 1,
		location text DEFAULT '', skew interval DEFAULT '0')
	RETURNS SETOF record LANGUAGE sql AS $$
	SELECT *
	  FROM seqgen.node_request(md5('node' || server)::uuid, md5('run' || server)::uuid,
			format('%s/1/5/1:1/boot%s', 1000 + server, boot), bits, datacenter, number, generation,
			md5('key' || key)::uuid, location, node_clock() + (extract(epoch FROM skew) * 1000000)::bigint, 0)
$$;

-- the same, with times that are the same in each run
CREATE FUNCTION told(server integer, key integer, number bigint DEFAULT NULL, generation bigint DEFAULT NULL,
		bits integer DEFAULT 4, datacenter integer DEFAULT -1, boot integer DEFAULT 1,
		location text DEFAULT '', skew interval DEFAULT '0',
		OUT status text, OUT granted bigint, OUT of bigint, OUT begins text, OUT lasts interval, OUT message text)
	LANGUAGE sql AS $$
	SELECT status, granted_number, granted_generation,
		   CASE WHEN valid_from = 0 THEN 'ever' ELSE date_trunc('minute', (valid_from - coordinator_clock) * interval '1 us' + interval '30 s')::text END,
		   date_trunc('minute', (valid_until - coordinator_clock) * interval '1 us' + interval '30 s'),
		   regexp_replace(message, '\d{4}-\d\d-\d\d [\d:.]+\+00', '<time>', 'g')
	  FROM ask($1, $2, $3, $4, $5, $6, $7, $8, $9) AS (status text, granted_number bigint,
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
SELECT seqgen.node_request(:good::uuid, repeat('1', 201), 10, -1, NULL, NULL, :key, '', node_clock(), 0);
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
