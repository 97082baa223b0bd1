/*-------------------------------------------------------------------------
 *
 * lease.h
 *	  Rules of leases of node numbers.  Implemented in lease.c.
 *
 * A lease is a number and a window of time: ids that bear the number bear a
 * time of the window.  Windows of one number never overlap, so neither clocks
 * nor processes matter for uniqueness; they only matter for how long one waits.
 *
 * Everything here is pure: no locks, no errors, no memory, no clock; and safe
 * for every int64.  Times are microseconds since the Unix epoch, lengths
 * microseconds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_LEASE_H
#define SEQGEN_LEASE_H

typedef struct SgLease
{
	int64		number;			/* 0 for none */
	int64		generation;		/* grows with every grant and renewal; 0 for a
								 * number that is not leased */
	int64		from;			/* no id is of an earlier time */
	int64		until;			/* every id is of an earlier time;
								 * PG_INT64_MAX for a number that is not
								 * leased */
} SgLease;

/* The end of a window that is granted, or renewed, now. */
extern int64 sg_lease_until(int64 coordinator_clock, int64 node_clock, int64 length);

/* Are two clocks further apart than is allowed? */
extern bool sg_lease_is_skewed(int64 coordinator_clock, int64 node_clock, int64 max_skew);

/*
 * May a holder's window that ends at until be prolonged?  Only while it lasts,
 * by a clock that may be wrong: a coordinator that lost its newest grants in a
 * failover must not prolong what the one before had given to somebody else.
 */
extern bool sg_lease_may_renew(int64 until, int64 coordinator_clock, int64 length, int64 max_skew);

/* May a number whose window ended at until be given to somebody else? */
extern bool sg_lease_is_free(int64 until, int64 coordinator_clock, int64 max_skew);

/*
 * A coordinator that may have lost grants: until when it grants no number, and
 * where all windows begin that it grants after that.
 */
extern int64 sg_lease_hold_end(int64 coordinator_clock, int64 longest, int64 max_skew);

/* Is it time to renew, for ids that have got to a time? */
extern bool sg_lease_is_due(int64 id_time, int64 until, int64 length);

/* The numbers that are leased of a width: from first to last. */
extern void sg_lease_numbers(int bits, int64 *first, int64 *last);

#endif							/* SEQGEN_LEASE_H */
