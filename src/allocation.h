/*-------------------------------------------------------------------------
 *
 * allocation.h
 *	  The rows of the ledger: ranges and their blocks.  Implemented in
 *	  allocation.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_ALLOCATION_H
#define SEQGEN_ALLOCATION_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/rangetypes.h"
#include "utils/uuid.h"

#include "query.h"

/* A row of seqgen.range_generator. */
typedef struct SgRange
{
	Oid			relid;
	Oid			cursor;			/* a sequence: the largest value given out */
	int64		min_value;
	int64		max_value;
	int64		block_size;
	int64		min_block_size;
	int64		max_block_size;
} SgRange;

typedef enum SgBlockState
{
	SG_BLOCK_GRANTED,			/* to a node, by its request */
	SG_BLOCK_ALLOCATED,			/* by range_alloc */
	SG_BLOCK_RESERVED,			/* by range_reserve */
	SG_BLOCK_RELEASED,			/* for range_alloc(within => ...) */
	SG_BLOCK_USED,				/* what a lost node had used up */
} SgBlockState;

#define SG_BLOCK_STATE_COUNT	5

extern const char *const sg_block_state_names[SG_BLOCK_STATE_COUNT];

/* A row of seqgen.range_allocation. */
typedef struct SgBlock
{
	Oid			relid;
	int64		lo;
	int64		hi;				/* exclusive */
	SgBlockState state;
	NameData	owner;
	bool		has_node;
	pg_uuid_t	node;
	bool		has_key;		/* of the request that made it */
	pg_uuid_t	incarnation;
	int64		request;
	int64		epoch;
	TimestampTz allocated_at;	/* 0 in a new row: now */
	bool		has_saved;
	int64		saved;

	/* whose end decides whether the row is there; invalid if it is */
	TransactionId in_flight;
	bool		leaving;		/* in flight is its removal */
} SgBlock;

/*
 * The row of a range, or of all ranges (a list of SgRange), by the newest
 * committed state or our own.  The first returns false if there is none.
 */
extern bool sg_allocation_range(Oid relid, SgRange *range);
extern List *sg_allocation_ranges(void);

/* The same, but raising an error for what is no range. */
extern void sg_allocation_range_require(Oid relid, SgRange *range);

/* The row that a trigger of seqgen.range_generator is given. */
extern void sg_allocation_range_from_row(HeapTuple tuple, TupleDesc desc, SgRange *range);

extern void sg_allocation_add_range(const SgRange *range);
extern void sg_allocation_change_range(const SgRange *range);

/*
 * Blocks that meet [lo, hi), palloc'd and in order, with those of transactions
 * in flight: up to a limit, the last ones first.  Or just the released ones.
 */
extern SgBlock *sg_allocation_overlaps(Oid relid, int64 lo, int64 hi, int limit, int *count);
extern SgBlock *sg_allocation_released(Oid relid, int64 lo, int64 hi, int *count);

/* The block that a request made; false if there is none. */
extern bool sg_allocation_by_request(Oid relid, const pg_uuid_t *incarnation,
									 int64 request, SgBlock *block);

/* The end (exclusive) of the last block of a range, or 0 if it has none. */
extern int64 sg_allocation_end(Oid relid);

/* The blocks that a node was granted, of one range or (InvalidOid) of all. */
extern SgBlock *sg_allocation_of_node(const pg_uuid_t *node, Oid relid, int *count);

/*
 * Is a row that a trigger of seqgen.range_allocation is given to be inserted?
 * Not if it has no generator, or if the same block is there already.
 */
extern bool sg_allocation_is_new(HeapTuple tuple, TupleDesc desc);

/* Is such a row one that no node was granted? */
extern bool sg_allocation_is_manual(HeapTuple tuple, TupleDesc desc);

extern void sg_allocation_insert(const SgBlock *block);

/*
 * Change the state of the part [lo, hi) of a block that is no node's, which
 * splits its row.
 */
extern void sg_allocation_change(const SgBlock *block, int64 lo, int64 hi,
								 SgBlockState state, const NameData *owner);

/* Remove that part. */
extern void sg_allocation_remove(const SgBlock *block, int64 lo, int64 hi);

/* Make of a node's block a used one up to a value, and a released one from it on. */
extern void sg_allocation_reclaim(const SgBlock *block, int64 free_from);

/* Note a reported position, unless somebody else has the row locked. */
extern void sg_allocation_note_saved(const SgBlock *block, int64 saved);

/* Remove a dropped generator's rows, past the triggers. */
extern void sg_allocation_forget(Oid relid);

/* Is it one of the functions above that changes rows right now? */
extern bool sg_allocation_is_changing(void);

/* The interval [lo, hi) as a range type. */
extern RangeType *sg_allocation_interval(int64 lo, int64 hi);

/* Run a statement that the guards of the tables let pass, as no other. */
extern uint64 sg_allocation_execute(SgStatement *statement, Datum *values, const char *nulls);

#endif							/* SEQGEN_ALLOCATION_H */
