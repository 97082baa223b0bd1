/*-------------------------------------------------------------------------
 *
 * monitor.c
 *	  The set-returning functions behind the views, and the reset of counts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/timestamp.h"

#include "shmem.h"
#include "clock.h"
#include "catalog.h"
#include "backend.h"
#include "generator.h"

static Interval *
interval_from_us(int64 us)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = us;
	return interval;
}

PG_FUNCTION_INFO_V1(sg_generator_state);
Datum
sg_generator_state(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SgGeneratorState *states;
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	if (!sg_shmem_ready())
		return (Datum) 0;

	count = sg_generator_states(&states);
	for (int i = 0; i < count; i++)
	{
		Datum		values[9] = {
			ObjectIdGetDatum(states[i].relid),
			Int64GetDatum(states[i].last_value),
			Int64GetDatum(states[i].bound),
			IntervalPGetDatum(interval_from_us(states[i].lead)),
			Int64GetDatum(states[i].issued),
			Int64GetDatum(states[i].reservations),
			Int64GetDatum(states[i].waits),
			Int64GetDatum(states[i].steps_back),
			Int64GetDatum(states[i].foreign_ids),
		};
		bool		nulls[9] = {false};

		nulls[3] = states[i].lead < 0;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(sg_backend_state);
Datum
sg_backend_state(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SgBackendState *states;
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	if (!sg_shmem_ready())
		return (Datum) 0;

	count = sg_backend_states(&states);
	for (int i = 0; i < count; i++)
	{
		bool		prepared = states[i].pid == 0;
		Datum		values[8] = {
			Int32GetDatum(states[i].pid),
			TransactionIdGetDatum(states[i].xid),
			ObjectIdGetDatum(states[i].database),
			Int64GetDatum(states[i].issued[SG_KIND_SNOWFLAKE]),
			Int64GetDatum(states[i].issued[SG_KIND_RANGE]),
			Int64GetDatum(states[i].issued[SG_KIND_LOCATED]),
			Int64GetDatum(states[i].last_id),
			TimestampTzGetDatum(sg_unix_to_timestamp(states[i].floor)),
		};
		bool		nulls[8] = {
			prepared, !prepared, false, prepared, prepared, prepared,
			states[i].last_id == 0, states[i].floor < 0,
		};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(sg_stat_reset);
Datum
sg_stat_reset(PG_FUNCTION_ARGS)
{
	Oid			relid = InvalidOid;
	SgCatalogGenerator row;

	sg_shmem_require();
	if (PG_NARGS() > 0)
	{
		relid = PG_GETARG_OID(0);
		sg_catalog_generator_require(relid, &row);
	}
	sg_generator_reset_counts(relid);
	PG_RETURN_VOID();
}
