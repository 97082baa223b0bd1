/*-------------------------------------------------------------------------
 *
 * holding.c
 *	  What this node holds of ranges: its blocks, the requests for them, and
 *	  who it was when it asked.
 *
 * A request is noted here, and committed, before it is sent, and its block
 * before a value of it is given out.  So a server that comes back asks again
 * with the same key, and a block is neither lost nor fetched twice.  Every row
 * says which server made sure of it last: a copy of the database finds in its
 * rows that it is not that server.
 *
 * The rows of one database are changed by its worker only, but for those of a
 * generator that a transaction has just created.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rangetypes.h"
#include "utils/uuid.h"

#include "catalog.h"
#include "identity.h"
#include "query.h"
#include "allocation.h"
#include "holding.h"

static const char *const state_names[] = {
	[SG_HOLDING_REQUESTED] = "requested",
	[SG_HOLDING_HELD] = "held",
	[SG_HOLDING_IN_DOUBT] = "in doubt",
};

/* A field that is NOT NULL. */
static Datum
field(uint64 row, int column)
{
	bool		isnull;
	Datum		value = sg_query_field(row, column, &isnull);

	if (isnull)
		elog(ERROR, "unexpected null in column %d", column);
	return value;
}

static int64
field_int64(uint64 row, int column)
{
	bool		isnull;
	Datum		value = sg_query_field(row, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

bool
sg_holding_options(Oid generator, SgRangeOptions *options)
{
	static SgStatement select = {
		"SELECT min_value, max_value, block_size, min_block_size, max_block_size"
		"  FROM seqgen.range_generator WHERE generator OPERATOR(pg_catalog.=) $1",
		1, {OIDOID}, NULL
	};
	Datum		values[1] = {ObjectIdGetDatum(generator)};
	SgQueryContext context;
	bool		found;

	sg_query_begin(&context);
	found = sg_query_run(&select, values, NULL) > 0;
	if (found)
	{
		options->min_value = DatumGetInt64(field(0, 1));
		options->max_value = DatumGetInt64(field(0, 2));
		options->block_size = DatumGetInt64(field(0, 3));
		options->min_block_size = DatumGetInt64(field(0, 4));
		options->max_block_size = DatumGetInt64(field(0, 5));
	}
	sg_query_end(&context);
	return found;
}

static SgHoldingState
state_by_name(const char *name)
{
	for (int i = 0; i < (int) lengthof(state_names); i++)
		if (strcmp(name, state_names[i]) == 0)
			return i;
	return SG_HOLDING_IN_DOUBT;
}

List *
sg_holding_list(Oid generator)
{
	static SgStatement select = {
		"SELECT incarnation, request, size, pg_catalog.lower(block), pg_catalog.upper(block), own,"
		"       node, state::pg_catalog.text, running, identity"
		"  FROM seqgen.range_holding WHERE generator OPERATOR(pg_catalog.=) $1"
		" ORDER BY pg_catalog.lower(block) NULLS LAST, requested_at, request",
		1, {OIDOID}, NULL
	};
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[1] = {ObjectIdGetDatum(generator)};
	SgQueryContext context;
	List	   *list = NIL;
	uint64		count;

	sg_query_begin(&context);
	count = sg_query_run(&select, values, NULL);
	for (uint64 i = 0; i < count; i++)
	{
		SgHolding  *holding = MemoryContextAllocZero(caller, sizeof(SgHolding));
		MemoryContext old;

		holding->incarnation = *DatumGetUUIDP(field(i, 1));
		holding->request = DatumGetInt64(field(i, 2));
		holding->size = DatumGetInt64(field(i, 3));
		holding->lo = field_int64(i, 4);
		holding->hi = field_int64(i, 5);
		holding->own = DatumGetBool(field(i, 6));
		holding->node = *DatumGetUUIDP(field(i, 7));
		holding->state = state_by_name(TextDatumGetCString(field(i, 8)));
		holding->running = *DatumGetUUIDP(field(i, 9));
		if (!sg_identity_parse(TextDatumGetCString(field(i, 10)), &holding->identity))
			holding->state = SG_HOLDING_IN_DOUBT;
		old = MemoryContextSwitchTo(caller);
		list = lappend(list, holding);
		MemoryContextSwitchTo(old);
	}
	sg_query_end(&context);
	return list;
}

/* The parameters that all statements about one row have. */
#define KEY_TYPES	OIDOID, UUIDOID, INT8OID
#define ROW_TYPES	KEY_TYPES, INT8OID, INT8OID, INT8OID, BOOLOID, TEXTOID, UUIDOID, TEXTOID, UUIDOID

static void
run_with_row(SgStatement *statement, Oid generator, const SgHolding *holding)
{
	Datum		values[SG_QUERY_MAX_PARAMS] = {
		ObjectIdGetDatum(generator),
		UUIDPGetDatum(&holding->incarnation),
		Int64GetDatum(holding->request),
		Int64GetDatum(holding->size),
		Int64GetDatum(holding->lo),
		Int64GetDatum(holding->hi),
		BoolGetDatum(holding->own),
		CStringGetTextDatum(state_names[holding->state]),
		UUIDPGetDatum(&holding->running),
		CStringGetTextDatum(sg_identity_text(&holding->identity)),
		UUIDPGetDatum(&holding->node),
	};

	if (sg_query_execute(statement, values, NULL) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("row of seqgen.range_holding is gone"),
				 errdetail("Request %lld of generator \"%s\" was changed by somebody else.",
						   (long long) holding->request, get_rel_name(generator))));
}

void
sg_holding_insert(Oid generator, const SgHolding *holding)
{
	static SgStatement insert = {
		"INSERT INTO seqgen.range_holding"
		" (generator, incarnation, request, size, block, own, state, running, identity, node)"
		" VALUES ($1::pg_catalog.regclass, $2, $3, $4,"
		"         CASE WHEN $6 OPERATOR(pg_catalog.>) 0 THEN pg_catalog.int8range($5, $6) END,"
		"         $7, $8::pg_catalog.name, $9, $10, $11)",
		11, {ROW_TYPES}, NULL
	};

	run_with_row(&insert, generator, holding);
}

void
sg_holding_update(Oid generator, const SgHolding *holding)
{
	static SgStatement update = {
		"UPDATE seqgen.range_holding SET size = $4,"
		"       block = CASE WHEN $6 OPERATOR(pg_catalog.>) 0 THEN pg_catalog.int8range($5, $6) END,"
		"       own = $7, state = $8::pg_catalog.name, running = $9, identity = $10"
		" WHERE generator OPERATOR(pg_catalog.=) $1 AND incarnation OPERATOR(pg_catalog.=) $2"
		"   AND request OPERATOR(pg_catalog.=) $3",
		10, {ROW_TYPES}, NULL
	};

	run_with_row(&update, generator, holding);
}

void
sg_holding_delete(Oid generator, const SgHolding *holding)
{
	static SgStatement delete = {
		"DELETE FROM seqgen.range_holding"
		" WHERE generator OPERATOR(pg_catalog.=) $1 AND incarnation OPERATOR(pg_catalog.=) $2"
		"   AND request OPERATOR(pg_catalog.=) $3",
		3, {KEY_TYPES}, NULL
	};

	run_with_row(&delete, generator, holding);
}

void
sg_holding_delete_below(Oid generator, int64 value)
{
	static SgStatement delete = {
		"DELETE FROM seqgen.range_holding WHERE generator OPERATOR(pg_catalog.=) $1"
		"   AND state OPERATOR(pg_catalog.=) 'held'"
		"   AND pg_catalog.upper(block) OPERATOR(pg_catalog.<=) $2",
		2, {OIDOID, INT8OID}, NULL
	};
	Datum		values[2] = {ObjectIdGetDatum(generator), Int64GetDatum(value)};

	(void) sg_query_execute(&delete, values, NULL);
}

void
sg_holding_get_source(Oid generator, SgSource *source)
{
	static SgStatement select = {
		"SELECT ledger_id, epoch, ledger, highest, stopped"
		"  FROM seqgen.range_source WHERE generator OPERATOR(pg_catalog.=) $1",
		1, {OIDOID}, NULL
	};
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[1] = {ObjectIdGetDatum(generator)};
	SgQueryContext context;

	memset(source, 0, sizeof(SgSource));
	sg_query_begin(&context);
	if (sg_query_run(&select, values, NULL) > 0)
	{
		bool		isnull;
		Datum		value = sg_query_field(0, 1, &isnull);

		source->remote = !isnull;
		if (!isnull)
			source->ledger_id = *DatumGetUUIDP(value);
		source->epoch = DatumGetInt64(field(0, 2));
		source->ledger = DatumGetInt64(field(0, 3));
		source->highest = DatumGetInt64(field(0, 4));
		value = sg_query_field(0, 5, &isnull);
		if (!isnull)
			source->stopped = MemoryContextStrdup(caller, TextDatumGetCString(value));
	}
	sg_query_end(&context);
}

void
sg_holding_put_source(Oid generator, const SgSource *source)
{
	static SgStatement upsert = {
		"INSERT INTO seqgen.range_source (generator, ledger_id, epoch, ledger, highest, stopped)"
		" VALUES ($1::pg_catalog.regclass, $2, $3, $4, $5, $6)"
		" ON CONFLICT (generator) DO UPDATE"
		"   SET ledger_id = excluded.ledger_id, epoch = excluded.epoch,"
		"       ledger = excluded.ledger, highest = excluded.highest,"
		"       stopped = excluded.stopped",
		6, {OIDOID, UUIDOID, INT8OID, INT8OID, INT8OID, TEXTOID}, NULL
	};
	Datum		values[6] = {
		ObjectIdGetDatum(generator),
		UUIDPGetDatum(&source->ledger_id),
		Int64GetDatum(source->epoch),
		Int64GetDatum(source->ledger),
		Int64GetDatum(source->highest),
		source->stopped ? CStringGetTextDatum(source->stopped) : (Datum) 0,
	};
	char		nulls[7] = "      ";

	if (!source->remote)
		nulls[1] = 'n';
	if (!source->stopped)
		nulls[5] = 'n';
	(void) sg_allocation_execute(&upsert, values, nulls);
}

/* Has the server been copied, or restored, since it noted who it is? */
static bool
node_is_another(const char *noted, const SgIdentity *now)
{
	SgIdentity	then;

	if (!sg_identity_parse(noted, &then))
		return true;
	switch (sg_identity_compare(&then, now))
	{
		case SG_IDENTITY_SAME:
		case SG_IDENTITY_REBOOTED:
			return false;
		default:
			return true;
	}
}

void
sg_holding_forget_node(void)
{
	static SgStatement delete = {"DELETE FROM seqgen.range_identity", 0, {0}, NULL};

	(void) sg_query_execute(&delete, NULL, NULL);
}

static pg_uuid_t
node_draw(const SgIdentity *now)
{
	static SgStatement insert = {
		"INSERT INTO seqgen.range_identity (node, identity)"
		" VALUES (pg_catalog.gen_random_uuid(), $1) RETURNING node",
		1, {TEXTOID}, NULL
	};
	Datum		values[1] = {CStringGetTextDatum(sg_identity_text(now))};
	SgQueryContext context;
	pg_uuid_t	node;

	sg_query_begin(&context);
	(void) sg_query_run(&insert, values, NULL);
	node = *DatumGetUUIDP(field(0, 1));
	sg_query_end(&context);
	return node;
}

bool
sg_holding_known_node(const SgIdentity *now, pg_uuid_t *node)
{
	static SgStatement select = {"SELECT node, identity FROM seqgen.range_identity", 0, {0}, NULL};
	SgQueryContext context;
	bool		known;

	sg_query_begin(&context);
	known = sg_query_run(&select, NULL, NULL) > 0 &&
		!node_is_another(TextDatumGetCString(field(0, 2)), now);
	if (known)
		*node = *DatumGetUUIDP(field(0, 1));
	sg_query_end(&context);
	return known;
}

pg_uuid_t
sg_holding_node(const SgIdentity *now)
{
	pg_uuid_t	node;

	if (sg_holding_known_node(now, &node))
		return node;
	sg_holding_forget_node();
	return node_draw(now);
}

char *
sg_holding_name(Oid generator)
{
	char	   *schema = get_namespace_name(get_rel_namespace(generator));
	char	   *name = get_rel_name(generator);

	if (schema == NULL || name == NULL)
		return NULL;
	return quote_qualified_identifier(schema, name);
}
