-- Figures of the rates that bench/run has noted: allocations a second.

INSERT INTO bench.figure (section, what, figure, low, high, at_most)
SELECT 'range_ledger', format('range_alloc, 1,000,000 rows / 1,000: %s', title), r.*, bound
  FROM (VALUES
		(1, 'range_ledger on', 'time', 1.2),
		(2, 'range_ledger off', 'time without the waits for the disk', NULL)) runs (number, section, title, bound),
	   bench.ratio(section, '1000', '1000000') r
 ORDER BY number;
