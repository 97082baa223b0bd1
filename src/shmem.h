/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  Shared memory of seqgen, by areas.  Implemented in shmem.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_SHMEM_H
#define SEQGEN_SHMEM_H

#include "storage/lwlock.h"

/*
 * An area of shared memory.  The functions run in the postmaster: the sizes
 * when the settings are final, attach when the memory is there.  attach is
 * given the area and is told whether to initialize it; it must keep the
 * pointer.
 */
typedef struct SgShmemArea
{
	const char *name;
	Size		(*size) (void);
	Size		(*extra) (void);	/* what attach allocates itself; may be
									 * NULL */
	void		(*attach) (void *area, bool initialize);
} SgShmemArea;

/* Registers an area; called while the library is preloaded. */
extern void sg_shmem_add(const SgShmemArea *area);

/* The lock of an area, one of those that sg_shmem_init asked for. */
extern LWLock *sg_shmem_lock(int number);

#define SG_LOCK_SLOTS		0	/* the table of generator slots */
#define SG_LOCK_CLOCK		1	/* the clock's anchor */
#define SG_LOCK_BLOCKS		2	/* the blocks of kinds that count */
#define SG_LOCK_WORKERS		3	/* the background workers */
#define SG_LOCK_LEASES		4	/* the leases that slots have */
#define SG_LOCK_COUNT		5

/* Has the server preloaded the library, so that shared memory exists? */
extern bool sg_shmem_ready(void);

/* Raises the error for a server that has not. */
extern void sg_shmem_require(void);

extern void sg_shmem_init(void);

#endif							/* SEQGEN_SHMEM_H */
