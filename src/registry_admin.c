/*-------------------------------------------------------------------------
 *
 * registry_admin.c
 *	  Node numbers: what the DBA of a coordinator does with them.
 *
 * A number is taken from its holder no earlier than at the end of its window,
 * and changed under its lock, as registry.c does.  Nothing here waits for a
 * node that is being served: it is an error then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "clock.h"
#include "catalog.h"
#include "allocation.h"
#include "hold.h"
#include "registry_row.h"

/* the longest name, as the table's CHECK says */
#define MAX_NAME		64

static void
check_extension_owner(const char *action)
{
	Oid			table = sg_catalog_relation("node");

	if (!OidIsValid(table) || !object_ownercheck(RelationRelationId, table, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to %s", action),
				 errhint("Only the owner of the extension may.")));
}

/*
 * The row that arguments name, its number locked; those from next on are bits
 * and datacenter, which may be null if there is but one row with the number.
 */
static void
row_argument(FunctionCallInfo fcinfo, int next, SgNodeRow *row)
{
	int			number = PG_GETARG_INT32(0);
	int			count = 0;
	ListCell   *lc;

	foreach(lc, sg_registry_read_all(number))
	{
		SgNodeRow  *candidate = lfirst(lc);

		if ((!PG_ARGISNULL(next) && PG_GETARG_INT32(next) != candidate->pool.bits) ||
			(!PG_ARGISNULL(next + 1) && PG_GETARG_INT32(next + 1) != candidate->pool.datacenter))
			continue;
		*row = *candidate;
		count++;
	}
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("node number %d was never given", number),
				 errhint("seqgen.nodes lists the numbers.")));
	if (count > 1)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_PARAMETER),
				 errmsg("there are %d node numbers %d", count, number),
				 errhint("Pass bits and datacenter as seqgen.nodes lists them.")));
	if (!sg_registry_lock_number(&row->pool, row->number) ||
		!sg_registry_read(&row->pool, row->number, row))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not change node number %d", number),
				 errdetail("Its node is being served, or somebody else changes it.")));
}

static void
check_changed(bool changed, const SgNodeRow *row)
{
	if (!changed)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not change node number %d", row->number),
				 errdetail("Its row in seqgen.node is locked.")));
}

static void
check_number_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("node number must not be null")));
}

PG_FUNCTION_INFO_V1(sg_node_release);
Datum
sg_node_release(PG_FUNCTION_ARGS)
{
	SgNodeRow	row;
	SgLedgerState state;
	int64		now = sg_clock_now();

	check_extension_owner("release node numbers");
	PreventCommandIfReadOnly("seqgen.node_release()");
	PreventCommandDuringRecovery("seqgen.node_release()");
	check_number_argument(fcinfo);
	row_argument(fcinfo, 1, &row);
	if (!row.released)
	{
		sg_hold_require_durable();
		row.generation = sg_hold_lease_count(now, 0, &state);
		if (row.pool.bits == 0)
			row.until = Max(Min(row.until, now), row.from + 1);
		check_changed(sg_registry_release(&row), &row);
	}
	if (row.pool.bits > 0)
		row.until += sg_max_node_skew * USECS_PER_SEC;
	PG_RETURN_TIMESTAMPTZ(sg_unix_to_timestamp(row.until));
}

PG_FUNCTION_INFO_V1(sg_node_rename);
Datum
sg_node_rename(PG_FUNCTION_ARGS)
{
	SgNodeRow	row;

	check_extension_owner("rename node numbers");
	PreventCommandIfReadOnly("seqgen.node_rename()");
	PreventCommandDuringRecovery("seqgen.node_rename()");
	check_number_argument(fcinfo);
	row_argument(fcinfo, 2, &row);
	row.name = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (row.name != NULL && (row.name[0] == '\0' || strlen(row.name) > MAX_NAME))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of a node must have between 1 and %d bytes", MAX_NAME)));
	check_changed(sg_registry_rename(&row), &row);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(sg_node_resume);
Datum
sg_node_resume(PG_FUNCTION_ARGS)
{
	SgLedgerState state;
	int64		now = sg_clock_now();

	check_extension_owner("end the hold of node numbers");
	PreventCommandIfReadOnly("seqgen.node_resume()");
	PreventCommandDuringRecovery("seqgen.node_resume()");
	sg_hold_lease_check(now, &state);
	if (now >= state.lease_hold_until)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("coordinator does not hold node numbers back")));
	sg_hold_lease_resume(now);
	PG_RETURN_VOID();
}

/* What the view shows; takes nothing up, and works in recovery. */
PG_FUNCTION_INFO_V1(sg_node_hold);
Datum
sg_node_hold(PG_FUNCTION_ARGS)
{
	SgLedgerState state;
	TupleDesc	desc;
	int64		now = sg_clock_now();
	Datum		values[2];
	bool		nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	sg_hold_lease_foresee(now, &state);
	values[0] = BoolGetDatum(now < state.lease_hold_until);
	nulls[1] = now >= state.lease_hold_until;
	values[1] = TimestampTzGetDatum(sg_unix_to_timestamp(state.lease_hold_until));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

PG_FUNCTION_INFO_V1(sg_node_guard);
Datum
sg_node_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	const char *table = "node";

	if (CALLED_AS_TRIGGER(fcinfo) &&
		strcmp(RelationGetRelationName(trigger->tg_relation), "node_history") == 0)
		table = "node_history";
	sg_catalog_check_trigger(fcinfo, table);
	sg_catalog_refuse_truncate(trigger, "The registry of node numbers is never emptied.");

	/* a publication of all tables brings the publisher's rows along */
	if (IsLogicalWorker())
		PG_RETURN_POINTER(NULL);
	if (!sg_allocation_is_changing())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot change rows of seqgen.%s", table),
				 errhint("Use seqgen.node_release() and seqgen.node_rename().")));
	PG_RETURN_POINTER(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
					  trigger->tg_newtuple : trigger->tg_trigtuple);
}
