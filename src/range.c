/*-------------------------------------------------------------------------
 *
 * range.c
 *	  Ranges: drawing values from the blocks of this node.
 *
 * A value costs one atomic step in shared memory (counter.c).  A session that
 * finds no block waits for the background worker (supply.c) to bring one, for
 * seqgen.range_timeout at most; it never talks to the coordinator itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "guc.h"
#include "shmem.h"
#include "clock.h"
#include "bound.h"
#include "slot.h"
#include "counter.h"
#include "generator.h"
#include "block.h"
#include "worker.h"
#include "holding.h"
#include "supply.h"

/* the most values of one call of range_nextvals */
#define MAX_NEXTVALS	10000000

/* how long to sleep before looking again at whether the worker runs, in ms */
#define WAIT_STEP		500


/*
 * Waiting for a block
 */

static void
report_exhausted(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_SEQUENCE_GENERATOR_LIMIT_EXCEEDED),
			 errmsg("generator \"%s\" has no values left in its range", get_rel_name(relid)),
			 errhint("See seqgen.range_usage on its coordinator.")));
}

static void
report_stopped(Oid relid, const SgBlocks *blocks)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("generator \"%s\" is stopped", get_rel_name(relid)),
			 errdetail_internal("%s", blocks->message),
			 errhint("Find out why; then seqgen.range_restart() takes the generator up again.")));
}

static void
report_no_worker(Oid relid, const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("generator \"%s\" got no block", get_rel_name(relid)),
			 errdetail("The background worker could not be started: %s.", reason),
			 errhint("Increase max_worker_processes.")));
}

static void
report_timeout(Oid relid, const SgBlocks *blocks)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("generator \"%s\" got no block within %d ms", get_rel_name(relid), sg_range_timeout),
			 blocks->message[0] != '\0' ?
			 errdetail("The background worker reports: %s", blocks->message) :
			 sg_worker_pid() == 0 ?
			 errdetail("The background worker does not run yet.") :
			 errdetail("The background worker is at work."),
			 errhint("seqgen.range_timeout sets how long to wait.")));
}

/* Does the generator have something to take from? */
static bool
has_supply(SgSlot *slot, const SgBlocks *blocks, int64 last)
{
	return (pg_atomic_read_u64(&slot->last) & SG_SLOT_CLOSED) == 0 &&
		(blocks->next_hi != 0 || last < blocks->hi - 1);
}

/* Wait until the worker has brought a block. */
static void
range_wait(Oid relid)
{
	static uint32 wait_event = 0;
	SgSlot	   *slot = sg_slot_find(relid);
	int64		deadline = sg_clock_elapsed() + (int64) sg_range_timeout * 1000;
	const char *reason;

	if (wait_event == 0)
		wait_event = WaitEventExtensionNew("SeqgenRangeBlock");
	if (slot == NULL)
		return;
	pg_atomic_fetch_add_u64(&slot->waits, 1);
	ConditionVariablePrepareToSleep(&slot->supplied);
	for (;;)
	{
		SgBlocks	blocks;
		int64		last;
		int64		left = deadline - sg_clock_elapsed();

		if (!sg_counter_blocks(relid, &blocks, &last) || has_supply(slot, &blocks, last))
			break;
		reason = sg_worker_wake();
		if (blocks.supply == SG_SUPPLY_EXHAUSTED)
			report_exhausted(relid);
		if (blocks.supply == SG_SUPPLY_STOPPED)
			report_stopped(relid, &blocks);
		if (reason != NULL)
			report_no_worker(relid, reason);
		if (left <= 0)
			report_timeout(relid, &blocks);
		(void) ConditionVariableTimedSleep(&slot->supplied,
										   (long) Min(left / 1000 + 1, WAIT_STEP), wait_event);
	}
	ConditionVariableCancelSleep();
}

/* Was the generator made by this very transaction, so that only we see it? */
static bool
range_is_new(Oid relid)
{
	Relation	rel = relation_open(relid, NoLock);
	SgCommitted committed;
	SgStorage	storage = sg_bound_storage(rel, &committed);

	relation_close(rel, NoLock);
	return storage == SG_STORAGE_CREATED;
}

/*
 * The next values, up to wanted of them in a row; at least one.
 */
static int64
range_next(SgGenerator *generator, Oid relid, int64 wanted, int64 *first)
{
	int64		count;

	while (unlikely((count = sg_generator_next_counted(generator, wanted, first)) == 0))
	{
		CHECK_FOR_INTERRUPTS();
		if (range_is_new(relid))
			sg_supply_new_generator(relid);
		else
			range_wait(relid);
	}
	return count;
}


/*
 * SQL functions
 */

PG_FUNCTION_INFO_V1(sg_range_nextval);
Datum
sg_range_nextval(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	SgGenerator *generator = sg_generator_get(relid, SG_KIND_RANGE);
	int64		value;

	(void) range_next(generator, relid, 1, &value);
	sg_generator_set_currval(generator, value);
	PG_RETURN_INT64(value);
}

/* What is left of the values that one step took. */
typedef struct Nextvals
{
	int64		next;
	int64		left;
} Nextvals;

PG_FUNCTION_INFO_V1(sg_range_nextvals);
Datum
sg_range_nextvals(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	FuncCallContext *funcctx;
	Nextvals   *values;
	SgGenerator *generator;

	if (SRF_IS_FIRSTCALL())
	{
		int32		n = PG_GETARG_INT32(1);

		if (n < 1 || n > MAX_NEXTVALS)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("number of values must be between 1 and %d", MAX_NEXTVALS)));
		funcctx = SRF_FIRSTCALL_INIT();
		funcctx->max_calls = n;
		funcctx->user_fctx = MemoryContextAllocZero(funcctx->multi_call_memory_ctx,
													sizeof(Nextvals));
	}

	funcctx = SRF_PERCALL_SETUP();
	if (funcctx->call_cntr >= funcctx->max_calls)
		SRF_RETURN_DONE(funcctx);

	generator = sg_generator_get(relid, SG_KIND_RANGE);
	values = funcctx->user_fctx;
	if (values->left == 0)
		values->left = range_next(generator, relid, funcctx->max_calls - funcctx->call_cntr,
								  &values->next);
	sg_generator_set_currval(generator, values->next);
	values->left--;
	SRF_RETURN_NEXT(funcctx, Int64GetDatum(values->next++));
}

PG_FUNCTION_INFO_V1(sg_range_currval);
Datum
sg_range_currval(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(sg_generator_currval(PG_GETARG_OID(0), SG_KIND_RANGE));
}

PG_FUNCTION_INFO_V1(sg_range_restart);
Datum
sg_range_restart(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	SgCatalogGenerator row;

	sg_shmem_require();
	sg_catalog_generator_require(relid, &row);
	if (!object_ownercheck(RelationRelationId, relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_SEQUENCE, get_rel_name(relid));
	if (row.kind != SG_KIND_RANGE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("generator \"%s\" is of kind %s, not %s", get_rel_name(relid),
						sg_kind_names[row.kind], sg_kind_names[SG_KIND_RANGE])));
	PreventCommandIfReadOnly("seqgen.range_restart()");
	sg_supply_restart(relid);
	PG_RETURN_VOID();
}


/*
 * What the view seqgen.range_block shows
 */

static const char *const supply_names[] = {
	[SG_SUPPLY_UNKNOWN] = "loading",
	[SG_SUPPLY_SOUND] = "sound",
	[SG_SUPPLY_WAITING] = "waiting",
	[SG_SUPPLY_EXHAUSTED] = "exhausted",
	[SG_SUPPLY_STOPPED] = "stopped",
};

/* Columns of seqgen.range_block_state(). */
#define BLOCK_STATE_COLUMNS		10

static void
put_block_state(ReturnSetInfo *rsinfo, Oid relid, const SgBlocks *blocks, int64 last, int64 saved)
{
	int64		left = (blocks->hi - 1 - last) + (blocks->next_hi - blocks->next_lo);
	int64		elapsed = sg_clock_elapsed() - blocks->entered_at;
	bool		has_block = blocks->hi != 0;
	bool		has_next = blocks->next_hi != 0;
	Datum		values[BLOCK_STATE_COLUMNS] = {
		ObjectIdGetDatum(relid),
		Int64GetDatum(blocks->lo),
		Int64GetDatum(blocks->hi),
		Int64GetDatum(blocks->next_lo),
		Int64GetDatum(blocks->next_hi),
		Int64GetDatum(last),
		Int64GetDatum(saved),
		Int64GetDatum(sg_block_seconds_left(left, last - blocks->entered_last, elapsed)),
		CStringGetTextDatum(supply_names[blocks->supply]),
		CStringGetTextDatum(blocks->message),
	};
	bool		nulls[BLOCK_STATE_COLUMNS] = {
		false, !has_block, !has_block, !has_next, !has_next, !has_block, !has_block,
		!has_block || last <= blocks->entered_last, false, blocks->message[0] == '\0',
	};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(sg_range_block_state);
Datum
sg_range_block_state(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *relids;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	if (!sg_shmem_ready())
		return (Datum) 0;
	relids = sg_slot_relids(SG_KIND_RANGE);
	foreach(cell, relids)
	{
		Oid			relid = lfirst_oid(cell);
		SgBlocks	blocks;
		SgSlot	   *slot;
		int64		last;
		int64		saved = 0;

		if (!sg_counter_blocks(relid, &blocks, &last))
			continue;
		slot = sg_slot_lock(relid);
		if (slot != NULL)
			saved = (int64) pg_atomic_read_u64(&slot->bound);
		sg_slot_unlock();
		put_block_state(rsinfo, relid, &blocks, last, saved);
	}
	return (Datum) 0;
}
