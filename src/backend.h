/*-------------------------------------------------------------------------
 *
 * backend.h
 *	  What each backend is doing with its generators, for others to read.
 *	  Implemented in backend.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_BACKEND_H
#define SEQGEN_BACKEND_H

#include "access/xact.h"

#include "catalog.h"

/*
 * Announce that ids of times from floor (us since the Unix epoch) on are going
 * to be drawn in this transaction.  To be called before the first of them.
 */
extern void sg_backend_announce(int64 floor);

/* Note an id that has been drawn. */
extern void sg_backend_note(int64 id);

/* Add to the counts of a kind; called at transaction end. */
extern void sg_backend_count(SgKind kind, int64 issued);

/* Transaction end. */
extern void sg_backend_at_xact_end(XactEvent event);

/* What the views show of a session or a prepared transaction. */
typedef struct SgBackendState
{
	int			pid;			/* 0 for a prepared transaction */
	TransactionId xid;			/* of a prepared transaction */
	Oid			database;
	int64		issued[SG_KIND_COUNT];
	int64		last_id;		/* 0 if there is none */
	int64		floor;			/* us since the Unix epoch, -1 if there is
								 * none */
} SgBackendState;

/* All sessions and prepared transactions that drew, palloc'd; returns how many. */
extern int	sg_backend_states(SgBackendState **states);

extern void sg_backend_init(void);

#endif							/* SEQGEN_BACKEND_H */
