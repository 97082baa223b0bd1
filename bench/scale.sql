-- Figures of the rates that bench/run has noted: transactions a second.

INSERT INTO bench.figure (section, what, figure, low, high, at_least)
SELECT 'scale', format('%s: %s backends / 1', title, clients), r.*,
	   CASE WHEN name = 'snowflake' THEN 0.95 END
  FROM (VALUES
		(1, 'constant', 'constant'),
		(2, 'snowflake', 'snowflake_nextval'),
		(3, 'sequence_1', 'nextval CACHE 1')) contenders (number, name, title),
	   unnest(ARRAY[2, 4, 8]) clients,
	   bench.ratio('scale', format('%s %s', name, clients), format('%s 1', name)) r
 ORDER BY number, clients;

-- Does it fall from one number to the next? With all processors busy the
-- constant function's rate falls by some percent as well.
INSERT INTO bench.figure (section, what, figure, low, high, at_least)
SELECT 'scale', format('%s: %s backends / %s', title, clients, clients / 2), r.*,
	   CASE WHEN name = 'snowflake' THEN 0.95 END
  FROM (VALUES (1, 'constant', 'constant'), (2, 'snowflake', 'snowflake_nextval')) contenders (number, name, title),
	   unnest(ARRAY[4, 8]) clients,
	   bench.ratio('scale', format('%s %s', name, clients), format('%s %s', name, clients / 2)) r
 ORDER BY number, clients;
