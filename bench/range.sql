-- What one value of a range costs, for each row of a query. The database is
-- its own coordinator, and a block is as large as they get: a query uses up
-- one of them.

INSERT INTO bench.contender (section, name, query)
SELECT 'range', name, format('SELECT count(%s) FROM generate_series(1, 1000000)', call)
  FROM (VALUES
		('constant', 'bench.const()'),
		('range_nextval', 'range_nextval(''bench.range'')'),
		('snowflake_nextval(name)', 'snowflake_nextval(''bench.fast'')'),
		('nextval CACHE 1', 'nextval(''bench.cache_1'')'),
		('nextval CACHE 1000', 'nextval(''bench.cache_1000'')')) contenders (name, call);

INSERT INTO bench.contender (section, name, query)
	VALUES ('range', 'range_nextvals(n)', 'SELECT count(*) FROM range_nextvals(''bench.range'', 1000000)');

CALL bench.measure('range', :rounds * 3);

INSERT INTO bench.figure (section, what, figure, low, high, at_most)
SELECT 'range', c.name || ' / constant', r.*, CASE c.name WHEN 'range_nextval' THEN 1.5 END
  FROM bench.contender c, bench.ratio(c.section, c.name, 'constant') r
 WHERE c.section = 'range' AND c.name <> 'constant'
 ORDER BY c.number;

INSERT INTO bench.figure (section, what, figure, low, high)
SELECT 'range', name || ' / range_nextval', r.*
  FROM unnest(ARRAY['nextval CACHE 1', 'nextval CACHE 1000']) name,
	   bench.ratio('range', name, 'range_nextval') r;
