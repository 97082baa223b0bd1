/*-------------------------------------------------------------------------
 *
 * query.c
 *	  Statements on the tables of schema seqgen, as their owner.
 *
 * In the manner of the queries that check foreign keys: the user is switched
 * for the statement only, and nobody's objects are captured, as every name is
 * qualified.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "miscadmin.h"
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
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	SetUserIdAndSecContext(owner, context->security | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);
}

void
sg_query_end(const SgQueryContext *context)
{
	SetUserIdAndSecContext(context->user, context->security);
	SPI_finish();
}

uint64
sg_query_run(SgStatement *statement, Datum *values, const char *nulls)
{
	int			result;

	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->sql, statement->nargs, statement->types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
		statement->plan = plan;
	}
	result = SPI_execute_snapshot(statement->plan, values, nulls, GetLatestSnapshot(),
								  InvalidSnapshot, false, true, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute_snapshot failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

uint64
sg_query_execute(SgStatement *statement, Datum *values, const char *nulls)
{
	SgQueryContext context;
	uint64		count;

	sg_query_begin(&context);
	count = sg_query_run(statement, values, nulls);
	sg_query_end(&context);
	return count;
}

Datum
sg_query_field(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}
