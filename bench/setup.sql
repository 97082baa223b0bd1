-- What every section uses. A run is one measurement; a figure is a ratio of
-- medians, with or without a bound that is to hold.

CREATE SCHEMA bench;

CREATE TABLE bench.run (
	section text,
	contender text,
	round integer,			-- round 0 warms up and does not count
	value double precision	-- seconds, rows a second or bytes, by section
);

CREATE TABLE bench.contender (
	section text,
	name text,
	query text,				-- what is timed
	prepare text,			-- what goes before it, not timed
	number integer GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE bench.figure (
	section text,
	what text,
	figure double precision,
	low double precision,	-- quartiles of the same figure round by round
	high double precision,
	at_most double precision,
	at_least double precision,
	number integer GENERATED ALWAYS AS IDENTITY
);

-- Times all contenders of a section in turn, each in a transaction of its own.
-- Every round begins with another, so that none always follows the slowest.
CREATE PROCEDURE bench.measure(wanted text, rounds integer) LANGUAGE plpgsql AS $$
DECLARE
	contender bench.contender;
	started timestamptz;
	seconds double precision;
BEGIN
	FOR round IN 0..rounds LOOP
		FOR contender IN
			SELECT * FROM bench.contender c WHERE c.section = wanted
			 ORDER BY (c.number + round) % count(*) OVER ()
		LOOP
			IF contender.prepare IS NOT NULL THEN
				EXECUTE contender.prepare;
			END IF;
			COMMIT;
			started := clock_timestamp();
			EXECUTE contender.query;
			seconds := extract(epoch FROM clock_timestamp() - started);
			INSERT INTO bench.run VALUES (wanted, contender.name, round, seconds);
			COMMIT;
		END LOOP;
	END LOOP;
END
$$;

-- (a - base) / (b - base) of a section's medians, and the quartiles of what
-- the rounds say each for itself.
CREATE FUNCTION bench.ratio(wanted text, a text, b text, base text DEFAULT NULL,
		OUT figure double precision, OUT low double precision, OUT high double precision)
	STABLE LANGUAGE sql
BEGIN ATOMIC
	WITH rounds AS (
		SELECT max(value) FILTER (WHERE contender = a) AS a,
			   max(value) FILTER (WHERE contender = b) AS b,
			   coalesce(max(value) FILTER (WHERE contender = base), 0) AS base
		  FROM bench.run
		 WHERE section = wanted AND round > 0
		 GROUP BY round
	), medians AS (
		SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) AS a,
			   percentile_cont(0.5) WITHIN GROUP (ORDER BY b) AS b,
			   percentile_cont(0.5) WITHIN GROUP (ORDER BY base) AS base
		  FROM rounds
	)
	SELECT (m.a - m.base) / nullif(m.b - m.base, 0), q.low, q.high
	  FROM medians m,
		   (SELECT percentile_cont(0.25) WITHIN GROUP (ORDER BY (a - base) / nullif(b - base, 0)) AS low,
				   percentile_cont(0.75) WITHIN GROUP (ORDER BY (a - base) / nullif(b - base, 0)) AS high
			  FROM rounds) q;
END;

-- A contender's median alone, for what is no ratio.
CREATE FUNCTION bench.median(wanted text, a text,
		OUT figure double precision, OUT low double precision, OUT high double precision)
	STABLE LANGUAGE sql
BEGIN ATOMIC
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value),
		   percentile_cont(0.25) WITHIN GROUP (ORDER BY value),
		   percentile_cont(0.75) WITHIN GROUP (ORDER BY value)
	  FROM bench.run
	 WHERE section = wanted AND contender = a AND round > 0;
END;

-- A bound is missed when the figure and most of the rounds miss it.
CREATE VIEW bench.report AS
	SELECT section, what,
		   to_char(figure, 'FM999999990.00') AS figure,
		   to_char(low, 'FM999999990.00') || ' to ' || to_char(high, 'FM999999990.00') AS "middle half",
		   CASE WHEN at_most IS NOT NULL THEN 'at most ' || at_most
				WHEN at_least IS NOT NULL THEN 'at least ' || at_least
				ELSE '' END AS bound,
		   CASE WHEN figure <= at_most OR figure >= at_least THEN 'ok'
				WHEN low <= at_most OR high >= at_least THEN 'unclear'
				WHEN at_most IS NOT NULL THEN 'ABOVE'
				WHEN at_least IS NOT NULL THEN 'BELOW'
				ELSE '' END AS verdict,
		   number
	  FROM bench.figure;


-- A layout with more ids a millisecond than any machine draws, so that speed
-- is measured and not the layout's rate.
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('bench16', '2025-01-01 00:00:00+00', 1000, 41, 6, 16);

CREATE SEQUENCE bench.cache_1 CACHE 1;
CREATE SEQUENCE bench.cache_100 CACHE 100;
CREATE SEQUENCE bench.cache_1000 CACHE 1000;
SELECT snowflake_create('bench.named') \g /dev/null
SELECT snowflake_create('bench.fast', 'bench16') \g /dev/null
SELECT range_create('bench.range', block_size => 1000000) \g /dev/null

CREATE FUNCTION bench.const() RETURNS bigint
	AS '$libdir/bench_const', 'bench_const' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;

-- The snowflake that is passed around in blog posts: a sequence for the low
-- bits, the clock for the high ones.
CREATE SEQUENCE bench.plpgsql_sequence;
CREATE FUNCTION bench.plpgsql_snowflake() RETURNS bigint VOLATILE LANGUAGE plpgsql AS $$
DECLARE
	epoch_ms CONSTANT bigint := 1735689600000;
	node CONSTANT bigint := 1;
	now_ms bigint;
	counter bigint;
BEGIN
	SELECT nextval('bench.plpgsql_sequence') % 4096 INTO counter;
	SELECT floor(extract(epoch FROM clock_timestamp()) * 1000) INTO now_ms;
	RETURN (now_ms - epoch_ms) << 22 | node << 12 | counter;
END
$$;


-- One table for each way to make keys, otherwise equal.

CREATE TABLE bench.snowflake (id bigint DEFAULT snowflake_nextval() PRIMARY KEY, payload text);
CREATE TABLE bench.sequence_1 (id bigint DEFAULT nextval('bench.cache_1') PRIMARY KEY, payload text);
CREATE TABLE bench.sequence_100 (id bigint DEFAULT nextval('bench.cache_100') PRIMARY KEY, payload text);
CREATE TABLE bench.uuid (id uuid DEFAULT gen_random_uuid() PRIMARY KEY, payload text);

-- The same without an index, to see the generators alone.
CREATE TABLE bench.bare_snowflake (LIKE bench.snowflake INCLUDING DEFAULTS);
CREATE TABLE bench.bare_sequence_1 (LIKE bench.sequence_1 INCLUDING DEFAULTS);
CREATE TABLE bench.bare_sequence_100 (LIKE bench.sequence_100 INCLUDING DEFAULTS);
