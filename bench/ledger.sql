-- A database with a ledger of so many rows, as grants to a node would have left
-- it.

CREATE EXTENSION seqgen;
SELECT range_create('blocks', 10);

INSERT INTO seqgen.range_allocation
	   (generator, block, state, owner, node, incarnation, request, epoch, allocated_at, saved)
SELECT 'blocks'::regclass, int8range(10 * i + 1, 10 * i + 11), 'granted', current_user,
	   '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002',
	   i + 1, 1, now(), 10 * i + 10
  FROM generate_series(0, :rows - 1) i;

SELECT setval('blocks_cursor', 10 * :rows);
VACUUM ANALYZE;
