/*-------------------------------------------------------------------------
 *
 * unit.h
 *	  What the tests of the pure code share.
 *
 * With INPUTS defined there is an array of so many inputs of the check under
 * way, a CHECK that shows them when it fails, and numbers to fill them with.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_UNIT_H
#define SEQGEN_UNIT_H

#include <stdlib.h>

static int64 checks = 0;
static uint64 random_state;

/* splitmix64 */
static inline uint64
random_bits(void)
{
	uint64		z = (random_state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

#ifdef INPUTS

#define CHECK(condition) \
	do { \
		checks++; \
		if (!(condition)) \
			fail(#condition, __LINE__); \
	} while (0)

static int64 inputs[INPUTS];

static inline void
fail(const char *condition, int line)
{
	printf("line %d: not so: %s\n", line, condition);
	printf("inputs:");
	for (int i = 0; i < INPUTS; i++)
		printf(" %lld", (long long) inputs[i]);
	printf("\n");
	exit(1);
}

/*
 * A number of any magnitude, often near the one given before: mistakes are at
 * the ends of the type and where two inputs meet.
 */
static inline int64
random_edgy(void)
{
	static int64 last = 0;
	int64		near = (int64) (random_bits() % 7) - 3;

	switch (random_bits() % 8)
	{
		case 0:
			return PG_INT64_MAX - (int64) (random_bits() % 4);
		case 1:
			return PG_INT64_MIN + (int64) (random_bits() % 4);
		case 2:
			return near;
		case 3:
		case 4:
			return (int64) ((uint64) last + (uint64) near);
		case 5:
			return (int64) ((uint64) last * 2 + (uint64) near);
		case 6:
			return last = (int64) (random_bits() >> (1 + random_bits() % 63));
		default:
			return last = (int64) random_bits();
	}
}

#endif							/* INPUTS */

#endif							/* SEQGEN_UNIT_H */
