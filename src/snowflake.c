/*-------------------------------------------------------------------------
 *
 * snowflake.c
 *	  Snowflake ids: drawing, reading and creating.
 *
 * The default generator, and the default layout of the functions that take
 * neither generator nor layout, never change: the functions that read a field
 * of an id are immutable and serve in indexes, generated columns and partition
 * bounds.  snowflake_decode is not: it tells the location, by the registry.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "shmem.h"
#include "clock.h"
#include "layout.h"
#include "catalog.h"
#include "generator.h"
#include "location.h"
#include "sequence.h"

/* the most ids of one call of snowflake_nextvals */
#define MAX_NEXTVALS	10000000


/*
 * Drawing
 */

/*
 * The generator that the argument of that number names, perhaps with its layout
 * in the one after it; or the default one.
 */
static SgGenerator *
generator_argument(FunctionCallInfo fcinfo, int argno)
{
	if (PG_NARGS() > argno + 1)
		return sg_generator_get_of_layout(PG_GETARG_OID(argno), SG_KIND_SNOWFLAKE,
										  PG_GETARG_TEXT_PP(argno + 1));
	if (PG_NARGS() > argno)
		return sg_generator_get(PG_GETARG_OID(argno), SG_KIND_SNOWFLAKE);
	return sg_generator_get_default(SG_KIND_SNOWFLAKE);
}

PG_FUNCTION_INFO_V1(sg_snowflake_nextval);
Datum
sg_snowflake_nextval(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(sg_generator_next(sg_generator_get_default(SG_KIND_SNOWFLAKE)));
}

PG_FUNCTION_INFO_V1(sg_snowflake_nextval_generator);
Datum
sg_snowflake_nextval_generator(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(sg_generator_next(sg_generator_get(PG_GETARG_OID(0), SG_KIND_SNOWFLAKE)));
}

PG_FUNCTION_INFO_V1(sg_snowflake_nextval_layout);
Datum
sg_snowflake_nextval_layout(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(sg_generator_next(generator_argument(fcinfo, 0)));
}

/* What is left of a block that one step took. */
typedef struct Nextvals
{
	int64		next;
	int64		step;
	int64		left;
} Nextvals;

PG_FUNCTION_INFO_V1(sg_snowflake_nextvals);
Datum
sg_snowflake_nextvals(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;
	Nextvals   *block;
	SgGenerator *generator;
	int64		id;

	if (SRF_IS_FIRSTCALL())
	{
		int32		n = PG_GETARG_INT32(0);

		if (n < 1 || n > MAX_NEXTVALS)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("number of ids must be between 1 and %d", MAX_NEXTVALS)));
		funcctx = SRF_FIRSTCALL_INIT();
		funcctx->max_calls = n;
		funcctx->user_fctx = MemoryContextAllocZero(funcctx->multi_call_memory_ctx,
													sizeof(Nextvals));
	}

	funcctx = SRF_PERCALL_SETUP();
	if (funcctx->call_cntr >= funcctx->max_calls)
		SRF_RETURN_DONE(funcctx);

	generator = generator_argument(fcinfo, 1);
	block = funcctx->user_fctx;
	if (block->left == 0)
		block->left = sg_generator_next_block(generator,
											  funcctx->max_calls - funcctx->call_cntr,
											  &block->next, &block->step);
	id = block->next;
	block->next += block->step;
	block->left--;
	sg_generator_set_currval(generator, id);
	SRF_RETURN_NEXT(funcctx, Int64GetDatum(id));
}

PG_FUNCTION_INFO_V1(sg_snowflake_currval);
Datum
sg_snowflake_currval(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(sg_generator_currval(sg_generator_default_relid(SG_KIND_SNOWFLAKE), SG_KIND_SNOWFLAKE));
}

PG_FUNCTION_INFO_V1(sg_snowflake_currval_generator);
Datum
sg_snowflake_currval_generator(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(sg_generator_currval(PG_GETARG_OID(0), SG_KIND_SNOWFLAKE));
}

PG_FUNCTION_INFO_V1(sg_snowflake_observe);
Datum
sg_snowflake_observe(PG_FUNCTION_ARGS)
{
	sg_generator_observe(generator_argument(fcinfo, 1), PG_GETARG_INT64(0));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(sg_snowflake_nextval_after);
Datum
sg_snowflake_nextval_after(PG_FUNCTION_ARGS)
{
	SgGenerator *generator = generator_argument(fcinfo, 1);

	sg_generator_observe(generator, PG_GETARG_INT64(0));
	PG_RETURN_INT64(sg_generator_next(generator));
}


/*
 * Creating
 */

/* IF NOT EXISTS found a relation: is it the generator that was asked for? */
static void
check_existing(Oid relid, const RangeVar *name, const char *layout_name)
{
	SgCatalogGenerator row;

	if (!sg_catalog_generator(relid, &row) ||
		strcmp(NameStr(row.layout_name), layout_name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists, and is not a generator of layout \"%s\"",
						name->relname, layout_name)));
	ereport(NOTICE,
			(errcode(ERRCODE_DUPLICATE_TABLE),
			 errmsg("relation \"%s\" already exists, skipping", name->relname)));
}

PG_FUNCTION_INFO_V1(sg_snowflake_create);
Datum
sg_snowflake_create(PG_FUNCTION_ARGS)
{
	RangeVar   *name = sg_sequence_name(PG_GETARG_TEXT_PP(0));
	char	   *layout_name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int32		increment = PG_GETARG_INT32(2);
	bool		if_not_exists = PG_GETARG_BOOL(3);
	SgLayout	layout;
	Oid			relid;

	sg_catalog_layout_require(layout_name, &layout);
	if (if_not_exists)
	{
		relid = RangeVarGetRelid(name, NoLock, true);
		if (OidIsValid(relid))
		{
			check_existing(relid, name, layout_name);
			PG_RETURN_OID(relid);
		}
	}

	if (increment < 1 || increment > sg_layout_max_sequence(&layout) + 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("increment must be between 1 and %lld",
						(long long) sg_layout_max_sequence(&layout) + 1),
				 errdetail("One unit of time of layout \"%s\" has that many ids for a node.", layout_name)));
	relid = sg_sequence_create(name, increment, 1, sg_layout_max_id(&layout));
	sg_generator_register(relid, SG_KIND_SNOWFLAKE, layout_name);
	PG_RETURN_OID(relid);
}

PG_FUNCTION_INFO_V1(sg_snowflake_attach);
Datum
sg_snowflake_attach(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *layout_name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	SgCatalogGenerator row;
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("sequence with OID %u does not exist", relid)));
	if (!object_ownercheck(RelationRelationId, relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_SEQUENCE, name);
	PreventCommandIfReadOnly("snowflake_attach()");

	/* nobody goes on drawing by the old state of affairs */
	LockRelationOid(relid, AccessExclusiveLock);
	if (sg_catalog_generator(relid, &row))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("sequence \"%s\" is already a generator", name),
				 errdetail("It has layout \"%s\".", NameStr(row.layout_name))));
	sg_generator_register(relid, SG_KIND_SNOWFLAKE, layout_name);
	PG_RETURN_VOID();
}


/*
 * Reading
 */

static const SgLayout *
generator_layout(Oid relid, SgLayout *layout)
{
	SgCatalogGenerator row;

	sg_catalog_generator_require(relid, &row);
	if (sg_kind_is_counter(row.kind))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("values of generator \"%s\" have no fields", get_rel_name(relid)),
				 errdetail("It is of kind %s.", sg_kind_names[row.kind])));
	sg_catalog_layout_require(NameStr(row.layout_name), layout);
	return layout;
}

/*
 * The layout that a function's second argument names, or the default layout
 * if it has none.  Generators have functions of their own: a fast-path call
 * does not tell the types of its arguments.
 */
static const SgLayout *
layout_argument(FunctionCallInfo fcinfo, SgLayout *layout)
{
	if (PG_NARGS() < 2)
		return &sg_layout_default;
	sg_catalog_layout_require(text_to_cstring(PG_GETARG_TEXT_PP(1)), layout);
	return layout;
}

static void
unpack(const SgLayout *layout, int64 id, SgFields *fields)
{
	if (!sg_layout_unpack(layout, id, fields))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("id %lld is out of range", (long long) id),
				 errdetail("Ids of this layout lie between 1 and %lld.",
						   (long long) sg_layout_max_id(layout))));
}

static Datum
id_timestamp(const SgLayout *layout, int64 id)
{
	SgFields	fields;

	unpack(layout, id, &fields);
	return TimestampTzGetDatum(sg_unix_to_timestamp(sg_layout_us(layout, fields.time)));
}

static Datum
id_node(const SgLayout *layout, int64 id)
{
	SgFields	fields;

	unpack(layout, id, &fields);
	return Int32GetDatum((int32) fields.node);
}

static Datum
id_sequence(const SgLayout *layout, int64 id)
{
	SgFields	fields;

	unpack(layout, id, &fields);
	return Int32GetDatum((int32) fields.sequence);
}

static Datum
id_decode(FunctionCallInfo fcinfo, const SgLayout *layout, int64 id)
{
	TupleDesc	desc;
	Datum		values[5] = {0};
	bool		nulls[5] = {false};
	SgFields	fields;
	const char *location;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	unpack(layout, id, &fields);
	values[0] = TimestampTzGetDatum(sg_unix_to_timestamp(sg_layout_us(layout, fields.time)));
	values[1] = Int32GetDatum((int32) fields.node);
	values[2] = Int32GetDatum((int32) fields.sequence);

	nulls[3] = layout->datacenter_bits == 0;
	if (!nulls[3])
		values[3] = Int32GetDatum((int32) (fields.node >> (layout->node_bits - layout->datacenter_bits)));

	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra = sg_location_create(fcinfo->flinfo->fn_mcxt);
	location = sg_location_find(fcinfo->flinfo->fn_extra, layout, &fields);
	nulls[4] = location == NULL;
	if (!nulls[4])
		values[4] = CStringGetTextDatum(location);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

PG_FUNCTION_INFO_V1(sg_snowflake_decode);
Datum
sg_snowflake_decode(PG_FUNCTION_ARGS)
{
	SgLayout	layout;

	return id_decode(fcinfo, layout_argument(fcinfo, &layout), PG_GETARG_INT64(0));
}

PG_FUNCTION_INFO_V1(sg_snowflake_decode_generator);
Datum
sg_snowflake_decode_generator(PG_FUNCTION_ARGS)
{
	SgLayout	layout;

	return id_decode(fcinfo, generator_layout(PG_GETARG_OID(1), &layout), PG_GETARG_INT64(0));
}

PG_FUNCTION_INFO_V1(sg_snowflake_timestamp);
Datum
sg_snowflake_timestamp(PG_FUNCTION_ARGS)
{
	SgLayout	layout;

	return id_timestamp(layout_argument(fcinfo, &layout), PG_GETARG_INT64(0));
}

PG_FUNCTION_INFO_V1(sg_snowflake_timestamp_generator);
Datum
sg_snowflake_timestamp_generator(PG_FUNCTION_ARGS)
{
	SgLayout	layout;

	return id_timestamp(generator_layout(PG_GETARG_OID(1), &layout), PG_GETARG_INT64(0));
}

PG_FUNCTION_INFO_V1(sg_snowflake_node);
Datum
sg_snowflake_node(PG_FUNCTION_ARGS)
{
	SgLayout	layout;

	return id_node(layout_argument(fcinfo, &layout), PG_GETARG_INT64(0));
}

PG_FUNCTION_INFO_V1(sg_snowflake_node_generator);
Datum
sg_snowflake_node_generator(PG_FUNCTION_ARGS)
{
	SgLayout	layout;

	return id_node(generator_layout(PG_GETARG_OID(1), &layout), PG_GETARG_INT64(0));
}

PG_FUNCTION_INFO_V1(sg_snowflake_sequence);
Datum
sg_snowflake_sequence(PG_FUNCTION_ARGS)
{
	SgLayout	layout;

	return id_sequence(layout_argument(fcinfo, &layout), PG_GETARG_INT64(0));
}

PG_FUNCTION_INFO_V1(sg_snowflake_sequence_generator);
Datum
sg_snowflake_sequence_generator(PG_FUNCTION_ARGS)
{
	SgLayout	layout;

	return id_sequence(generator_layout(PG_GETARG_OID(1), &layout), PG_GETARG_INT64(0));
}


/*
 * Ids of a time
 */

/* The smallest, or the largest, id of the unit of time that holds an instant. */
static Datum
id_of_instant(const SgLayout *layout, TimestampTz moment, bool largest)
{
	SgFields	fields;
	int64		time;

	time = TIMESTAMP_NOT_FINITE(moment) ? -1 :
		sg_layout_time(layout, sg_timestamp_to_unix(moment));
	if (time < 0 || time > sg_layout_max_time(layout))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range for ids"),
				 errdetail("This layout has ids from %s to %s.",
						   sg_clock_text(layout->epoch),
						   sg_clock_text(sg_layout_us(layout, sg_layout_max_time(layout) + 1))),
				 errhint("snowflake_during() takes any time.")));

	fields.time = time;
	fields.node = largest ? sg_layout_max_node(layout) : 0;
	fields.sequence = largest ? sg_layout_max_sequence(layout) : 0;
	return Int64GetDatum(sg_layout_pack(layout, &fields));
}

/*
 * The smallest id whose time is not before a moment.  Times the layout does
 * not have are clamped: 0 before the epoch, the largest bigint past the end.
 */
static Datum
id_bound(const SgLayout *layout, TimestampTz moment)
{
	int64		time;

	if (TIMESTAMP_IS_NOBEGIN(moment))
		return Int64GetDatum(0);
	if (TIMESTAMP_IS_NOEND(moment))
		return Int64GetDatum(PG_INT64_MAX);

	/* rounded up: an id's time is the beginning of its unit */
	time = sg_layout_time(layout, sg_timestamp_to_unix(moment) - 1) + 1;
	if (time <= 0)
		return Int64GetDatum(0);
	if (time > sg_layout_max_time(layout))
		return Int64GetDatum(PG_INT64_MAX);
	return Int64GetDatum(time << (layout->node_bits + layout->sequence_bits));
}

PG_FUNCTION_INFO_V1(sg_snowflake_min);
Datum
sg_snowflake_min(PG_FUNCTION_ARGS)
{
	SgLayout	layout;

	return id_of_instant(layout_argument(fcinfo, &layout), PG_GETARG_TIMESTAMPTZ(0), false);
}

PG_FUNCTION_INFO_V1(sg_snowflake_max);
Datum
sg_snowflake_max(PG_FUNCTION_ARGS)
{
	SgLayout	layout;

	return id_of_instant(layout_argument(fcinfo, &layout), PG_GETARG_TIMESTAMPTZ(0), true);
}

PG_FUNCTION_INFO_V1(sg_snowflake_bound);
Datum
sg_snowflake_bound(PG_FUNCTION_ARGS)
{
	SgLayout	layout;

	return id_bound(layout_argument(fcinfo, &layout), PG_GETARG_TIMESTAMPTZ(0));
}
