/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  The only reader of the system clock.  Implemented in clock.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_CLOCK_H
#define SEQGEN_CLOCK_H

#include "datatype/timestamp.h"

/* Wall clock, in microseconds since the Unix epoch, with the test offset. */
extern int64 sg_clock_now(void);

/*
 * Microseconds since the machine started, sleep included.  Does not step, and
 * the test offset does not shift it.
 */
extern int64 sg_clock_elapsed(void);

/*
 * Check a reading of sg_clock_now against the time that has elapsed since the
 * newest reading that passed, and remember it if it is newer.  Raises an error
 * if the clock jumped forward further than seqgen.max_clock_jump allows.
 */
extern void sg_clock_check(int64 now);

/* What the kernel says of the clock. */
typedef enum SgClockState
{
	SG_CLOCK_UNKNOWN,			/* it does not say */
	SG_CLOCK_SHIFTED,			/* seqgen.debug_clock_offset is not zero */
	SG_CLOCK_UNSYNCHRONIZED,	/* nothing keeps it right, or its error is not
								 * bounded */
	SG_CLOCK_SYNCHRONIZED,
} SgClockState;

/* If it is synchronized, *max_error is how far off it is at most, in us. */
extern SgClockState sg_clock_state(int64 *max_error);

/* Between microseconds since the Unix epoch and a timestamp. */
#define SG_UNIX_EPOCH_OFFSET \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)
#define sg_unix_to_timestamp(us)	((TimestampTz) ((us) - SG_UNIX_EPOCH_OFFSET))

/* The last timestamps there are have no such number: the largest serves. */
static inline int64
sg_timestamp_to_unix(TimestampTz ts)
{
	return ts > PG_INT64_MAX - SG_UNIX_EPOCH_OFFSET ? PG_INT64_MAX : ts + SG_UNIX_EPOCH_OFFSET;
}

/* A time for a message, as text in the session's time zone, palloc'd. */
extern char *sg_clock_text(int64 unix_us);

extern void sg_clock_init(void);

#endif							/* SEQGEN_CLOCK_H */
