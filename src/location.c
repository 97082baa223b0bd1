/*-------------------------------------------------------------------------
 *
 * location.c
 *	  Where ids were drawn, by the registry of node numbers.
 *
 * seqgen.node_history has a row for each time a number was given to somebody,
 * with the location of the server; the id's number and time find the row.  It
 * is read by index, as the catalog is, so that everybody can, also in parallel
 * workers.  A number that was never registered may still be this server's own.
 *
 * A statement mostly reads many ids of few servers.  So it keeps what it found
 * with the span of time for which that holds: the rest are found there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "guc.h"
#include "shmem.h"
#include "clock.h"
#include "catalog.h"
#include "slot.h"
#include "node.h"
#include "location.h"

/* what is kept, by number */
#define KEPT	64

/* From a row to the next one of the number; times are timestamps. */
typedef struct Tenure
{
	SgPool		pool;			/* 0 bits for a number set by hand, -1 if
								 * unused */
	int64		number;
	TimestampTz from;
	TimestampTz until;
	bool		registered;		/* else nobody was known to have it */
	char	   *location;		/* of a registered one; NULL for none */
} Tenure;

struct SgLocationLookup
{
	MemoryContext context;
	TimestampTz statement;		/* when it began; 0 if there was none */
	Oid			history;		/* the table; InvalidOid if it has no rows */
	Oid			index;
	AttrNumber	bits;			/* its columns */
	AttrNumber	datacenter;
	AttrNumber	number;
	AttrNumber	valid_from;
	AttrNumber	valid_until;
	AttrNumber	location;
	SgPool		own_pool;		/* 0 bits until it was looked at */
	SgLease		own;			/* number of this server in that pool */
	Tenure		kept[KEPT];
};

/* Find the table, unless there is nothing in it. */
static void
find_history(SgLocationLookup *lookup)
{
	Oid			relid = sg_catalog_relation("node_history");
	Relation	rel = OidIsValid(relid) ? try_table_open(relid, AccessShareLock) : NULL;

	if (rel == NULL)
		return;
	lookup->index = get_relname_relid("node_history_number", RelationGetNamespace(rel));
	lookup->bits = get_attnum(relid, "bits");
	lookup->datacenter = get_attnum(relid, "datacenter");
	lookup->number = get_attnum(relid, "number");
	lookup->valid_from = get_attnum(relid, "valid_from");
	lookup->valid_until = get_attnum(relid, "valid_until");
	lookup->location = get_attnum(relid, "location");
	if (OidIsValid(lookup->index) && RelationGetNumberOfBlocks(rel) > 0)
		lookup->history = relid;
	table_close(rel, AccessShareLock);
}

SgLocationLookup *
sg_location_create(MemoryContext context)
{
	SgLocationLookup *lookup = MemoryContextAllocZero(context, sizeof(SgLocationLookup));

	lookup->context = context;
	return lookup;
}

/* Forget what an earlier statement found: the caller may outlive it. */
static void
begin_statement(SgLocationLookup *lookup)
{
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	if (lookup->statement == statement)
		return;
	for (int i = 0; i < KEPT; i++)
	{
		if (lookup->kept[i].location != NULL)
			pfree(lookup->kept[i].location);
		lookup->kept[i].location = NULL;
		lookup->kept[i].pool.bits = -1;
	}
	lookup->own_pool.bits = 0;
	lookup->history = InvalidOid;
	find_history(lookup);
	lookup->statement = statement;
}

static TimestampTz
field_time(HeapTuple tuple, AttrNumber column, TupleDesc desc, TimestampTz if_null)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return isnull ? if_null : DatumGetTimestampTz(value);
}

/* Rows of a number by the time at which they begin; the scan changes its keys. */
static SysScanDesc
begin_scan(const SgLocationLookup *lookup, Relation rel, Relation index, const Tenure *tenure,
		   StrategyNumber strategy, RegProcedure procedure, TimestampTz moment)
{
	ScanKeyData keys[4];

	ScanKeyInit(&keys[0], lookup->bits, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum((int16) tenure->pool.bits));
	ScanKeyInit(&keys[1], lookup->datacenter, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(tenure->pool.datacenter));
	ScanKeyInit(&keys[2], lookup->number, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum((int32) tenure->number));
	ScanKeyInit(&keys[3], lookup->valid_from, strategy, procedure, TimestampTzGetDatum(moment));
	return systable_beginscan_ordered(rel, index, NULL, 4, keys);
}

/* The row before a moment, or at it, and the beginning of the one after it. */
static void
read_history(SgLocationLookup *lookup, Relation rel, Relation index,
			 TimestampTz moment, Tenure *tenure)
{
	TupleDesc	desc = RelationGetDescr(rel);
	SysScanDesc scan;
	HeapTuple	tuple;
	TimestampTz until;
	Datum		location;
	bool		isnull;

	scan = begin_scan(lookup, rel, index, tenure, BTGreaterStrategyNumber, F_TIMESTAMPTZ_GT, moment);
	tuple = systable_getnext_ordered(scan, ForwardScanDirection);
	if (HeapTupleIsValid(tuple))
		tenure->until = field_time(tuple, lookup->valid_from, desc, DT_NOEND);
	systable_endscan_ordered(scan);

	scan = begin_scan(lookup, rel, index, tenure, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE, moment);
	tuple = systable_getnext_ordered(scan, BackwardScanDirection);
	if (HeapTupleIsValid(tuple))
	{
		tenure->from = field_time(tuple, lookup->valid_from, desc, DT_NOBEGIN);
		until = field_time(tuple, lookup->valid_until, desc, DT_NOEND);
		tenure->registered = moment < until;
		if (tenure->registered)
			tenure->until = Min(tenure->until, until);
		else
			tenure->from = until;
		location = heap_getattr(tuple, lookup->location, desc, &isnull);
		if (tenure->registered && !isnull && VARSIZE_ANY_EXHDR(DatumGetTextPP(location)) > 0)
			tenure->location = MemoryContextStrdup(lookup->context, TextDatumGetCString(location));
	}
	systable_endscan_ordered(scan);
}

/* Who had a number at a moment? */
static const Tenure *
find_tenure(SgLocationLookup *lookup, const SgPool *pool, int64 number, TimestampTz moment)
{
	Tenure	   *tenure = &lookup->kept[number % KEPT];
	Relation	rel;
	Relation	index;

	if (tenure->pool.bits == pool->bits && tenure->pool.datacenter == pool->datacenter &&
		tenure->number == number && moment >= tenure->from && moment < tenure->until)
		return tenure;

	if (tenure->location != NULL)
		pfree(tenure->location);
	memset(tenure, 0, sizeof(Tenure));
	tenure->pool = *pool;
	tenure->number = number;
	tenure->from = DT_NOBEGIN;
	tenure->until = DT_NOEND;

	/* the extension may be dropped under our hands */
	rel = OidIsValid(lookup->history) ? try_table_open(lookup->history, AccessShareLock) : NULL;
	if (rel == NULL)
		return tenure;
	index = index_open(lookup->index, AccessShareLock);
	read_history(lookup, rel, index, moment, tenure);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return tenure;
}

/* Note the lease that a slot of the pool has. */
static void
visit_own(SgSlot *slot, void *arg)
{
	SgLocationLookup *lookup = arg;
	SgPool		pool;
	SgLease		lease;
	uint32		serial;

	if (sg_kind_is_counter(slot->kind) || !sg_node_pool(&slot->layout, &pool) ||
		pool.bits != lookup->own_pool.bits || pool.datacenter != lookup->own_pool.datacenter)
		return;
	sg_slot_get_lease(slot, &lease, &serial);
	if (lease.number != 0)
		lookup->own = lease;
}

/* The number of this server in a pool, as far as that is known here. */
static void
find_own(SgLocationLookup *lookup, const SgPool *pool)
{
	char	   *database;
	const char *problem;
	int			number;

	if (lookup->own_pool.bits == pool->bits && lookup->own_pool.datacenter == pool->datacenter)
		return;
	lookup->own_pool = *pool;
	memset(&lookup->own, 0, sizeof(SgLease));
	sg_slot_visit(visit_own, lookup);
	if (lookup->own.number != 0)
		return;

	/* one that was set is known before any generator is loaded */
	database = get_database_name(MyDatabaseId);
	if (database != NULL && sg_node_id_parse(sg_node_id, database, &number, &problem))
	{
		lookup->own.number = number;
		lookup->own.until = PG_INT64_MAX;
	}
}

/* Is a number that nobody was registered with at a time (us) this server's own? */
static bool
is_own(SgLocationLookup *lookup, const SgLayout *layout, const SgPool *pool,
	   int64 number, int64 time)
{
	if (!sg_shmem_ready() || !sg_location.given ||
		(layout->datacenter_bits > 0 && pool->datacenter != sg_location.datacenter))
		return false;
	find_own(lookup, pool);
	return number == lookup->own.number &&
		time >= lookup->own.from && time < lookup->own.until;
}

const char *
sg_location_find(SgLocationLookup *lookup, const SgLayout *layout, const SgFields *fields)
{
	int			bits = layout->node_bits - layout->datacenter_bits;
	int64		number = fields->node & sg_layout_max_number(layout);
	int64		time = sg_layout_us(layout, fields->time);
	SgPool		pool = {bits, layout->datacenter_bits > 0 ? (int) (fields->node >> bits) : -1};
	SgPool		by_hand = {0, -1};
	const Tenure *tenure;

	if (number == 0)
		return NULL;
	begin_statement(lookup);
	tenure = find_tenure(lookup, number <= sg_layout_max_own_node(layout) ? &by_hand : &pool,
						 number, sg_unix_to_timestamp(time));
	if (tenure->registered)
		return tenure->location;
	return is_own(lookup, layout, &pool, number, time) ? sg_location_text : NULL;
}
