/*-------------------------------------------------------------------------
 *
 * query.c
 *	  Statements on the tables of schema seqgen, as their owner.
 *
 * In the manner of the queries that check foreign keys: the user is switched
 * for the statement only, and nobody's objects are captured, as the search
 * path holds pg_catalog alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "catalog.h"
#include "query.h"

static Oid
query_owner(void)
{
	Oid			relid = sg_catalog_generator_table();
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"seqgen\" does not exist in this database"),
				 errhint("Use CREATE EXTENSION seqgen.")));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

void
sg_query_begin(SgQueryContext *context)
{
	Oid			owner = query_owner();

	GetUserIdAndSecContext(&context->user, &context->security);
	SetUserIdAndSecContext(owner, context->security | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);
	context->nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PushActiveSnapshot(GetTransactionSnapshot());
}

void
sg_query_end(const SgQueryContext *context)
{
	PopActiveSnapshot();
	SPI_finish();
	AtEOXact_GUC(false, context->nest_level);
	SetUserIdAndSecContext(context->user, context->security);
}

uint64
sg_query_run(const char *sql, int nargs, const Oid *types, const Datum *values,
			 const char *nulls)
{
	int			result = SPI_execute_with_args(sql, nargs, (Oid *) types, (Datum *) values,
											   nulls, false, 0);

	if (result < 0)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

Datum
sg_query_field(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}
