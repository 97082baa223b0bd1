/*-------------------------------------------------------------------------
 *
 * lease.c
 *	  Rules of leases of node numbers.
 *
 * Sums that do not fit stop at the largest or smallest int64, on the side that
 * is safe: a window ends earlier, a number becomes free later.
 *
 * Everything here is pure.  test/unit/lease_test.c runs this file without a
 * server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"

#include "lease.h"

/* the margin of renewals is no larger than this part of the lease */
#define MARGIN_PART		4

/* the widest number */
#define MAX_BITS		62

static int64
sum(int64 a, int64 b)
{
	int64		result;

	if (!pg_add_s64_overflow(a, b, &result))
		return result;
	return b < 0 ? PG_INT64_MIN : PG_INT64_MAX;
}

static int64
difference(int64 a, int64 b)
{
	int64		result;

	if (!pg_sub_s64_overflow(a, b, &result))
		return result;
	return b < 0 ? PG_INT64_MAX : PG_INT64_MIN;
}

int64
sg_lease_until(int64 coordinator_clock, int64 node_clock, int64 length)
{
	/* the largest number stands for a window without an end */
	return Min(sum(Max(coordinator_clock, node_clock), Max(length, 0)), PG_INT64_MAX - 1);
}

bool
sg_lease_is_skewed(int64 coordinator_clock, int64 node_clock, int64 max_skew)
{
	return difference(Max(coordinator_clock, node_clock),
					  Min(coordinator_clock, node_clock)) > max_skew;
}

bool
sg_lease_may_renew(int64 until, int64 coordinator_clock, int64 length, int64 max_skew)
{
	int64		margin = Min(max_skew, length / MARGIN_PART);

	return coordinator_clock < difference(until, Max(margin, 0));
}

bool
sg_lease_is_free(int64 until, int64 coordinator_clock, int64 max_skew)
{
	int64		free_at = sum(until, Max(max_skew, 0));

	return free_at < PG_INT64_MAX && coordinator_clock >= free_at;
}

int64
sg_lease_hold_end(int64 coordinator_clock, int64 longest, int64 max_skew)
{
	max_skew = Max(max_skew, 0);
	return sum(sum(sum(coordinator_clock, Max(longest, 0)), max_skew), max_skew);
}

bool
sg_lease_is_due(int64 id_time, int64 until, int64 length)
{
	if (until == PG_INT64_MAX)
		return false;
	return difference(until, id_time) < length - length / 3;
}

void
sg_lease_numbers(int bits, int64 *first, int64 *last)
{
	*first = 1;
	*last = 0;
	if (bits < 1 || bits > MAX_BITS)
		return;
	*first = INT64CONST(1) << (bits - 1);
	*last = (INT64CONST(1) << bits) - 1;
}
