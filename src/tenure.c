/*-------------------------------------------------------------------------
 *
 * tenure.c
 *	  The node numbers that this node has, or has asked for, and what it knows
 *	  of others'.
 *
 * A request's key is noted here, and committed, before it is sent, and a lease
 * before an id of it is drawn.  So a server that comes back asks again with the
 * same key, and knows the number it had.  Every row says which server made sure
 * of it last: a copy of the database finds that it is not that server.
 *
 * The rows of one database are changed by its worker only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "clock.h"
#include "query.h"
#include "allocation.h"
#include "tenure.h"

static const char *const state_names[] = {
	[SG_TENURE_ASKED] = "asked",
	[SG_TENURE_HELD] = "held",
	[SG_TENURE_REFUSED] = "refused",
};

/* A field that is NOT NULL. */
static Datum
field(int column)
{
	bool		isnull;
	Datum		value = sg_query_field(0, column, &isnull);

	if (isnull)
		elog(ERROR, "unexpected null in column %d", column);
	return value;
}

/* One that may be; false if it is. */
static bool
field_if_any(int column, Datum *value)
{
	bool		isnull;

	*value = sg_query_field(0, column, &isnull);
	return !isnull;
}

static int64
field_time(int column)
{
	Datum		value;

	return field_if_any(column, &value) ? sg_timestamp_to_unix(DatumGetTimestampTz(value)) : 0;
}

static SgTenureState
state_by_name(const char *name)
{
	for (int i = 0; i < (int) lengthof(state_names); i++)
		if (strcmp(name, state_names[i]) == 0)
			return i;
	return SG_TENURE_ASKED;
}

/* Read the row that a query has returned; false if its identity makes no sense. */
static bool
tenure_read(SgTenure *tenure)
{
	Datum		value;

	tenure->lease.number = DatumGetInt64(field(1));
	tenure->lease.generation = DatumGetInt64(field(2));
	tenure->lease.from = field_time(3);
	tenure->lease.until = field_time(4);
	tenure->length = DatumGetInt64(field(5));
	tenure->asking = field_if_any(6, &value);
	if (tenure->asking)
		tenure->key = *DatumGetUUIDP(value);
	tenure->state = state_by_name(TextDatumGetCString(field(7)));
	tenure->node = *DatumGetUUIDP(field(8));
	tenure->running = *DatumGetUUIDP(field(9));
	tenure->has_ledger = field_if_any(11, &value);
	if (tenure->has_ledger)
		tenure->ledger_id = *DatumGetUUIDP(value);
	if (field_if_any(12, &value))
		strlcpy(tenure->message, TextDatumGetCString(value), sizeof(tenure->message));
	return sg_identity_parse(TextDatumGetCString(field(10)), &tenure->identity);
}

bool
sg_tenure_get(const SgPool *pool, SgTenure *tenure)
{
	static SgStatement select = {
		"SELECT number::pg_catalog.int8, generation, valid_from, valid_until, length, key,"
		"       state::pg_catalog.text, node, running, identity, ledger_id, message"
		"  FROM seqgen.node_lease"
		" WHERE bits OPERATOR(pg_catalog.=) $1 AND datacenter OPERATOR(pg_catalog.=) $2",
		2, {INT4OID, INT4OID}, NULL
	};
	Datum		values[2] = {Int32GetDatum(pool->bits), Int32GetDatum(pool->datacenter)};
	SgQueryContext context;
	bool		found;

	memset(tenure, 0, sizeof(SgTenure));
	tenure->pool = *pool;
	sg_query_begin(&context);
	found = sg_query_run(&select, values, NULL) > 0 && tenure_read(tenure);
	sg_query_end(&context);
	return found;
}

void
sg_tenure_put(const SgTenure *tenure)
{
	static SgStatement upsert = {
		"INSERT INTO seqgen.node_lease"
		" (bits, datacenter, number, generation, valid_from, valid_until, length, key, state,"
		"  node, running, identity, ledger_id, message)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::pg_catalog.name, $10, $11, $12, $13, $14)"
		" ON CONFLICT (bits, datacenter) DO UPDATE"
		"   SET number = excluded.number, generation = excluded.generation,"
		"       valid_from = excluded.valid_from, valid_until = excluded.valid_until,"
		"       length = excluded.length, key = excluded.key, state = excluded.state,"
		"       node = excluded.node, running = excluded.running, identity = excluded.identity,"
		"       ledger_id = excluded.ledger_id, message = excluded.message",
		14, {INT4OID, INT4OID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, UUIDOID,
		TEXTOID, UUIDOID, UUIDOID, TEXTOID, UUIDOID, TEXTOID}, NULL
	};
	Datum		values[14] = {
		Int32GetDatum(tenure->pool.bits),
		Int32GetDatum(tenure->pool.datacenter),
		Int64GetDatum(tenure->lease.number),
		Int64GetDatum(tenure->lease.generation),
		TimestampTzGetDatum(sg_unix_to_timestamp(tenure->lease.from)),
		TimestampTzGetDatum(sg_unix_to_timestamp(tenure->lease.until)),
		Int64GetDatum(tenure->length),
		UUIDPGetDatum(&tenure->key),
		CStringGetTextDatum(state_names[tenure->state]),
		UUIDPGetDatum(&tenure->node),
		UUIDPGetDatum(&tenure->running),
		CStringGetTextDatum(sg_identity_text(&tenure->identity)),
		UUIDPGetDatum(&tenure->ledger_id),
		CStringGetTextDatum(tenure->message),
	};
	char		nulls[15] = "              ";

	if (tenure->state != SG_TENURE_HELD)
		nulls[4] = nulls[5] = 'n';
	if (!tenure->asking)
		nulls[7] = 'n';
	if (!tenure->has_ledger)
		nulls[12] = 'n';
	if (tenure->message[0] == '\0')
		nulls[13] = 'n';
	(void) sg_query_execute(&upsert, values, nulls);
}

void
sg_tenure_forget(bool by_hand)
{
	static SgStatement delete = {
		"DELETE FROM seqgen.node_lease"
		" WHERE (bits OPERATOR(pg_catalog.=) 0) OPERATOR(pg_catalog.=) $1",
		1, {BOOLOID}, NULL
	};
	Datum		values[1] = {BoolGetDatum(by_hand)};

	(void) sg_query_execute(&delete, values, NULL);
}

int64
sg_tenure_seen(const pg_uuid_t *ledger_id)
{
	static SgStatement select = {
		"SELECT pg_catalog.max(serial) FROM seqgen.node_history"
		" WHERE ledger_id OPERATOR(pg_catalog.=) $1",
		1, {UUIDOID}, NULL
	};
	Datum		values[1] = {UUIDPGetDatum(ledger_id)};
	SgQueryContext context;
	Datum		value;
	int64		seen = 0;

	sg_query_begin(&context);
	if (sg_query_run(&select, values, NULL) > 0 && field_if_any(1, &value))
		seen = DatumGetInt64(value);
	sg_query_end(&context);
	return seen;
}

void
sg_tenure_mirror(const pg_uuid_t *ledger_id, const SgTenureEntry *entry)
{
	static SgStatement insert = {
		"INSERT INTO seqgen.node_history"
		" (ledger_id, serial, bits, datacenter, number, node, location, generation, valid_from)"
		" VALUES ($1, $2, $3, $4, $5, $6::pg_catalog.uuid, $7, $2, $8)"
		" ON CONFLICT DO NOTHING",
		8, {UUIDOID, INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID}, NULL
	};
	Datum		values[8] = {
		UUIDPGetDatum(ledger_id),
		Int64GetDatum(entry->serial),
		Int64GetDatum(entry->bits),
		Int64GetDatum(entry->datacenter),
		Int64GetDatum(entry->number),
		CStringGetTextDatum(entry->node),
		CStringGetTextDatum(entry->location),
		TimestampTzGetDatum(sg_unix_to_timestamp(entry->valid_from)),
	};

	(void) sg_allocation_execute(&insert, values, NULL);
}
