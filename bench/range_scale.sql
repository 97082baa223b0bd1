-- Figures of the rates that bench/run has noted: transactions a second.

INSERT INTO bench.figure (section, what, figure, low, high)
SELECT 'range', format('rate, %s: range_nextval / %s', backends, title), r.*
  FROM (VALUES
		(1, 'constant', 'constant'),
		(2, 'sequence_1', 'nextval CACHE 1'),
		(3, 'sequence_1000', 'nextval CACHE 1000')) rivals (number, name, title),
	   (VALUES (1, '1 backend'), (2, '2 backends'), (4, '4 backends'), (8, '8 backends')) counts (clients, backends),
	   bench.ratio('range', format('range %s', clients), format('%s %s', name, clients)) r
 ORDER BY number, clients;

INSERT INTO bench.figure (section, what, figure, low, high, at_least)
SELECT 'range', format('rate, %s: %s backends / 1', title, clients), r.*,
	   CASE WHEN name = 'range' THEN 0.95 END
  FROM (VALUES (1, 'constant', 'constant'), (2, 'range', 'range_nextval')) contenders (number, name, title),
	   unnest(ARRAY[2, 4, 8]) clients,
	   bench.ratio('range', format('%s %s', name, clients), format('%s 1', name)) r
 ORDER BY number, clients;

INSERT INTO bench.figure (section, what, figure, low, high, at_least)
SELECT 'range', format('rate, %s: %s backends / %s', title, clients, clients / 2), r.*,
	   CASE WHEN name = 'range' THEN 0.95 END
  FROM (VALUES (1, 'constant', 'constant'), (2, 'range', 'range_nextval')) contenders (number, name, title),
	   unnest(ARRAY[4, 8]) clients,
	   bench.ratio('range', format('%s %s', name, clients), format('%s %s', name, clients / 2)) r
 ORDER BY number, clients;
