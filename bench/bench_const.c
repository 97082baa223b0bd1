/*-------------------------------------------------------------------------
 *
 * bench_const.c
 *	  A function that returns a constant: what a query costs that calls a C
 *	  function for each row, before the function does anything.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(bench_const);
Datum
bench_const(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(1);
}
