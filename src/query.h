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

#define SG_QUERY_MAX_PARAMS	16

/*
 * A statement, whose plan is kept for the session.  It is qualified in every
 * name, operators included, for it runs with the caller's search path.
 */
typedef struct SgStatement
{
	const char *sql;
	int			nargs;
	Oid			types[SG_QUERY_MAX_PARAMS];
	SPIPlanPtr	plan;			/* NULL at first */
} SgStatement;

/* Where to go back to. */
typedef struct SgQueryContext
{
	Oid			user;
	int			security;
} SgQueryContext;

/*
 * Between begin and end statements run as the owner of the extension's tables,
 * whoever calls.  The caller has checked privileges.  An error in between
 * needs no end.
 */
extern void sg_query_begin(SgQueryContext *context);
extern void sg_query_end(const SgQueryContext *context);

/*
 * Run a statement by the newest committed, or own, state.  Returns how many
 * rows it processed; the rows it returned are in SPI_tuptable.  nulls as in
 * SPI, or NULL.
 */
extern uint64 sg_query_run(SgStatement *statement, Datum *values, const char *nulls);

/* The same, with begin and end. */
extern uint64 sg_query_execute(SgStatement *statement, Datum *values, const char *nulls);

/* A field of a row of SPI_tuptable, columns counted from 1. */
extern Datum sg_query_field(uint64 row, int column, bool *isnull);

#endif							/* SEQGEN_QUERY_H */
