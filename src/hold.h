/*-------------------------------------------------------------------------
 *
 * hold.h
 *	  The state of the ledger, and whether blocks may be given out.
 *	  Implemented in hold.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_HOLD_H
#define SEQGEN_HOLD_H

#include "access/xlogdefs.h"
#include "utils/uuid.h"

/*
 * The row of seqgen.range_ledger, as it lies in its page.
 */
typedef struct SgLedgerState
{
	pg_uuid_t	id;
	int64		epoch;
	int64		number;			/* grows with every block */
	int64		system_identifier;	/* of the server it served on; 0 is none */
	int64		seen_epoch;		/* what a node knew that led to a hold */
	int64		seen_number;
	int64		lease_system_identifier;	/* of the server that leased node
											 * numbers last; 0 is none */
	int64		lease_generation;	/* grows with every lease */
	int64		lease_held_generation;	/* what a node knows up to it leads to
										 * no other hold of leases */
	int64		lease_hold_until;	/* us since the Unix epoch */
	int64		lease_longest;	/* us: the furthest end of a window ahead of
								 * the clock */
	Oid			database;
	int32		timeline;
	Oid			lease_database;
	int32		lease_timeline;
	bool		shared;			/* not only the own worker has blocks */
	bool		synchronous;	/* a standby confirmed all that was given out */
	bool		held;			/* until seqgen.range_resume() */
	bool		lease_synchronous;	/* a standby confirmed all leases */
} SgLedgerState;

/* Its size without what the compiler adds at the end. */
#define SG_LEDGER_STATE_SIZE	(offsetof(SgLedgerState, lease_synchronous) + sizeof(bool))

typedef enum SgHold
{
	SG_HOLD_NONE,				/* blocks may be given out */
	SG_HOLD_NODE_AHEAD,			/* a node knows more than this ledger */
	SG_HOLD_OTHER_SERVER,		/* the ledger served on another one */
	SG_HOLD_OTHER_TIMELINE,		/* the server was promoted or restored */
	SG_HOLD_BUSY,				/* the ledger could not be taken up right now */
} SgHold;

/* The state as it is. */
extern void sg_hold_state(SgLedgerState *state);

/*
 * May blocks be given out?  Takes the ledger up if it was not used on this
 * server before and this is safe.  Never waits for a transaction.
 */
extern SgHold sg_hold_check(void);

/* The same, raising an error if not. */
extern void sg_hold_require(void);

/* Why not, as a sentence; NULL for SG_HOLD_NONE. */
extern const char *sg_hold_reason(SgHold hold);

/*
 * Note what a node knows of epoch and number; if it is more than we know, the
 * ledger is held from now on.
 */
extern void sg_hold_compare(int64 epoch, int64 number);

/*
 * Count a block that is about to be given out, to others than the own worker
 * or not.  Copies the state after that.  Returns the WAL position that must be
 * flushed before anybody hears of the block.
 */
extern XLogRecPtr sg_hold_count(bool shared, SgLedgerState *state);

/*
 * Note that a row has come from outside, as from a restore; one that was made
 * by hand tells that others than the own worker were given blocks, while of
 * granted ones the ledger's own row tells that.
 */
extern void sg_hold_note_foreign_row(bool manual);

/*
 * Before a block, or a lease, is given out: with seqgen.range_require_sync, raise an error
 * if there is no synchronous standby.  And make the transaction's commit
 * durable whatever the session has set.
 */
extern void sg_hold_require_durable(void);

/*
 * Leases of node numbers, which have a hold of their own: it has an end, which
 * is lease_hold_until.  Times are readings of sg_clock_now().
 */

/*
 * Have leases served elsewhere before?  Then begins a hold, if any may have
 * been lost.  Copies the state after that.  Never waits for a transaction.
 */
extern void sg_hold_lease_check(int64 clock, SgLedgerState *state);

/* What sg_hold_lease_check would say, with nothing changed. */
extern void sg_hold_lease_foresee(int64 clock, SgLedgerState *state);

/*
 * A node knows a generation that the registry does not: a hold begins, if that
 * is news.  Copies the state after that, whose generation is not below it.
 */
extern void sg_hold_lease_ahead(int64 generation, int64 clock, SgLedgerState *state);

/* The largest generation that a node may claim to know. */
extern int64 sg_hold_lease_max_claim(const SgLedgerState *state);

/*
 * Count a lease, or whatever changes one: a window that ends at until, or no
 * window (0).  Returns the generation, and copies the state.  Its WAL comes
 * before the commit.  A hold may have begun since the state was looked at.
 */
extern int64 sg_hold_lease_count(int64 clock, int64 until, SgLedgerState *state);


/* End a hold. */
extern void sg_hold_lease_resume(int64 clock);

/* Write something, so that flushing its position flushes all before it. */
extern XLogRecPtr sg_hold_touch(void);

#endif							/* SEQGEN_HOLD_H */
