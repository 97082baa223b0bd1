/*-------------------------------------------------------------------------
 *
 * tenure.h
 *	  The node numbers that this node has, or has asked for, and what it knows
 *	  of others'.  Implemented in tenure.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_TENURE_H
#define SEQGEN_TENURE_H

#include "identity.h"
#include "lease.h"
#include "node.h"
#include "tenure_rule.h"

typedef enum SgTenureState
{
	SG_TENURE_ASKED,			/* there is no number yet */
	SG_TENURE_HELD,
	SG_TENURE_REFUSED,			/* the number set by hand is another server's */
} SgTenureState;

#define SG_TENURE_MESSAGE_SIZE	256 /* a slot's */

/* A row of seqgen.node_lease. */
typedef struct SgTenure
{
	SgPool		pool;			/* the key; 0 bits for a number set by hand */
	SgTenureState state;
	SgLease		lease;			/* its generation is the highest seen from the
								 * ledger, also where there is no number */
	int64		length;			/* of the lease, us */
	bool		asking;			/* a request is under way, with that key */
	pg_uuid_t	key;
	pg_uuid_t	node;			/* the name under which it was asked for */
	pg_uuid_t	running;		/* incarnation that made sure of it last */
	SgIdentity	identity;		/* of the server at that time */
	bool		has_ledger;
	pg_uuid_t	ledger_id;		/* of the coordinator that answered last */
	char		message[SG_TENURE_MESSAGE_SIZE];	/* why the last request
													 * came to nothing, or
													 * empty */
} SgTenure;

/* All that follow run in a transaction. */

/* The row of a pool; false if there is none that can be read. */
extern bool sg_tenure_get(const SgPool *pool, SgTenure *tenure);

/* Write it, whether or not there was one. */
extern void sg_tenure_put(const SgTenure *tenure);

/* Delete the row of the number set by hand, or those of leased ones. */
extern void sg_tenure_forget(bool by_hand);

/* The highest serial that is known of a coordinator's registry, or 0. */
extern int64 sg_tenure_seen(const pg_uuid_t *ledger_id);

/* Keep a line of it. */
extern void sg_tenure_mirror(const pg_uuid_t *ledger_id, const SgTenureEntry *entry);

#endif							/* SEQGEN_TENURE_H */
