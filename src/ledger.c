/*-------------------------------------------------------------------------
 *
 * ledger.c
 *	  Giving out blocks of a range: to nodes, and by hand.
 *
 * Promises:
 *	1. No value is given out twice, but for what was released, to those who
 *	   ask for it by name.
 *	2. What nodes are granted only grows.
 *	3. Nobody waits for a transaction that has been given a block.
 *
 * A range has a cursor, a sequence whose last_value is the largest value ever
 * given out.  The step that gives out a block takes the values behind the
 * cursor, leaps over what the ledger holds there (reservations; whatever a
 * restore has brought), moves the cursor and inserts the block's row.  The
 * cursor moves past transactions, as every sequence does; the row belongs to
 * the transaction.  So after a rollback the row is gone, the values are not
 * given out again, and they show as a hole.
 *
 * With one exception.  A node takes a block for granted only when it hears that
 * the transaction has committed.  So if that was interrupted, or the server
 * crashed, nobody knows the block, and another step may take it.  The cursor
 * remembers a position: whatever lies between it and the cursor is in a row of
 * the ledger, or nobody was told of it.  A step looks for room from there on,
 * above what the asker has had, and finds the blocks' rows, or room.  It moves
 * the position on over committed rows, never over a block under way or a gap
 * that one left.  A block whose values are seen before the commit, as that of a
 * range that is being created, is none of that kind: with it the cursor forgets
 * what lies below, as with every other way to set it.
 *
 * A heavyweight lock on the cursor as an object (not as a relation) serializes
 * steps, and is released at the step's end.  What it guards are the cursor and
 * the rows of the range, seen with a dirty snapshot, for a transaction in
 * flight may have taken a block.  Under it nobody waits for a transaction, or
 * for a standby.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "replication/logicalworker.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/multirangetypes.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "compat.h"
#include "shmem.h"
#include "catalog.h"
#include "counter.h"
#include "coordinator.h"
#include "bound.h"
#include "generator.h"
#include "sequence.h"
#include "allocation.h"
#include "hold.h"
#include "ledger.h"

/*
 * How far a node's word moves the cursor beyond the ledger: in largest blocks,
 * and as a part of what is left.
 */
#define MAX_RAISE_BLOCKS	64
#define MAX_RAISE_PART		8

/* how many blocks below the cursor a step looks at, at most */
#define MAX_LOOKS			64

/* the default of the largest block: a part of the range, and not too many */
#define DEFAULT_MAX_PARTS	64
#define DEFAULT_MAX_BLOCK	INT64CONST(1000000)

/* a range of which more than this part is given out warns */
#define WARNING_PART		0.9


/*
 * The step
 */

static void
step_lock(const SgRange *range)
{
	LockDatabaseObject(RelationRelationId, range->cursor, 0, ExclusiveLock);
}

static void
step_unlock(const SgRange *range)
{
	UnlockDatabaseObject(RelationRelationId, range->cursor, 0, ExclusiveLock);
}

/*
 * Find room for size values from lo on: less if there is a block in the way, or
 * the range ends; with whole nothing less will do.  Returns false if the range
 * has no such room, or not in that many looks; or, with whole, if more than a
 * largest block would be leapt over for it, which nobody would ever be given.
 */
static bool
find_room(const SgRange *range, int64 lo, int64 size, bool whole, int looks, SgBlock *room)
{
	int64		skipped = 0;

	for (; lo <= range->max_value && looks > 0; looks--)
	{
		int64		left = range->max_value - lo + 1;
		int64		begin = lo;
		SgBlock    *blocks;
		int			count;

		if (whole && left < size)
			return false;
		room->lo = lo;
		room->hi = lo + Min(size, left);
		blocks = sg_allocation_overlaps(range->relid, room->lo, room->hi, INT_MAX, &count);

		/* leap over what lies at lo, and look at as much behind it again */
		for (int i = 0; i < count && (whole || blocks[i].lo <= lo); i++)
		{
			skipped += Max(blocks[i].lo - lo, 0);
			lo = Max(lo, blocks[i].hi);
		}
		if (skipped > range->max_block_size)
			return false;
		if (lo == begin)
		{
			if (count > 0)
				room->hi = blocks[0].lo;
			pfree(blocks);
			return true;
		}
		pfree(blocks);
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

/*
 * What the cursor remembers with a step whose block begins at lo, if it stood at
 * last and remembered before: the position up to which committed rows cover all.
 * It may lag behind, for the next step moves it on.
 */
static int64
step_begin(const SgRange *range, int64 before, int64 last, int64 lo)
{
	bool		settled = true;

	if (before < 0)
		return lo - 1;
	for (int i = 0; i < MAX_LOOKS && before < last && settled; i++)
	{
		int			count;
		SgBlock    *blocks = sg_allocation_overlaps(range->relid, before + 1, before + 2, 1, &count);

		settled = count > 0 && !TransactionIdIsValid(blocks[0].in_flight);
		if (settled)
			before = blocks[0].hi - 1;
		pfree(blocks);
	}
	return before < last ? Min(before, lo - 1) : lo - 1;
}

/*
 * Give out a block at or above floor, under the lock; false if there is no
 * room.  The caller must flush the position before anybody hears of the block.
 */
static bool
step_take(const SgRange *range, Relation cursor, int64 floor, int64 size, bool whole,
		  bool seen, bool shared, SgBlock *block, SgLedgerState *state, XLogRecPtr *lsn)
{
	int64		before;
	int64		last = sg_sequence_get_step(cursor, &before);
	int64		from = Max(before + 1, floor);
	bool		again = before >= 0 && from <= last && !seen;

	/* the block of a step that came to nothing */
	again = again && find_room(range, from, Min(size, last - from + 1), false, MAX_LOOKS, block) &&
		block->lo <= last;

	/* what a node says it has had does not move the cursor */
	floor = shared ? range->min_value : Max(floor, range->min_value);
	if (!again && !find_room(range, Max(last + 1, floor), size, whole, INT_MAX, block))
		return false;

	/* what the own worker has had and the ledger forgot is no gap to be used */
	if (!again && floor > last + 1)
		before = -1;
	(void) sg_sequence_put_step(cursor, seen ? -1 : step_begin(range, before, last, block->lo),
								Max(last, block->hi - 1));
	*lsn = sg_hold_count(shared, state);
	block->epoch = state->epoch;
	sg_allocation_insert(block);
	return true;
}


/*
 * For nodes
 */

void
sg_ledger_answer(SgLedgerGrant *grant, const char *status, const char *message)
{
	strlcpy(grant->status, status, sizeof(grant->status));
	strlcpy(grant->message, message, sizeof(grant->message));
}

/* What the answer tells of the ledger itself. */
static void
answer_state(SgLedgerGrant *grant, const SgLedgerState *state)
{
	grant->epoch = state->epoch;
	grant->ledger = state->number;
	grant->ledger_id = state->id;
}

/* The key is known: is the block still the asker's? */
static void
answer_known(const SgBlock *request, const SgBlock *block, bool own, SgLedgerGrant *grant)
{
	if (block->state != SG_BLOCK_GRANTED)
		sg_ledger_answer(grant, "refused", "the block was reclaimed");
	else if (memcmp(&block->node, &request->node, sizeof(pg_uuid_t)) != 0 ||
			 (!own && strcmp(NameStr(block->owner), NameStr(request->owner)) != 0))
		sg_ledger_answer(grant, "refused", "the request is that of another node or role");
	else
	{
		/*
		 * the transaction that granted it may not have waited for all it
		 * should
		 */
		sg_bound_flush(sg_hold_touch());
		sg_ledger_answer(grant, "granted", "");
		grant->lo = block->lo;
		grant->hi = block->hi;
	}
}

/*
 * Look the request's key up, under the step's lock.  Returns true if the
 * request is answered; *wait_for is set if it must wait for itself.
 */
static bool
known_request(const SgBlock *request, bool own, SgBlock *block,
			  TransactionId *wait_for, SgLedgerGrant *grant)
{
	*wait_for = InvalidTransactionId;
	if (!sg_allocation_by_request(request->relid, &request->incarnation,
								  request->request, block))
		return false;
	if (!TransactionIdIsValid(block->in_flight))
		return true;
	if (block->state == SG_BLOCK_GRANTED && !block->leaving)
		*wait_for = block->in_flight;
	else
		sg_ledger_answer(grant, "wait", "the block is being reclaimed");
	return true;
}

void
sg_ledger_grant(const SgBlock *request, int64 floor, int64 size, bool own, bool seen,
				SgLedgerGrant *grant)
{
	SgBlock		block = *request;
	SgBlock		known;
	SgRange		range;
	SgHold		hold;
	SgLedgerState state;
	Relation	cursor;
	XLogRecPtr	lsn = InvalidXLogRecPtr;
	TransactionId wait_for;
	bool		is_known;
	bool		taken = false;

	sg_allocation_range_require(request->relid, &range);
	hold = sg_hold_check();
	sg_hold_state(&state);
	answer_state(grant, &state);
	if (hold != SG_HOLD_NONE)
	{
		sg_ledger_answer(grant, hold == SG_HOLD_BUSY ? "wait" : "hold", sg_hold_reason(hold));
		return;
	}
	sg_hold_require_durable();
	cursor = sg_sequence_open(range.cursor, RowExclusiveLock, true);
	if (cursor == NULL)
	{
		sg_ledger_answer(grant, "wait", "the cursor of the range is being altered");
		return;
	}

	grant->status[0] = '\0';
	size = Min(size, range.max_block_size);
	for (;;)
	{
		step_lock(&range);
		is_known = known_request(request, own, &known, &wait_for, grant);
		if (!is_known)
			taken = step_take(&range, cursor, floor, size, false, seen, !own, &block, &state, &lsn);
		step_unlock(&range);
		if (!TransactionIdIsValid(wait_for))
			break;
		XactLockTableWait(wait_for, NULL, NULL, XLTW_None);
	}
	relation_close(cursor, NoLock);

	if (is_known)
	{
		if (grant->status[0] == '\0')
			answer_known(request, &known, own, grant);
		return;
	}
	if (!taken)
	{
		sg_ledger_answer(grant, "exhausted", "all values are given out");
		return;
	}
	sg_bound_flush(lsn);
	answer_state(grant, &state);
	sg_ledger_answer(grant, "granted", "");
	grant->lo = block.lo;
	grant->hi = block.hi;
}

void
sg_ledger_grant_own(Oid generator, const pg_uuid_t *incarnation, int64 request,
					int64 floor, int64 size, const pg_uuid_t *node, bool seen,
					SgLedgerGrant *grant)
{
	SgBlock		block = {
		.relid = generator,
		.state = SG_BLOCK_GRANTED,
		.has_node = node != NULL,
		.has_key = true,
		.incarnation = *incarnation,
		.request = request,
	};

	if (node != NULL)
		block.node = *node;
	memset(grant, 0, sizeof(SgLedgerGrant));
	namestrcpy(&block.owner, GetUserNameFromId(GetUserId(), false));
	if (!sg_catalog_pin(generator))
	{
		sg_ledger_answer(grant, "wait", "the generator is being dropped");
		return;
	}
	sg_ledger_grant(&block, floor, size, true, seen, grant);
}

void
sg_ledger_raise_cursor(const SgRange *range, int64 highest)
{
	int64		end = sg_allocation_end(range->relid);
	int64		base = Max(end - 1, range->min_value - 1);
	int64		raise = (range->max_value - base) / MAX_RAISE_PART;
	Relation	cursor;
	XLogRecPtr	lsn = InvalidXLogRecPtr;

	if (range->max_block_size <= raise / MAX_RAISE_BLOCKS)
		raise = MAX_RAISE_BLOCKS * range->max_block_size;
	highest = Min(highest, base + raise);

	cursor = sg_sequence_open(range->cursor, RowExclusiveLock, true);
	if (cursor == NULL)
		return;
	step_lock(range);
	if (sg_sequence_get(cursor) < highest)
		lsn = sg_sequence_put(cursor, highest);
	step_unlock(range);
	relation_close(cursor, NoLock);
	sg_bound_flush(lsn);
}


/*
 * Who may, and on what
 */

/* Lock a range for the rest of the transaction, and read its row. */
static void
range_open(Oid relid, SgRange *range)
{
	LockRelationOid(relid, RowExclusiveLock);
	sg_allocation_range_require(relid, range);
}

static void
check_range_owner(Oid relid)
{
	if (!object_ownercheck(RelationRelationId, relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_SEQUENCE, get_rel_name(relid));
}

/* For what concerns no range in particular. */
static void
check_extension_owner(void)
{
	if (!object_ownercheck(RelationRelationId, sg_catalog_relation("range_node"), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to declare a node destroyed"),
				 errhint("Name a generator that you own, or be the owner of the extension.")));
}

static void
check_arguments(FunctionCallInfo fcinfo, int required)
{
	for (int i = 0; i < required; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d must not be null", i + 1)));
}

/* The role that a block is to belong to, from an argument that may be null. */
static void
owner_argument(FunctionCallInfo fcinfo, int argno, NameData *owner)
{
	Oid			role;

	if (PG_ARGISNULL(argno))
	{
		namestrcpy(owner, GetUserNameFromId(GetUserId(), false));
		return;
	}
	*owner = *PG_GETARG_NAME(argno);
	role = get_role_oid(NameStr(*owner), false);
	if (!has_privs_of_role(GetUserId(), role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must have the privileges of role \"%s\" to give it a block", NameStr(*owner))));
}

/* The bounds of a range argument, which must lie inside the generator's. */
static void
block_argument(FunctionCallInfo fcinfo, int argno, const SgRange *range,
			   int64 *lo, int64 *hi)
{
	RangeType  *value = PG_GETARG_RANGE_P(argno);
	TypeCacheEntry *type = lookup_type_cache(INT8RANGEOID, TYPECACHE_RANGE_INFO);
	RangeBound	lower;
	RangeBound	upper;
	bool		empty;

	if (RangeTypeGetOid(value) != INT8RANGEOID)
		elog(ERROR, "argument is no int8range");
	range_deserialize(type, value, &lower, &upper, &empty);
	if (empty || lower.infinite || upper.infinite)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a block must have a lower and an upper bound, and hold a value")));
	*lo = DatumGetInt64(lower.val);
	*hi = DatumGetInt64(upper.val);
	if (*lo < range->min_value || *hi - 1 > range->max_value)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("block [%lld,%lld) lies outside generator \"%s\"",
						(long long) *lo, (long long) *hi, get_rel_name(range->relid)),
				 errdetail("Its values lie between %lld and %lld.",
						   (long long) range->min_value, (long long) range->max_value)));
}

/* Wait for the first of blocks that a transaction in flight decides about. */
static bool
wait_for_in_flight(const SgBlock *blocks, int count)
{
	for (int i = 0; i < count; i++)
		if (TransactionIdIsValid(blocks[i].in_flight))
		{
			XactLockTableWait(blocks[i].in_flight, NULL, NULL, XLTW_None);
			return true;
		}
	return false;
}


/*
 * Creating and altering
 */

static int64
type_max(Oid type)
{
	switch (type)
	{
		case INT2OID:
			return PG_INT16_MAX;
		case INT4OID:
			return PG_INT32_MAX;
		case INT8OID:
			/* int8range could not end after 2^63 - 1 */
			return PG_INT64_MAX - 1;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("values of a range do not go into a column of type %s", format_type_be(type)),
			 errhint("The type must be smallint, integer or bigint.")));
}

static void
check_bounds(const SgRange *range, Oid type)
{
	int64		largest = type_max(type);

	if (range->min_value < 1 || range->min_value > range->max_value)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("minimum of a range must be between 1 and its maximum")));
	if (range->max_value > largest)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("maximum %lld of the range is too large for type %s",
						(long long) range->max_value, format_type_be(type)),
				 errdetail("The largest value is %lld.", (long long) largest)));
}

static void
check_sizes(const SgRange *range)
{
	int64		whole = range->max_value - range->min_value + 1;

	if (range->min_block_size < 1 || range->min_block_size > range->block_size ||
		range->block_size > range->max_block_size || range->max_block_size > whole)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sizes of blocks are out of order"),
				 errdetail("Smallest %lld, usual %lld and largest %lld must grow in this order, and lie between 1 and the range's %lld values.",
						   (long long) range->min_block_size, (long long) range->block_size,
						   (long long) range->max_block_size, (long long) whole)));
}

/*
 * A sequence whose value is 0, and whose nextval() fails from the first call
 * on.
 */
static Oid
counter_create(const RangeVar *name, int64 max_value)
{
	Oid			relid = sg_sequence_create(name, SG_COUNTER_INCREMENT, 0, max_value);
	Relation	rel = sg_sequence_open(relid, NoLock, false);

	(void) sg_sequence_put(rel, 0);
	relation_close(rel, NoLock);
	return relid;
}

static void
range_make(RangeVar *name, SgRange *range)
{
	RangeVar   *cursor;
	Oid			schema;

	range->relid = counter_create(name, range->max_value);
	schema = get_rel_namespace(range->relid);
	cursor = makeRangeVar(get_namespace_name(schema),
						  ChooseRelationName(name->relname, NULL, "cursor", schema, false), -1);
	range->cursor = counter_create(cursor, range->max_value);
	sg_sequence_depend(range->cursor, range->relid);
	sg_allocation_add_range(range);
	sg_generator_register(range->relid, SG_KIND_RANGE, NULL);
}

/* An argument, or what it defaults to. */
static int64
int8_argument(FunctionCallInfo fcinfo, int argno, int64 value)
{
	return PG_ARGISNULL(argno) ? value : PG_GETARG_INT64(argno);
}

/* IF NOT EXISTS found a relation: is it a range? */
static void
check_existing(Oid relid, const RangeVar *name)
{
	SgRange		range;

	if (!sg_allocation_range(relid, &range))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists, and is not a range", name->relname)));
	ereport(NOTICE,
			(errcode(ERRCODE_DUPLICATE_TABLE),
			 errmsg("relation \"%s\" already exists, skipping", name->relname)));
}

PG_FUNCTION_INFO_V1(sg_range_create);
Datum
sg_range_create(PG_FUNCTION_ARGS)
{
	RangeVar   *name;
	SgRange		range = {0};
	Oid			type;

	sg_shmem_require();
	check_arguments(fcinfo, 3);
	name = sg_sequence_name(PG_GETARG_TEXT_PP(0));
	if (!PG_ARGISNULL(7) && PG_GETARG_BOOL(7))
	{
		Oid			relid = RangeVarGetRelid(name, NoLock, true);

		if (OidIsValid(relid))
		{
			check_existing(relid, name);
			PG_RETURN_OID(relid);
		}
	}

	type = PG_ARGISNULL(4) ? INT8OID : PG_GETARG_OID(4);
	range.block_size = PG_GETARG_INT64(1);
	range.min_value = PG_GETARG_INT64(2);
	range.max_value = int8_argument(fcinfo, 3, type_max(type));
	check_bounds(&range, type);
	range.min_block_size = int8_argument(fcinfo, 5, range.block_size);
	range.max_block_size = int8_argument(fcinfo, 6,
										 Max(range.block_size,
											 Min(DEFAULT_MAX_BLOCK,
												 (range.max_value - range.min_value + 1) / DEFAULT_MAX_PARTS)));
	check_sizes(&range);
	range_make(name, &range);
	PG_RETURN_OID(range.relid);
}

PG_FUNCTION_INFO_V1(sg_range_alter);
Datum
sg_range_alter(PG_FUNCTION_ARGS)
{
	SgRange		range;

	check_arguments(fcinfo, 1);
	range_open(PG_GETARG_OID(0), &range);
	check_range_owner(range.relid);
	range.block_size = int8_argument(fcinfo, 1, range.block_size);
	range.min_block_size = int8_argument(fcinfo, 2, range.min_block_size);
	range.max_block_size = int8_argument(fcinfo, 3, range.max_block_size);
	check_sizes(&range);
	sg_allocation_change_range(&range);
	PG_RETURN_VOID();
}


/*
 * By hand: alloc
 */

bool
sg_ledger_is_elsewhere(Oid relid)
{
	static SgStatement select = {
		"SELECT FROM seqgen.range_source"
		" WHERE generator OPERATOR(pg_catalog.=) $1 AND ledger_id IS NOT NULL",
		1, {OIDOID}, NULL
	};
	Datum		values[1] = {ObjectIdGetDatum(relid)};

	return sg_query_execute(&select, values, NULL) > 0;
}

/* What every change of the ledger by hand needs. */
static void
prepare_change(Oid relid, const char *command)
{
	SgCoordinator coordinator;

	PreventCommandIfReadOnly(command);
	PreventCommandDuringRecovery(command);
	if (sg_coordinator_find(&coordinator))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("ranges of this database come from a coordinator"),
				 errdetail("It is named by the foreign server \"%s\".", coordinator.server),
				 errhint("Call %s there.", command)));
	if (OidIsValid(relid) && sg_ledger_is_elsewhere(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("blocks of generator \"%s\" came from a coordinator", get_rel_name(relid)),
				 errdetail("No foreign server names it any more."),
				 errhint("Call %s on the coordinator.", command)));
	sg_hold_require();
	sg_hold_require_durable();
}

static void
report_no_room(const SgRange *range, int64 last, int64 size)
{
	int64		left = range->max_value - Max(last, range->min_value - 1);

	ereport(ERROR,
			(errcode(ERRCODE_SEQUENCE_GENERATOR_LIMIT_EXCEEDED),
			 errmsg("generator \"%s\" has no room for a block of %lld values",
					get_rel_name(range->relid), (long long) size),
			 errdetail("The largest value given out is %lld, and %lld values lie above it.",
					   (long long) last, (long long) left),
			 errhint("Ask for fewer values if reserved blocks are in the way. See seqgen.range_usage for what is left; range_alloc() with within takes released blocks.")));
}

static void
warn_near_end(const SgRange *range, int64 last)
{
	double		whole = (double) range->max_value - (double) range->min_value + 1.0;
	double		given = (double) last - (double) range->min_value + 1.0;

	if (given < whole * WARNING_PART)
		return;
	ereport(WARNING,
			(errmsg("generator \"%s\" nears its end", get_rel_name(range->relid)),
			 errdetail("%.1f percent of its values are given out; %lld are left.",
					   100.0 * given / whole, (long long) (range->max_value - last))));
}

/* Take the next values. */
static void
alloc_next(const SgRange *range, int64 size, SgBlock *block)
{
	Relation	cursor = sg_sequence_open(range->cursor, RowExclusiveLock, false);
	SgLedgerState state;
	XLogRecPtr	lsn;
	bool		taken;

	step_lock(range);
	taken = step_take(range, cursor, 0, size, true, true, true, block, &state, &lsn);
	step_unlock(range);
	if (!taken)
		report_no_room(range, sg_sequence_get(cursor), size);
	relation_close(cursor, NoLock);
	sg_bound_flush(lsn);
	warn_near_end(range, block->hi - 1);
}

/*
 * Find the first run of size values in [lo, hi) that are released, in blocks
 * that may be split or joined.  Returns false if there is none.
 */
static bool
find_released(const SgBlock *blocks, int count, int64 lo, int64 hi, int64 size,
			  SgBlock *room)
{
	int64		start = lo;
	int64		end = lo;

	for (int i = 0; i < count && end - start < size; i++)
	{
		if (blocks[i].state != SG_BLOCK_RELEASED || TransactionIdIsValid(blocks[i].in_flight))
			continue;
		if (blocks[i].lo > end)
			start = blocks[i].lo;
		end = Min(blocks[i].hi, hi);
	}
	room->lo = start;
	room->hi = start + size;
	return end - start >= size;
}

/* Take released values that lie in an interval. */
static void
alloc_within(const SgRange *range, int64 lo, int64 hi, int64 size, SgBlock *block)
{
	SgBlock    *blocks;
	SgLedgerState state;
	int			count;
	bool		found;

	step_lock(range);
	blocks = sg_allocation_released(range->relid, lo, hi, &count);
	found = find_released(blocks, count, lo, hi, size, block);
	if (found)
		(void) sg_hold_count(true, &state);
	for (int i = 0; found && i < count; i++)
	{
		int64		from = Max(blocks[i].lo, block->lo);
		int64		to = Min(blocks[i].hi, block->hi);

		if (from < to)
			sg_allocation_remove(&blocks[i], from, to);
	}
	if (found)
	{
		block->epoch = state.epoch;
		sg_allocation_insert(block);
	}
	step_unlock(range);
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("generator \"%s\" has no %lld released values in a row between %lld and %lld",
						get_rel_name(range->relid), (long long) size,
						(long long) lo, (long long) hi - 1),
				 errhint("seqgen.range_allocation lists the released blocks.")));
}

PG_FUNCTION_INFO_V1(sg_range_alloc);
Datum
sg_range_alloc(PG_FUNCTION_ARGS)
{
	SgRange		range;
	SgBlock		block = {.state = SG_BLOCK_ALLOCATED};
	int64		size;

	check_arguments(fcinfo, 2);
	size = PG_GETARG_INT64(1);
	range_open(PG_GETARG_OID(0), &range);
	if (pg_class_aclcheck(range.relid, GetUserId(), ACL_USAGE) != ACLCHECK_OK &&
		pg_class_aclcheck(range.relid, GetUserId(), ACL_UPDATE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SEQUENCE, get_rel_name(range.relid));
	if (size < 1 || size > range.max_block_size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("size of a block must be between 1 and %lld", (long long) range.max_block_size),
				 errhint("range_alter() changes the largest size of the generator's blocks.")));
	block.relid = range.relid;
	owner_argument(fcinfo, 2, &block.owner);
	prepare_change(range.relid, "range_alloc()");

	if (PG_ARGISNULL(3))
		alloc_next(&range, size, &block);
	else
	{
		int64		lo;
		int64		hi;

		block_argument(fcinfo, 3, &range, &lo, &hi);
		alloc_within(&range, lo, hi, size, &block);
	}
	PG_RETURN_RANGE_P(sg_allocation_interval(block.lo, block.hi));
}


/*
 * By hand: reserve and release
 */

static void
report_overlap(const SgBlock *block, int64 lo, int64 hi)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("block [%lld,%lld) overlaps block [%lld,%lld)",
					(long long) lo, (long long) hi,
					(long long) block->lo, (long long) block->hi),
			 errdetail("That one is %s, and belongs to role \"%s\".",
					   sg_block_state_names[block->state], NameStr(block->owner)),
			 block->state == SG_BLOCK_RELEASED ?
			 errhint("Use range_alloc() with within to take what was released.") : 0));
}

PG_FUNCTION_INFO_V1(sg_range_reserve);
Datum
sg_range_reserve(PG_FUNCTION_ARGS)
{
	SgRange		range;
	SgBlock		block = {.state = SG_BLOCK_RESERVED};
	SgBlock    *blocks;
	SgLedgerState state;
	XLogRecPtr	lsn = InvalidXLogRecPtr;
	int			count;

	check_arguments(fcinfo, 2);
	range_open(PG_GETARG_OID(0), &range);
	check_range_owner(range.relid);
	block.relid = range.relid;
	block_argument(fcinfo, 1, &range, &block.lo, &block.hi);
	owner_argument(fcinfo, 2, &block.owner);
	prepare_change(range.relid, "range_reserve()");

	do
	{
		step_lock(&range);
		blocks = sg_allocation_overlaps(range.relid, block.lo, block.hi, 1, &count);
		if (count == 0)
		{
			lsn = sg_hold_count(true, &state);
			block.epoch = state.epoch;
			sg_allocation_insert(&block);
		}
		step_unlock(&range);
	} while (wait_for_in_flight(blocks, count));
	if (count > 0)
		report_overlap(&blocks[0], block.lo, block.hi);
	sg_bound_flush(lsn);
	PG_RETURN_VOID();
}

/* May [lo, hi) be released, given the blocks that it meets? */
static void
check_release(const SgRange *range, const SgBlock *blocks, int count, int64 lo, int64 hi)
{
	Oid			role;

	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("block [%lld,%lld) was not given out", (long long) lo, (long long) hi)));
	if (blocks[0].lo > lo || blocks[0].hi < hi)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("block [%lld,%lld) is not part of one block", (long long) lo, (long long) hi),
				 errdetail("It meets block [%lld,%lld).",
						   (long long) blocks[0].lo, (long long) blocks[0].hi),
				 errhint("Release block by block.")));
	if (blocks[0].state == SG_BLOCK_RELEASED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("block [%lld,%lld) is released already", (long long) lo, (long long) hi)));
	if (blocks[0].state == SG_BLOCK_GRANTED || blocks[0].state == SG_BLOCK_USED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("block [%lld,%lld) is that of a node", (long long) lo, (long long) hi),
				 errhint("Use range_reclaim() once the node is destroyed.")));

	role = get_role_oid(NameStr(blocks[0].owner), true);
	if (!(OidIsValid(role) && has_privs_of_role(GetUserId(), role)) &&
		!object_ownercheck(RelationRelationId, range->relid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to release block [%lld,%lld)", (long long) lo, (long long) hi),
				 errdetail("It belongs to role \"%s\".", NameStr(blocks[0].owner)),
				 errhint("Its role may, and the owner of the generator.")));
}

PG_FUNCTION_INFO_V1(sg_range_release);
Datum
sg_range_release(PG_FUNCTION_ARGS)
{
	SgRange		range;
	SgBlock    *blocks;
	SgLedgerState state;
	int64		lo;
	int64		hi;
	int			count;
	bool		waits;

	check_arguments(fcinfo, 2);
	range_open(PG_GETARG_OID(0), &range);
	block_argument(fcinfo, 1, &range, &lo, &hi);
	prepare_change(range.relid, "range_release()");

	do
	{
		step_lock(&range);
		blocks = sg_allocation_overlaps(range.relid, lo, hi, 2, &count);
		waits = false;
		for (int i = 0; i < count; i++)
			waits |= TransactionIdIsValid(blocks[i].in_flight);
		if (!waits)
		{
			check_release(&range, blocks, count, lo, hi);
			(void) sg_hold_count(true, &state);
			sg_allocation_change(&blocks[0], lo, hi, SG_BLOCK_RELEASED, &blocks[0].owner);
		}
		step_unlock(&range);
	} while (wait_for_in_flight(blocks, count));
	PG_RETURN_VOID();
}


/*
 * By hand: reclaim
 */

/* Note that a node is gone for good; false if it never asked. */
static bool
node_destroy(const pg_uuid_t *node)
{
	static SgStatement update = {
		"UPDATE seqgen.range_node SET destroyed = true WHERE node OPERATOR(pg_catalog.=) $1",
		1, {UUIDOID}, NULL
	};
	Datum		value = UUIDPGetDatum(node);

	return sg_allocation_execute(&update, &value, NULL) > 0;
}

/* The blocks of a node, none of them in flight, of ranges that are ours. */
static SgBlock *
node_blocks(const pg_uuid_t *node, Oid relid, int *count)
{
	SgBlock    *blocks;

	do
	{
		blocks = sg_allocation_of_node(node, relid, count);
	} while (wait_for_in_flight(blocks, *count));

	for (int i = 0; i < *count; i++)
	{
		check_range_owner(blocks[i].relid);
		if (blocks[i].relid != blocks[0].relid)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("node has blocks of several generators"),
					 errhint("Name one, as each has a value of its own that the node used last.")));
	}
	return blocks;
}

/*
 * A node that is declared destroyed is so for all generators: this takes the
 * ownership of all that it has blocks of, or of the extension.
 */
static void
check_may_destroy(const pg_uuid_t *node)
{
	int			count;
	SgBlock    *blocks = sg_allocation_of_node(node, InvalidOid, &count);

	if (count == 0)
		check_extension_owner();
	for (int i = 0; i < count; i++)
		if (!object_ownercheck(RelationRelationId, blocks[i].relid, GetUserId()))
			check_extension_owner();
}

/* Is it the name of this database's own worker? */
static bool
node_is_ours(const pg_uuid_t *node)
{
	static SgStatement select = {
		"SELECT FROM seqgen.range_identity WHERE node OPERATOR(pg_catalog.=) $1",
		1, {UUIDOID}, NULL
	};
	Datum		values[1] = {UUIDPGetDatum(node)};

	return sg_query_execute(&select, values, NULL) > 0;
}

/* Free the values above the last used one; the freed blocks go into a multirange. */
static MultirangeType *
blocks_reclaim(const SgBlock *blocks, int count, int64 used_up_to)
{
	RangeType **freed = palloc(sizeof(RangeType *) * Max(count, 1));
	int			nfreed = 0;

	for (int i = 0; i < count; i++)
	{
		int64		free_from = blocks[i].lo;

		if (blocks[i].has_saved && blocks[i].saved > used_up_to &&
			blocks[i].saved < blocks[i].hi)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("node has used more than that"),
					 errdetail("Of block [%lld,%lld) it reported values up to %lld as given out.",
							   (long long) blocks[i].lo, (long long) blocks[i].hi,
							   (long long) blocks[i].saved)));
		if (used_up_to >= blocks[i].lo)
			free_from = used_up_to >= blocks[i].hi ? blocks[i].hi : used_up_to + 1;
		if (free_from < blocks[i].hi)
			freed[nfreed++] = sg_allocation_interval(free_from, blocks[i].hi);
		sg_allocation_reclaim(&blocks[i], free_from);
	}
	return make_multirange(INT8MULTIRANGEOID,
						   lookup_type_cache(INT8RANGEOID, TYPECACHE_RANGE_INFO),
						   nfreed, freed);
}

PG_FUNCTION_INFO_V1(sg_range_reclaim);
Datum
sg_range_reclaim(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *node;
	Oid			relid = PG_ARGISNULL(2) ? InvalidOid : PG_GETARG_OID(2);
	SgRange		range;
	SgBlock    *blocks;
	SgLedgerState state;
	int			count;
	bool		known;

	check_arguments(fcinfo, 2);
	node = PG_GETARG_UUID_P(0);
	if (PG_ARGISNULL(3) || !PG_GETARG_BOOL(3))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("blocks are reclaimed of destroyed nodes only"),
				 errdetail("A node that still runs, or comes back, would go on with its block."),
				 errhint("Make sure that it is gone for good, and pass node_is_destroyed => true.")));
	if (OidIsValid(relid))
	{
		range_open(relid, &range);
		check_range_owner(relid);
	}
	prepare_change(relid, "range_reclaim()");
	if (node_is_ours(node))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the node is this database itself")));

	blocks = node_blocks(node, relid, &count);
	if (count > 0)
		LockRelationOid(blocks[0].relid, RowExclusiveLock);
	check_may_destroy(node);
	known = node_destroy(node);
	if (!known && count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("node %s is not known here", DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(node)))),
				 errhint("seqgen.range_node lists the nodes that asked for blocks.")));
	(void) sg_hold_count(true, &state);
	PG_RETURN_MULTIRANGE_P(blocks_reclaim(blocks, count, PG_GETARG_INT64(1)));
}


/*
 * What the views ask
 */

PG_FUNCTION_INFO_V1(sg_range_cursor);
Datum
sg_range_cursor(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	SgRange		range;
	Relation	rel;
	int64		value;

	if (!sg_allocation_range(relid, &range) || get_rel_name(relid) == NULL)
		PG_RETURN_NULL();
	if (!object_ownercheck(RelationRelationId, relid, GetUserId()) &&
		!has_privs_of_role(GetUserId(), ROLE_PG_MONITOR))
		PG_RETURN_NULL();
	rel = try_relation_open(range.cursor, AccessShareLock);
	if (rel == NULL)
		PG_RETURN_NULL();
	value = sg_sequence_get(rel);
	relation_close(rel, AccessShareLock);
	PG_RETURN_INT64(value);
}


/*
 * Guards of the tables
 */

/* A row of seqgen.range_generator that a restore brings. */
static bool
guard_new_range(HeapTuple tuple, TupleDesc desc)
{
	SgRange		range;
	SgRange		old;

	sg_allocation_range_from_row(tuple, desc, &range);
	if (!OidIsValid(range.relid) || !OidIsValid(range.cursor))
		return false;

	/* a dump goes into a database that has the row */
	if (sg_allocation_range(range.relid, &old) && old.cursor == range.cursor)
		return false;
	relation_close(sg_sequence_open(range.relid, RowExclusiveLock, false), NoLock);
	relation_close(sg_sequence_open(range.cursor, RowExclusiveLock, false), NoLock);
	sg_sequence_depend(range.cursor, range.relid);
	return true;
}

/*
 * Is there a row already with the key of one that comes from outside, as from a
 * dump that goes where it came from?
 */
static bool
row_is_there(const char *table, HeapTuple tuple, TupleDesc desc)
{
	static SgStatement source = {
		"SELECT FROM seqgen.range_source WHERE generator OPERATOR(pg_catalog.=) $1",
		1, {OIDOID}, NULL
	};
	static SgStatement node = {
		"SELECT FROM seqgen.range_node WHERE node OPERATOR(pg_catalog.=) $1",
		1, {UUIDOID}, NULL
	};
	bool		isnull;
	Datum		key = heap_getattr(tuple, 1, desc, &isnull);

	/* that is for the constraint to say */
	if (isnull)
		return false;
	if (strcmp(table, "range_source") == 0)
		return sg_query_execute(&source, &key, NULL) > 0;
	return strcmp(table, "range_node") == 0 && sg_query_execute(&node, &key, NULL) > 0;
}

PG_FUNCTION_INFO_V1(sg_range_guard);
Datum
sg_range_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	const char *table;

	if (!CALLED_AS_TRIGGER(fcinfo))
		sg_catalog_check_trigger(fcinfo, "range_generator");
	table = RelationGetRelationName(trigger->tg_relation);
	sg_catalog_check_trigger(fcinfo, table);
	sg_catalog_refuse_truncate(trigger, "Its rows go with the generators and nodes that they are about.");

	/* a publication of all tables brings the publisher's rows along */
	if (IsLogicalWorker())
		PG_RETURN_POINTER(NULL);

	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event) &&
		strcmp(table, "range_generator") == 0 && !sg_allocation_is_changing() &&
		!guard_new_range(trigger->tg_trigtuple, RelationGetDescr(trigger->tg_relation)))
		PG_RETURN_POINTER(NULL);
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event) && !sg_allocation_is_changing() &&
		row_is_there(table, trigger->tg_trigtuple, RelationGetDescr(trigger->tg_relation)))
		PG_RETURN_POINTER(NULL);
	PG_RETURN_POINTER(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
					  trigger->tg_newtuple : trigger->tg_trigtuple);
}

PG_FUNCTION_INFO_V1(sg_range_allocation_guard);
Datum
sg_range_allocation_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	sg_catalog_check_trigger(fcinfo, "range_allocation");
	sg_catalog_refuse_truncate(trigger, "The ledger is never emptied; range_release() gives blocks back.");

	/* a publication of all tables brings the publisher's rows along */
	if (IsLogicalWorker())
		PG_RETURN_POINTER(NULL);

	if (sg_allocation_is_changing())
		PG_RETURN_POINTER(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
						  trigger->tg_newtuple : trigger->tg_trigtuple);
	if (!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot change or delete rows of the ledger"),
				 errhint("Use range_release() and range_reclaim(); DROP SEQUENCE of a generator removes its rows.")));

	/* a dump that left the sequence out, or that goes where it came from */
	if (!sg_allocation_is_new(trigger->tg_trigtuple, RelationGetDescr(trigger->tg_relation)))
		PG_RETURN_POINTER(NULL);
	sg_hold_note_foreign_row(sg_allocation_is_manual(trigger->tg_trigtuple,
													 RelationGetDescr(trigger->tg_relation)));
	PG_RETURN_POINTER(trigger->tg_trigtuple);
}
