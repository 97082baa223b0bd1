/*-------------------------------------------------------------------------
 *
 * ledger.h
 *	  Giving out blocks of a range.  Implemented in ledger.c, which states the
 *	  promises.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_LEDGER_H
#define SEQGEN_LEDGER_H

#include "utils/uuid.h"

#include "allocation.h"

/* What a node is answered. */
typedef struct SgLedgerGrant
{
	char		status[16];		/* granted, confirmed, hold, exhausted,
								 * refused or wait */
	int64		lo;				/* if granted or confirmed */
	int64		hi;				/* exclusive */
	int64		epoch;
	int64		ledger;			/* number of the ledger */
	pg_uuid_t	ledger_id;
	char		message[256];	/* why not */
} SgLedgerGrant;

/* Set the answer; epoch and ledger stay. */
extern void sg_ledger_answer(SgLedgerGrant *grant, const char *status,
							 const char *message);

/*
 * Grant a block of at most size values to a node, or answer why not.  The
 * request says who asks: relid, node, key and owner.  The same key is given
 * the same block.  Waits for no transaction but the same key's own.
 *
 * The block lies at or above floor.  own tells that this database's own worker
 * asks, seen that values are used before the transaction has committed.
 */
extern void sg_ledger_grant(const SgBlock *request, int64 floor, int64 size, bool own,
							bool seen, SgLedgerGrant *grant);

/*
 * The same for this database's own worker, in a transaction with a snapshot;
 * node is NULL as long as it has no name.
 * Raises an error if the generator is no range of this database.
 */
extern void sg_ledger_grant_own(Oid generator, const pg_uuid_t *incarnation,
								int64 request, int64 floor, int64 size,
								const pg_uuid_t *node, bool seen, SgLedgerGrant *grant);

/* Did blocks of a range come from a coordinator, so that this ledger is none? */
extern bool sg_ledger_is_elsewhere(Oid relid);

/*
 * In a hold: a node has seen the value highest, so raise the cursor to it, but
 * not far above what the ledger knows.
 */
extern void sg_ledger_raise_cursor(const SgRange *range, int64 highest);

#endif							/* SEQGEN_LEDGER_H */
