/*-------------------------------------------------------------------------
 *
 * bound.h
 *	  Where the durable bound of a generator lives: last_value, in the page of
 *	  its sequence.  Implemented in bound.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_BOUND_H
#define SEQGEN_BOUND_H

#include "access/generic_xlog.h"
#include "access/xlogdefs.h"
#include "storage/buf.h"

#include "compat.h"

/* Whose is the storage of a sequence? */
typedef enum SgStorage
{
	SG_STORAGE_COMMITTED,		/* everybody's */
	SG_STORAGE_CREATED,			/* made with the sequence by this transaction */
	SG_STORAGE_REPLACED,		/* made by this transaction; others see an
								 * older one */
} SgStorage;

/*
 * Did this transaction, or the leader's in a parallel worker, write the
 * sequence's row of pg_class?  It did if it made the storage.
 */
extern bool sg_bound_is_changed(Oid relid);

/* The storage that others see, of a sequence whose storage was replaced. */
typedef struct SgCommitted
{
	RelFileLocator locator;
	bool		permanent;		/* false if it is unlogged */
	int64		min_value;		/* of the sequence, as others see it */
	int64		max_value;
} SgCommitted;

/*
 * Tell whether this transaction made the storage, and if it replaced another
 * one, which that is.  The caller holds a lock on the sequence that a
 * replacement of its storage would conflict with.
 */
extern SgStorage sg_bound_storage(Relation rel, SgCommitted *committed);

/* The same, raising an error if a bound cannot be made to last. */
extern SgStorage sg_bound_storage_to_write(Relation rel, SgCommitted *committed);

/* The bound in a sequence's page; the caller holds its content lock. */
extern int64 sg_bound_get(Buffer buffer);

/*
 * Write a bound to a page that the caller has exclusively locked, and end the
 * WAL record.  Returns its position, or an invalid one for storage that WAL
 * skips (wal_level = minimal).
 */
extern XLogRecPtr sg_bound_put(GenericXLogState *xlog, Buffer buffer, int64 value);

/*
 * The same for a cursor, whose page also says where it stood before, if that is
 * worth knowing; -1 if not, as after every other way to set a sequence.
 */
extern int64 sg_bound_get_before(Buffer buffer);
extern XLogRecPtr sg_bound_put_step(GenericXLogState *xlog, Buffer buffer, int64 before,
									int64 value);

/* The same for the storage that this transaction has replaced; never lowers. */
extern int64 sg_bound_get_committed(const SgCommitted *committed);
extern XLogRecPtr sg_bound_raise_committed(const SgCommitted *committed, int64 value);

/*
 * Make a bound durable: flush WAL, and wait for synchronous standbys.  Raises
 * an error if the wait is cancelled.
 */
extern void sg_bound_flush(XLogRecPtr lsn);

#endif							/* SEQGEN_BOUND_H */
