-- The memory of one session before and after 100 million ids, nine tenths drawn
-- by calls and the rest as sets. The layout with 16 bits, as the default one
-- has fewer ids a second. Before that come 10 million, which fill the session's
-- caches and let malloc find its size.

CREATE PROCEDURE bench.draw(chunks integer) LANGUAGE plpgsql AS $$
BEGIN
	FOR chunk IN 1..chunks LOOP
		PERFORM count(snowflake_nextval('bench.fast')) FROM generate_series(1, 900000);
		PERFORM count(*) FROM (SELECT snowflake_nextvals(100000, 'bench.fast')) ids;
		COMMIT;
	END LOOP;
END
$$;

CREATE PROCEDURE bench.note_memory(now integer) LANGUAGE sql AS $$
	INSERT INTO bench.run
	SELECT 'memory', 'memory contexts', now, sum(total_bytes) FROM pg_backend_memory_contexts;
	INSERT INTO bench.run
	SELECT 'memory', 'private memory of the process', now,
		   1024 * substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s+(\d+)')::double precision;
$$;

CALL bench.note_memory(0);
CALL bench.draw(10);
CALL bench.note_memory(1);
CALL bench.draw(100);
CALL bench.note_memory(2);

INSERT INTO bench.figure (section, what, figure, at_most)
SELECT 'memory', format('%s, 100 million ids later / before', contender),
	   max(value) FILTER (WHERE round = 2) / max(value) FILTER (WHERE round = 1), 1.01
  FROM bench.run
 WHERE section = 'memory'
 GROUP BY contender;
