/*-------------------------------------------------------------------------
 *
 * block_test.c
 *	  The rules about blocks, without a server, against the same rules written
 *	  in 128 bits, where nothing can overflow.
 *
 *		block_test [seed]
 *
 * Prints one line of figures; on a failure what failed, and exits with 1.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "block.h"

/* of a check */
#define INPUTS	10
#include "unit.h"

#define ROUNDS			1000000

typedef __int128 wide;


static void
draw_inputs(void)
{
	for (int i = 0; i < (int) lengthof(inputs); i++)
		inputs[i] = random_edgy();
}

static wide
clamp(wide value, wide low, wide high)
{
	if (value < low)
		value = low;
	return value > high ? high : value;
}

/* the definition in block.h */
static wide
next_size(wide size, wide lasted, wide target, wide min, wide max)
{
	max = clamp(max, 1, max > 1 ? max : 1);
	min = clamp(min, 1, max);
	lasted = lasted < 0 ? 0 : lasted;
	target = target < 0 ? 0 : target;
	size = clamp(size, min, max);
	if (lasted < target)
		size *= 2;
	else if (lasted > 2 * target)
		size /= 2;
	return clamp(size, min, max);
}

static void
check_next_size(void)
{
	int64		size;

	draw_inputs();
	size = sg_block_next_size(inputs[0], inputs[1], inputs[2], inputs[3], inputs[4]);
	CHECK(size == next_size(inputs[0], inputs[1], inputs[2], inputs[3], inputs[4]));
	CHECK(size >= 1);
	CHECK(size <= Max(inputs[4], 1));
}

/* What the rule is for: a steady rate ends in a size within the target. */
static void
check_steady_rate(void)
{
	const int64 second = INT64CONST(1000000);
	const int64 target = 900 * second;

	for (int64 rate = 1; rate <= 1000000; rate *= 3)
	{
		int64		size = 1;
		int64		lasted;

		for (int i = 0; i < 40; i++)
			size = sg_block_next_size(size, size * second / rate, target, 1, PG_INT64_MAX);
		lasted = size * second / rate;
		inputs[0] = rate;
		inputs[1] = size;
		CHECK(lasted >= target && lasted <= 2 * target);
		CHECK(sg_block_next_size(size, lasted, target, 1, PG_INT64_MAX) == size);
	}
}

static bool
is_right(const SgBlockAnswer *answer, const SgBlockExpected *expected)
{
	wide		lo = answer->lo;
	wide		hi = answer->hi;

	return lo < hi && hi - lo <= expected->size &&
		lo >= expected->min_value && hi <= (wide) expected->max_value + 1 &&
		lo >= expected->highest &&
		answer->epoch >= expected->epoch && answer->ledger >= expected->ledger;
}

static bool
check_problem(void)
{
	SgBlockAnswer answer;
	SgBlockExpected expected;
	const char *problem;

	draw_inputs();
	answer.lo = inputs[0];
	answer.hi = inputs[1];
	answer.epoch = inputs[2];
	answer.ledger = inputs[3];
	expected.size = inputs[4];
	expected.min_value = inputs[5];
	expected.max_value = inputs[6];
	expected.highest = inputs[7];
	expected.epoch = inputs[8];
	expected.ledger = inputs[9];

	/* few are right by chance */
	if (random_bits() % 2)
	{
		expected.min_value = Min(expected.min_value, answer.lo);
		expected.max_value = Max(expected.max_value, answer.hi);
		expected.epoch = Min(expected.epoch, answer.epoch);
		expected.ledger = Min(expected.ledger, answer.ledger);
		if (random_bits() % 2)
			expected.highest = answer.lo;
	}

	problem = sg_block_problem(&answer, &expected);
	CHECK((problem == NULL) == is_right(&answer, &expected));
	return problem == NULL;
}

/* Each problem by itself, one step from an answer that is right. */
static void
check_each_problem(void)
{
	const SgBlockAnswer right = {.lo = 101,.hi = 201,.epoch = 3,.ledger = 8};
	const SgBlockExpected expected = {
		.size = 100,.min_value = 101,.max_value = 200,.highest = 101,.epoch = 3,.ledger = 8
	};
	const SgBlockExpected seen = {
		.size = 100,.min_value = 1,.max_value = 200,.highest = 102,.epoch = 3,.ledger = 8
	};
	SgBlockAnswer answer;

#define CHECK_PROBLEM(change, expectation, text) \
	do { \
		answer = right; \
		change; \
		CHECK(strstr(sg_block_problem(&answer, expectation), text) != NULL); \
	} while (0)

	CHECK(sg_block_problem(&right, &expected) == NULL);
	CHECK_PROBLEM(answer.hi = 101, &expected, "empty");
	CHECK_PROBLEM(answer.hi = 100, &expected, "reversed");
	CHECK_PROBLEM(answer.hi = PG_INT64_MIN, &expected, "reversed");
	CHECK_PROBLEM(answer.lo = 100, &expected, "not inside");
	CHECK_PROBLEM(answer.lo = -1, &expected, "not inside");
	CHECK_PROBLEM(answer.hi = 202, &expected, "not inside");
	CHECK_PROBLEM(answer.lo = 100, &seen, "larger");
	CHECK_PROBLEM(answer.lo = 101, &seen, "above all blocks");
	CHECK_PROBLEM(answer.epoch = 2, &expected, "epoch");
	CHECK_PROBLEM(answer.ledger = 7, &expected, "ledger");
}

/* up to the error of three steps in floating point */
static void
check_seconds_left(void)
{
	wide		left;
	wide		seconds;
	wide		slack;
	int64		result;

	draw_inputs();
	result = sg_block_seconds_left(inputs[0], inputs[1], inputs[2]);
	CHECK(result >= 0 && result <= SG_BLOCK_MAX_SECONDS);
	if (inputs[0] <= 0)
		CHECK(result == 0);
	else if (inputs[1] <= 0)
		CHECK(result == SG_BLOCK_MAX_SECONDS);
	else
	{
		left = inputs[0];
		seconds = left * Max(inputs[2], 0) / ((wide) inputs[1] * 1000000);
		seconds = clamp(seconds, 0, SG_BLOCK_MAX_SECONDS);
		slack = 1 + seconds / INT64CONST(1000000000000);
		CHECK(result >= seconds - slack && result <= seconds + slack);
	}
}

/* between the least and the largest reach, and following the pace */
static void
check_next_step(void)
{
	wide		step;
	wide		largest;
	int64		result;

	draw_inputs();
	largest = Max(SG_BLOCK_STEP, (wide) inputs[2] / SG_BLOCK_STEP_PART);
	step = inputs[0];
	if (inputs[1] < SG_BLOCK_PACE)
		step *= 2;
	else if (inputs[1] > 4 * SG_BLOCK_PACE)
		step /= 2;
	result = sg_block_next_step(inputs[0], inputs[1], inputs[2]);
	CHECK(result == clamp(step, SG_BLOCK_STEP, largest));
}

int
main(int argc, char **argv)
{
	int			right = 0;

	CHECK(sg_block_next_step(0, PG_INT64_MAX, 10) == SG_BLOCK_STEP);
	CHECK(sg_block_next_step(1024, 10000, 1000000) == 2048);
	CHECK(sg_block_next_step(2048, 50000, 1000000) == 2048);
	CHECK(sg_block_next_step(2048, 100000, 1000000) == 1024);
	CHECK(sg_block_next_step(60000, 10000, 1000000) == 62500);

	random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : UINT64CONST(20250101);
	check_steady_rate();
	check_each_problem();
	for (int i = 0; i < ROUNDS; i++)
	{
		check_next_size();
		check_next_step();
		right += check_problem();
		check_seconds_left();
	}
	CHECK(right > ROUNDS / 1000);
	printf("block_test: %d random inputs of each rule, %d right answers, %lld checks passed\n",
		   ROUNDS, right, (long long) checks);
	return 0;
}
