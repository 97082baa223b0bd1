-- What one call costs, for each row of a query. The default generator and the
-- named one have the default layout; a run this short leads the clock by less
-- than a second, so nothing is throttled.

INSERT INTO bench.contender (section, name, query)
SELECT 'per_call', name, format('SELECT count(%s) FROM generate_series(1, 1000000)', call)
  FROM (VALUES
		('constant', 'bench.const()'),
		('clock_timestamp()', 'clock_timestamp()'),
		('snowflake_nextval()', 'snowflake_nextval()'),
		('snowflake_nextval(name)', 'snowflake_nextval(''bench.named'')'),
		('snowflake_nextval(name), 16 bits', 'snowflake_nextval(''bench.fast'')'),
		('nextval CACHE 1', 'nextval(''bench.cache_1'')'),
		('nextval CACHE 100', 'nextval(''bench.cache_100'')'),
		('nextval CACHE 1000', 'nextval(''bench.cache_1000'')')) contenders (name, call);

INSERT INTO bench.contender (section, name, query)
	VALUES ('per_call', 'snowflake_nextvals(n)', 'SELECT count(*) FROM snowflake_nextvals(1000000)');

CALL bench.measure('per_call', :rounds * 3);

-- Contenders that are slower by far would spread the others' rounds apart.
INSERT INTO bench.contender (section, name, query)
SELECT 'per_call_slow', name, format('SELECT count(%s) FROM generate_series(1, 200000)', call)
  FROM (VALUES
		('constant', 'bench.const()'),
		('snowflake_nextval()', 'snowflake_nextval()'),
		('gen_random_uuid()', 'gen_random_uuid()'),
		('PL/pgSQL snowflake', 'bench.plpgsql_snowflake()')) contenders (name, call);

CALL bench.measure('per_call_slow', :rounds);

INSERT INTO bench.figure (section, what, figure, low, high, at_most)
SELECT 'per_call', c.name || ' / constant', r.*,
	   CASE c.name WHEN 'snowflake_nextval()' THEN 1.35 WHEN 'snowflake_nextval(name)' THEN 1.5 END
  FROM bench.contender c, bench.ratio(c.section, c.name, 'constant') r
 WHERE c.section = 'per_call' AND c.name <> 'constant'
	OR c.section = 'per_call_slow' AND c.name IN ('gen_random_uuid()', 'PL/pgSQL snowflake')
 ORDER BY c.number;

INSERT INTO bench.figure (section, what, figure, low, high, at_most)
SELECT 'per_call', 'added: ' || name || ' / clock_timestamp()', r.*,
	   CASE name WHEN 'snowflake_nextval()' THEN 2.5 END
  FROM unnest(ARRAY['snowflake_nextval()', 'snowflake_nextval(name)', 'nextval CACHE 1',
					'nextval CACHE 100', 'nextval CACHE 1000']) name,
	   bench.ratio('per_call', name, 'clock_timestamp()', 'constant') r;

INSERT INTO bench.figure (section, what, figure, low, high, at_least)
SELECT 'per_call', name || ' / snowflake_nextval()', r.*, CASE name WHEN 'nextval CACHE 1' THEN 2 END
  FROM (VALUES
		('per_call', 'nextval CACHE 1'),
		('per_call', 'nextval CACHE 1000'),
		('per_call_slow', 'gen_random_uuid()'),
		('per_call_slow', 'PL/pgSQL snowflake')) rivals (section, name),
	   bench.ratio(section, name, 'snowflake_nextval()') r;
