-- Figures of what node_1 has noted, in the columns of bench.figure.

\pset format csv
\pset tuples_only on

WITH period AS (
	SELECT min(at) FILTER (WHERE what = 'stop') AS stop,
		   min(at) FILTER (WHERE what = 'start') AS start
	  FROM moment
), contender (number, generator, title) AS (
	VALUES (1, 'blocks_90000', 'blocks that last 15 min'), (2, 'blocks_1000', 'blocks that last 10 s')
), seen AS (
	SELECT number, generator, title,
		   count(*) FILTER (WHERE ok AND at < stop) /
		   extract(epoch FROM stop - min(at)) AS rate_before,
		   count(*) FILTER (WHERE ok AND at BETWEEN stop AND start) AS drawn,
		   count(*) FILTER (WHERE NOT ok) AS errors,
		   extract(epoch FROM max(at) FILTER (WHERE ok AND at < start) - stop) AS supply,
		   extract(epoch FROM min(at) FILTER (WHERE ok AND at > start) - start) AS back,
		   extract(epoch FROM start - stop) AS outage,
		   (SELECT seconds_left FROM moment m WHERE m.what = 'stop' AND m.generator = c.generator) AS shown
	  FROM contender c JOIN draw USING (generator), period
	 GROUP BY number, generator, title, stop, start
)
SELECT 'range_outage', title || ': ' || what, round(figure, 3), at_most, at_least
  FROM seen,
	   LATERAL (VALUES
		(1, true, 'seconds of the outage', outage, NULL::numeric, NULL::numeric),
		(2, true, 'values drawn in it', drawn, NULL, NULL),
		(3, number = 1, 'rate in it / before', drawn / outage / rate_before, NULL, 0.95),
		(4, true, 'errors', errors, CASE number WHEN 1 THEN 0 END, NULL),
		(5, number = 2, 'seconds of supply', supply, NULL, NULL),
		(6, number = 2, 'seconds of supply / those shown at the stop', supply / shown, NULL, NULL),
		(7, number = 2, 'seconds from the coordinator''s start to the first value', back, 2, NULL)
	   ) figures (figure_number, wanted, what, figure, at_most, at_least)
 WHERE wanted
 ORDER BY number, figure_number;
