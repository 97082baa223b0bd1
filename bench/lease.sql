-- Figures of what bench/run has noted: ids a second, and renewals a second. A
-- lease of an hour is renewed when less than two thirds of it remain, so each
-- node renews every 20 minutes.

INSERT INTO bench.figure (section, what, figure, low, high, at_most)
SELECT 'lease', 'snowflake_nextval(): leased number / by hand', r.*, 1.05
  FROM bench.ratio('lease', 'by_hand', 'leased') r;

INSERT INTO bench.figure (section, what, figure, low, high, at_least)
SELECT 'lease', format('renewals that one coordinator sustains / those of 1,024 nodes, %s', title), r.figure / need, r.low / need, r.high / need, 1
  FROM (VALUES (1, '1 session'), (8, '8 sessions')) counts (clients, title),
	   bench.median('lease', format('renewals %s', clients)) r,
	   (VALUES (1024 / 1200.0::double precision)) needs (need)
 ORDER BY clients;
