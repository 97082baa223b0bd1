/*-------------------------------------------------------------------------
 *
 * query.h
 *	  Statements on the tables of schema seqgen, as their owner.  Implemented
 *	  in query.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_QUERY_H
#define SEQGEN_QUERY_H

#include "executor/spi.h"

/* Where to go back to. */
typedef struct SgQueryContext
{
	Oid			user;
	int			security;
	int			nest_level;
} SgQueryContext;

/*
 * Between begin and end statements run as the owner of the extension's tables,
 * with a search path of pg_catalog, whoever calls.  The caller has checked
 * privileges.  An error in between needs no end.
 */
extern void sg_query_begin(SgQueryContext *context);
extern void sg_query_end(const SgQueryContext *context);

/*
 * Run a statement.  Returns how many rows it processed; the rows it returned
 * are in SPI_tuptable.  nulls as in SPI, or NULL.
 */
extern uint64 sg_query_run(const char *sql, int nargs, const Oid *types,
						   const Datum *values, const char *nulls);

/* A field of a row of SPI_tuptable, columns counted from 1. */
extern Datum sg_query_field(uint64 row, int column, bool *isnull);

#endif							/* SEQGEN_QUERY_H */
