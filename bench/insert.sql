-- Figures of the rates that bench/run has noted: statements a second.

INSERT INTO bench.figure (section, what, figure, low, high, at_least)
SELECT 'insert',
	   format('%s a statement, %s: snowflake / %s',
			  CASE rows WHEN 1 THEN '1 row' ELSE rows || ' rows' END,
			  CASE clients WHEN 1 THEN '1 client' ELSE clients || ' clients' END, title),
	   r.*,
	   CASE WHEN rows = 1000 AND clients >= 8 THEN bound END
  FROM unnest(ARRAY[1, 1000]) rows,
	   unnest(ARRAY[1, 8, 32]) clients,
	   (VALUES
		(1, 'sequence_1', 'nextval CACHE 1', 1.2),
		(2, 'sequence_100', 'nextval CACHE 100', 1),
		(3, 'uuid', 'gen_random_uuid()', NULL)) rivals (number, name, title, bound),
	   bench.ratio(format('insert %s %s', rows, clients), 'snowflake', name) r
 WHERE r.figure IS NOT NULL
 ORDER BY rows, clients, number;

INSERT INTO bench.figure (section, what, figure, low, high)
SELECT 'insert', format('1000 rows a statement, 8 clients, no index: snowflake / %s', title), r.*
  FROM (VALUES
		('bare_sequence_1', 'nextval CACHE 1'),
		('bare_sequence_100', 'nextval CACHE 100')) rivals (name, title),
	   bench.ratio('insert 1000 8', 'bare_snowflake', name) r;
