/*-------------------------------------------------------------------------
 *
 * request.c
 *	  What a coordinator answers to nodes.
 *
 * One function, one statement, one row: a node asks for a block, or reports on
 * one.  Whatever it says is checked, as it may be a copy of another node, or
 * no node at all.  A node is known by a number of its own (a uuid), which only
 * its login role may use, and by the identity of its server, which tells a
 * copy from the original.
 *
 * Nothing here waits for anybody's open transaction, but for the node's own
 * earlier request: what is locked is skipped, or answered with "wait".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "clock.h"
#include "catalog.h"
#include "coordinator.h"
#include "sequence.h"
#include "allocation.h"
#include "hold.h"
#include "ledger.h"

/* columns of seqgen.range_node */
#define Anum_node_node			1
#define Anum_node_role			2
#define Anum_node_identity		3
#define Anum_node_running		4
#define Anum_node_last_seen		7
#define Anum_node_destroyed		8

/* the longest identity that is taken, as the table's CHECK says */
#define MAX_IDENTITY	200

/* reports that may be missing until another incarnation takes a node over */
#define MISSED_REPORTS	3

typedef struct Request
{
	SgBlock		block;			/* range, node, role and, if has_key, key */
	int64		size;			/* 0 for a report */
	pg_uuid_t	running;		/* the incarnation that asks */
	char	   *identity;
	int64		highest;		/* value that the node has seen, or 0 */
	int64		epoch;
	int64		ledger;
	int64		saved;			/* position in the block, or 0 */
} Request;


/*
 * Identities
 */

#define IDENTITY_PARTS		5

enum
{
	IDENTITY_SYSTEM,
	IDENTITY_TIMELINE,
	IDENTITY_DATABASE,
	IDENTITY_FILE,
	IDENTITY_BOOT,
};

typedef struct Identity
{
	const char *part[IDENTITY_PARTS];
	size_t		length[IDENTITY_PARTS];
} Identity;

/* Split at the slashes; false if there are not as many parts as there should be. */
static bool
identity_split(const char *text, Identity *identity)
{
	const char *p = text;

	for (int i = 0; i < IDENTITY_PARTS; i++)
	{
		identity->part[i] = p;
		identity->length[i] = strcspn(p, "/");
		p += identity->length[i];
		if (identity->length[i] == 0 || *p != (i == IDENTITY_PARTS - 1 ? '\0' : '/'))
			return false;
		p++;
	}
	return true;
}

static bool
part_equal(const Identity *a, const Identity *b, int part)
{
	return a->length[part] == b->length[part] &&
		memcmp(a->part[part], b->part[part], a->length[part]) == 0;
}

/* Do two identities differ in nothing but the boot? */
static bool
identity_rebooted(const Identity *a, const Identity *b)
{
	for (int i = 0; i < IDENTITY_PARTS; i++)
		if (part_equal(a, b, i) != (i != IDENTITY_BOOT))
			return false;
	return true;
}

/* Is it this database's own? */
static bool
identity_is_ours(const Identity *identity)
{
	char	   *system = psprintf(UINT64_FORMAT, GetSystemIdentifier());
	char	   *database = psprintf("%u", MyDatabaseId);
	Identity	ours = {
		.part[IDENTITY_SYSTEM] = system,.length[IDENTITY_SYSTEM] = strlen(system),
		.part[IDENTITY_DATABASE] = database,.length[IDENTITY_DATABASE] = strlen(database),
	};

	return part_equal(identity, &ours, IDENTITY_SYSTEM) &&
		part_equal(identity, &ours, IDENTITY_DATABASE);
}


/*
 * Nodes
 */

/* A row of seqgen.range_node. */
typedef struct NodeRow
{
	NameData	role;
	char	   *identity;
	pg_uuid_t	running;
	TimestampTz last_seen;
	bool		destroyed;
} NodeRow;

static bool
node_read(const pg_uuid_t *node, NodeRow *row)
{
	Relation	rel = table_open(sg_catalog_relation("range_node"), AccessShareLock);
	Oid			index = get_relname_relid("range_node_pkey", RelationGetNamespace(rel));
	TupleDesc	desc = RelationGetDescr(rel);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;

	ScanKeyInit(&key, Anum_node_node, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(node));
	scan = systable_beginscan(rel, index, OidIsValid(index), NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		row->role = *DatumGetName(heap_getattr(tuple, Anum_node_role, desc, &isnull));
		row->identity = TextDatumGetCString(heap_getattr(tuple, Anum_node_identity, desc, &isnull));
		row->running = *DatumGetUUIDP(heap_getattr(tuple, Anum_node_running, desc, &isnull));
		row->last_seen = DatumGetTimestampTz(heap_getattr(tuple, Anum_node_last_seen, desc, &isnull));
		row->destroyed = DatumGetBool(heap_getattr(tuple, Anum_node_destroyed, desc, &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

static bool
node_write(SgStatement *statement, const Request *request)
{
	NameData	role = request->block.owner;
	Datum		values[5] = {
		UUIDPGetDatum(&request->block.node),
		CStringGetTextDatum(request->identity),
		UUIDPGetDatum(&request->running),
		NameGetDatum(&role),
		TimestampTzGetDatum(sg_unix_to_timestamp(sg_clock_now())),
	};

	return sg_allocation_execute(statement, values, NULL) > 0;
}

static void
node_insert(const Request *request)
{
	static SgStatement insert = {
		"INSERT INTO seqgen.range_node"
		" (node, identity, running, role, address, first_seen, last_seen)"
		" VALUES ($1, $2, $3, $4, pg_catalog.inet_client_addr(), $5, $5)"
		" ON CONFLICT (node) DO NOTHING",
		5, {UUIDOID, TEXTOID, UUIDOID, NAMEOID, TIMESTAMPTZOID}, NULL
	};

	(void) node_write(&insert, request);
}

/* False if somebody else has the row locked. */
static bool
node_update(const Request *request)
{
	static SgStatement update = {
		"UPDATE seqgen.range_node SET identity = $2, running = $3, role = $4,"
		" address = pg_catalog.inet_client_addr(), last_seen = $5"
		" WHERE ctid OPERATOR(pg_catalog.=) (SELECT ctid FROM seqgen.range_node"
		"   WHERE node OPERATOR(pg_catalog.=) $1 FOR UPDATE SKIP LOCKED)",
		5, {UUIDOID, TEXTOID, UUIDOID, NAMEOID, TIMESTAMPTZOID}, NULL
	};

	return node_write(&update, request);
}

/* A node that was rebooted: may this be it, or may the old one still run? */
static bool
node_take_over(const NodeRow *row, SgLedgerGrant *grant)
{
	int64		patience = (int64) MISSED_REPORTS * sg_range_report_interval * USECS_PER_SEC;
	int64		left = row->last_seen + patience - sg_unix_to_timestamp(sg_clock_now());

	if (left <= 0)
		return true;
	sg_ledger_answer(grant, "wait",
					 psprintf("another incarnation of the node was heard of; it is replaced if it stays silent for another %d s",
							  (int) (left / USECS_PER_SEC) + 1));
	return false;
}

/*
 * Is the asker the node that it says it is?  If not, answers why.  If so, notes
 * that it was heard.
 */
static bool
node_admit(const Request *request, SgLedgerGrant *grant)
{
	const pg_uuid_t *node = &request->block.node;
	Identity	now;
	Identity	before;
	NodeRow		row;
	bool		same_run;
	bool		same_identity;

	if (!identity_split(request->identity, &now))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("identity of the node is malformed")));
	if (identity_is_ours(&now))
	{
		sg_ledger_answer(grant, "refused", "the coordinator is this database itself");
		return false;
	}
	if (!node_read(node, &row))
	{
		node_insert(request);
		return true;
	}
	if (row.destroyed)
	{
		sg_ledger_answer(grant, "refused", "the node was declared destroyed");
		return false;
	}
	if (strcmp(NameStr(row.role), NameStr(request->block.owner)) != 0)
	{
		sg_ledger_answer(grant, "refused", "the node is known by another login role");
		return false;
	}

	same_run = memcmp(&row.running, &request->running, sizeof(pg_uuid_t)) == 0;
	same_identity = strcmp(row.identity, request->identity) == 0;
	if (!same_identity)
	{
		if (same_run || !identity_split(row.identity, &before) ||
			!identity_rebooted(&before, &now))
		{
			sg_ledger_answer(grant, "refused", "the node is a copy of another one, or was promoted or restored");
			return false;
		}
		if (!node_take_over(&row, grant))
			return false;
	}
	if (!node_update(request) && !(same_run && same_identity))
	{
		sg_ledger_answer(grant, "wait", "the node is being changed on the coordinator");
		return false;
	}
	return true;
}


/*
 * Requests
 */

static int64
int8_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? 0 : PG_GETARG_INT64(argno);
}

/*
 * The generator of that name.  Who may call us may ask for any, so no schema's
 * privileges are checked.
 */
static Oid
generator_find(text *name)
{
	RangeVar   *var = sg_sequence_name(name);
	Oid			schema;
	Oid			relid;

	if (var->schemaname)
	{
		schema = get_namespace_oid(var->schemaname, true);
		relid = OidIsValid(schema) ? get_relname_relid(var->relname, schema) : InvalidOid;
	}
	else
		relid = RelnameGetRelid(var->relname);
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("generator \"%s\" does not exist", text_to_cstring(name))));
	return relid;
}

static void
request_read(FunctionCallInfo fcinfo, Request *request)
{
	SgBlock    *block = &request->block;
	text	   *identity;

	memset(request, 0, sizeof(Request));
	if (PG_ARGISNULL(0) || PG_ARGISNULL(3) || PG_ARGISNULL(4) || PG_ARGISNULL(5) || PG_ARGISNULL(6))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a request needs generator, size, node, running and identity")));
	request->size = PG_GETARG_INT64(3);
	if (request->size < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("size of a block must not be negative")));
	identity = PG_GETARG_TEXT_PP(6);
	if (VARSIZE_ANY_EXHDR(identity) > MAX_IDENTITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("identity of the node is too long")));

	block->state = SG_BLOCK_GRANTED;
	block->has_key = !PG_ARGISNULL(1) && !PG_ARGISNULL(2);
	if (block->has_key)
	{
		block->incarnation = *PG_GETARG_UUID_P(1);
		block->request = PG_GETARG_INT64(2);
	}
	else if (request->size > 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a request for a block needs incarnation and number")));
	block->has_node = true;
	block->node = *PG_GETARG_UUID_P(4);
	namestrcpy(&block->owner, GetUserNameFromId(GetSessionUserId(), false));
	request->running = *PG_GETARG_UUID_P(5);
	request->identity = text_to_cstring(identity);
	request->highest = int8_argument(fcinfo, 7);
	request->epoch = int8_argument(fcinfo, 8);
	request->ledger = int8_argument(fcinfo, 9);
	request->saved = int8_argument(fcinfo, 10);
	block->relid = generator_find(PG_GETARG_TEXT_PP(0));
}

/*
 * Lock what the request reads and writes, so that nothing after it has to wait
 * for a lock.  False if a lock is not to be had at once.
 */
static bool
request_lock(const Request *request)
{
	static const struct
	{
		const char *table;
		LOCKMODE	mode;
	}			tables[] = {
		{"generator", AccessShareLock},
		{"range_generator", AccessShareLock},
		{"range_allocation", RowExclusiveLock},
		{"range_node", RowExclusiveLock},
		{"range_ledger", RowExclusiveLock},
	};

	for (size_t i = 0; i < lengthof(tables); i++)
		if (!ConditionalLockRelationOid(sg_catalog_relation(tables[i].table), tables[i].mode))
			return false;
	return sg_catalog_pin(request->block.relid);
}

/* A report: is the block of that key still the node's? */
static void
request_report(const Request *request, SgLedgerGrant *grant)
{
	const SgBlock *asker = &request->block;
	SgBlock		block;

	if (!asker->has_key)
	{
		sg_ledger_answer(grant, "confirmed", "");
		return;
	}
	if (!sg_allocation_by_request(asker->relid, &asker->incarnation, asker->request, &block))
	{
		/* a failover may have lost it; what was reclaimed is refused by node */
		sg_ledger_answer(grant, "unknown", "the ledger has no such block");
		return;
	}
	if (TransactionIdIsValid(block.in_flight))
	{
		sg_ledger_answer(grant, "wait", "the block is being granted or reclaimed");
		return;
	}
	if (block.state != SG_BLOCK_GRANTED ||
		memcmp(&block.node, &asker->node, sizeof(pg_uuid_t)) != 0 ||
		strcmp(NameStr(block.owner), NameStr(asker->owner)) != 0)
	{
		sg_ledger_answer(grant, "refused", "the block is not the node's");
		return;
	}
	/* positions only grow, and outlive a crash */
	if (request->saved > 0 && block.has_saved && request->saved < block.saved)
	{
		sg_ledger_answer(grant, "refused", "the node has forgotten that it used values of the block, so it is an older state of itself");
		return;
	}
	if (request->saved >= block.lo && request->saved < block.hi)
		sg_allocation_note_saved(&block, request->saved);
	sg_ledger_answer(grant, "confirmed", "");
	grant->lo = block.lo;
	grant->hi = block.hi;
}

static void
request_serve(const Request *request, SgLedgerGrant *grant)
{
	SgCoordinator coordinator;
	SgRange		range;
	SgLedgerState state;
	SgHold		hold;

	if (sg_coordinator_find(&coordinator) || sg_ledger_is_elsewhere(request->block.relid))
	{
		sg_ledger_answer(grant, "refused", "this database has a coordinator of its own");
		return;
	}
	if (!request_lock(request))
	{
		sg_ledger_answer(grant, "wait", "the generator or the ledger is being altered");
		return;
	}
	sg_allocation_range_require(request->block.relid, &range);
	if (!node_admit(request, grant))
		return;

	sg_hold_compare(request->epoch, request->ledger);
	hold = sg_hold_check();
	if (hold != SG_HOLD_NONE && hold != SG_HOLD_BUSY && request->highest > 0)
		sg_ledger_raise_cursor(&range, request->highest);
	sg_hold_state(&state);
	grant->epoch = state.epoch;
	grant->ledger = state.number;
	grant->ledger_id = state.id;
	if (hold != SG_HOLD_NONE)
		sg_ledger_answer(grant, hold == SG_HOLD_BUSY ? "wait" : "hold", sg_hold_reason(hold));
	else if (request->size > 0)
		sg_ledger_grant(&request->block, Min(request->highest, PG_INT64_MAX - 1) + 1,
						request->size, false, false, grant);
	else
		request_report(request, grant);
}

PG_FUNCTION_INFO_V1(sg_range_request);
Datum
sg_range_request(PG_FUNCTION_ARGS)
{
	Request		request;
	SgLedgerGrant grant = {0};
	TupleDesc	desc;
	Datum		values[7];
	bool		nulls[7] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PreventCommandIfReadOnly("seqgen.range_request()");
	PreventCommandDuringRecovery("seqgen.range_request()");
	request_read(fcinfo, &request);
	request_serve(&request, &grant);

	values[0] = CStringGetTextDatum(grant.status);
	nulls[1] = nulls[2] = (grant.hi == 0);
	values[1] = Int64GetDatum(grant.lo);
	values[2] = Int64GetDatum(grant.hi);
	nulls[3] = nulls[4] = nulls[5] = (grant.epoch == 0);
	values[3] = Int64GetDatum(grant.epoch);
	values[4] = Int64GetDatum(grant.ledger);
	values[5] = UUIDPGetDatum(&grant.ledger_id);
	nulls[6] = (grant.message[0] == '\0');
	values[6] = CStringGetTextDatum(grant.message);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
