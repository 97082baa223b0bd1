-- Figures of what bench/run has noted of three nodes together: values a second,
-- and requests a second that their coordinator granted.

INSERT INTO bench.figure (section, what, figure, low, high)
SELECT 'range_nodes', format('values a second: %s / %s', title, rival_title), r.*
  FROM (VALUES
		(1, 'blocks_1000', 'blocks of 1,000', 'blocks_10', 'blocks of 10'),
		(2, 'adaptive', 'adaptive blocks', 'blocks_1000', 'blocks of 1,000'),
		(3, 'adaptive', 'adaptive blocks', 'sequence', 'nextval CACHE 1')) pairs (number, name, title, rival, rival_title),
	   bench.ratio('range_nodes', name, rival) r
 ORDER BY number;

INSERT INTO bench.figure (section, what, figure, low, high)
SELECT 'range_nodes', format('%s a second, %s', unit, title), r.*
  FROM (VALUES
		(1, 'blocks_10', 'blocks of 10'),
		(2, 'blocks_1000', 'blocks of 1,000'),
		(3, 'adaptive', 'adaptive blocks')) contenders (number, name, title),
	   (VALUES (1, 'values', ''), (2, 'requests', ' requests')) units (unit_number, unit, suffix),
	   bench.median('range_nodes', name || suffix) r
 ORDER BY unit_number, number;
