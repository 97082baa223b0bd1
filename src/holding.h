/*-------------------------------------------------------------------------
 *
 * holding.h
 *	  What this node holds of ranges: its blocks, the requests for them, and
 *	  who it was when it asked.  Implemented in holding.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_HOLDING_H
#define SEQGEN_HOLDING_H

#include "nodes/pg_list.h"

#include "block.h"
#include "identity.h"

typedef enum SgHoldingState
{
	SG_HOLDING_REQUESTED,		/* asked for, not yet answered */
	SG_HOLDING_HELD,
	SG_HOLDING_IN_DOUBT,		/* perhaps another server's as well */
} SgHoldingState;

/* A row of seqgen.range_holding. */
typedef struct SgHolding
{
	pg_uuid_t	incarnation;	/* with generator and request, the key */
	int64		request;
	int64		size;			/* that was asked for */
	int64		lo;				/* 0 while it is requested */
	int64		hi;
	bool		own;			/* granted by this database itself */
	pg_uuid_t	node;			/* the name under which it was asked for */
	SgHoldingState state;
	pg_uuid_t	running;		/* incarnation that made sure of it last */
	SgIdentity	identity;		/* of the server at that time */
} SgHolding;

/* A row of seqgen.range_source. */
typedef struct SgSource
{
	bool		remote;			/* blocks came from another database */
	pg_uuid_t	ledger_id;
	int64		epoch;			/* the highest seen, 0 if none */
	int64		ledger;
	int64		highest;		/* end of the highest block, exclusive */
	char	   *stopped;		/* why no block is asked for any more, or NULL */
} SgSource;

/* What a generator may give out. */
typedef struct SgRangeOptions
{
	int64		min_value;
	int64		max_value;
	int64		block_size;
	int64		min_block_size;
	int64		max_block_size;
} SgRangeOptions;

/* All that follow run in a transaction. */

/* Options of a generator; false if it has none. */
extern bool sg_holding_options(Oid generator, SgRangeOptions *options);

/* Rows of a generator, by their blocks, requests last. */
extern List *sg_holding_list(Oid generator);

extern void sg_holding_insert(Oid generator, const SgHolding *holding);
extern void sg_holding_update(Oid generator, const SgHolding *holding);
extern void sg_holding_delete(Oid generator, const SgHolding *holding);

/* Delete what lies below a value, all of it used up. */
extern void sg_holding_delete_below(Oid generator, int64 value);

extern void sg_holding_get_source(Oid generator, SgSource *source);
extern void sg_holding_put_source(Oid generator, const SgSource *source);

/*
 * The name of this node towards coordinators: drawn when it is first asked
 * for, and anew when the server is not the one that it was.
 */
extern pg_uuid_t sg_holding_node(const SgIdentity *now);

/* The same, if it has been drawn. */
extern bool sg_holding_known_node(const SgIdentity *now, pg_uuid_t *node);
extern void sg_holding_forget_node(void);

/* The qualified name of a generator, as coordinators know it. */
extern char *sg_holding_name(Oid generator);

#endif							/* SEQGEN_HOLDING_H */
