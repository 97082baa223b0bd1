/*-------------------------------------------------------------------------
 *
 * counter.h
 *	  Kinds that count within blocks.  Implemented in counter.c, which states
 *	  the promises.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_COUNTER_H
#define SEQGEN_COUNTER_H

#include "slot.h"

/*
 * The increment of the sequence behind a kind that counts: with it plain
 * nextval() always fails, instead of drawing values that belong to others.
 */
#define SG_COUNTER_INCREMENT	PG_INT64_MAX

/*
 * Take up to wanted values in a row; the caller holds a lock on the sequence.
 * Returns how many, at least one, or 0 if there is no block to take from.
 */
extern int64 sg_counter_take(SgSlot *slot, Oid relid, int64 wanted, int64 *first);

/*
 * Reserve the next values of the current block, or enter the next block.
 * Returns false if there is none.  The caller holds a lock on the sequence.
 */
extern bool sg_counter_reserve(SgSlot *slot, Oid relid);

/*
 * Called when half of a block is used and there is no next one; perhaps more
 * than once a block.
 */
extern void (*sg_counter_half_used) (SgSlot *slot, Oid relid);

/*
 * What follows is for whoever supplies the blocks, for generators of this
 * database.  All of it tolerates a generator that is not loaded (any more),
 * and then returns false.
 */

/* A copy of the blocks, and the newest value given out. */
extern bool sg_counter_blocks(Oid relid, SgBlocks *blocks, int64 *last);

/*
 * Hand a block over, of which values up to position are used.  Returns false
 * if the generator has two already, or has one that this one does not follow.
 */
extern bool sg_counter_install(Oid relid, int64 lo, int64 hi, int64 position,
							   bool near_end);

/*
 * Tell those who wait what is being done, unless they have been told more; told
 * is what may be told otherwise now, or empty.
 */
extern void sg_counter_note(Oid relid, const char *told, const char *message);

/*
 * Tell those who wait how things stand.  That the next block has to be waited
 * for is no news where there will be none.
 */
extern bool sg_counter_set_supply(Oid relid, SgSupply supply, const char *message);

/* Take all blocks away: nothing is given out of them any more. */
extern bool sg_counter_revoke(Oid relid);

/*
 * Freeze a generator and save its exact position, so that a clean stop loses
 * nothing; and let it go on.  The caller holds a lock on the sequence.
 */
extern void sg_counter_close(Oid relid);
extern void sg_counter_reopen(Oid relid);

#endif							/* SEQGEN_COUNTER_H */
