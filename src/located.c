/*-------------------------------------------------------------------------
 *
 * located.c
 *	  Located ids: uuids that tell when, where and by which server they were
 *	  drawn.
 *
 * Promises:
 *	1. Unique and ordered as snowflake ids are: they are drawn as ids of the
 *	   default layout, from a generator of their own, and each makes one uuid.
 *	2. On a server they increase over all sessions, as uuids compare.
 *
 * What lies between the time and the counter of a uuid, location and server,
 * changes only between units of time: a location is set at server start, when
 * a generator goes on in a new unit, and so it does under a new number.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "guc.h"
#include "clock.h"
#include "layout.h"
#include "located_bits.h"
#include "catalog.h"
#include "generator.h"

StaticAssertDecl(SG_LOCATED_BYTES == UUID_LEN, "a located id must be a uuid");

/* The uuid of an id of the default layout that was drawn on this server. */
static void
located_expand(int64 id, pg_uuid_t *uuid)
{
	SgLocated	located;
	SgFields	fields;

	if (!sg_layout_unpack(&sg_layout_default, id, &fields))
		elog(ERROR, "id %lld is out of range", (long long) id);
	located.time = sg_layout_us(&sg_layout_default, fields.time) / 1000;
	located.zone = sg_location.zone;
	located.datacenter = sg_location.datacenter;
	located.rack = sg_location.rack;
	located.server = (int) fields.node;
	located.counter = (int) fields.sequence;
	sg_located_pack(&located, uuid->data);
}

PG_FUNCTION_INFO_V1(sg_located_nextval);
Datum
sg_located_nextval(PG_FUNCTION_ARGS)
{
	int64		id = sg_generator_next(sg_generator_get_default(SG_KIND_LOCATED));
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));

	located_expand(id, uuid);
	PG_RETURN_UUID_P(uuid);
}

static void
unpack(pg_uuid_t *uuid, SgLocated *located)
{
	if (!sg_located_unpack(uuid->data, located))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("uuid %s is no located id",
						DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)))),
				 errdetail("Located ids are of version 8, and bear a server number."),
				 errhint("Pass uuids that located_nextval() returned.")));
}

static Datum
located_time(const SgLocated *located)
{
	return TimestampTzGetDatum(sg_unix_to_timestamp(located->time * 1000));
}

PG_FUNCTION_INFO_V1(sg_located_timestamp);
Datum
sg_located_timestamp(PG_FUNCTION_ARGS)
{
	SgLocated	located;

	unpack(PG_GETARG_UUID_P(0), &located);
	PG_RETURN_DATUM(located_time(&located));
}

PG_FUNCTION_INFO_V1(sg_located_decode);
Datum
sg_located_decode(PG_FUNCTION_ARGS)
{
	SgLocated	located;
	TupleDesc	desc;
	Datum		values[6];
	bool		nulls[6] = {false};

	unpack(PG_GETARG_UUID_P(0), &located);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = located_time(&located);
	values[1] = Int32GetDatum(located.zone);
	values[2] = Int32GetDatum(located.datacenter);
	values[3] = Int32GetDatum(located.rack);
	values[4] = Int32GetDatum(located.server);
	values[5] = Int32GetDatum(located.counter);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
