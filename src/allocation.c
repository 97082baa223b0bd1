/*-------------------------------------------------------------------------
 *
 * allocation.c
 *	  The rows of the ledger: ranges (seqgen.range_generator) and their blocks
 *	  (seqgen.range_allocation).
 *
 * Rows are read by index: ranges with the catalog snapshot, blocks with a
 * dirty one, for a block that a transaction in flight has taken is taken.  So
 * what is read never depends on the age of the transaction's own snapshot.
 * They are written through SPI, which keeps constraints and indexes, as the
 * owner of the tables: callers have no privileges on them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rangetypes.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "compat.h"
#include "catalog.h"
#include "query.h"
#include "allocation.h"

const char *const sg_block_state_names[SG_BLOCK_STATE_COUNT] = {
	[SG_BLOCK_GRANTED] = "granted",
	[SG_BLOCK_ALLOCATED] = "allocated",
	[SG_BLOCK_RESERVED] = "reserved",
	[SG_BLOCK_RELEASED] = "released",
	[SG_BLOCK_USED] = "used",
};

/* columns of seqgen.range_generator */
#define Anum_range_generator		1
#define Anum_range_cursor			2
#define Anum_range_min_value		3
#define Anum_range_max_value		4
#define Anum_range_block_size		5
#define Anum_range_min_block_size	6
#define Anum_range_max_block_size	7

/* columns of seqgen.range_allocation */
#define Anum_block_generator	1
#define Anum_block_block		2
#define Anum_block_state		3
#define Anum_block_owner		4
#define Anum_block_node			5
#define Anum_block_incarnation	6
#define Anum_block_request		7
#define Anum_block_epoch		8
#define Anum_block_allocated_at 9
#define Anum_block_saved		10

/* columns of their indexes */
#define Anum_pkey_generator		1
#define Anum_pkey_block			2
#define Anum_request_incarnation	1
#define Anum_request_generator	2
#define Anum_request_request	3

static bool changing = false;

bool
sg_allocation_is_changing(void)
{
	return changing;
}


/*
 * Statements
 */

uint64
sg_allocation_execute(SgStatement *statement, Datum *values, const char *nulls)
{
	uint64		processed;

	changing = true;
	PG_TRY();
	{
		processed = sg_query_execute(statement, values, nulls);
	}
	PG_FINALLY();
	{
		changing = false;
	}
	PG_END_TRY();
	return processed;
}


/*
 * Ranges
 */

static int64
int8_column(HeapTuple tuple, TupleDesc desc, int attnum)
{
	bool		isnull;

	return DatumGetInt64(heap_getattr(tuple, attnum, desc, &isnull));
}

void
sg_allocation_range_from_row(HeapTuple tuple, TupleDesc desc, SgRange *range)
{
	bool		isnull;

	range->relid = DatumGetObjectId(heap_getattr(tuple, Anum_range_generator, desc, &isnull));
	range->cursor = DatumGetObjectId(heap_getattr(tuple, Anum_range_cursor, desc, &isnull));
	range->min_value = int8_column(tuple, desc, Anum_range_min_value);
	range->max_value = int8_column(tuple, desc, Anum_range_max_value);
	range->block_size = int8_column(tuple, desc, Anum_range_block_size);
	range->min_block_size = int8_column(tuple, desc, Anum_range_min_block_size);
	range->max_block_size = int8_column(tuple, desc, Anum_range_max_block_size);
}

/* The rows with that generator, or all of them: SgRange pointers. */
static List *
ranges_read(Oid relid)
{
	Oid			table = sg_catalog_relation("range_generator");
	Relation	rel = OidIsValid(table) ? try_table_open(table, AccessShareLock) : NULL;
	List	   *ranges = NIL;
	Oid			index;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (rel == NULL)
		return NIL;
	index = get_relname_relid("range_generator_pkey", RelationGetNamespace(rel));
	ScanKeyInit(&key, Anum_range_generator, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, index, OidIsValid(index) && OidIsValid(relid), NULL,
							  OidIsValid(relid) ? 1 : 0, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		SgRange    *range = palloc(sizeof(SgRange));

		sg_allocation_range_from_row(tuple, RelationGetDescr(rel), range);
		ranges = lappend(ranges, range);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return ranges;
}

List *
sg_allocation_ranges(void)
{
	return ranges_read(InvalidOid);
}

bool
sg_allocation_range(Oid relid, SgRange *range)
{
	List	   *ranges;

	if (!OidIsValid(relid))
		return false;
	ranges = ranges_read(relid);
	if (ranges == NIL)
		return false;
	*range = *(SgRange *) linitial(ranges);
	list_free_deep(ranges);
	return true;
}

void
sg_allocation_range_require(Oid relid, SgRange *range)
{
	SgCatalogGenerator row;

	sg_catalog_generator_require(relid, &row);
	if (!sg_allocation_range(relid, range))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("generator \"%s\" is not a range of this coordinator", get_rel_name(relid)),
				 errhint("Create ranges with range_create(); seqgen.range_generator lists them.")));
}

static void
range_write(SgStatement *statement, const SgRange *range)
{
	Datum		values[7] = {
		ObjectIdGetDatum(range->relid),
		ObjectIdGetDatum(range->cursor),
		Int64GetDatum(range->min_value),
		Int64GetDatum(range->max_value),
		Int64GetDatum(range->block_size),
		Int64GetDatum(range->min_block_size),
		Int64GetDatum(range->max_block_size),
	};

	(void) sg_allocation_execute(statement, values, NULL);
}

void
sg_allocation_add_range(const SgRange *range)
{
	static SgStatement insert = {
		"INSERT INTO seqgen.range_generator (generator, cursor, min_value, max_value,"
		" block_size, min_block_size, max_block_size)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7)",
		7, {REGCLASSOID, REGCLASSOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID}, NULL
	};

	range_write(&insert, range);
}

void
sg_allocation_change_range(const SgRange *range)
{
	static SgStatement update = {
		"UPDATE seqgen.range_generator"
		" SET block_size = $5, min_block_size = $6, max_block_size = $7"
		" WHERE generator OPERATOR(pg_catalog.=) $1"
		" AND cursor OPERATOR(pg_catalog.=) $2"
		" AND min_value OPERATOR(pg_catalog.=) $3 AND max_value OPERATOR(pg_catalog.=) $4",
		7, {OIDOID, OIDOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID}, NULL
	};

	range_write(&update, range);
}


/*
 * Reading blocks
 */

RangeType *
sg_allocation_interval(int64 lo, int64 hi)
{
	TypeCacheEntry *type = lookup_type_cache(INT8RANGEOID, TYPECACHE_RANGE_INFO);
	RangeBound	lower = {.val = Int64GetDatum(lo),.inclusive = true,.lower = true};
	RangeBound	upper = {.val = Int64GetDatum(hi),.inclusive = false,.lower = false};

	return MakeRange(type, &lower, &upper);
}

/* The bounds of a block in the ledger, which is never empty or unbounded. */
static void
interval_bounds(Datum value, int64 *lo, int64 *hi)
{
	TypeCacheEntry *type = lookup_type_cache(INT8RANGEOID, TYPECACHE_RANGE_INFO);
	RangeBound	lower;
	RangeBound	upper;
	bool		empty;

	range_deserialize(type, DatumGetRangeTypeP(value), &lower, &upper, &empty);
	*lo = DatumGetInt64(lower.val);
	*hi = DatumGetInt64(upper.val);
}

static bool
interval_is_bounded(Datum value)
{
	char		flags = range_get_flags(DatumGetRangeTypeP(value));

	return (flags & (RANGE_EMPTY | RANGE_LB_INF | RANGE_UB_INF)) == 0;
}

static SgBlockState
block_state(const NameData *name)
{
	for (int i = 0; i < SG_BLOCK_STATE_COUNT; i++)
		if (strcmp(NameStr(*name), sg_block_state_names[i]) == 0)
			return i;
	elog(ERROR, "unknown state \"%s\" of a block", NameStr(*name));
}

static void
block_from_slot(TupleTableSlot *slot, SgBlock *block)
{
	Datum	   *values;
	bool	   *nulls;

	slot_getallattrs(slot);
	values = slot->tts_values;
	nulls = slot->tts_isnull;

	memset(block, 0, sizeof(SgBlock));
	block->relid = DatumGetObjectId(values[Anum_block_generator - 1]);
	interval_bounds(values[Anum_block_block - 1], &block->lo, &block->hi);
	block->state = block_state(DatumGetName(values[Anum_block_state - 1]));
	block->owner = *DatumGetName(values[Anum_block_owner - 1]);
	block->has_node = !nulls[Anum_block_node - 1];
	if (block->has_node)
		block->node = *DatumGetUUIDP(values[Anum_block_node - 1]);
	block->has_key = !nulls[Anum_block_incarnation - 1] && !nulls[Anum_block_request - 1];
	if (block->has_key)
	{
		block->incarnation = *DatumGetUUIDP(values[Anum_block_incarnation - 1]);
		block->request = DatumGetInt64(values[Anum_block_request - 1]);
	}
	block->epoch = DatumGetInt64(values[Anum_block_epoch - 1]);
	block->allocated_at = DatumGetTimestampTz(values[Anum_block_allocated_at - 1]);
	block->has_saved = !nulls[Anum_block_saved - 1];
	if (block->has_saved)
		block->saved = DatumGetInt64(values[Anum_block_saved - 1]);
}

/* Whose end decides about the row that a dirty snapshot returned last? */
static TransactionId
snapshot_in_flight(const SnapshotData *snapshot)
{
	return TransactionIdIsValid(snapshot->xmin) ? snapshot->xmin : snapshot->xmax;
}

/*
 * Rows of the ledger by an index, palloc'd; *count is how many.  At most limit
 * rows, and those only that come before one which ends at or below low.
 */
static SgBlock *
blocks_read(const char *index_name, ScanKey keys, int nkeys,
			ScanDirection direction, int limit, int64 low, int *count)
{
	Relation	rel = table_open(sg_catalog_relation("range_allocation"), AccessShareLock);
	Relation	index = index_open(get_relname_relid(index_name, RelationGetNamespace(rel)),
								   AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	int			capacity = 4;
	SgBlock    *blocks = palloc(sizeof(SgBlock) * capacity);
	SnapshotData snapshot;
	IndexScanDesc scan;

	*count = 0;
	InitDirtySnapshot(snapshot);
	scan = IndexBeginScan(rel, index, &snapshot, nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);
	while (*count < limit && index_getnext_slot(scan, direction, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (*count == capacity)
		{
			capacity *= 2;
			blocks = repalloc_huge(blocks, sizeof(SgBlock) * capacity);
		}
		block_from_slot(slot, &blocks[*count]);
		if (blocks[*count].hi <= low)
			break;
		blocks[*count].in_flight = snapshot_in_flight(&snapshot);
		blocks[*count].leaving = !TransactionIdIsValid(snapshot.xmin) &&
			TransactionIdIsValid(snapshot.xmax);
		(*count)++;
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return blocks;
}

static int
block_compare(const void *a, const void *b)
{
	int64		x = ((const SgBlock *) a)->lo;
	int64		y = ((const SgBlock *) b)->lo;

	return (x > y) - (x < y);
}

/*
 * The primary key serves better than the index behind the constraint, whose
 * cost grows with the ledger.  Blocks do not overlap, so the search goes back
 * from the last one that begins below hi to the first that ends at or below
 * lo.  A row that somebody is just adding by hand may overlap others and hide
 * from that, but not from the constraint.
 */
static SgBlock *
blocks_overlapping(const char *index, Oid relid, int64 lo, int64 hi, int limit, int *count)
{
	TypeCacheEntry *type = lookup_type_cache(INT8RANGEOID, TYPECACHE_RANGE_INFO);
	RangeBound	last = {.val = Int64GetDatum(hi - 1),.inclusive = true,.lower = true};
	RangeBound	open = {.infinite = true};
	ScanKeyData keys[2];
	SgBlock    *blocks;

	ScanKeyInit(&keys[0], Anum_pkey_generator, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pkey_block, BTLessStrategyNumber, F_RANGE_LT,
				RangeTypePGetDatum(MakeRange(type, &last, &open)));
	blocks = blocks_read(index, keys, 2, BackwardScanDirection, limit, lo, count);
	qsort(blocks, *count, sizeof(SgBlock), block_compare);
	return blocks;
}

SgBlock *
sg_allocation_overlaps(Oid relid, int64 lo, int64 hi, int limit, int *count)
{
	return blocks_overlapping("range_allocation_pkey", relid, lo, hi, limit, count);
}

SgBlock *
sg_allocation_released(Oid relid, int64 lo, int64 hi, int *count)
{
	return blocks_overlapping("range_allocation_released", relid, lo, hi, INT_MAX, count);
}

bool
sg_allocation_by_request(Oid relid, const pg_uuid_t *incarnation, int64 request,
						 SgBlock *block)
{
	ScanKeyData keys[3];
	SgBlock    *blocks;
	int			count;

	ScanKeyInit(&keys[0], Anum_request_incarnation, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(incarnation));
	ScanKeyInit(&keys[1], Anum_request_generator, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[2], Anum_request_request, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(request));

	/* one that is being removed may come before one that is being added */
	blocks = blocks_read("range_allocation_request", keys, 3, ForwardScanDirection,
						 1, 0, &count);
	if (count > 0)
		*block = blocks[0];
	pfree(blocks);
	return count > 0;
}

int64
sg_allocation_end(Oid relid)
{
	ScanKeyData key;
	SgBlock    *blocks;
	int			count;
	int64		end;

	ScanKeyInit(&key, Anum_pkey_generator, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	blocks = blocks_read("range_allocation_pkey", &key, 1, BackwardScanDirection,
						 1, 0, &count);
	end = count > 0 ? blocks[0].hi : 0;
	pfree(blocks);
	return end;
}

bool
sg_allocation_is_manual(HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	Datum		state = heap_getattr(tuple, Anum_block_state, desc, &isnull);

	return isnull ||
		strcmp(NameStr(*DatumGetName(state)), sg_block_state_names[SG_BLOCK_GRANTED]) != 0;
}


bool
sg_allocation_is_new(HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	Oid			relid;
	Datum		interval;
	int64		lo;
	int64		hi;
	SgBlock    *blocks;
	int			count;
	bool		same;

	relid = DatumGetObjectId(heap_getattr(tuple, Anum_block_generator, desc, &isnull));
	if (isnull || !OidIsValid(relid))
		return isnull;

	/* what is wrong with it is for the constraints to say */
	interval = heap_getattr(tuple, Anum_block_block, desc, &isnull);
	if (isnull || !interval_is_bounded(interval))
		return true;
	interval_bounds(interval, &lo, &hi);
	blocks = sg_allocation_overlaps(relid, lo, hi, 2, &count);
	same = count == 1 && blocks[0].lo == lo && blocks[0].hi == hi &&
		!TransactionIdIsValid(blocks[0].in_flight);
	pfree(blocks);
	return !same;
}

SgBlock *
sg_allocation_of_node(const pg_uuid_t *node, Oid relid, int *count)
{
	Relation	rel = table_open(sg_catalog_relation("range_allocation"), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	int			capacity = 4;
	SgBlock    *blocks = palloc(sizeof(SgBlock) * capacity);
	SnapshotData snapshot;
	TableScanDesc scan;

	*count = 0;
	InitDirtySnapshot(snapshot);
	scan = table_beginscan(rel, &snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		SgBlock		block;

		CHECK_FOR_INTERRUPTS();
		block_from_slot(slot, &block);
		block.in_flight = snapshot_in_flight(&snapshot);
		if (block.state != SG_BLOCK_GRANTED || !block.has_node ||
			memcmp(&block.node, node, sizeof(pg_uuid_t)) != 0 ||
			(OidIsValid(relid) && block.relid != relid))
			continue;
		if (*count == capacity)
		{
			capacity *= 2;
			blocks = repalloc_huge(blocks, sizeof(SgBlock) * capacity);
		}
		blocks[(*count)++] = block;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	qsort(blocks, *count, sizeof(SgBlock), block_compare);
	return blocks;
}


/*
 * Writing blocks
 */

void
sg_allocation_insert(const SgBlock *block)
{
	static SgStatement insert = {
		"INSERT INTO seqgen.range_allocation (generator, block, state, owner, node,"
		" incarnation, request, epoch, allocated_at, saved)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8,"
		" COALESCE($9, pg_catalog.clock_timestamp()), $10)",
		10, {REGCLASSOID, INT8RANGEOID, NAMEOID, NAMEOID, UUIDOID,
		UUIDOID, INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID}, NULL
	};
	NameData	state;
	Datum		values[10];
	char		nulls[11] = "          ";

	namestrcpy(&state, sg_block_state_names[block->state]);
	values[0] = ObjectIdGetDatum(block->relid);
	values[1] = RangeTypePGetDatum(sg_allocation_interval(block->lo, block->hi));
	values[2] = NameGetDatum(&state);
	values[3] = NameGetDatum(&block->owner);
	values[4] = UUIDPGetDatum(&block->node);
	values[5] = UUIDPGetDatum(&block->incarnation);
	values[6] = Int64GetDatum(block->request);
	values[7] = Int64GetDatum(block->epoch);
	values[8] = TimestampTzGetDatum(block->allocated_at);
	values[9] = Int64GetDatum(block->saved);
	if (!block->has_node)
		nulls[4] = 'n';
	if (!block->has_key)
		nulls[5] = nulls[6] = 'n';
	if (block->allocated_at == 0)
		nulls[8] = 'n';
	if (!block->has_saved)
		nulls[9] = 'n';
	(void) sg_allocation_execute(&insert, values, nulls);
}

/* Remove a block.  Does not wait for others: the caller may hold a lock. */
static void
block_delete(const SgBlock *block)
{
	static SgStatement delete = {
		"DELETE FROM seqgen.range_allocation WHERE ctid OPERATOR(pg_catalog.=)"
		" (SELECT ctid FROM seqgen.range_allocation"
		"   WHERE generator OPERATOR(pg_catalog.=) $1 AND block OPERATOR(pg_catalog.=) $2"
		"   FOR UPDATE SKIP LOCKED)",
		2, {OIDOID, INT8RANGEOID}, NULL
	};
	Datum		values[2] = {
		ObjectIdGetDatum(block->relid),
		RangeTypePGetDatum(sg_allocation_interval(block->lo, block->hi)),
	};

	if (sg_allocation_execute(&delete, values, NULL) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not change block [%lld,%lld) due to a concurrent change",
						(long long) block->lo, (long long) block->hi)));
}

/* Insert what lies in [lo, hi) of a block, if anything. */
static void
part_insert(const SgBlock *block, int64 lo, int64 hi)
{
	SgBlock		part = *block;

	part.lo = lo;
	part.hi = hi;
	if (lo < hi)
		sg_allocation_insert(&part);
}

void
sg_allocation_change(const SgBlock *block, int64 lo, int64 hi,
					 SgBlockState state, const NameData *owner)
{
	SgBlock		part = *block;

	Assert(block->state != SG_BLOCK_GRANTED);
	Assert(block->lo <= lo && lo < hi && hi <= block->hi);
	part.state = state;
	part.owner = *owner;
	part.has_node = part.has_key = part.has_saved = false;
	part.allocated_at = 0;

	block_delete(block);
	part_insert(block, block->lo, lo);
	part_insert(&part, lo, hi);
	part_insert(block, hi, block->hi);
}

void
sg_allocation_remove(const SgBlock *block, int64 lo, int64 hi)
{
	block_delete(block);
	part_insert(block, block->lo, lo);
	part_insert(block, hi, block->hi);
}

void
sg_allocation_reclaim(const SgBlock *block, int64 free_from)
{
	SgBlock		used = *block;
	SgBlock		rest = *block;

	used.state = SG_BLOCK_USED;
	rest.state = SG_BLOCK_RELEASED;
	rest.has_node = rest.has_key = rest.has_saved = false;

	block_delete(block);
	part_insert(&used, block->lo, free_from);
	part_insert(&rest, free_from, block->hi);
}

void
sg_allocation_note_saved(const SgBlock *block, int64 saved)
{
	static SgStatement update = {
		"UPDATE seqgen.range_allocation SET saved = $3 WHERE ctid OPERATOR(pg_catalog.=)"
		" (SELECT ctid FROM seqgen.range_allocation"
		"   WHERE generator OPERATOR(pg_catalog.=) $1 AND block OPERATOR(pg_catalog.=) $2"
		"     AND COALESCE(saved, 0) OPERATOR(pg_catalog.<) $3"
		"   FOR UPDATE SKIP LOCKED)",
		3, {OIDOID, INT8RANGEOID, INT8OID}, NULL
	};
	Datum		values[3] = {
		ObjectIdGetDatum(block->relid),
		RangeTypePGetDatum(sg_allocation_interval(block->lo, block->hi)),
		Int64GetDatum(saved),
	};

	(void) sg_allocation_execute(&update, values, NULL);
}


/*
 * Forgetting a generator
 */

/* Delete the rows of a table whose generator, its first column, that was. */
static void
rows_forget(const char *table, const char *index_name, Oid relid)
{
	Oid			table_oid = sg_catalog_relation(table);
	Relation	rel = OidIsValid(table_oid) ? try_table_open(table_oid, AccessShareLock) : NULL;
	Oid			index;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		locked = false;

	/* an open DROP EXTENSION may win */
	if (rel == NULL)
		return;
	index = get_relname_relid(index_name, RelationGetNamespace(rel));
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, index, OidIsValid(index), NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (!locked)
			LockRelationOid(table_oid, RowExclusiveLock);
		locked = true;
		CatalogTupleDelete(rel, &tuple->t_self);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

void
sg_allocation_forget(Oid relid)
{
	rows_forget("range_holding", "range_holding_pkey", relid);
	rows_forget("range_source", "range_source_pkey", relid);
	rows_forget("range_generator", "range_generator_pkey", relid);
	rows_forget("range_allocation", "range_allocation_pkey", relid);
}
