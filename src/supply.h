/*-------------------------------------------------------------------------
 *
 * supply.h
 *	  Blocks for ranges: what the background worker does.  Implemented in
 *	  supply.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_SUPPLY_H
#define SEQGEN_SUPPLY_H

#include "postgres_ext.h"

/*
 * Get a block for a generator that this transaction has created, which no
 * worker can see yet.  Raises an error if none is to be had.
 */
extern void sg_supply_new_generator(Oid generator);

/* Let a generator that was stopped go on with new blocks. */
extern void sg_supply_restart(Oid generator);

extern void sg_supply_init(void);

#endif							/* SEQGEN_SUPPLY_H */
