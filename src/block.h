/*-------------------------------------------------------------------------
 *
 * block.h
 *	  Rules about blocks of a range: how large the next one is, what is wrong
 *	  with one, how long it lasts.  Implemented in block.c.
 *
 * A block is half-open: the values from lo to hi - 1.  Everything here is pure:
 * no locks, no errors, no memory, no clock; and safe for every int64.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_BLOCK_H
#define SEQGEN_BLOCK_H

/*
 * The size of the next block, after one of a size lasted for a time.  It
 * doubles if that is less than the target and halves above twice the target,
 * within min_size to max_size, and is at least 1.  If the bounds contradict
 * each other, max_size counts.
 */
extern int64 sg_block_next_size(int64 size, int64 lasted_us, int64 target_us,
								int64 min_size, int64 max_size);

/*
 * How far ahead of the values given out a reservation reaches, which is what a
 * crash loses: this many values at most, or where values are drawn so fast that
 * reservations follow each other within SG_BLOCK_PACE, up to this part of the
 * block.
 */
#define SG_BLOCK_STEP		INT64CONST(1024)
#define SG_BLOCK_STEP_PART	16
#define SG_BLOCK_PACE		INT64CONST(20000)	/* us */

/*
 * The reach of the next reservation, by that of the last one and the time since
 * it: it doubles within the pace, and halves after four times the pace.
 */
extern int64 sg_block_next_step(int64 step, int64 elapsed_us, int64 block_size);

/* What the coordinator answered. */
typedef struct SgBlockAnswer
{
	int64		lo;
	int64		hi;
	int64		epoch;			/* grows whenever a coordinator takes over */
	int64		ledger;			/* grows with every change of the ledger */
} SgBlockAnswer;

/* What the answer has to fit. */
typedef struct SgBlockExpected
{
	int64		size;			/* largest that was asked for */
	int64		min_value;		/* of the generator */
	int64		max_value;		/* of the generator */
	int64		highest;		/* exclusive upper end of all blocks that this
								 * node has seen, 0 if none */
	int64		epoch;			/* the highest seen, 0 if none */
	int64		ledger;			/* the highest seen, 0 if none */
} SgBlockExpected;

/* NULL if the answer is right, else what is wrong with it. */
extern const char *sg_block_problem(const SgBlockAnswer *answer,
									const SgBlockExpected *expected);

/* What sg_block_seconds_left returns for a supply that no one uses: 100 years. */
#define SG_BLOCK_MAX_SECONDS	INT64CONST(3155760000)

/*
 * How many seconds a number of values lasts, if as many are used as were in a
 * time that has passed: rounded down, from 0 to SG_BLOCK_MAX_SECONDS.
 */
extern int64 sg_block_seconds_left(int64 left, int64 used, int64 elapsed_us);

#endif							/* SEQGEN_BLOCK_H */
