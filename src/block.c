/*-------------------------------------------------------------------------
 *
 * block.c
 *	  Rules about blocks of a range.
 *
 * See block.h.  test/unit/block_test.c runs this file without a server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "block.h"

/*
 * The rule is that of Leaf, the id service of Meituan: a block that lasts for
 * the target up to twice the target keeps its size, so that the size does not
 * swing between two values.
 */
int64
sg_block_next_size(int64 size, int64 lasted_us, int64 target_us,
				   int64 min_size, int64 max_size)
{
	int64		max = Max(max_size, 1);
	int64		min = Min(Max(min_size, 1), max);
	int64		lasted = Max(lasted_us, 0);
	int64		target = Max(target_us, 0);

	size = Max(min, Min(size, max));
	if (lasted < target)
		return size > max - size ? max : size * 2;
	if (lasted - target > target)
		return Max(min, size / 2);
	return size;
}

int64
sg_block_next_step(int64 step, int64 elapsed_us, int64 block_size)
{
	int64		largest = Max(SG_BLOCK_STEP, block_size / SG_BLOCK_STEP_PART);

	if (elapsed_us < SG_BLOCK_PACE)
		step = step > largest / 2 ? largest : Max(step, 0) * 2;
	else if (elapsed_us > 4 * SG_BLOCK_PACE)
		step /= 2;
	return Min(Max(step, SG_BLOCK_STEP), largest);
}

const char *
sg_block_problem(const SgBlockAnswer *answer, const SgBlockExpected *expected)
{
	if (answer->lo >= answer->hi)
		return "The block is empty or reversed.";
	if (answer->lo < expected->min_value || answer->hi - 1 > expected->max_value)
		return "The block is not inside the generator's range.";
	/* as lo < hi, the difference is right in unsigned arithmetic */
	if (expected->size < 0 ||
		(uint64) answer->hi - (uint64) answer->lo > (uint64) expected->size)
		return "The block is larger than asked for.";
	if (answer->lo < expected->highest)
		return "The block is not above all blocks that this node has seen.";
	if (answer->epoch < expected->epoch)
		return "The coordinator's epoch is lower than one that this node has seen.";
	if (answer->ledger < expected->ledger)
		return "The number of the coordinator's ledger is lower than one that this node has seen.";
	return NULL;
}

/*
 * In floating point, as the product does not fit 64 bits: the error, of one
 * part in 10^15, is none that matters to a forecast.
 */
int64
sg_block_seconds_left(int64 left, int64 used, int64 elapsed_us)
{
	double		seconds;

	if (left <= 0)
		return 0;
	if (used <= 0)
		return SG_BLOCK_MAX_SECONDS;
	seconds = (double) left / (double) used * (double) Max(elapsed_us, 0) / 1e6;
	return seconds < (double) SG_BLOCK_MAX_SECONDS ? (int64) seconds : SG_BLOCK_MAX_SECONDS;
}
