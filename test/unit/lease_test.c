/*-------------------------------------------------------------------------
 *
 * lease_test.c
 *	  The rules of leases, without a server, against the same rules written in
 *	  128 bits, where nothing can overflow; and that rules which belong together
 *	  do not contradict each other.
 *
 *		lease_test [seed]
 *
 * Prints one line of figures; on a failure what failed, and exits with 1.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lease.h"

/* of a check */
#define INPUTS	4
#include "unit.h"

#define ROUNDS			1000000

typedef __int128 wide;


static wide
clamp(wide value, wide least, wide most)
{
	return value < least ? least : value > most ? most : value;
}

static void
random_inputs(void)
{
	for (int i = 0; i < (int) lengthof(inputs); i++)
		inputs[i] = random_edgy();
}

static void
check_until(void)
{
	wide		clock = Max(inputs[0], inputs[1]);
	wide		length = Max(inputs[2], 0);

	CHECK(sg_lease_until(inputs[0], inputs[1], inputs[2]) ==
		  clamp(clock + length, PG_INT64_MIN, PG_INT64_MAX - 1));
}

static void
check_skew(void)
{
	wide		apart = (wide) inputs[0] - inputs[1];

	/* a difference that no int64 holds is as large as any */
	apart = clamp(apart < 0 ? -apart : apart, 0, PG_INT64_MAX);
	CHECK(sg_lease_is_skewed(inputs[0], inputs[1], inputs[2]) == (apart > inputs[2]));
	CHECK(sg_lease_is_skewed(inputs[1], inputs[0], inputs[2]) == (apart > inputs[2]));
}

static void
check_renew(void)
{
	wide		margin = Max(Min(inputs[3], inputs[2] / 4), 0);

	CHECK(sg_lease_may_renew(inputs[0], inputs[1], inputs[2], inputs[3]) ==
		  (inputs[1] < clamp((wide) inputs[0] - margin, PG_INT64_MIN, PG_INT64_MAX)));
}

static void
check_free(void)
{
	wide		free_at = (wide) inputs[0] + Max(inputs[3], 0);

	CHECK(sg_lease_is_free(inputs[0], inputs[1], inputs[3]) ==
		  (free_at < PG_INT64_MAX && inputs[1] >= free_at));

	/*
	 * nobody's window is prolonged by one clock, and free by another, within
	 * the skew
	 */
	if (inputs[3] >= 0 && sg_lease_is_free(inputs[0], inputs[1], inputs[3]))
	{
		wide		other = (wide) inputs[1] - inputs[3];

		CHECK(other < PG_INT64_MIN ||
			  !sg_lease_may_renew(inputs[0], (int64) other, inputs[2], inputs[3]));
	}
}

static void
check_hold(void)
{
	int64		end = sg_lease_hold_end(inputs[0], inputs[2], inputs[3]);
	wide		skew = Max(inputs[3], 0);

	CHECK(end == clamp((wide) inputs[0] + Max(inputs[2], 0) + 2 * skew, PG_INT64_MIN, PG_INT64_MAX));

	/* no window that began before, by clocks within the skew, ends after it */
	if (skew <= PG_INT64_MAX / 4 && inputs[0] > PG_INT64_MIN / 2 && inputs[0] < PG_INT64_MAX / 4)
	{
		int64		before = inputs[0] + (int64) skew;

		CHECK(sg_lease_until(before, before + (int64) skew, inputs[2]) <= end);
	}
}

static void
check_due(void)
{
	wide		left = clamp((wide) inputs[0] - inputs[1], PG_INT64_MIN, PG_INT64_MAX);
	wide		length = inputs[2];

	CHECK(sg_lease_is_due(inputs[1], inputs[0], inputs[2]) ==
		  (inputs[0] != PG_INT64_MAX && left < length - length / 3));
}

static void
check_numbers(void)
{
	int64		first;
	int64		last;

	for (int bits = -2; bits < 70; bits++)
	{
		sg_lease_numbers(bits, &first, &last);
		inputs[0] = bits;
		if (bits < 1 || bits > 62)
			CHECK(first > last);
		else
			CHECK(first == INT64CONST(1) << (bits - 1) && last == 2 * (first - 1) + 1);
	}
}

int
main(int argc, char **argv)
{
	const int64 hour = INT64CONST(3600000000);
	const int64 minute = hour / 60;

	/* the usual figures: a lease of an hour, clocks within 15 minutes */
	CHECK(sg_lease_until(0, 10 * minute, hour) == hour + 10 * minute);
	CHECK(!sg_lease_is_skewed(0, 15 * minute, 15 * minute));
	CHECK(sg_lease_is_skewed(0, 15 * minute + 1, 15 * minute));
	CHECK(sg_lease_may_renew(hour, 45 * minute - 1, hour, 15 * minute));
	CHECK(!sg_lease_may_renew(hour, 45 * minute, hour, 15 * minute));
	CHECK(sg_lease_may_renew(4, 2, 4, 15 * minute) && !sg_lease_may_renew(4, 3, 4, 15 * minute));
	CHECK(!sg_lease_is_free(hour, 75 * minute - 1, 15 * minute));
	CHECK(sg_lease_is_free(hour, 75 * minute, 15 * minute));
	CHECK(sg_lease_hold_end(0, hour, 15 * minute) == 90 * minute);
	CHECK(!sg_lease_is_due(20 * minute, hour, hour) && sg_lease_is_due(20 * minute + 1, hour, hour));
	CHECK(!sg_lease_is_due(PG_INT64_MAX, PG_INT64_MAX, hour));
	CHECK(!sg_lease_is_free(PG_INT64_MAX, PG_INT64_MAX, 0));

	random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : UINT64CONST(20250101);
	check_numbers();
	for (int i = 0; i < ROUNDS; i++)
	{
		random_inputs();
		check_until();
		check_skew();
		check_renew();
		check_free();
		check_hold();
		check_due();
	}
	printf("lease_test: %d random inputs of each rule, %lld checks passed\n",
		   ROUNDS, (long long) checks);
	return 0;
}
