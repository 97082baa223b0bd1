/*-------------------------------------------------------------------------
 *
 * sequence.h
 *	  Sequences that belong to us: creating them as the user, and the value in
 *	  their page.  Implemented in sequence.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_SEQUENCE_H
#define SEQGEN_SEQUENCE_H

#include "access/xlogdefs.h"
#include "nodes/primnodes.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"

/* The name of a sequence to create, perhaps with a schema. */
extern RangeVar *sg_sequence_name(text *name);

/*
 * Run CREATE SEQUENCE as the current user; it starts at its smallest value.
 * Returns the new sequence's oid.
 */
extern Oid	sg_sequence_create(const RangeVar *name, int64 increment,
							   int64 min_value, int64 max_value);

/*
 * Open and lock a sequence whose value must survive a crash and a rollback.
 * With nowait, returns NULL if the lock is not to be had at once.
 */
extern Relation sg_sequence_open(Oid relid, LOCKMODE lockmode, bool nowait);

/* The value in the page of a sequence, and writing it there, past rollback. */
extern int64 sg_sequence_get(Relation rel);
extern XLogRecPtr sg_sequence_put(Relation rel, int64 value);

/* The same with the value before, or -1 where it is not known. */
extern int64 sg_sequence_get_step(Relation rel, int64 *before);
extern XLogRecPtr sg_sequence_put_step(Relation rel, int64 before, int64 value);

/* Make a cursor go with its generator. */
extern void sg_sequence_depend(Oid cursor, Oid generator);

#endif							/* SEQGEN_SEQUENCE_H */
