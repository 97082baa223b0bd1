/*-------------------------------------------------------------------------
 *
 * tenure_rule.h
 *	  What a node believes of the answers to its requests for a node number.
 *	  Implemented in tenure_rule.c.
 *
 * Everything here is pure: no locks, no errors, no memory, no clock; and safe
 * for every int64 and every text.  Times are microseconds since the Unix epoch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_TENURE_RULE_H
#define SEQGEN_TENURE_RULE_H

#include "lease.h"

/* No lease is longer; what a coordinator may be set to, and a day, in us. */
#define SG_TENURE_LONGEST	(INT64CONST(31) * 86400 * 1000000)

/* What the coordinator answered. */
typedef struct SgTenureAnswer
{
	SgLease		lease;
	int64		coordinator_clock;
} SgTenureAnswer;

/* What the answer has to fit. */
typedef struct SgTenureExpected
{
	int64		first;			/* the numbers that may be granted */
	int64		last;
	SgLease		held;			/* from the same coordinator; number 0 if none */
	int64		generation;		/* the highest seen from it, 0 if none */
	int64		clock;			/* of this node, when it asked */
} SgTenureExpected;

/* NULL if the answer is right, else what is wrong with it. */
extern const char *sg_tenure_problem(const SgTenureAnswer *answer,
									 const SgTenureExpected *expected);

/*
 * What is held after a grant that is right.  A coordinator that lost a renewal
 * in a failover may end a window earlier than it told us before, but it gives
 * that time to nobody else: the window does not become shorter.
 */
extern SgLease sg_tenure_merge(const SgLease *held, const SgLease *granted);

/*
 * How long a lease is, by what both clocks said when it was granted: from 1 to
 * SG_TENURE_LONGEST.
 */
extern int64 sg_tenure_length(const SgTenureAnswer *answer, int64 clock);

/* When less than two thirds of a lease remain. */
extern int64 sg_tenure_renew_at(int64 until, int64 length);

#define SG_TENURE_UUID_SIZE		37
#define SG_TENURE_LOCATION_SIZE 12

/* A number was given to somebody: a line of the coordinator's registry. */
typedef struct SgTenureEntry
{
	int64		serial;			/* from 1 */
	int64		bits;			/* of the pool; 0 for a number set by hand */
	int64		datacenter;		/* -1 for pools without */
	int64		number;			/* from 1 */
	int64		valid_from;		/* 0 for always */
	char		node[SG_TENURE_UUID_SIZE];
	char		location[SG_TENURE_LOCATION_SIZE];	/* or empty */
} SgTenureEntry;

/*
 * Read the line that *line begins with, and move *line to the next:
 *
 *		serial bits datacenter number valid_from node location
 *
 * Serials grow: the line's must be above the one given.  False if there is no
 * such line.
 */
extern bool sg_tenure_entry(const char **line, int64 above, SgTenureEntry *entry);

#endif							/* SEQGEN_TENURE_RULE_H */
